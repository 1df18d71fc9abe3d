/**
 * The allocator of an arena: a binary buddy heap. The one truth about a block is its tag, changed by single stores; the free lists are a memory of it, made anew by whoever takes
 * the heap's monitor over from the dead. So a participant may die at any instruction of this file.
 *
 * - split: the upper half's tag is written first, where nobody looks yet; then one store makes the block its lower half.
 * - take: the rest of the header first, then one store makes the tag "used".
 * - free: one store makes the tag "free"; the lists and sums follow.
 * - merge: both halves are free; one store to the lower one's tag makes them one.
 *
 * @module
 */
import type { Arena } from "./arena.ts";
import * as L from "./layout.ts";
import { enter, leave } from "./monitor.ts";
import type { Parker } from "./park.ts";

/** Free memory may stay with the arena for quick use: to get it from the system anew takes longer than to fill it. So much for ever, and so much until it is not needed for a moment. */
const KEPT_UNITS = 2 ** 26 / L.UNIT, MOST_KEPT_UNITS = 2 ** 29 / L.UNIT;
/** Smaller blocks are not worth a system call. */
const DISCARD_ORDER = 16;
/** Free blocks from this size on consist of whole windows. */
const WINDOW_ORDER = Math.log2(L.WINDOW_BYTES);

/** A piece of memory that was allocated. */
export interface Block {
  /** Byte at which its payload begins; a multiple of 64. */
  readonly offset: number;
  /** The number of the allocation. */
  readonly serial: number;
  /** Whether its payload was never used, and so is zeros; known to whoever allocated it. */
  readonly isFresh?: boolean;
}

/** A used block, as found by {@linkcode Heap.blocks}. */
export interface UsedBlock extends Block {
  readonly kind: number;
  readonly owner: number;
}

/** The heap of an arena, as seen by one participant. */
export class Heap {
  readonly #arena: Arena;
  readonly #parker: Parker;
  readonly #head: Int32Array;
  /** Whether memory can be given back to the system, and so may be kept for a moment. */
  readonly #isMapped: boolean;
  #seenTurn = 0;
  /** Called when more is kept than may stay for ever: somebody is to call {@linkcode Heap.giveBack} now and then. */
  onSurplus: () => void = () => {};

  constructor(arena: Arena, parker: Parker) {
    this.#arena = arena;
    this.#parker = parker;
    this.#head = arena.head;
    this.#isMapped = arena.memory.kind === "mapped";
  }

  /** Runs `body` while no other participant uses the heap. */
  exclusively<T>(body: () => T): T {
    if (enter(this.#head, L.HEAP_LOCK, this.#parker)) this.#rebuild();
    try {
      return body();
    } finally {
      leave(this.#head, L.HEAP_LOCK, this.#parker);
    }
  }

  /**
   * Allocates `byteLength` bytes, of any content.
   *
   * @param owner Ident of the participant with which the block dies, or 0.
   * @throws {RangeError} The arena has no room for it.
   */
  allocate(byteLength: number, kind: number, owner: number): Block {
    return this.exclusively(() => this.allocateInside(byteLength, kind, owner));
  }

  /** {@linkcode Heap.allocate} for those who are inside already. */
  allocateInside(byteLength: number, kind: number, owner: number): Block {
    const wanted = Math.max(L.MIN_ORDER, Math.ceil(Math.log2(byteLength + L.UNIT)));
    let order = wanted;
    while (order <= L.MAX_ORDER && this.#head[L.FREE_HEADS + order] === 0) order++;
    if (order > L.MAX_ORDER) {
      throw new RangeError(
        `Cannot allocate ${byteLength} bytes of shared memory: the arena of ${this.#arena.memory.byteLength} bytes has no such piece free; make fewer or smaller objects`,
      );
    }
    const offset = this.#head[L.FREE_HEADS + order] * L.UNIT;
    const words = this.#arena.header(offset);
    const at = this.#arena.wordIndex(offset);
    this.#unlink(offset, order);
    this.#head[L.DIRTY_UNITS] -= words[at + L.BLOCK_DIRTY];
    while (order > wanted) {
      order--;
      const dirty = words[at + L.BLOCK_DIRTY];
      const half = 2 ** order / L.UNIT;
      const above = Math.max(0, dirty - half);
      this.#link(offset + 2 ** order, order, above);
      this.#head[L.DIRTY_UNITS] += above;
      words[at + L.BLOCK_DIRTY] = Math.min(dirty, half);
      Atomics.store(words, at + L.BLOCK_TAG, order << 1);
    }
    const end = (offset + 2 ** order) / L.UNIT, touched = this.#head[L.TOUCHED_UNITS];
    this.#head[L.TOUCHED_UNITS] = Math.max(touched, end);
    const serial = this.#head[L.NEXT_SERIAL];
    this.#head[L.NEXT_SERIAL] = (serial % 0x7fffffff) + 1;
    words[at + L.BLOCK_SERIAL] = serial;
    words[at + L.BLOCK_OWNER] = owner;
    words[at + L.BLOCK_KIND] = kind;
    Atomics.store(words, at + L.BLOCK_TAG, order << 1 | 1);
    return { offset: offset + L.UNIT, serial, isFresh: offset / L.UNIT >= touched };
  }

  /** Gives a block back. Does nothing if that allocation was given back before. */
  free(block: Block): void {
    this.exclusively(() => this.freeInside(block));
  }

  /** {@linkcode Heap.free} for those who are inside already. */
  freeInside(block: Block): void {
    if (!this.isCurrent(block)) return;
    let offset = block.offset - L.UNIT;
    let words = this.#arena.header(offset);
    let at = this.#arena.wordIndex(offset);
    let order = words[at + L.BLOCK_TAG] >> 1;
    let dirty = 2 ** order / L.UNIT;
    const discard = () => {
      if (this.#head[L.DIRTY_UNITS] + dirty <= (this.#isMapped ? MOST_KEPT_UNITS : KEPT_UNITS)) return;
      this.#arena.memory.discard(offset + L.PAGE, 2 ** order - L.PAGE);
      dirty = L.PAGE / L.UNIT;
    };
    if (order >= DISCARD_ORDER) discard();
    words[at + L.BLOCK_SERIAL] = 0;
    Atomics.store(words, at + L.BLOCK_TAG, order << 1);
    while (order < L.MAX_ORDER) {
      const buddy = this.#buddy(offset, order);
      if (buddy < L.HEAP_OFFSET || buddy >= this.#arena.memory.byteLength) break;
      const other = this.#arena.header(buddy);
      const otherAt = this.#arena.wordIndex(buddy);
      if (other[otherAt + L.BLOCK_TAG] !== order << 1) break;
      this.#unlink(buddy, order);
      this.#head[L.DIRTY_UNITS] -= other[otherAt + L.BLOCK_DIRTY];
      dirty += other[otherAt + L.BLOCK_DIRTY];
      if (buddy < offset) [offset, words, at] = [buddy, other, otherAt];
      Atomics.store(words, at + L.BLOCK_TAG, ++order << 1);
      // Small ones go back once enough of them lie together.
      if (order === DISCARD_ORDER) discard();
    }
    if (order >= WINDOW_ORDER) this.#arena.forgetWindows(offset, 2 ** order);
    this.#link(offset, order, dirty);
    this.#head[L.DIRTY_UNITS] += dirty;
    if (!this.#isMapped || this.#head[L.DIRTY_UNITS] <= KEPT_UNITS) return;
    this.#head[L.SURPLUS_TURN]++;
    this.onSurplus();
  }

  /** What another kept, who has ended since, somebody else is to give back. */
  inherit(): void {
    if (this.#isMapped && this.#head[L.DIRTY_UNITS] > KEPT_UNITS) this.onSurplus();
  }

  /** Gives back to the system what is kept beyond what may stay, unless anybody needed it since this was asked last. False: that is so. */
  giveBack(): boolean {
    if (!this.#isMapped) return true;
    const turn = this.#head[L.SURPLUS_TURN];
    if (turn !== this.#seenTurn) {
      this.#seenTurn = turn;
      return false;
    }
    this.#arena.forgetLarge();
    // One at a time, so that nobody waits long for the heap.
    while (this.#head[L.DIRTY_UNITS] > KEPT_UNITS && this.exclusively(() => this.#giveBackOne()));
    return true;
  }

  /** The largest. False if there is nothing. */
  #giveBackOne(): boolean {
    for (let order = L.MAX_ORDER; order >= DISCARD_ORDER; order--) {
      for (let units = this.#head[L.FREE_HEADS + order]; units !== 0;) {
        const offset = units * L.UNIT, words = this.#arena.header(offset), at = this.#arena.wordIndex(offset);
        const surplus = words[at + L.BLOCK_DIRTY] - L.PAGE / L.UNIT;
        if (surplus > 0) {
          this.#arena.memory.discard(offset + L.PAGE, 2 ** order - L.PAGE);
          words[at + L.BLOCK_DIRTY] -= surplus;
          this.#head[L.DIRTY_UNITS] -= surplus;
          return true;
        }
        units = words[at + L.BLOCK_NEXT];
      }
    }
    return false;
  }

  /** Whether this allocation was not given back yet. */
  isCurrent(block: Block): boolean {
    const words = this.#arena.header(block.offset - L.UNIT);
    const at = this.#arena.wordIndex(block.offset - L.UNIT);
    return (Atomics.load(words, at + L.BLOCK_TAG) & 1) === 1 && words[at + L.BLOCK_SERIAL] === block.serial && block.serial !== 0;
  }

  /** Says with which participant the block dies: an ident, or 0 for none. */
  own(block: Block, owner: number): void {
    const words = this.#arena.header(block.offset - L.UNIT);
    Atomics.store(words, this.#arena.wordIndex(block.offset - L.UNIT) + L.BLOCK_OWNER, owner);
  }

  /** All used blocks. For those who are inside. */
  blocks(): UsedBlock[] {
    const found: UsedBlock[] = [];
    this.#walk((offset, words, at, tag) => {
      if (tag & 1) {
        found.push({
          offset: offset + L.UNIT,
          serial: words[at + L.BLOCK_SERIAL],
          owner: words[at + L.BLOCK_OWNER],
          kind: words[at + L.BLOCK_KIND],
        });
      }
    });
    return found;
  }

  #walk(visit: (offset: number, words: Int32Array, at: number, tag: number) => void): void {
    for (let offset = L.HEAP_OFFSET; offset < this.#arena.memory.byteLength;) {
      const words = this.#arena.header(offset);
      const at = this.#arena.wordIndex(offset);
      const tag = words[at + L.BLOCK_TAG];
      visit(offset, words, at, tag);
      offset += 2 ** (tag >> 1);
    }
  }

  /** Makes the free lists and the sum of dirty units again from the tags. */
  #rebuild(): void {
    this.#head.fill(0, L.FREE_HEADS, L.FREE_HEADS + L.MAX_ORDER + 1);
    this.#head[L.DIRTY_UNITS] = 0;
    this.#walk((offset, words, at, tag) => {
      if (tag & 1) {
        // Without a number it was about to be freed.
        if (words[at + L.BLOCK_SERIAL] !== 0) return;
        Atomics.store(words, at + L.BLOCK_TAG, tag & ~1);
      }
      // Whoever died may have been about to write how much of it is dirty: assume all.
      const size = 2 ** (tag >> 1) / L.UNIT;
      const dirty = words[at + L.BLOCK_DIRTY] >= 0 && words[at + L.BLOCK_DIRTY] <= size ? words[at + L.BLOCK_DIRTY] : size;
      this.#link(offset, tag >> 1, dirty);
      this.#head[L.DIRTY_UNITS] += dirty;
    });
  }

  #buddy(offset: number, order: number): number {
    const size = 2 ** order;
    return (offset / size) % 2 === 0 ? offset + size : offset - size;
  }

  #link(offset: number, order: number, dirtyUnits: number): void {
    const words = this.#arena.header(offset);
    const at = this.#arena.wordIndex(offset);
    const first = this.#head[L.FREE_HEADS + order];
    words[at + L.BLOCK_NEXT] = first;
    words[at + L.BLOCK_PREVIOUS] = 0;
    words[at + L.BLOCK_DIRTY] = dirtyUnits;
    Atomics.store(words, at + L.BLOCK_TAG, order << 1);
    if (first !== 0) this.#field(first, L.BLOCK_PREVIOUS, offset / L.UNIT);
    this.#head[L.FREE_HEADS + order] = offset / L.UNIT;
  }

  #unlink(offset: number, order: number): void {
    const words = this.#arena.header(offset);
    const at = this.#arena.wordIndex(offset);
    const next = words[at + L.BLOCK_NEXT];
    const previous = words[at + L.BLOCK_PREVIOUS];
    if (next !== 0) this.#field(next, L.BLOCK_PREVIOUS, previous);
    if (previous !== 0) this.#field(previous, L.BLOCK_NEXT, next);
    else this.#head[L.FREE_HEADS + order] = next;
  }

  #field(units: number, field: number, value: number): void {
    this.#arena.header(units * L.UNIT)[this.#arena.wordIndex(units * L.UNIT) + field] = value;
  }
}
