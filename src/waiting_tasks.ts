/**
 * The sleep of an event loop: tasks that wait, in groups for the same thing. See {@link ./park.ts} for the protocol, whose steps the comments name.
 *
 * @module
 */
import type { Arena } from "./arena.ts";
import { type Attempt, PENDING, type WaitOptions, type WaitScope } from "./attempt.ts";
import { limit } from "./clock.ts";
import type { Doorbells } from "./doorbells.ts";
import type { Gate } from "./gate.ts";
import { clearTimeout, hasTimers, performance, setTimeout } from "./host.ts";
import * as L from "./layout.ts";
import type { Spinner } from "./spin.ts";
import { isRegistered, register, unregister, type WaitSet } from "./wait_set.ts";

/** How long anyone sleeps before looking for itself. */
export const LOOK_MS = 500;

interface Waiter {
  readonly what: Attempt<unknown>;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  readonly keepsAlive: boolean;
  readonly since: number;
  /** Stops its clock and its listening to a signal. */
  cleanUp(): void;
  /** Whether its attempt is being made: what users write may run in it, and end this very wait. */
  isTrying: boolean;
  /** How it ends if that attempt takes nothing. */
  end: (() => void) | null;
}

interface Group {
  readonly set: WaitSet;
  readonly waiters: Waiter[];
  isAttended: boolean;
  /** It is to be attended once more: asked for from inside an attempt; whether it is to look hard then. */
  again: { lookHard: boolean } | null;
}

/** What a participant's tasks wait with. */
export interface TasksHost {
  readonly arena: Arena;
  readonly slot: number;
  readonly gate: Gate;
  readonly doorbells: Doorbells;
  readonly spinner: Spinner;
  /** Called each half second while a task waits, and when somebody died. */
  onLook(): void;
}

/** One participant's tasks that wait. */
export class WaitingTasks {
  readonly #host: TasksHost;
  readonly #head: Int32Array;
  readonly #at: number;
  readonly #groups = new Map<number, Group>();
  #look: ReturnType<typeof setTimeout> | undefined;
  /** How many waiters keep the program alive. */
  #keeping = 0;
  /** How many wait for something in particular. */
  #foreground = 0;
  /** The last death that is known here. */
  #epoch: number;
  #isDetached = false;
  /** Whether the participant stands for a process elsewhere: then what it waits for does not keep this program alive. */
  isGuest = false;

  constructor(host: TasksHost) {
    this.#host = host;
    this.#head = host.arena.head;
    this.#at = host.arena.slot(host.slot);
    this.#epoch = Atomics.load(this.#head, L.EPOCH);
  }

  /**
   * Waits without blocking. The caller made a first attempt already.
   *
   * @param onTimeout Gives the result, or throws, when the time is up.
   * @param scope Those with which this wait can be ended.
   * @param keepsAlive Whether the program goes on as long as this waits.
   */
  sleep<T>(
    set: WaitSet,
    what: Attempt<T>,
    options: WaitOptions | undefined,
    onTimeout: () => T,
    scope: WaitScope,
    keepsAlive = true,
  ): Promise<T> {
    const signal = options?.signal;
    if (signal?.aborted) return Promise.reject(signal.reason);
    const timeout = options?.timeout;
    if (timeout !== undefined && timeout <= 0) return settle(onTimeout);
    const since = performance.now();
    if (this.#foreground === 0) {
      try {
        const early = this.#host.spinner.spin(set, what);
        if (early !== PENDING) return Promise.resolve(early);
      } catch (error) {
        return Promise.reject(error);
      }
    }
    return new Promise<T>((resolve, reject) => {
      const giveUp = (end: () => void) => this.#giveUp(set, waiter, end);
      const cancel = (reason: unknown) => giveUp(() => reject(reason));
      const lift = limit(options, () => giveUp(() => settle(onTimeout).then(resolve, reject)), cancel);
      scope.add(cancel);
      const waiter: Waiter = {
        what,
        resolve: resolve as (value: unknown) => void,
        reject,
        keepsAlive,
        since,
        cleanUp() {
          scope.delete(cancel);
          lift();
        },
        isTrying: false,
        end: null,
      };
      let group = this.#groups.get(set.key);
      if (group === undefined) this.#groups.set(set.key, group = { set, waiters: [], isAttended: false, again: null });
      group.waiters.push(waiter);
      if (what.isBackground !== true) this.#foreground++;
      if (keepsAlive && this.#keeping++ === 0) this.#startLooking();
      // What was tried before may have aborted it.
      if (signal?.aborted) cancel(signal.reason);
      else this.#attend(group, false);
      if (this.#groups.size > 0) this.#listen();
    });
  }

  /** Whether tasks here wait for that thing. */
  isAwaited({ key }: WaitSet): boolean {
    return this.#groups.has(key);
  }

  /** Lets tasks here that wait for that thing look at it now. */
  attend({ key }: WaitSet): void {
    const group = this.#groups.get(key);
    if (group !== undefined) this.#attend(group, false);
  }

  /** Ends all that is waited for. */
  detach(reason: Error): void {
    this.#isDetached = true;
    for (const { set, waiters } of [...this.#groups.values()]) {
      for (const waiter of [...waiters]) this.#giveUp(set, waiter, () => waiter.reject(reason));
    }
  }

  /** The participant's bell was rung, or its door knocked at. */
  onRing(): void {
    if (this.#isDetached || this.#host.gate.isStopped) return;
    Atomics.and(this.#head, this.#at + L.SLOT_ASLEEP, ~L.ASLEEP_LOOP);
    const lookHard = this.#hasSomebodyDied();
    for (const group of [...this.#groups.values()]) {
      if (lookHard || !this.#isRegistered(group.set)) this.#attend(group, lookHard);
    }
    if (this.#groups.size > 0) this.#listen();
  }

  /** Whether somebody died since this was asked last. */
  #hasSomebodyDied(): boolean {
    const epoch = Atomics.load(this.#head, L.EPOCH);
    if (epoch === this.#epoch) return false;
    this.#epoch = epoch;
    this.#host.onLook();
    return true;
  }

  /** Steps 1 to 3 for the tasks that wait for one thing; done ones leave. */
  #attend(group: Group, lookHard: boolean): void {
    if (group.isAttended) {
      group.again = { lookHard: lookHard || group.again?.lookHard === true };
      return;
    }
    const { gate } = this.#host;
    gate.begin();
    group.isAttended = true;
    gate.beginLooking();
    try {
      this.#serve(group, lookHard);
      while (group.again !== null) {
        const again = group.again;
        group.again = null;
        this.#serve(group, again.lookHard);
      }
    } finally {
      group.isAttended = false;
      gate.end();
      gate.endLooking();
    }
  }

  #serve(group: Group, lookHard: boolean): void {
    const { set, waiters } = group;
    for (let next = 0; next < waiters.length;) {
      this.#register(set);
      const waiter = waiters[next];
      const settle = this.#try(waiter, lookHard);
      if (settle === null && waiter.end === null) {
        if (waiter.what.isOutOfOrder !== true) return;
        next = placeOf(waiter, waiters, next) + 1; // its attempt may have ended others
        continue;
      }
      next = placeOf(waiter, waiters, next);
      if (settle === null) this.#drop(set, waiter);
      else {
        this.#remove(group, waiter);
        if (waiters.length === 0 && !this.#unregister(set) && waiter.what.more()) this.#host.doorbells.wakeOne(set.words, set.at);
      }
      (settle ?? waiter.end!)();
    }
  }

  /** One attempt: gives what settles the waiter; null if it goes on waiting. */
  #try(waiter: Waiter, lookHard: boolean): (() => void) | null {
    waiter.isTrying = true;
    try {
      const result = waiter.what.attempt(lookHard);
      if (result === PENDING) return null;
      if (waiter.what.isBackground !== true) this.#host.spinner.learn(waiter.what, waiter.since);
      return () => waiter.resolve(result);
    } catch (error) {
      return () => waiter.reject(error);
    } finally {
      waiter.isTrying = false;
    }
  }

  #remove(group: Group, waiter: Waiter): void {
    waiter.cleanUp();
    group.waiters.splice(group.waiters.indexOf(waiter), 1);
    if (waiter.what.isBackground !== true) this.#foreground--;
    if (group.waiters.length === 0) this.#groups.delete(group.set.key);
    if (waiter.keepsAlive && --this.#keeping === 0) this.#stopLooking();
  }

  /** Ends a wait, unless it is done already. What its own attempt takes, if that is being made, it has. */
  #giveUp(set: WaitSet, waiter: Waiter, end: () => void): void {
    if (waiter.isTrying) waiter.end ??= end;
    else if (this.#drop(set, waiter)) end();
  }

  /** Takes out a waiter that gives up. False if it is done already. */
  #drop(set: WaitSet, waiter: Waiter): boolean {
    const group = this.#groups.get(set.key);
    if (group === undefined || !group.waiters.includes(waiter)) return false;
    this.#remove(group, waiter);
    const { gate } = this.#host;
    gate.begin();
    if (group.waiters.length === 0 && !this.#unregister(set)) this.#host.doorbells.wakeOne(set.words, set.at);
    gate.end();
    return true;
  }

  /** Says that the event loop is asleep, and has it woken at the next ring. */
  #listen(): void {
    const seen = Atomics.load(this.#head, this.#at + L.SLOT_BELL);
    Atomics.or(this.#head, this.#at + L.SLOT_ASLEEP, L.ASLEEP_LOOP);
    // Step 3, after 2: whose bit a changer took out before "asleep" was said must look again. (Their registration came before.) So must all if somebody died before that.
    const lookHard = this.#hasSomebodyDied();
    for (const group of [...this.#groups.values()]) {
      if (lookHard || !this.#isRegistered(group.set)) this.#attend(group, lookHard);
    }
    if (this.#groups.size > 0) this.#host.arena.memory.listen(this.#host.slot, (this.#at + L.SLOT_BELL) * 4, seen);
  }

  #register({ words, at }: WaitSet): void {
    register(words, at, this.#host.slot);
  }

  #unregister({ words, at }: WaitSet): boolean {
    return unregister(words, at, this.#host.slot);
  }

  #isRegistered({ words, at }: WaitSet): boolean {
    return isRegistered(words, at, this.#host.slot);
  }

  /** While somebody waits, a clock runs: it keeps the program alive, and looks at everything each half second. */
  #startLooking(): void {
    if (this.isGuest || !hasTimers) return;
    this.#look = setTimeout(() => {
      this.#look = undefined;
      this.#host.onLook();
      for (const group of [...this.#groups.values()]) this.#attend(group, true);
      if (this.#keeping > 0) this.#startLooking();
      if (this.#groups.size > 0) this.#listen();
    }, LOOK_MS);
  }

  #stopLooking(): void {
    clearTimeout(this.#look);
    this.#look = undefined;
  }
}

function settle<T>(run: () => T): Promise<T> {
  try {
    return Promise.resolve(run());
  } catch (error) {
    return Promise.reject(error);
  }
}

/** Where a waiter stands now that stood at `was`. */
function placeOf(waiter: Waiter, waiters: readonly Waiter[], was: number): number {
  return waiters[was] === waiter ? was : waiters.indexOf(waiter);
}
