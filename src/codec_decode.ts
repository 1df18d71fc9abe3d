/**
 * Bytes to values: the state of the decode under way, primitives, plain objects and arrays. Everything else is in
 * `codec_decode_objects.ts`.
 *
 * The bytes may be shared memory that somebody else changes, or garbage. So each is read once, what is more than a few bytes is copied
 * before it is looked at, and no length makes anything larger than the bytes that are there.
 *
 * @module
 */

import * as tag from "./codec_tags.ts";
import { DataCloneError } from "./errors.ts";
import { findShape, rememberShape, type Shape } from "./codec_shapes.ts";
import { readOther } from "./codec_decode_objects.ts";
import { readTrailer, type TrimmedBuffer } from "./codec_decode_buffers.ts";
import { isStackOverflow } from "./codec_encode.ts";
import { strings, TextDecoder } from "./host.ts";

// Constants of this module rather than another's, which engines would load each time; one by one, so that bundlers leave those names out.
const ABSENT = tag.ABSENT,
  ARRAY = tag.ARRAY,
  ASCII = tag.ASCII,
  BIGINT = tag.BIGINT,
  BIGINT64 = tag.BIGINT64,
  DICTIONARY = tag.DICTIONARY,
  FALSE = tag.FALSE,
  FLAG_REFS = tag.FLAG_REFS,
  FLAG_TRIMMED = tag.FLAG_TRIMMED,
  FLOAT64 = tag.FLOAT64,
  INT16 = tag.INT16,
  INT32 = tag.INT32,
  INT8 = tag.INT8,
  LARGE_BYTES = tag.LARGE_BYTES,
  LATER = tag.LATER,
  MAGIC = tag.MAGIC,
  MAX_DEPTH = tag.MAX_DEPTH,
  NEW_SHAPE = tag.NEW_SHAPE,
  NOT_A_NUMBER = tag.NOT_A_NUMBER,
  NULL = tag.NULL,
  REF = tag.REF,
  RUN_FLOAT64 = tag.RUN_FLOAT64,
  RUN_INT32 = tag.RUN_INT32,
  SHAPE = tag.SHAPE,
  SHORT_ARRAY = tag.SHORT_ARRAY,
  SHORT_ARRAY_END = tag.SHORT_ARRAY_END,
  SHORT_ASCII_END = tag.SHORT_ASCII_END,
  SHORT_SHAPE = tag.SHORT_SHAPE,
  SHORT_SHAPE_END = tag.SHORT_SHAPE_END,
  SMALL_INT_END = tag.SMALL_INT_END,
  SPARSE_ARRAY = tag.SPARSE_ARRAY,
  TRUE = tag.TRUE,
  UNDEFINED = tag.UNDEFINED,
  UTF16 = tag.UTF16,
  UTF8 = tag.UTF8;

const EMPTY = new Uint8Array(0);
const NO_BUFFERS: readonly ArrayBuffer[] = [];
/** Strings up to here are made from their character codes; beyond, a call into the engine is cheaper. */
const LOOP_CHARACTERS = 48;
/** Down to here arrays have room for all that they say; deeper ones for so many elements at first. */
const ROOMY_DEPTH = 8, DEEP_ROOM = 1024;
const { fromCharCode } = String;
/** Made when it is needed first, as `host.ts` wants. */
let utf8: InstanceType<typeof TextDecoder> | undefined;
const float = new Float64Array(1);
const floatBytes = new Uint8Array(float.buffer);
const textBytes = new Uint8Array(4096);

// The decode under way. Module variables rather than an object, since every byte goes through them.
let src: Uint8Array = EMPTY;
let start = 0;
let p = 0;
let end = 0;
let depth = 0;
let hasRefs = false;
let refs: unknown[] = [];
let refCount = 0;
let shapes: Shape[] = [];
let shapeCount = 0;
let deferred: (() => void)[] | null = null;
let rare: Rare | null = null;
let active = false;
/** The last decode has not been cleaned up after: the stack was so full that not even that could be called. */
let dirty = false;

/** What only some messages need. */
export interface Rare {
  readonly context: unknown;
  readonly moved: readonly ArrayBuffer[];
  readonly classes: string[];
  trimmed: readonly TrimmedBuffer[];
}

let context: unknown;
let moved: readonly ArrayBuffer[] = NO_BUFFERS;

/**
 * Decodes a message. Nothing in the result refers to `bytes`.
 *
 * @param bytes Where the message is; may be shared memory.
 * @param offset Where it begins.
 * @param length Its length in bytes.
 * @param ctx Handed to the functions of `registerHandle`.
 * @param buffers The buffers that `move` took out of the message.
 * @throws {DataCloneError} If the bytes are not a message, or a class or kind in it is not registered here.
 */
export function decode(
  bytes: Uint8Array,
  offset: number = 0,
  length: number = bytes.length - offset,
  ctx?: unknown,
  buffers: readonly ArrayBuffer[] = NO_BUFFERS,
): unknown {
  if (!(offset >= 0 && length >= 0 && offset + length <= bytes.length)) {
    throw new RangeError(`Cannot decode ${length} bytes at ${offset}: there are ${bytes.length}`);
  }
  const saved = active ? suspend() : null;
  if (dirty && !active) reset();
  active = dirty = true;
  src = bytes;
  p = start = offset;
  end = offset + length;
  context = ctx;
  moved = buffers;
  try {
    const header = readByte();
    if ((header & 0xfc) !== MAGIC) throw malformed("it does not begin like a message");
    hasRefs = (header & FLAG_REFS) !== 0;
    if ((header & FLAG_TRIMMED) !== 0) end = readTrailer(p, end);
    const value = readValue();
    if (deferred !== null) readDeferred();
    if (p !== end) throw malformed("it goes on behind its end");
    return value;
  } catch (error) {
    throw isStackOverflow(error) ? malformed("it is nested too deeply") : error;
  } finally {
    if (saved !== null) resume(saved);
    else {
      active = false;
      reset();
    }
  }
}

function reset(): void {
  src = EMPTY;
  if (refCount > 0) refs = [];
  refCount = 0;
  depth = 0;
  shapeCount = 0;
  deferred = null;
  rare = null;
  context = undefined;
  moved = NO_BUFFERS;
  dirty = active;
}

type Suspended = ReturnType<typeof suspend>;

/** Sets the decode under way aside for one that a class's codec or a reviver started. */
// deno-lint-ignore explicit-module-boundary-types -- what is set aside is its type
function suspend() {
  const state = { src, start, p, end, depth, hasRefs, refs, refCount, shapes, shapeCount, deferred, rare, context, moved };
  refs = [];
  shapes = [];
  reset();
  return state;
}

function resume(state: Suspended): void {
  ({ src, start, p, end, depth, hasRefs, refs, refCount, shapes, shapeCount, deferred, rare, context, moved } = state);
}

/** The error for bytes that no encode has written. */
export function malformed(reason: string): DataCloneError {
  return new DataCloneError(`Cannot decode a message: ${reason}`);
}

/** This message's rare parts. */
export function rareOf(): Rare {
  return rare ??= { context, moved, classes: [], trimmed: [] };
}

/** Fails unless `count` bytes are there. */
export function need(count: number): void {
  if (!(count <= end - p)) throw malformed("it ends too early");
}

/** The next byte. */
export function readByte(): number {
  if (p >= end) throw malformed("it ends too early");
  return src[p++];
}

/** A length. */
export function readLength(): number {
  let byte = readByte();
  if (byte < 0x80) return byte;
  let value = byte & 0x7f;
  for (let scale = 128; byte >= 0x80; scale *= 128) {
    if (scale > 2 ** 49) throw malformed("a length is too large");
    byte = readByte();
    value += (byte & 0x7f) * scale;
  }
  return value;
}

/** 32 bits, unsigned. */
export function readUint32(): number {
  need(4);
  const value = src[p] | src[p + 1] << 8 | src[p + 2] << 16 | src[p + 3] << 24;
  p += 4;
  return value >>> 0;
}

/** 64 bits of a number. */
export function readFloat(): number {
  need(8);
  const bytes = src;
  const at = p;
  for (let i = 0; i < 8; i++) floatBytes[i] = bytes[at + i];
  p = at + 8;
  return float[0];
}

/** Copies bytes from behind the value part of the message, where the caller knows that they are, behind `padding` zeros. */
export function readBufferAt(at: number, byteLength: number, padding: number): ArrayBuffer {
  if (padding === 0) return copyOf(at, byteLength).buffer;
  const bytes = new Uint8Array(padding + byteLength);
  bytes.set(part(at, byteLength), padding);
  return bytes.buffer;
}

/** Copies the next bytes into a buffer of their own. */
export function readBuffer(byteLength: number): ArrayBuffer {
  need(byteLength);
  p += byteLength;
  if (byteLength >= 64) return copyOf(p - byteLength, byteLength).buffer;
  const bytes = new Uint8Array(byteLength);
  for (let i = 0, at = p - byteLength; i < byteLength; i++) bytes[i] = src[at + i];
  return bytes.buffer;
}

/** Skips the zeros before the bytes of a large buffer. */
export function align(byteLength: number): void {
  if (byteLength < LARGE_BYTES) return;
  const padding = (start - p) & 7;
  need(padding);
  p += padding;
}

/** The bytes there, not copied. */
function part(from: number, length: number): Uint8Array {
  return new Uint8Array(src.buffer, src.byteOffset + from, length);
}

/** The bytes there, in memory of their own: so copied, engines do not clear that first. */
function copyOf(from: number, length: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(part(from, length));
}

/** Where the next byte is, to come back to with {@linkcode seek}. */
export function position(): number {
  return p;
}

/** Goes on reading elsewhere. */
export function seek(to: number): void {
  p = to;
}

/** Gives an object its number. */
export function number<T>(object: T): T {
  if (hasRefs) refs[refCount++] = object;
  return object;
}

/** Reserves a number for an object that can be made only when what follows is read; {@linkcode fulfil} takes the result. */
export function reserve(): number {
  if (hasRefs) refs[refCount] = undefined;
  return refCount++;
}

/** Gives the object its reserved number. */
export function fulfil<T>(index: number, object: T): T {
  if (hasRefs) refs[index] = object;
  return object;
}

/** Has the contents of a container read when those of its scope that are written before are read. */
export function defer(contents: () => void): void {
  (deferred ??= []).push(contents);
}

function readDeferred(): void {
  const list = deferred!;
  for (let i = 0; i < list.length; i++) list[i]();
  deferred = null;
}

/** Reads a value together with its deferred contents. */
export function readComplete(): unknown {
  const outer = deferred;
  deferred = null;
  const value = readValue();
  if (deferred !== null) readDeferred();
  deferred = outer;
  return value;
}

/** Reads any value. */
export function readValue(): unknown {
  if (p >= end) throw malformed("it ends too early");
  const byte = src[p++];
  if (byte < SMALL_INT_END) return byte;
  if (byte < SHORT_ASCII_END) return readShortAscii(byte & 31);
  if (byte < SHORT_SHAPE_END) {
    if (++depth > MAX_DEPTH) throw malformed("it is nested too deeply");
    const object = byte < SHORT_ARRAY_END ? readArray(byte & 15) : readShaped(byte & 15, null);
    depth--;
    return object;
  }
  switch (byte) {
    case INT8:
      return readByte() << 24 >> 24;
    case INT16:
      need(2);
      p += 2;
      return (src[p - 2] | src[p - 1] << 8) << 16 >> 16;
    case INT32:
      return readUint32() | 0;
    case FLOAT64:
      return readFloat();
    case NOT_A_NUMBER:
      return NaN;
    case NULL:
      return null;
    case UNDEFINED:
      return undefined;
    case TRUE:
      return true;
    case FALSE:
      return false;
    case ASCII:
    case UTF8:
    case UTF16:
      return readLongString(byte);
    case BIGINT64:
    case BIGINT:
      return readBigInt(byte);
    case REF: {
      const index = readLength();
      const object = index < refCount ? refs[index] : undefined;
      if (object === undefined) throw malformed("a reference leads nowhere");
      return object;
    }
  }
  if (++depth > MAX_DEPTH) throw malformed("it is nested too deeply");
  const object = readContainer(byte);
  depth--;
  return object;
}

function readContainer(byte: number): unknown {
  switch (byte) {
    case NEW_SHAPE:
    case SHAPE:
    case DICTIONARY:
      return readTagged(byte, null);
    case ARRAY:
      return readArray(readLength());
    case SPARSE_ARRAY:
      return readSparse(number([]));
    case LATER:
      return readLater();
  }
  return readOther(byte);
}

function readLater(): unknown {
  const kind = readByte();
  if (kind === ARRAY) {
    const array: unknown[] = number([]);
    defer(() => {
      const byte = readByte();
      if (byte >= SHORT_ARRAY && byte < SHORT_ARRAY_END) readElements(array, byte & 15);
      else if (byte === ARRAY) readElements(array, readLength());
      else if (byte === SPARSE_ARRAY) readSparse(array);
      else throw malformed("an array's contents are missing");
    });
    return array;
  }
  if (kind === DICTIONARY) {
    const object = number({});
    defer(() => readFields(object));
    return object;
  }
  return readOther(kind, true);
}

// Engines make a string of several codes at once faster than by adding characters.
function readShortAscii(length: number): string {
  if (length > end - p) throw malformed("it ends too early");
  const b = src;
  let i = p;
  p += length;
  let text = "";
  for (; length > 12; length -= 12, i += 12) {
    text += fromCharCode(
      b[i],
      b[i + 1],
      b[i + 2],
      b[i + 3],
      b[i + 4],
      b[i + 5],
      b[i + 6],
      b[i + 7],
      b[i + 8],
      b[i + 9],
      b[i + 10],
      b[i + 11],
    );
  }
  switch (length) {
    case 0:
      return text;
    case 1:
      return text + fromCharCode(b[i]);
    case 2:
      return text + fromCharCode(b[i], b[i + 1]);
    case 3:
      return text + fromCharCode(b[i], b[i + 1], b[i + 2]);
    case 4:
      return text + fromCharCode(b[i], b[i + 1], b[i + 2], b[i + 3]);
    case 5:
      return text + fromCharCode(b[i], b[i + 1], b[i + 2], b[i + 3], b[i + 4]);
    case 6:
      return text + fromCharCode(b[i], b[i + 1], b[i + 2], b[i + 3], b[i + 4], b[i + 5]);
    case 7:
      return text + fromCharCode(b[i], b[i + 1], b[i + 2], b[i + 3], b[i + 4], b[i + 5], b[i + 6]);
    case 8:
      return text + fromCharCode(b[i], b[i + 1], b[i + 2], b[i + 3], b[i + 4], b[i + 5], b[i + 6], b[i + 7]);
    case 9:
      return text + fromCharCode(b[i], b[i + 1], b[i + 2], b[i + 3], b[i + 4], b[i + 5], b[i + 6], b[i + 7], b[i + 8]);
    case 10:
      return text + fromCharCode(b[i], b[i + 1], b[i + 2], b[i + 3], b[i + 4], b[i + 5], b[i + 6], b[i + 7], b[i + 8], b[i + 9]);
    case 11:
      return text + fromCharCode(b[i], b[i + 1], b[i + 2], b[i + 3], b[i + 4], b[i + 5], b[i + 6], b[i + 7], b[i + 8], b[i + 9], b[i + 10]);
    default:
      return text +
        fromCharCode(b[i], b[i + 1], b[i + 2], b[i + 3], b[i + 4], b[i + 5], b[i + 6], b[i + 7], b[i + 8], b[i + 9], b[i + 10], b[i + 11]);
  }
}

function readLongString(kind: number): string {
  try {
    return readText(kind);
  } catch (error) {
    throw error instanceof DataCloneError || isStackOverflow(error) ? error : malformed("a text is longer than this engine's");
  }
}

function readText(kind: number): string {
  const length = readLength();
  if (kind === ASCII && length <= LOOP_CHARACTERS) return readShortAscii(length);
  if (kind === UTF16) return readUtf16(length);
  need(length);
  const from = p;
  p += length;
  let copy;
  // Copied first: decoders refuse shared memory, or trust it not to change.
  if (length <= textBytes.length) {
    copy = textBytes.subarray(0, length);
    copy.set(part(from, length));
  } else if (kind === ASCII && strings !== null) return strings.readLatin1(src, from, length);
  else copy = copyOf(from, length);
  // What is wrong is replaced: to refuse it takes some runtimes twice as long, or ten times.
  return (utf8 ??= new TextDecoder("utf-8", { ignoreBOM: true })).decode(copy);
}

function readUtf16(length: number): string {
  need(length * 2);
  if (strings !== null) {
    p += length * 2;
    return strings.readUtf16(src, p - length * 2, length * 2);
  }
  const units = new Uint16Array(readBuffer(length * 2));
  let text = "";
  for (let i = 0; i < length; i += 4096) text += fromCharCode.apply(null, units.subarray(i, i + 4096) as unknown as number[]);
  return text;
}

function readBigInt(kind: number): bigint {
  if (kind === BIGINT64) {
    const low = readUint32();
    return BigInt.asIntN(64, BigInt(low) | BigInt(readUint32()) << 32n);
  }
  const negative = readByte() !== 0;
  const length = readLength();
  const bytes = new Uint8Array(readBuffer(length));
  let hex = "0x0";
  for (const byte of bytes) hex += (byte < 16 ? "0" : "") + byte.toString(16);
  try {
    const magnitude = BigInt(hex);
    return negative ? -magnitude : magnitude;
  } catch {
    throw malformed("a bigint is larger than this engine's");
  }
}

/** Sets an own property, whatever its name. */
export function define(object: object, key: PropertyKey, value: unknown): void {
  Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
}

/** Reads an object's properties into `target`. */
export function readFields(target: object): void {
  const byte = readByte();
  if (byte >= SHORT_SHAPE && byte < SHORT_SHAPE_END) readShaped(byte & 15, target);
  else readTagged(byte, target);
}

/** Reads an object's properties into `target`, or a plain object if that is null. */
function readTagged(byte: number, target: object | null): object {
  switch (byte) {
    case NEW_SHAPE:
      return readShaped(readNewShape(), target);
    case SHAPE:
      return readShaped(readLength(), target);
    case DICTIONARY:
      return readDictionary(target ?? number({}));
  }
  throw malformed("an object's fields are missing");
}

function readDictionary(target: object): object {
  const prototype = Object.getPrototypeOf(target);
  // Meanwhile it inherits nothing that assignment would meet, and V8 makes it a table at once: a sixth of the time of defining properties.
  // Unless a class's codec in it may be given it.
  const isBare = !hasRefs;
  if (isBare) Object.setPrototypeOf(target, null);
  for (let count = readUint32(); count > 0; count--) {
    const key = readValue();
    if (typeof key !== "string") throw malformed("a key is not a string");
    if (p < end && src[p] === ABSENT) {
      p++;
      continue;
    }
    const value = readValue();
    if (!isBare && key in target) define(target, key, value);
    else (target as Record<string, unknown>)[key] = value;
  }
  return isBare ? Object.setPrototypeOf(target, prototype) : target;
}

function readNewShape(): number {
  const hash = readUint32();
  const length = readLength();
  need(length);
  let shape = findShape(hash, src, p, length);
  if (shape !== undefined) p += length;
  else {
    const spelling = new Uint8Array(readBuffer(length));
    const after = p;
    p -= length;
    const keys: string[] = [];
    for (let count = readByte(); count > 0; count--) {
      const key = readValue();
      if (typeof key !== "string") throw malformed("a key is not a string");
      keys.push(key);
    }
    if (p !== after) throw malformed("a list of keys has another length than it says");
    shape = rememberShape(keys, spelling);
  }
  shapes[shapeCount] = shape;
  return shapeCount++;
}

function readShaped(index: number, target: object | null): object {
  if (index >= shapeCount) throw malformed("a shape is missing");
  const shape = shapes[index];
  const { keys } = shape;
  const object = target ?? number({});
  for (let i = 0; i < keys.length; i++) {
    if (p < end && src[p] === ABSENT) {
      p++;
      continue;
    }
    const value = readValue();
    // What a class's prototype has must not be told of it.
    if (shape.hasInherited || target !== null && keys[i] in target) define(object, keys[i], value);
    else (object as Record<string, unknown>)[keys[i]] = value;
  }
  return object;
}

function readArray(length: number): unknown[] {
  // Every element takes a byte at least; but arrays in arrays in arrays may each claim all the bytes that are there.
  need(length);
  return readElements(number(new Array(depth > ROOMY_DEPTH ? Math.min(length, DEEP_ROOM) : length)), length);
}

function readElements(array: unknown[], length: number): unknown[] {
  need(length);
  for (let i = 0; i < length;) {
    const byte = p < end ? src[p] : 0;
    if (byte === RUN_INT32 || byte === RUN_FLOAT64) {
      p++;
      const count = readUint32();
      if (count > length - i) throw malformed("an array has more elements than it says");
      const size = byte === RUN_INT32 ? 4 : 8;
      const buffer = readBuffer(count * size);
      const numbers = size === 4 ? new Int32Array(buffer) : new Float64Array(buffer);
      for (let k = 0; k < count; k++) array[i + k] = numbers[k];
      i += count;
    } else array[i++] = readValue();
  }
  return array;
}

function readSparse(array: unknown[]): unknown[] {
  const length = readLength();
  if (length > 0xffffffff) throw malformed("an array is longer than arrays can be");
  if (length > 0) {
    // A far element makes the engine keep a table instead of a row of holes, which a small message could make huge.
    array[length - 1] = 0;
    delete array[length - 1];
  }
  for (let count = readUint32(); count > 0; count--) {
    const key = readValue();
    if (typeof key === "number" ? !(key < length) : typeof key !== "string" || key === "length") {
      throw malformed("an array has a wrong index");
    }
    if (p < end && src[p] === ABSENT) p++;
    else define(array, key as PropertyKey, readValue());
  }
  return array;
}
