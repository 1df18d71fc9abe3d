/**
 * What is counted and told of a pool.
 *
 * @module
 */
import type { Adapter, Histogram } from "./adapter.ts";
import { performance, queueMicrotask } from "./host.ts";
import { checkArgument, FUNCTION } from "./options.ts";

/** A distribution of times, in milliseconds. */
export interface Latency {
  /** How many were measured. With very many small tasks that is not each of them. */
  readonly count: number;
  /** The shortest. */
  readonly min: number;
  /** The mean. */
  readonly mean: number;
  /** The median. */
  readonly p50: number;
  /** Nine of ten were no longer. */
  readonly p90: number;
  /** 99 of a hundred were no longer. */
  readonly p99: number;
  /** The longest. */
  readonly max: number;
}

/** One worker. */
export interface WorkerStats {
  /** Its name, as {@linkcode activeChildren} and events have it. */
  readonly name: string;
  /** Id of its process. */
  readonly pid: number | null;
  /** What it does: `"ending"` is one that is not needed any more, and may still run a task. */
  readonly state: "starting" | "idle" | "busy" | "ending";
  /** How many tasks it has done. A chunk of a map is one. */
  readonly tasks: number;
  /** Bytes of memory that it uses, as it said last; 0 while it has not. */
  readonly memory: number;
}

/** How a pool stands. */
export interface PoolStats {
  /** Those that have not ended. */
  readonly workers: readonly WorkerStats[];
  /** Tasks that wait to be started. */
  readonly queued: number;
  /** Tasks that workers run now. */
  readonly running: number;
  /** Tasks that ended with a result. A chunk of a map is one task, and is done also if some of its calls threw. */
  readonly done: number;
  /** Tasks that ended with an error, or were given up. */
  readonly failed: number;
  /** How long tasks waited for their start, and how long they ran up to their encoded result, in milliseconds. */
  readonly latency: { readonly wait: Latency; readonly run: Latency };
}

/** What is told of a worker that started. */
export interface WorkerStart {
  /** Id of its process; null where it has none of its own. */
  readonly pid: number | null;
  /** Its name: `PoolWorker-` and a number. */
  readonly name: string;
}

/** What is told of a worker that has ended. */
export interface WorkerExit extends WorkerStart {
  /** As of a process: −N if signal N killed it; null if it could not be started. */
  readonly exitcode: number | null;
  /** The error that ended it, or null. */
  readonly error: unknown;
}

/** Events of a pool, and what is told of each. */
export interface PoolEvents {
  /** A worker was started. */
  workerstart: WorkerStart;
  /** A worker has ended, whatever the reason. */
  workerexit: WorkerExit;
}

/** Names of events. */
export type PoolEvent = keyof PoolEvents;

type Listener<E extends PoolEvent> = (details: PoolEvents[E]) => void;

/** Who is told of a pool's events. */
export class Listeners {
  readonly #all: { [E in PoolEvent]: Set<Listener<E>> } = { workerstart: new Set(), workerexit: new Set() };

  add<E extends PoolEvent>(event: E, listener: Listener<E>): void {
    const listeners = this.#of(event);
    checkArgument("listener", listener, FUNCTION, "listen to a pool");
    listeners.add(listener);
  }

  remove<E extends PoolEvent>(event: E, listener: Listener<E>): void {
    this.#of(event).delete(listener);
  }

  tell<E extends PoolEvent>(event: E, details: PoolEvents[E]): void {
    for (const listener of [...this.#of(event)]) {
      // A listener's error is its own.
      queueMicrotask(() => listener(details));
    }
  }

  #of<E extends PoolEvent>(event: E): Set<Listener<E>> {
    if (Object.hasOwn(this.#all, event)) return this.#all[event];
    throw new TypeError(`A pool has no event "${String(event)}": there are ${Object.keys(this.#all).join(" and ")}`);
  }
}

/** With tasks that are smaller than this, one in sixteen is measured: measuring would take as long. */
const SMALL_MICROS = 50;

/** Times of a pool's tasks. */
export class Latencies {
  readonly #adapter: Adapter;
  #wait: Histogram | null = null;
  #run: Histogram | null = null;
  #count = 0;

  constructor(adapter: Adapter) {
    this.#adapter = adapter;
  }

  /** A task ended now. @param since When it was submitted. @param micros How long it ran. */
  add(since: number, micros: number): void {
    if (micros < SMALL_MICROS && (this.#count++ & 15) !== 0) return;
    this.#wait ??= this.#adapter.histogram();
    this.#run ??= this.#adapter.histogram();
    this.#wait.record(Math.max(1, Math.round((performance.now() - since) * 1000 - micros)));
    this.#run.record(Math.max(1, micros));
  }

  get summary(): PoolStats["latency"] {
    return { wait: latencyOf(this.#wait), run: latencyOf(this.#run) };
  }
}

function latencyOf(histogram: Histogram | null): Latency {
  if (histogram === null || histogram.count === 0) return { count: 0, min: 0, mean: 0, p50: 0, p90: 0, p99: 0, max: 0 };
  const { min, max } = histogram;
  const ms = (micros: number) => micros / 1000;
  // A percentile is the upper end of a class of values.
  const at = (percent: number) => ms(Math.min(histogram.percentile(percent), max));
  return {
    count: histogram.count,
    min: ms(min),
    mean: ms(histogram.mean),
    p50: at(50),
    p90: at(90),
    p99: at(99),
    max: ms(max),
  };
}
