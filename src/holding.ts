/**
 * What an object of this program (a queue, a connection) has to do with the shared object behind it: as long as one such object is in use, this participant holds the shared one.
 *
 * @module
 */
import type { Shareable } from "./codec.ts";
import type { Block } from "./heap.ts";
import { UNIT } from "./layout.ts";
import type { Participant } from "./participant.ts";

/** Called on an object that was sent on: an end of a pipe ceases to be its sender's. */
export const PASSED: unique symbol = Symbol("passed");

/** An object that lives in shared memory. */
export interface SharedObject extends Shareable {
  [PASSED]?(): void;
}

/** A holding: which participant holds which part of which shared object, and how many objects here stand for it. */
export class Holding {
  readonly me: Participant;
  readonly block: Block;
  readonly index: number;
  #isOpen = true;

  /** The participant is a holder already, or is made one with `take`. */
  constructor(me: Participant, block: Block, index: number) {
    this.me = me;
    this.block = block;
    this.index = index;
    const count = countsOf(me);
    count.set(this.#key, (count.get(this.#key) ?? 0) + 1);
    COLLECTED.register(this, { me, block, index }, this);
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** What travels of it. */
  words(): readonly number[] {
    return [this.me.arena.id >>> 0, this.block.offset / UNIT, this.block.serial, this.index];
  }

  /** Ends it. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    COLLECTED.unregister(this);
    end(this.me, this.block, this.index);
  }

  get #key(): string {
    return keyOf(this.block, this.index);
  }
}

function keyOf(block: Block, index: number): string {
  return `${block.serial}.${index}`;
}

const COUNTS = new WeakMap<Participant, Map<string, number>>();

function countsOf(me: Participant): Map<string, number> {
  let counts = COUNTS.get(me);
  if (counts === undefined) COUNTS.set(me, counts = new Map());
  return counts;
}

function end(me: Participant, block: Block, index: number): void {
  const counts = countsOf(me);
  const key = keyOf(block, index);
  const count = (counts.get(key) ?? 1) - 1;
  if (count > 0) {
    counts.set(key, count);
    return;
  }
  counts.delete(key);
  if (!me.isGone) me.release(block, index);
}

/** Objects that were dropped without being closed. */
const COLLECTED = new FinalizationRegistry<{ me: Participant; block: Block; index: number }>(({ me, block, index }) =>
  end(me, block, index)
);
