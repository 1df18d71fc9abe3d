/**
 * A ring: messages from any number of participants to any number of participants, in order, each to one. Queues and both directions of a pipe are rings.
 *
 * It is a list of segments. Putters work at its tail inside one monitor, getters at its head inside another. Each side has a sequence number, and two states (where it is in which
 * segment); the number's lowest bit says which of them holds. To advance a side: write the other state, then store the number. That store is all there is to see of it: who dies before it has done nothing,
 * who dies after it has done everything, and what the monitor's next owner has to put in order is only memory that the dead had taken for the purpose (`STATE_BLOCK`, `STATE_SPARE`).
 *
 * ```text
 *            get side: segment, offset                     put side: segment, offset
 *                     ▼                                             ▼
 *   ┌─ segment ─ … record record skip ─┐   ┌─ segment ─ record record ┊ free ─┐
 *   └──────────── next ────────────────┴──►└───────────────────────────────── ┘
 * ```
 *
 * The number of items is put sequence − get sequence, so it is exact and needs no keeping. Large messages lie in blocks of their own, which belong to their sender until the record is committed.
 *
 * @module
 */
import { KeptMessages, type Message } from "./codec.ts";
import type { Block } from "./heap.ts";
import * as L from "./layout.ts";
import { enter, leave } from "./monitor.ts";
import { PENDING } from "./attempt.ts";
import type { WaitSet } from "./wait_set.ts";
import { holdingOf, type Participant } from "./participant.ts";
import { initialiseSegment, isSame, openSegment, type Passenger, readRecord, Scratch, type Segment, type Taken } from "./record.ts";
import { repairGet, repairPut, stateOf } from "./ring_repair.ts";

/** A new ring's first segment, and the largest; each new one is twice the last. */
const FIRST_SEGMENT = 4096 - L.UNIT;
const LARGEST_SEGMENT = 2 ** 18 - L.UNIT;
const USUAL_SEGMENT = 2 ** 15 - L.UNIT;
/** Larger messages lie in blocks of their own. */
const LARGEST_INLINE = 16384;
/** How many messages are taken in one go, and about how many bytes of them. */
const MOST_TOGETHER = 128, BYTES_TOGETHER = 16384;

/** A message on its way into a ring. */
export interface Outgoing {
  readonly byteLength: number;
  /** Its bytes, where they are not in a block. */
  readonly message: { writeTo(target: Uint8Array, offset: number): void } | null;
  readonly block: Block | null;
  readonly passengers: readonly Passenger[];
  /** The program's objects that travel in it; told once it was accepted. */
  readonly shared: Message["shared"];
}

/** What is done with the bytes of a message that was taken. */
export type Take<T> = (bytes: Uint8Array, offset: number, length: number, passengers: readonly Passenger[]) => T;

/** How a ring is made. */
export interface RingOptions {
  /** Most items in it; 0: no limit. */
  readonly maxsize: number;
  /** Most bytes in it; 0: no limit. A larger message passes when the ring is empty. */
  readonly capacity: number;
  readonly joinable: boolean;
}

/** How many bytes a ring block needs. */
export function ringByteLength(joinable: boolean): number {
  return (L.RING_WORDS + (joinable ? L.SLOT_COUNT : 0)) * 4;
}

/** A ring, as one participant sees it. */
export class Ring {
  readonly block: Block;
  readonly #me: Participant;
  readonly #words: Int32Array;
  readonly #at: number;
  readonly #put: number;
  readonly #get: number;
  readonly notEmpty: WaitSet;
  readonly notFull: WaitSet;
  readonly allDone: WaitSet;
  readonly maxsize: number;
  readonly capacity: number;
  readonly joinable: boolean;
  #putSegment: Segment | undefined;
  #getSegment: Segment | undefined;

  /** Sees a ring that is there. */
  constructor(me: Participant, block: Block) {
    this.block = block;
    this.#me = me;
    this.#words = me.arena.window(block.offset).words;
    this.#at = me.arena.wordIndex(block.offset);
    this.#put = this.#at + L.RING_PUT;
    this.#get = this.#at + L.RING_GET;
    this.notEmpty = this.#waitSet(L.RING_NOT_EMPTY);
    this.notFull = this.#waitSet(L.RING_NOT_FULL);
    this.allDone = this.#waitSet(L.RING_ALL_DONE);
    this.maxsize = this.#words[this.#at + L.RING_MAXSIZE];
    this.capacity = this.#words[this.#at + L.RING_CAPACITY];
    this.joinable = (this.#words[this.#at + L.RING_FLAGS] & L.FLAG_JOINABLE) !== 0;
  }

  /**
   * Makes a ring, which dies with this participant until it is published. For those inside the heap's monitor.
   */
  static createInside(me: Participant, options: RingOptions): Block {
    const byteLength = ringByteLength(options.joinable);
    const block = me.heap.allocateInside(byteLength, L.KIND_RAW, me.ident);
    const { words, at } = me.arena.wordsAt(block.offset);
    words.fill(0, at, at + byteLength / 4);
    words[at + L.RING_MAXSIZE] = options.maxsize;
    words[at + L.RING_CAPACITY] = options.capacity;
    words[at + L.RING_FLAGS] = options.joinable ? L.FLAG_JOINABLE : 0;
    const segment = me.heap.allocateInside(FIRST_SEGMENT, L.KIND_RAW, me.ident);
    initialiseSegment(me, segment, FIRST_SEGMENT);
    for (const side of [L.RING_PUT, L.RING_GET]) {
      const state = at + side + L.SIDE_STATES;
      words[state + L.STATE_SEGMENT] = segment.offset / L.UNIT;
      words[state + L.STATE_OFFSET] = L.SEGMENT_DATA;
    }
    return block;
  }

  /** Makes a new ring known as what it is: from now on it is repaired, and dies when nobody holds it. For those inside. */
  static publishInside(me: Participant, block: Block, kind: number): void {
    const { words, at } = me.arena.wordsAt(block.offset);
    Atomics.store(words, at - L.UNIT / 4 + L.BLOCK_KIND, kind);
    me.heap.own({ offset: words[at + L.RING_PUT + L.SIDE_STATES + L.STATE_SEGMENT] * L.UNIT, serial: 0 }, 0);
    me.heap.own(block, 0);
  }

  /** Items in it. */
  get size(): number {
    const taken = Atomics.load(this.#words, this.#get + L.SIDE_SEQUENCE);
    return Math.max(0, (Atomics.load(this.#words, this.#put + L.SIDE_SEQUENCE) - taken) | 0);
  }

  /** Whether an item could not be put just now. */
  get isFull(): boolean {
    if (this.maxsize > 0 && this.size >= this.maxsize) return true;
    return this.capacity > 0 && this.#usedBytes() >= this.capacity;
  }

  get flags(): number {
    return Atomics.load(this.#words, this.#at + L.RING_FLAGS);
  }

  /** Makes ready what is to be put: a large message is written to a block of its own right away. @throws {RangeError} No room in the arena. */
  prepare(message: Message, passengers: readonly Passenger[]): Outgoing {
    const { byteLength } = message;
    const { shared } = message;
    if (byteLength <= LARGEST_INLINE) return { byteLength, message, block: null, passengers, shared };
    const { heap, parker } = this.#me;
    parker.begin();
    try {
      const block = heap.allocate(byteLength, L.KIND_RAW, this.#me.ident);
      try {
        message.writeTo(this.#me.arena.bytes(block.offset, byteLength), 0);
      } catch (error) {
        heap.free(block);
        throw error;
      }
      return { byteLength, message: null, block, passengers, shared };
    } finally {
      parker.end();
    }
  }

  /** A prepared message that stays as it is now, for one that must wait. @param kept Where its bytes go. */
  keep(outgoing: Outgoing, message: Message, kept: KeptMessages = new KeptMessages(message.byteLength)): Outgoing {
    if (outgoing.message === null) return outgoing;
    const { byteLength, block, passengers, shared } = outgoing;
    return { byteLength, message: kept.keep(message), block, passengers, shared };
  }

  /** Gives up what was prepared. */
  drop(outgoing: Outgoing): void {
    if (outgoing.block !== null) this.#me.heap.free(outgoing.block);
  }

  /**
   * Puts one message, if there is room.
   *
   * @param refuse Called inside the monitor; throws if nothing may be put.
   */
  tryPut(outgoing: Outgoing, refuse: (flags: number) => void): true | typeof PENDING {
    const words = this.#words;
    const parker = this.#me.parker;
    parker.begin();
    try {
      if (enter(words, this.#put + L.SIDE_MONITOR, parker)) repairPut(this.#me, words, this.#put, false);
      try {
        refuse(words[this.#at + L.RING_FLAGS]);
        if (!this.#putInside(outgoing)) return PENDING;
      } finally {
        leave(words, this.#put + L.SIDE_MONITOR, parker);
      }
      // Somebody may have it already, who did not sleep.
      if (Atomics.load(words, this.notEmpty.at + L.WAITSET_SUMMARY) !== 0 && this.size > 0) parker.wakeOne(words, this.notEmpty.at);
      return true;
    } finally {
      parker.end();
    }
  }

  /** Puts as many of several messages as there is room for. @return How many. */
  tryPutMany(many: readonly Outgoing[], refuse: (flags: number) => void): number {
    const words = this.#words;
    const parker = this.#me.parker;
    let count = 0;
    parker.begin();
    try {
      if (enter(words, this.#put + L.SIDE_MONITOR, parker)) repairPut(this.#me, words, this.#put, false);
      try {
        refuse(words[this.#at + L.RING_FLAGS]);
        while (count < many.length && this.#putInside(many[count])) count++;
      } catch (error) {
        // No room in the arena: those before that are in.
        if (count === 0) throw error;
      } finally {
        leave(words, this.#put + L.SIDE_MONITOR, parker);
        this.#wake(this.notEmpty, count);
      }
      return count;
    } finally {
      parker.end();
    }
  }

  #putInside(outgoing: Outgoing): boolean {
    const words = this.#words;
    const sequence = words[this.#put + L.SIDE_SEQUENCE];
    if (this.maxsize > 0 && ((sequence - Atomics.load(words, this.#get + L.SIDE_SEQUENCE)) | 0) >= this.maxsize) return false;
    const { byteLength, block, passengers } = outgoing;
    const inline = block === null ? byteLength : 16;
    const length = (L.RECORD_HEADER + passengers.length * 16 + inline + 7) & -8;
    const cost = this.capacity > 0 ? Math.min(this.capacity, block === null ? length : length + byteLength) : 0;
    if (cost > 0 && this.#usedBytes() + cost > this.capacity) return false;
    if (passengers.length > 0) this.#writeTickets(passengers, sequence);
    this.#write(outgoing, sequence, length, cost);
    return true;
  }

  /** Rings as many of those who wait as something became there for. */
  #wake(set: WaitSet, count: number): void {
    for (; count > 0 && Atomics.load(set.words, set.at + L.WAITSET_SUMMARY) !== 0; count--) this.#me.parker.wakeOne(set.words, set.at);
  }

  /**
   * Takes one message, if there is one.
   *
   * @param take Called after the message was taken, outside the monitor; its bytes are valid only during the call.
   */
  tryGet<T>(take: Take<T>): T | typeof PENDING {
    if (Atomics.load(this.#words, this.#put + L.SIDE_SEQUENCE) === Atomics.load(this.#words, this.#get + L.SIDE_SEQUENCE)) return PENDING;
    const scratch = borrowScratch();
    let taken: Taken | null;
    const words = this.#words;
    const parker = this.#me.parker;
    parker.begin();
    try {
      if (enter(words, this.#get + L.SIDE_MONITOR, parker)) repairGet(this.#me, words, this.#at, false);
      try {
        taken = this.#take(scratch);
      } finally {
        leave(words, this.#get + L.SIDE_MONITOR, parker);
      }
      if (taken === null) return PENDING;
      this.#wakePutters();
      return this.#hand(taken, scratch, take);
    } finally {
      giveBackScratch(scratch);
      parker.end();
    }
  }

  /**
   * Takes some of up to `max` messages: as many as are looked at together.
   *
   * @param take As for {@linkcode Ring.tryGet}; called for each, in order; must not throw, or the others would be lost.
   * @return How many; 0 if there is none.
   */
  tryGetMany(max: number, take: Take<void>): number {
    const scratch = borrowScratch();
    const parker = this.#me.parker;
    parker.begin();
    try {
      const all = this.#takeMany(max, scratch);
      if (this.maxsize > 0 || this.capacity > 0) this.#wake(this.notFull, all.length);
      for (const taken of all) this.#hand(taken, scratch, take);
      return all.length;
    } finally {
      giveBackScratch(scratch);
      parker.end();
    }
  }

  /** Takes so many at once that all of them fit the processor's cache. */
  #takeMany(max: number, scratch: Scratch): Taken[] {
    const words = this.#words;
    const parker = this.#me.parker;
    const all: Taken[] = [];
    if (enter(words, this.#get + L.SIDE_MONITOR, parker)) repairGet(this.#me, words, this.#at, false);
    try {
      while (all.length < max && all.length < MOST_TOGETHER && scratch.used < BYTES_TOGETHER) {
        const taken = this.#take(scratch);
        if (taken === null) break;
        all.push(taken);
      }
    } finally {
      leave(words, this.#get + L.SIDE_MONITOR, parker);
    }
    return all;
  }

  /** Gives a message that was taken to its taker. */
  #hand<T>(taken: Taken, scratch: Scratch, take: Take<T>): T {
    try {
      if (taken.block === null) return take(scratch.bytes, taken.dataAt, taken.length, taken.passengers);
      return take(this.#me.arena.bytes(taken.block.offset, taken.length), 0, taken.length, taken.passengers);
    } finally {
      if (taken.block !== null) this.#me.heap.free(taken.block);
      for (const { block, holding } of taken.passengers) this.#me.settle(block, holding);
    }
  }

  /** Shuts it: puts are refused from now on, gets when it is empty. */
  shutdown(immediate: boolean): void {
    const words = this.#words;
    const parker = this.#me.parker;
    parker.begin();
    try {
      // Inside the monitor, so that no put that looked before is committed after.
      if (enter(words, this.#put + L.SIDE_MONITOR, parker)) repairPut(this.#me, words, this.#put, false);
      Atomics.or(words, this.#at + L.RING_FLAGS, L.FLAG_SHUTDOWN);
      leave(words, this.#put + L.SIDE_MONITOR, parker);
      if (immediate) {
        // Some may have been told done before they were taken.
        while (this.tryGet(() => this.joinable && !this.isAllDone && this.taskDone()) !== PENDING);
      }
      this.wakeAll();
    } finally {
      parker.end();
    }
  }

  /** Makes everybody who waits for this ring look again. */
  wakeAll(): void {
    for (const set of [this.notEmpty, this.notFull, this.allDone]) this.#me.parker.wakeAll(set.words, set.at);
  }

  /** Says that an item which was taken is done. @throws {RangeError} More often than items were put. */
  taskDone(): void {
    const words = this.#words;
    const done = this.#at + L.RING_DONE;
    const { parker, slot } = this.#me;
    parker.begin();
    try {
      for (;;) {
        const count = Atomics.load(words, done);
        if (count === Atomics.load(words, this.#put + L.SIDE_SEQUENCE)) {
          throw new RangeError("Cannot mark a task as done: taskDone() was called more often than items were put");
        }
        if (Atomics.compareExchange(words, done, count, count + 1 | 0) === count) break;
      }
      // After the count: who dies in between has done its item, and is counted as holding one only until all are done.
      if (!takeOne(words, this.#at + L.RING_TAKEN + slot)) this.#doneForAnother();
      if (this.isAllDone) parker.wakeAll(words, this.allDone.at);
    } finally {
      parker.end();
    }
  }

  /** Who took the item has given it to this participant: it is one less that can be lost with that one, or is. */
  #doneForAnother(): void {
    const words = this.#words;
    const { arena, parker } = this.#me;
    // Inside the monitor, as counting what is taken is.
    if (enter(words, this.#get + L.SIDE_MONITOR, parker)) repairGet(this.#me, words, this.#at, false);
    try {
      const used = Atomics.load(arena.head, L.SLOTS_USED);
      for (let slot = 0; slot < used; slot++) if (takeOne(words, this.#at + L.RING_TAKEN + slot)) return;
      takeOne(words, this.#at + L.RING_ABANDONED);
    } finally {
      leave(words, this.#get + L.SIDE_MONITOR, parker);
    }
  }

  /** Whether every item that was put is done. */
  get isAllDone(): boolean {
    return Atomics.load(this.#words, this.#at + L.RING_DONE) === Atomics.load(this.#words, this.#put + L.SIDE_SEQUENCE);
  }

  /** How many items were lost with consumers that died between taking them and saying that they were done. */
  get abandoned(): number {
    return Atomics.load(this.#words, this.#at + L.RING_ABANDONED);
  }

  #waitSet(offset: number): WaitSet {
    return { words: this.#words, at: this.#at + offset, key: this.block.offset + offset * 4 };
  }

  #wakePutters(): void {
    if (this.maxsize === 0 && this.capacity === 0) return;
    if (Atomics.load(this.#words, this.notFull.at + L.WAITSET_SUMMARY) !== 0) this.#me.parker.wakeOne(this.#words, this.notFull.at);
  }

  /** For those inside the put monitor, or for information. */
  #usedBytes(): number {
    const words = this.#words;
    const put = words[stateOf(words, this.#put) + L.STATE_BYTES];
    for (;;) {
      const sequence = Atomics.load(words, this.#get + L.SIDE_SEQUENCE);
      const got = words[stateOf(words, this.#get) + L.STATE_BYTES];
      // A getter writes the state that was read only after it advanced.
      if (Atomics.load(words, this.#get + L.SIDE_SEQUENCE) === sequence) return (put - got) >>> 0;
    }
  }

  #writeTickets(passengers: readonly Passenger[], sequence: number): void {
    const me = this.#me;
    const without = me.heap.exclusively(() =>
      passengers.filter(({ block, holding }) => !me.addTicket(holdingOf(block, holding), this.block, sequence))
    );
    for (const { block, holding } of without) me.keepUntilRead(block, holding, this.block, sequence);
  }

  #write(outgoing: Outgoing, sequence: number, length: number, cost: number): void {
    const words = this.#words;
    const now = stateOf(words, this.#put);
    const next = this.#put + L.SIDE_STATES + ((sequence + 1) & 1) * L.STATE_WORDS;
    words[next + L.STATE_BLOCK] = 0;
    words[next + L.STATE_SPARE] = 0;
    Atomics.store(words, next + L.STATE_SEQUENCE, sequence + 1 | 0);
    let segment = this.#segment(words[now + L.STATE_SEGMENT], "put");
    let offset = words[now + L.STATE_OFFSET];
    if (offset + length > segment.end) {
      // Larger ones only while there is a backlog.
      const isBehind = words[stateOf(words, this.#get) + L.STATE_SEGMENT] !== segment.units;
      const usual = isBehind ? Math.min(LARGEST_SEGMENT, segment.end * 2) : Math.min(segment.end, USUAL_SEGMENT);
      const size = Math.max(usual, length + L.SEGMENT_DATA);
      const block = this.#me.heap.allocate(size, L.KIND_RAW, this.#me.ident);
      initialiseSegment(this.#me, block, size);
      // From here on it is the state's: whoever takes over from us gives it back.
      words[next + L.STATE_SPARE_SERIAL] = block.serial;
      Atomics.store(words, next + L.STATE_SPARE, block.offset / L.UNIT);
      this.#me.heap.own(block, 0);
      if (offset + 4 <= segment.end) segment.words[segment.at + (offset >>> 2)] = L.RECORD_SKIP;
      segment.words[segment.at + L.SEGMENT_NEXT] = block.offset / L.UNIT;
      this.#putSegment = undefined;
      segment = this.#segment(block.offset / L.UNIT, "put");
      offset = L.SEGMENT_DATA;
    }
    this.#writeRecord(outgoing, segment, offset, next);
    words[next + L.STATE_SEGMENT] = segment.units;
    words[next + L.STATE_OFFSET] = offset + length;
    words[next + L.STATE_BYTES] = words[now + L.STATE_BYTES] + cost | 0;
    Atomics.store(words, this.#put + L.SIDE_SEQUENCE, sequence + 1 | 0);
  }

  #writeRecord({ byteLength, message, block, passengers }: Outgoing, segment: Segment, offset: number, next: number): void {
    let at = segment.at + (offset >>> 2);
    segment.words[at] = block === null ? byteLength : 16 | L.RECORD_BLOCK;
    segment.words[at + 1] = passengers.length;
    at += 2;
    for (const passenger of passengers) {
      segment.words[at] = passenger.block.offset / L.UNIT;
      segment.words[at + 1] = passenger.block.serial;
      segment.words[at + 2] = passenger.holding;
      at += 4;
    }
    if (block === null) {
      message!.writeTo(segment.bytes, segment.byteAt + offset + L.RECORD_HEADER + passengers.length * 16);
      return;
    }
    segment.words[at] = block.offset / L.UNIT;
    segment.words[at + 1] = block.serial;
    segment.words[at + 2] = byteLength % 2 ** 30;
    segment.words[at + 3] = Math.floor(byteLength / 2 ** 30);
    this.#words[next + L.STATE_BLOCK_SERIAL] = block.serial;
    Atomics.store(this.#words, next + L.STATE_BLOCK, block.offset / L.UNIT);
    this.#me.heap.own(block, 0);
  }

  /** Inside the get monitor. */
  #take(scratch: Scratch): Taken | null {
    const words = this.#words;
    const get = this.#get;
    const sequence = words[get + L.SIDE_SEQUENCE];
    if (Atomics.load(words, this.#put + L.SIDE_SEQUENCE) === sequence) return null;
    const now = stateOf(words, get);
    const next = get + L.SIDE_STATES + ((sequence + 1) & 1) * L.STATE_WORDS;
    words[next + L.STATE_BLOCK] = 0;
    words[next + L.STATE_SPARE] = 0;
    let segment = this.#segment(words[now + L.STATE_SEGMENT], "get");
    let offset = words[now + L.STATE_OFFSET];
    let spare: Block | null = null;
    if (offset + 4 > segment.end || segment.words[segment.at + (offset >>> 2)] === L.RECORD_SKIP) {
      spare = { offset: segment.units * L.UNIT, serial: segment.serial };
      words[next + L.STATE_SPARE] = segment.units;
      words[next + L.STATE_SPARE_SERIAL] = spare.serial;
      segment = this.#segment(segment.words[segment.at + L.SEGMENT_NEXT], "get");
      offset = L.SEGMENT_DATA;
    }
    const record = readRecord(segment, offset);
    if (record.passengers.length > 0) {
      this.#me.heap.exclusively(() => {
        for (const { block, holding } of record.passengers) {
          if (this.#me.heap.isCurrent(block)) this.#me.holdInside(holdingOf(block, holding));
        }
      });
    }
    if (record.block === null) record.dataAt = scratch.copy(segment, record.dataAt, record.length);
    else {
      words[next + L.STATE_BLOCK_SERIAL] = record.block.serial;
      words[next + L.STATE_BLOCK] = record.block.offset / L.UNIT;
    }
    words[next + L.STATE_SEGMENT] = segment.units;
    words[next + L.STATE_OFFSET] = offset + record.recordLength;
    const cost = this.capacity > 0
      ? Math.min(this.capacity, record.block === null ? record.recordLength : record.recordLength + record.length)
      : 0;
    words[next + L.STATE_BYTES] = words[now + L.STATE_BYTES] + cost | 0;
    if (this.joinable) {
      words[next + L.STATE_TAKER] = this.#me.ident;
      words[next + L.STATE_TAKEN] = words[this.#at + L.RING_TAKEN + this.#me.slot] + 1;
    }
    Atomics.store(words, get + L.SIDE_SEQUENCE, sequence + 1 | 0);
    if (this.joinable) {
      words[this.#at + L.RING_TAKEN + this.#me.slot] = words[next + L.STATE_TAKEN];
      words[next + L.STATE_TAKER] = 0;
    }
    if (record.block !== null) {
      this.#me.heap.own(record.block, this.#me.ident);
      words[next + L.STATE_BLOCK] = 0;
    }
    if (spare !== null) {
      this.#me.heap.free(spare);
      words[next + L.STATE_SPARE] = 0;
    }
    return record;
  }

  #segment(units: number, side: "put" | "get"): Segment {
    const cached = side === "put" ? this.#putSegment : this.#getSegment;
    if (cached !== undefined && cached.units === units && isSame(cached)) return cached;
    const segment = openSegment(this.#me, units);
    if (side === "put") this.#putSegment = segment;
    else this.#getSegment = segment;
    return segment;
  }
}

/** One for each call that looks at messages: a message's codec may get another. */
const SCRATCH: Scratch[] = [];
const SPARE_SCRATCH = 32;

function borrowScratch(): Scratch {
  return SCRATCH.pop() ?? new Scratch();
}

function giveBackScratch(scratch: Scratch): void {
  scratch.used = 0;
  if (SCRATCH.length < SPARE_SCRATCH) SCRATCH.push(scratch);
}

/** Counts one less. False if there was none. */
function takeOne(words: Int32Array, at: number): boolean {
  for (let count; (count = Atomics.load(words, at)) > 0;) if (Atomics.compareExchange(words, at, count, count - 1) === count) return true;
  return false;
}
