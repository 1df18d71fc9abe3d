/**
 * Events: a flag that can be waited for.
 *
 * One word counts how often it was set, and whether it is: even is clear, odd is set. Each change is one compare-and-swap, so nothing is ever half done. Who waits remembers the word that it found; so it is woken by a set
 * that was cleared again before it was up.
 *
 * @module
 */
import { HANDLE, type Handle, registerHandle } from "./codec.ts";
import type { SharedObject } from "./holding.ts";
import { checkMayBlock, defaultHome, type Home } from "./home.ts";
import * as L from "./layout.ts";
import { type Attempt, checkTimeout, checkWait, PENDING, type WaitOptions } from "./attempt.ts";
import { unregister, type WaitSet } from "./wait_set.ts";
import { registerKind } from "./participant.ts";
import { Place } from "./place.ts";
import { printAs } from "./printed.ts";

/** Codec number. */
const EVENT = 9;

/**
 * A flag that processes wait for until one of them sets it.
 *
 * @example
 * ```ts
 * import { Event } from "@polyproc/multiprocessing";
 *
 * const event = new Event();
 * console.log(await event.wait({ timeout: 10 })); // false
 * event.set();
 * console.log(await event.wait()); // true
 * ```
 */
export class Event implements SharedObject {
  readonly #place: Place;
  readonly #waiters: WaitSet;

  /**
   * Makes an event, which is not set.
   *
   * @param home The memory to make it in, by default that of the default context. A context's own classes give theirs.
   * @throws {UnsupportedError} No memory is shared there.
   */
  constructor(home: Home | Place = defaultHome()) {
    this.#place = home instanceof Place ? home : Place.make(home, { what: "the event", kind: L.KIND_EVENT, words: L.EVENT_WORDS });
    this.#waiters = this.#place.waitSet(L.EVENT_WAITERS);
  }

  /** Whether it is set. */
  isSet(): boolean {
    this.#place.check("look at");
    return (this.#state & 1) === 1;
  }

  /** Sets it, and wakes all who wait, even if it is cleared again before they are up. */
  set(): void {
    const { parker } = this.#place.me;
    if (this.#change("set", 0)) parker.wakeAll(this.#waiters.words, this.#waiters.at);
    parker.end();
  }

  /** Clears it: whoever waits from now on waits for the next `set`. */
  clear(): void {
    this.#change("clear", 1);
    this.#place.me.parker.end();
  }

  /**
   * Waits until it is set.
   *
   * @param options `timeout` in milliseconds, 0 or less: does not wait; `signal`.
   * @return True; false when the time is up.
   * @throws {TypeError} The options are wrong.
   */
  wait(options?: WaitOptions): Promise<boolean> {
    try {
      checkWait(options);
      this.#place.check("wait for");
      options?.signal?.throwIfAborted();
      const what = this.#attempt();
      if (what.attempt(false) === true) return Promise.resolve(true);
      return this.#place.me.parker.tasks.sleep(this.#waiters, what, options, () => false, this.#place.scope);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** {@linkcode Event.wait}, blocking. @throws {UnsupportedError} This thread may not block. */
  waitSync(options?: { timeout?: number }): boolean {
    checkTimeout(options);
    this.#place.check("wait for");
    checkMayBlock(this.#place.me, "waitSync");
    const what = this.#attempt();
    return what.attempt(false) === true || this.#place.me.parker.sleepSync(this.#waiters, what, options?.timeout, () => false);
  }

  /** Lets go of the object here. Others who have it are not concerned. */
  [Symbol.dispose](): void {
    this.#place.close();
  }

  /** What travels of it. @internal */
  [HANDLE](): Handle {
    return { kind: EVENT, words: this.#place.handle() };
  }

  static {
    printAs(this.prototype, (event) => event.#place.looks(() => event.isSet() ? "set" : "unset"));
  }

  get #state(): number {
    return Atomics.load(this.#place.words, this.#place.at + L.EVENT_STATE);
  }

  #attempt(): Attempt<boolean> {
    const before = this.#state;
    return {
      attempt: () => {
        const now = this.#state;
        return (now & 1) === 1 || now !== before || PENDING;
      },
      more: () => false,
    };
  }

  /** Counts one on from an even or odd state; false if it was in the other. */
  #change(action: string, from: 0 | 1): boolean {
    const { words, at, me } = this.#place;
    this.#place.check(action);
    me.parker.begin();
    for (let state; ((state = this.#state) & 1) === from;) {
      if (Atomics.compareExchange(words, at + L.EVENT_STATE, state, state + 1 | 0) === state) return true;
    }
    return false;
  }
}

registerHandle(EVENT, (words, context) => new Event(Place.receive(words, context, "the event")));

registerKind(L.KIND_EVENT, {
  repair: (_me, words, at, dead) => void unregister(words, at + L.EVENT_WAITERS, dead & L.IDENT_SLOT_MASK),
});
