/**
 * What an encode gives: bytes in the encoder's scratch, and what goes along with them.
 *
 * @module
 */

import type { Shareable } from "./codec_classes.ts";
import type { TrimmedBuffers } from "./codec_encode_buffers.ts";

/** An encoded value. Valid until the next `encode` unless copied. */
export interface Message {
  /** Length in bytes. */
  readonly byteLength: number;
  /** Copies the message into `target` at `offset`; may be called several times. */
  writeTo(target: Uint8Array, offset: number): void;
  /** The bytes, in an array of the caller's own. */
  copy(): Uint8Array;
  /** The shared objects inside, in the order of their first appearance. */
  readonly shared: readonly Shareable[];
  /** The buffers taken out by `move`, in the order of their first appearance; they are not in the bytes. */
  readonly moved: readonly ArrayBuffer[];
}

/** A message of bytes that stay as they are. */
export function messageFrom(bytes: Uint8Array, shared: readonly Shareable[]): Message {
  return {
    byteLength: bytes.length,
    writeTo: (target, offset) => target.set(bytes, offset),
    copy: () => bytes,
    shared,
    moved: [],
  };
}

/** Bytes too large to be copied twice: they belong into the message before the scratch's byte `at`. */
export interface Insert {
  readonly at: number;
  readonly bytes: Uint8Array;
  /** How many they were when the message said so: a getter that is read later may resize or detach their buffer. */
  readonly byteLength: number;
}

/** What only some messages have: handles, moved buffers, inserts, the numbers of classes, trimmed buffers. */
export interface Extras {
  readonly shared: Shareable[];
  readonly moved: ArrayBuffer[];
  readonly inserts: Insert[];
  readonly classes: Map<string, number>;
  trimmed: TrimmedBuffers | null;
}

/** Copied by a loop up to here; beyond, a call into the engine is cheaper. */
export const LOOP_BYTES = 96;
const NOTHING: readonly never[] = Object.freeze([]);

/** Generation of the scratch's content, so that a message used too late fails instead of giving another's bytes. */
let generation = 0;

/** The scratch is about to be written anew. */
export function beginMessage(): void {
  generation++;
}

/** A message whose bytes are the encoder's scratch up to `end`, and its inserts. */
export class ScratchMessage implements Message {
  readonly byteLength: number;
  readonly #bytes: Uint8Array;
  readonly #end: number;
  readonly #generation: number;
  readonly #extras: Extras | null;

  constructor(bytes: Uint8Array, end: number, byteLength: number, extras: Extras | null) {
    this.byteLength = byteLength;
    this.#bytes = bytes;
    this.#end = end;
    this.#generation = generation;
    this.#extras = extras;
  }

  get shared(): readonly Shareable[] {
    return this.#extras === null ? NOTHING : this.#extras.shared;
  }

  get moved(): readonly ArrayBuffer[] {
    return this.#extras === null ? NOTHING : this.#extras.moved;
  }

  writeTo(target: Uint8Array, offset: number): void {
    if (this.#generation !== generation) throw new Error("Cannot write a message: another was encoded since; copy() it first");
    const bytes = this.#bytes;
    const end = this.#end;
    if (end <= LOOP_BYTES && this.byteLength === end) {
      if (offset + end > target.length) throw new RangeError(`Cannot write ${end} bytes at ${offset}: the target has ${target.length}`);
      for (let i = 0; i < end; i++) target[offset + i] = bytes[i];
      return;
    }
    const expectedEnd = offset + this.byteLength;
    let from = 0;
    for (const { at, bytes: inserted } of this.#extras?.inserts ?? NOTHING as readonly Insert[]) {
      target.set(bytes.subarray(from, at), offset);
      offset += at - from;
      from = at;
      target.set(inserted, offset);
      offset += inserted.length;
    }
    target.set(bytes.subarray(from, end), offset);
    if (offset + end - from !== expectedEnd) throw new Error("Cannot write a message: a buffer in it was resized or detached since");
  }

  copy(): Uint8Array {
    const bytes = new Uint8Array(this.byteLength);
    this.writeTo(bytes, 0);
    return bytes;
  }
}

/** Messages that stay as they are, one behind another in few pieces of memory. */
export class KeptMessages {
  #bytes: Uint8Array;
  #at = 0;

  /** @param byteLength How many bytes there is room for at first. */
  constructor(byteLength: number) {
    this.#bytes = new Uint8Array(byteLength);
  }

  /** Copies a message. */
  keep(message: Message): Pick<Message, "writeTo"> {
    const { byteLength } = message;
    if (this.#at + byteLength > this.#bytes.length) {
      this.#bytes = new Uint8Array(Math.max(byteLength, Math.min(Math.max(FIRST_KEPT, this.#bytes.length * 2), MOST_KEPT)));
      this.#at = 0;
    }
    const at = this.#at;
    message.writeTo(this.#bytes, at);
    this.#at = at + byteLength;
    return new KeptMessage(this.#bytes, at, byteLength);
  }
}

/** How many bytes the pieces have: each twice the last. */
const FIRST_KEPT = 1024, MOST_KEPT = 2 ** 16;

class KeptMessage implements Pick<Message, "writeTo"> {
  readonly #bytes: Uint8Array;
  readonly #at: number;
  readonly #byteLength: number;

  constructor(bytes: Uint8Array, at: number, byteLength: number) {
    this.#bytes = bytes;
    this.#at = at;
    this.#byteLength = byteLength;
  }

  writeTo(target: Uint8Array, offset: number): void {
    const bytes = this.#bytes, at = this.#at, byteLength = this.#byteLength;
    if (byteLength > LOOP_BYTES) target.set(bytes.subarray(at, at + byteLength), offset);
    else for (let i = 0; i < byteLength; i++) target[offset + i] = bytes[at + i];
  }
}
