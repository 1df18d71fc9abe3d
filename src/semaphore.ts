/**
 * Semaphores: permits that are taken and given back.
 *
 * A plain one is a counter: it is taken from by compare-and-swap, and given to likewise, by anybody; so the dead give nothing back.
 *
 * A bounded one knows who has its permits, so that those of the dead come back. It is a monitor (`monitor.ts`): the truth is how many each slot has taken; the number of those left is derived from that, and made anew by
 * whoever takes the monitor over from the dead. Nobody enters the heap's monitor inside it, so a burial, which is inside the heap's, may wait for it.
 *
 * @module
 */
import { Acquirable, Guard } from "./acquirable.ts";
import { HANDLE, type Handle, registerHandle } from "./codec.ts";
import { defaultHome, type Home } from "./home.ts";
import * as L from "./layout.ts";
import { enter, leave } from "./monitor.ts";
import { PENDING } from "./attempt.ts";
import { shown } from "./options.ts";
import { type Participant, registerKind } from "./participant.ts";
import { Place } from "./place.ts";
import { printAs } from "./printed.ts";
import { unregister } from "./wait_set.ts";

/** Codec numbers. */
const SEMAPHORE = 7, BOUNDED_SEMAPHORE = 8;
const MOST = 2 ** 31 - 1;

/** What both kinds of semaphores have in common. */
abstract class AnySemaphore extends Acquirable {
  protected constructor(place: Place) {
    super(place, L.SEMAPHORE_WAITERS, L.SEMAPHORE_TURN);
  }

  /** How many permits are left now. */
  get value(): number {
    this.place.check("look at");
    return this.left;
  }

  /** Whether none is left now. */
  locked(): boolean {
    return this.value === 0;
  }

  /** Makes a permit, or gives one back. */
  release(): void {
    this.place.check("release");
    this.#releaseOne();
  }

  static {
    printAs(this.prototype, (semaphore) => semaphore.place.looks(() => `value=${semaphore.value}`));
  }

  #releaseOne(): void {
    const { parker } = this.place.me;
    parker.begin();
    try {
      this.give();
      this.wake();
    } finally {
      parker.end();
    }
  }

  /** How many permits are left. @internal */
  protected get left(): number {
    return Atomics.load(this.place.words, this.place.at + L.SEMAPHORE_VALUE);
  }

  /** Whether it could be taken now. @internal */
  protected get isFree(): boolean {
    return this.left > 0;
  }

  /** Whether it may be taken again. @internal */
  protected get isOwn(): boolean {
    return false;
  }

  /** What lets go of it. @internal */
  protected guardOf(): Guard {
    return new Guard(false, this.#release);
  }

  /** Gives a permit. @internal */
  protected abstract give(): void;

  readonly #release = (): void => {
    this.place.evenIfClosed(() => this.#releaseOne());
  };
}

/**
 * A counter of permits: `acquire` takes one and waits while there is none, `release` makes one. Nobody owns a permit: who dies gives none back, see {@linkcode BoundedSemaphore}.
 *
 * @example
 * ```ts
 * import { Semaphore } from "@polyproc/multiprocessing";
 *
 * const semaphore = new Semaphore(2);
 * const guard = await semaphore.acquire();
 * console.log(semaphore.value); // 1
 * guard.release();
 * ```
 */
export class Semaphore extends AnySemaphore {
  /**
   * Makes a semaphore.
   *
   * @param value How many permits there are to begin with; 1 by default.
   * @param home The memory to make it in, by default that of the default context. A context's own classes give theirs.
   * @throws {RangeError} `value` is not a whole number from 0 to 2^31 − 1.
   * @throws {TypeError} It is no number.
   * @throws {UnsupportedError} No memory is shared there.
   */
  constructor(value = 1, home: Home | Place = defaultHome()) {
    super(home instanceof Place ? home : make(home, L.KIND_SEMAPHORE, L.SEMAPHORE_WORDS, value));
  }

  /** Makes a permit. Anybody may, as in Python. @throws {RangeError} There would be more than 2^31 − 1. */
  override release(): void {
    super.release();
  }

  /** What travels of it. @internal */
  [HANDLE](): Handle {
    return { kind: SEMAPHORE, words: this.place.handle() };
  }

  /** Takes it if it is to be had. @internal */
  protected take(): boolean | typeof PENDING {
    const { words, at, me } = this.place;
    for (let value; (value = Atomics.load(words, at + L.SEMAPHORE_VALUE)) > 0;) {
      me.parker.begin();
      const isTaken = Atomics.compareExchange(words, at + L.SEMAPHORE_VALUE, value, value - 1) === value;
      if (isTaken) Atomics.add(words, at + L.SEMAPHORE_TURN, 1);
      me.parker.end();
      if (isTaken) return false;
    }
    return PENDING;
  }

  /** Gives a permit. @internal */
  protected give(): void {
    const { words, at } = this.place;
    for (;;) {
      const value = Atomics.load(words, at + L.SEMAPHORE_VALUE);
      if (value === MOST) throw new RangeError(`Cannot release the semaphore: it has ${MOST} permits, the most that there can be`);
      if (Atomics.compareExchange(words, at + L.SEMAPHORE_VALUE, value, value + 1) === value) return;
    }
  }
}

/** A semaphore that knows who has its permits: there are never more than it began with, and those of a process or thread that ended, or died, come back. */
export class BoundedSemaphore extends AnySemaphore {
  /**
   * Makes a semaphore.
   *
   * @param value How many permits there are; 1 by default.
   * @param home The memory to make it in, by default that of the default context. A context's own classes give theirs.
   * @throws {RangeError} `value` is not a whole number from 0 to 2^31 − 1.
   * @throws {TypeError} It is no number.
   * @throws {UnsupportedError} No memory is shared there.
   */
  constructor(value = 1, home: Home | Place = defaultHome()) {
    super(home instanceof Place ? home : make(home, L.KIND_BOUNDED, L.BOUNDED_WORDS, value));
  }

  /** Gives a permit back. Anybody may: one who has none gives one back for another. @throws {RangeError} Nobody has one. */
  override release(): void {
    super.release();
  }

  /** What travels of it. @internal */
  [HANDLE](): Handle {
    return { kind: BOUNDED_SEMAPHORE, words: this.place.handle() };
  }

  /** Takes it if it is to be had. @internal */
  protected take(): boolean | typeof PENDING {
    const { words, at, me } = this.place;
    if (this.left === 0) return PENDING;
    enterBounded(me, words, at);
    const value = words[at + L.SEMAPHORE_VALUE];
    if (value > 0) {
      const mine = at + L.BOUNDED_TAKEN + me.slot;
      Atomics.store(words, mine, words[mine] + 1);
      Atomics.store(words, at + L.SEMAPHORE_VALUE, value - 1);
      words[at + L.SEMAPHORE_TURN]++;
    }
    leave(words, at + L.BOUNDED_MONITOR, me.parker);
    return value > 0 ? false : PENDING;
  }

  /** Gives a permit. @internal */
  protected give(): void {
    const { words, at, me } = this.place;
    enterBounded(me, words, at);
    try {
      const taker = takerOf(me, words, at);
      if (taker < 0) throw new RangeError(`Cannot release the semaphore: nobody has one of its ${words[at + L.BOUNDED_LIMIT]} permits`);
      Atomics.store(words, taker, words[taker] - 1);
      Atomics.store(words, at + L.SEMAPHORE_VALUE, words[at + L.SEMAPHORE_VALUE] + 1);
    } finally {
      leave(words, at + L.BOUNDED_MONITOR, me.parker);
    }
  }
}

registerHandle(SEMAPHORE, (words, context) => new Semaphore(0, Place.receive(words, context, "the semaphore")));
registerHandle(BOUNDED_SEMAPHORE, (words, context) => new BoundedSemaphore(0, Place.receive(words, context, "the semaphore")));

function make(home: Home, kind: number, words: number, value: unknown): Place {
  if (typeof value !== "number") throw new TypeError(`Cannot make a semaphore: value must be a number, it is ${shown(value)}`);
  if (!Number.isInteger(value) || value < 0 || value > MOST) {
    throw new RangeError(`Cannot make a semaphore: value must be a whole number from 0 to ${MOST}, it is ${value}`);
  }
  return Place.make(home, { what: "the semaphore", kind, words }, ({ words, at }) => {
    words[at + L.SEMAPHORE_VALUE] = value;
    if (kind === L.KIND_BOUNDED) words[at + L.BOUNDED_LIMIT] = value;
  });
}

function enterBounded(me: Participant, words: Int32Array, at: number): void {
  if (enter(words, at + L.BOUNDED_MONITOR, me.parker)) recount(me, words, at);
}

/** Index of the count of one who has a permit, if possible this participant's; −1 if nobody has. */
function takerOf(me: Participant, words: Int32Array, at: number): number {
  const taken = at + L.BOUNDED_TAKEN;
  if (words[taken + me.slot] > 0) return taken + me.slot;
  const used = Atomics.load(me.arena.head, L.SLOTS_USED);
  for (let slot = 0; slot < used; slot++) if (words[taken + slot] > 0) return taken + slot;
  return -1;
}

/** Makes the number of permits that are left anew. */
function recount(me: Participant, words: Int32Array, at: number): void {
  let left = words[at + L.BOUNDED_LIMIT];
  const used = Atomics.load(me.arena.head, L.SLOTS_USED);
  for (let slot = 0; slot < used; slot++) left -= words[at + L.BOUNDED_TAKEN + slot];
  Atomics.store(words, at + L.SEMAPHORE_VALUE, left);
}

registerKind(L.KIND_SEMAPHORE, {
  repair: (_me, words, at, dead) => void unregister(words, at + L.SEMAPHORE_WAITERS, dead & L.IDENT_SLOT_MASK),
});

registerKind(L.KIND_BOUNDED, {
  repair(me, words, at, dead) {
    const slot = dead & L.IDENT_SLOT_MASK;
    unregister(words, at + L.SEMAPHORE_WAITERS, slot);
    enterBounded(me, words, at);
    unregister(words, at + L.BOUNDED_MONITOR + L.MONITOR_WAITERS, slot);
    if (words[at + L.BOUNDED_TAKEN + slot] !== 0) {
      Atomics.store(words, at + L.BOUNDED_TAKEN + slot, 0);
      recount(me, words, at);
    }
    leave(words, at + L.BOUNDED_MONITOR, me.parker);
  },
});
