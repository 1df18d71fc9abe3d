/**
 * Values on their way through a ring: encoding and decoding, order, waiting.
 *
 * @module
 */
import { decode, encode, HANDLE, type Message } from "./codec.ts";
import { AbandonedError, ProcessError, TimeoutError } from "./errors.ts";
import { PASSED, type SharedObject } from "./holding.ts";
import type { HoldingLike, Home, MessagesLike, Rules } from "./home.ts";
import { UNIT } from "./layout.ts";
import { type Attempt, PENDING, type WaitOptions, type WaitScope, type WaitSet } from "./park.ts";
import type { Participant } from "./participant.ts";
import type { Passenger } from "./record.ts";
import type { Outgoing, Ring, Take } from "./ring.ts";

const NOBODY: readonly Passenger[] = [];

/** Both ends of a ring, as one participant uses them. */
export class Messages implements MessagesLike {
  readonly me: Participant;
  readonly ring: Ring;
  readonly #rules: Rules;
  readonly #take: Take<unknown>;
  /** How many tasks here wait to put, and to get: later ones stand behind them. */
  #putting = 0;
  #getting = 0;
  #whenPut: (() => void)[] = [];
  readonly #puts: WaitScope = new Set();
  /** What waits to receive, or to be told something. */
  readonly #gets: WaitScope = new Set();
  /** What keeps the ring's memory: whoever waits has it too, though the queue itself was dropped. */
  holding: HoldingLike | null = null;

  /** @param home In which what travels in the messages is revived. */
  constructor(home: Home, me: Participant, ring: Ring, rules: Rules) {
    this.me = me;
    this.ring = ring;
    this.#rules = rules;
    this.#take = (bytes, offset, length) => decode(bytes, offset, length, home);
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
    if (this.#putting === 0) run();
    else this.#whenPut.push(run);
  }

  /** Closes this end: what waits to receive is rejected with `reason`; `released` is called when nothing here uses the ring any more. */
  close(reason: Error, released: () => void): void {
    for (const cancel of [...this.#gets]) cancel(reason);
    this.whenPut(released);
  }

  /** Gives up the puts that wait for room. */
  letGo(): void {
    const reason = new ProcessError("The item was dropped: cancelJoinThread() was called");
    for (const cancel of [...this.#puts]) cancel(reason);
  }

  tryGet(): unknown {
    return this.ring.tryGet(this.#take);
  }

  shutdown(immediate: boolean): void {
    this.ring.shutdown(immediate);
  }

  taskDone(): void {
    this.ring.taskDone();
  }

  /** Waits until every item is done. */
  joinAll(options: WaitOptions | undefined): Promise<void> {
    try {
      if (this.#joinAttempt.attempt(false) === undefined) return DONE;
    } catch (error) {
      return Promise.reject(error);
    }
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
    try {
      return this.send(encode(value, { path: name }), options, onFull);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Puts an encoded message. */
  send(message: Message, options: WaitOptions | undefined, onFull: () => never): Promise<void> {
    if (options?.signal?.aborted) return Promise.reject(options.signal.reason);
    let outgoing = this.#prepare(message);
    try {
      if (this.#putting === 0 && this.ring.tryPut(outgoing, this.#rules.refusePut) === true) {
        pass(message);
        return DONE;
      }
    } catch (error) {
      this.ring.drop(outgoing);
      throw error;
    }
    outgoing = this.ring.keep(outgoing, message);
    const passengers = message.shared;
    this.#putting++;
    return this.me.parker.sleep<true>(this.ring.notFull, this.#putAttempt(outgoing), options, onFull, this.#puts).then(
      () => {
        this.#onePutLess();
        for (const object of passengers) (object as SharedObject)[PASSED]?.();
      },
      (error) => {
        this.#onePutLess();
        this.ring.drop(outgoing);
        throw error;
      },
    );
  }

  /** Puts a value, blocking. @param timeout In milliseconds; 0 or less: does not wait. */
  putSync(value: unknown, name: string, timeout: number | undefined, onFull: () => never): void {
    this.sendSync(encode(value, { path: name }), timeout, onFull);
  }

  /** Puts an encoded message, blocking. */
  sendSync(message: Message, timeout: number | undefined, onFull: () => never): void {
    let outgoing = this.#prepare(message);
    try {
      if (this.ring.tryPut(outgoing, this.#rules.refusePut) !== true) {
        if (timeout !== undefined && timeout <= 0) onFull();
        outgoing = this.ring.keep(outgoing, message);
        this.me.parker.sleepSync(this.ring.notFull, this.#putAttempt(outgoing), timeout, onFull);
      }
    } catch (error) {
      this.ring.drop(outgoing);
      throw error;
    }
    pass(message);
  }

  /** Gets one message. @param onEmpty Throws, or gives the result, when the time is up. */
  get(options: WaitOptions | undefined, onEmpty: () => never): Promise<unknown> {
    try {
      if (options?.signal?.aborted) throw options.signal.reason;
      if (this.#getting === 0) {
        const value = this.#attemptGet(false);
        if (value !== PENDING) return Promise.resolve(value);
      }
    } catch (error) {
      return Promise.reject(error);
    }
    this.#getting++;
    return this.#sleep(this.ring.notEmpty, this.#getAttempt, options, onEmpty).finally(() => {
      this.#getting--;
    });
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
    try {
      if (options?.signal?.aborted) throw options.signal.reason;
      if (this.#isReady(false)) return Promise.resolve(true);
    } catch (error) {
      return Promise.reject(error);
    }
    return this.#sleep<boolean>(this.ring.notEmpty, this.#pollAttempt, options, () => false);
  }

  /** {@linkcode Messages.poll}, blocking. */
  pollSync(timeout: number | undefined): boolean {
    if (this.#isReady(false)) return true;
    return this.me.parker.sleepSync<boolean>(this.ring.notEmpty, this.#pollAttempt, timeout, () => false);
  }

  #sleep<T>(set: WaitSet, what: Attempt<T>, options: WaitOptions | undefined, onTimeout: () => T): Promise<T> {
    return this.me.parker.sleep(set, what, options, onTimeout, this.#gets);
  }

  #onePutLess(): void {
    if (--this.#putting > 0) return;
    const runs = this.#whenPut;
    this.#whenPut = [];
    for (const run of runs) run();
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
    if (this.ring.size > 0) return true;
    try {
      this.#rules.refuseGet(this.ring.flags, lookHard);
      return false;
    } catch {
      return true;
    }
  }

  #attemptGet(lookHard: boolean): unknown {
    // The flags before the ring: once they say that nothing more comes, what is in the ring is all there is.
    const { flags } = this.ring;
    const value = this.ring.tryGet(this.#take);
    if (value !== PENDING) return value;
    this.#rules.refuseGet(flags, lookHard);
    return PENDING;
  }

  #putAttempt(outgoing: Outgoing): Attempt<true> {
    return { attempt: () => this.ring.tryPut(outgoing, this.#rules.refusePut), more: () => !this.ring.isFull };
  }

  #prepare(message: Message): Outgoing {
    return this.ring.prepare(message, message.shared.length === 0 ? NOBODY : this.#passengers(message));
  }

  #passengers(message: Message): Passenger[] {
    const passengers: Passenger[] = [];
    for (const object of message.shared) {
      const [arena, units, serial, holding] = object[HANDLE]().words;
      // What lives in another arena is held by its sender until that ends.
      if (arena === this.me.arena.id >>> 0) passengers.push({ block: { offset: units * UNIT, serial }, holding });
    }
    return passengers;
  }
}

function notDone(timeout: number | undefined): never {
  throw new TimeoutError(`The queue's items were not all done within ${timeout} ms`);
}

const DONE: Promise<void> = Promise.resolve();

function pass(message: Message): void {
  for (const object of message.shared) (object as SharedObject)[PASSED]?.();
}
