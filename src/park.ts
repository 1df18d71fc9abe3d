/**
 * Sleep and wake. The only file that waits for another participant, or wakes one.
 *
 * Every participant sleeps on the bell of its own slot, and on nothing else. Who waits for something to change registers in that thing's *wait set*; who changed it rings one, or
 * all, of those registered.
 *
 * ```text
 *   waiter                                  changer
 *   1 seen = bell; register in the set      1 change the thing
 *   2 say "asleep"                          2 take somebody out of the set
 *   3 look at the thing; done? leave        3 add 1 to its bell
 *   4 sleep while bell = seen               4 is it asleep? wake it
 * ```
 *
 * All of these are sequentially consistent. If the waiter's 3 misses the change, its 1 came before the changer's 2, so it is found there; then either its 4 sees the bell changed, or its "asleep" came before the changer's
 * 4, which wakes it. A ring without reason is legal: whoever wakes looks again, and registers again.
 *
 * One who was taken out of the set and then does not need it (its time was up, or there is more for others) passes the ring on. One who was taken out and dies passes nothing on: so a death makes everybody look again
 * (`EPOCH`). And in case nobody noticed the death, each sleeper looks up every half second by itself.
 *
 * @module
 */
import type { Arena } from "./arena.ts";
import { startClock } from "./clock.ts";
import { clearTimeout, hasTimers, performance, setTimeout } from "./host.ts";
import * as L from "./layout.ts";

/** How long anyone sleeps before looking for itself. */
const LOOK_MS = 500;
/** How long anyone sleeps before a monitor before looking at its owner again. */
const MONITOR_LOOK_MS = 20;
/** How long to spin before sleeping, when that paid lately. */
const SPIN_MS = 0.03;
/** After spinning in vain: how many waits go to sleep at once before one tries again; twice as many each time, up to the second. */
const SPIN_PAUSE = 32, LONGEST_PAUSE = 4096;
/** How many attempts before a spinning thread gives way: usually, and when that let who is waited for run last time; what takes so long did. */
const PATIENT = 30, IMPATIENT = 3, SWITCH_MS = 0.0015;
/** What it takes to wake somebody who then wakes another, about. */
const WAKING_MS = 0.1;

/** How often a terminated thread is told so before it is stopped for good. */
const MOST_STOPS = 100;

/** What an attempt returns while there is nothing to be had. */
export const PENDING: unique symbol = Symbol("pending");

/** Who waits for one thing: some words of the arena. */
export interface WaitSet {
  readonly words: Int32Array;
  /** Index of its first word. */
  readonly at: number;
  /** Its offset in the arena, in bytes: what tells it from other sets. */
  readonly key: number;
}

/** A participant came to its slot, and that was taken back meanwhile. */
export class Unwanted extends Error {
  override message = "Cannot take part in the shared memory: this process was ended, or whoever started it, before the start was complete";
}

/** A thread was terminated, and runs on. */
export class Stopped extends Error {
  override message = "Cannot go on: this thread was terminated";
}

/** What is waited for. */
export interface Attempt<T> {
  /**
   * Takes what is waited for, if it is there; throws when it never will be. `lookHard`: called after a death, or because of the half second: look at the pulse of others too.
   */
  attempt(lookHard: boolean): T | typeof PENDING;
  /** Whether, after this attempt took something, there is more that another could take. */
  more(): boolean;
  /** Whether a task that waits behind this one may be done before it. By default those of one participant are served in order. */
  readonly isOutOfOrder?: boolean;
  /** How long to spin for it, in milliseconds. By default as long as most things take that come at once. */
  readonly spinMs?: number;
  /** Whether the next ring is for this participant while it spins: that wakes nobody who sleeps. Who sleeps waits the longer. */
  readonly goesFirst?: boolean;
  /** Whether it is always there, and no reason for others not to spin. */
  readonly isBackground?: boolean;
}

/** A deadline and a way to give up. */
export interface WaitOptions {
  /** How long to wait, in milliseconds; 0 or less: do not. Without it: as long as it takes. */
  timeout?: number;
  /** Aborting it rejects the wait with its reason; nothing was taken then. */
  signal?: AbortSignal;
}

/** Waits that can be ended together: a call of each of these ends one, with that reason. */
export type WaitScope = Set<(reason: unknown) => void>;

interface Waiter {
  readonly what: Attempt<unknown>;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  readonly keepsAlive: boolean;
  readonly since: number;
  /** Stops its clock and its listening to a signal. */
  cleanUp: () => void;
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

/** One participant's sleeping and waking in one arena. */
export class Parker {
  readonly arena: Arena;
  readonly ident: number;
  readonly slot: number;
  /** Whether this thread may block. */
  readonly mayBlock: boolean;
  readonly #head: Int32Array;
  readonly #at: number;
  readonly #groups = new Map<number, Group>();
  #look: ReturnType<typeof setTimeout> | undefined;
  /** How many waiters keep the program alive. */
  #keeping = 0;
  /** How many wait for something in particular. */
  #foreground = 0;
  /** The last death that the tasks here know of, and that a blocked thread does. */
  #epoch: number;
  #threadEpoch: number;
  /** How many waits are not to spin, and how many after the next that does so in vain. */
  #spinPause = 0;
  #nextPause = SPIN_PAUSE;
  /** How many attempts until it gives way. */
  #patience = PATIENT;
  /** Whether others that wait for the processor get it while this spins. Without that, who is waited for may not be able to run. */
  #givesWay = false;
  #isDetached = false;
  /** Whether it stands for a process elsewhere: then what it waits for does not keep this program alive. */
  isGuest = false;
  /** Whether this is a thread that another started. It may run on after it was terminated: Deno waits until it yields, which may be never. */
  readonly #isChildThread: boolean;
  /** How often it was told that it was terminated. */
  #stops = 0;
  /** How many uses of the memory this thread is in. */
  #depth = 0;
  /** How many waits' attempts this thread is in, one inside another; and what is to be done after them. */
  #looking = 0;
  #afterLooking: (() => void)[] = [];
  /** Called each half second while this participant waits, and when somebody died. */
  onLook: () => void = () => {};

  /**
   * Attaches the calling thread to a reserved slot.
   *
   * @param ident What {@linkcode Arena.reserve} gave.
   * @param at Process and thread, for the kernel's answer.
   * @param mayBlock Whether this thread may block.
   * @param isChildThread Whether it is a thread that another started.
   */
  constructor(arena: Arena, ident: number, at: { pid: number; tid: number }, mayBlock: boolean, isChildThread: boolean) {
    this.arena = arena;
    this.ident = ident;
    this.slot = ident & L.IDENT_SLOT_MASK;
    this.#head = arena.head;
    this.#at = arena.slot(this.slot);
    this.mayBlock = mayBlock;
    this.#isChildThread = isChildThread;
    this.#epoch = this.#threadEpoch = Atomics.load(this.#head, L.EPOCH);
    // The slot may be another's by now.
    if (isChildThread ? !arena.turnGate(ident, L.GATE_INSIDE, 0, L.GATE_STOP) : arena.identOf(this.slot) !== ident) throw new Unwanted();
    try {
      this.#attach(at);
    } finally {
      if (isChildThread) arena.turnGate(ident, 0, L.GATE_INSIDE);
    }
  }

  #attach(at: { pid: number; tid: number }): void {
    this.#head[this.#at + L.SLOT_TID] = at.tid;
    Atomics.store(this.#head, this.#at + L.SLOT_PID, at.pid); // last: it says that both are there
    const door = this.arena.memory.attach(this.slot, () => this.#onRing());
    this.#head[this.#at + L.SLOT_DOOR] = door[0];
    this.#head[this.#at + L.SLOT_DOOR + 1] = door[1];
    if (
      Atomics.compareExchange(this.#head, this.#at + L.SLOT_PHASE, L.PHASE_RESERVED, L.PHASE_ATTACHED) !== L.PHASE_RESERVED ||
      this.arena.identOf(this.slot) !== this.ident
    ) {
      throw new Unwanted();
    }
  }

  /**
   * Before the memory is used, {@linkcode Parker.end} afterwards. A thread that was terminated and does not know yet must not begin: its place may be another's.
   */
  begin(): void {
    if (!this.#isChildThread || this.#depth++ > 0 || this.arena.turnGate(this.ident, L.GATE_INSIDE, 0, L.GATE_STOP)) return;
    this.#depth = 0;
    // It is over as soon as its code yields. If that only tries again, it waits here.
    if (++this.#stops < MOST_STOPS) throw new Stopped();
    const never = new Int32Array(new SharedArrayBuffer(4));
    for (;;) Atomics.wait(never, 0, 0);
  }

  end(): void {
    if (this.#isChildThread && --this.#depth === 0) this.arena.turnGate(this.ident, 0, L.GATE_INSIDE);
  }

  isAlive(ident: number): boolean {
    return ident === this.ident || this.arena.isAlive(ident);
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
    if (Number.isNaN(timeout)) return Promise.reject(notATime());
    if (timeout !== undefined && timeout <= 0) return settle(onTimeout);
    const since = performance.now();
    if (this.#foreground === 0) {
      try {
        const early = this.#spin(set, what);
        if (early !== PENDING) return Promise.resolve(early);
      } catch (error) {
        return Promise.reject(error);
      }
    }
    return new Promise<T>((resolve, reject) => {
      const waiter: Waiter = {
        what,
        resolve: resolve as (value: unknown) => void,
        reject,
        keepsAlive,
        since,
        cleanUp: () => {},
        isTrying: false,
        end: null,
      };
      const giveUp = (end: () => void) => this.#giveUp(set, waiter, end);
      const cancel = (reason: unknown) => giveUp(() => reject(reason));
      const onAbort = () => cancel(signal!.reason);
      const clock = timeout === undefined || timeout === Infinity
        ? undefined
        : startClock(timeout, () => giveUp(() => settle(onTimeout).then(resolve, reject)));
      signal?.addEventListener("abort", onAbort);
      scope.add(cancel);
      waiter.cleanUp = () => {
        scope.delete(cancel);
        clock?.stop();
        signal?.removeEventListener("abort", onAbort);
      };
      let group = this.#groups.get(set.key);
      if (group === undefined) this.#groups.set(set.key, group = { set, waiters: [], isAttended: false, again: null });
      group.waiters.push(waiter);
      if (what.isBackground !== true) this.#foreground++;
      if (keepsAlive && this.#keeping++ === 0) this.#startLooking();
      // What was tried before may have aborted it.
      if (signal?.aborted) onAbort();
      else this.#attend(group, false);
      if (this.#groups.size > 0) this.#listen();
    });
  }

  /**
   * Waits, blocking the thread. The caller made a first attempt already.
   *
   * @param timeout In milliseconds; undefined: as long as it takes.
   * @param onTimeout Gives the result, or throws, when the time is up.
   */
  sleepSync<T>(set: WaitSet, what: Attempt<T>, timeout: number | undefined, onTimeout: () => T): T {
    if (Number.isNaN(timeout)) throw notATime();
    if (timeout !== undefined && timeout <= 0) return onTimeout();
    const since = performance.now();
    const early = this.#spin(set, what);
    if (early !== PENDING) return early;
    const deadline = timeout === undefined ? Infinity : since + timeout;
    const { words, at } = set;
    let lookHard = false;
    let took = false;
    const wasAsleep = this.#isAsleep;
    this.begin();
    this.#looking++;
    try {
      for (;;) {
        const seen = this.#fallAsleep(words, at);
        const result = what.attempt(lookHard);
        if (result !== PENDING) {
          took = true;
          this.#learn(what, since);
          return result;
        }
        const left = deadline - performance.now();
        if (left <= 0) return onTimeout();
        this.end();
        this.arena.memory.park(this.#bellOffset, seen, Math.min(left, LOOK_MS));
        this.begin();
        lookHard = this.#lookedUp(seen);
      }
    } finally {
      if (this.#stops === 0) {
        if (!wasAsleep) this.#sayAwake();
        this.#leave(set, took, what);
      }
      this.#doneLooking();
    }
  }

  /** Whether this thread said that it sleeps: what a sleeper does when it looks at its thing may sleep in turn, and then it stays so. */
  get #isAsleep(): boolean {
    return (Atomics.load(this.#head, this.#at + L.SLOT_ASLEEP) & L.ASLEEP_THREAD) !== 0;
  }

  #sayAwake(): void {
    Atomics.and(this.#head, this.#at + L.SLOT_ASLEEP, ~L.ASLEEP_THREAD);
  }

  /** Leaves a wait set after a thread's sleep. */
  #leave<T>({ words, at, key }: WaitSet, took: boolean, what: Attempt<T>): void {
    // Whether there is more must be looked at after leaving the set: a ring for what came before that may have come here.
    if (!this.#unregister(words, at) && (!took || what.more())) this.wakeOne(words, at);
    // This participant's tasks may wait for the same thing, and their registration was the same bit: finding it gone, they look again.
    if (this.#groups.has(key)) this.ring(this.slot);
    this.end();
  }

  /**
   * Blocks until `attempt` gives something: for monitors, which are held for microseconds. Where the thread may not block, it spins.
   *
   * @param at Index in `words` of the wait set.
   */
  blockUntil<T>(words: Int32Array, at: number, attempt: () => T | undefined): T {
    const wasAsleep = this.#isAsleep;
    try {
      for (;;) {
        if (!this.mayBlock) {
          const result = attempt();
          if (result !== undefined) return result;
          continue;
        }
        const seen = this.#fallAsleep(words, at);
        const result = attempt();
        if (result !== undefined) return result;
        this.arena.memory.park(this.#bellOffset, seen, MONITOR_LOOK_MS);
      }
    } finally {
      if (!wasAsleep) this.#sayAwake();
      this.#unregister(words, at);
    }
  }

  /** Runs `run` once nothing is being looked at here: what users write may run in that, and memory that is looked at must not become another's. */
  afterLooking(run: () => void): void {
    if (this.#looking === 0) run();
    else this.#afterLooking.push(run);
  }

  #doneLooking(): void {
    if (--this.#looking > 0 || this.#afterLooking.length === 0) return;
    const runs = this.#afterLooking;
    this.#afterLooking = [];
    for (const run of runs) run();
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

  /** Rings one of those registered in a set, if there is any. */
  wakeOne(words: Int32Array, at: number): void {
    for (;;) {
      const summary = Atomics.load(words, at + L.WAITSET_SUMMARY);
      if (summary === 0) return;
      // From the cursor on, so that each has its turn.
      const cursor = words[at + L.WAITSET_CURSOR] & L.IDENT_SLOT_MASK;
      const group = nextBit(summary, cursor >> 5);
      const masks = at + L.WAITSET_MASKS;
      const mask = Atomics.load(words, masks + group);
      if (mask === 0) {
        Atomics.and(words, at + L.WAITSET_SUMMARY, ~(1 << group));
        // Somebody may have registered between the two, and seen the summary's bit still set.
        if (Atomics.load(words, masks + group) !== 0) Atomics.or(words, at + L.WAITSET_SUMMARY, 1 << group);
        continue;
      }
      const bit = nextBit(mask, group === cursor >> 5 ? cursor & 31 : 0);
      words[at + L.WAITSET_CURSOR] = (group << 5 | bit) + 1;
      if ((Atomics.and(words, masks + group, ~(1 << bit)) & 1 << bit) === 0) continue;
      if (this.ring(group << 5 | bit)) return;
    }
  }

  /** Rings the one in a slot, who may be registered in a set. */
  wakeSlot(words: Int32Array, at: number, slot: number): void {
    this.forget(words, at, slot);
    this.ring(slot);
  }

  /** Rings all of those registered in a set. */
  wakeAll(words: Int32Array, at: number): void {
    const summary = Atomics.load(words, at + L.WAITSET_SUMMARY);
    for (let group = 0; group < 32; group++) {
      if ((summary & 1 << group) === 0) continue;
      let mask = Atomics.exchange(words, at + L.WAITSET_MASKS + group, 0);
      for (; mask !== 0; mask &= mask - 1) this.ring(group << 5 | 31 - Math.clz32(mask & -mask));
    }
  }

  /** Takes somebody who died out of a set, so that a ring meant for the living is not spent on the next in that slot. */
  forget(words: Int32Array, at: number, slot: number): void {
    Atomics.and(words, at + L.WAITSET_MASKS + (slot >> 5), ~(1 << (slot & 31)));
  }

  /** Makes everybody look at everything again: somebody died. */
  wakeEverybody(): void {
    Atomics.add(this.#head, L.EPOCH, 1);
    for (let slot = 0; slot < L.SLOT_COUNT; slot++) {
      if (this.arena.identOf(slot) !== 0) this.ring(slot, true);
    }
  }

  /**
   * Rings a participant's bell. False if nobody is there.
   *
   * @param isDeath Rings although it does not seem to sleep: the dead may have said that they wake it, and not done so.
   */
  ring(slot: number, isDeath = false): boolean {
    const head = this.#head;
    const at = this.arena.slot(slot);
    if (Atomics.load(head, at + L.SLOT_IDENT) === 0) return false;
    Atomics.add(head, at + L.SLOT_BELL, 1);
    const asleep = Atomics.load(head, at + L.SLOT_ASLEEP);
    if (asleep === 0 && !isDeath) return true;
    const door: [number, number] = [head[at + L.SLOT_DOOR], head[at + L.SLOT_DOOR + 1]];
    if (door[0] === 0) {
      // "Asleep" stays: this ring may be late, and for an earlier sleep than the one that it would take the word from.
      this.arena.memory.unpark((at + L.SLOT_BELL) * 4);
      return true;
    }
    // A door remembers one knock, and that is enough.
    const isLoop = (asleep & L.ASLEEP_LOOP) !== 0 && (Atomics.and(head, at + L.SLOT_ASLEEP, ~L.ASLEEP_LOOP) & L.ASLEEP_LOOP) !== 0;
    if (isLoop || isDeath) this.arena.memory.rouse(door, { pid: head[at + L.SLOT_PID], tid: head[at + L.SLOT_TID] });
    if ((asleep & L.ASLEEP_THREAD) !== 0 || isDeath) this.arena.memory.unpark((at + L.SLOT_BELL) * 4);
    return true;
  }

  /** Leaves the arena; what is still waited for is rejected with `reason`. */
  detach(reason: Error): void {
    if (this.#isDetached) return;
    this.#isDetached = true;
    for (const { set, waiters } of [...this.#groups.values()]) {
      for (const waiter of [...waiters]) this.#giveUp(set, waiter, () => waiter.reject(reason));
    }
    this.arena.memory.detach(this.slot);
  }

  get #bellOffset(): number {
    return (this.#at + L.SLOT_BELL) * 4;
  }

  #register(words: Int32Array, at: number): void {
    Atomics.or(words, at + L.WAITSET_MASKS + (this.slot >> 5), 1 << (this.slot & 31));
    Atomics.or(words, at + L.WAITSET_SUMMARY, 1 << (this.slot >> 5));
  }

  /** Takes this participant out of the set; false if a changer did so before. */
  #unregister(words: Int32Array, at: number): boolean {
    return (Atomics.and(words, at + L.WAITSET_MASKS + (this.slot >> 5), ~(1 << (this.slot & 31))) & 1 << (this.slot & 31)) !== 0;
  }

  /** Steps 1 and 2 of the protocol, for the thread. */
  #fallAsleep(words: Int32Array, at: number): number {
    // The bell first: whoever takes this participant out of the set after that rings a bell that is not `seen` any more.
    const seen = Atomics.load(this.#head, this.#at + L.SLOT_BELL);
    this.#register(words, at);
    Atomics.or(this.#head, this.#at + L.SLOT_ASLEEP, L.ASLEEP_THREAD);
    return seen;
  }

  /** Whether somebody died since this was asked last. */
  #hasSomebodyDied(): boolean {
    const epoch = Atomics.load(this.#head, L.EPOCH);
    if (epoch === this.#epoch) return false;
    this.#epoch = epoch;
    this.onLook();
    return true;
  }

  /** Whether it was not a ring that ended the sleep, or a death. */
  #lookedUp(seen: number): boolean {
    const epoch = Atomics.load(this.#head, L.EPOCH);
    const isNewEpoch = epoch !== this.#threadEpoch;
    this.#threadEpoch = epoch;
    if (!isNewEpoch && Atomics.load(this.#head, this.#at + L.SLOT_BELL) !== seen) return false;
    this.onLook();
    return true;
  }

  /** Tries for a moment, unless the last waits were longer than that. */
  #spin<T>(set: WaitSet, what: Attempt<T>): T | typeof PENDING {
    if (this.#spinPause > 0) {
      this.#spinPause--;
      return PENDING;
    }
    const { memory } = this.arena;
    if (memory.kind === "local") return PENDING;
    const goesFirst = what.goesFirst === true;
    let now = performance.now(), took = false, wasAway = false;
    const end = now + (what.spinMs ?? SPIN_MS);
    this.begin();
    this.#looking++;
    try {
      if (goesFirst) {
        set.words[set.at + L.WAITSET_CURSOR] = this.slot;
        this.#register(set.words, set.at);
      }
      do {
        for (let i = 0; i < this.#patience; i++) {
          const result = what.attempt(false);
          if (result === PENDING) continue;
          took = true;
          this.#patience = wasAway && i === 0 ? IMPATIENT : PATIENT;
          this.#nextPause = SPIN_PAUSE;
          return result;
        }
        // Who is waited for may need this very processor: systems like to wake somebody on that of the waker.
        const since = performance.now();
        this.#givesWay = memory.giveWay();
        now = performance.now();
        wasAway = now - since > SWITCH_MS;
      } while (now < end);
      this.#spinPause = this.#nextPause;
      this.#nextPause = Math.min(2 * this.#nextPause, LONGEST_PAUSE);
      return PENDING;
    } finally {
      if (goesFirst && !this.#unregister(set.words, set.at) && (!took || what.more())) this.wakeOne(set.words, set.at);
      this.end();
      this.#doneLooking();
    }
  }

  /** Somebody got what it waited for: if it would have by spinning, but for the time that waking takes, the next may spin again. */
  #learn(what: Attempt<unknown>, since: number): void {
    if (this.#givesWay && performance.now() - since < (what.spinMs ?? SPIN_MS) + WAKING_MS) {
      this.#spinPause = 0;
      this.#nextPause = SPIN_PAUSE;
    }
  }

  /** Steps 1 to 3 for the tasks that wait for one thing; done ones leave. */
  #attend(group: Group, lookHard: boolean): void {
    if (group.isAttended) {
      group.again = { lookHard: lookHard || group.again?.lookHard === true };
      return;
    }
    this.begin();
    group.isAttended = true;
    this.#looking++;
    try {
      this.#serve(group, lookHard);
      while (group.again !== null) {
        const again = group.again;
        group.again = null;
        this.#serve(group, again.lookHard);
      }
    } finally {
      group.isAttended = false;
      this.end();
      this.#doneLooking();
    }
  }

  #serve(group: Group, lookHard: boolean): void {
    const { set, waiters } = group;
    for (let next = 0; next < waiters.length;) {
      this.#register(set.words, set.at);
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
        if (waiters.length === 0 && !this.#unregister(set.words, set.at) && waiter.what.more()) this.wakeOne(set.words, set.at);
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
      if (waiter.what.isBackground !== true) this.#learn(waiter.what, waiter.since);
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
    this.begin();
    if (group.waiters.length === 0 && !this.#unregister(set.words, set.at)) this.wakeOne(set.words, set.at);
    this.end();
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
    if (this.#groups.size > 0) this.arena.memory.listen(this.slot, this.#bellOffset, seen);
  }

  #isRegistered(set: WaitSet): boolean {
    return (Atomics.load(set.words, set.at + L.WAITSET_MASKS + (this.slot >> 5)) & 1 << (this.slot & 31)) !== 0;
  }

  #onRing(): void {
    if (this.#isDetached || this.#isChildThread && (this.arena.gate(this.ident) & L.GATE_STOP) !== 0) return;
    Atomics.and(this.#head, this.#at + L.SLOT_ASLEEP, ~L.ASLEEP_LOOP);
    const lookHard = this.#hasSomebodyDied();
    for (const group of [...this.#groups.values()]) {
      if (lookHard || !this.#isRegistered(group.set)) this.#attend(group, lookHard);
    }
    if (this.#groups.size > 0) this.#listen();
  }

  /** While somebody waits, a clock runs: it keeps the program alive, and looks at everything each half second. */
  #startLooking(): void {
    if (this.isGuest || !hasTimers) return;
    this.#look = setTimeout(() => {
      this.#look = undefined;
      this.onLook();
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

/** What is wrong with such a timeout. */
export function notATime(): TypeError {
  return new TypeError("Cannot wait: timeout must be a number of milliseconds, it is NaN");
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

/** The lowest bit set in `mask` from `from` on, or else from 0 on. */
function nextBit(mask: number, from: number): number {
  const above = from === 0 ? mask : mask & (-1 << from);
  return 31 - Math.clz32(above === 0 ? mask & -mask : above & -above);
}
