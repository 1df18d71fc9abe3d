/**
 * Objects that are neither plain nor arrays to bytes: built-ins, errors, registered classes, shared objects.
 *
 * @module
 */

import * as tag from "./codec_tags.ts";
import { classOf, errorClassOf, HANDLE, isErrorClass, type KnownClass, type Shareable } from "./codec_classes.ts";
import { defer, ensure, extrasOf, writeByte, writeComplete, writeFields, writeLength, writeUint32, writeValue } from "./codec_encode.ts";
import { writeBuffer, writeView } from "./codec_encode_buffers.ts";
import { reasonAgainst, Refusal, SHARED_BUFFER_REASON, SYMBOL_REASON } from "./codec_refusal.ts";

// deno-lint-ignore no-explicit-any -- native getters check their receiver themselves
type Getter = (this: any) => unknown;

const { toString } = Object.prototype;
const getter = (prototype: object, key: string): Getter => Object.getOwnPropertyDescriptor(prototype, key)!.get!;

/** By name: a method that throws on what is not really of that kind. Prototypes and `Symbol.toStringTag` can be had without being it. */
const brands: ReadonlyMap<string, Getter> = new Map<string, Getter>([
  ["Map", getter(Map.prototype, "size")],
  ["Set", getter(Set.prototype, "size")],
  ["Date", Date.prototype.getTime],
  ["RegExp", getter(RegExp.prototype, "source")],
  ["ArrayBuffer", getter(ArrayBuffer.prototype, "byteLength")],
  // A page that is not isolated does not know the name, nor are there any.
  ...(typeof SharedArrayBuffer === "undefined" ? [] : [["SharedArrayBuffer", getter(SharedArrayBuffer.prototype, "byteLength")] as const]),
  ["Number", Number.prototype.valueOf],
  ["String", String.prototype.valueOf],
  ["Boolean", Boolean.prototype.valueOf],
  ["BigInt", BigInt.prototype.valueOf],
  ["Symbol", Symbol.prototype.valueOf],
]);
const branded: readonly (new () => object)[] = [Map, Set, Date, RegExp] as never;

function isBranded(name: string, object: object): boolean {
  try {
    brands.get(name)!.call(object);
    return true;
  } catch {
    return false;
  }
}

/** The name of the built-in that `object` is, or what it calls itself. */
function kindOf(object: object): string {
  if (ArrayBuffer.isView(object)) return "View";
  const name = toString.call(object).slice(8, -1);
  if (brands.has(name)) return isBranded(name, object) ? name : "Object";
  if (object instanceof Error) return "Error";
  for (const type of branded) if (object instanceof type && isBranded(type.name, object)) return type.name;
  return name === "View" ? "Object" : name;
}

/** Writes an object that was not seen before; with `later`, the contents of a container are deferred. */
export function writeOther(object: object, prototype: object | null, later: boolean = false): void {
  if (prototype !== null) {
    if (typeof (object as Shareable)[HANDLE] === "function") return writeShared(object as Shareable);
    const known = classOf(prototype);
    if (known !== undefined) {
      if (known.codec !== undefined) return writeCoded(object, known);
      if (!isErrorClass(known)) {
        return writeContainer(tag.INSTANCE, known, later, () => writeFields(object));
      }
    }
  }
  const kind = kindOf(object);
  switch (kind) {
    case "Map":
      return writeContainer(tag.MAP, undefined, later, () => writeMap(object as Map<unknown, unknown>));
    case "Set":
      return writeContainer(tag.SET, undefined, later, () => writeSet(object as Set<unknown>));
    case "Error": {
      const known = errorClassOf(object);
      // A DOMException cannot be made before its contents are known.
      return writeContainer(tag.ERROR, known, later && known.id !== "DOMException", () => writeError(object as Error, known));
    }
    case "View":
      return writeView(object as ArrayBufferView, prototype!);
    case "ArrayBuffer":
      return writeBuffer(object as ArrayBuffer);
    case "Date": {
      const time = Date.prototype.getTime.call(object);
      writeByte(tag.DATE);
      writeValue(time);
      return;
    }
    case "RegExp":
      writeByte(tag.REGEXP);
      writeValue((object as RegExp).source);
      writeValue((object as RegExp).flags);
      return;
    case "Number":
    case "String":
    case "Boolean":
    case "BigInt":
      writeByte(tag.BOXED);
      writeValue(brands.get(kind)!.call(object));
      return;
    case "Symbol":
      throw new Refusal(object, SYMBOL_REASON);
    case "SharedArrayBuffer":
      throw new Refusal(object, SHARED_BUFFER_REASON);
  }
  const reason = reasonAgainst(kind, object.constructor?.name);
  if (reason !== undefined) throw new Refusal(object, reason);
  if (later) {
    writeByte(tag.LATER);
    writeByte(tag.DICTIONARY);
    defer(() => writeFields(object));
  } else writeFields(object);
}

function writeContainer(kind: number, known: KnownClass | undefined, later: boolean, contents: () => void): void {
  if (later) writeByte(tag.LATER);
  writeByte(kind);
  if (known !== undefined) writeClass(known);
  if (later) defer(contents);
  else contents();
}

/** Writes a class's id, or its number in this message where it was written before. */
function writeClass(known: KnownClass): void {
  const { classes } = extrasOf();
  const index = classes.get(known.id);
  writeLength(index ?? 0);
  if (index !== undefined) return;
  classes.set(known.id, classes.size + 1);
  writeValue(known.id);
}

function writeCoded(object: object, known: KnownClass): void {
  const data = known.codec!.encode(object);
  writeByte(tag.CODED);
  writeClass(known);
  writeComplete(data);
}

function writeShared(object: Shareable): void {
  const { kind, words, parts } = object[HANDLE]();
  extrasOf().shared.push(object);
  writeByte(tag.SHARED);
  writeByte(kind);
  writeLength(words.length);
  ensure(4 * words.length);
  for (const word of words) writeUint32(word);
  writeComplete(parts);
}

function writeMap(map: Map<unknown, unknown>): void {
  // A copy, since a getter may change the map while its entries are read.
  const entries = [...Map.prototype.entries.call(map)];
  writeUint32(entries.length);
  for (const [key, value] of entries) {
    writeValue(key);
    writeValue(value);
  }
}

function writeSet(set: Set<unknown>): void {
  const values = [...Set.prototype.values.call(set)];
  writeUint32(values.length);
  for (const value of values) writeValue(value);
}

function writeError(error: Error, known: KnownClass): void {
  const has = (key: string) => Object.hasOwn(error, key);
  const isDom = known.id === "DOMException";
  const { message, stack, name } = error;
  const namesItself = has("name") && Object.prototype.propertyIsEnumerable.call(error, "name");
  const hides = (key: string) => has(key) && !Object.prototype.propertyIsEnumerable.call(error, key);
  let parts = 0;
  if (has("message") || message !== "" && typeof message === "string") parts |= tag.HAS_MESSAGE;
  if (typeof stack === "string") parts |= tag.HAS_STACK;
  if (has("cause")) parts |= tag.HAS_CAUSE;
  if (hides("errors")) parts |= tag.HAS_ERRORS;
  if (isDom || !namesItself && name !== undefined && name !== (known.prototype as Error).name) parts |= tag.HAS_NAME;
  if (hides("suppressed")) parts |= tag.HAS_SUPPRESSED;
  ensure(0);
  writeByte(parts);
  if (parts & tag.HAS_MESSAGE) writeValue(String(message));
  if (parts & tag.HAS_STACK) writeValue(stack);
  if (parts & tag.HAS_CAUSE) writeValue(error.cause);
  if (parts & tag.HAS_ERRORS) writeValue((error as AggregateError).errors);
  if (parts & tag.HAS_NAME) writeValue(String(name));
  if (parts & tag.HAS_SUPPRESSED) {
    writeValue((error as SuppressedError).error);
    writeValue((error as SuppressedError).suppressed);
  }
  const fields: Record<string, unknown> = {};
  for (const key of Object.keys(error)) {
    if (key === "message" || key === "stack" || key === "cause") continue;
    Object.defineProperty(fields, key, { value: (error as never)[key], enumerable: true });
  }
  // Where a class has it as a getter on its prototype it would be lost with the class.
  const { code } = error as { code?: unknown };
  if (!isDom && code !== undefined && !has("code")) fields.code = code;
  ensure(0);
  writeFields(fields);
}
