/**
 * Tasks of a pool as their owner has them, and the results that are waited for.
 *
 * @module
 */
import { waitFor } from "./clock.ts";
import { keepHere, type Shareable } from "./codec.ts";
import { CancelledError, ProcessError, TimeoutError } from "./errors.ts";
import { checkWait, type WaitOptions } from "./attempt.ts";
import type { ImapOptions } from "./pool_options.ts";
import type { Piece } from "./pool_record.ts";
import { printAs } from "./printed.ts";
import type { Target } from "./process.ts";

/** Where a task stands. */
export const WAITING = 0, SENT = 1, DONE = 2;

/** What some tasks have in common, and who is told what becomes of them. */
export interface Job {
  readonly fn: Target;
  /** How the arguments of its tasks are meant. */
  readonly flags: number;
  readonly options: ImapOptions;
  /** Whether it sees to it by itself that not too many wait. */
  readonly isPatient: boolean;
  /** Whether what comes is more of what the pool has taken: a closed one goes on with that. */
  readonly isRest: boolean;
  /** Whether it is asked at any time whether somebody has begun it. */
  readonly isFuture?: boolean;
  /** Where it was submitted, if there was time to write that down. */
  site: Error | null;
  /** A task ended. @param status With a value, an error, or some of each. */
  settled(task: Task, status: number, value: unknown): void;
  /** A task said how far it is. */
  progressed?(task: Task, value: unknown): void;
}

const NONE: readonly never[] = Object.freeze([]), NO_BYTES = new Uint8Array();

/** A task: a call, or some calls that go together. Nothing can become of it before a pool has taken it. */
export class Task implements Piece {
  readonly job: Job;
  /** How many calls it is. */
  readonly weight: number;
  id = 0;
  /** The number of its function. */
  fn = 0;
  // Its encoded call, the shared objects in that, and the buffers that are moved to whoever runs it.
  bytes: Uint8Array = NO_BYTES;
  at = 0;
  length = 0;
  shared: readonly Shareable[] = NONE;
  moved: readonly ArrayBuffer[] = NONE;
  priority = 0;
  /** How long it may go on once it was given up, in milliseconds. */
  grace = 0;
  /** When it was submitted. */
  since = 0;
  state: number = DONE;
  /** How often it may be tried again. */
  retries = 0;
  attempt = 1;
  // Where it is on its way.
  entry = 0;
  generation = 0;
  /** Stops its clocks, and its listening to a signal. */
  cleanUp: (() => void) | null = null;

  constructor(job: Job, weight: number) {
    this.job = job;
    this.weight = weight;
  }

  /** It is over: what it was to be given need not stay as long as somebody has it. */
  forget(): void {
    this.bytes = NO_BYTES;
    this.shared = NONE;
    this.moved = NONE;
  }
}

/** The errors of what was cancelled: a task may throw one of the same class, and was made all the same. */
const CANCELLATIONS = new WeakSet<object>();

/** The error of something that is cancelled. */
export function cancellation(message: string): CancelledError {
  const error = new CancelledError(message);
  CANCELLATIONS.add(error);
  return error;
}

/** Whether something with this error was cancelled. */
export function isCancellation(error: unknown): boolean {
  return CANCELLATIONS.has(error as object);
}

/** Where a result comes from. */
export interface ResultSource {
  /** Gives up what it is the result of. False if there is nothing to give up. */
  cancel(): boolean;
}

/** What reports the error of a result that nobody ever looked at: the collector finds out. */
const OVERLOOKED = new FinalizationRegistry<unknown>((error) => {
  void Promise.reject(error);
});

/**
 * The result of a task, which is waited for: it can be awaited as a promise can. Python: `multiprocessing.pool.AsyncResult`.
 *
 * An error in it is reported as one that nobody handles only if nobody ever looks at the result.
 */
export class AsyncResult<T = unknown> implements PromiseLike<T> {
  #state: 0 | 1 | 2 = 0;
  #value: unknown;
  #promise: Promise<T> | null = null;
  #resolve: ((value: unknown) => void) | null = null;
  #reject: ((error: unknown) => void) | null = null;
  #source: ResultSource | null;

  /** Results are made by pools. @internal */
  constructor(source: ResultSource | null) {
    this.#source = source;
  }

  /** Whether it is there, or an error is. */
  ready(): boolean {
    return this.#state !== 0;
  }

  /** Whether the task ended without an error. @throws {ProcessError} It has not ended. */
  successful(): boolean {
    if (this.#state === 0) throw new ProcessError("Cannot tell whether the task was successful: it is not ready");
    this.#look();
    return this.#state === 1;
  }

  /**
   * The result.
   *
   * @param options `timeout` in milliseconds; `signal`. Giving up the wait does not end the task, see {@linkcode AsyncResult.cancel}.
   * @throws {TimeoutError} It was not there in time.
   * @throws {TypeError} The options are wrong.
   * @throws Whatever the task threw.
   */
  get(options?: WaitOptions): Promise<T> {
    try {
      checkWait(options);
    } catch (error) {
      return Promise.reject(error);
    }
    const { timeout = Infinity, signal } = options ?? {};
    return timeout === Infinity && signal === undefined ? this.#asPromise() : this.#getWithin(timeout, signal);
  }

  async #getWithin(timeout: number, signal: AbortSignal | undefined): Promise<T> {
    signal?.throwIfAborted();
    const wait = () =>
      waitFor(timeout, signal, (came) => {
        this.#asPromise().then(came, came);
        return () => {}; // a promise forgets nobody
      });
    if (this.#state === 0 && (timeout <= 0 || !await wait())) throw new TimeoutError(`The result was not ready within ${timeout} ms`);
    return this.#asPromise();
  }

  /** Waits until it is ready. @return Whether it is; false when the time was up. @throws {TypeError} The options are wrong. */
  async wait(options?: WaitOptions): Promise<boolean> {
    checkWait(options);
    try {
      await this.get(options);
    } catch {
      options?.signal?.throwIfAborted();
    }
    return this.ready();
  }

  /**
   * Cancels the task: one that waits is not run; one that runs is told by its signal, and its worker is killed if it goes on for longer than the grace. The result is a `CancelledError` at once.
   *
   * @return Whether there was something to cancel.
   */
  cancel(): boolean {
    return this.#source?.cancel() ?? false;
  }

  /** As of a promise. */
  then<A = T, B = never>(
    onResolved?: ((value: T) => A | PromiseLike<A>) | null,
    // deno-lint-ignore no-explicit-any -- as of a promise
    onRejected?: ((error: any) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#asPromise().then(onResolved, onRejected);
  }

  /** As of a promise. */
  // deno-lint-ignore no-explicit-any -- as of a promise
  catch<B = never>(onRejected?: ((error: any) => B | PromiseLike<B>) | null): Promise<T | B> {
    return this.#asPromise().catch(onRejected);
  }

  /** As of a promise. */
  finally(onFinally?: (() => void) | null): Promise<T> {
    return this.#asPromise().finally(onFinally);
  }

  /** It is there. @internal */
  settle(ok: boolean, value: unknown): void {
    if (this.#state !== 0) return;
    this.#state = ok ? 1 : 2;
    this.#source = null;
    if (this.#resolve !== null) {
      if (ok) this.#resolve(value);
      else this.#reject!(value);
      this.#resolve = this.#reject = null;
      return;
    }
    this.#value = value;
    // Whoever cancels knows.
    if (!ok && !isCancellation(value)) OVERLOOKED.register(this, value, this);
  }

  static {
    keepHere(this.prototype, "a result of a pool", "await it and send what it gives");
    // Its error is not looked at by that.
    printAs(this.prototype, (result) => ["pending", "done", "failed"][result.#state]);
  }

  #look(): void {
    if (this.#state === 2) OVERLOOKED.unregister(this);
  }

  #asPromise(): Promise<T> {
    if (this.#promise !== null) return this.#promise;
    this.#look();
    if (this.#state === 1) return this.#promise = Promise.resolve(this.#value as T);
    if (this.#state === 2) return this.#promise = Promise.reject(this.#value);
    return this.#promise = new Promise<T>((resolve, reject) => {
      this.#resolve = resolve as (value: unknown) => void;
      this.#reject = reject;
    });
  }
}
