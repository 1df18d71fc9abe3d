/**
 * Segments of a ring, and the records in them.
 *
 * @module
 */
import type { Block } from "./heap.ts";
import * as L from "./layout.ts";
import type { Participant } from "./participant.ts";

/** Up to this many bytes, copying word by word beats `set`. */
const COPY_BY_WORD = 192;

/** A shared object in a message: its block, and which of its holdings travels. */
export interface Passenger {
  readonly block: Block;
  readonly holding: number;
}

/** A segment, as one participant sees it. */
export interface Segment {
  readonly units: number;
  readonly serial: number;
  readonly words: Int32Array;
  readonly bytes: Uint8Array;
  /** Index in `words` of the payload's first word, and in `bytes` of its first byte. */
  readonly at: number;
  readonly byteAt: number;
  /** Bytes up to where records may reach. */
  readonly end: number;
}

/** A record that was read. */
export interface Taken {
  /** Bytes of the message. */
  readonly length: number;
  /** Bytes of the record. */
  readonly recordLength: number;
  /** Index in the segment's bytes of the message's first, unless it is in a block; once it was taken, in those of the scratch. */
  dataAt: number;
  readonly block: Block | null;
  readonly passengers: readonly Passenger[];
}

const NOBODY: readonly Passenger[] = [];

/** Prepares a new block as a segment. */
export function initialiseSegment(me: Participant, block: Block, byteLength: number): void {
  const { words, at } = me.arena.wordsAt(block.offset);
  words[at + L.SEGMENT_NEXT] = 0;
  words[at + L.SEGMENT_END] = byteLength & -8;
}

/** Sees a segment. */
export function openSegment(me: Participant, units: number): Segment {
  const offset = units * L.UNIT;
  const { words, bytes } = me.arena.window(offset);
  const at = me.arena.wordIndex(offset);
  return { units, serial: serialAt(words, at), words, bytes, at, byteAt: me.arena.byteIndex(offset), end: words[at + L.SEGMENT_END] };
}

/** Whether what was seen is still that segment: its memory may have become another's. */
export function isSame(segment: Segment): boolean {
  return serialAt(segment.words, segment.at) === segment.serial;
}

function serialAt(words: Int32Array, at: number): number {
  return words[at - L.UNIT / 4 + L.BLOCK_SERIAL];
}

/** Reads the record at byte `offset`. */
export function readRecord(segment: Segment, offset: number): Taken {
  let at = segment.at + (offset >>> 2);
  const word = segment.words[at];
  const count = segment.words[at + 1];
  const length = word & L.RECORD_LENGTH;
  const recordLength = (L.RECORD_HEADER + count * 16 + length + 7) & -8;
  at += 2;
  let passengers = NOBODY;
  if (count > 0) {
    const list: Passenger[] = [];
    for (let i = 0; i < count; i++, at += 4) {
      list.push({ block: { offset: segment.words[at] * L.UNIT, serial: segment.words[at + 1] }, holding: segment.words[at + 2] });
    }
    passengers = list;
  }
  if ((word & L.RECORD_BLOCK) === 0) return { length, recordLength, dataAt: at * 4, block: null, passengers };
  const block = { offset: segment.words[at] * L.UNIT, serial: segment.words[at + 1] };
  return { length: segment.words[at + 2] + segment.words[at + 3] * 2 ** 30, recordLength, dataAt: at * 4, block, passengers };
}

/** Memory into which small messages are copied, one after another, to be looked at outside the monitor. One for each call that looks at some. */
export class Scratch {
  #words = new Int32Array(1024);
  bytes: Uint8Array = new Uint8Array(this.#words.buffer);
  /** How many bytes are in use. */
  used = 0;

  /** Copies a message; gives where it lies. */
  copy(segment: Segment, from: number, length: number): number {
    const at = this.used;
    this.used = at + length + 3 & -4;
    if (this.used > this.bytes.length) this.#grow();
    if (length > COPY_BY_WORD) {
      this.bytes.set(segment.bytes.subarray(from, from + length), at);
      return at;
    }
    const words = segment.words, own = this.#words;
    const start = from >>> 2;
    for (let i = 0, to = at >>> 2, end = (length + 3) >>> 2; i < end; i++) own[to + i] = words[start + i];
    return at;
  }

  #grow(): void {
    const words = new Int32Array(Math.max(this.#words.length * 2, this.used / 4));
    words.set(this.#words);
    this.#words = words;
    this.bytes = new Uint8Array(words.buffer);
  }
}
