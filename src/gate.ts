/**
 * The gate before the memory: a thread says there that it is inside, so that its place is not given to another meanwhile. And what waits until nothing is looked at.
 *
 * @module
 */
import type { Arena } from "./arena.ts";
import * as L from "./layout.ts";

/** How often a terminated thread is told so before it is stopped for good. */
const MOST_STOPS = 100;

/** A participant came to its slot, and that was taken back meanwhile. */
export class Unwanted extends Error {
  override message = "Cannot take part in the shared memory: this process was ended, or whoever started it, before the start was complete";
}

/** A thread was terminated, and runs on. */
export class Stopped extends Error {
  override message = "Cannot go on: this thread was terminated";
}

/** One participant's gate. */
export class Gate {
  readonly #arena: Arena;
  readonly #ident: number;
  /** Whether this is a thread that another started. It may run on after it was terminated: Deno waits until it yields, which may be never. */
  readonly #isChildThread: boolean;
  /** How often it was told that it was terminated. */
  #stops = 0;
  /** How many uses of the memory this thread is in. */
  #depth = 0;
  /** How many waits' attempts this thread is in, one inside another; and what is to be done after them. */
  #looking = 0;
  #afterLooking: (() => void)[] = [];

  /** @param ident What {@linkcode Arena.reserve} gave. @param isChildThread Whether it is a thread that another started. */
  constructor(arena: Arena, ident: number, isChildThread: boolean) {
    this.#arena = arena;
    this.#ident = ident;
    this.#isChildThread = isChildThread;
  }

  /** Before the memory is used, {@linkcode Gate.end} afterwards. False: this thread was terminated, its place may be another's, and it must not begin. */
  tryBegin(): boolean {
    if (!this.#isChildThread || this.#depth++ > 0 || this.#arena.turnGate(this.#ident, L.GATE_INSIDE, 0, L.GATE_STOP)) return true;
    this.#depth = 0;
    return false;
  }

  /** The same for who must. @throws {Stopped} This thread was terminated, and does not know yet. */
  begin(): void {
    if (this.tryBegin()) return;
    // It is over as soon as its code yields. If that only tries again, it waits here.
    if (++this.#stops < MOST_STOPS) throw new Stopped();
    const never = new Int32Array(new SharedArrayBuffer(4));
    for (;;) Atomics.wait(never, 0, 0);
  }

  end(): void {
    if (this.#isChildThread && --this.#depth === 0) this.#arena.turnGate(this.#ident, 0, L.GATE_INSIDE);
  }

  /** Whether this thread was told that it was terminated. */
  get wasTold(): boolean {
    return this.#stops > 0;
  }

  /** Whether this thread was terminated. */
  get isStopped(): boolean {
    return this.#isChildThread && (this.#arena.gate(this.#ident) & L.GATE_STOP) !== 0;
  }

  /** Before something is looked at, {@linkcode Gate.endLooking} afterwards. */
  beginLooking(): void {
    this.#looking++;
  }

  endLooking(): void {
    if (--this.#looking > 0 || this.#afterLooking.length === 0) return;
    const runs = this.#afterLooking;
    this.#afterLooking = [];
    for (const run of runs) run();
  }

  /** Runs `run` once nothing is being looked at here: what users write may run in that, and memory that is looked at must not become another's. */
  afterLooking(run: () => void): void {
    if (this.#looking === 0) run();
    else this.#afterLooking.push(run);
  }
}
