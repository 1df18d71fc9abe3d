/**
 * Lists of small values in a named block, in the byte layout of CPython's `ShareableList`:
 *
 * ```text
 * number of items: i64 │ where each item begins, and the last ends, in the data: i64 × (n + 1) │ data │ format of each item: 8 bytes × n │ kind of each item: 1 byte × n
 * ```
 *
 * A format is one of Python's `struct`: `q` is a whole number, `d` a float, `xxxxxxx?` a boolean, `xxxxxx?x` None, `<bytes>s` a text or bytes. CPython takes NULs off the end of those, since their formats tell the place of an
 * item and not its length. Here the format of an item that ends with NULs tells its length. (To that length CPython cuts, in silence, what it
 * stores in the place of such an item.)
 *
 * @module
 */
import { LIBRARY, registerClass } from "./codec.ts";
import { TextDecoder, TextEncoder } from "./host.ts";
import { printAs } from "./printed.ts";
import { ANYTHING, check, checkArgument, ITERABLE, shown } from "./options.ts";
import { SharedMemory } from "./shared_memory.ts";

/** What such a list holds. */
export type ShareableItem = number | bigint | boolean | string | Uint8Array | null;

const INTEGER = "q", FLOAT = "d", BOOLEAN = "xxxxxxx?", NOTHING = "xxxxxx?x";
const PLAIN = 0, TEXT = 1, BYTES = 2, NONE = 3;
const WORD = 8;

/** An item as it is stored. */
interface Stored {
  /** Null: a text, or bytes. */
  readonly format: string | null;
  readonly kind: number;
  readonly bytes: Uint8Array;
}

/**
 * A list of fixed length in a named block: numbers, booleans, texts, bytes and null. A whole number is stored as an integer, unless it takes the place of a float. Each text and each array of bytes keeps the place that it was given at first, in steps of 8 bytes. Python: `shared_memory.ShareableList`, which takes NULs off the end of texts and bytes, and cuts what it stores in the place of such a one.
 *
 * @example
 * ```ts
 * import { ShareableList } from "@polyproc/multiprocessing";
 *
 * const list = new ShareableList([1, 2.5, "three", null, true]);
 * const same = new ShareableList(null, { name: list.shm.name });
 * same[2] = "drei";
 * console.log(list[2], list.length); // drei 5
 * same.shm.close();
 * list.shm.close();
 * list.shm.unlink();
 * ```
 */
export class ShareableList {
  /** The block that it lies in: close it when the list is not needed here any more, unlink it when nobody needs it. */
  readonly shm: SharedMemory;
  /** How many items there are. */
  readonly length: number;
  /** Where each item begins in the data, and the last one ends. */
  readonly #offsets: readonly number[];
  /** An item, from the end where the index is negative. */
  [index: number]: ShareableItem;

  /**
   * Makes a list, or opens one.
   *
   * @param sequence The items of a new list; null or undefined: opens the one of that name.
   * @param options `name`: of the block. A new list needs none.
   * @throws {TypeError} This is no iterable, an item is nothing that can be stored, or there is no such option.
   * @throws {ProcessError} There is a block of that name already (`code` is `"EEXIST"`), or there is none (`"ENOENT"`).
   * @throws {RangeError} The block of that name holds no list.
   */
  constructor(sequence?: Iterable<ShareableItem> | null, options: { name?: string } = {}) {
    check(options, { name: ANYTHING }, "make a list");
    const { name } = options;
    if (name !== undefined && (sequence === undefined || sequence === null)) {
      this.shm = new SharedMemory({ name });
      this.length = this.shm.size < WORD ? -1 : Number(this.#view.getBigInt64(0, true));
      if (!(this.length >= 0 && layoutOf(this.length, 0).size <= this.shm.size)) {
        this.shm.close();
        throw new RangeError(`Cannot open the list "${name}": the block holds no list`);
      }
      this.#offsets = globalThis.Array.from({ length: this.length + 1 }, (_, i) => Number(this.#view.getBigInt64((i + 1) * WORD, true)));
    } else {
      const given = sequence ?? [];
      checkArgument("sequence", given, ITERABLE, "make a list");
      const items = [...given].map((item) => storedOf(item, null));
      const offsets = [0];
      for (const { format, bytes } of items) offsets.push(offsets.at(-1)! + (format === null ? placeFor(bytes.length) : WORD));
      this.length = items.length;
      this.#offsets = offsets;
      this.shm = new SharedMemory({ name, create: true, size: layoutOf(items.length, offsets.at(-1)!).size });
      [items.length, ...offsets].forEach((word, i) => this.#view.setBigInt64(i * WORD, BigInt(word), true));
      items.forEach((item, i) => this.#store(i, item));
    }
    return new Proxy(this, INDEXED);
  }

  /** The item at an index, from the end where that is negative; undefined if there is none. */
  at(index: number): ShareableItem | undefined {
    const at = this.#index(index);
    if (at < 0) return undefined;
    const { buf } = this.shm, { data, kinds } = this.#layout;
    const start = data + this.#offsets[at], format = this.#format(at), kind = buf[kinds + at];
    if (kind === NONE) return null;
    if (format === BOOLEAN) return buf[start + 7] !== 0;
    if (format === FLOAT) return this.#view.getFloat64(start, true);
    if (format === INTEGER) {
      const value = this.#view.getBigInt64(start, true);
      return Number.isSafeInteger(Number(value)) ? Number(value) : value;
    }
    const length = Number(/^(\d+)s$/.exec(format)?.[1]), place = this.#offsets[at + 1] - this.#offsets[at];
    if (!(length <= place)) {
      throw new RangeError(`Cannot read an item of the format ${JSON.stringify(format)}: the block holds no list, or a damaged one`);
    }
    const bytes = buf.slice(start, start + length);
    let end = length;
    // The whole place, which is filled up with NULs.
    if (length === place) { while (end > 0 && bytes[end - 1] === 0) end--; }
    return kind === TEXT ? new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes.subarray(0, end)) : bytes.slice(0, end);
  }

  /**
   * Stores an item at an index, from the end where that is negative.
   *
   * @throws {RangeError} There is no such index, or a text or bytes do not fit in the place of the item.
   * @throws {TypeError} The item is nothing that can be stored.
   */
  set(index: number, item: ShareableItem): void {
    const at = Number.isInteger(index) ? this.#index(index) : -1;
    if (at < 0) throw new RangeError(`Cannot store an item at ${shown(index)}: the list has ${this.length}`);
    const stored = storedOf(item, this.#format(at));
    const place = this.#offsets[at + 1] - this.#offsets[at];
    const needed = stored.bytes.length + Number(stored.format === null && stored.bytes.at(-1) === 0);
    if (needed > place) {
      throw new RangeError(
        `Cannot store ${needed} bytes at ${index}: the item has a place of ${place}; make the list with a longer one there`,
      );
    }
    this.#store(at, stored);
  }

  /** How many items are equal to this one. */
  count(item: ShareableItem): number {
    let count = 0;
    for (let i = 0; i < this.length; i++) if (isSame(item, this.at(i)!)) count++;
    return count;
  }

  /** The index of the first item that is equal to this one. @throws {RangeError} None is. */
  index(item: ShareableItem): number {
    for (let i = 0; i < this.length; i++) if (isSame(item, this.at(i)!)) return i;
    throw new RangeError(`Cannot find ${shown(item)}: no item of the list is equal to it`);
  }

  /** The formats of all items, one after another, as Python's `struct` has them. */
  get format(): string {
    let format = "";
    for (let i = 0; i < this.length; i++) format += this.#format(i);
    return format;
  }

  /** The items, in order. */
  *[Symbol.iterator](): Generator<ShareableItem, void, void> {
    for (let i = 0; i < this.length; i++) yield this.at(i)!;
  }

  /** Closes its block here. */
  [Symbol.dispose](): void {
    this.shm.close();
  }

  get #view(): DataView {
    const { buffer, byteOffset, byteLength } = this.shm.buf;
    return new DataView(buffer, byteOffset, byteLength);
  }

  get #layout(): Layout {
    return layoutOf(this.length, this.#offsets[this.length]);
  }

  #index(index: number): number {
    const i = Math.trunc(index) || 0, at = i < 0 ? this.length + i : i;
    return at >= 0 && at < this.length ? at : -1;
  }

  #format(at: number): string {
    const start = this.#layout.formats + at * WORD;
    return new TextDecoder().decode(this.shm.buf.slice(start, start + WORD)).replace(/\0+$/, "");
  }

  #store(at: number, { format, kind, bytes }: Stored): void {
    const { buf } = this.shm, { data, formats, kinds } = this.#layout;
    const start = data + this.#offsets[at], end = data + this.#offsets[at + 1];
    const length = bytes.at(-1) === 0 ? bytes.length : end - start;
    buf.fill(0, start, end);
    buf.set(bytes, start);
    buf.fill(0, formats + at * WORD, formats + (at + 1) * WORD);
    buf.set(new TextEncoder().encode(format ?? `${length}s`), formats + at * WORD);
    buf[kinds + at] = kind;
  }

  static {
    printAs(this.prototype, (list) => `name='${list.shm.name}' length=${list.length}`);
    registerClass(LIBRARY, ShareableList, {
      encode: ({ shm }) => shm.name,
      decode: (name) => new ShareableList(null, { name: String(name) }),
    });
  }
}

const isIndex = (key: string | symbol) => typeof key === "string" && /^-?\d+$/.test(key);

const INDEXED: ProxyHandler<ShareableList> = {
  get(target, key) {
    if (isIndex(key)) return target.at(Number(key));
    const value = Reflect.get(target, key, target);
    return typeof value === "function" && key !== "constructor" ? value.bind(target) : value;
  },
  set(target, key, value) {
    if (!isIndex(key)) throw new TypeError(`Cannot set ${String(key)} of a ShareableList: only its items can be set`);
    target.set(Number(key), value);
    return true;
  },
};

/** Bytes of the place for a text or bytes: a whole number of words, and at least one byte more than needed. */
function placeFor(length: number): number {
  return WORD * (Math.floor(length / WORD) + 1);
}

/** Where the parts of a list are, in bytes. */
interface Layout {
  readonly data: number;
  readonly formats: number;
  readonly kinds: number;
  readonly size: number;
}

function layoutOf(length: number, dataLength: number): Layout {
  const data = (length + 2) * WORD, formats = data + dataLength, kinds = formats + length * WORD;
  return { data, formats, kinds, size: kinds + length };
}

/** @param before The format of what it takes the place of: a float stays one. */
function storedOf(item: ShareableItem, before: string | null): Stored {
  const bytes = new Uint8Array(WORD), view = new DataView(bytes.buffer);
  if (item === null) return { format: NOTHING, kind: NONE, bytes };
  switch (typeof item) {
    case "boolean":
      bytes[7] = Number(item);
      return { format: BOOLEAN, kind: PLAIN, bytes };
    case "number":
      if (!Number.isSafeInteger(item) || before === FLOAT || Object.is(item, -0)) {
        view.setFloat64(0, item, true);
        return { format: FLOAT, kind: PLAIN, bytes };
      }
      view.setBigInt64(0, BigInt(item), true);
      return { format: INTEGER, kind: PLAIN, bytes };
    case "bigint":
      if (BigInt.asIntN(64, item) !== item) throw new RangeError(`Cannot store ${item} in a ShareableList: it has more than 64 bits`);
      view.setBigInt64(0, item, true);
      return { format: INTEGER, kind: PLAIN, bytes };
    case "string":
      return { format: null, kind: TEXT, bytes: new TextEncoder().encode(item) };
  }
  if (item instanceof Uint8Array) return { format: null, kind: BYTES, bytes: item };
  throw new TypeError(`Cannot store ${shown(item)} in a ShareableList: it holds numbers, booleans, texts, bytes and null`);
}

function isSame(a: ShareableItem, b: ShareableItem): boolean {
  if (a instanceof Uint8Array) return b instanceof Uint8Array && a.length === b.length && a.every((byte, i) => byte === b[i]);
  if (typeof a === "bigint" && typeof b === "number") return Number.isInteger(b) && a === BigInt(b);
  return a === b || typeof a === "number" && typeof b === "bigint" && isSame(b, a);
}
