/**
 * Many calls of one function, all at once.
 *
 * @module
 */
import { ITERABLE, shown } from "./options.ts";
import type { Parts } from "./pool_call.ts";
import { chunkOptions, chunksAhead } from "./pool_chunks.ts";
import type { PoolCore } from "./pool_core.ts";
import { type ImapOptions, MAP, type MapOptions, taskOptions, tellProgress } from "./pool_options.ts";
import { FAILED, FLAG_MAP, FLAG_STAR, PARTLY } from "./pool_record.ts";
import { AsyncResult, cancellation, type Job, Task } from "./pool_task.ts";
import type { Target } from "./process.ts";

/** How many chunks each worker is to have at first, as in Python. */
const CHUNKS_EACH = 4;
/** How many items the first chunks have, while it is not known how long a call takes; and how long a chunk is to take, in microseconds. */
const FIRST_CHUNK = 16, CHUNK_MICROS = 50_000;

/** Starts a map. */
export function startMap(
  core: PoolCore,
  fn: Target,
  iterable: Iterable<unknown>,
  isStar: boolean,
  given: MapOptions | undefined,
): AsyncResult<unknown[]> {
  let job: MapJob | null = null;
  const result = new AsyncResult<unknown[]>({
    cancel: () => job !== null && job.cancel(cancellation("The tasks were cancelled")),
  });
  try {
    const options = taskOptions(given, MAP);
    if (typeof iterable !== "object" && typeof iterable !== "string" || iterable === null || !(Symbol.iterator in Object(iterable))) {
      throw new TypeError(`Cannot map over ${shown(iterable)}: an iterable is needed; imap() takes asynchronous ones too`);
    }
    const items = isStar ? listsOf(iterable) : [...iterable];
    job = new MapJob(core, fn, items, isStar, options, result);
    job.start();
  } catch (error) {
    result.settle(false, error);
  }
  return result;
}

/** Lists of arguments, as they can be sent. @throws {TypeError} An item is none. */
function listsOf(items: Iterable<unknown>): unknown[][] {
  return globalThis.Array.from(items, (item, i) => {
    if (globalThis.Array.isArray(item)) return item;
    if (ITERABLE[0](item)) return [...item as Iterable<unknown>];
    throw new TypeError(`Cannot starmap: item ${i} must be a list of arguments, it is ${shown(item)}; map() calls with single items`);
  });
}

class MapJob implements Job {
  readonly #core: PoolCore;
  readonly fn: Target;
  readonly #items: readonly unknown[];
  readonly flags: number;
  /** What was asked for; its chunks know some of it. */
  readonly #asked: ImapOptions;
  readonly options: ImapOptions;
  readonly #result: AsyncResult<unknown[]>;
  readonly #values: unknown[];
  readonly isPatient = true;
  isRest = false;
  readonly site: Error | null;
  /** Tasks under way, and at which item each begins. */
  readonly #chunks = new Map<Task, number>();
  #next = 0;
  #done = 0;
  #failed = 0;
  #isOver = false;
  #isCutting = false;

  constructor(
    core: PoolCore,
    fn: Target,
    items: readonly unknown[],
    isStar: boolean,
    options: ImapOptions,
    result: AsyncResult<unknown[]>,
  ) {
    this.#core = core;
    this.fn = fn;
    this.#items = items;
    this.flags = isStar ? FLAG_MAP | FLAG_STAR : FLAG_MAP;
    this.#asked = options;
    this.options = chunkOptions(options);
    this.#result = result;
    this.#values = new Array(items.length);
    this.site = core.site();
  }

  /** @throws What `PoolCore.checkOpen` throws, or the reason of the signal. */
  start(): void {
    const { signal } = this.#asked;
    signal?.throwIfAborted();
    this.#core.checkOpen();
    if (this.#items.length === 0) return this.#result.settle(true, []);
    signal?.addEventListener("abort", this.#onAbort);
    this.#cut();
  }

  cancel(reason: unknown): boolean {
    if (this.#isOver) return false;
    this.#drop();
    for (const task of [...this.#chunks.keys()]) this.#core.cancel(task, reason);
    this.#result.settle(false, reason);
    return true;
  }

  settled(task: Task, status: number, value: unknown): void {
    const from = this.#chunks.get(task)!;
    this.#chunks.delete(task);
    if (this.#isOver) return;
    this.#done += task.weight;
    if (status === FAILED) this.#fail(task.weight, value);
    else {
      const values = status === PARTLY ? (value as Parts).values : value as unknown[];
      for (let i = 0; i < values.length; i++) this.#values[from + i] = values[i];
      if (status === PARTLY) {
        const { errors } = value as Parts;
        this.#fail(errors.length, errors.toSorted(([a], [b]) => a - b)[0][1]);
      }
    }
    tellProgress(this.#asked, { done: this.#done, total: this.#items.length, failed: this.#failed });
    this.#cut();
  }

  progressed(_task: Task, value: unknown): void {
    tellProgress(this.#asked, { done: this.#done, total: this.#items.length, failed: this.#failed, value });
  }

  readonly #onAbort = (): void => void this.cancel(this.#asked.signal!.reason);

  /** Some calls failed; the others are made all the same. */
  #fail(count: number, error: unknown): void {
    this.#failed += count;
    this.#result.settle(false, error);
  }

  #drop(): void {
    this.#isOver = true;
    this.#asked.signal?.removeEventListener("abort", this.#onAbort);
  }

  /** Submits as many chunks as are to be ahead. If one cannot be, the map is given up; if none is left, it is done. */
  #cut(): void {
    if (this.#isCutting || this.#isOver) return;
    this.#isCutting = true;
    try {
      const size = this.#chunkSize(), most = this.#core.size * chunksAhead(this.#core.microsOf(this.fn) * size);
      while (this.#next < this.#items.length && this.#chunks.size < most && !this.#isOver) {
        const from = this.#next, items = this.#items.slice(from, from + size), task = new Task(this, items.length);
        this.#next += items.length;
        this.#chunks.set(task, from);
        try {
          this.#core.submit(task, items, from === 0 ? "items" : `items.slice(${from})`);
        } catch (error) {
          this.#chunks.delete(task);
          throw error;
        }
        this.isRest = true;
        // A getter in the items may have cancelled the map.
        if (this.#isOver) this.#core.cancel(task, cancellation("The tasks were cancelled"));
      }
    } catch (error) {
      this.cancel(error);
    } finally {
      this.#isCutting = false;
    }
    if (this.#isOver || this.#chunks.size > 0 || this.#next < this.#items.length) return;
    this.#drop();
    this.#result.settle(true, this.#values);
  }

  #chunkSize(): number {
    const { chunksize, timeout } = this.#asked;
    if (chunksize !== undefined) return chunksize;
    // Their time is that of a task: so each call is one.
    if (timeout !== undefined) return 1;
    const micros = this.#core.microsOf(this.fn);
    const fair = Math.ceil(this.#items.length / (CHUNKS_EACH * this.#core.size));
    return Math.min(fair, micros === 0 ? FIRST_CHUNK : Math.max(1, Math.floor(CHUNK_MICROS / micros)));
  }
}
