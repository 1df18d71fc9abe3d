/**
 * What locks and semaphores have in common: something is taken, waited for while there is none, and let go of.
 *
 * @module
 */
import { HANDLE, type Handle, keepHere } from "./codec.ts";
import { TimeoutError } from "./errors.ts";
import type { SharedObject } from "./holding.ts";
import { checkMayBlock } from "./home.ts";
import { WAITSET_SUMMARY } from "./layout.ts";
import { type Attempt, checkTimeout, checkWait, PENDING, type WaitOptions } from "./attempt.ts";
import { checkArgument, FUNCTION } from "./options.ts";
import type { WaitSet } from "./wait_set.ts";
import type { Place } from "./place.ts";
import { Turns } from "./turns.ts";

/** What is had until it is let go of: a lock, or a permit of a semaphore. With `using`, that is the end of the block. */
export class Guard {
  /** Whether the last owner of the lock died, or ended, while it held it: what the lock protects may be half changed. After a `wait` for its condition: also whether that befell the one before it was taken back. */
  readonly abandoned: boolean;
  #release: ((guard: Guard) => void) | null;

  static {
    keepHere(this.prototype, "a guard", "send the lock");
  }

  /** Guards are made by those who give them. */
  constructor(abandoned: boolean, release: (guard: Guard) => void) {
    this.abandoned = abandoned;
    this.#release = release;
  }

  /** Lets go. Does nothing the second time. */
  release(): void {
    const release = this.#release;
    this.#release = null;
    release?.(this);
  }

  /** Lets go. */
  [Symbol.dispose](): void {
    this.release();
  }
}

/** Something that is acquired and released. */
export abstract class Acquirable implements SharedObject {
  readonly #place: Place;
  readonly #waiters: WaitSet;
  readonly #turns: Turns;

  /** Only for the library's own classes. @internal */
  // `waiters`, `turn`: indices in the object of the wait set, and of the word that changes each time that it is taken.
  protected constructor(place: Place, waiters: number, turn: number) {
    this.#place = place;
    this.#waiters = place.waitSet(waiters);
    this.#turns = new Turns(place, turn, this.#waiters, this.#attempt.more);
  }

  /**
   * Takes it; resolves to what lets go of it again.
   *
   * @param options `timeout` in milliseconds, 0 or less: does not wait; `signal`.
   * @throws {TimeoutError} It was not to be had in time.
   * @throws {TypeError} The options are wrong.
   */
  acquire(options?: WaitOptions): Promise<Guard> {
    try {
      checkWait(options);
      this.#place.check("acquire");
      options?.signal?.throwIfAborted();
      const isPatient = !(options?.timeout !== undefined && options.timeout <= 0) && !this.isOwn;
      if (isPatient && this.#turns.isOwed) return this.#yield(options);
      // Tasks that came before are first.
      if (isPatient && this.#place.me.parker.tasks.isAwaited(this.#waiters)) return this.#wait(options);
      const taken = this.#attempt.attempt(false);
      return taken === PENDING ? this.#wait(options) : Promise.resolve(this.guardOf(taken));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** {@linkcode Lock.acquire}, blocking. @throws {UnsupportedError} This thread may not block. */
  acquireSync(options?: { timeout?: number }): Guard {
    checkTimeout(options);
    this.#place.check("acquire");
    checkMayBlock(this.#place.me, "acquireSync");
    return this.guardOf(this.takeSync(options?.timeout));
  }

  /** Takes it if it is to be had now; null if it is not. */
  tryAcquire(): Guard | null {
    this.#place.check("acquire");
    const taken = this.#attempt.attempt(false);
    return taken === PENDING ? null : this.guardOf(taken);
  }

  /** Lets go of it. */
  abstract release(): void;

  /** Whether it is not to be had now. */
  abstract locked(): boolean;

  /**
   * Takes it, runs `body`, and lets go of it whatever happens. `body` is given the guard, which says whether the lock was abandoned.
   *
   * @return What `body` gives.
   * @throws {TimeoutError} It was not to be had in time; `body` was not run.
   * @throws {TypeError} `body` is no function, or the options are wrong.
   */
  async withLock<T>(body: (guard: Guard) => T, options?: WaitOptions): Promise<Awaited<T>> {
    checkBody(body);
    const guard = await this.acquire(options);
    try {
      return await body(guard);
    } finally {
      guard.release();
    }
  }

  /** {@linkcode Lock.withLock}, blocking. */
  withLockSync<T>(body: (guard: Guard) => T, options?: { timeout?: number }): T {
    checkBody(body);
    const guard = this.acquireSync(options);
    try {
      return body(guard);
    } finally {
      guard.release();
    }
  }

  /** Lets go of the object here, not of what was acquired: that has its guard. Others who have it are not concerned. */
  [Symbol.dispose](): void {
    this.#place.close();
  }

  /** What travels of it. @internal */
  abstract [HANDLE](): Handle;

  /** Takes it if it is to be had: whether it was abandoned. @param lookHard Look at the owner's pulse too. @internal */
  protected abstract take(lookHard: boolean): boolean | typeof PENDING;

  /** Whether somebody could take it now. @internal */
  protected abstract get isFree(): boolean;

  /** Whether this participant has it already and may take it again. @internal */
  protected abstract get isOwn(): boolean;

  /** What lets go of what was just taken. @internal */
  protected abstract guardOf(abandoned: boolean): Guard;

  /** Where it lies. @internal */
  protected get place(): Place {
    return this.#place;
  }

  /** Takes it, blocking. @internal */
  protected takeSync(timeout: number | undefined): boolean {
    if (this.#turns.isOwed && !this.isOwn) this.#turns.yieldSync(timeout);
    const taken = this.#attempt.attempt(false);
    if (taken !== PENDING) return taken;
    return this.#place.me.parker.sleepSync(this.#waiters, this.#attempt, timeout, () => this.#tooLate(timeout));
  }

  /** Takes it once it is to be had. @internal */
  protected takeLater(options: WaitOptions | undefined): Promise<boolean> {
    const { parker } = this.#place.me;
    return parker.tasks.sleep(this.#waiters, this.#attempt, options, () => this.#tooLate(options?.timeout), this.#place.scope);
  }

  /** It is to be had again: rings one of those who wait. @internal */
  protected wake(): void {
    const { words, me } = this.#place;
    if (Atomics.load(words, this.#waiters.at + WAITSET_SUMMARY) === 0) return;
    me.parker.wakeOne(words, this.#waiters.at);
    this.#turns.letGo();
  }

  readonly #attempt: Attempt<boolean> = { attempt: (lookHard) => this.take(lookHard), more: () => this.isFree };

  #yield(options: WaitOptions | undefined): Promise<Guard> {
    return this.#turns.yield().then(() => {
      // Meanwhile it may have been closed, or this participant ended: whoever took it now would never give it back.
      this.#place.check("acquire");
      return this.#wait(options);
    }).catch((error) => {
      // It may have been rung meanwhile, when it would not have taken it: then nobody else knows that it is to be had.
      const { words, me, isClosed } = this.#place;
      if (!me.isGone && !isClosed && this.isFree) me.parker.wakeOne(words, this.#waiters.at);
      throw error;
    });
  }

  #wait(options: WaitOptions | undefined): Promise<Guard> {
    return this.takeLater(options).then((abandoned) => this.guardOf(abandoned));
  }

  #tooLate(timeout: number | undefined): never {
    const { what } = this.#place;
    throw new TimeoutError(
      timeout === undefined || timeout <= 0 ? `Cannot acquire ${what} now` : `Could not acquire ${what} within ${timeout} ms`,
    );
  }
}

function checkBody(body: unknown): void {
  checkArgument("body", body, FUNCTION, "call what is to be done with the lock");
}
