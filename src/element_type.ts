/**
 * The types of what lies in shared memory: names, Python's codes for them, and how their values are checked and stored.
 *
 * @module
 */
import { shown } from "./options.ts";

/** JavaScript's values, and its typed arrays, by the names of types. */
export interface Elements {
  int8: [number, Int8Array];
  uint8: [number, Uint8Array];
  int16: [number, Int16Array];
  uint16: [number, Uint16Array];
  int32: [number, Int32Array];
  uint32: [number, Uint32Array];
  int64: [bigint, BigInt64Array];
  uint64: [bigint, BigUint64Array];
  float32: [number, Float32Array];
  float64: [number, Float64Array];
  bool: [boolean, Uint8Array];
  char: [string, Uint8Array];
}

/** Python's codes, those of its modules `array` and `ctypes`. A C `long` has 64 bits. */
export interface Codes {
  b: "int8";
  B: "uint8";
  h: "int16";
  H: "uint16";
  i: "int32";
  I: "uint32";
  l: "int64";
  L: "uint64";
  q: "int64";
  Q: "uint64";
  f: "float32";
  d: "float64";
  "?": "bool";
  c: "char";
}

/** The name of a type. */
export type ElementName = keyof Elements;

/** The name of a type, or Python's code for it. */
export type ElementType = ElementName | keyof Codes;

/** The name of a type, for its name or code. */
export type NameOf<T extends ElementType> = T extends keyof Codes ? Codes[T] : T extends keyof Elements ? T : never;

/** The value of one element of a type. */
export type ElementOf<T extends ElementType> = Elements[NameOf<T>][0];

/** The typed array of a type. */
export type TypedArrayOf<T extends ElementType> = Elements[NameOf<T>][1];

/** Any typed array. */
export type AnyTypedArray = Elements[keyof Elements][1];

/** A typed array's constructor. */
export interface TypedArrayClass {
  new (buffer: ArrayBufferLike, byteOffset: number, length: number): AnyTypedArray;
  readonly prototype: AnyTypedArray;
  readonly name: string;
  readonly BYTES_PER_ELEMENT: number;
}

/** What is known of a type. */
export interface Kind {
  readonly name: keyof Elements;
  readonly array: TypedArrayClass;
  readonly isInteger: boolean;
  /** What is stored for a value. @throws {TypeError} It is no value of the type. */
  toStored(value: unknown): number | bigint;
  /** The value for what is stored. */
  fromStored(stored: number | bigint): unknown;
}

const CODES: Readonly<Record<keyof Codes, keyof Elements>> = {
  b: "int8",
  B: "uint8",
  h: "int16",
  H: "uint16",
  i: "int32",
  I: "uint32",
  l: "int64",
  L: "uint64",
  q: "int64",
  Q: "uint64",
  f: "float32",
  d: "float64",
  "?": "bool",
  c: "char",
};

const same = (stored: number | bigint) => stored;

function wrong(value: unknown, wanted: string): TypeError {
  return new TypeError(`Cannot store ${shown(value)}: ${wanted} is needed`);
}

function integer(name: keyof Elements, array: unknown): Kind {
  return {
    name,
    array: array as TypedArrayClass,
    isInteger: true,
    toStored(value) {
      if (typeof value !== "number" || !Number.isInteger(value)) throw wrong(value, `a whole number, for type "${name}",`);
      return value;
    },
    fromStored: same,
  };
}

function bigInteger(name: keyof Elements, array: unknown): Kind {
  return {
    name,
    array: array as TypedArrayClass,
    isInteger: true,
    toStored(value) {
      if (typeof value === "bigint") return value;
      if (typeof value !== "number" || !Number.isSafeInteger(value)) throw wrong(value, `a bigint or a safe integer, for type "${name}",`);
      return BigInt(value);
    },
    fromStored: same,
  };
}

function float(name: keyof Elements, array: unknown): Kind {
  return {
    name,
    array: array as TypedArrayClass,
    isInteger: false,
    toStored(value) {
      if (typeof value !== "number") throw wrong(value, `a number, for type "${name}",`);
      return value;
    },
    fromStored: same,
  };
}

const KINDS: Readonly<Record<keyof Elements, Kind>> = {
  int8: integer("int8", Int8Array),
  uint8: integer("uint8", Uint8Array),
  int16: integer("int16", Int16Array),
  uint16: integer("uint16", Uint16Array),
  int32: integer("int32", Int32Array),
  uint32: integer("uint32", Uint32Array),
  int64: bigInteger("int64", BigInt64Array),
  uint64: bigInteger("uint64", BigUint64Array),
  float32: float("float32", Float32Array),
  float64: float("float64", Float64Array),
  bool: {
    name: "bool",
    array: Uint8Array,
    isInteger: false,
    toStored(value) {
      if (typeof value !== "boolean" && value !== 0 && value !== 1) throw wrong(value, 'true or false, for type "bool",');
      return Number(value);
    },
    fromStored: (stored) => stored !== 0,
  },
  char: {
    name: "char",
    array: Uint8Array,
    isInteger: false,
    toStored(value) {
      if (typeof value !== "string" || value.length !== 1 || value > "\xff") {
        throw wrong(value, 'one character up to U+00FF, for type "char",');
      }
      return value.charCodeAt(0);
    },
    fromStored: (stored) => String.fromCharCode(Number(stored)),
  },
};

/** What is known of a type, by its name or code. @throws {TypeError} There is no such type. */
export function kindOf(type: unknown): Kind {
  const name = typeof type === "string" && Object.hasOwn(CODES, type) ? CODES[type as keyof Codes] : type;
  if (typeof name === "string" && Object.hasOwn(KINDS, name)) return KINDS[name as keyof Elements];
  throw new TypeError(
    `There is no type ${shown(type)}: there are ${Object.keys(KINDS).join(", ")}, Python's codes for them (${
      Object.keys(CODES).join(" ")
    }), and those that Struct() makes`,
  );
}

const WORD = new Int32Array(1);

/** Before a plain read of what another may change. Engines may read it once for all turns of a loop, but not across an atomic operation, whatever that is about. */
export function readAnew(): void {
  Atomics.load(WORD, 0);
}
