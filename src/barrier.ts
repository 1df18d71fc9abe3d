/**
 * Barriers: a number of parties wait until all of them are there, round after round.
 *
 * | state | | next |
 * |---|---|---|
 * | filling | fewer than all have arrived | acting, or the next round's filling, by the last to arrive; broken |
 * | acting | all are there, and the last runs the action | the next round's filling, when that is done; broken, if it throws or dies |
 * | broken | somebody's time was up, or died, or gave up | the next round's filling, by `reset` |
 *
 * All of it is a monitor (`monitor.ts`). A round is over by one store of the next one's number; who waited in it then looks whether it was passed, or ended badly for those in its slot. How many tasks of a slot wait is
 * counted for one round, whose number stands beside; so a round that is over, by whoever died right after the store, begins with nobody. The sum of those that arrived is made anew by whoever takes the monitor over.
 * Nobody enters the heap's monitor inside it, so a burial may wait for it: a party that dies while it waits, or acts, breaks the barrier.
 *
 * @module
 */
import { HANDLE, type Handle, registerHandle } from "./codec.ts";
import { Action } from "./action.ts";
import { BrokenBarrierError, UnsupportedError } from "./errors.ts";
import type { SharedObject } from "./holding.ts";
import { checkMayBlock, defaultHome, type Home } from "./home.ts";
import { performance } from "./host.ts";
import * as L from "./layout.ts";
import { enter, leave } from "./monitor.ts";
import { type Attempt, checkTimeout, checkWait, PENDING, type WaitOptions } from "./attempt.ts";
import { unregister, type WaitSet } from "./wait_set.ts";
import { ANYTHING, check, type Checks, NUMBER, shown } from "./options.ts";
import { type Participant, registerKind } from "./participant.ts";
import { Place } from "./place.ts";
import { printAs } from "./printed.ts";
import type { TargetSpec, TaskReference } from "./target.ts";

/** Codec number. */
const BARRIER = 11;
const FILLING = 0, ACTING = 1, BROKEN = 2;
const MOST_PARTIES = 2 ** 31 - 1;
/** Shortly before the numbers begin anew, so that every barrier comes there, and not one in a day. */
const FIRST_ROUND = -2;

/** How a barrier is made. */
export interface BarrierOptions {
  /** Called by the last of the parties when all are there, before any goes on. A child gets it as it gets a target. */
  action?: (() => unknown) | TaskReference;
  /** How long each waits by default, in milliseconds. */
  timeout?: number;
}

const BARRIER_OPTIONS: Checks = { action: ANYTHING, timeout: [NUMBER[0], "a number of milliseconds"] };

/** Where a party stands. */
interface Arrival {
  readonly round: number;
  readonly index: number;
  /** Whether it is the last, who runs the action. */
  readonly isLast: boolean;
  /** Breaks the round, unless that is over or this party is through. */
  readonly leave: () => void;
}
/**
 * A meeting point: each of a number of processes waits until all are there, and then all go on; again and again.
 *
 * @example
 * ```ts
 * import { Barrier, isMain, Process } from "@polyproc/multiprocessing";
 *
 * export async function work(barrier: Barrier, name: string) {
 *   console.log(`${name} has done its part`);
 *   await barrier.wait();
 *   console.log(`${name} goes on: all have done theirs`);
 * }
 *
 * if (isMain(import.meta)) {
 *   const barrier = new Barrier(2);
 *   const workers = ["a", "b"].map((name) => new Process({ target: work, args: [barrier, name] }).start());
 *   for (const worker of workers) await worker.join();
 * }
 * ```
 */
export class Barrier implements SharedObject {
  readonly #place: Place;
  readonly #waiters: WaitSet;
  readonly #action: Action | null;
  readonly #timeout: number | undefined;
  /** How many have to wait for all to go on. */
  readonly parties: number;

  /**
   * Makes a barrier.
   *
   * @param parties How many have to wait for all to go on.
   * @param options What to do when all are there; how long each waits by default.
   * @param home The memory to make it in, by default that of the default context. A context's own classes give theirs.
   * @throws {RangeError} `parties` is not a whole number from 1 on.
   * @throws {TypeError} An option is wrong, or there is no such option.
   * @throws {UnsupportedError} No memory is shared there.
   */
  constructor(parties: number, options: BarrierOptions = {}, home: Home | Received = defaultHome()) {
    if (home instanceof Received) [this.#place, this.#action] = [home.place, home.action];
    else [this.#place, this.#action] = [makePlace(parties, options, home), actionOf(options)];
    this.#timeout = options.timeout;
    this.parties = this.#place.words[this.#place.at + L.BARRIER_PARTIES];
    this.#waiters = this.#place.waitSet(L.BARRIER_WAITERS);
  }

  /** How many wait now. */
  get nWaiting(): number {
    this.#place.check("look at");
    return this.#load(L.BARRIER_STATE) === BROKEN ? 0 : this.#load(L.BARRIER_ARRIVED);
  }

  /** Whether it is broken: then nobody can wait until it is reset. */
  get broken(): boolean {
    this.#place.check("look at");
    return this.#load(L.BARRIER_STATE) === BROKEN;
  }

  /**
   * Waits until all parties do.
   *
   * @param options `timeout` in milliseconds; `signal`. Either breaks the barrier.
   * @return A number from 0 to `parties` − 1, another for each party.
   * @throws {BrokenBarrierError} It was broken, or reset meanwhile; a party died, or its time was up.
   * @throws {TypeError} The options are wrong; the party was not counted.
   * @throws Whatever the action throws, in the party that came last and called it.
   */
  wait(options?: WaitOptions): Promise<number> {
    const place = this.#place;
    try {
      checkWait(options);
      place.check("wait at");
      options?.signal?.throwIfAborted();
      const timeout = options?.timeout ?? this.#timeout;
      const deadline = timeout === undefined ? Infinity : performance.now() + timeout;
      const { parker } = place.me;
      // Those of an earlier round must know how it ended before this one is counted.
      parker.tasks.attend(this.#waiters);
      const arrival = this.#arrive();
      if (arrival !== PENDING) return this.#afterArrival(arrival, deadline, timeout, options?.signal);
      const { signal } = options ?? {};
      return parker.tasks.sleep<Arrival>(this.#waiters, this.#arriving, { timeout, signal }, () => this.#lateBefore(timeout), place.scope)
        .then((arrival) => {
          place.check("wait at"); // it may have been let go of since that was so
          return this.#afterArrival(arrival, deadline, timeout, signal);
        });
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** {@linkcode Barrier.wait}, blocking. @throws {UnsupportedError} This thread may not block. */
  waitSync(options?: { timeout?: number }): number {
    checkTimeout(options);
    this.#place.check("wait at");
    const { parker } = this.#place.me;
    checkMayBlock(this.#place.me, "waitSync");
    const act = this.#action?.fnNow;
    const timeout = options?.timeout ?? this.#timeout;
    const deadline = timeout === undefined ? Infinity : performance.now() + timeout;
    parker.tasks.attend(this.#waiters);
    let arrival = this.#arrive();
    if (arrival === PENDING) arrival = parker.sleepSync<Arrival>(this.#waiters, this.#arriving, timeout, () => this.#lateBefore(timeout));
    const here = arrival;
    try {
      if (here.isLast) return act === undefined ? here.index : this.#actSync(here, act);
      return parker.sleepSync<number>(this.#waiters, this.#passing(here), leftOf(deadline), () => this.#late(here, timeout));
    } catch (error) {
      here.leave();
      throw error;
    } finally {
      this.#place.undoing.delete(here.leave);
    }
  }

  /** Begins anew, with nobody waiting: those who wait now get a {@linkcode BrokenBarrierError}. */
  reset(): void {
    const { words, at, me } = this.#place;
    this.#place.check("reset");
    this.#inside(() => {
      if (words[at + L.BARRIER_ARRIVED] === 0 && words[at + L.BARRIER_STATE] === FILLING) return;
      const round = words[at + L.BARRIER_ROUND];
      for (let slot = 0, used = Atomics.load(me.arena.head, L.SLOTS_USED); slot < used; slot++) {
        if (words[at + L.BARRIER_WAITING + slot] > 0) words[at + L.BARRIER_BROKEN + slot] = markOf(round);
      }
      nextRound(me, words, at);
    });
    me.parker.wakeAll(this.#waiters.words, this.#waiters.at);
  }

  /** Breaks it: those who wait, and those who come, get a {@linkcode BrokenBarrierError} until it is reset. */
  abort(): void {
    const { words, at } = this.#place;
    this.#place.check("abort");
    this.#inside(() => Atomics.store(words, at + L.BARRIER_STATE, BROKEN));
    this.#place.me.parker.wakeAll(this.#waiters.words, this.#waiters.at);
  }

  /** Lets go of the object here; a party that waits through it breaks the barrier. Others who have it are not concerned else. */
  [Symbol.dispose](): void {
    this.#place.close();
  }

  /** What travels of it. @internal */
  [HANDLE](): Handle {
    return { kind: BARRIER, words: this.#place.handle(), parts: { action: this.#action?.toSpec() ?? null, timeout: this.#timeout } };
  }

  static {
    printAs(this.prototype, (barrier) => {
      const now = barrier.#place.looks(() => barrier.broken ? "broken" : `waiting=${barrier.nWaiting}`);
      return `parties=${barrier.parties} ${now}`;
    });
  }

  #load(word: number): number {
    return Atomics.load(this.#place.words, this.#place.at + word);
  }

  #inside<T>(body: () => T): T {
    const { words, at, me } = this.#place;
    enterBarrier(me, words, at);
    try {
      return body();
    } finally {
      leave(words, at + L.BARRIER_MONITOR, me.parker);
    }
  }

  /** Counts a party; pending while the last round's action runs. */
  #arrive(): Arrival | typeof PENDING {
    const { words, at, me } = this.#place;
    const arrival = this.#inside(() => {
      const state = words[at + L.BARRIER_STATE], index = words[at + L.BARRIER_ARRIVED], round = words[at + L.BARRIER_ROUND];
      if (state === BROKEN) throw broken("it is broken; reset() makes it whole");
      // All are there, and one of them acts; or died just then, and will be found out.
      if (state === ACTING || index >= this.parties) return PENDING;
      const waiting = at + L.BARRIER_WAITING + me.slot;
      Atomics.store(words, waiting, words[waiting] + 1);
      Atomics.store(words, at + L.BARRIER_ARRIVED, index + 1);
      const isLast = index + 1 === this.parties;
      if (isLast && this.#action === null) nextRound(me, words, at);
      else if (isLast) Atomics.store(words, at + L.BARRIER_STATE, ACTING);
      return { round, index, isLast, leave: this.#leaving(round) };
    });
    if (arrival !== PENDING && arrival.isLast && this.#action === null) me.parker.wakeAll(this.#waiters.words, this.#waiters.at);
    return arrival;
  }

  readonly #arriving: Attempt<Arrival> = { attempt: () => this.#arrive(), more: () => true };

  #afterArrival(arrival: Arrival, deadline: number, timeout: number | undefined, signal: AbortSignal | undefined): Promise<number> {
    const { me, scope, undoing } = this.#place;
    const { index, isLast, leave } = arrival;
    if (isLast && this.#action === null) {
      undoing.delete(leave);
      return Promise.resolve(index);
    }
    const options = { timeout: leftOf(deadline), signal };
    const passed = isLast
      ? this.#act(arrival)
      : me.parker.tasks.sleep<number>(this.#waiters, this.#passing(arrival), options, () => this.#late(arrival, timeout), scope);
    return passed.then(
      (index) => {
        undoing.delete(leave);
        return index;
      },
      (reason) => {
        leave();
        throw reason;
      },
    );
  }

  #passing(arrival: Arrival): Attempt<number> {
    return { attempt: () => this.#outcome(arrival), more: () => false };
  }

  /** How the round of a party ended, if it has. */
  #outcome({ round, index }: Arrival): number | typeof PENDING {
    // Before the round's number: if that is still the same then, it is this round that was broken, and not one after it.
    const state = this.#load(L.BARRIER_STATE);
    if (this.#load(L.BARRIER_ROUND) !== round) {
      if (this.#load(L.BARRIER_BROKEN + this.#place.me.slot) === markOf(round)) throw broken("it was reset meanwhile");
      return index;
    }
    if (state === BROKEN) {
      throw broken("it was broken: a party died, gave up, or called abort(), or its action failed");
    }
    return PENDING;
  }

  /** What breaks the round of a party, unless that is over, when it gives up: at the latest when the barrier is let go of here. */
  #leaving(round: number): () => void {
    const { me, undoing } = this.#place;
    const leave = () => {
      if (undoing.delete(leave) && !me.isGone) this.#break(round);
    };
    undoing.add(leave);
    return leave;
  }

  /** Breaks a round. False if it is over. */
  #break(round: number): boolean {
    const { words, at, me } = this.#place;
    const isOn = this.#inside(() => {
      const isOn = words[at + L.BARRIER_ROUND] === round;
      if (isOn) Atomics.store(words, at + L.BARRIER_STATE, BROKEN);
      return isOn;
    });
    if (isOn) me.parker.wakeAll(this.#waiters.words, this.#waiters.at);
    return isOn;
  }

  /** The time of a party is up. */
  #late(arrival: Arrival, timeout: number | undefined): number {
    let outcome = this.#outcome(arrival);
    // The others may have passed between the two: then this party has as well.
    if (outcome === PENDING && !this.#break(arrival.round)) outcome = this.#outcome(arrival);
    if (outcome !== PENDING) return outcome;
    throw broken(`not all of its ${this.parties} parties came within ${timeout} ms`);
  }

  /** The time is up of one who was not counted yet. */
  #lateBefore(timeout: number | undefined): never {
    throw broken(`the action of its last round took longer than ${timeout} ms`);
  }

  #act(arrival: Arrival): Promise<number> {
    return Promise.resolve(this.#action!.fn).then((act) => act()).then(() => this.#acted(arrival));
  }

  #actSync(arrival: Arrival, act: () => unknown): number {
    if (typeof (act() as PromiseLike<unknown> | undefined)?.then === "function") {
      throw new UnsupportedError("Cannot wait for the barrier's action, which is asynchronous, in waitSync(); use wait()");
    }
    return this.#acted(arrival);
  }

  /** The action is done. */
  #acted(arrival: Arrival): number {
    const { words, at, me } = this.#place;
    this.#place.check("pass");
    const outcome = this.#inside(() => {
      const isOn = words[at + L.BARRIER_ROUND] === arrival.round && words[at + L.BARRIER_STATE] === ACTING;
      if (isOn) nextRound(me, words, at);
      return isOn;
    });
    if (!outcome) throw broken("it was broken, or reset, while its action ran");
    me.parker.wakeAll(this.#waiters.words, this.#waiters.at);
    return arrival.index;
  }
}

/** A barrier that came in a message. */
class Received {
  readonly place: Place;
  readonly action: Action | null;

  constructor(place: Place, action: TargetSpec | null) {
    this.place = place;
    this.action = action === null ? null : Action.receive(action, "action");
  }
}

registerHandle(BARRIER, (words, context, parts) => {
  const { action, timeout } = parts as { action: TargetSpec | null; timeout: number | undefined };
  return new Barrier(0, { timeout }, new Received(Place.receive(words, context, "the barrier"), action));
});

function makePlace(parties: unknown, options: BarrierOptions, home: Home): Place {
  if (typeof parties !== "number") throw new TypeError(`Cannot make a barrier: parties must be a number, it is ${shown(parties)}`);
  if (!Number.isInteger(parties) || parties < 1 || parties > MOST_PARTIES) {
    throw new RangeError(`Cannot make a barrier: parties must be a whole number from 1 on, it is ${parties}`);
  }
  check(options, BARRIER_OPTIONS, "make a barrier");
  return Place.make(home, { what: "the barrier", kind: L.KIND_BARRIER, words: L.BARRIER_WORDS }, ({ words, at }) => {
    words[at + L.BARRIER_PARTIES] = parties;
    words[at + L.BARRIER_ROUND] = words[at + L.BARRIER_COUNTED] = FIRST_ROUND;
  });
}

function actionOf({ action }: BarrierOptions): Action | null {
  return action === undefined || action === null ? null : Action.of(action, "action");
}

/** What says that a round ended badly; never 0. */
function markOf(round: number): number {
  return round << 1 | 1;
}

/** The round is over: one store says so, the rest is to begin the next with. */
function nextRound(me: Participant, words: Int32Array, at: number): void {
  Atomics.store(words, at + L.BARRIER_ROUND, words[at + L.BARRIER_ROUND] + 1 | 0);
  beginRound(me, words, at);
}

function beginRound(me: Participant, words: Int32Array, at: number): void {
  const round = words[at + L.BARRIER_ROUND], marks = at + L.BARRIER_BROKEN;
  for (let slot = 0, used = Atomics.load(me.arena.head, L.SLOTS_USED); slot < used; slot++) {
    words[at + L.BARRIER_WAITING + slot] = 0;
    // One that ended badly 2^31 rounds ago is not this one.
    if (words[marks + slot] === markOf(round)) words[marks + slot] = 0;
  }
  words[at + L.BARRIER_ARRIVED] = 0;
  words[at + L.BARRIER_STATE] = FILLING;
  words[at + L.BARRIER_COUNTED] = round;
}

function enterBarrier(me: Participant, words: Int32Array, at: number): void {
  if (!enter(words, at + L.BARRIER_MONITOR, me.parker)) return;
  if (words[at + L.BARRIER_COUNTED] !== words[at + L.BARRIER_ROUND]) return beginRound(me, words, at);
  let arrived = 0;
  for (let slot = 0, used = Atomics.load(me.arena.head, L.SLOTS_USED); slot < used; slot++) {
    arrived += words[at + L.BARRIER_WAITING + slot];
    // A reset that was not to be.
    if (words[at + L.BARRIER_BROKEN + slot] === markOf(words[at + L.BARRIER_ROUND])) words[at + L.BARRIER_BROKEN + slot] = 0;
  }
  words[at + L.BARRIER_ARRIVED] = arrived;
}

registerKind(L.KIND_BARRIER, {
  repair(me, words, at, dead) {
    const slot = dead & L.IDENT_SLOT_MASK;
    unregister(words, at + L.BARRIER_WAITERS, slot);
    enterBarrier(me, words, at);
    unregister(words, at + L.BARRIER_MONITOR + L.MONITOR_WAITERS, slot);
    const waiting = at + L.BARRIER_WAITING + slot;
    if (words[waiting] > 0) {
      Atomics.store(words, at + L.BARRIER_STATE, BROKEN);
      words[at + L.BARRIER_ARRIVED] -= words[waiting];
      words[waiting] = 0;
    }
    words[at + L.BARRIER_BROKEN + slot] = 0;
    leave(words, at + L.BARRIER_MONITOR, me.parker);
  },
});

function broken(why: string): BrokenBarrierError {
  return new BrokenBarrierError(`Cannot pass the barrier: ${why}`);
}

function leftOf(deadline: number): number | undefined {
  return deadline === Infinity ? undefined : deadline - performance.now();
}
