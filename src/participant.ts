/**
 * A participant of an arena: a process, a thread or an inline task, with its slot, its share of the heap, and the objects that it holds.
 *
 * A shared object lives while somebody holds it: a participant (a bit in the object's holders), or an unread message (a *ticket*: ring and sequence number, live while that record is
 * unread, so that it needs no clearing up by anyone who might die). Holders change inside the heap's monitor.
 *
 * @module
 */
import type { ThreadId } from "./adapter.ts";
import type { Arena } from "./arena.ts";
import { type Block, Heap } from "./heap.ts";
import * as L from "./layout.ts";
import { Parker } from "./park.ts";

/** How many slots are looked at in one look around. */
const LOOK_AROUND = 64;

/** What the arena must know of a kind of shared object. All are called inside the heap's monitor. */
export interface Kind {
  /** How many holdings stand at the start of its payload; the object lives while one of them is held. */
  readonly holdings: number;
  /** Gives back all that it consists of, its own block included. */
  destroy(me: Participant, block: Block): void;
  /** Puts in order what `dead` left half done in it. */
  repair(me: Participant, block: Block, dead: number): void;
  /** Holders changed: wakes whoever waits for that. */
  changed(me: Participant, block: Block): void;
}

const KINDS = new Map<number, Kind>();

/** Makes a kind of shared object known. */
export function registerKind(number: number, kind: Kind): void {
  KINDS.set(number, kind);
}

/** One participant's part in an arena. */
export class Participant {
  readonly arena: Arena;
  readonly ident: number;
  readonly slot: number;
  readonly parker: Parker;
  readonly heap: Heap;
  #lookedAt = 0;
  /** Whether it left: its holdings went with it. */
  isGone = false;

  /**
   * @param ident A reserved one.
   * @param at The calling process and thread.
   * @param mayBlock Whether this thread may block.
   */
  constructor(arena: Arena, ident: number, at: ThreadId, mayBlock: boolean) {
    this.arena = arena;
    this.ident = ident;
    this.slot = ident & L.IDENT_SLOT_MASK;
    this.parker = new Parker(arena, ident, at, mayBlock);
    this.heap = new Heap(arena, this.parker);
    this.parker.onLook = () => this.lookAround();
  }

  /** Makes `ident` a holder. For those inside the heap's monitor. @param holding Byte offset of the holding. */
  holdInside(holding: number, ident: number = this.ident): void {
    const slot = ident & L.IDENT_SLOT_MASK;
    Atomics.or(this.arena.window(holding).words, this.arena.wordIndex(holding) + L.HOLDERS + (slot >> 5), 1 << (slot & 31));
  }

  /** Makes `ident` a holder, unless the object is gone. False then. */
  hold(block: Block, index: number, ident: number = this.ident): boolean {
    return this.heap.exclusively(() => {
      if (!this.heap.isCurrent(block)) return false;
      this.holdInside(holdingOf(block, index), ident);
      return true;
    });
  }

  /** Ends a holding; the object goes with the last. */
  release(block: Block, index: number, ident: number = this.ident): void {
    this.heap.exclusively(() => {
      if (this.heap.isCurrent(block)) this.releaseInside(block, index, ident & L.IDENT_SLOT_MASK);
    });
  }

  /** {@linkcode Participant.release} for those inside. */
  releaseInside(block: Block, index: number, slot: number): void {
    const holding = holdingOf(block, index);
    const { words } = this.arena.window(holding);
    const bit = 1 << (slot & 31);
    if ((Atomics.and(words, this.arena.wordIndex(holding) + L.HOLDERS + (slot >> 5), ~bit) & bit) !== 0) this.holdersChanged(block);
  }

  /** Destroys the object if nobody holds it, or else says that its holders changed. For those inside. */
  holdersChanged(block: Block): void {
    const kind = KINDS.get(this.kindOf(block));
    if (kind === undefined) return;
    for (let i = 0; i < kind.holdings; i++) {
      if (this.isHeld(holdingOf(block, i))) return kind.changed(this, block);
    }
    kind.destroy(this, block);
  }

  /** Whether anybody holds it, or it is on its way. The dead hold until they are buried. */
  isHeld(holding: number): boolean {
    const { words } = this.arena.window(holding);
    const at = this.arena.wordIndex(holding);
    // Holders last: a receiver becomes one before its message counts as read.
    return this.#hasTicket(words, at) || this.hasHolder(holding);
  }

  /** Whether a participant holds it. */
  hasHolder(holding: number): boolean {
    const { words } = this.arena.window(holding);
    const at = this.arena.wordIndex(holding);
    for (let i = 0; i < L.SLOT_COUNT / 32; i++) {
      if (Atomics.load(words, at + L.HOLDERS + i) !== 0) return true;
    }
    return false;
  }

  /**
   * Writes down that a message with this object is about to be put. For those inside.
   *
   * @throws {RangeError} The object is in as many unread messages as are counted.
   */
  addTicket(holding: number, ring: Block, sequence: number): void {
    const { words } = this.arena.window(holding);
    const at = this.arena.wordIndex(holding);
    for (let i = 0; i < L.TICKET_COUNT; i++) {
      const ticket = at + L.TICKETS + i * L.TICKET_WORDS;
      if (this.#isLive(words, ticket)) continue;
      words[ticket] = ring.offset / L.UNIT;
      words[ticket + 1] = ring.serial;
      words[ticket + 2] = sequence;
      return;
    }
    throw new RangeError(`Cannot send this object: it is in ${L.TICKET_COUNT} unread messages already; let some be received first`);
  }

  kindOf(block: Block): number {
    return this.arena.window(block.offset - L.UNIT).words[this.arena.wordIndex(block.offset - L.UNIT) + L.BLOCK_KIND];
  }

  /** Leaves the arena for good, giving up all that it holds. What its tasks still wait for is rejected with `reason`. */
  leave(reason: Error): void {
    if (this.isGone) return;
    this.isGone = true;
    this.parker.detach(reason);
    this.bury(this.ident);
  }

  /** Looks at the pulse of some others, and buries the dead. */
  lookAround(): void {
    const used = Atomics.load(this.arena.head, L.SLOTS_USED);
    for (let i = Math.min(LOOK_AROUND, used); i > 0; i--) {
      this.#lookedAt = (this.#lookedAt + 1) % used;
      const ident = this.arena.identOf(this.#lookedAt);
      if (ident !== 0 && ident !== this.ident && !this.arena.isAlive(ident)) this.bury(ident);
    }
  }

  /**
   * Gives back what a dead participant had: monitors are repaired, its holdings and blocks freed, its slot is free again, everybody looks. May be called by several, and by one after another
   * who died of it.
   */
  bury(ident: number): void {
    const { arena, heap } = this;
    const slot = ident & L.IDENT_SLOT_MASK;
    const at = arena.slot(slot);
    const isMine = heap.exclusively(() => {
      if (arena.identOf(slot) !== ident) return false;
      Atomics.store(arena.head, at + L.SLOT_PHASE, L.PHASE_DEAD);
      this.parker.forget(arena.head, L.HEAP_LOCK + L.MONITOR_WAITERS, slot);
      const blocks = heap.blocks();
      for (const block of blocks) KINDS.get(block.kind)?.repair(this, block, ident);
      for (const block of blocks) {
        if (block.owner === ident) heap.freeInside(block);
        if (!heap.isCurrent(block)) continue;
        const holdings = KINDS.get(block.kind)?.holdings ?? 0;
        for (let i = 0; i < holdings && heap.isCurrent(block); i++) this.releaseInside(block, i, slot);
      }
      arena.memory.detach(slot);
      Atomics.store(arena.head, at + L.SLOT_IDENT, 0);
      Atomics.store(arena.head, at + L.SLOT_PHASE, L.PHASE_FREE);
      return true;
    });
    if (isMine) this.parker.wakeEverybody();
  }

  #hasTicket(words: Int32Array, at: number): boolean {
    for (let i = 0; i < L.TICKET_COUNT; i++) if (this.#isLive(words, at + L.TICKETS + i * L.TICKET_WORDS)) return true;
    return false;
  }

  /** Whether the message that a ticket names is unread. */
  #isLive(words: Int32Array, ticket: number): boolean {
    const units = words[ticket];
    if (units === 0) return false;
    const offset = units * L.UNIT;
    if (!this.heap.isCurrent({ offset, serial: words[ticket + 1] })) return false;
    const ring = this.arena.window(offset).words;
    const at = this.arena.wordIndex(offset);
    const sequence = words[ticket + 2];
    const taken = Atomics.load(ring, at + L.RING_GET + L.SIDE_SEQUENCE);
    const put = Atomics.load(ring, at + L.RING_PUT + L.SIDE_SEQUENCE);
    return ((sequence - taken) | 0) >= 0 && ((put - sequence) | 0) > 0;
  }
}

/** Byte offset of one of an object's holdings. */
export function holdingOf(block: Block, index: number): number {
  return block.offset + index * L.HOLDING_WORDS * 4;
}
