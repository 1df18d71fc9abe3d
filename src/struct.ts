/**
 * Records in shared memory: fields with names and types. Of an array of them each field is one contiguous column.
 *
 * @module
 */
import { LIBRARY, registerClass } from "./codec.ts";
import { isObject, shown } from "./options.ts";
import { type AnyTypedArray, type ElementOf, type ElementType, type Kind, kindOf, readAnew, type TypedArrayOf } from "./element_type.ts";

/** The fields of a record: names, and types. */
export type Fields = Readonly<Record<string, ElementType>>;

/** The values of a record. */
export type RecordOf<F extends Fields> = { -readonly [K in keyof F]: ElementOf<F[K]> };

/** The columns of an array of records. */
export type ColumnsOf<F extends Fields> = { readonly [K in keyof F]: TypedArrayOf<F[K]> };

/** What a record's fields must not be called, since a shared value has members of that name. */
const RESERVED = new Set(["getLock", "getObj", "waitFor", "waitForSync", "toString", "constructor", "__proto__", "then"]);
/** Columns begin at multiples of this, in bytes. */
const ALIGNMENT = 8;

/** One field, in an array of some length. */
interface Column {
  readonly name: string;
  readonly kind: Kind;
  /** Byte at which it begins. */
  readonly offset: number;
}

/** A type of records, for {@linkcode Value} and {@linkcode Array}. Made by {@linkcode Struct}. */
export class StructType<F extends Fields = Fields> {
  /** Its fields, in order. */
  readonly fields: F;
  readonly #kinds: readonly (readonly [string, Kind])[];

  /** {@linkcode Struct} makes them. @param fields Names and types. */
  constructor(fields: F) {
    if (!isObject(fields) || Object.keys(fields).length === 0) {
      throw new TypeError('Cannot make a type of records: it takes an object of names and types, { x: "float64", y: "float64" }');
    }
    for (const name of Object.keys(fields)) {
      if (RESERVED.has(name)) {
        throw new TypeError(`Cannot make a type of records with a field "${name}": that name is taken; choose another`);
      }
    }
    this.#kinds = Object.entries(fields).map(([name, type]) => [name, kindOf(type)] as const);
    this.fields = Object.freeze(Object.fromEntries(this.#kinds.map(([name, kind]) => [name, kind.name]))) as unknown as F;
  }

  /** Bytes that an array of so many takes. @internal */
  byteLength(length: number): number {
    const { offset, kind } = this.#columns(length).at(-1)!;
    return offset + kind.array.BYTES_PER_ELEMENT * length;
  }

  /** The columns of an array whose bytes begin at `start` in a buffer. @internal */
  columns(buffer: ArrayBufferLike, start: number, length: number): ColumnsOf<F> {
    const columns = this.#columns(length).map(({ name, kind, offset }) => [name, new kind.array(buffer, start + offset, length)] as const);
    return Object.freeze(Object.fromEntries(columns)) as unknown as ColumnsOf<F>;
  }

  /** The record of an index. @internal */
  record(columns: ColumnsOf<F>, index: number, check: () => void): RecordOf<F> {
    return Object.preventExtensions(this.define({}, columns, index, check, () => {})) as RecordOf<F>;
  }

  /** Gives an object the fields of the record of an index. @param check Called before each use. @param stored Called after each change. @internal */
  define<T extends object>(object: T, columns: ColumnsOf<F>, index: number, check: () => void, stored: () => void): T {
    for (const [name, kind] of this.#kinds) {
      const column = columns[name] as AnyTypedArray;
      Object.defineProperty(object, name, {
        enumerable: true,
        get() {
          check();
          readAnew();
          return kind.fromStored(column[index]);
        },
        set(value: unknown) {
          check();
          column[index] = kind.toStored(value) as never;
          stored();
        },
      });
    }
    return object;
  }

  /** Stores the fields that an object has. @throws {TypeError} It has another, or one is no value of its type. @internal */
  assign(target: object, values: unknown): void {
    // Of a Map or an array nothing would be stored.
    if (Object.prototype.toString.call(values) !== "[object Object]") {
      throw new TypeError(`Cannot store ${shown(values)} as a record: an object with ${Object.keys(this.fields).join(", ")} is needed`);
    }
    const all = Object.entries(values as object);
    // All of them, or none.
    for (const [name, value] of all) {
      if (!Object.hasOwn(this.fields, name)) {
        throw new TypeError(`Cannot store a field "${name}" of a record: it has ${Object.keys(this.fields).join(", ")}`);
      }
      kindOf(this.fields[name]).toStored(value);
    }
    for (const [name, value] of all) (target as Record<string, unknown>)[name] = value;
  }

  static {
    registerClass(LIBRARY, StructType, { encode: ({ fields }) => fields, decode: (fields) => new StructType(fields as Fields) });
  }

  #columns(length: number): Column[] {
    let offset = 0;
    return this.#kinds.map(([name, kind]) => {
      const column = { name, kind, offset };
      offset = Math.ceil((offset + kind.array.BYTES_PER_ELEMENT * length) / ALIGNMENT) * ALIGNMENT;
      return column;
    });
  }
}

/**
 * Makes a type of records, for {@linkcode Value} and {@linkcode Array}. Python: a subclass of `ctypes.Structure`.
 *
 * @param fields Names and types.
 * @throws {TypeError} There is no such type, or a name is taken.
 *
 * @example
 * ```ts
 * import { Array, Struct } from "@polyproc/multiprocessing";
 *
 * const Point = Struct({ x: "float64", y: "float64", id: "int32" });
 * const points = Array(Point, 1000);
 * points[3].x = 1.5;
 * console.log(points.columns.x[3]); // 1.5
 * ```
 */
export function Struct<const F extends Fields>(fields: F): StructType<F> {
  return new StructType(fields);
}
