/**
 * Buffers and their views to bytes.
 *
 * @module
 */

import * as tag from "./codec_tags.ts";
import { ensure, extrasOf, isSeen, movingOf, wasSeen, writeByte, writeBytes, writeFloat, writeLength, writeValue } from "./codec_encode.ts";
import { DataCloneError } from "./errors.ts";
import { DETACHED_REASON, Refusal, SHARED_BUFFER_REASON } from "./codec_refusal.ts";
import { BUFFERS, checkArgument } from "./options.ts";

/** A view that leaves at least so much of its buffer out does not take all of it along. */
const WORTH_TRIMMING = 0x10000;
/** What is larger is no pool of the runtime's, unless the program made that larger. */
const LARGEST_POOL = 0x20000;

/** A buffer of which only the parts that views show travel. Offsets on the wire are from the first view's, since pools differ by runtime. */
export interface TrimmedBuffer {
  readonly index: number;
  readonly origin: number;
  from: number;
  to: number;
}

/** A message's trimmed buffers. */
export type TrimmedBuffers = Map<ArrayBuffer, TrimmedBuffer>;

const marked = new WeakSet<ArrayBuffer>();
const kinds: ReadonlyMap<string | undefined, number> = new Map(tag.VIEW_NAMES.map((name, kind) => [kind === 0 ? undefined : name, kind]));
const viewName = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), Symbol.toStringTag)!.get!;

/**
 * Marks buffers to be moved rather than copied where the way of `value` allows it (between threads). Where they are moved they are empty
 * here afterwards; on other ways they are copied.
 *
 * @returns `value`.
 * @throws {TypeError} `buffers` is no array of ArrayBuffers; none is moved then.
 */
export function move<T>(value: T, buffers: readonly ArrayBuffer[]): T {
  checkArgument("buffers", buffers, BUFFERS, "move");
  for (const buffer of buffers) marked.add(buffer);
  return value;
}

/** Takes buffers that are to be moved out of the program's hands. @throws {DataCloneError} One stays where it is. */
export function takeBuffers(buffers: readonly ArrayBuffer[]): ArrayBuffer[] {
  try {
    return buffers.map((buffer) => buffer.transfer());
  } catch (cause) {
    throw new DataCloneError("Cannot move a buffer that its owner keeps, such as that of a WebAssembly.Memory; send a copy", { cause });
  }
}

function writeSigned(value: number): void {
  writeLength(value < 0 ? -value * 2 - 1 : value * 2);
}

function isMoved(buffer: ArrayBuffer): boolean {
  const listed = movingOf();
  return listed !== null && (marked.has(buffer) || listed.includes(buffer));
}

/** Writes an ArrayBuffer that was not seen before. */
export function writeBuffer(buffer: ArrayBuffer): void {
  if (buffer.detached) throw new Refusal(buffer, DETACHED_REASON);
  const trimmed = extrasOf().trimmed?.get(buffer);
  if (trimmed !== undefined) {
    trimmed.from = 0;
    trimmed.to = buffer.byteLength;
    writeByte(tag.TRIMMED_BUFFER);
    writeLength(trimmed.index);
  } else if (isMoved(buffer)) {
    const { moved } = extrasOf();
    writeByte(tag.MOVED_BUFFER);
    writeLength(moved.length);
    moved.push(buffer);
  } else {
    writeByte(buffer.resizable ? tag.RESIZABLE_BUFFER : tag.BUFFER);
    writeLength(buffer.byteLength);
    if (buffer.resizable) writeLength(buffer.maxByteLength);
    writeBytes(new Uint8Array(buffer, 0, buffer.byteLength));
  }
}

/** Writes a typed array or DataView that was not seen before. */
export function writeView(view: ArrayBufferView, prototype: object): void {
  const kind = kinds.get(viewName.call(view));
  const buffer = view.buffer;
  if (kind === undefined) throw new Refusal(view, "its element type is not known here");
  if (Object.prototype.toString.call(buffer) !== "[object ArrayBuffer]") throw new Refusal(view, SHARED_BUFFER_REASON);
  writeViewOf(view, kind, buffer as ArrayBuffer, prototype);
}

function writeViewOf(view: ArrayBufferView, kind: number, buffer: ArrayBuffer, prototype: object): void {
  if (buffer.detached) throw new Refusal(view, DETACHED_REASON);
  const { byteLength } = view;
  // A subclass is Node's Buffer, a part of a pool that has nothing to do with it: all small ones would be gone with that.
  const pooled = prototype !== tag.VIEW_TYPES[kind]?.prototype && byteLength < buffer.byteLength;
  const fixed = !buffer.resizable && (pooled && buffer.byteLength <= LARGEST_POOL || !isMoved(buffer));
  if (fixed && byteLength === buffer.byteLength && !isSeen(buffer) && !extrasOf().trimmed?.has(buffer)) {
    wasSeen(buffer);
    writeByte(tag.WHOLE_VIEW);
    writeByte(kind);
    writeLength(byteLength);
    writeBytes(new Uint8Array(buffer, 0, byteLength));
    return;
  }
  if (fixed && !isSeen(buffer)) {
    if (pooled || buffer.byteLength - byteLength >= WORTH_TRIMMING || extrasOf().trimmed?.has(buffer)) {
      writeTrimmedView(view, kind, buffer);
      return;
    }
  } else if (extrasOf().trimmed?.has(buffer)) {
    writeTrimmedView(view, kind, buffer);
    return;
  }
  const tracking = buffer.resizable && tracksLength(view, buffer);
  writeByte(tracking ? tag.TRACKING_VIEW : tag.VIEW);
  writeByte(kind);
  writeLength(view.byteOffset);
  if (!tracking) writeLength(elementsOf(view));
  writeValue(buffer);
}

function elementsOf(view: ArrayBufferView): number {
  return (view as Uint8Array).length ?? view.byteLength;
}

function writeTrimmedView(view: ArrayBufferView, kind: number, buffer: ArrayBuffer): void {
  const buffers = extrasOf().trimmed ??= new Map();
  const { byteOffset, byteLength } = view;
  let trimmed = buffers.get(buffer);
  if (trimmed === undefined) {
    trimmed = { index: buffers.size, origin: byteOffset, from: byteOffset, to: byteOffset + byteLength };
    buffers.set(buffer, trimmed);
  }
  trimmed.from = Math.min(trimmed.from, byteOffset);
  trimmed.to = Math.max(trimmed.to, byteOffset + byteLength);
  writeByte(tag.TRIMMED_VIEW);
  writeByte(kind);
  writeLength(elementsOf(view));
  writeLength(trimmed.index);
  writeSigned(byteOffset - trimmed.origin);
}

/** Writes the trimmed buffers' bytes, which begin at `at` in the message. Called when all views are known. */
export function writeTrailer(buffers: TrimmedBuffers, at: number): void {
  for (const [buffer, { origin, from, to }] of buffers) {
    writeSigned(from - origin);
    // So much the other end puts before the bytes: a view's offset must stay a multiple of its element size.
    writeByte(from % 8);
    writeLength(to - from);
    writeBytes(new Uint8Array(buffer, from, to - from));
    ensure(0);
  }
  writeFloat(at);
}

/** Whether a view that reaches the end of its resizable buffer grows with it: nothing tells, so the buffer is resized and put back. */
function tracksLength(view: ArrayBufferView, buffer: ArrayBuffer): boolean {
  const { byteLength } = buffer;
  const { byteOffset, byteLength: before } = view;
  const size = (view as Uint8Array).BYTES_PER_ELEMENT ?? 1;
  if (byteLength - byteOffset - before >= size) return false;
  const canGrow = byteLength + size <= buffer.maxByteLength;
  if (!canGrow && before < size) return false;
  const kept = canGrow ? null : new Uint8Array(buffer).slice(byteLength - size);
  try {
    buffer.resize(canGrow ? byteLength + size : byteLength - size);
    return canGrow ? view.byteLength !== before : isInBounds(view);
  } catch {
    return false;
  } finally {
    if (buffer.byteLength !== byteLength) buffer.resize(byteLength);
    if (kept !== null) new Uint8Array(buffer).set(kept, byteLength - size);
  }
}

/** Whether all of a view is inside its buffer. */
function isInBounds(view: ArrayBufferView): boolean {
  try {
    return view instanceof DataView ? view.byteLength >= 0 : (view as Uint8Array).values() !== undefined;
  } catch {
    return false;
  }
}
