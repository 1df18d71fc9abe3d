/**
 * Values on their way through a ring: encoding and decoding, order, waiting.
 *
 * @module
 */
import type { StartMethod } from "./adapter.ts";
import { Backlog } from "./backlog.ts";
import { encode, HANDLE, KeptMessages, type Message } from "./codec.ts";
import { AbandonedError, ProcessError, TimeoutError } from "./errors.ts";
import { type Holding, pass, pin } from "./holding.ts";
import { BACKING, type Home, type MessagesLike, type RingBacking, type Rules } from "./home.ts";
import { UNIT } from "./layout.ts";
import { type Attempt, PENDING, type WaitOptions, type WaitScope } from "./attempt.ts";
import type { WaitSet } from "./wait_set.ts";
import type { Participant } from "./participant.ts";
import type { Passenger } from "./record.ts";
import type { Outgoing, Ring, Take } from "./ring.ts";

const NOBODY: readonly Passenger[] = [];

/** Both ends of a ring, as one participant uses them. */
export class Messages implements MessagesLike {
  readonly me: Participant;
  readonly ring: Ring;
  readonly method: StartMethod;
  readonly missing: string | null;
  readonly #rules: Rules;
  readonly #take: Take<unknown>;
  readonly #backlog: Backlog;
  /** How many tasks here wait to get: later ones stand behind them. */
  #getting = 0;
  #isClosed = false;
  /** What waits to receive, or to be told something. */
  readonly #gets: WaitScope = new Set();
  /** Why messages that were taken along with others could not be read: what the next gets are told. */
  readonly #unreadable: unknown[] = [];
  /** What keeps the ring's memory: whoever waits has it too, though the queue itself was dropped. */
  holding: Holding | null = null;

  /** @param take What is made of a message's bytes. */
  constructor(home: Home, me: Participant, ring: Ring, rules: Rules, take: Take<unknown>) {
    this.me = me;
    this.ring = ring;
    this.#rules = rules;
    this.#take = take;
    this.method = home.method;
    this.missing = home.missing;
    this.#backlog = new Backlog(this, rules.refusePut);
  }

  get size(): number {
    return this.ring.size;
  }

  get isFull(): boolean {
    return this.ring.isFull;
  }

  get maxsize(): number {
    return this.ring.maxsize;
  }

  get mayBlock(): boolean {
    return this.me.parker.mayBlock;
  }

  /** Runs `run` once no put of this process waits for room any more. */
  whenPut(run: () => void): void {
    this.#backlog.whenEmpty(run);
  }

  /** Closes this end: what waits to receive is rejected with `reason`; `released` is called when nothing here uses the ring any more. */
  close(reason: Error, released: () => void): void {
    this.#isClosed = true;
    for (const cancel of [...this.#gets]) cancel(reason);
    this.whenPut(released);
  }

  /** Gives up the puts that wait for room, and lets the program end though later ones do. */
  letGo(): void {
    this.#backlog.letGo(new ProcessError("The item was dropped: cancelJoinThread() was called"));
  }

  shutdown(immediate: boolean): void {
    this.ring.shutdown(immediate);
  }

  taskDone(): void {
    this.ring.taskDone();
  }

  /** Waits until every item is done. */
  joinAll(options: WaitOptions | undefined): Promise<void> {
    if (this.#joinAttempt.attempt(false) === undefined) return DONE;
    return this.#sleep(this.ring.allDone, this.#joinAttempt, options, () => notDone(options?.timeout));
  }

  /** {@linkcode Messages.joinAll}, blocking. */
  joinAllSync(timeout: number | undefined): void {
    if (this.#joinAttempt.attempt(false) === PENDING) {
      this.me.parker.sleepSync(this.ring.allDone, this.#joinAttempt, timeout, () => notDone(timeout));
    }
  }

  /**
   * Puts a value. It is encoded, and so copied, at once.
   *
   * @param name What errors call it: `"item"`.
   * @param onFull Throws when the time is up.
   */
  put(value: unknown, name: string, options: WaitOptions | undefined, onFull: () => never): Promise<void> {
    return this.send(encode(value, { path: name }), options, onFull);
  }

  /** Puts an encoded message. */
  send(message: Message, options: WaitOptions | undefined, onFull: () => never): Promise<void> {
    options?.signal?.throwIfAborted();
    const outgoing = this.#prepare(message);
    try {
      if (this.#backlog.size === 0 && this.ring.tryPut(outgoing, this.#rules.refusePut) === true) {
        pass(outgoing.shared);
        return DONE;
      }
      return this.#backlog.add([this.ring.keep(outgoing, message)], options, onFull);
    } catch (error) {
      this.ring.drop(outgoing);
      throw error;
    }
  }

  /** Puts several values, in order. None is put if one of them cannot travel. */
  putMany(values: readonly unknown[], name: string, options: WaitOptions | undefined, onFull: () => never): Promise<void> {
    return this.sendMany(encodeEach(values, name), options, onFull);
  }

  /** Puts several encoded messages, in order. Each is asked for when the one before is not needed any more. */
  sendMany(messages: Iterable<Message>, options: WaitOptions | undefined, onFull: () => never): Promise<void> {
    const many: Outgoing[] = [];
    let count = 0;
    try {
      const kept = new KeptMessages(0);
      for (const message of messages) many.push(this.ring.keep(this.#prepare(message), message, kept));
      // Behind that: by a getter, say.
      options?.signal?.throwIfAborted();
      if (this.#backlog.size === 0) count = this.ring.tryPutMany(many, this.#rules.refusePut);
    } catch (error) {
      for (const outgoing of many) this.ring.drop(outgoing);
      throw error;
    }
    for (let i = 0; i < count; i++) pass(many[i].shared);
    if (count === many.length) return DONE;
    return this.#backlog.add(many.slice(count), options, onFull);
  }

  /** Puts a value, blocking. @param timeout In milliseconds; 0 or less: does not wait. */
  putSync(value: unknown, name: string, timeout: number | undefined, onFull: () => never): void {
    this.sendSync(encode(value, { path: name }), timeout, onFull);
  }

  /** Puts an encoded message, blocking. */
  sendSync(message: Message, timeout: number | undefined, onFull: () => never): void {
    let outgoing = this.#prepare(message);
    try {
      if (this.#attemptPut(outgoing) !== true) {
        if (timeout !== undefined && timeout <= 0) onFull();
        outgoing = this.ring.keep(outgoing, message);
        const what = { attempt: () => this.#attemptPut(outgoing), more: this.#hasRoom };
        this.me.parker.sleepSync<true>(this.ring.notFull, what, timeout, onFull);
      }
    } catch (error) {
      this.ring.drop(outgoing);
      throw error;
    }
    pass(outgoing.shared);
  }

  /** Puts one message, if there is room; what this program put before and nobody awaited goes first. */
  #attemptPut(outgoing: Outgoing): true | typeof PENDING {
    return this.#backlog.advance() ? this.ring.tryPut(outgoing, this.#rules.refusePut) : PENDING;
  }

  /** Gets one message. @param onEmpty Throws, or gives the result, when the time is up. */
  get(options: WaitOptions | undefined, onEmpty: () => never): Promise<unknown> {
    options?.signal?.throwIfAborted();
    if (this.#getting === 0 || options?.timeout !== undefined && options.timeout <= 0) {
      const value = this.#attemptGet(false);
      if (value !== PENDING) return Promise.resolve(value);
    }
    this.#getting++;
    return this.#sleep(this.ring.notEmpty, this.#getAttempt, options, onEmpty).finally(() => {
      this.#getting--;
    });
  }

  /** Waits for one, and gets as many more as are there, up to `max` together. */
  async getMany(max: number, options: WaitOptions | undefined, onEmpty: () => never): Promise<unknown[]> {
    const values: unknown[] = [await this.get(options, onEmpty)];
    const take: Take<void> = (...message) => {
      try {
        values.push(this.#take(...message));
      } catch (error) {
        this.#unreadable.push(error);
      }
    };
    for (let left = max - 1; left > 0;) {
      // Closed meanwhile, by a class's codec say, its memory may be another's; and what somebody takes who has left is lost.
      if (this.#isClosed || this.me.isGone) break;
      const count = this.ring.tryGetMany(left, take);
      if (count === 0) break;
      left -= count;
    }
    return values;
  }

  /** Gets one message, blocking. @param timeout In milliseconds; 0 or less: does not wait. */
  getSync(timeout: number | undefined, onEmpty: () => never): unknown {
    const value = this.#attemptGet(false);
    if (value !== PENDING) return value;
    if (timeout !== undefined && timeout <= 0) return onEmpty();
    return this.me.parker.sleepSync(this.ring.notEmpty, this.#getAttempt, timeout, onEmpty);
  }

  /** Whether a message is there, or never will be: waits for that, and takes nothing. */
  poll(options: WaitOptions | undefined): Promise<boolean> {
    options?.signal?.throwIfAborted();
    if (this.#isReady(false)) return Promise.resolve(true);
    return this.#sleep<boolean>(this.ring.notEmpty, this.#pollAttempt, options, () => false);
  }

  /** {@linkcode Messages.poll}, blocking. */
  pollSync(timeout: number | undefined): boolean {
    if (this.#isReady(false)) return true;
    return this.me.parker.sleepSync<boolean>(this.ring.notEmpty, this.#pollAttempt, timeout, () => false);
  }

  #sleep<T>(set: WaitSet, what: Attempt<T>, options: WaitOptions | undefined, onTimeout: () => T): Promise<T> {
    return this.me.parker.tasks.sleep(set, what, options, onTimeout, this.#gets);
  }

  #joinAttempt: Attempt<void> = {
    attempt: () => {
      if (this.ring.isAllDone) return undefined;
      if (this.ring.abandoned > 0) {
        throw new AbandonedError(
          `Cannot join the queue: ${this.ring.abandoned} of its items were taken by a process that ended before it said that they were done`,
        );
      }
      return PENDING;
    },
    more: () => false,
  };

  #getAttempt: Attempt<unknown> = { attempt: (lookHard) => this.#attemptGet(lookHard), more: () => this.ring.size > 0 };

  #pollAttempt: Attempt<boolean> = { attempt: (lookHard) => this.#isReady(lookHard) || PENDING, more: () => this.ring.size > 0 };

  #isReady(lookHard: boolean): boolean {
    this.#check();
    if (this.ring.size > 0 || this.#unreadable.length > 0) return true;
    try {
      this.#rules.refuseGet(this.ring.flags, lookHard);
      return false;
    } catch {
      return true;
    }
  }

  #attemptGet(lookHard: boolean): unknown {
    this.#check();
    if (this.#unreadable.length > 0) throw this.#unreadable.shift();
    // The flags before the ring: once they say that nothing more comes, what is in the ring is all there is.
    const { flags } = this.ring;
    const value = this.ring.tryGet(this.#take);
    if (value !== PENDING) return value;
    this.#rules.refuseGet(flags, lookHard);
    return PENDING;
  }

  readonly #hasRoom = (): boolean => !this.ring.isFull;

  /** A participant that left has no part in the memory any more. */
  #check(): void {
    if (this.me.isGone) throw new ProcessError("Cannot use a queue or connection of a process that has ended");
  }

  #prepare(message: Message): Outgoing {
    this.#check();
    // A getter, say, that ran while the message was encoded.
    if (this.holding?.isOpen === false) throw new ProcessError("Cannot send: the queue or connection was closed meanwhile");
    return this.ring.prepare(message, passengersOf(this.me, message.shared));
  }
}

/** Encodes values one after another. @param name What errors call one of them: `"item"`. */
export function* encodeEach(values: readonly unknown[], name: string): Generator<Message, void, void> {
  for (const [i, value] of values.entries()) yield encode(value, { path: `${name}s[${i}]` });
}

/** The ring of a queue in memory that this thread shares. */
export function ringOf(queue: { readonly [BACKING]: RingBacking }): Ring {
  return (queue[BACKING].messages as Messages).ring;
}

/** What travels in a message as part of the arena. */
export function passengersOf(me: Participant, shared: Message["shared"]): readonly Passenger[] {
  if (shared.length === 0) return NOBODY;
  const passengers: Passenger[] = [];
  for (const object of shared) {
    const [arena, units, serial, holding] = object[HANDLE]().words;
    // What lives in another arena has no ticket here: its sender holds it until that ends.
    if (arena !== me.arena.id >>> 0) pin(object);
    else passengers.push({ block: { offset: units * UNIT, serial }, holding });
  }
  return passengers;
}

/** Throws what a join throws when the time is up. */
export function notDone(timeout: number | undefined): never {
  throw new TimeoutError(`The queue's items were not all done within ${timeout} ms`);
}

const DONE: Promise<void> = Promise.resolve();
