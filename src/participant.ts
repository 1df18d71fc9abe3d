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
import { unregister } from "./wait_set.ts";

/** So many more objects here are worth a look for those that were dropped, or half as many as there are. */
const MANY = 20_000;
/** How many slots are looked at in one look around. */
const LOOK_AROUND = 64;

/** What the arena must know of a kind of shared object. All are called inside the heap's monitor. */
export interface Kind {
  /** How many holdings stand at the start of its payload; the object lives while one of them is held. By default one. */
  readonly holdings: number;
  /** Gives back all that it consists of, its own block included. By default it is that block. */
  destroy(me: Participant, block: Block): void;
  /** Puts in order what `dead` left half done in it: by default nothing. @param at Index of its first word. */
  repair(me: Participant, words: Int32Array, at: number, dead: number): void;
  /** Holders changed: wakes whoever waits for that. By default nobody does. */
  changed(me: Participant, block: Block): void;
}

const KINDS = new Map<number, Kind>();
const USUAL: Kind = { holdings: 1, destroy: (me, block) => me.heap.freeInside(block), repair() {}, changed() {} };

/** Makes a kind of shared object known. */
export function registerKind(number: number, kind: Partial<Kind>): void {
  KINDS.set(number, { ...USUAL, ...kind });
}

/** One participant's part in an arena. */
export class Participant {
  readonly arena: Arena;
  readonly ident: number;
  readonly slot: number;
  readonly parker: Parker;
  readonly heap: Heap;
  /** Where puts wait for room. */
  readonly backlogs: Set<{ whenEmpty(run: () => void): void }> = new Set();
  #lookedAt = 0;
  /** How many of this program's objects, and messages, stand for each holding. */
  readonly #counts = new Map<string, number>();
  /** How many more there are than when that was last worth a look. */
  #more = 0;
  /** Called when there are many more objects here than a while ago: engines do not see that each keeps memory. */
  onMany: () => void = () => {};
  /** Objects that are held until a message was read, since they have no ticket. */
  #kept: Kept[] = [];
  /** Whether it left: its holdings went with it. */
  isGone = false;

  /**
   * @param ident A reserved one.
   * @param at The calling process and thread.
   * @param mayBlock Whether this thread may block.
   * @param isChildThread Whether it is a thread that another started.
   */
  constructor(arena: Arena, ident: number, at: ThreadId, mayBlock: boolean, isChildThread = false) {
    this.arena = arena;
    this.ident = ident;
    this.slot = ident & L.IDENT_SLOT_MASK;
    this.parker = new Parker(arena, ident, at, mayBlock, isChildThread);
    this.heap = new Heap(arena, this.parker);
    this.parker.onLook = () => this.lookAround();
  }

  /** Makes `ident` a holder. For those inside the heap's monitor. @param holding Byte offset of the holding. */
  holdInside(holding: number, ident: number = this.ident): void {
    const slot = ident & L.IDENT_SLOT_MASK;
    const { words, at } = this.arena.wordsAt(holding);
    Atomics.or(words, at + L.HOLDERS + (slot >> 5), 1 << (slot & 31));
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

  /** Counts one more object here that stands for a holding which this participant has. */
  retain(block: Block, index: number): void {
    const key = keyOf(block, index);
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
    if (++this.#more < Math.max(MANY, this.#counts.size / 2)) return;
    this.#more = 0;
    this.onMany();
  }

  /** One less; the holding ends with the last. */
  unretain(block: Block, index: number): void {
    if (this.#more > 0) this.#more--;
    const key = keyOf(block, index);
    const count = (this.#counts.get(key) ?? 1) - 1;
    if (count > 0) {
      this.#counts.set(key, count);
      return;
    }
    this.#counts.delete(key);
    if (!this.isGone) this.release(block, index);
  }

  /** Holds an object until a message was read. */
  keepUntilRead(block: Block, index: number, ring: Block, sequence: number): void {
    this.#dropKept();
    this.retain(block, index);
    this.#kept.push({ block, index, ring, sequence });
  }

  /** After a message was received: what of it nobody here took up (it could not be decoded, say) is let go again. */
  settle(block: Block, index: number): void {
    this.heap.exclusively(() => {
      if (!this.heap.isCurrent(block)) return;
      const holding = holdingOf(block, index);
      const { words, at } = this.arena.wordsAt(holding);
      for (let i = 0; i < L.TICKET_COUNT; i++) {
        const ticket = at + L.TICKETS + i * L.TICKET_WORDS;
        // So that it does not come to life again when the sequence numbers have gone round.
        if (words[ticket] !== 0 && !this.#isLive(words, ticket)) words[ticket] = 0;
      }
      if (!this.#counts.has(keyOf(block, index))) this.releaseInside(block, index, this.slot);
    });
  }

  /** {@linkcode Participant.release} for those inside. */
  releaseInside(block: Block, index: number, slot: number): void {
    const holding = holdingOf(block, index);
    const { words, at } = this.arena.wordsAt(holding);
    const bit = 1 << (slot & 31);
    if ((Atomics.and(words, at + L.HOLDERS + (slot >> 5), ~bit) & bit) !== 0) this.holdersChanged(block);
  }

  /** Destroys the object if nobody holds it, or else says that its holders changed. For those inside. */
  holdersChanged(block: Block): void {
    const kind = KINDS.get(this.kindOf(block));
    if (kind === undefined || kind.holdings === 0) return;
    if (this.#isWanted(block, kind)) kind.changed(this, block);
    else kind.destroy(this, block);
  }

  #isWanted(block: Block, kind: Kind): boolean {
    for (let i = 0; i < kind.holdings; i++) if (this.isHeld(holdingOf(block, i))) return true;
    return false;
  }

  /** Whether anybody holds it, or it is on its way. The dead hold until they are buried. */
  isHeld(holding: number): boolean {
    const { words, at } = this.arena.wordsAt(holding);
    // Holders last: a receiver becomes one before its message counts as read.
    return this.#hasTicket(words, at) || hasHolder(words, at);
  }

  /**
   * Writes down that a message with this object is about to be put. For those inside.
   *
   * @return False if it is in the unread messages of as many rings as can be written down.
   */
  addTicket(holding: number, ring: Block, sequence: number): boolean {
    const { words, at } = this.arena.wordsAt(holding + L.TICKETS * 4);
    const units = ring.offset / L.UNIT;
    let free = -1;
    for (let ticket = at; ticket < at + L.TICKET_COUNT * L.TICKET_WORDS; ticket += L.TICKET_WORDS) {
      if (words[ticket] === units && words[ticket + 1] === ring.serial) {
        // A ring is read in order, so the ticket for the last of its messages is one for all.
        words[ticket + 2] = sequence;
        return true;
      }
      if (free < 0 && !this.#isLive(words, ticket)) free = ticket;
    }
    if (free < 0) return false;
    words[free] = 0;
    words[free + 1] = ring.serial;
    words[free + 2] = sequence;
    Atomics.store(words, free, units);
    return true;
  }

  kindOf(block: Block): number {
    return this.arena.header(block.offset - L.UNIT)[this.arena.wordIndex(block.offset - L.UNIT) + L.BLOCK_KIND];
  }

  /** Resolves once no put waits for room any more. */
  async accepted(): Promise<void> {
    for (const backlog of this.backlogs) await new Promise<void>((resolve) => backlog.whenEmpty(resolve));
  }

  /** Leaves the arena for good, giving up all that it holds. What its tasks still wait for is rejected with `reason`. */
  leave(reason: Error): void {
    if (this.isGone) return;
    this.isGone = true;
    this.parker.detach(reason);
    this.parker.afterLooking(() => this.bury(this.ident));
  }

  /** Looks at the pulse of some others, and buries the dead. */
  lookAround(): void {
    this.#dropKept();
    this.heap.giveBack();
    const { arena } = this;
    const used = Atomics.load(arena.head, L.SLOTS_USED);
    for (let i = Math.min(LOOK_AROUND, used); i > 0; i--) {
      this.#lookedAt = (this.#lookedAt + 1) % used;
      const slot = this.#lookedAt;
      const ident = arena.identOf(slot);
      if (ident !== 0 && ident !== this.ident && !arena.isAlive(ident)) this.bury(ident);
      if (ident === 0 && Atomics.load(arena.head, arena.slot(slot) + L.SLOT_PHASE) === L.PHASE_DEAD) this.#freeSlot(slot);
    }
  }

  /** Whoever buried the last one there died just before it was done. */
  #freeSlot(slot: number): void {
    const { arena, heap } = this;
    const phase = arena.slot(slot) + L.SLOT_PHASE;
    heap.exclusively(() => {
      if (arena.identOf(slot) === 0) Atomics.compareExchange(arena.head, phase, L.PHASE_DEAD, L.PHASE_FREE);
    });
    this.parker.wakeEverybody();
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
      // Before all else: whoever meets something of the dead asks whether they are.
      Atomics.store(arena.head, at + L.SLOT_GATE, 0);
      Atomics.store(arena.head, at + L.SLOT_PHASE, L.PHASE_DEAD);
      unregister(arena.head, L.HEAP_LOCK + L.MONITOR_WAITERS, slot);
      const blocks = heap.blocks();
      for (const { kind, offset } of blocks) {
        KINDS.get(kind)?.repair(this, arena.window(offset).words, arena.wordIndex(offset), ident);
      }
      for (const block of blocks) {
        if (block.owner === ident) heap.freeInside(block);
        if (!heap.isCurrent(block)) continue;
        const holdings = KINDS.get(block.kind)?.holdings ?? 0;
        for (let i = 0; i < holdings && heap.isCurrent(block); i++) this.releaseInside(block, i, slot);
        // It may have been the sender of what it no longer held, and that was never sent.
        if (holdings > 0 && heap.isCurrent(block) && !this.#isWanted(block, KINDS.get(block.kind)!)) this.holdersChanged(block);
      }
      arena.memory.detach(slot, [arena.head[at + L.SLOT_DOOR], arena.head[at + L.SLOT_DOOR + 1]], arena.head[at + L.SLOT_PID]);
      Atomics.store(arena.head, at + L.SLOT_IDENT, 0);
      Atomics.store(arena.head, at + L.SLOT_PHASE, L.PHASE_FREE);
      return true;
    });
    if (!isMine) return;
    this.parker.wakeEverybody();
    heap.inherit();
  }

  #dropKept(): void {
    if (this.#kept.length === 0) return;
    const kept = this.#kept;
    this.#kept = kept.filter(({ ring, sequence }) => this.#isUnread(ring.offset, ring.serial, sequence));
    for (const one of kept) if (!this.#kept.includes(one)) this.unretain(one.block, one.index);
  }

  #hasTicket(words: Int32Array, at: number): boolean {
    for (let i = 0; i < L.TICKET_COUNT; i++) if (this.#isLive(words, at + L.TICKETS + i * L.TICKET_WORDS)) return true;
    return false;
  }

  /** Whether the message that a ticket names is unread. */
  #isLive(words: Int32Array, ticket: number): boolean {
    const units = Atomics.load(words, ticket);
    return units !== 0 && this.#isUnread(units * L.UNIT, words[ticket + 1], words[ticket + 2]);
  }

  /** Whether that message of a ring, or one before it, is unread. The last may never have been put: its sender died. */
  #isUnread(offset: number, serial: number, sequence: number): boolean {
    if (!this.heap.isCurrent({ offset, serial })) return false;
    const { words, at } = this.arena.wordsAt(offset);
    const taken = Atomics.load(words, at + L.RING_GET + L.SIDE_SEQUENCE);
    const put = Atomics.load(words, at + L.RING_PUT + L.SIDE_SEQUENCE);
    return ((sequence - taken) | 0) >= 0 && ((put - taken) | 0) > 0;
  }
}

interface Kept {
  readonly block: Block;
  readonly index: number;
  readonly ring: Block;
  readonly sequence: number;
}

/** Whether a participant holds it. */
function hasHolder(words: Int32Array, at: number): boolean {
  for (let i = 0; i < L.SLOT_COUNT / 32; i++) {
    if (Atomics.load(words, at + L.HOLDERS + i) !== 0) return true;
  }
  return false;
}

function keyOf(block: Block, index: number): string {
  return `${block.serial}.${index}`;
}

/** Byte offset of one of an object's holdings. */
export function holdingOf(block: Block, index: number): number {
  return block.offset + index * L.HOLDING_WORDS * 4;
}
