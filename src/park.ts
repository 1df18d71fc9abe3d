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
import { type Attempt, PENDING } from "./attempt.ts";
import { Doorbells } from "./doorbells.ts";
import { Gate, Unwanted } from "./gate.ts";
import { performance, queueMicrotask } from "./host.ts";
import * as L from "./layout.ts";
import { Spinner } from "./spin.ts";
import { register, unregister, type WaitSet } from "./wait_set.ts";
import { LOOK_MS, WaitingTasks } from "./waiting_tasks.ts";

/** How long anyone sleeps before a monitor before looking at its owner again. */
const MONITOR_LOOK_MS = 20;

/** One participant's sleeping and waking in one arena. */
export class Parker extends Doorbells {
  readonly ident: number;
  readonly slot: number;
  /** Whether this thread may block. */
  readonly mayBlock: boolean;
  /** What waits here without blocking. */
  readonly tasks: WaitingTasks;
  readonly #head: Int32Array;
  readonly #at: number;
  readonly #gate: Gate;
  readonly #spinner: Spinner;
  /** The last death that this thread knows of when it blocks. */
  #lastEpoch: number;
  #isDetached = false;
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
    super(arena);
    this.ident = ident;
    this.slot = ident & L.IDENT_SLOT_MASK;
    this.#head = arena.head;
    this.#at = arena.slot(this.slot);
    this.mayBlock = mayBlock;
    const gate = this.#gate = new Gate(arena, ident, isChildThread);
    const spinner = this.#spinner = new Spinner(arena, this.slot, gate, this);
    this.#lastEpoch = Atomics.load(this.#head, L.EPOCH);
    this.tasks = new WaitingTasks({ arena, slot: this.slot, gate, doorbells: this, spinner, onLook: () => this.onLook() });
    // The slot may be another's by now.
    if (isChildThread ? !gate.tryBegin() : arena.identOf(this.slot) !== ident) throw new Unwanted();
    try {
      this.#attach(at);
    } finally {
      gate.end();
    }
  }

  #attach(at: { pid: number; tid: number }): void {
    this.#head[this.#at + L.SLOT_TID] = at.tid;
    Atomics.store(this.#head, this.#at + L.SLOT_PID, at.pid); // last: it says that both are there
    const door = this.arena.memory.attach(this.slot, () => this.tasks.onRing());
    this.#head[this.#at + L.SLOT_DOOR] = door[0];
    this.#head[this.#at + L.SLOT_DOOR + 1] = door[1];
    if (
      Atomics.compareExchange(this.#head, this.#at + L.SLOT_PHASE, L.PHASE_RESERVED, L.PHASE_ATTACHED) !== L.PHASE_RESERVED ||
      this.arena.identOf(this.slot) !== this.ident
    ) {
      throw new Unwanted();
    }
  }

  /** Before the memory is used, {@linkcode Parker.end} afterwards. @throws {Stopped} This thread was terminated, and must not begin. */
  begin(): void {
    this.#gate.begin();
  }

  end(): void {
    this.#gate.end();
  }

  /** Runs `run` once nothing is being looked at here. See {@linkcode Gate.afterLooking}. */
  afterLooking(run: () => void): void {
    this.#gate.afterLooking(run);
  }

  /** One's own event loop is awake, and looks when this is done: a bell that the system rings would take it 10 to 100 µs. */
  override ring(slot: number, isDeath = false): boolean {
    if (slot !== this.slot || this.#isDetached) return super.ring(slot, isDeath);
    Atomics.add(this.#head, this.#at + L.SLOT_BELL, 1);
    const wasAsleep = Atomics.and(this.#head, this.#at + L.SLOT_ASLEEP, ~L.ASLEEP_LOOP) & L.ASLEEP_LOOP;
    this.tasks.ownRings++;
    if (wasAsleep !== 0 || isDeath) queueMicrotask(() => this.tasks.onRing());
    return true;
  }

  isAlive(ident: number): boolean {
    return ident === this.ident || this.arena.isAlive(ident);
  }

  /**
   * Waits, blocking the thread. The caller made a first attempt already.
   *
   * @param timeout In milliseconds; undefined: as long as it takes.
   * @param onTimeout Gives the result, or throws, when the time is up.
   */
  sleepSync<T>(set: WaitSet, what: Attempt<T>, timeout: number | undefined, onTimeout: () => T): T {
    if (timeout !== undefined && timeout <= 0) return onTimeout();
    const since = performance.now();
    const early = this.#spinner.spin(set, what);
    if (early !== PENDING) return early;
    const deadline = timeout === undefined ? Infinity : since + timeout;
    const { words, at } = set, gate = this.#gate;
    let lookHard = false;
    let took = false;
    const wasAsleep = this.#isAsleep;
    gate.begin();
    gate.beginLooking();
    try {
      for (;;) {
        const seen = this.#fallAsleep(words, at);
        const result = what.attempt(lookHard);
        if (result !== PENDING) {
          took = true;
          this.#spinner.learn(what, since);
          return result;
        }
        const left = deadline - performance.now();
        if (left <= 0) return onTimeout();
        gate.end();
        this.arena.memory.park(this.#bellOffset, seen, Math.min(left, LOOK_MS));
        gate.begin();
        lookHard = this.#lookedUp(seen);
      }
    } finally {
      if (!gate.wasTold) {
        if (!wasAsleep) this.#sayAwake();
        this.#leave(set, took, what);
      }
      gate.endLooking();
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
  #leave<T>(set: WaitSet, took: boolean, what: Attempt<T>): void {
    const { words, at } = set;
    // Whether there is more must be looked at after leaving the set: a ring for what came before that may have come here.
    if (!unregister(words, at, this.slot) && (!took || what.more())) this.wakeOne(words, at);
    // This participant's tasks may wait for the same thing, and their registration was the same bit: finding it gone, they look again.
    if (this.tasks.isAwaited(set)) this.ring(this.slot);
    this.#gate.end();
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
      unregister(words, at, this.slot);
    }
  }

  /** Leaves the arena; what is still waited for is rejected with `reason`. */
  detach(reason: Error): void {
    if (this.#isDetached) return;
    this.#isDetached = true;
    this.tasks.detach(reason);
    this.arena.memory.detach(this.slot);
  }

  get #bellOffset(): number {
    return (this.#at + L.SLOT_BELL) * 4;
  }

  /** Steps 1 and 2 of the protocol, for the thread. */
  #fallAsleep(words: Int32Array, at: number): number {
    // The bell first: whoever takes this participant out of the set after that rings a bell that is not `seen` any more.
    const seen = Atomics.load(this.#head, this.#at + L.SLOT_BELL);
    register(words, at, this.slot);
    Atomics.or(this.#head, this.#at + L.SLOT_ASLEEP, L.ASLEEP_THREAD);
    return seen;
  }

  /** Whether it was not a ring that ended the sleep, or a death. */
  #lookedUp(seen: number): boolean {
    const epoch = Atomics.load(this.#head, L.EPOCH);
    const isNewEpoch = epoch !== this.#lastEpoch;
    this.#lastEpoch = epoch;
    if (!isNewEpoch && Atomics.load(this.#head, this.#at + L.SLOT_BELL) !== seen) return false;
    this.onLook();
    return true;
  }
}
