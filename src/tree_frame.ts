/**
 * Messages between processes that are not parent and child: a frame says whose it is, so that those on the way pass it on unread. Frames share the control channel with the
 * messages of `birth.ts`, and begin with a byte with which none of those begins.
 *
 * ```text
 * mark kind depth:u16 | path u32 × depth | envelope length, words of handles: u32, u32 | handles | envelope | zeros | payload
 * ```
 *
 * The payload begins at a multiple of 8, and so does each of several messages in it.
 *
 * @module
 */
import { decode, encode } from "./codec.ts";

/** No encoded message begins with it. */
export const MARK = 0xb1;
const LARGEST = 2 ** 32 - 1;

/** Up, to whoever keeps the objects: from the process at the path. */
export const REQUEST = 1;
/** Down, to the process at the path. */
export const ANSWER = 2;
/** Up, for all on the way: of the process at the path. */
export const NEWS = 3;
/** Down, to all: whoever keeps the objects cannot be reached any more. */
export const LOST = 4;
/** Between a pool's owner and its worker, see `pool_words.ts`. */
export const WORDS = 5;

/** Where a process is in the tree: the number of each ancestor below the root among its siblings, and its own. */
export type Path = readonly number[];

/** Bytes that can be written down. */
export interface Payload {
  readonly byteLength: number;
  writeTo(target: Uint8Array, offset: number): void;
}

/** A frame that was read. */
export interface Frame {
  readonly path: Path;
  readonly envelope: unknown;
  /** Words of shared objects. */
  readonly handles: readonly (readonly number[])[];
  readonly bytes: Uint8Array;
  /** Index in `bytes` at which the payload begins. */
  readonly payloadAt: number;
}

const NO_HANDLES: readonly (readonly number[])[] = [];

/**
 * Writes a frame. The envelope must be encoded before the payload: an encoded message is valid until the next.
 *
 * @throws {RangeError} It is larger than the channel can say.
 */
export function writeFrame(
  kind: number,
  path: Path,
  envelope: Uint8Array,
  handles: readonly (readonly number[])[] = NO_HANDLES,
  payload?: Payload,
): Uint8Array {
  let words = 0;
  for (const handle of handles) words += handle.length + 1;
  const envelopeAt = 12 + (path.length + words) * 4;
  const payloadAt = aligned(envelopeAt + envelope.length);
  const byteLength = payloadAt + (payload?.byteLength ?? 0);
  const bytes = roomFor(byteLength, payload);
  const view = new DataView(bytes.buffer);
  bytes[0] = MARK;
  bytes[1] = kind;
  view.setUint16(2, path.length, true);
  let at = 4;
  const write = (word: number) => {
    view.setUint32(at, word, true);
    at += 4;
  };
  for (const number of path) write(number);
  write(envelope.length);
  write(words);
  for (const handle of handles) {
    write(handle.length);
    for (const word of handle) write(word);
  }
  bytes.set(envelope, envelopeAt);
  payload?.writeTo(bytes, payloadAt);
  return bytes;
}

/** Where a message is written. @throws {RangeError} It is larger than the channel can say. */
export function roomFor(byteLength: number, payload: Payload | undefined): Uint8Array<ArrayBuffer> {
  if (byteLength <= LARGEST) return new Uint8Array(byteLength);
  throw new RangeError(
    `Cannot send a message of ${payload!.byteLength} bytes: without shared memory it may have at most 4 GiB; send it in parts`,
  );
}

/** The next multiple of 8. (Bitwise operations end at 2 GiB.) */
export function aligned(at: number): number {
  return Math.ceil(at / 8) * 8;
}

/** An envelope's bytes. */
export function seal(envelope: unknown): Uint8Array {
  return encode(envelope, { path: "message" }).copy();
}

/** The kind of a frame; 0 if it is none. */
export function kindOf(bytes: Uint8Array): number {
  return bytes[0] === MARK ? bytes[1] : 0;
}

/** Whose a frame is. */
export function pathOf(bytes: Uint8Array): Path {
  const view = viewOf(bytes);
  return Array.from({ length: view.getUint16(2, true) }, (_, i) => view.getUint32(4 + i * 4, true));
}

/** Reads a frame. */
export function openFrame(bytes: Uint8Array): Frame {
  const path = pathOf(bytes);
  const view = viewOf(bytes);
  let at = 4 + path.length * 4;
  const length = view.getUint32(at, true);
  const words = view.getUint32(at + 4, true);
  at += 8;
  const handles: number[][] = [];
  for (const end = at + words * 4; at < end;) {
    const count = view.getUint32(at, true);
    handles.push(Array.from({ length: count }, (_, i) => view.getUint32(at + 4 + i * 4, true)));
    at += 4 + count * 4;
  }
  return { path, handles, bytes, envelope: decode(bytes, at, length), payloadAt: aligned(at + length) };
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
