/**
 * Values to bytes: the state of the encode under way, primitives, plain objects and arrays. Everything else is in
 * `codec_encode_objects.ts`.
 *
 * @module
 */

import * as tag from "./codec_tags.ts";
import { elementsOf } from "./codec_dense.ts";
import { childShape, hashOf, keysOf, type ShapeNode, shapeRoot } from "./codec_shapes.ts";
import { CHANGED_REASON, DEPTH_REASON, FUNCTION_REASON, Refusal, SYMBOL_REASON } from "./codec_refusal.ts";
import { writeOther } from "./codec_encode_objects.ts";
import { beginMessage, type Extras, LOOP_BYTES, type Message, ScratchMessage } from "./codec_message.ts";
import { writeTrailer } from "./codec_encode_buffers.ts";
import { strings, TextEncoder } from "./host.ts";

// Constants of this module rather than another's, which engines would load each time; one by one, so that bundlers leave those names out.
const ABSENT = tag.ABSENT,
  ARRAY = tag.ARRAY,
  ASCII = tag.ASCII,
  BIGINT = tag.BIGINT,
  BIGINT64 = tag.BIGINT64,
  DEFER_DEPTH = tag.DEFER_DEPTH,
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
  SHORT_ASCII = tag.SHORT_ASCII,
  SHORT_SHAPE = tag.SHORT_SHAPE,
  SMALL_INT_END = tag.SMALL_INT_END,
  SPARSE_ARRAY = tag.SPARSE_ARRAY,
  TRUE = tag.TRUE,
  UNDEFINED = tag.UNDEFINED,
  UTF16 = tag.UTF16,
  UTF8 = tag.UTF8;

const FIRST_CAPACITY = 16 * 1024;
/** Above this the scratch is given back when it was far too large for a while. */
const KEPT_CAPACITY = 1024 * 1024;
/** Room there is behind `pos` whenever a value begins: enough for any tag with number and for short strings. */
const MARGIN = 64;
/** Of so many units on, UTF-16 pays where the runtime reads and writes that at once. */
const LONG_TEXT = 128;
/** Up to this many objects are looked up in a list, more of them in a map. */
const LISTED = 16;
const NO_BUFFERS: readonly ArrayBuffer[] = [];
const { hasOwnProperty } = Object.prototype;
const plain = Object.prototype;
/** Made when it is needed first, as `host.ts` wants. */
let utf8: InstanceType<typeof TextEncoder> | undefined;

// The encode under way. Module variables rather than an object, since every byte goes through them.
let buf = new Uint8Array(FIRST_CAPACITY);
let view = new DataView(buf.buffer);
let room = FIRST_CAPACITY - MARGIN;
let pos = 0;
let flags = 0;
let depth = 0;
/** Depth at which the innermost scope of deferred contents began. */
let scope = 0;
let seenCount = 0;
let seenMap: Map<object, number> | null = null;
let seenList: (object | null)[] = new Array(LISTED).fill(null);
let messageNumber = 0;
let shapeCount = 0;
let deferred: (() => void)[] | null = null;
/** Class ids by number, handles, inserts and buffers: rare, so made on demand. */
let extras: Extras | null = null;
let moving: readonly ArrayBuffer[] | null = null;
let dense: readonly unknown[] | null = null;
let active = false;
/** The last encode has not been cleaned up after: the stack was so full that not even that could be called. */
let dirty = false;

let messages = 0;
let smallMessages = 0;

/** Options of {@linkcode encode}. */
export interface EncodeOptions {
  /** What messages of errors call the value, such as `args[0]`. */
  readonly path?: string;
  /** Take buffers marked by `move` out of the message, into {@linkcode Message.moved}. */
  readonly move?: boolean;
  /** … and these. */
  readonly transfer?: readonly ArrayBuffer[];
  /** An array that was made here, in {@linkcode encode}'s value: it has no holes, and nothing beside its elements. To find that out takes longer than to write it. */
  readonly dense?: readonly unknown[];
}

/**
 * Encodes a value with the fidelity of `structuredClone`.
 *
 * Beyond it: errors keep their own fields, registered classes their class; proxies are read like ordinary objects. Of a view of a buffer
 * that is at least 64 KiB larger, and of a Node `Buffer` (a part of a pool), only the part that views show travels.
 *
 * @throws {DataCloneError} If something in `value` cannot travel; the message has the path to it.
 */
export function encode(value: unknown, options?: EncodeOptions): Message {
  const saved = active ? suspend() : null;
  if (dirty && !active) reset();
  active = dirty = true;
  beginMessage();
  messageNumber = ++messages;
  moving = options?.move === true ? options.transfer ?? NO_BUFFERS : null;
  dense = options?.dense ?? null;
  pos = 1;
  try {
    writeValue(value);
    if (deferred !== null) writeDeferred();
    if (extras !== null) finish(extras);
    buf[0] = MAGIC | flags;
    return new ScratchMessage(buf, pos, messageLength(), extras);
  } catch (error) {
    if (error instanceof Refusal) throw error.toError(value, options?.path ?? "value");
    if (isStackOverflow(error)) throw new Refusal(value, DEPTH_REASON).toError(value, options?.path ?? "value");
    throw error;
  } finally {
    if (saved !== null) resume(saved);
    else {
      active = false;
      reset();
    }
  }
}

function finish({ inserts, trimmed }: Extras): void {
  for (const { bytes, byteLength } of inserts) if (bytes.length !== byteLength) throw new Refusal(bytes.buffer, CHANGED_REASON);
  if (trimmed === null) return;
  flags |= FLAG_TRIMMED;
  ensure(0);
  writeTrailer(trimmed, messageLength());
}

/** The engine's complaint about its stack, as opposed to a RangeError of somebody's getter. */
export function isStackOverflow(error: unknown): boolean {
  // No regular expression: compiling one takes stack.
  return error instanceof RangeError && error.message.includes("call stack");
}

function messageLength(): number {
  let length = pos;
  if (extras !== null) { for (const { byteLength } of extras.inserts) length += byteLength; }
  return length;
}

function reset(): void {
  if (buf.length > KEPT_CAPACITY) {
    if (pos >= buf.length >> 3) smallMessages = 0;
    else if (++smallMessages === 64) useBuffer(new Uint8Array(FIRST_CAPACITY));
  }
  for (let i = seenCount < LISTED ? seenCount : LISTED; i-- > 0;) seenList[i] = null;
  seenCount = 0;
  seenMap = null;
  flags = 0;
  depth = 0;
  scope = 0;
  shapeCount = 0;
  deferred = null;
  extras = null;
  dense = null;
  dirty = active;
}

function useBuffer(bytes: Uint8Array<ArrayBuffer>): void {
  buf = bytes;
  view = new DataView(bytes.buffer);
  room = bytes.length - MARGIN;
  smallMessages = 0;
}

type Suspended = ReturnType<typeof suspend>;

/** Sets the encode under way aside for one that a getter or a class's codec started. */
// deno-lint-ignore explicit-module-boundary-types -- what is set aside is its type
function suspend() {
  const state = { buf, pos, flags, depth, scope, seenCount, seenMap, seenList, messageNumber, shapeCount, deferred, extras, moving, dense };
  useBuffer(new Uint8Array(FIRST_CAPACITY));
  seenList = new Array(LISTED).fill(null);
  seenCount = 0;
  reset();
  return state;
}

function resume(state: Suspended): void {
  useBuffer(state.buf);
  ({ pos, flags, depth, scope, seenCount, seenMap, seenList, messageNumber, shapeCount, deferred, extras, moving, dense } = state);
}

/** This message's rare parts. */
export function extrasOf(): Extras {
  return extras ??= { shared: [], moved: [], inserts: [], classes: new Map(), trimmed: null };
}

/** Which buffers are taken out of this message beside those that are marked; null: none are. */
export function movingOf(): readonly ArrayBuffer[] | null {
  return moving;
}

/** Makes room for `count` bytes more and the margin. */
export function ensure(count: number): void {
  if (pos + count > room) grow(count);
}

function grow(count: number): void {
  const bytes = new Uint8Array(Math.max(buf.length * 2, pos + count + 2 * MARGIN));
  bytes.set(buf.subarray(0, pos));
  useBuffer(bytes);
}

/** Writes a byte; room must be there. */
export function writeByte(value: number): void {
  buf[pos++] = value;
}

/** Writes a length as LEB128; room must be there. */
export function writeLength(value: number): void {
  while (value > 0x7f) {
    buf[pos++] = value & 0x7f | 0x80;
    value = Math.floor(value / 128);
  }
  buf[pos++] = value;
}

/** Writes 32 bits at `at`. */
function setUint32(at: number, value: number): void {
  buf[at] = value;
  buf[at + 1] = value >>> 8;
  buf[at + 2] = value >>> 16;
  buf[at + 3] = value >>> 24;
}

/** Writes 32 bits; room must be there. */
export function writeUint32(value: number): void {
  setUint32(pos, value);
  pos += 4;
}

/** Writes 64 bits of a number; room must be there. */
export function writeFloat(value: number): void {
  view.setFloat64(pos, value, true);
  pos += 8;
}

/** Copies bytes into the message now, or refers to them until it is written if they are many. */
export function writeBytes(bytes: Uint8Array): void {
  const { length } = bytes;
  if (length >= LARGE_BYTES) {
    ensure(8);
    for (let padding = -messageLength() & 7; padding > 0; padding--) buf[pos++] = 0;
    extrasOf().inserts.push({ at: pos, bytes, byteLength: length });
    return;
  }
  ensure(length);
  if (length <= LOOP_BYTES) { for (let i = 0; i < length; i++) buf[pos + i] = bytes[i]; }
  else buf.set(bytes, pos);
  pos += length;
}

/** Writes any value with its tag. */
export function writeValue(value: unknown): void {
  if (pos > room) grow(0);
  switch (typeof value) {
    case "number":
      return writeNumber(value);
    case "string":
      return writeString(value);
    case "object":
      if (value === null) buf[pos++] = NULL;
      else writeObject(value);
      return;
    case "boolean":
      buf[pos++] = value ? TRUE : FALSE;
      return;
    case "undefined":
      buf[pos++] = UNDEFINED;
      return;
    case "bigint":
      return writeBigInt(value);
    case "function":
      throw new Refusal(value, FUNCTION_REASON);
    case "symbol":
      throw new Refusal(value, SYMBOL_REASON);
  }
}

function writeNumber(value: number): void {
  const int = value | 0;
  if (int === value && (int !== 0 || 1 / value > 0)) {
    if (int >= 0 && int < SMALL_INT_END) buf[pos++] = int;
    else if (int >= -0x80 && int < 0x80) {
      buf[pos] = INT8;
      buf[pos + 1] = int;
      pos += 2;
    } else if (int >= -0x8000 && int < 0x8000) {
      buf[pos] = INT16;
      buf[pos + 1] = int;
      buf[pos + 2] = int >> 8;
      pos += 3;
    } else {
      buf[pos] = INT32;
      setUint32(pos + 1, int);
      pos += 5;
    }
  } else if (value === value) {
    buf[pos++] = FLOAT64;
    writeFloat(value);
  } else buf[pos++] = NOT_A_NUMBER;
}

function writeString(value: string): void {
  const { length } = value;
  if (length > 31) return writeLongString(value);
  const bytes = buf;
  const start = pos + 1;
  for (let i = 0; i < length; i++) {
    const unit = value.charCodeAt(i);
    if (unit > 0x7f) return writeLongString(value);
    bytes[start + i] = unit;
  }
  bytes[start - 1] = SHORT_ASCII | length;
  pos = start + length;
}

function writeLongString(value: string): void {
  const { length } = value;
  ensure(length * 3 + 16);
  const start = pos;
  if (strings !== null && length >= LONG_TEXT && !beginsAscii(value)) {
    buf[pos++] = UTF16;
    writeLength(length);
    strings.writeUtf16(value, buf, pos);
    pos += length * 2;
    return;
  }
  // The header as for ASCII, which long strings mostly are; another is put in its place where that was wrong.
  buf[pos++] = ASCII;
  writeLength(length);
  const body = pos;
  const { written } = (utf8 ??= new TextEncoder()).encodeInto(value, buf.subarray(body));
  pos = body + written;
  if (written === length) return;
  if (value.isWellFormed()) {
    // The longer length may take another byte, which the body must have made room for before it is written.
    let moved = start + 2;
    for (let rest = written; rest > 0x7f; rest = Math.floor(rest / 128)) moved++;
    if (moved !== body) buf.copyWithin(moved, body, body + written);
    pos = start;
    buf[pos++] = UTF8;
    writeLength(written);
    pos += written;
  } else {
    buf[start] = UTF16;
    pos = body;
    for (let i = 0; i < length; i++) {
      const unit = value.charCodeAt(i);
      buf[pos++] = unit;
      buf[pos++] = unit >> 8;
    }
  }
}

/** Whether a text looks like ASCII: what is not, mostly shows that soon. */
function beginsAscii(text: string): boolean {
  for (let i = 0; i < LONG_TEXT; i++) if (text.charCodeAt(i) > 0x7f) return false;
  return true;
}

function writeBigInt(value: bigint): void {
  if (BigInt.asIntN(64, value) === value) {
    buf[pos++] = BIGINT64;
    writeUint32(Number(BigInt.asUintN(32, value)));
    writeUint32(Number(BigInt.asUintN(32, value >> 32n)));
    return;
  }
  let hex = (value < 0n ? -value : value).toString(16);
  if (hex.length % 2 === 1) hex = `0${hex}`;
  const length = hex.length / 2;
  ensure(length + 16);
  buf[pos++] = BIGINT;
  buf[pos++] = value < 0n ? 1 : 0;
  writeLength(length);
  for (let i = 0; i < hex.length; i += 2) buf[pos++] = parseInt(hex.slice(i, i + 2), 16);
}

/** Whether an object has its number already. */
export function isSeen(object: object): boolean {
  return seenMap !== null ? seenMap.has(object) : seenCount > 0 && seenList.lastIndexOf(object, seenCount - 1) >= 0;
}

/** Numbers an object; if it has its number already, writes a reference instead and says true. */
export function wasSeen(object: object): boolean {
  let index: number | undefined;
  if (seenMap !== null) index = seenMap.get(object);
  else {
    for (let i = 0; i < seenCount; i++) {
      if (seenList[i] === object) {
        index = i;
        break;
      }
    }
  }
  if (index !== undefined) {
    ensure(16);
    flags |= FLAG_REFS;
    buf[pos++] = REF;
    writeLength(index);
    return true;
  }
  if (seenMap !== null) seenMap.set(object, seenCount);
  else if (seenCount < LISTED) seenList[seenCount] = object;
  else {
    seenMap = new Map();
    for (let i = 0; i < LISTED; i++) seenMap.set(seenList[i]!, i);
    seenMap.set(object, seenCount);
  }
  seenCount++;
  return false;
}

function writeObject(object: object): void {
  if (wasSeen(object)) return;
  if (++depth - scope > DEFER_DEPTH) writeLater(object);
  else if (Array.isArray(object)) writeArray(object);
  else {
    const prototype = Object.getPrototypeOf(object);
    if (prototype === plain) writeFields(object);
    else writeOther(object, prototype);
  }
  depth--;
}

function writeLater(object: object): void {
  if (depth > MAX_DEPTH) throw new Refusal(object, DEPTH_REASON);
  if (Array.isArray(object)) {
    buf[pos++] = LATER;
    buf[pos++] = ARRAY;
    defer(() => writeArray(object));
  } else {
    const prototype = Object.getPrototypeOf(object);
    if (prototype === plain) {
      buf[pos++] = LATER;
      buf[pos++] = DICTIONARY;
      defer(() => writeFields(object));
    } else writeOther(object, prototype, true);
  }
}

/** Has the contents of a container, already numbered and announced, written behind the rest of its scope. */
export function defer(contents: () => void): void {
  (deferred ??= []).push(contents);
}

/** Writes what was deferred, and what that defers, in order. */
function writeDeferred(): void {
  const list = deferred!;
  depth++;
  for (let i = 0; i < list.length; i++) {
    ensure(0);
    list[i]();
  }
  depth--;
  deferred = null;
}

/** Writes a value that the other end needs complete before it goes on: with its deferred contents right behind it. */
export function writeComplete(value: unknown): void {
  const outer = deferred;
  const outerScope = scope;
  deferred = null;
  scope = depth;
  if (depth > MAX_DEPTH) throw new Refusal(value, DEPTH_REASON);
  writeValue(value);
  if (deferred !== null) writeDeferred();
  scope = outerScope;
  deferred = outer;
}

/** Writes the own enumerable string-keyed properties. */
export function writeFields(object: object): void {
  let node = shapeRoot();
  // for…in is what engines have made fast for reading all of an object, so its two extras are checked for: inherited keys and, below,
  // keys that went away.
  for (const key in object) {
    if (!hasOwnProperty.call(object, key)) continue;
    const child = node.lastKey === key && node.lastChild !== null ? node.lastChild : childShape(node, key);
    if (child === null) return writeDictionary(object);
    node = child;
  }
  if (node.message === messageNumber) {
    if (pos > room) grow(0);
    if (node.id < 16) buf[pos++] = SHORT_SHAPE | node.id;
    else {
      buf[pos++] = SHAPE;
      writeLength(node.id);
    }
  } else defineShape(node);
  const keys = node.keys!;
  let i = 0;
  for (const key in object) {
    if (keys[i] !== key) {
      // An inherited key, or an object that changes while it is read.
      if (i < keys.length && !hasOwnProperty.call(object, key)) continue;
      break;
    }
    i++;
    writeValue((object as Record<string, unknown>)[key]);
  }
  for (; i < keys.length; i++) writeField(object, keys[i]);
}

function defineShape(node: ShapeNode): void {
  const definition = node.definition ?? spellShape(node);
  node.message = messageNumber;
  node.id = shapeCount++;
  const { length } = definition;
  ensure(length);
  const bytes = buf;
  const at = pos;
  for (let i = 0; i < length; i++) bytes[at + i] = definition[i];
  pos = at + length;
}

function spellShape(node: ShapeNode): Uint8Array {
  const keys = keysOf(node);
  const start = pos;
  ensure(16);
  buf[pos++] = keys.length;
  for (const key of keys) {
    ensure(0);
    writeString(key);
  }
  const spelling = buf.slice(start, pos);
  pos = start;
  buf[pos++] = NEW_SHAPE;
  writeUint32(hashOf(spelling));
  writeLength(spelling.length);
  const head = buf.slice(start, pos);
  pos = start;
  const definition = new Uint8Array(head.length + spelling.length);
  definition.set(head);
  definition.set(spelling, head.length);
  return node.definition = definition;
}

function writeField(object: object, key: string): void {
  const value = (object as Record<string, unknown>)[key];
  if (value === undefined && !hasOwnProperty.call(object, key)) {
    ensure(0);
    buf[pos++] = ABSENT;
  } else writeValue(value);
}

function writeDictionary(object: object): void {
  const keys = Object.keys(object);
  ensure(0);
  buf[pos++] = DICTIONARY;
  writeUint32(keys.length);
  for (const key of keys) {
    ensure(0);
    writeString(key);
    writeField(object, key);
  }
}

function writeArray(whole: readonly unknown[]): void {
  const { length } = whole, array = whole === dense ? whole : elementsOf(whole, length);
  if (array === null) return writeSparse(whole, Object.keys(whole));
  if (pos > room) grow(0);
  if (length < 16) {
    buf[pos++] = SHORT_ARRAY | length;
    for (let i = 0; i < length; i++) writeValue(array[i]);
    return;
  }
  buf[pos++] = ARRAY;
  writeLength(length);
  for (let i = 0, runs = true; i < length;) {
    const value = array[i];
    if (runs && typeof value === "number" && value === value) {
      const from = i;
      const wide = (value | 0) !== value || Object.is(value, -0);
      i = wide ? writeFloats(array, length, i, value) : writeInts(array, length, i, value);
      // Two kinds of run per array at most begin in vain: ints that go on as floats, and whatever is not a run at all.
      if (i - from < 4 && (wide || typeof array[i] !== "number")) runs = false;
    } else {
      writeValue(value);
      i++;
    }
  }
}

/** Writes a run from element `i`, whose value was read already; gives where it ends. */
function writeInts(array: readonly unknown[], length: number, i: number, value: unknown): number {
  buf[pos++] = RUN_INT32;
  const countAt = pos;
  const from = i;
  let at = pos + 4;
  for (;;) {
    if (at > room) growFrom(at);
    const int = (value as number) | 0;
    if (typeof value !== "number" || int !== value || int === 0 && 1 / value < 0) break;
    view.setInt32(at, int, true);
    at += 4;
    if (++i === length) break;
    value = array[i];
  }
  pos = at;
  setUint32(countAt, i - from);
  return i;
}

function writeFloats(array: readonly unknown[], length: number, i: number, value: unknown): number {
  buf[pos++] = RUN_FLOAT64;
  const countAt = pos;
  const from = i;
  let at = pos + 4;
  for (;;) {
    if (at > room) growFrom(at);
    if (typeof value !== "number" || value !== value) break;
    view.setFloat64(at, value, true);
    at += 8;
    if (++i === length) break;
    value = array[i];
  }
  pos = at;
  setUint32(countAt, i - from);
  return i;
}

/** Makes room where what was written up to `at` is not counted yet. */
function growFrom(at: number): void {
  pos = at;
  grow(0);
}

function writeSparse(array: readonly unknown[], keys: readonly string[]): void {
  ensure(0);
  buf[pos++] = SPARSE_ARRAY;
  writeLength(array.length);
  writeUint32(keys.length);
  for (const key of keys) {
    ensure(0);
    const index = Number(key);
    if (index < array.length && String(index) === key) writeNumber(index);
    else writeString(key);
    writeField(array, key);
  }
}
