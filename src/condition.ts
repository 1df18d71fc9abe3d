/**
 * Conditions: processes that hold a lock let go of it until another, who holds it then, notifies them.
 *
 * For each participant three words say how many of its tasks wait, how many of these were notified, and since when the first of the others waits; they belong to it and to whoever notifies it, inside the condition's own
 * monitor. (Not the user's lock: that may be released by anybody.) Each is changed by a single store, so there is nothing to repair but this: when a participant is buried, its notifications go to others.
 *
 * | waiter | notifier |
 * |---|---|
 * | holds the lock: counts itself as waiting | holds the lock |
 * | lets go of the lock | gives a notification to whoever waits longest |
 * | sleeps until it has a notification, and takes that | rings it |
 * | takes the lock again | |
 *
 * Who counted itself before it let go of the lock is seen by whoever holds the lock after that. A waiter whose time is up takes itself out; a notification that came meanwhile counts, or goes to another.
 *
 * @module
 */
import type { Guard } from "./acquirable.ts";
import { HANDLE, type Handle, registerHandle } from "./codec.ts";
import { ProcessError } from "./errors.ts";
import type { SharedObject } from "./holding.ts";
import { checkMayBlock, defaultHome, type Home } from "./home.ts";
import * as L from "./layout.ts";
import { INSIDE, Lock, RLock, type SetAside } from "./lock.ts";
import { enter, leave } from "./monitor.ts";
import { type Attempt, PENDING, type WaitOptions, type WaitSet } from "./park.ts";
import { type Participant, registerKind } from "./participant.ts";
import { Place } from "./place.ts";

/** Codec number. */
const CONDITION = 10;

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
   * @param lock Its lock, by default a new {@linkcode Lock}.
   * @param home The memory to make it in: that of the lock, or else of the default context. A context's own classes give theirs.
   * @throws {UnsupportedError} No memory is shared there.
   */
  constructor(lock?: Lock | RLock | null, home?: Home | Place) {
    if (lock !== undefined && lock !== null && !(lock instanceof Lock) && !(lock instanceof RLock)) {
      throw new TypeError("Cannot make a condition: its lock must be a Lock or an RLock");
    }
    const where = home instanceof Place ? home.home : lock?.[INSIDE].home ?? home ?? defaultHome();
    this.#lock = lock ?? new Lock(where);
    const { CONDITION_WORDS: words } = L;
    this.#place = home instanceof Place
      ? home
      : Place.make(where, { what: "the condition", kind: L.KIND_CONDITION, byteLength: words * 4, words });
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

  /** Runs `body` with its lock taken; see {@linkcode Lock.withLock}. */
  withLock<T>(body: () => T, options?: WaitOptions): Promise<Awaited<T>> {
    return this.#lock.withLock(body, options);
  }

  /** Runs `body` with its lock taken, blocking; see {@linkcode Lock.withLockSync}. */
  withLockSync<T>(body: () => T, options?: { timeout?: number }): T {
    return this.#lock.withLockSync(body, options);
  }

  /**
   * Releases the lock, waits to be notified, and takes the lock again, whatever happens.
   *
   * @param options `timeout` in milliseconds; `signal`. Taking the lock again may take longer.
   * @return True; false when the time was up.
   * @throws {ProcessError} This process does not hold the lock.
   */
  wait(options?: WaitOptions): Promise<boolean> {
    try {
      this.#checkMine("wait for");
      options?.signal?.throwIfAborted();
    } catch (error) {
      return Promise.reject(error);
    }
    const { parker } = this.#place.me;
    const aside = this.#arrive();
    const { undoing } = this.#place;
    const passOn = () => {
      undoing.delete(passOn);
      // Another is to have the good of a notification that it does not take.
      if (this.#giveUp()) this.#notifyInside(1);
    };
    undoing.add(passOn);
    return parker.sleep(this.#waiters, this.#attempt, options, () => this.#giveUp(), this.#place.scope).then(
      (wasNotified) => {
        undoing.delete(passOn);
        return this.#lock[INSIDE].takeBack(aside).then(() => wasNotified);
      },
      (reason) => {
        if (this.#place.me.isGone) throw reason;
        if (undoing.has(passOn)) passOn();
        return this.#lock[INSIDE].takeBack(aside).then(() => {
          throw reason;
        });
      },
    );
  }

  /** {@linkcode Condition.wait}, blocking. @throws {UnsupportedError} This thread may not block. */
  waitSync(options?: { timeout?: number }): boolean {
    this.#checkMine("wait for");
    checkMayBlock(this.#place.me, "waitSync");
    const aside = this.#arrive();
    try {
      return this.#place.me.parker.sleepSync(this.#waiters, this.#attempt, options?.timeout, () => this.#giveUp());
    } finally {
      this.#lock[INSIDE].takeBackSync(aside);
    }
  }

  /**
   * Waits, as often as it is notified, until `predicate` gives something true. The lock is held whenever that is called, and afterwards.
   *
   * @param options `timeout` in milliseconds, in all; `signal`.
   * @return What `predicate` gave last.
   * @throws {ProcessError} This process does not hold the lock.
   */
  async waitFor<T>(predicate: () => T, options?: WaitOptions): Promise<T> {
    this.#checkMine("wait for");
    const deadline = deadlineOf(options?.timeout);
    for (;;) {
      const result = predicate();
      if (result) return result;
      const left = deadline - performance.now();
      if (left <= 0) return result;
      await this.wait({ ...options, timeout: left });
    }
  }

  /** {@linkcode Condition.waitFor}, blocking. */
  waitForSync<T>(predicate: () => T, options?: { timeout?: number }): T {
    this.#checkMine("wait for");
    const deadline = deadlineOf(options?.timeout);
    for (;;) {
      const result = predicate();
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
   */
  notify(n = 1): void {
    this.#checkMine("notify");
    if (!(n >= 0)) throw new RangeError(`Cannot notify ${n} of those who wait for the condition: n must be a number from 0 on`);
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
    enter(words, at + L.CONDITION_MONITOR, me.parker);
    const waiting = at + L.CONDITION_WAITING + me.slot;
    if (words[waiting] === words[at + L.CONDITION_NOTIFIED + me.slot]) {
      words[at + L.CONDITION_SINCE + me.slot] = words[at + L.CONDITION_CLOCK]++;
    }
    words[waiting]++;
    leave(words, at + L.CONDITION_MONITOR, me.parker);
    return this.#lock[INSIDE].setAside();
  }

  readonly #attempt: Attempt<boolean> = {
    attempt: () => {
      const { words, at, me } = this.#place;
      if (Atomics.load(words, at + L.CONDITION_NOTIFIED + me.slot) === 0) return PENDING;
      return this.#giveUp() || PENDING;
    },
    more: () => false,
  };

  /** Counts one less who waits; with a notification, if there is one. */
  #giveUp(): boolean {
    const { words, at, me } = this.#place;
    const waiting = at + L.CONDITION_WAITING + me.slot, notified = at + L.CONDITION_NOTIFIED + me.slot;
    enter(words, at + L.CONDITION_MONITOR, me.parker);
    const wasNotified = words[notified] > 0;
    if (wasNotified) Atomics.store(words, notified, words[notified] - 1);
    words[waiting]--;
    leave(words, at + L.CONDITION_MONITOR, me.parker);
    return wasNotified;
  }

  #notifyInside(n: number): void {
    const { words, at, me } = this.#place;
    enter(words, at + L.CONDITION_MONITOR, me.parker);
    for (; n > 0 && notifyOne(me, words, at); n--);
    leave(words, at + L.CONDITION_MONITOR, me.parker);
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
    if (words[at + L.CONDITION_WAITING + slot] <= words[at + L.CONDITION_NOTIFIED + slot]) continue;
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
  holdings: 1,
  destroy: (me, block) => me.heap.freeInside(block),
  repair(me, block, dead) {
    const { words } = me.arena.window(block.offset);
    const at = me.arena.wordIndex(block.offset), slot = dead & L.IDENT_SLOT_MASK;
    me.parker.forget(words, at + L.CONDITION_WAITERS, slot);
    enter(words, at + L.CONDITION_MONITOR, me.parker);
    me.parker.forget(words, at + L.CONDITION_MONITOR + L.MONITOR_WAITERS, slot);
    words[at + L.CONDITION_WAITING + slot] = 0;
    const notified = at + L.CONDITION_NOTIFIED + slot;
    // One by one: who dies of it has at worst notified one too many.
    for (; words[notified] > 0; words[notified]--) notifyOne(me, words, at);
    leave(words, at + L.CONDITION_MONITOR, me.parker);
  },
  changed() {},
});

function deadlineOf(timeout: number | undefined): number {
  return timeout === undefined ? Infinity : performance.now() + timeout;
}
