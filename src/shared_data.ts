/**
 * The block of a value or an array: a lock, those who wait for a change, and the data.
 *
 * @module
 */
import type { Home } from "./home.ts";
import * as L from "./layout.ts";
import { ANYTHING, check, shown } from "./options.ts";
import { INSIDE, Lock, repairLock, RLock } from "./lock.ts";
import { unregister, type WaitSet } from "./wait_set.ts";
import { registerKind } from "./participant.ts";
import { Place } from "./place.ts";

/** Which lock a value or an array has: one of its own (the default), another, or none. */
export type LockOption = boolean | Lock | RLock | null;

/** A lock, or that there is none, as it travels. */
export type LockPart = Lock | RLock | false | undefined;

/** The data of a value or an array, as one participant sees it. */
export class SharedData {
  readonly place: Place;
  readonly #watchers: WaitSet;
  /** Null: it has none. Undefined: it is the one in the block. */
  readonly #given: Lock | RLock | null | undefined;
  #own: Lock | undefined;

  private constructor(place: Place, lock: Lock | RLock | null | undefined) {
    this.place = place;
    this.#watchers = place.waitSet(L.VALUE_WATCHERS);
    this.#given = lock;
  }

  /** Makes a block for so many bytes, which are zeros. @param what `"the value"`. */
  static make(home: Home, what: string, byteLength: number, lock: Lock | RLock | null | undefined): SharedData {
    const place = Place.make(
      lock?.[INSIDE].home ?? home,
      { what, kind: L.KIND_VALUE, byteLength: L.VALUE_DATA + byteLength, words: L.VALUE_DATA / 4 },
      ({ me, block }) => {
        if (block.isFresh !== true) me.arena.clear(block.offset + L.VALUE_DATA, byteLength);
      },
    );
    return new SharedData(place, lock);
  }

  /** Sees one that came in a message. */
  static receive(words: readonly number[], context: unknown, what: string, lock: LockPart): SharedData {
    return new SharedData(Place.receive(words, context, what), lock === false ? null : lock);
  }

  /** The same once more, without its lock, to be let go of by itself. */
  withoutLock(): SharedData {
    this.place.check("use");
    return new SharedData(this.place.again(), null);
  }

  /** Byte of the arena at which the data begins. */
  get offset(): number {
    return this.place.block.offset + L.VALUE_DATA;
  }

  /** The lock; of no use where there is none. */
  get lock(): Lock | RLock {
    this.place.check("use");
    return this.#given ?? (this.#own ??= new Lock(this.place.again()));
  }

  /** What travels of the lock. */
  get lockPart(): LockPart {
    return this.#given === null ? false : this.#given;
  }

  /** Those who wait for a change. */
  get watchers(): WaitSet {
    return this.#watchers;
  }

  /** The data was changed, by an atomic step. */
  changed(): void {
    const { words, at } = this.#watchers;
    if (Atomics.load(words, at + L.WAITSET_SUMMARY) !== 0) this.place.me.parker.wakeAll(words, at);
  }

  /** The data was changed, by a plain store. Processors like to look at other memory before a store is seen by all; not across a step such as this. */
  stored(): void {
    const { words, at } = this.#watchers;
    if (Atomics.add(words, at + L.WAITSET_SUMMARY, 0) !== 0) this.place.me.parker.wakeAll(words, at);
  }

  close(): void {
    this.#own?.[Symbol.dispose]();
    this.place.close();
  }
}

/** The option for the lock among others. @throws {TypeError} There are no such options. */
export function lockAmong(options: { lock?: LockOption } | undefined, what: string): LockOption | undefined {
  if (options !== undefined) check(options, { lock: ANYTHING }, `make ${what}`);
  return options?.lock;
}

/** @throws {TypeError} Something was given where what has a lock takes its options. @param maker `"RawValue"`. */
export function noOptions(maker: string, options: unknown): void {
  if (options === undefined) return;
  throw new TypeError(`Cannot make a ${maker}: it takes no options, they are ${shown(options)}; ${maker.slice(3)}() takes { lock }`);
}

/** Reads the option. @throws {TypeError} It is none. */
export function lockOf(option: LockOption | undefined, what: string): Lock | RLock | null | undefined {
  if (option === undefined || option === null || option === true) return undefined;
  if (option === false) return null;
  if (option instanceof Lock || option instanceof RLock) return option;
  throw new TypeError(`Cannot make ${what}: lock must be a Lock, an RLock, true or false, it is ${shown(option)}`);
}

registerKind(L.KIND_VALUE, {
  repair(me, words, at, dead) {
    repairLock(me, words, at, dead);
    unregister(words, at + L.VALUE_WATCHERS, dead & L.IDENT_SLOT_MASK);
  },
});
