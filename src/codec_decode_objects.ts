/**
 * Bytes to objects that are neither plain nor arrays: built-ins, errors, registered classes, shared objects.
 *
 * @module
 */

import * as tag from "./codec_tags.ts";
import { classById, isErrorClass, type KnownClass, reviverOf } from "./codec_classes.ts";
import {
  defer,
  fulfil,
  malformed,
  need,
  number,
  rareOf,
  readByte,
  readComplete,
  readFields,
  readLength,
  readUint32,
  readValue,
  reserve,
} from "./codec_decode.ts";
import { readBinary } from "./codec_decode_buffers.ts";
import { DataCloneError } from "./errors.ts";
import { DOMException } from "./host.ts";

/** Reads what the tag announces; with `later`, the contents of a container come later. */
export function readOther(byte: number, later: boolean = false): unknown {
  switch (byte) {
    case tag.MAP: {
      const map = number(new Map());
      return fill(map, later, readMap);
    }
    case tag.SET: {
      const set = number(new Set());
      return fill(set, later, readSet);
    }
    case tag.ERROR: {
      const index = reserve();
      const known = readClass();
      if (!isErrorClass(known)) throw malformed(`${known.id} is not a class of errors`);
      // A DOMException's name and message are given to its constructor alone, so nothing can refer to it from within.
      if (known.id === "DOMException") return fulfil(index, readDomException());
      return fill(fulfil(index, makeError(known)), later, readError);
    }
    case tag.INSTANCE: {
      const index = reserve();
      const known = readClass();
      if (known.codec !== undefined || isErrorClass(known)) throw malformed(`${known.id} is registered in another way here`);
      return fill(fulfil(index, Object.create(known.prototype)), later, readFields);
    }
  }
  if (later) throw malformed("a tag is unknown");
  switch (byte) {
    case tag.CODED: {
      const index = reserve();
      const known = readClass();
      if (known.codec === undefined) throw malformed(`${known.id} is registered without a codec here`);
      return fulfil(index, known.codec.decode(readComplete()));
    }
    case tag.DATE: {
      const date = number(new Date(NaN));
      const time = readValue();
      if (typeof time !== "number") throw malformed("a date has no time");
      date.setTime(time);
      return date;
    }
    case tag.REGEXP:
      return readRegExp();
    case tag.BOXED: {
      const index = reserve();
      const value = readValue();
      if (value === null || value === undefined || typeof value === "object") throw malformed("a boxed primitive is none");
      return fulfil(index, Object(value));
    }
    case tag.SHARED:
      return readShared();
  }
  const binary = readBinary(byte);
  if (binary === undefined) throw malformed("a tag is unknown");
  return binary;
}

function fill<T>(container: T, later: boolean, read: (container: T) => void): T {
  if (later) defer(() => read(container));
  else read(container);
  return container;
}

function readMap(map: Map<unknown, unknown>): void {
  for (let count = readUint32(); count > 0; count--) {
    const key = readValue();
    map.set(key, readValue());
  }
}

function readSet(set: Set<unknown>): void {
  for (let count = readUint32(); count > 0; count--) set.add(readValue());
}

function readRegExp(): RegExp {
  const index = reserve();
  const source = readValue();
  const flags = readValue();
  if (typeof source !== "string" || typeof flags !== "string") throw malformed("a regular expression is damaged");
  try {
    return fulfil(index, new RegExp(source, flags));
  } catch {
    throw malformed(`this runtime does not know the regular expression /${source}/${flags}`);
  }
}

function readClass(): KnownClass {
  const { classes } = rareOf();
  const index = readLength();
  if (index > classes.length) throw malformed("a class is missing");
  let id: unknown = classes[index - 1];
  if (index === 0) {
    id = readValue();
    if (typeof id !== "string") throw malformed("a class has no name");
    classes.push(id);
  }
  const known = classById(id as string);
  if (known !== undefined) return known;
  const [, url, name] = /^(.*)#([^#]*)$/s.exec(id as string) ?? ["", "", id];
  throw new DataCloneError(
    `Cannot decode an instance of ${name}: the class of ${url || "that name"} is not registered here; ` +
      `import its module here too and call mp.registerClass(import.meta, ${name}) at its top level`,
  );
}

function readShared(): object {
  const kind = readByte();
  const count = readLength();
  need(count * 4);
  const words: number[] = [];
  for (let i = 0; i < count; i++) words.push(readUint32());
  const revive = reviverOf(kind);
  if (revive === undefined) throw new DataCloneError(`Cannot decode a shared object: its kind ${kind} is not registered here`);
  const index = reserve();
  const parts = readComplete();
  return fulfil(index, revive(words, rareOf().context, parts));
}

/** An error without properties, made without the class's constructor, which may want arguments. */
function makeError(known: KnownClass): Error {
  const error = new Error();
  for (const key of Object.getOwnPropertyNames(error)) delete (error as unknown as Record<string, unknown>)[key];
  if (known.prototype !== Error.prototype) Object.setPrototypeOf(error, known.prototype);
  return error;
}

function hide(error: object, key: string, value: unknown): void {
  Object.defineProperty(error, key, { value, writable: true, enumerable: false, configurable: true });
}

function readError(error: Error): void {
  const parts = readByte();
  // The order of a new error: the stack is the engine's, then come message, cause and the rest.
  const message = parts & tag.HAS_MESSAGE ? readValue() : undefined;
  if (parts & tag.HAS_STACK) hide(error, "stack", readValue());
  if (parts & tag.HAS_MESSAGE) hide(error, "message", message);
  if (parts & tag.HAS_CAUSE) hide(error, "cause", readValue());
  if (parts & tag.HAS_ERRORS) hide(error, "errors", readValue());
  if (parts & tag.HAS_NAME) hide(error, "name", readValue());
  if (parts & tag.HAS_SUPPRESSED) {
    hide(error, "error", readValue());
    hide(error, "suppressed", readValue());
  }
  readFields(error);
}

function readDomException(): DOMException {
  const parts: Record<string, unknown> = {};
  readError(parts as unknown as Error);
  const error = new DOMException(String(parts.message ?? ""), String(parts.name ?? "Error"));
  for (const key of Object.getOwnPropertyNames(parts)) {
    if (key !== "message" && key !== "name") Object.defineProperty(error, key, Object.getOwnPropertyDescriptor(parts, key)!);
  }
  return error;
}
