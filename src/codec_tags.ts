/**
 * The bytes of a message.
 *
 * ```text
 * message  := header value deferred* trailer?
 * header   := MAGIC | flags                       FLAG_REFS: some REF occurs; FLAG_TRIMMED: a trailer follows
 * value    := tag payload                         the tags are below
 * deferred := the contents of each LATER container, in the order of their tags
 * trailer  := (from, padding, byteLength, bytes)* at:f64   the trimmed buffers; `at` is where they begin
 * ```
 *
 * Numbers are little-endian, lengths are LEB128. Every object gets the next number when its tag is written, before its contents;
 * a REF names an object by that number. A shape is a list of keys, written once in a message and numbered likewise.
 *
 * @module
 */

export const MAGIC = 0xb0;
export const FLAG_REFS = 1;
export const FLAG_TRIMMED = 2;

// Tags that carry their number in their low bits.
/** 0x00…0x3f: the integers 0 to 63. */
export const SMALL_INT_END = 0x40;
/** 0x40…0x5f: ASCII strings of 0 to 31 characters. */
export const SHORT_ASCII = 0x40;
export const SHORT_ASCII_END = 0x60;
/** 0x60…0x6f: dense arrays of 0 to 15 elements. */
export const SHORT_ARRAY = 0x60;
export const SHORT_ARRAY_END = 0x70;
/** 0x70…0x7f: an object of the message's shape 0 to 15. */
export const SHORT_SHAPE = 0x70;
export const SHORT_SHAPE_END = 0x80;

export const INT8 = 0x80;
export const INT16 = 0x81;
export const INT32 = 0x82;
export const FLOAT64 = 0x83;
/** A tag of its own, since the bits of NaN differ between engines. */
export const NOT_A_NUMBER = 0x84;
export const NULL = 0x85;
export const UNDEFINED = 0x86;
export const TRUE = 0x87;
export const FALSE = 0x88;
/** In the place of a value: the key went away (a getter deleted it) while the object was read. */
export const ABSENT = 0x89;
export const ASCII = 0x8a;
export const UTF8 = 0x8b;
/** For lone surrogates, which UTF-8 cannot say. */
export const UTF16 = 0x8c;
export const BIGINT64 = 0x8d;
/** sign byte, length, magnitude. */
export const BIGINT = 0x8e;

export const ARRAY = 0x90;
/** length, number of entries, then index or name and value of each. */
export const SPARSE_ARRAY = 0x91;
/** In an array: count (u32), then that many numbers, the next elements. */
export const RUN_INT32 = 0x92;
export const RUN_FLOAT64 = 0x93;
/** hash (u32), byte length of what follows, number of keys, keys; then the values of the first object of the shape. */
export const NEW_SHAPE = 0x94;
export const SHAPE = 0x95;
/** number of entries (u32), then key and value of each: for objects that are dictionaries rather than records. */
export const DICTIONARY = 0x96;
export const MAP = 0x97;
export const SET = 0x98;
export const DATE = 0x99;
export const REGEXP = 0x9a;
export const BOXED = 0x9b;
/** class, bits of which parts there are, the parts, then the own fields as an object. */
export const ERROR = 0x9c;
/** class, then the own fields as an object. */
export const INSTANCE = 0x9d;
/** class, then what the class's codec made of it, with its own deferred contents behind it. */
export const CODED = 0x9e;

export const REF = 0xa0;
export const BUFFER = 0xa1;
export const RESIZABLE_BUFFER = 0xa2;
export const MOVED_BUFFER = 0xa3;
export const TRIMMED_BUFFER = 0xa4;
/** kind, byte offset, element count, buffer. */
export const VIEW = 0xa5;
/** kind, byte offset, buffer: its length follows that of its resizable buffer. */
export const TRACKING_VIEW = 0xa6;
/** kind, byte length, bytes: a view of the whole of a buffer that was not seen before. Numbers the view, then the buffer. */
export const WHOLE_VIEW = 0xa7;
/** kind, element count, trimmed buffer's number, offset from the first view of that buffer (sign bit lowest). */
export const TRIMMED_VIEW = 0xa8;
export const SHARED = 0xa9;
/** kind of container (its own tag), class where it has one: the contents come later, so that deep values need no deep stack. */
export const LATER = 0xaa;

// Parts of an error.
export const HAS_MESSAGE = 1;
export const HAS_STACK = 2;
export const HAS_CAUSE = 4;
export const HAS_ERRORS = 8;
export const HAS_NAME = 16;
/** Two values: what was thrown last, and what it came on top of. */
export const HAS_SUPPRESSED = 32;

/**
 * Bytes of a buffer, from so many on, begin at a multiple of eight from the message's start, with zeros before them: engines copy to and
 * from shared memory word by word only where both sides are aligned alike, and else byte by byte.
 */
export const LARGE_BYTES = 0x10000;

/** From here down a container's contents are deferred. */
export const DEFER_DEPTH = 128;
/** Deeper than this nothing is written or read, deferred or not. */
export const MAX_DEPTH = 900;

/** Names of the view types in the order of their numbers on the wire. */
export const VIEW_NAMES: readonly string[] = [
  "DataView",
  "Uint8Array",
  "Int8Array",
  "Uint8ClampedArray",
  "Uint16Array",
  "Int16Array",
  "Uint32Array",
  "Int32Array",
  "Float32Array",
  "Float64Array",
  "BigInt64Array",
  "BigUint64Array",
  "Float16Array",
];

/** What the view constructors have in common. */
export interface ViewConstructor {
  new (buffer: ArrayBuffer, byteOffset?: number, length?: number): ArrayBufferView;
  readonly BYTES_PER_ELEMENT?: number;
}

/** The view types by number; a runtime without `Float16Array` has a gap. */
export const VIEW_TYPES: readonly (ViewConstructor | undefined)[] = VIEW_NAMES.map((name) =>
  (globalThis as unknown as Record<string, ViewConstructor>)[name]
);
