/**
 * Many calls of one function, one after another as they are asked for.
 *
 * @module
 */
import { startClock } from "./clock.ts";
import { keepHere } from "./codec.ts";
import { CancelledError, ProcessError, TimeoutError } from "./errors.ts";
import type { Parts } from "./pool_call.ts";
import { chunkOptions, chunksAhead, LEAST_AHEAD } from "./pool_chunks.ts";
import type { LazyMap, PoolCore } from "./pool_core.ts";
import { shown } from "./options.ts";
import { type ImapOptions, tellProgress } from "./pool_options.ts";
import { FAILED, FLAG_MAP, FLAG_STAR, PARTLY } from "./pool_record.ts";
import { type Job, Task } from "./pool_task.ts";
import type { Target } from "./process.ts";
import type { Source } from "./signature.ts";
import { throwAside } from "./throw_aside.ts";

/** How many bytes may be ahead, if more than the fewest chunks are. */
const AHEAD_BYTES = 2 ** 20;
/** How often to look whether somebody still waits. */
const ALIVE_MS = 1000;

function joined(): ProcessError {
  return new ProcessError("Cannot take more from the source of a lazy map: its pool was joined; ask for the results before that");
}

interface Ready {
  readonly error?: { readonly value: unknown };
  readonly value?: unknown;
}

/** What a lazy map is like. */
export interface LazyMapKind {
  readonly isOrdered: boolean;
  /** Whether each item is a list of arguments. */
  readonly isStar?: boolean;
  /** How many items its source has, or less; NaN: that is not known. By default what the source says. */
  readonly length?: () => number;
  /** How long all results may take once it has begun, in milliseconds. By default as long as they take. */
  readonly timeout?: number;
}

/** How many items something iterable says that it has; NaN if it does not. One that is asynchronous says at most how many it has now. */
export function lengthOf(source: unknown): number {
  const { length, size, [Symbol.asyncIterator]: isAsync } = Object(source);
  return isAsync != null ? NaN : Number.isFinite(length) ? length : Number.isFinite(size) ? size : NaN;
}

/** The results of a lazy map. */
export class ImapIterator implements AsyncIterableIterator<unknown>, Job, LazyMap {
  readonly #core: PoolCore;
  readonly fn: Target;
  readonly #source: Source<unknown>;
  readonly #isOrdered: boolean;
  readonly #length: () => number;
  readonly flags: number;
  /** What was asked for; its chunks know some of it. */
  readonly #asked: ImapOptions;
  readonly options: ImapOptions;
  readonly isPatient = true;
  readonly isRest = true;
  readonly site: Error | null;
  /** What its pool knows it by. */
  readonly #ref: WeakRef<LazyMap>;
  /** How many items are one task: no more than may be ahead. */
  readonly #chunksize: number;
  #iterator: Iterator<unknown> | AsyncIterator<unknown> | null = null;
  #isAsync = false;
  /** Tasks under way, by the number of their first item; and how many bytes they have. */
  readonly #chunks = new Map<Task, number>();
  #bytes = 0;
  /** Results that nobody asked for yet: by their number if they come in order. */
  readonly #ready = new Map<number, Ready>();
  #unordered: Ready[] = [];
  readonly #waiting: { resolve(result: IteratorResult<unknown>): void; reject(error: unknown): void }[] = [];
  /** What was taken from the source, for the next chunk; how many were before; how many results were given. */
  #items: unknown[] = [];
  #taken = 0;
  #given = 0;
  #done = 0;
  #failed = 0;
  #isPulling = false;
  readonly #timeout: number;
  #stopClock: (() => void) | null = null;
  /** Runs as long as somebody waits who is to hear that the time is up. */
  #awake: { stop(): void } | null = null;
  /** Whether nothing more is taken from the source. */
  #isDry = false;
  /** How many items are taken, whoever asks for their results; NaN: those of a loop. */
  #end = NaN;
  /** That the source was told that nothing more is taken from it, or knows. */
  #left: Promise<void> | null = null;
  #leavesLater = false;
  /** What the next one who asks for a result gets instead, if there are none. */
  #failure: { readonly value: unknown } | null = null;
  #isOver = false;

  constructor(
    core: PoolCore,
    fn: Target,
    source: Source<unknown>,
    { isOrdered, isStar = false, length = () => lengthOf(source), timeout = Infinity }: LazyMapKind,
    options: ImapOptions,
  ) {
    const object = Object(source);
    if (source === null || source === undefined || !(Symbol.asyncIterator in object || Symbol.iterator in object)) {
      throw new TypeError(`Cannot map over ${shown(source)}: an iterable, or an asynchronous one, is needed`);
    }
    core.checkOpen();
    this.#core = core;
    this.fn = fn;
    this.#source = source;
    this.#isOrdered = isOrdered;
    this.#length = length;
    this.#timeout = timeout;
    this.flags = isStar ? FLAG_MAP | FLAG_STAR : FLAG_MAP;
    this.#asked = options;
    this.options = chunkOptions(options);
    const { chunksize = 1, buffersize = Infinity } = options;
    this.#chunksize = Math.min(chunksize, buffersize);
    this.site = core.site();
    this.#ref = core.lazyMapMade(this);
  }

  static {
    keepHere(this.prototype, "an iterator", "send an array of what it yields");
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<unknown>> {
    const ready = this.#waiting.length === 0 ? this.#nextReady() : undefined;
    if (ready !== undefined) {
      this.#pull();
      this.#dropWatches();
      return ready.error === undefined ? Promise.resolve({ done: false, value: ready.value }) : Promise.reject(ready.error.value);
    }
    return new Promise((resolve, reject) => {
      // It throws if the source does: then this one waits for nothing.
      this.begin();
      this.#waiting.push({ resolve, reject });
      this.#give();
    });
  }

  /** Starts with the first items, if it has not. */
  begin(): void {
    this.#open();
    this.#pull();
  }

  /** Leaves off with an error, which comes after the results that are there. */
  #stop(reason: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#core.lazyMapOver(this.#ref);
    this.#dropWatches();
    for (const task of [...this.#chunks.keys()]) this.#core.cancel(task, reason);
    if (this.#waiting.length === 0) this.#failure = { value: reason };
    for (const { reject } of this.#waiting.splice(0)) reject(reason);
    this.#stayAlive();
  }

  /** Nobody wants the results that are there. */
  #forget(): void {
    this.#ready.clear();
    this.#unordered = [];
  }

  /** The pool is joined. */
  finish(): void {
    try {
      this.#end = this.#length();
      if (!this.#isHurried) this.cut(joined());
      else this.begin();
    } catch (error) {
      this.cut(error); // it says nothing, or there is no iterator
    }
  }

  cut(reason: unknown): void {
    if (this.#isDry || this.#isOver) return;
    this.#isDry = true;
    this.#failure = { value: reason };
    this.#submit();
    this.#core.lazyMapOver(this.#ref);
    this.#leaveSource().catch(throwAside);
    this.#give();
  }

  withdraw(reason: unknown): void {
    this.cut(reason);
    for (const task of [...this.#chunks.keys()]) this.#core.withdraw(task, reason);
  }

  /** Leaves off: what is under way is cancelled. */
  async return(value?: unknown): Promise<IteratorResult<unknown>> {
    this.#stop(new CancelledError("The tasks were cancelled: nobody waits for their results any more"));
    this.#forget();
    this.#failure = null;
    const left = this.#leaveSource();
    // A generator returns only when what was asked of it is there, which nobody waits for any more.
    if (this.#isPulling) left.catch(throwAside);
    else await left;
    return { done: true, value };
  }

  /** Tells the source that nothing more is taken from it. */
  #leaveSource(): Promise<void> {
    if (this.#isPulling && !this.#isAsync) {
      this.#leavesLater = true; // this was called by the source itself
      return Promise.resolve();
    }
    return this.#left ??= (async () => void await this.#iterator?.return?.())();
  }

  settled(task: Task, status: number, value: unknown): void {
    const first = this.#chunks.get(task)!;
    this.#chunks.delete(task);
    this.#bytes -= task.length;
    if (this.#isOver) return;
    const parts = status === PARTLY ? value as Parts : null;
    const errors = new Map<number, unknown>(parts?.errors);
    const values = parts?.values ?? value as unknown[];
    for (let i = 0; i < task.weight; i++) {
      const isError = status === FAILED || errors.has(i);
      const ready: Ready = isError ? { error: { value: status === FAILED ? value : errors.get(i) } } : { value: values[i] };
      this.#done++;
      if (isError) this.#failed++;
      if (this.#isOrdered) this.#ready.set(first + i, ready);
      else this.#unordered.push(ready);
    }
    tellProgress(this.#asked, { done: this.#done, total: this.#isDry ? this.#taken : 0, failed: this.#failed });
    this.#give();
    this.#pull();
  }

  progressed(_task: Task, value: unknown): void {
    tellProgress(this.#asked, { done: this.#done, total: this.#isDry ? this.#taken : 0, failed: this.#failed, value });
  }

  #open(): void {
    if (this.#iterator !== null || this.#isDry || this.#isOver) return;
    this.#core.microsOf(this.fn); // throws if no worker could find it
    const source = this.#source as Partial<AsyncIterable<unknown>> & Partial<Iterable<unknown>>;
    this.#isAsync = source[Symbol.asyncIterator] != null;
    this.#iterator = this.#isAsync ? source[Symbol.asyncIterator]!() : source[Symbol.iterator]!();
    const { signal } = this.#asked;
    if (signal?.aborted === true) return this.#onAbort();
    signal?.addEventListener("abort", this.#onAbort);
    if (this.#timeout === Infinity) return;
    // If this thread was busy, some may be there in time, and be read in the next turn.
    this.#stopClock = this.#core.quietly(this.#timeout, () => this.#stopClock = this.#core.quietly(0, this.#onTime));
  }

  readonly #onAbort = (): void => {
    this.#stop(this.#asked.signal!.reason);
    this.#forget();
    this.#leaveSource().catch(throwAside);
  };

  readonly #onTime = (): void => {
    this.#stop(new TimeoutError(`The results were not there within ${this.#timeout} ms`));
    this.#leaveSource().catch(throwAside);
  };

  /** Does not look at what could end it early any more: at the time once all results are there, at the signal once they are given. */
  #dropWatches(): void {
    if (!this.#isOver && !(this.#isDry && this.#chunks.size === 0)) return;
    this.#stopClock?.();
    if (this.#isOver || this.#given === this.#taken) this.#asked.signal?.removeEventListener("abort", this.#onAbort);
  }

  /** Takes from the source what may be ahead of the consumer, once that is a part worth the while. */
  #pull(): void {
    if (this.#isPulling || this.#room < this.#chunksize) return;
    const size = this.#bufferSize, spare = size - this.#leastAhead;
    if (this.#isHurried || this.#room >= Math.min(size >> 2, spare)) void this.#fill();
  }

  async #fill(): Promise<void> {
    this.#isPulling = true;
    try {
      while (this.#room >= this.#chunksize) {
        while (this.#items.length < this.#chunksize) {
          const next = this.#iterator!.next();
          const { done, value } = this.#isAsync ? await next : next as IteratorResult<unknown>;
          if (this.#isDry || this.#isOver) return;
          if (done === true) {
            this.#isDry = true;
            this.#left = Promise.resolve();
            break;
          }
          this.#items.push(value);
        }
        this.#submit();
        if (this.#taken > this.#end) this.cut(joined()); // it has more than it said
      }
    } catch (error) {
      this.#left ??= Promise.resolve();
      if (this.#isDry || this.#isOver) return; // nobody waits for its items
      this.#isDry = true;
      this.#failure = { value: error };
      this.#submit();
    } finally {
      this.#isPulling = false;
      if (this.#leavesLater) this.#leaveSource().catch(throwAside);
      if (this.#isDry) this.#core.lazyMapOver(this.#ref);
      this.#give();
      // What could not be sent was given at once.
      this.#pull();
    }
  }

  /** How many items more are to be taken from the source now. */
  get #room(): number {
    if (this.#isDry || this.#isOver) return 0;
    return this.#bufferSize - (this.#isHurried ? this.#chunks.size * this.#chunksize : this.#taken - this.#given);
  }

  /** Whether all that is left is taken, whoever asks for it. */
  get #isHurried(): boolean {
    return !Number.isNaN(this.#end);
  }

  /** How many items are to be ahead of the consumer. */
  get #bufferSize(): number {
    const { buffersize } = this.#asked;
    if (buffersize !== undefined) return buffersize;
    if (this.#bytes >= AHEAD_BYTES) return this.#leastAhead;
    const most = chunksAhead(this.#core.microsOf(this.fn) * this.#chunksize) * this.#core.size * this.#chunksize;
    // The first calls may have been the short ones.
    return Math.min(most, Math.max(this.#leastAhead, this.#done));
  }

  /** … at the least, so that each worker has something to do. */
  get #leastAhead(): number {
    return LEAST_AHEAD * this.#core.size * this.#chunksize;
  }

  /** Submits what was taken. */
  #submit(): void {
    const items = this.#items, first = this.#taken;
    if (items.length === 0) return;
    this.#items = [];
    this.#taken += items.length;
    const task = new Task(this, items.length);
    this.#chunks.set(task, first);
    try {
      this.#core.submit(task, items, "items");
      this.#bytes += task.length;
      // A getter in the items may have ended the map.
      if (this.#isOver) this.#core.cancel(task, new CancelledError("The tasks were cancelled"));
    } catch (error) {
      this.#chunks.delete(task);
      // These cannot be sent, the next ones may.
      for (let i = 0; i < items.length; i++) {
        if (this.#isOrdered) this.#ready.set(first + i, { error: { value: error } });
        else this.#unordered.push({ error: { value: error } });
      }
    }
  }

  /** Gives results to those who wait for one. */
  #give(): void {
    while (this.#waiting.length > 0) {
      const ready = this.#nextReady();
      if (ready === undefined) {
        const isAtEnd = this.#isOver || this.#isDry && this.#given === this.#taken;
        if (!isAtEnd) break;
        const { resolve, reject } = this.#waiting.shift()!;
        const failure = this.#failure;
        this.#failure = null;
        if (failure === null) resolve({ done: true, value: undefined });
        else reject(failure.value);
        continue;
      }
      const { resolve, reject } = this.#waiting.shift()!;
      if (ready.error !== undefined) reject(ready.error.value);
      else resolve({ done: false, value: ready.value });
    }
    this.#dropWatches();
    this.#stayAlive();
  }

  /** The time alone keeps no program alive, since who has left need not know that it is up; who waits does. */
  #stayAlive(): void {
    if (this.#timeout < Infinity && this.#waiting.length > 0) {
      this.#awake ??= startClock(ALIVE_MS, () => {
        this.#awake = null;
        this.#stayAlive();
      });
    } else {
      this.#awake?.stop();
      this.#awake = null;
    }
  }

  /** Takes the next result, if it is there. */
  #nextReady(): Ready | undefined {
    const ready = this.#isOrdered ? this.#ready.get(this.#given) : this.#unordered.shift();
    if (ready === undefined) return undefined;
    this.#ready.delete(this.#given++);
    return ready;
  }
}
