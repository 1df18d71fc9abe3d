/**
 * Executors. Python: `concurrent.futures.ProcessPoolExecutor`.
 *
 * @module
 */
import { keepHere } from "./codec.ts";
import { CancelledError, ProcessError } from "./errors.ts";
import { Future } from "./future.ts";
import { checkTimers } from "./host.ts";
import { BOOLEAN, check, type Checks, checkSecond, isObject, shown } from "./options.ts";
import { PoolCore } from "./pool_core.ts";
import { ImapIterator, lengthOf } from "./pool_imap.ts";
import { checkWorkers, POOL, type PoolOptions, TIME, WHOLE } from "./pool_options.ts";
import { OK } from "./pool_record.ts";
import { type Job, Task } from "./pool_task.ts";
import { printAs } from "./printed.ts";
import type { Target } from "./process.ts";
import type { ArgumentsOf, ResultOf, Source, Sources } from "./signature.ts";

/** How an executor is made: as a pool is, but workers are started as they are needed. */
// deno-lint-ignore no-explicit-any -- what the initializer takes
export interface ExecutorOptions<I extends any[] = any[]> extends Omit<PoolOptions<I>, "processes"> {
  /** Most workers at a time. By default as many as there are processors that this process may use. */
  maxWorkers?: number;
}

/** How {@linkcode ProcessPoolExecutor.map} works. */
export interface ExecutorMapOptions {
  /** How many calls are one task. Default: 1. */
  chunksize?: number;
  /** How many items are taken ahead of whoever takes results. By default enough for all workers. */
  buffersize?: number;
  /** How long all results may take from the call on, in milliseconds. By default as long as they take. */
  timeout?: number;
}

const SHUTDOWN: Checks = { wait: BOOLEAN, cancelFutures: BOOLEAN };
const MAP: Checks = { chunksize: WHOLE, buffersize: WHOLE, timeout: TIME };
const { processes: WORKERS, ...OTHERS } = POOL;
const EXECUTOR: Checks = { maxWorkers: WORKERS, ...OTHERS, processes: "it is maxWorkers", mp_context: "it is startMethod" };

/**
 * Workers that make calls, each of which has a future. Unlike Python's it goes on when a worker dies: that call's future alone fails, with {@linkcode WorkerDiedError}.
 *
 * @example
 * ```ts
 * import { isMain, ProcessPoolExecutor } from "@polyproc/multiprocessing";
 *
 * export function add(a: number, b: number) {
 *   return a + b;
 * }
 *
 * if (isMain(import.meta)) {
 *   await using executor = new ProcessPoolExecutor({ maxWorkers: 2 });
 *   console.log(await executor.submit(add, 1, 2)); // 3
 * }
 * ```
 */
// deno-lint-ignore no-explicit-any -- what the initializer takes
export class ProcessPoolExecutor<I extends any[] = any[]> {
  readonly #core: PoolCore;
  readonly #futures = new Map<Task, Future>();
  #isShut = false;

  /**
   * Makes an executor.
   *
   * @throws {RangeError} An option is out of its range.
   * @throws {TypeError} An option is of a wrong type, or there is no such option.
   */
  constructor(options: ExecutorOptions<I> = {}) {
    checkSecond(arguments[1], "make an executor", "one object { maxWorkers, initializer, initargs }");
    checkWorkers(options, EXECUTOR, "make an executor", "maxWorkers");
    const { maxWorkers, minProcesses = 0, ...rest } = options;
    this.#core = new PoolCore({ ...rest, minProcesses, processes: maxWorkers }, undefined, "ProcessPoolExecutor", true);
  }

  /**
   * Has a worker call a function.
   *
   * @param fn An exported function, or a reference to one.
   * @param args What it is given; copied at the call.
   * @return Its future: the result, or what the function throws; {@linkcode WorkerDiedError} if the worker dies.
   * @throws {ProcessError} At the call, as what follows: the executor was shut down.
   * @throws {DataCloneError} An argument cannot travel.
   * @throws {TypeError} This is no function, and no reference to one.
   * @throws {TargetError} A worker could not find the function.
   * @throws {Full} `maxQueue` calls wait already.
   */
  // deno-lint-ignore no-explicit-any -- any function
  submit<A extends any[], R>(fn: (...args: A) => R, ...args: A): Future<Awaited<R>>;
  /** The same for a reference to a function. */
  submit<F extends Target>(fn: F, ...args: ArgumentsOf<F>): Future<ResultOf<F>>;
  submit(fn: Target, ...args: readonly unknown[]): Future {
    this.#check();
    const future = new Future();
    const job: Job = {
      fn,
      flags: 0,
      options: {},
      isPatient: false,
      isRest: false,
      isFuture: true,
      site: null,
      settled: (_task, status, value) => {
        this.#futures.delete(task);
        future.settle(status === OK, value);
      },
    };
    const task = new Task(job, 1);
    this.#futures.set(task, future);
    future.submitted({ withdraw: (reason) => this.#core.withdraw(task, reason), isRunning: () => this.#core.isRunning(task) });
    try {
      this.#core.submit(task, args, "args");
      job.site = this.#core.site(); // now that it is on its way
    } catch (error) {
      this.#futures.delete(task);
      throw error;
    }
    return future;
  }

  /**
   * Calls a function with the first items of all iterables, with the second ones, and so on as long as all have one. It begins at once, and takes no more items than are needed to keep the workers busy ahead of whoever takes results.
   *
   * @param iterables The arguments, and last of all {@linkcode ExecutorMapOptions}, if any.
   * @return The results in order. After one that is an error, the next can be asked for. Once `timeout` is over, its loop gives those that are there, and rejects with {@linkcode TimeoutError}.
   * @throws {TypeError} At the call: an option is wrong, something is no iterable, or there is none.
   * @throws {ProcessError} The executor was shut down.
   */
  // deno-lint-ignore no-explicit-any -- any function
  map<A extends any[], R>(fn: (...args: A) => R, ...iterables: Sources<A, ExecutorMapOptions>): AsyncIterableIterator<Awaited<R>>;
  /** The same for a reference to a function, and with options. */
  map<F extends Target>(
    fn: F,
    ...iterables: [...Sources<ArgumentsOf<F>, ExecutorMapOptions>, options?: ExecutorMapOptions]
  ): AsyncIterableIterator<ResultOf<F>>;
  map(fn: Target, ...iterables: (Source<unknown> | ExecutorMapOptions)[]): AsyncIterableIterator<unknown> {
    this.#check();
    const last = iterables.at(-1);
    const hasOptions = isOptions(last) || last === undefined && iterables.length > 1;
    const options = hasOptions ? last as ExecutorMapOptions ?? {} : {};
    check(options, MAP, "map");
    const sources = (hasOptions ? iterables.slice(0, -1) : iterables) as Source<unknown>[];
    const { timeout = Infinity, ...imapOptions } = options;
    if (timeout < Infinity) checkTimers();
    const source = together(sources);
    // They are taken up to the end of the shortest.
    const length = () => {
      const known = Symbol.iterator in source ? sources.map(lengthOf).filter(Number.isFinite) : [];
      return known.length === 0 ? NaN : Math.min(...known);
    };
    const results = new ImapIterator(this.#core, fn, source, { isOrdered: true, isStar: true, length, timeout }, imapOptions);
    results.begin();
    return results;
  }

  /**
   * Takes no more calls.
   *
   * @param options `wait`: resolve when all are made and the workers have ended, the default, with maps as in `Pool.join`; otherwise that goes on by itself. `cancelFutures`: withdraw those that no worker has begun, and have maps make no more.
   * @throws {TypeError} An option is wrong, or there is no such option.
   */
  async shutdown(options: { wait?: boolean; cancelFutures?: boolean } = {}): Promise<void> {
    check(options, SHUTDOWN, "shut the executor down");
    const { wait = true, cancelFutures = false } = options;
    this.#isShut = true;
    if (cancelFutures) {
      for (const future of [...this.#futures.values()]) future.cancel();
      this.#core.withdrawLazyMaps(new CancelledError("The call was cancelled: its executor was shut down"));
    }
    this.#core.close();
    if (wait) await this.#core.join();
  }

  /** Ends the workers now. Futures that are not done are cancelled. */
  terminateWorkers(): void {
    this.#isShut = true;
    this.#core.terminate();
  }

  /** {@linkcode ProcessPoolExecutor.terminateWorkers}, leaving the workers no choice. */
  killWorkers(): void {
    this.#isShut = true;
    this.#core.kill();
  }

  /** Shuts it down, and waits until all calls are made, as Python's `with` does. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.shutdown();
  }

  static {
    keepHere(this.prototype, "an executor", "make one there");
    printAs(this.prototype, (executor) => `maxWorkers=${executor.#core.size} calls=${executor.#core.outstanding}`);
  }

  #check(): void {
    if (this.#isShut) throw new ProcessError("Cannot submit a call: the executor was shut down");
    this.#core.checkOpen();
  }
}

function isIterable(value: unknown): value is Source<unknown> {
  return value !== null && value !== undefined && (Symbol.iterator in Object(value) || Symbol.asyncIterator in Object(value));
}

/** Whether a last argument is no iterable, nor meant as one. */
function isOptions(value: unknown): boolean {
  return isObject(value) && !isIterable(value) && !("then" in (value as object));
}

/** One item of each, as long as all have one. */
function together(sources: readonly Source<unknown>[]): Source<unknown[]> {
  if (sources.length === 0) throw new TypeError("Cannot map: an iterable is needed, of what the function is called with");
  for (const source of sources) {
    if (!isIterable(source)) throw new TypeError(`Cannot map over ${shown(source)}: iterables are needed, and options after them`);
  }
  const areSync = sources.every((source) => Symbol.iterator in Object(source));
  return areSync ? zip(sources as Iterable<unknown>[]) : zipAsync(sources);
}

function* zip(sources: readonly Iterable<unknown>[]): Generator<unknown[]> {
  const open: Iterator<unknown>[] = [];
  // Who is asked, and throws or is at its end, knows that nothing more is taken.
  let asked: Iterator<unknown> | null = null;
  try {
    for (const source of sources) open.push(source[Symbol.iterator]());
    while (open.length > 0) {
      const items: unknown[] = [];
      for (asked of open) {
        const { done, value } = asked.next();
        if (done === true) return;
        items.push(value);
      }
      asked = null;
      yield items;
    }
  } finally {
    leave(open.filter((iterator) => iterator !== asked));
  }
}

/** Tells each, whatever another one throws. */
function leave([first, ...others]: readonly Iterator<unknown>[]): void {
  try {
    first?.return?.();
  } finally {
    if (others.length > 0) leave(others);
  }
}

async function* zipAsync(sources: readonly Source<unknown>[]): AsyncGenerator<unknown[]> {
  type Either = Iterator<unknown> | AsyncIterator<unknown>;
  const open: Either[] = [];
  let asked: Either | null = null;
  try {
    for (const source of sources) {
      const { [Symbol.asyncIterator]: later, [Symbol.iterator]: now } = source as AsyncIterable<unknown> & Iterable<unknown>;
      open.push(later === undefined ? now.call(source) : later.call(source));
    }
    while (open.length > 0) {
      const items: unknown[] = [];
      for (asked of open) {
        const { done, value } = await asked.next();
        if (done === true) return;
        items.push(value);
      }
      asked = null;
      yield items;
    }
  } finally {
    await leaveAsync(open.filter((iterator) => iterator !== asked));
  }
}

async function leaveAsync([first, ...others]: readonly (Iterator<unknown> | AsyncIterator<unknown>)[]): Promise<void> {
  try {
    await first?.return?.();
  } finally {
    if (others.length > 0) await leaveAsync(others);
  }
}
