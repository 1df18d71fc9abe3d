/**
 * Arrays in shared memory. They are typed arrays, over a part of the arena.
 *
 * @module
 */
import { ArrayMemory } from "./array_memory.ts";
import { HANDLE, type Handle, registerHandle } from "./codec.ts";
import { type AnyTypedArray, type ElementOf, type ElementType, type Kind, kindOf, type NameOf, type TypedArrayOf } from "./element_type.ts";
import { defaultHome, type Home } from "./home.ts";
import { TextDecoder, TextEncoder } from "./host.ts";
import type { Lock, RLock } from "./lock.ts";
import { shown } from "./options.ts";
import { lockAmong, lockOf, type LockOption, type LockPart, noOptions, SharedData } from "./shared_data.ts";
import { type ColumnsOf, type Fields, type RecordOf, StructType } from "./struct.ts";
import type { Unlocked, ValueOptions } from "./value.ts";

/** Codec numbers. */
const ARRAY = 14, RECORDS = 15;

/** What an array in shared memory has beside what a typed array has. */
export interface ArrayExtras<T extends ElementType> {
  /** The array itself. */
  getObj(): SharedArray<T>;
  /** Lets go of it here; between processes it is empty then, or, if it came here several times, with the last of these. Others who have it are not concerned. */
  [Symbol.dispose](): void;
}

/** What an array of type `char` has besides. */
export interface TextExtras {
  /** The text up to the first NUL, in UTF-8. What is assigned must fit; a NUL is written after it if there is room. */
  value: string;
  /** A copy of all its bytes. What is assigned must be as long. */
  raw: Uint8Array;
}

/** An array in shared memory: a typed array, and a few members more. Made by {@linkcode RawArray}, and with a lock by {@linkcode Array}. */
export type SharedArray<T extends ElementType = ElementType> =
  & TypedArrayOf<T>
  & ArrayExtras<T>
  & (NameOf<T> extends "char" ? TextExtras : unknown);

/** What has a lock. */
export interface Locked {
  /** Its lock. */
  getLock(): Lock | RLock;
}

/** An array in shared memory, with a lock. Made by {@linkcode Array}. */
export type LockedArray<T extends ElementType = ElementType> = SharedArray<T> & Locked;

/** What an array is made of. */
interface Part {
  readonly memory: ArrayMemory;
  readonly kind: Kind;
  readonly length: number;
}

type ArrayClass = new (part: Part) => AnyTypedArray & { [HANDLE](): Handle };

const CLASSES = new Map<string, ArrayClass>();

/** The class of shared arrays of a type. */
function classOf(kind: Kind): ArrayClass {
  let found = CLASSES.get(kind.name);
  if (found === undefined) CLASSES.set(kind.name, found = kind.name === "char" ? textClass(kind) : arrayClass(kind));
  return found;
}

function arrayClass(kind: Kind): ArrayClass {
  const Base = kind.array as typeof Float64Array;
  const cls = class extends Base {
    readonly #part: Part;

    constructor(part: Part) {
      super(part.memory.buffer as ArrayBuffer, part.memory.start, part.length);
      this.#part = part;
      if (part.memory.data.lockPart === false) Object.defineProperty(this, "getLock", { value: undefined });
    }

    /** Methods that make arrays make plain ones. */
    static get [Symbol.species](): typeof Base {
      return Base;
    }

    override get buffer(): ArrayBuffer {
      return this.#part.memory.givenBuffer() as ArrayBuffer;
    }

    override subarray(begin?: number, end?: number): Float64Array<ArrayBuffer> {
      return this.#part.memory.kept(super.subarray(begin, end));
    }

    getLock(): Lock | RLock {
      return this.#part.memory.data.lock;
    }

    getObj(): this {
      return this;
    }

    [Symbol.dispose](): void {
      this.#part.memory.dispose();
    }

    [HANDLE](): Handle {
      const { memory: { data }, kind, length } = this.#part;
      return { kind: ARRAY, words: data.place.handle(), parts: { type: kind.name, length, lock: data.lockPart } };
    }
  };
  Object.defineProperty(cls, "name", { value: `Shared${Base.name}` });
  return cls as unknown as ArrayClass;
}

function textClass(kind: Kind): ArrayClass {
  const Base = arrayClass(kind) as unknown as new (part: Part) => Uint8Array;
  return class SharedText extends Base {
    get value(): string {
      const end = this.indexOf(0);
      return new TextDecoder().decode(this.slice(0, end < 0 ? this.length : end));
    }

    set value(text: string) {
      if (typeof text !== "string") throw new TypeError(`Cannot store ${shown(text)} as text: a string is needed`);
      const bytes = new TextEncoder().encode(text);
      if (bytes.length > this.length) throw new RangeError(`Cannot store a text of ${bytes.length} bytes: the array has ${this.length}`);
      this.set(bytes);
      if (bytes.length < this.length) this[bytes.length] = 0;
    }

    get raw(): Uint8Array {
      return this.slice();
    }

    set raw(bytes: Uint8Array) {
      if (!(bytes instanceof Uint8Array)) throw new TypeError("Cannot store this as bytes: a Uint8Array is needed");
      if (bytes.length !== this.length) throw new RangeError(`Cannot store ${bytes.length} bytes: the array has ${this.length}`);
      this.set(bytes);
    }
  } as unknown as ArrayClass;
}

/** An array of records in shared memory: each field is one contiguous column. Made by {@linkcode Array} and {@linkcode RawArray}. */
export class RecordArray<F extends Fields = Fields> {
  /** How many records there are. */
  readonly length: number;
  /** The fields, each as a typed array. */
  readonly columns: ColumnsOf<F>;
  readonly #memory: ArrayMemory;
  readonly #type: StructType<F>;

  /** Arrays are made by {@linkcode Array} and {@linkcode RawArray}. @internal */
  constructor(memory: ArrayMemory, type: StructType<F>, length: number) {
    this.#memory = memory;
    this.#type = type;
    this.length = length;
    this.columns = type.columns(memory.buffer, memory.start, length);
    for (const column of Object.values(this.columns)) memory.kept(column as object);
  }

  /** The record at an index, from the end where that is negative; undefined if there is none. Its fields are those in the memory. */
  at(index: number): RecordOf<F> | undefined {
    const i = Math.trunc(index) || 0, from = i < 0 ? this.length + i : i;
    if (from < 0 || from >= this.length) return undefined;
    return this.#type.record(this.columns, from, () => this.#memory.data.place.check("use"));
  }

  /** Stores a record at an index. @throws {RangeError} There is no such index. @throws {TypeError} It has a field that records here have not. */
  set(index: number, values: Partial<RecordOf<F>>): void {
    if (!Number.isInteger(index) || index < 0 || index >= this.length) {
      throw new RangeError(`Cannot store a record at ${shown(index)}: the array has ${this.length}`);
    }
    this.#type.assign(this.at(index)!, values);
  }

  /** Its lock. There is none if it was made without one. */
  getLock(): Lock | RLock {
    return this.#memory.data.lock;
  }

  /** The array itself. */
  getObj(): this {
    return this;
  }

  /** The records, in order. */
  *[Symbol.iterator](): Generator<RecordOf<F>, void, void> {
    for (let i = 0; i < this.length; i++) yield this.at(i)!;
  }

  /** Lets go of it here; between processes its columns are empty then, or, if it came here several times, with the last of these. Others who have it are not concerned. */
  [Symbol.dispose](): void {
    this.#memory.dispose();
  }

  /** What travels of it. @internal */
  [HANDLE](): Handle {
    const { place, lockPart: lock } = this.#memory.data;
    return { kind: RECORDS, words: place.handle(), parts: { type: this.#type.fields, length: this.length, lock } };
  }
}

/** An array of records in shared memory, with its elements as properties: `points[3].x`. Made by {@linkcode RawArray}, and with a lock by {@linkcode Array}. */
export type SharedRecords<F extends Fields = Fields> = Omit<RecordArray<F>, "getLock"> & { [index: number]: RecordOf<F> };

/** An array of records in shared memory, with a lock. Made by {@linkcode Array}. */
export type LockedRecords<F extends Fields = Fields> = RecordArray<F> & SharedRecords<F>;

/** Whether a property's name is an index. */
function indexOf(key: string | symbol): number {
  return typeof key === "string" && /^(?:0|[1-9]\d*)$/.test(key) ? Number(key) : -1;
}

const INDEXED: ProxyHandler<RecordArray> = {
  get(target, key, receiver) {
    const index = indexOf(key);
    if (index >= 0) return target.at(index);
    if (key === "getObj") return () => receiver;
    const value = Reflect.get(target, key);
    return typeof value === "function" && key !== "constructor" ? value.bind(target) : value;
  },
  set(target, key, value) {
    const index = indexOf(key);
    if (index < 0) throw new TypeError(`Cannot set ${String(key)} of an array of records: only its records can be set`);
    target.set(index, value);
    return true;
  },
};

/** Makes arrays without a lock: see {@linkcode RawArray}. */
export interface RawArrayMaker {
  /** Makes one of numbers. */
  <T extends ElementType>(type: T, lengthOrItems: Items<T>): SharedArray<T>;
  /** Makes one of records. */
  <F extends Fields>(type: StructType<F>, lengthOrItems: number | Iterable<Partial<RecordOf<F>>>): SharedRecords<F>;
  /** Makes one of numbers. */
  new <T extends ElementType>(type: T, lengthOrItems: Items<T>): SharedArray<T>;
  /** Makes one of records. */
  new <F extends Fields>(type: StructType<F>, lengthOrItems: number | Iterable<Partial<RecordOf<F>>>): SharedRecords<F>;
}

/** Makes arrays: see {@linkcode Array}. */
export interface ArrayMaker {
  /** Makes one of numbers without a lock. */
  <T extends ElementType>(type: T, lengthOrItems: Items<T>, options: Unlocked): SharedArray<T>;
  /** Makes one of records without a lock. */
  <F extends Fields>(type: StructType<F>, lengthOrItems: number | Iterable<Partial<RecordOf<F>>>, options: Unlocked): SharedRecords<F>;
  /** Makes one of numbers. */
  <T extends ElementType>(type: T, lengthOrItems: Items<T>, options?: ValueOptions): LockedArray<T>;
  /** Makes one of records. */
  <F extends Fields>(type: StructType<F>, lengthOrItems: number | Iterable<Partial<RecordOf<F>>>, options?: ValueOptions): LockedRecords<F>;
  /** Makes one of numbers without a lock. */
  new <T extends ElementType>(type: T, lengthOrItems: Items<T>, options: Unlocked): SharedArray<T>;
  /** Makes one of records without a lock. */
  new <F extends Fields>(type: StructType<F>, lengthOrItems: number | Iterable<Partial<RecordOf<F>>>, options: Unlocked): SharedRecords<F>;
  /** Makes one of numbers. */
  new <T extends ElementType>(type: T, lengthOrItems: Items<T>, options?: ValueOptions): LockedArray<T>;
  /** Makes one of records. */
  new <F extends Fields>(
    type: StructType<F>,
    lengthOrItems: number | Iterable<Partial<RecordOf<F>>>,
    options?: ValueOptions,
  ): LockedRecords<F>;
}

/** A number of elements, which are zero to begin with, or the elements. */
export type Items<T extends ElementType> = number | Iterable<ElementOf<T>> | (NameOf<T> extends "char" ? string | Uint8Array : never);

function make(home: Home, type: ElementType | StructType, lengthOrItems: unknown, lock: LockOption | undefined): object {
  const given = lockOf(lock, "the array");
  const kind = type instanceof StructType ? null : kindOf(type);
  const items = itemsOf(kind, lengthOrItems);
  const length = typeof items === "number" ? items : items.length;
  const byteLength = kind === null ? (type as StructType).byteLength(length) : length * kind.array.BYTES_PER_ELEMENT;
  const data = SharedData.make(home, "the array", byteLength, given);
  const array = arrayOf(data, kind ?? (type as StructType), length, false);
  if (typeof items !== "number") {
    if (kind === null) items.forEach((item, i) => (array as RecordArray).set(i, item as never));
    else (array as Uint8Array).set(items as never);
  }
  return array;
}

/** How many, or which: checked, and as they are stored. */
function itemsOf(
  kind: Kind | null,
  given: unknown,
): number | ArrayLike<unknown> & { forEach(run: (item: unknown, i: number) => void): void } {
  if (typeof given === "number") {
    if (!Number.isSafeInteger(given) || given < 0) {
      throw new RangeError(`Cannot make an array of ${given} elements: the length must be a whole number from 0 on`);
    }
    return given;
  }
  if (kind?.name === "char") {
    if (typeof given === "string") return new TextEncoder().encode(given);
    if (given instanceof Uint8Array) return given;
  }
  if (typeof given !== "object" || given === null || !(Symbol.iterator in given)) {
    throw new TypeError(`Cannot make an array of ${shown(given)}: its length is needed, or its elements`);
  }
  if (kind === null) return [...given as Iterable<unknown>];
  // What is such an array already needs no look at each element.
  if (given instanceof (kind.array as unknown as typeof Uint8Array) && kind.name !== "bool") return given as unknown as number[];
  return globalThis.Array.from(given as Iterable<unknown>, (item) => kind.toStored(item));
}

function arrayOf(data: SharedData, type: Kind | StructType, length: number, isReceived: boolean): object {
  let memory: ArrayMemory | null = null;
  try {
    if (type instanceof StructType) {
      memory = new ArrayMemory(data, type.byteLength(length), isReceived);
      const array = new RecordArray(memory, type, length);
      if (data.lockPart === false) Object.defineProperty(array, "getLock", { value: undefined });
      return new Proxy(array, INDEXED);
    }
    memory = new ArrayMemory(data, length * type.array.BYTES_PER_ELEMENT, isReceived);
    return new (classOf(type))({ memory, kind: type, length });
  } catch (error) {
    memory?.dispose();
    data.close();
    if (!(error instanceof RangeError)) throw error;
    throw new RangeError(`Cannot make an array of ${length} elements: this runtime has no typed arrays that are so large`, {
      cause: error,
    });
  }
}

/** The maker of arrays of a start method. @param home The memory in which it makes them. */
export function arrayMaker(home: () => Home): ArrayMaker {
  return function Array(type: ElementType | StructType, lengthOrItems: unknown, options?: ValueOptions): object {
    return make(home(), type, lengthOrItems, lockAmong(options, "the array"));
  } as unknown as ArrayMaker;
}

/** {@linkcode arrayMaker}, of those without a lock. */
export function rawArrayMaker(home: () => Home): RawArrayMaker {
  return function RawArray(type: ElementType | StructType, lengthOrItems: unknown): object {
    noOptions("RawArray", arguments[2]);
    return make(home(), type, lengthOrItems, false);
  } as unknown as RawArrayMaker;
}

/**
 * Makes an array in shared memory, with a lock. With or without `new`. It **is** a typed array: its elements are read and written at native speed, and it has all methods of one; those that make arrays make plain ones.
 *
 * @param type The name of a type, Python's code for it, or what `Struct()` gave.
 * @param lengthOrItems How many elements, which are zero to begin with; or the elements.
 * @param options `lock`: another than its own, or false for none.
 * @throws {TypeError} There is no such type, or an element is no value of it; or there is no such option.
 * @throws {RangeError} There is no room for so many.
 * @throws {UnsupportedError} No memory is shared there.
 *
 * @example
 * ```ts
 * import { Array, isMain, Process } from "@polyproc/multiprocessing";
 *
 * export function square(numbers: Array<"float64">) {
 *   for (let i = 0; i < numbers.length; i++) numbers[i] **= 2;
 * }
 *
 * if (isMain(import.meta)) {
 *   const numbers = Array("float64", [1, 2, 3]);
 *   await new Process({ target: square, args: [numbers] }).start().join();
 *   console.log(numbers.join(" ")); // 1 4 9
 * }
 * ```
 */
export const Array: ArrayMaker = /* @__PURE__ */ arrayMaker(defaultHome);
/** An array in shared memory, as {@linkcode Array} makes it: of a type, `Array<"float64">`, or of records, `Array<typeof Point>`. */
export type Array<T extends ElementType | StructType = ElementType> = [T] extends [ElementType] ? LockedArray<T>
  : [T] extends [StructType<infer F>] ? LockedRecords<F>
  : never;

/**
 * Makes an array in shared memory, without a lock. With or without `new`.
 *
 * @param type The name of a type, Python's code for it, or what `Struct()` gave.
 * @param lengthOrItems How many elements, which are zero to begin with; or the elements.
 * @throws {TypeError} There is no such type, or an element is no value of it; or options are given, of which it has none.
 * @throws {RangeError} There is no room for so many.
 * @throws {UnsupportedError} No memory is shared there.
 */
export const RawArray: RawArrayMaker = /* @__PURE__ */ rawArrayMaker(defaultHome);
/** An array in shared memory without a lock, as {@linkcode RawArray} makes it: of a type, `RawArray<"float64">`, or of records, `RawArray<typeof Point>`. */
export type RawArray<T extends ElementType | StructType = ElementType> = [T] extends [ElementType] ? SharedArray<T>
  : [T] extends [StructType<infer F>] ? SharedRecords<F>
  : never;

registerHandle(ARRAY, (words, context, parts) => {
  const { type, length, lock } = parts as { type: ElementType; length: number; lock: LockPart };
  return arrayOf(SharedData.receive(words, context, "the array", lock), kindOf(type), length, true);
});

registerHandle(RECORDS, (words, context, parts) => {
  const { type, length, lock } = parts as { type: Fields; length: number; lock: LockPart };
  return arrayOf(SharedData.receive(words, context, "the array", lock), new StructType(type), length, true);
});
