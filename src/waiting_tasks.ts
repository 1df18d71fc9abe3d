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
  /** {@linkcode WaitingTasks.ownRings} then. */
  readonly ownRings: number;
  /** Stops its clock and its listening to a signal. */
  cleanUp(): void;
  /** Whether its attempt is being made: what users write may run in it, and end this very wait. */
  isTrying: boolean;
  /** How it ends if that attempt takes nothing. */
  end: (() => void) | null;
  /** Whether it is not over. */
  isWaiting: boolean;
  /** Its neighbours in the group. */
  previous: Waiter | null;
  next: Waiter | null;
}

interface Group {
  readonly set: WaitSet;
  /** The one that has waited longest, and the others behind it: any of so many may leave at any time. */
  first: Waiter | null;
  last: Waiter | null;
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
  /** How often this participant has rung its own bell: whoever spins here only keeps those from it who do that. */
  ownRings = 0;

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
    if (this.#foreground === 0 && what.isBackground !== true) {
      try {
        const early = this.#host.spinner.spin(set, what);
        if (early !== PENDING) return Promise.resolve(early);
      } catch (error) {
        return Promise.reject(error);
      }
    }
    return new Promise<T>((resolve, reject) => {
      const giveUp = (end: () => void) => this.#giveUp(group, waiter, end);
      const cancel = (reason: unknown) => giveUp(() => reject(reason));
      const lift = limit(options, () => {
        // What came in time counts, though this thread was too busy to look.
        this.attend(set);
        giveUp(() => settle(onTimeout).then(resolve, reject));
      }, cancel);
      scope.add(cancel);
      const waiter: Waiter = {
        what,
        resolve: resolve as (value: unknown) => void,
        reject,
        keepsAlive,
        since,
        ownRings: this.ownRings,
        cleanUp() {
          scope.delete(cancel);
          lift();
        },
        isTrying: false,
        end: null,
        isWaiting: true,
        previous: null,
        next: null,
      };
      const group = this.#groupOf(set);
      if (group.last === null) group.first = waiter;
      else [waiter.previous, group.last.next] = [group.last, waiter];
      group.last = waiter;
      if (what.isBackground !== true) this.#foreground++;
      if (keepsAlive && this.#keeping++ === 0) this.#startLooking();
      // What was tried before may have aborted it.
      if (signal?.aborted) cancel(signal.reason);
      else this.#attend(group, false);
      if (this.#groups.size > 0) this.#listen();
    });
  }

  #groupOf(set: WaitSet): Group {
    let group = this.#groups.get(set.key);
    if (group === undefined) this.#groups.set(set.key, group = { set, first: null, last: null, isAttended: false, again: null });
    return group;
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
    for (const group of [...this.#groups.values()]) {
      for (let waiter = group.first, next; waiter !== null; waiter = next) {
        const { reject } = waiter;
        next = waiter.next;
        this.#giveUp(group, waiter, () => reject(reason));
      }
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
    const { set } = group;
    for (let waiter = group.first; waiter !== null;) {
      this.#register(set);
      const settle = this.#try(waiter, lookHard), { what } = waiter, isInOrder = what.isOutOfOrder !== true;
      let { next } = waiter;
      if (settle === null && waiter.end === null) {
        if (isInOrder) return;
        waiter = next;
        continue;
      }
      if (settle === null) this.#drop(group, waiter);
      else {
        this.#remove(group, waiter);
        if (group.first === null && !this.#unregister(set) && what.more()) this.#host.doorbells.wakeOne(set.words, set.at);
      }
      (settle ?? waiter.end!)();
      // That may have ended others.
      while (next?.isWaiting === false) next = next.next;
      waiter = isInOrder ? group.first : next;
    }
  }

  /** One attempt: gives what settles the waiter; null if it goes on waiting. */
  #try(waiter: Waiter, lookHard: boolean): (() => void) | null {
    waiter.isTrying = true;
    try {
      const result = waiter.what.attempt(lookHard);
      if (result === PENDING) return null;
      if (waiter.what.isBackground !== true && waiter.ownRings === this.ownRings) this.#host.spinner.learn(waiter.what, waiter.since);
      return () => waiter.resolve(result);
    } catch (error) {
      return () => waiter.reject(error);
    } finally {
      waiter.isTrying = false;
    }
  }

  #remove(group: Group, waiter: Waiter): void {
    const { previous, next } = waiter;
    waiter.cleanUp();
    waiter.isWaiting = false;
    if (previous === null) group.first = next;
    else previous.next = next;
    if (next === null) group.last = previous;
    else next.previous = previous;
    if (waiter.what.isBackground !== true) this.#foreground--;
    if (group.first === null) this.#groups.delete(group.set.key);
    if (waiter.keepsAlive && --this.#keeping === 0) this.#stopLooking();
  }

  /** Ends a wait, unless it is done already. What its own attempt takes, if that is being made, it has. */
  #giveUp(group: Group, waiter: Waiter, end: () => void): void {
    if (waiter.isTrying) waiter.end ??= end;
    else if (waiter.isWaiting) {
      this.#drop(group, waiter);
      end();
    }
  }

  /** Takes out a waiter that gives up. */
  #drop(group: Group, waiter: Waiter): void {
    const { set } = group;
    this.#remove(group, waiter);
    const { gate } = this.#host;
    gate.begin();
    if (group.first === null && !this.#unregister(set)) this.#host.doorbells.wakeOne(set.words, set.at);
    gate.end();
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
