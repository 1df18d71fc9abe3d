/**
 * Tasks as bytes in a ring's records: many in one, since a record costs more than a small task.
 *
 * ```text
 * │ entry │ generation │ flags | function << 8 │ id │ attempt │ length │ arguments, padded to 8 │ …
 * ```
 *
 * All but the arguments are words of 32 bits, little endian.
 *
 * @module
 */
import { type Message, messageFrom, type Shareable } from "./codec.ts";

/** The arguments are a list of items, each for a call of its own, and the result is that of all. */
export const FLAG_MAP = 1;
/** … and each item is a list of arguments. */
export const FLAG_STAR = 2;

/** Buffers that the arguments need come another way, once the worker asks for them. */
export const FLAG_CARGO = 4;

/** How a task ended. */
export const OK = 0, FAILED = 1, PARTLY = 2;
/** … and buffers that its result needs come another way. */
export const WITH_CARGO = 4;

/** What moved buffers belong to. */
export function cargoKey(entry: number, generation: number): string {
  return `${entry}:${generation}`;
}

const HEADER = 24;
const FLAG_BITS = 8, FLAG_MASK = 255;
const SLAB_BYTES = 2 ** 16;

/** Writes a word at a byte. */
export function setWord(bytes: Uint8Array, at: number, word: number): void {
  bytes[at] = word;
  bytes[at + 1] = word >>> 8;
  bytes[at + 2] = word >>> 16;
  bytes[at + 3] = word >>> 24;
}

/** Reads the word at a byte. */
export function wordAt(bytes: Uint8Array, at: number): number {
  return bytes[at] | bytes[at + 1] << 8 | bytes[at + 2] << 16 | bytes[at + 3] << 24;
}

/** Some bytes of somebody's. */
export interface Piece {
  bytes: Uint8Array;
  at: number;
  length: number;
}

/** Where encoded tasks wait: cut from large pieces of memory, in which neighbours lie one after another. */
export class Slabs {
  #slab = new Uint8Array(SLAB_BYTES);
  #at = 0;

  /** Writes a task; its entry, generation and attempt come when it goes. */
  add(task: Piece & { readonly fn: number; readonly id: number }, flags: number, args: Message): void {
    const { byteLength } = args;
    const length = HEADER + byteLength + 7 & -8;
    if (this.#at + length > this.#slab.length) {
      this.#slab = new Uint8Array(Math.max(SLAB_BYTES, length));
      this.#at = 0;
    }
    const bytes = this.#slab, at = this.#at;
    this.#at += length;
    setWord(bytes, at + 8, flags | task.fn << FLAG_BITS);
    setWord(bytes, at + 12, task.id);
    setWord(bytes, at + 20, byteLength);
    args.writeTo(bytes, at + HEADER);
    task.bytes = bytes;
    task.at = at;
    task.length = length;
  }
}

/** Writes what a task is known by where it goes. */
export function address({ bytes, at }: Piece, entry: number, generation: number, attempt: number): void {
  setWord(bytes, at, entry);
  setWord(bytes, at + 4, generation);
  setWord(bytes, at + 16, attempt);
}

/** The arguments of a task, as a message of their own. */
export function argumentsOf({ bytes, at }: Piece, shared: readonly Shareable[]): Message {
  return messageFrom(bytes.subarray(at + HEADER, at + HEADER + wordAt(bytes, at + 20)), shared);
}

/** A task without its arguments. */
export function headOf({ bytes, at }: Piece): Piece {
  return { bytes, at, length: HEADER };
}

/** Sets a flag of a task. */
export function setFlag({ bytes, at }: Piece, flag: number): void {
  bytes[at + 8] |= flag;
}

/** Several tasks as one message. */
export function messageOf(pieces: readonly Piece[], shared: readonly Shareable[]): Message {
  let byteLength = 0;
  for (const { length } of pieces) byteLength += length;
  const writeTo = (target: Uint8Array, offset: number) => {
    for (let i = 0; i < pieces.length;) {
      const { bytes, at } = pieces[i];
      let end = at;
      // Neighbours in one copy.
      for (; i < pieces.length && pieces[i].bytes === bytes && pieces[i].at === end; i++) end += pieces[i].length;
      target.set(bytes.subarray(at, end), offset);
      offset += end - at;
    }
  };
  return {
    byteLength,
    writeTo,
    copy() {
      const bytes = new Uint8Array(byteLength);
      writeTo(bytes, 0);
      return bytes;
    },
    shared,
    moved: [],
  };
}

/** What is done with a task that was read. */
export type OnTask = (
  entry: number,
  generation: number,
  fn: number,
  flags: number,
  id: number,
  attempt: number,
  at: number,
  byteLength: number,
) => void;

/** Reads the tasks of a record. */
export function readTasks(bytes: Uint8Array, offset: number, length: number, onTask: OnTask): void {
  for (let at = offset, end = offset + length; at < end;) {
    const call = wordAt(bytes, at + 8), byteLength = wordAt(bytes, at + 20);
    onTask(
      wordAt(bytes, at),
      wordAt(bytes, at + 4),
      call >>> FLAG_BITS,
      call & FLAG_MASK,
      wordAt(bytes, at + 12),
      wordAt(bytes, at + 16),
      at + HEADER,
      byteLength,
    );
    at = at + (HEADER + byteLength + 7 & -8);
  }
}

/** What a worker says begins with this, if it is a result; else it is news, encoded, which never begins so. */
const APART = 0;

/** A result that goes its own way: it is large, or has shared objects in it. */
export function apartResult(entry: number, generation: number, status: number, micros: number, value: Message): Message {
  const { byteLength, shared } = value;
  const writeTo = (target: Uint8Array, offset: number) => {
    [APART, entry, generation, status, micros, byteLength].forEach((word, i) => setWord(target, offset + i * 4, word));
    value.writeTo(target, offset + HEADER);
  };
  return { ...messageOf([], shared), byteLength: HEADER + byteLength, writeTo };
}

/** Reads such a result. False if it is news. */
export function readApart(
  bytes: Uint8Array,
  offset: number,
  onResult: (entry: number, generation: number, status: number, micros: number, bytes: Uint8Array, at: number, byteLength: number) => void,
): boolean {
  if (bytes[offset] !== APART) return false;
  const [, entry, generation, status, micros, byteLength] = [0, 1, 2, 3, 4, 5].map((i) => wordAt(bytes, offset + i * 4));
  onResult(entry, generation, status, micros, bytes, offset + HEADER, byteLength);
  return true;
}
