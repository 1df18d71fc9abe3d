/**
 * An arena: memory that participants share, its views, and the participants' slots.
 *
 * @module
 */
import type { Memory } from "./adapter.ts";
import * as L from "./layout.ts";

const WINDOW_BYTES = L.WINDOW_BYTES, MOST_LARGE = 4;
/** From here on giving pages back is cheaper than writing zeros. */
const CLEAR_BY_PAGE = 2 ** 16;

/** Some memory as words and bytes. The indices of an object in it are those of {@linkcode Arena.wordIndex} and {@linkcode Arena.byteIndex}. */
export interface Window {
  readonly words: Int32Array;
  readonly bytes: Uint8Array;
}

/** The memory of an arena, as windows, and its slots. */
export class Arena {
  readonly memory: Memory;
  readonly id: number;
  readonly #windows: (Window | undefined)[] = [];
  /** Of windows that nobody looked at: the header of the block that begins there. */
  readonly #headers: (Int32Array | undefined)[] = [];
  /** What was seen last that is in no window: a view of so much makes V8 look for garbage. */
  #large: { readonly offset: number; readonly bytes: Uint8Array }[] = [];
  readonly #head: Int32Array;

  private constructor(memory: Memory) {
    this.memory = memory;
    this.#head = this.window(0).words;
    this.id = this.#head[L.ARENA_ID];
  }

  /**
   * Makes an arena of fresh, zeroed memory.
   *
   * @param id A number other than that of any other arena, by chance.
   */
  static create(memory: Memory, id: number): Arena {
    const arena = new Arena(memory);
    const head = arena.#head;
    head[L.VERSION_WORD] = L.VERSION;
    head[L.ARENA_ID] = id;
    (arena as { id: number }).id = id;
    head[L.NEXT_SERIAL] = 1;
    // The heap begins as one free block of each size.
    for (let order = L.HEAP_ORDER, offset = L.HEAP_OFFSET; offset < memory.byteLength; offset *= 2, order++) {
      arena.header(offset)[arena.wordIndex(offset) + L.BLOCK_TAG] = order << 1;
      head[L.FREE_HEADS + order] = offset / L.UNIT;
    }
    Atomics.store(head, L.MAGIC_WORD, L.MAGIC);
    return arena;
  }

  /** Opens an arena that another participant made. */
  static open(memory: Memory): Arena {
    const arena = new Arena(memory);
    if (arena.#head[L.MAGIC_WORD] !== L.MAGIC || arena.#head[L.VERSION_WORD] !== L.VERSION) {
      throw new Error(
        `Cannot open the shared memory: its layout is version ${arena.#head[L.VERSION_WORD]}, this library's is ${L.VERSION}`,
      );
    }
    return arena;
  }

  /** The words of the arena's header. */
  get head(): Int32Array {
    return this.#head;
  }

  /** The window that holds the byte at `offset`. */
  window(offset: number): Window {
    const n = Math.floor(offset / WINDOW_BYTES);
    return this.#windows[n] ??= this.#open(n * WINDOW_BYTES, Math.min(WINDOW_BYTES, this.memory.byteLength - n * WINDOW_BYTES));
  }

  /**
   * The words of a block's header, with the indices that they have in its window. Of a block that begins a window it may be no more than these words: to know that a large block is free is no reason to look at the whole
   * window, which engines take for memory of the program's own.
   */
  header(offset: number): Int32Array {
    const n = Math.floor(offset / WINDOW_BYTES), seen = this.#windows[n];
    if (seen !== undefined) return seen.words;
    if (offset % WINDOW_BYTES !== 0 || this.memory.kind !== "mapped") return this.window(offset).words;
    return this.#headers[n] ??= this.#open(offset, L.UNIT).words;
  }

  /** Gives the windows of a large free block back where that is all that can be given back: plain memory. What is looked at there next is zeros. */
  forgetWindows(offset: number, length: number): void {
    if (this.memory.kind !== "local") return;
    const first = offset / WINDOW_BYTES;
    for (let n = first; n < Math.min(this.#windows.length, first + length / WINDOW_BYTES); n++) this.#windows[n] = undefined;
    this.memory.discard(offset, length);
  }

  /** Index in `window(offset).words` of the word at `offset`. */
  wordIndex(offset: number): number {
    return (offset % WINDOW_BYTES) >>> 2;
  }

  /** The words from the one at `offset` on: those of its window, and the index that it has there. */
  wordsAt(offset: number): { readonly words: Int32Array; readonly at: number } {
    return { words: this.window(offset).words, at: this.wordIndex(offset) };
  }

  /** Index in `window(offset).bytes` of the byte at `offset`. */
  byteIndex(offset: number): number {
    return offset % WINDOW_BYTES;
  }

  /** Exactly these bytes, for what may be larger than a window. */
  bytes(offset: number, length: number): Uint8Array {
    const start = this.byteIndex(offset);
    if (start + length <= WINDOW_BYTES) return this.window(offset).bytes.subarray(start, start + length);
    // A stream of large messages has them at the same few places.
    let large = this.#large.find((seen) => seen.offset === offset && seen.bytes.length === length);
    if (large === undefined) {
      const { buffer, start: at } = this.memory.view(offset, length);
      large = { offset, bytes: new Uint8Array(buffer, at, length) };
      if (this.#large.push(large) > MOST_LARGE) this.#large.shift();
    }
    return large.bytes;
  }

  /** Forgets what is remembered of large messages: engines take it for memory of the program's own. */
  forgetLarge(): void {
    this.#large = [];
  }

  /** The buffer in which bytes are, and where in it. If possible one that holds nothing else. */
  range(offset: number, length: number): { buffer: ArrayBufferLike; start: number } {
    if (this.memory.kind === "mapped") return this.memory.view(offset, length);
    const { buffer, byteOffset } = this.bytes(offset, length);
    return { buffer, start: byteOffset };
  }

  /** Makes bytes zeros, without touching more of them than need be. */
  clear(offset: number, length: number): void {
    let from = offset, to = offset + length;
    if (this.memory.kind === "mapped" && length >= CLEAR_BY_PAGE) {
      this.memory.discard(offset, length);
      [from, to] = [Math.ceil(from / L.PAGE) * L.PAGE, Math.floor(to / L.PAGE) * L.PAGE];
      this.bytes(to, offset + length - to).fill(0);
    } else from = to;
    this.bytes(offset, from - offset).fill(0);
  }

  /** Index in `head` of the first word of a slot. */
  slot(slot: number): number {
    return (L.SLOTS_OFFSET + slot * L.SLOT_BYTES) >> 2;
  }

  /** The ident in a slot, 0 where it is free. */
  identOf(slot: number): number {
    return Atomics.load(this.#head, this.slot(slot) + L.SLOT_IDENT);
  }

  /**
   * Takes a free slot.
   *
   * @param parent Ident of the participant that starts the new one, 0 for the root.
   * @return The ident of the new participant, which is reserved and not yet attached.
   * @throws {RangeError} All slots are taken.
   */
  reserve(parent: number): number {
    const head = this.#head;
    for (let slot = 0; slot < L.SLOT_COUNT; slot++) {
      const at = this.slot(slot);
      if (Atomics.load(head, at + L.SLOT_IDENT) !== 0 || Atomics.load(head, at + L.SLOT_PHASE) !== L.PHASE_FREE) continue;
      const generation = (Atomics.load(head, at + L.SLOT_GENERATION) % L.GENERATION_LIMIT) + 1;
      const ident = generation << L.IDENT_SLOT_BITS | slot;
      // Taking the ident takes the slot: its phase stays free until the rest is written, which only its taker does.
      if (Atomics.compareExchange(head, at + L.SLOT_IDENT, 0, ident) !== 0) continue;
      for (let used; (used = Atomics.load(head, L.SLOTS_USED)) <= slot;) Atomics.compareExchange(head, L.SLOTS_USED, used, slot + 1);
      head[at + L.SLOT_GENERATION] = generation;
      head[at + L.SLOT_ASLEEP] = 0;
      head[at + L.SLOT_PID] = 0;
      head[at + L.SLOT_TID] = 0;
      head[at + L.SLOT_PARENT] = parent;
      head[at + L.SLOT_DOOR] = 0;
      head[at + L.SLOT_DOOR + 1] = 0;
      head[at + L.SLOT_GATE] = generation << L.GATE_BITS;
      Atomics.store(head, at + L.SLOT_PHASE, L.PHASE_RESERVED);
      return ident;
    }
    throw new RangeError(
      `Cannot start another participant: ${L.SLOT_COUNT} processes and threads share this memory already; wait for some to end`,
    );
  }

  /** The `GATE_` bits of a thread; where the slot is another's by now, it is stopped. */
  gate(ident: number): number {
    const gate = Atomics.load(this.#head, this.slot(ident & L.IDENT_SLOT_MASK) + L.SLOT_GATE);
    return gate >>> L.GATE_BITS === ident >>> L.IDENT_SLOT_BITS ? gate & (1 << L.GATE_BITS) - 1 : L.GATE_STOP;
  }

  /** Sets and clears `GATE_` bits of a thread. False, and nothing is changed, if the slot is another's by now, or a bit of `unless` is set. */
  turnGate(ident: number, set: number, clear: number, unless = 0): boolean {
    const at = this.slot(ident & L.IDENT_SLOT_MASK) + L.SLOT_GATE, head = this.#head;
    for (;;) {
      const gate = Atomics.load(head, at);
      if (gate >>> L.GATE_BITS !== ident >>> L.IDENT_SLOT_BITS || (gate & unless) !== 0) return false;
      if (Atomics.compareExchange(head, at, gate, gate & ~clear | set) === gate) return true;
    }
  }

  /** Whether a thread is using the memory, and runs. What it uses may be neither taken from it nor given to another. */
  isInside(ident: number): boolean {
    if ((this.gate(ident) & L.GATE_INSIDE) === 0) return false;
    const slot = ident & L.IDENT_SLOT_MASK, at = this.slot(slot);
    const pid = Atomics.load(this.#head, at + L.SLOT_PID);
    if (pid === 0) return true; // it is about to say who it is
    return this.memory.alive(slot, { pid, tid: this.#head[at + L.SLOT_TID] });
  }

  /** Forbids a reserved participant to attach. False if it has attached already, or is gone. */
  condemn(ident: number): boolean {
    const slot = ident & L.IDENT_SLOT_MASK;
    const phase = this.slot(slot) + L.SLOT_PHASE;
    return this.identOf(slot) === ident && Atomics.compareExchange(this.#head, phase, L.PHASE_RESERVED, L.PHASE_DEAD) === L.PHASE_RESERVED;
  }

  /** Whether the participant still runs, or is about to. Asks the kernel. */
  isAlive(ident: number): boolean {
    const slot = ident & L.IDENT_SLOT_MASK;
    const at = this.slot(slot);
    const head = this.#head;
    if (Atomics.load(head, at + L.SLOT_IDENT) !== ident) return false;
    switch (Atomics.load(head, at + L.SLOT_PHASE)) {
      case L.PHASE_ATTACHED:
        // A thread that was stopped and is not inside will never be again, whether or not it still runs.
        if ((this.gate(ident) & (L.GATE_STOP | L.GATE_INSIDE)) === L.GATE_STOP) return false;
        // Where the kernel cannot be asked for a thread, it lives as long as the one that started it, which hears of its end, or takes it along.
        if (this.memory.kind === "shared" && head[at + L.SLOT_TID] === 0 && !this.#isParentAlive(at)) return false;
        return this.memory.alive(slot, { pid: head[at + L.SLOT_PID], tid: head[at + L.SLOT_TID] });
      case L.PHASE_RESERVED:
        return this.#isParentAlive(at) || this.memory.alive(slot, { pid: 0, tid: 0 }) ||
          head[at + L.SLOT_TID] !== 0 && this.isInside(ident);
      case L.PHASE_DEAD:
        return this.isInside(ident) && this.#isParentAlive(at); // attaching when that was forbidden
      default: // being reserved at this very moment
        return true;
    }
  }

  #isParentAlive(at: number): boolean {
    const parent = Atomics.load(this.#head, at + L.SLOT_PARENT);
    return parent === 0 || this.isAlive(parent);
  }

  #open(offset: number, length: number): Window {
    const { buffer, start } = this.memory.view(offset, length);
    return { words: new Int32Array(buffer, start, length >>> 2), bytes: new Uint8Array(buffer, start, length) };
  }
}
