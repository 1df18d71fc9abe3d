/**
 * Single values in shared memory: numbers, and records.
 *
 * @module
 */
import { HANDLE, type Handle, registerHandle } from "./codec.ts";
import {
  type AnyTypedArray,
  type ElementName,
  type ElementOf,
  type Elements,
  type ElementType,
  type Kind,
  kindOf,
  type NameOf,
  readAnew,
} from "./element_type.ts";
import { ProcessError } from "./errors.ts";
import type { SharedObject } from "./holding.ts";
import { checkMayBlock, defaultHome, type Home } from "./home.ts";
import type { Lock, RLock } from "./lock.ts";
import { printAs } from "./printed.ts";
import { answerOf, type Attempt, checkPredicate, checkTimeout, checkWait, PENDING, type WaitOptions } from "./attempt.ts";
import { lockAmong, lockOf, type LockOption, type LockPart, noOptions, SharedData } from "./shared_data.ts";
import { type Fields, type RecordOf, StructType } from "./struct.ts";

/** Codec numbers. */
const VALUE = 12, RECORD = 13;

/** Not names, which a record's fields may have. */
const DATA: unique symbol = Symbol("data"), CURRENT: unique symbol = Symbol("current"), TYPE: unique symbol = Symbol("type");

/** What is common to shared values of all types. */
abstract class AnyValue<V> implements SharedObject {
  readonly #data: SharedData;

  protected constructor(data: SharedData) {
    this.#data = data;
  }

  /** No property of its own: what is copied of a record is its fields. @internal */
  get [DATA](): SharedData {
    return this.#data;
  }

  /**
   * Waits until `predicate` is true of the value: it is asked at once, and after each change that is made through a shared value. (One that is made behind its back is seen within half a second.)
   *
   * @param options `timeout` in milliseconds; `signal`.
   * @return True; false when the time is up.
   * @throws {TypeError} The options are wrong, or `predicate` is no function, or gives a promise.
   */
  waitFor(predicate: (value: V) => unknown, options?: WaitOptions): Promise<boolean> {
    const { place, watchers } = this[DATA];
    try {
      checkWait(options);
      place.check("wait for");
      options?.signal?.throwIfAborted();
      const what = this.#attempt(predicate);
      if (what.attempt(false) === true) return Promise.resolve(true);
      return place.me.parker.tasks.sleep(watchers, what, options, () => false, place.scope);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** {@linkcode SharedValue.waitFor}, blocking. @throws {UnsupportedError} This thread may not block. */
  waitForSync(predicate: (value: V) => unknown, options?: { timeout?: number }): boolean {
    const { place, watchers } = this[DATA];
    checkTimeout(options);
    place.check("wait for");
    checkMayBlock(place.me, "waitForSync");
    const what = this.#attempt(predicate);
    return what.attempt(false) === true || place.me.parker.sleepSync(watchers, what, options?.timeout, () => false);
  }

  /** Lets go of the object here. Others who have it are not concerned. */
  [Symbol.dispose](): void {
    this[DATA].close();
  }

  /** What travels of it. @internal */
  abstract [HANDLE](): Handle;

  /** What a predicate is asked about. @internal */
  abstract get [CURRENT](): V;

  #attempt(predicate: (value: V) => unknown): Attempt<boolean> {
    checkPredicate(predicate);
    return { attempt: () => Boolean(answerOf(predicate(this[CURRENT]))) || PENDING, more: () => false, isOutOfOrder: true };
  }
}

type Step = (cell: Int32Array, index: number, value: number) => number;

/**
 * A value in shared memory. Made by {@linkcode RawValue}, and with a lock by {@linkcode Value}.
 *
 * Its type is that of the name, also where it is made by Python's code, and says `out`: left to itself the compiler takes values of all types for each other's.
 */
export class SharedValue<out T extends ElementName = ElementName> extends AnyValue<Elements[T][0]> {
  readonly #kind: Kind;
  readonly #cell: AnyTypedArray;

  /** Values are made by {@linkcode Value} and {@linkcode RawValue}. @internal */
  constructor(data: SharedData, kind: Kind) {
    super(data);
    this.#kind = kind;
    const { arena } = data.place.me;
    const { buffer, byteOffset } = arena.window(data.offset).bytes;
    this.#cell = new kind.array(buffer, byteOffset + arena.byteIndex(data.offset), 1);
  }

  /** @internal */
  get [TYPE](): Kind {
    return this.#kind;
  }

  /** The value. Integers that are too large wrap, as in C. @throws {TypeError} What is assigned is no value of its type. */
  get value(): Elements[T][0] {
    this[DATA].place.check("read");
    readAnew();
    return this.#kind.fromStored(this.#cell[0]) as Elements[T][0];
  }

  set value(value: Elements[T][0]) {
    this[DATA].place.check("write to");
    this.#cell[0] = this.#kind.toStored(value) as never;
    this[DATA].stored();
  }

  /** Adds to an integer in one step, which nobody comes between. @return What it was before. @throws {ProcessError} It is no integer. */
  add(by: Elements[T][0]): Elements[T][0] {
    return this.#step(Atomics.add, by);
  }

  /** Subtracts from an integer in one step. @return What it was before. @throws {ProcessError} It is no integer. */
  sub(by: Elements[T][0]): Elements[T][0] {
    return this.#step(Atomics.sub, by);
  }

  /** Bitwise and, in one step. @return What it was before. @throws {ProcessError} It is no integer. */
  and(mask: Elements[T][0]): Elements[T][0] {
    return this.#step(Atomics.and, mask);
  }

  /** Bitwise or, in one step. @return What it was before. @throws {ProcessError} It is no integer. */
  or(mask: Elements[T][0]): Elements[T][0] {
    return this.#step(Atomics.or, mask);
  }

  /** Bitwise exclusive or, in one step. @return What it was before. @throws {ProcessError} It is no integer. */
  xor(mask: Elements[T][0]): Elements[T][0] {
    return this.#step(Atomics.xor, mask);
  }

  /** Puts an integer in the place of what is there, in one step. @return What was there. @throws {ProcessError} It is no integer. */
  exchange(value: Elements[T][0]): Elements[T][0] {
    return this.#step(Atomics.exchange, value);
  }

  /** Puts an integer in the place of `expected`, if that is there, in one step. @return What was there. @throws {ProcessError} It is no integer. */
  compareExchange(expected: Elements[T][0], value: Elements[T][0]): Elements[T][0] {
    const wanted = this.#kind.toStored(expected) as number;
    return this.#step((cell, index, stored) => Atomics.compareExchange(cell, index, wanted, stored), value);
  }

  static {
    printAs(this.prototype, (shared) => shared[DATA].place.looks(() => `type=${shared[TYPE].name} value=${String(shared.value)}`));
  }

  /** What travels of it. @internal */
  [HANDLE](): Handle {
    const { place, lockPart: lock } = this[DATA];
    return { kind: VALUE, words: place.handle(), parts: { type: this[TYPE].name, lock } };
  }

  /** The value. @internal */
  get [CURRENT](): Elements[T][0] {
    return this.value;
  }

  #step(step: Step, value: unknown): Elements[T][0] {
    const data = this[DATA];
    data.place.check("change");
    if (!this.#kind.isInteger) {
      throw new ProcessError(`Cannot change a value of type "${this[TYPE].name}" in one step, only integers; hold its lock meanwhile`);
    }
    const before = step(this.#cell as Int32Array, 0, this.#kind.toStored(value) as number);
    data.changed();
    return before as Elements[T][0];
  }
}

/** A value in shared memory, with a lock. Made by {@linkcode Value}. */
export class LockedValue<out T extends ElementName = ElementName> extends SharedValue<T> {
  /** Its lock, for what takes more than one step. */
  getLock(): Lock | RLock {
    return this[DATA].lock;
  }

  /** The same value, without its lock. */
  getObj(): SharedValue<T> {
    return new SharedValue(this[DATA].withoutLock(), this[TYPE]);
  }
}

/** A record in shared memory; its fields are properties, which types such as `RawValue<typeof Point>` have. Made by {@linkcode RawValue}, and with a lock by {@linkcode Value}. */
export class SharedRecord<F extends Fields = Fields> extends AnyValue<RecordOf<F>> {
  readonly #type: StructType<F>;

  /** Records are made by {@linkcode Value} and {@linkcode RawValue}. @internal */
  constructor(data: SharedData, type: StructType<F>) {
    super(data);
    this.#type = type;
    const { buffer, start } = data.place.me.arena.range(data.offset, type.byteLength(1));
    type.define(this, type.columns(buffer, start, 1), 0, () => data.place.check("use"), () => data.stored());
  }

  /** @internal */
  get [TYPE](): StructType<F> {
    return this.#type;
  }

  static {
    const fields = (record: object) => Object.entries(record).map(([name, value]) => `${name}=${String(value)}`).join(" ");
    printAs(this.prototype, (record) => record[DATA].place.looks(() => fields(record)));
  }

  /** What travels of it. @internal */
  [HANDLE](): Handle {
    const { place, lockPart: lock } = this[DATA];
    return { kind: RECORD, words: place.handle(), parts: { type: this[TYPE].fields, lock } };
  }

  /** The record. @internal */
  get [CURRENT](): RecordOf<F> {
    return this as unknown as RecordOf<F>;
  }
}

/** A record in shared memory, with a lock. Made by {@linkcode Value}, whose type has its fields too: `Value<typeof Point>`. */
export class LockedRecord<F extends Fields = Fields> extends SharedRecord<F> {
  /** Its lock, for what takes more than one step. */
  getLock(): Lock | RLock {
    return this[DATA].lock;
  }

  /** The same record, without its lock. */
  getObj(): SharedRecord<F> & RecordOf<F> {
    return recordOf(this[DATA].withoutLock(), this[TYPE], false) as SharedRecord<F> & RecordOf<F>;
  }
}

/** How a value or an array is made. */
export interface ValueOptions {
  /** Its lock: one of its own (true, the default), another, or none. */
  lock?: LockOption;
}

/** How one without a lock is made. */
export interface Unlocked extends ValueOptions {
  /** None. */
  lock: false;
}

/** Makes values without a lock: see {@linkcode RawValue}. */
export interface RawValueMaker {
  /** Makes one. */
  <T extends ElementType>(type: T, initial?: ElementOf<T>): SharedValue<NameOf<T>>;
  /** Makes a record. */
  <F extends Fields>(type: StructType<F>, initial?: Partial<RecordOf<F>>): SharedRecord<F> & RecordOf<F>;
  /** Makes one. */
  new <T extends ElementType>(type: T, initial?: ElementOf<T>): SharedValue<NameOf<T>>;
  /** Makes a record. */
  new <F extends Fields>(type: StructType<F>, initial?: Partial<RecordOf<F>>): SharedRecord<F> & RecordOf<F>;
}

/** Makes values: see {@linkcode Value}. */
export interface ValueMaker {
  /** Makes one without a lock. */
  <T extends ElementType>(type: T, initial: ElementOf<T> | undefined, options: Unlocked): SharedValue<NameOf<T>>;
  /** Makes a record without a lock. */
  <F extends Fields>(type: StructType<F>, initial: Partial<RecordOf<F>> | undefined, options: Unlocked): SharedRecord<F> & RecordOf<F>;
  /** Makes one. */
  <T extends ElementType>(type: T, initial?: ElementOf<T>, options?: ValueOptions): LockedValue<NameOf<T>>;
  /** Makes a record. */
  <F extends Fields>(type: StructType<F>, initial?: Partial<RecordOf<F>>, options?: ValueOptions): LockedRecord<F> & RecordOf<F>;
  /** Makes one without a lock. */
  new <T extends ElementType>(type: T, initial: ElementOf<T> | undefined, options: Unlocked): SharedValue<NameOf<T>>;
  /** Makes a record without a lock. */
  new <F extends Fields>(type: StructType<F>, initial: Partial<RecordOf<F>> | undefined, options: Unlocked): SharedRecord<F> & RecordOf<F>;
  /** Makes one. */
  new <T extends ElementType>(type: T, initial?: ElementOf<T>, options?: ValueOptions): LockedValue<NameOf<T>>;
  /** Makes a record. */
  new <F extends Fields>(type: StructType<F>, initial?: Partial<RecordOf<F>>, options?: ValueOptions): LockedRecord<F> & RecordOf<F>;
}

function make(home: Home, type: ElementType | StructType, initial: unknown, lock: LockOption | undefined): object {
  const given = lockOf(lock, "the value");
  if (type instanceof StructType) {
    const data = SharedData.make(home, "the value", type.byteLength(1), given);
    const record = recordOf(data, type, given !== null);
    if (initial !== undefined) type.assign(record, initial);
    return record;
  }
  const kind = kindOf(type);
  if (initial !== undefined) kind.toStored(initial);
  const data = SharedData.make(home, "the value", kind.array.BYTES_PER_ELEMENT, given);
  const value = valueOf(data, kind, given !== null);
  if (initial !== undefined) value.value = initial as never;
  return value;
}

function valueOf(data: SharedData, kind: Kind, hasLock: boolean): SharedValue {
  return hasLock ? new LockedValue(data, kind) : new SharedValue(data, kind);
}

function recordOf(data: SharedData, type: StructType, hasLock: boolean): SharedRecord {
  // A name that is mistyped is no new field.
  return Object.preventExtensions(hasLock ? new LockedRecord(data, type) : new SharedRecord(data, type));
}

/** The maker of values of a start method. @param home The memory in which it makes them. */
export function valueMaker(home: () => Home): ValueMaker {
  return function Value(type: ElementType | StructType, initial?: unknown, options?: ValueOptions): object {
    return make(home(), type, initial, lockAmong(options, "the value"));
  } as unknown as ValueMaker;
}

/** {@linkcode valueMaker}, of those without a lock. */
export function rawValueMaker(home: () => Home): RawValueMaker {
  return function RawValue(type: ElementType | StructType, initial?: unknown): object {
    noOptions("RawValue", arguments[2]);
    return make(home(), type, initial, false);
  } as unknown as RawValueMaker;
}

/**
 * Makes a value in shared memory, with a lock. With or without `new`.
 *
 * @param type The name of a type, Python's code for it, or what `Struct()` gave.
 * @param initial Its value to begin with, by default zero. Of a record, its fields.
 * @param options `lock`: another than its own, or false for none.
 * @throws {TypeError} There is no such type, or `initial` is no value of it; or there is no such option.
 * @throws {UnsupportedError} No memory is shared there.
 *
 * @example
 * ```ts
 * import { isMain, Process, Value } from "@polyproc/multiprocessing";
 *
 * export function count(counter: Value<"int32">) {
 *   for (let i = 0; i < 1000; i++) counter.add(1);
 * }
 *
 * if (isMain(import.meta)) {
 *   const counter = Value("int32");
 *   const children = [1, 2].map(() => new Process({ target: count, args: [counter] }).start());
 *   for (const child of children) await child.join();
 *   console.log(counter.value); // 2000
 * }
 * ```
 */
export const Value: ValueMaker = /* @__PURE__ */ valueMaker(defaultHome);
/** A value with a lock, as {@linkcode Value} makes it: of a type, `Value<"int32">`, or of records, `Value<typeof Point>`. */
export type Value<T extends ElementType | StructType = ElementType> = [T] extends [ElementType] ? LockedValue<NameOf<T> & ElementName>
  : [T] extends [StructType<infer F>] ? LockedRecord<F> & RecordOf<F>
  : never;

/**
 * Makes a value in shared memory, without a lock. With or without `new`.
 *
 * @param type The name of a type, Python's code for it, or what `Struct()` gave.
 * @param initial Its value to begin with, by default zero. Of a record, its fields.
 * @throws {TypeError} There is no such type, or `initial` is no value of it; or options are given, of which it has none.
 * @throws {UnsupportedError} No memory is shared there.
 */
export const RawValue: RawValueMaker = /* @__PURE__ */ rawValueMaker(defaultHome);
/** A value without a lock, as {@linkcode RawValue} makes it: of a type, `RawValue<"int32">`, or of records, `RawValue<typeof Point>`. */
export type RawValue<T extends ElementType | StructType = ElementType> = [T] extends [ElementType] ? SharedValue<NameOf<T> & ElementName>
  : [T] extends [StructType<infer F>] ? SharedRecord<F> & RecordOf<F>
  : never;

registerHandle(VALUE, (words, context, parts) => {
  const { type, lock } = parts as { type: ElementType; lock: LockPart };
  return valueOf(SharedData.receive(words, context, "the value", lock), kindOf(type), lock !== false);
});

registerHandle(RECORD, (words, context, parts) => {
  const { type, lock } = parts as { type: Fields; lock: LockPart };
  return recordOf(SharedData.receive(words, context, "the value", lock), new StructType(type), lock !== false);
});
