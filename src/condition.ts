/**
 * Conditions: processes that hold a lock let go of it until another, who holds it then, notifies them.
 *
 * For each participant three words say how many of its tasks wait, how many notifications it has, and since when the first of those waits that have none; they belong to it and to whoever notifies it, inside the
 * condition's own monitor. (Not the user's lock: that may be released by anybody.) Each is changed by a single store, so there is nothing to repair but this: when a participant is buried, its notifications go to others.
 *
 * | waiter | notifier |
 * |---|---|
 * | holds the lock: counts itself as waiting | holds the lock |
 * | lets go of the lock | gives a notification to whoever waits longest |
 * | sleeps until there is a notification, and takes it up | rings it |
 * | takes the lock again: only now the notification is done with | |
 *
 * Who counted itself before it let go of the lock is seen by whoever holds the lock after that. A waiter whose time is up takes itself out; a notification that came meanwhile counts, or goes to another. So does that of
 * one who dies on the way to the lock, which may be long: it did nothing about it. After that the lock is known to be abandoned.
 *
 * @module
 */
import type { Guard } from "./acquirable.ts";
import { HANDLE, type Handle, registerHandle } from "./codec.ts";
import { ProcessError } from "./errors.ts";
import type { SharedObject } from "./holding.ts";
import { checkHome, checkMayBlock, defaultHome, type Home } from "./home.ts";
import { performance } from "./host.ts";
import * as L from "./layout.ts";
import { INSIDE, Lock, RLock, type SetAside } from "./lock.ts";
import { enter, leave } from "./monitor.ts";
import { answerOf, type Attempt, checkPredicate, checkTimeout, checkWait, PENDING, type WaitOptions } from "./attempt.ts";
import { unregister, type WaitSet } from "./wait_set.ts";
import { type Participant, registerKind } from "./participant.ts";
import { shown } from "./options.ts";
import { Place } from "./place.ts";
import { printAs } from "./printed.ts";

/** Codec number. */
const CONDITION = 10;
/** In the word for notifications: those that were taken up by tasks which do not have the lock yet count so much, the others 1. */
const TAKEN_UP = 1 << 16;
const NEW = TAKEN_UP - 1;
/** As many tasks of one participant can wait as the word can count. */
const MOST_TASKS = (1 << 15) - 1;

/** A wait, from when it was counted until it has the lock again. */
interface Stay {
  state: "waits" | "notified" | "over";
}

/**
 * A condition variable: who holds its lock can wait until another, who changed what the lock protects, notifies it.
 *
 * @example
 * ```ts
 * import { Condition, isMain, Process, Value } from "@polyproc/multiprocessing";
 *
 * export async function open(condition: Condition, door: Value<"bool">) {
 *   await condition.withLock(() => {
 *     door.value = true;
 *     condition.notifyAll();
 *   });
 * }
 *
 * if (isMain(import.meta)) {
 *   const condition = new Condition(), door = Value("bool");
 *   const child = new Process({ target: open, args: [condition, door] }).start();
 *   await condition.withLock(() => condition.waitFor(() => door.value));
 *   await child.join();
 * }
 * ```
 */
export class Condition implements SharedObject {
  readonly #lock: Lock | RLock;
  readonly #place: Place;
  readonly #waiters: WaitSet;

  /**
   * Makes a condition.
   *
   * @param lock Its lock, by default a new {@linkcode Lock}; Python's is an `RLock`.
   * @param home The memory to make it in: that of the lock, or else of the default context. A context's own classes give theirs.
   * @throws {TypeError} That is no lock.
   * @throws {UnsupportedError} No memory is shared there.
   */
  constructor(lock?: Lock | RLock | null, home?: Home | Place) {
    if (lock !== undefined && lock !== null && !(lock instanceof Lock) && !(lock instanceof RLock)) {
      throw new TypeError("Cannot make a condition: its lock must be a Lock or an RLock");
    }
    if (home !== undefined && !(home instanceof Place)) checkHome(home, "make the condition");
    const where = home instanceof Place ? home.home : lock?.[INSIDE].home ?? home ?? defaultHome();
    this.#lock = lock ?? new Lock(where);
    this.#place = home instanceof Place
      ? home
      : Place.make(where, { what: "the condition", kind: L.KIND_CONDITION, words: L.CONDITION_WORDS });
    this.#waiters = this.#place.waitSet(L.CONDITION_WAITERS);
  }

  /** Takes its lock; see {@linkcode Lock.acquire}. */
  acquire(options?: WaitOptions): Promise<Guard> {
    return this.#lock.acquire(options);
  }

  /** Takes its lock, blocking; see {@linkcode Lock.acquireSync}. */
  acquireSync(options?: { timeout?: number }): Guard {
    return this.#lock.acquireSync(options);
  }

  /** Takes its lock if that is free now; see {@linkcode Lock.tryAcquire}. */
  tryAcquire(): Guard | null {
    return this.#lock.tryAcquire();
  }

  /** Releases its lock; see {@linkcode Lock.release}. */
  release(): void {
    this.#lock.release();
  }

  /** Whether anybody holds its lock; see {@linkcode Lock.locked}. */
  locked(): boolean {
    return this.#lock.locked();
  }

  static {
    printAs(this.prototype, (condition) => condition.#place.looks(() => String(condition.#lock)));
  }

  /** Runs `body` with its lock taken; see {@linkcode Lock.withLock}. */
  withLock<T>(body: (guard: Guard) => T, options?: WaitOptions): Promise<Awaited<T>> {
    return this.#lock.withLock(body, options);
  }

  /** Runs `body` with its lock taken, blocking; see {@linkcode Lock.withLockSync}. */
  withLockSync<T>(body: (guard: Guard) => T, options?: { timeout?: number }): T {
    return this.#lock.withLockSync(body, options);
  }

  /**
   * Releases the lock, waits to be notified, and takes the lock again, whatever happens.
   *
   * @param options `timeout` in milliseconds; `signal`. Taking the lock again may take longer.
   * @return True; false when the time was up.
   * @throws {ProcessError} This process does not hold the lock.
   * @throws {TypeError} The options are wrong; the lock is held as before.
   */
  wait(options?: WaitOptions): Promise<boolean> {
    let aside: SetAside;
    try {
      checkWait(options);
      this.#checkMine("wait for");
      options?.signal?.throwIfAborted();
      aside = this.#arrive();
    } catch (error) {
      return Promise.reject(error);
    }
    const { me, scope, undoing } = this.#place;
    const stay: Stay = { state: "waits" };
    const passOn = () => {
      undoing.delete(passOn);
      this.#passOn(stay);
    };
    undoing.add(passOn);
    return me.parker.tasks.sleep(this.#waiters, this.#attempt(stay), options, () => this.#giveUp(stay), scope).then(
      (wasNotified) =>
        this.#takeBack(aside).then(
          () => {
            if (undoing.delete(passOn)) this.#goOn(stay);
            return wasNotified;
          },
          (reason) => {
            if (!me.isGone && undoing.has(passOn)) passOn();
            throw reason;
          },
        ),
      (reason) => {
        if (me.isGone) throw reason;
        if (undoing.has(passOn)) passOn();
        return this.#takeBack(aside).then(() => {
          throw reason;
        });
      },
    );
  }

  /** {@linkcode Condition.wait}, blocking. @throws {UnsupportedError} This thread may not block. */
  waitSync(options?: { timeout?: number }): boolean {
    checkTimeout(options);
    this.#checkMine("wait for");
    checkMayBlock(this.#place.me, "waitSync");
    const aside = this.#arrive();
    const stay: Stay = { state: "waits" };
    try {
      return this.#place.me.parker.sleepSync(this.#waiters, this.#attempt(stay), options?.timeout, () => this.#giveUp(stay));
    } finally {
      this.#lock[INSIDE].takeBackSync(aside);
      this.#goOn(stay);
    }
  }

  /**
   * Waits, as often as it is notified, until `predicate` gives something true. The lock is held whenever that is called, and afterwards.
   *
   * @param options `timeout` in milliseconds, in all; `signal`.
   * @return What `predicate` gave last.
   * @throws {ProcessError} This process does not hold the lock.
   * @throws {TypeError} The options are wrong, or `predicate` is no function, or gives a promise; the lock is held as before.
   */
  async waitFor<T>(predicate: () => T, options?: WaitOptions): Promise<T> {
    checkWait(options);
    checkPredicate(predicate);
    this.#checkMine("wait for");
    options?.signal?.throwIfAborted();
    const deadline = deadlineOf(options?.timeout);
    for (;;) {
      const result = answerOf(predicate());
      if (result) return result;
      const left = deadline - performance.now();
      if (left <= 0) return result;
      await this.wait({ ...options, timeout: left });
    }
  }

  /** {@linkcode Condition.waitFor}, blocking. @throws {UnsupportedError} This thread may not block. */
  waitForSync<T>(predicate: () => T, options?: { timeout?: number }): T {
    checkTimeout(options);
    checkPredicate(predicate);
    this.#checkMine("wait for");
    const deadline = deadlineOf(options?.timeout);
    for (;;) {
      const result = answerOf(predicate());
      if (result) return result;
      const left = deadline - performance.now();
      if (left <= 0) return result;
      this.waitSync({ timeout: left });
    }
  }

  /**
   * Wakes some of those who wait now, those who have waited longest first. They go on once they have the lock.
   *
   * @param n How many at the most; 1 by default.
   * @throws {ProcessError} This process does not hold the lock.
   * @throws {RangeError} `n` is negative, or no number.
   */
  notify(n = 1): void {
    this.#checkMine("notify");
    if (typeof n !== "number" || !(n >= 0)) {
      throw new RangeError(`Cannot notify ${shown(n)} of those who wait for the condition: n must be a number from 0 on`);
    }
    this.#notifyInside(n);
  }

  /** Wakes all who wait now. @throws {ProcessError} This process does not hold the lock. */
  notifyAll(): void {
    this.notify(Infinity);
  }

  /** Lets go of the object here, not of its lock. Others who have it are not concerned. */
  [Symbol.dispose](): void {
    this.#place.close();
  }

  /** What travels of it. @internal */
  [HANDLE](): Handle {
    return { kind: CONDITION, words: this.#place.handle(), parts: this.#lock };
  }

  #checkMine(action: string): void {
    this.#place.check(action);
    if (!this.#lock[INSIDE].isMine()) {
      throw new ProcessError(`Cannot ${action} the condition: this process does not hold its lock; acquire() it first`);
    }
  }

  /** Counts one more who waits, and lets go of the lock. */
  #arrive(): SetAside {
    const { words, at, me } = this.#place;
    const waiting = at + L.CONDITION_WAITING + me.slot, notified = at + L.CONDITION_NOTIFIED + me.slot;
    this.#inside(() => {
      if (words[waiting] + (words[notified] >> 16) === MOST_TASKS) {
        throw new RangeError(`Cannot wait for the condition: ${MOST_TASKS} tasks of this process do already`);
      }
      if (words[waiting] === (words[notified] & NEW)) words[at + L.CONDITION_SINCE + me.slot] = words[at + L.CONDITION_CLOCK]++;
      words[waiting]++;
    });
    return this.#lock[INSIDE].setAside();
  }

  #attempt(stay: Stay): Attempt<boolean> {
    const { words, at, me } = this.#place;
    return {
      attempt: () => {
        if ((Atomics.load(words, at + L.CONDITION_NOTIFIED + me.slot) & NEW) === 0) return PENDING;
        return this.#inside(() => this.#takeUpInside(stay)) || PENDING;
      },
      more: () => false,
    };
  }

  /** Its time is up: counts one less who waits; with a notification, if there is one after all. */
  #giveUp(stay: Stay): boolean {
    const { words, at, me } = this.#place;
    return this.#inside(() => {
      if (this.#takeUpInside(stay)) return true;
      words[at + L.CONDITION_WAITING + me.slot]--;
      stay.state = "over";
      return false;
    });
  }

  #takeUpInside(stay: Stay): boolean {
    const { words, at, me } = this.#place;
    const notified = at + L.CONDITION_NOTIFIED + me.slot;
    if ((words[notified] & NEW) === 0) return false;
    Atomics.store(words, notified, words[notified] - 1 + TAKEN_UP);
    words[at + L.CONDITION_WAITING + me.slot]--;
    stay.state = "notified";
    return true;
  }

  /** It has the lock again. */
  #goOn(stay: Stay): void {
    if (stay.state !== "notified") return;
    const { words, at, me } = this.#place;
    const notified = at + L.CONDITION_NOTIFIED + me.slot;
    this.#inside(() => Atomics.store(words, notified, words[notified] - TAKEN_UP));
    stay.state = "over";
  }

  /** It does not go on: another is to have the good of its notification. */
  #passOn(stay: Stay): void {
    const { words, at, me } = this.#place;
    const waiting = at + L.CONDITION_WAITING + me.slot, notified = at + L.CONDITION_NOTIFIED + me.slot;
    if (stay.state === "over") return;
    this.#inside(() => {
      if (stay.state === "waits") words[waiting]--;
      // One more than there are tasks here to take it up.
      const spare = stay.state === "notified" ? TAKEN_UP : (words[notified] & NEW) > words[waiting] ? 1 : 0;
      stay.state = "over";
      if (spare === 0) return;
      // Who dies between the two has notified one too many.
      notifyOne(me, words, at);
      Atomics.store(words, notified, words[notified] - spare);
    });
  }

  /** Takes the lock again. */
  #takeBack(aside: SetAside): Promise<void> {
    try {
      return this.#lock[INSIDE].takeBack(aside);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #inside<T>(body: () => T): T {
    const { words, at, me } = this.#place;
    enter(words, at + L.CONDITION_MONITOR, me.parker);
    try {
      return body();
    } finally {
      leave(words, at + L.CONDITION_MONITOR, me.parker);
    }
  }

  #notifyInside(n: number): void {
    const { words, at, me } = this.#place;
    this.#inside(() => {
      for (; n > 0 && notifyOne(me, words, at); n--);
    });
  }
}

registerHandle(
  CONDITION,
  (words, context, lock) => new Condition(lock as Lock | RLock, Place.receive(words, context, "the condition")),
);

/** Gives a notification to whoever waits longest. False if nobody does. Inside the condition's monitor. */
function notifyOne(me: Participant, words: Int32Array, at: number): boolean {
  let first = -1;
  const since = at + L.CONDITION_SINCE;
  for (let slot = 0, used = Atomics.load(me.arena.head, L.SLOTS_USED); slot < used; slot++) {
    if (words[at + L.CONDITION_WAITING + slot] <= (words[at + L.CONDITION_NOTIFIED + slot] & NEW)) continue;
    if (first < 0 || (words[since + slot] - words[since + first] | 0) < 0) first = slot;
  }
  if (first < 0) return false;
  // The others of that participant have come no later than now.
  words[since + first] = words[at + L.CONDITION_CLOCK]++;
  const notified = at + L.CONDITION_NOTIFIED + first;
  Atomics.store(words, notified, words[notified] + 1);
  me.parker.wakeSlot(words, at + L.CONDITION_WAITERS, first);
  return true;
}

registerKind(L.KIND_CONDITION, {
  repair(me, words, at, dead) {
    const slot = dead & L.IDENT_SLOT_MASK;
    unregister(words, at + L.CONDITION_WAITERS, slot);
    enter(words, at + L.CONDITION_MONITOR, me.parker);
    unregister(words, at + L.CONDITION_MONITOR + L.MONITOR_WAITERS, slot);
    words[at + L.CONDITION_WAITING + slot] = 0;
    const notified = at + L.CONDITION_NOTIFIED + slot;
    // One by one: who dies of it has at worst notified one too many.
    for (; words[notified] > 0; words[notified] -= words[notified] >= TAKEN_UP ? TAKEN_UP : 1) notifyOne(me, words, at);
    leave(words, at + L.CONDITION_MONITOR, me.parker);
  },
});

function deadlineOf(timeout: number | undefined): number {
  return timeout === undefined ? Infinity : performance.now() + timeout;
}
