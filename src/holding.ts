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

/** Objects that were sent through another memory than their own: there is no other way to hold them until they arrive. */
const PINNED = new Set<Shareable>();

/** Keeps an object, and what it holds, as long as this program runs or until it is closed. */
export function pin(object: Shareable): void {
  PINNED.add(object);
}

/** What something beyond this program's sight may still use. */
const KEPT = new Set<object>();

/** Keeps what an object keeps as long as this program runs: something may use it that nothing here can follow. */
export function keepAlive(keeper: object): void {
  KEPT.add(keeper);
}

/** Tells what travels that it does. */
export function pass(objects: readonly Shareable[]): void {
  for (const object of objects) if (!PINNED.has(object)) (object as SharedObject)[PASSED]?.();
}

/** A holding: which participant holds which part of which shared object, and how many objects here stand for it. */
export class Holding {
  readonly me: Participant;
  readonly block: Block;
  readonly index: number;
  readonly #trait: number;
  #isOpen = true;

  /**
   * The participant is a holder already.
   *
   * @param trait What one who cannot look at the memory must know of the object: of a queue its maxsize, of a pipe's end whether both ends send.
   */
  constructor(me: Participant, block: Block, index: number, trait = 0) {
    this.#trait = trait;
    this.me = me;
    this.block = block;
    this.index = index;
    me.retain(block, index);
    COLLECTED.register(this, { me, block, index }, this);
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** What travels of it. */
  words(): readonly number[] {
    return [this.me.arena.id >>> 0, this.block.offset / UNIT, this.block.serial, this.index, this.#trait];
  }

  /** Ends it. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    COLLECTED.unregister(this);
    const { me, block, index } = this;
    me.parker.afterLooking(() => me.unretain(block, index));
  }
}

/** Objects that were dropped without being closed. */
const COLLECTED = new FinalizationRegistry<{ me: Participant; block: Block; index: number }>(({ me, block, index }) =>
  me.unretain(block, index)
);
