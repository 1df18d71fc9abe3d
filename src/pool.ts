/**
 * Pools of workers that run tasks.
 *
 * @module
 */
import { keepHere } from "./codec.ts";
import { checkSecond } from "./options.ts";
import { startCall } from "./pool_apply.ts";
import { PoolCore } from "./pool_core.ts";
import { ImapIterator } from "./pool_imap.ts";
import { startMap } from "./pool_map.ts";
import {
  checkSize,
  IMAP,
  type ImapOptions,
  type MapOptions,
  type PoolOptions,
  poolOptions,
  type TaskOptions,
  taskOptions,
} from "./pool_options.ts";
import type { PoolEvent, PoolEvents, PoolStats } from "./pool_stats.ts";
import type { AsyncResult } from "./pool_task.ts";
import { printAs } from "./printed.ts";
import type { Target } from "./process.ts";
import type { StartMethod } from "./adapter.ts";
import type { ApplyArguments, ArgumentsOf, ItemOf, ResultOf, Source } from "./signature.ts";

/** Refuses a second argument, such as an initializer. @throws {TypeError} There is one. */
export function checkPoolSecond(second: unknown): void {
  checkSecond(second, "make a pool", "a number, or one object { processes, initializer, initargs }");
}

/**
 * Some workers, which run tasks one after another: processes, threads, or inline tasks. Python: `multiprocessing.Pool`.
 *
 * @example
 * ```ts
 * import { isMain, Pool } from "@polyproc/multiprocessing";
 *
 * export function square(n: number) {
 *   return n ** 2;
 * }
 *
 * if (isMain(import.meta)) {
 *   const pool = new Pool(4);
 *   console.log(await pool.map(square, [1, 2, 3])); // [1, 4, 9]
 *   console.log(await pool.apply(square, [12])); // 144
 *   pool.close();
 *   await pool.join();
 * }
 * ```
 */
// deno-lint-ignore no-explicit-any -- what the initializer takes
export class Pool<I extends any[] = any[]> {
  readonly #core: PoolCore;

  /**
   * Makes a pool, and starts its workers.
   *
   * @param options How many workers, or more about them.
   * @param method What they are, if the options say nothing. A context's own class gives its.
   * @throws {RangeError} An option is out of its range.
   * @throws {TypeError} An option is of a wrong type, or there is no such option.
   * @throws {ProcessError} Workers cannot be started here, since the main module lacks its guard.
   */
  constructor(options?: number | PoolOptions<I>, method?: StartMethod) {
    checkPoolSecond(method);
    this.#core = new PoolCore(poolOptions(options), method, new.target.name || "Pool");
  }

  /**
   * Calls a function in a worker. Python: `apply` if the result is awaited, else `apply_async`.
   *
   * @param fn An exported function, or a reference to one.
   * @param args What it is given; copied at the call.
   * @param options Its limits, and more; times are in milliseconds.
   * @return Its result, which can be awaited. It rejects with what the function throws; with {@linkcode WorkerDiedError} if its worker dies, {@linkcode TimeoutError} if its time is up, {@linkcode CancelledError} if it is cancelled, the reason of its signal if that is aborted.
   * @throws {TypeError} Through the result, as what follows: an option is of a wrong type, or there is no such option.
   * @throws {RangeError} An option is out of its range.
   * @throws {TargetError} A worker could not find the function.
   * @throws {DataCloneError} An argument cannot travel.
   * @throws {ProcessError} The pool was closed or terminated.
   * @throws {Full} Too many tasks wait.
   */
  // deno-lint-ignore no-explicit-any -- any function
  apply<A extends any[], R>(fn: (...args: A) => R, ...rest: ApplyArguments<A>): AsyncResult<Awaited<R>>;
  /** The same for a reference to a function. */
  apply<F extends Target>(fn: F, ...rest: ApplyArguments<ArgumentsOf<F>>): AsyncResult<ResultOf<F>>;
  apply(fn: Target, args: readonly unknown[] = [], options?: TaskOptions): AsyncResult {
    return startCall(this.#core, fn, args, options);
  }

  /**
   * Calls a function for each item, in chunks. Python: `map`, `map_async`.
   *
   * @param fn Called with one item.
   * @param iterable The items; all are taken now, and copied as their chunks are submitted.
   * @param options As of {@linkcode Pool.apply}, for each chunk; `signal` cancels all.
   * @return All results, in order. It rejects with the first error at once; the other calls are made all the same. Unlike Python's, those of the same chunk are made too.
   * @throws {TypeError} Through the result, as whatever {@linkcode Pool.apply} names but `Full`: this is no iterable, or an option is wrong.
   */
  map<T, R>(fn: (item: T) => R, iterable: Iterable<T>, options?: MapOptions): AsyncResult<Awaited<R>[]>;
  /** The same for a reference to a function. */
  map<F extends Target>(fn: F, iterable: Iterable<ItemOf<F>>, options?: MapOptions): AsyncResult<ResultOf<F>[]>;
  map(fn: Target, iterable: Iterable<unknown>, options?: MapOptions): AsyncResult<unknown[]> {
    return startMap(this.#core, fn, iterable, false, options);
  }

  /** {@linkcode Pool.map} for functions of several arguments. Python: `starmap`, `starmap_async`. @param iterable Lists of arguments. @throws {TypeError} Through the result, also: an item is none. */
  // deno-lint-ignore no-explicit-any -- any function
  starmap<A extends any[], R>(fn: (...args: A) => R, iterable: Iterable<Readonly<A>>, options?: MapOptions): AsyncResult<Awaited<R>[]>;
  /** The same for a reference to a function. */
  starmap<F extends Target>(fn: F, iterable: Iterable<Readonly<ArgumentsOf<F>>>, options?: MapOptions): AsyncResult<ResultOf<F>[]>;
  starmap(fn: Target, iterable: Iterable<readonly unknown[]>, options?: MapOptions): AsyncResult<unknown[]> {
    return startMap(this.#core, fn, iterable, true, options);
  }

  /**
   * {@linkcode Pool.map} whose results come one by one, in order, while later ones are computed. It takes no more from the source than `buffersize` items ahead of its consumer; leaving the loop cancels the rest.
   *
   * Python's takes the whole source at once, unless it is told a `buffersize`.
   *
   * @param fn Called with one item.
   * @param iterable The items, which may come late, or never end.
   * @param options As of {@linkcode Pool.apply}, for each chunk; `signal` ends it all. A chunk is one call unless `chunksize` says more.
   * @return The results. One that is an error rejects; `next()` gives the one after it.
   * @throws {TypeError} At the call: this is no iterable, or an option is wrong.
   * @throws {RangeError} An option is out of its range.
   * @throws {ProcessError} The pool was closed or terminated.
   */
  imap<T, R>(fn: (item: T) => R, iterable: Source<T>, options?: ImapOptions): AsyncIterableIterator<Awaited<R>>;
  /** The same for a reference to a function. */
  imap<F extends Target>(fn: F, iterable: Source<ItemOf<F>>, options?: ImapOptions): AsyncIterableIterator<ResultOf<F>>;
  imap(fn: Target, iterable: Source<unknown>, options?: ImapOptions): AsyncIterableIterator<unknown> {
    return new ImapIterator(this.#core, fn, iterable, { isOrdered: true }, taskOptions(options, IMAP));
  }

  /** {@linkcode Pool.imap} whose results come as soon as they are there, in any order. Python: `imap_unordered`. */
  imapUnordered<T, R>(fn: (item: T) => R, iterable: Source<T>, options?: ImapOptions): AsyncIterableIterator<Awaited<R>>;
  /** The same for a reference to a function. */
  imapUnordered<F extends Target>(fn: F, iterable: Source<ItemOf<F>>, options?: ImapOptions): AsyncIterableIterator<ResultOf<F>>;
  imapUnordered(fn: Target, iterable: Source<unknown>, options?: ImapOptions): AsyncIterableIterator<unknown> {
    return new ImapIterator(this.#core, fn, iterable, { isOrdered: false }, taskOptions(options, IMAP));
  }

  /** How many workers there are to be at the most. */
  get size(): number {
    return this.#core.size;
  }

  /** Changes how many workers there are: more are started, or some end once they have nothing to run. @param size Most workers at a time. @throws {RangeError} It is not a whole number from 1 to 512. @throws {ProcessError} The pool was closed or terminated. */
  resize(size: number): void {
    checkSize(size);
    this.#core.resize(size);
  }

  /** How things stand: workers, numbers of tasks, and how long these waited and ran. */
  stats(): PoolStats {
    return this.#core.stats();
  }

  /** Has `listener` called whenever a worker starts, or has ended. @return The pool. @throws {TypeError} There is no such event, or `listener` is no function. */
  on<E extends PoolEvent>(event: E, listener: (details: PoolEvents[E]) => void): this {
    this.#core.listeners.add(event, listener);
    return this;
  }

  /** Has `listener` not called any more. @return The pool. */
  off<E extends PoolEvent>(event: E, listener: (details: PoolEvents[E]) => void): this {
    this.#core.listeners.remove(event, listener);
    return this;
  }

  /** Takes no more tasks. Those that were submitted are done, maps to their end, and lazy ones as their results are asked for; then the workers end. A lazy map that nobody goes on with keeps them until the pool is joined, or it is collected. */
  close(): void {
    this.#core.close();
  }

  /** Ends the workers at once. Results that are not there reject with `CancelledError`. */
  terminate(): void {
    this.#core.terminate();
  }

  /**
   * Waits until all workers have ended. Lazy maps do first what is left of a source that says how long it is, and their results can be asked for afterwards; of any other source they take nothing more, and after the last result comes a {@linkcode ProcessError}.
   *
   * @throws {ProcessError} The pool was neither closed nor terminated.
   */
  join(): Promise<void> {
    return this.#core.join();
  }

  static {
    keepHere(this.prototype, "a pool", "make one there");
    printAs(this.prototype, (pool) => `size=${pool.size} tasks=${pool.#core.outstanding}`);
  }

  /** Terminates it, and waits until all workers have ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.terminate();
    await this.join();
  }
}

/** A pool of threads. Python: `multiprocessing.pool.ThreadPool`. */
// deno-lint-ignore no-explicit-any -- what the initializer takes
export class ThreadPool<I extends any[] = any[]> extends Pool<I> {
  /** Makes a pool, and starts its workers; see {@linkcode Pool}. @throws {TypeError} Also: it is given a start method. */
  constructor(options?: number | Omit<PoolOptions<I>, "startMethod">) {
    checkPoolSecond(arguments[1]);
    if (((options ?? {}) as PoolOptions).startMethod !== undefined) {
      throw new TypeError('Cannot make a pool of threads: there is no option "startMethod"; use a Pool');
    }
    super(options, "thread");
  }
}
