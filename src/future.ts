/**
 * Futures, and waiting for several of them. Python: `concurrent.futures`.
 *
 * @module
 */
import { waitFor } from "./clock.ts";
import { keepHere } from "./codec.ts";
import { describe } from "./error_report.ts";
import { TimeoutError } from "./errors.ts";
import { performance } from "./host.ts";
import { getLogger } from "./log.ts";
import { printAs } from "./printed.ts";
import { ANYTHING, check, checkArgument, type Checks, FUNCTION, shown } from "./options.ts";
import { checkWait, WAIT, type WaitOptions } from "./attempt.ts";
import { AsyncResult, cancellation, isCancellation } from "./pool_task.ts";

/** What a future must be able to do to its task. */
export interface FutureTask {
  /** Gives it up unless somebody has begun it. False if that is so. */
  withdraw(reason: unknown): boolean;
  isRunning(): boolean;
}

/** What will come of a call that was submitted to an executor; it can be awaited. Python: `concurrent.futures.Future`. */
export class Future<T = unknown> implements PromiseLike<T> {
  readonly #result = new AsyncResult<T>(null);
  #task: FutureTask | null = null;
  #error: unknown;
  #state: "pending" | "done" | "failed" | "cancelled" = "pending";
  #callbacks: ((future: Future<T>) => void)[] = [];

  /** Withdraws the call. @return Whether it will not be made; false if it has begun, or is over. */
  cancel(): boolean {
    if (this.#state === "cancelled") return true;
    return this.#state === "pending" && this.#task !== null && this.#task.withdraw(cancellation("The future was cancelled"));
  }

  /** Whether it was cancelled. */
  cancelled(): boolean {
    return this.#state === "cancelled";
  }

  /** Whether a worker makes the call now. */
  running(): boolean {
    return this.#state === "pending" && this.#task?.isRunning() === true;
  }

  /** Whether it was made, or cancelled. */
  done(): boolean {
    return this.#state !== "pending";
  }

  /**
   * The result.
   *
   * @param options `timeout` in milliseconds; `signal`. Giving up the wait does not withdraw the call.
   * @throws {TimeoutError} It was not there in time.
   * @throws {CancelledError} The future was cancelled.
   * @throws {TypeError} The options are wrong.
   * @throws What the call threw.
   */
  result(options?: WaitOptions): Promise<T> {
    return this.#result.get(options);
  }

  /** What the call threw; null if it threw nothing. @param options As for {@linkcode Future.result}. @throws {TimeoutError} It was not over in time. @throws {CancelledError} The future was cancelled. @throws {TypeError} The options are wrong. */
  async exception(options?: WaitOptions): Promise<unknown> {
    checkWait(options);
    try {
      await this.#result.get(options);
      return null;
    } catch (error) {
      if (this.#state !== "failed") throw error;
      return this.#error;
    }
  }

  /** Has `callback` called with the future once it is done: now, if it is. In order of adding; what it throws is logged. @throws {TypeError} It is no function. */
  addDoneCallback(callback: (future: Future<T>) => void): void {
    checkArgument("callback", callback, FUNCTION, "add a callback");
    if (this.#state === "pending") this.#callbacks.push(callback);
    else this.#call(callback);
  }

  /** Has it not called any more. @internal */
  removeDoneCallback(callback: (future: Future<T>) => void): void {
    const at = this.#callbacks.indexOf(callback);
    if (at >= 0) this.#callbacks.splice(at, 1);
  }

  /** As of a promise. */
  then<A = T, B = never>(
    onResolved?: ((value: T) => A | PromiseLike<A>) | null,
    // deno-lint-ignore no-explicit-any -- as of a promise
    onRejected?: ((error: any) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#result.then(onResolved, onRejected);
  }

  /** As of a promise. */
  // deno-lint-ignore no-explicit-any -- as of a promise
  catch<B = never>(onRejected?: ((error: any) => B | PromiseLike<B>) | null): Promise<T | B> {
    return this.#result.catch(onRejected);
  }

  /** As of a promise. */
  finally(onFinally?: (() => void) | null): Promise<T> {
    return this.#result.finally(onFinally);
  }

  /** Whether the call threw. @internal */
  get failed(): boolean {
    return this.#state === "failed";
  }

  /** It was submitted. @internal */
  submitted(task: FutureTask): void {
    this.#task = task;
  }

  /** It is over. @internal */
  settle(ok: boolean, value: unknown): void {
    this.#state = ok ? "done" : isCancellation(value) ? "cancelled" : "failed";
    if (!ok) this.#error = value;
    // Nobody need look at what was cancelled.
    if (this.#state === "cancelled") this.#result.catch(() => {});
    this.#result.settle(ok, value);
    for (const callback of this.#callbacks.splice(0)) this.#call(callback);
  }

  static {
    keepHere(this.prototype, "a future", "await it and send the result");
    printAs(this.prototype, (future) => future.running() ? "running" : future.#state);
  }

  #call(callback: (future: Future<T>) => void): void {
    try {
      callback(this);
    } catch (error) {
      getLogger().error(`A callback of a future threw ${describe(error)}`);
    }
  }
}

/** How futures are waited for. */
export interface WaitFuturesOptions extends WaitOptions {
  /** When it is enough: one is done, one has failed (or all are done), or all are done. Default: `"ALL_COMPLETED"`. */
  returnWhen?: "FIRST_COMPLETED" | "FIRST_EXCEPTION" | "ALL_COMPLETED";
}

/** Futures that are done, and others. */
export interface WaitedFutures<F> {
  /** Those that are: with a result, with an error, or cancelled. */
  readonly done: Set<F>;
  /** The others. */
  readonly notDone: Set<F>;
}

const RETURN_WHEN = ["FIRST_COMPLETED", "FIRST_EXCEPTION", "ALL_COMPLETED"];
/** Which word it is, is looked at apart. */
const WAIT_FUTURES: Checks = { ...WAIT, returnWhen: ANYTHING };

/**
 * Waits for futures. Python: `concurrent.futures.wait`.
 *
 * @param futures Those waited for; several times the same counts once.
 * @param options `returnWhen`; `timeout` in milliseconds, after which it returns as well; `signal`, whose reason it rejects with.
 * @return Which are done, and which are not.
 * @throws {TypeError} They are no iterable, something among them is no future, or another option is wrong.
 * @throws {RangeError} `returnWhen` is none of its words.
 */
// deno-lint-ignore no-explicit-any -- of anything
export async function waitFutures<F extends Future<any>>(
  futures: Iterable<F>,
  options: WaitFuturesOptions = {},
): Promise<WaitedFutures<F>> {
  check(options, WAIT_FUTURES, "wait");
  const { returnWhen = "ALL_COMPLETED", timeout = Infinity, signal } = options;
  const all = futuresOf(futures);
  if (!RETURN_WHEN.includes(returnWhen)) {
    throw new RangeError(`Cannot wait: returnWhen must be one of ${RETURN_WHEN.join(", ")}, it is ${shown(returnWhen)}`);
  }
  signal?.throwIfAborted();
  const isEnough = () => {
    let done = 0;
    for (const future of all) {
      if (!future.done()) continue;
      if (returnWhen === "FIRST_COMPLETED" || returnWhen === "FIRST_EXCEPTION" && future.failed) return true;
      done++;
    }
    return done === all.size;
  };
  if (!isEnough() && timeout > 0) {
    await waitFor(timeout, signal, (came) => {
      const look = () => {
        if (isEnough()) came();
      };
      for (const future of all) if (!future.done()) future.addDoneCallback(look);
      return () => {
        for (const future of all) future.removeDoneCallback(look);
      };
    });
  }
  const done = new Set<F>(), notDone = new Set<F>();
  for (const future of all) (future.done() ? done : notDone).add(future);
  return { done, notDone };
}

/** A future, for the types: they would have a `for await` loop give the result of whatever has `then`. */
export type CompletedFuture<F> = Omit<F, "then" | "catch" | "finally">;

/**
 * Futures as they get done, each once. Python: `concurrent.futures.as_completed`.
 *
 * @param futures Those waited for; several times the same counts once.
 * @param options `timeout` in milliseconds from the call, for all together; `signal`, whose reason the loop rejects with.
 * @return An asynchronous iterable of the futures themselves; await each for its result.
 * @throws {TypeError} At the call: they are no iterable, something among them is no future, or the options are wrong.
 * @throws {TimeoutError} From the loop: some were not done in time.
 */
// deno-lint-ignore no-explicit-any -- of anything
export function asCompleted<F extends CompletedFuture<Future<any>>>(
  futures: Iterable<F>,
  options: WaitOptions = {},
): AsyncIterableIterator<CompletedFuture<F>> {
  checkWait(options);
  const { timeout = Infinity, signal } = options;
  return new Completed(futuresOf(futures as Iterable<unknown> as Iterable<Future>), timeout, signal) as unknown as AsyncIterableIterator<
    CompletedFuture<F>
  >;
}

/** Not a generator: that would wait for the futures that it gives. */
// deno-lint-ignore no-explicit-any -- of anything
class Completed<F extends Future<any>> implements AsyncIterableIterator<F> {
  readonly #all: Set<F>;
  readonly #timeout: number;
  readonly #deadline: number;
  readonly #signal: AbortSignal | undefined;
  readonly #ready: F[] = [];
  #left: number;
  /** Wakes those who wait for the next one. */
  readonly #wakers = new Set<() => void>();

  static {
    keepHere(this.prototype, "an iterator", "await its futures and send the results");
  }

  constructor(all: Set<F>, timeout: number, signal: AbortSignal | undefined) {
    this.#all = all;
    this.#left = all.size;
    this.#timeout = timeout;
    this.#deadline = performance.now() + timeout;
    this.#signal = signal;
    for (const future of all) future.addDoneCallback(this.#onDone);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<F>> {
    try {
      this.#signal?.throwIfAborted();
      while (this.#ready.length === 0 && this.#left > 0) {
        const left = this.#deadline - performance.now();
        if (left > 0 && await this.#wait(left)) continue;
        throw new TimeoutError(`${this.#left} of ${this.#all.size} futures were not done within ${this.#timeout} ms`);
      }
    } catch (error) {
      this.#end();
      throw error;
    }
    const future = this.#ready.shift();
    if (future === undefined) return { done: true, value: undefined };
    this.#left--;
    return { done: false, value: future };
  }

  // deno-lint-ignore require-await -- as iterators have it
  async return(): Promise<IteratorResult<F>> {
    this.#end();
    return { done: true, value: undefined };
  }

  readonly #onDone = (future: Future): void => {
    this.#ready.push(future as F);
    this.#wake();
  };

  /** It is over, as a generator is that returned or threw. */
  #end(): void {
    this.#left = this.#ready.length = 0;
    for (const future of this.#all) future.removeDoneCallback(this.#onDone);
    this.#wake();
  }

  #wake(): void {
    for (const wake of [...this.#wakers]) wake();
  }

  /** Waits until something has changed; false if the time is up. */
  #wait(ms: number): Promise<boolean> {
    return waitFor(ms, this.#signal, (wake) => {
      this.#wakers.add(wake);
      return () => this.#wakers.delete(wake);
    });
  }
}

// deno-lint-ignore no-explicit-any -- of anything
function futuresOf<F extends Future<any>>(futures: Iterable<F>): Set<F> {
  if (typeof (futures as Partial<Iterable<F>> | null)?.[Symbol.iterator] !== "function") {
    throw new TypeError(`Cannot wait: futures must be an iterable of them, such as an array; it is ${shown(futures)}`);
  }
  const all = new Set(futures);
  for (const future of all) {
    if (!(future instanceof Future)) {
      throw new TypeError(`Cannot wait for ${shown(future)}: it is no Future, which executors' submit() gives`);
    }
  }
  return all;
}
