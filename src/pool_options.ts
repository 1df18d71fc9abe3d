/**
 * How pools and their tasks are asked for.
 *
 * @module
 */
import type { Permissions, RuntimeName, StartMethod } from "./adapter.ts";
import { checkTimers } from "./host.ts";
import {
  BUFFERS,
  type Check,
  check,
  type Checks,
  ENVIRONMENT,
  FUNCTION,
  NUMBER,
  oneOf,
  PERMISSIONS,
  RESOURCE_LIMITS,
  RUNTIME,
  SIGNAL,
  STRINGS,
  TARGET,
} from "./options.ts";
import { MOST_SEATS } from "./pool_memory.ts";
import type { Target } from "./process.ts";
import { throwAside } from "./throw_aside.ts";

/** How a pool is made. */
// deno-lint-ignore no-explicit-any -- any function may be the initializer; its arguments are checked through I
export interface PoolOptions<I extends any[] = any[]> {
  /** Most workers at a time. By default as many as there are processors that this process may use. */
  processes?: number;
  /** Called in each worker before its first task; its errors break the pool. */
  initializer?: Target<I>;
  /** What the initializer is given. */
  initargs?: Readonly<I>;
  /** After so many tasks a worker is replaced; a chunk counts once. By default it never is. */
  maxTasksPerChild?: number;
  /** What a worker is: by default as the default context's processes. */
  startMethod?: StartMethod;
  /** Another runtime for the workers than this one. Needs start method `"process"`. */
  runtime?: RuntimeName;
  /** Deno: what workers may do, by default all that this process may do as a whole. */
  permissions?: Permissions;
  /** Environment variables of the workers, beside this process's own. */
  env?: Readonly<Record<string, string>>;
  /** More arguments for the workers' runtime, before the program. */
  execArgv?: readonly string[];
  /** Limits of the workers' heap, in MiB. */
  resourceLimits?: { maxOldSpaceMb?: number };
  /** So many workers are started at once, and stay; more come when there is work for them. By default all. */
  minProcesses?: number;
  /** After so many milliseconds in which they were not needed, workers above `minProcesses` end. By default they stay. */
  idleTimeout?: number;
  /** Most tasks that may wait beside those for which there is a worker; more are refused with `Full`. By default there is no limit. */
  maxQueue?: number;
  /** A worker that uses more memory after a task is replaced, in MiB. By default there is no limit. Not where none is told: in browsers and on edge runtimes. */
  maxMemoryMb?: number;
  /** How often a task whose worker died is tried again. Default: 0. */
  retries?: number;
  /** What a worker does while there is nothing to do: leave its event loop to others (the default), or block its thread, which answers sooner. */
  idle?: "async" | "block";
  /** Niceness of the workers, 0 to 19: the higher, the more they give way to other programs, and to this one's event loop. Default: 0. */
  nice?: number;
  /** How long a task that is cancelled, or whose time is up, may go on after its signal was aborted, in milliseconds; then its worker is killed. Default: 1000. */
  grace?: number;
}

/** How a task is asked for. */
export interface TaskOptions {
  /** Aborting it cancels the task. */
  signal?: AbortSignal;
  /** How long it may run, in milliseconds from its start. By default as long as it takes. The import of its module, where its worker has not done that yet, may take ten seconds more. */
  timeout?: number;
  /** How long it may wait for its start, in milliseconds. By default as long as it takes. */
  queueTimeout?: number;
  /** Tasks of higher priority start first. Default: 0. */
  priority?: number;
  /** Threads: buffers among the arguments that are moved, not copied. */
  transfer?: readonly ArrayBuffer[];
  /** How often it is tried again if its worker dies. By default as often as the pool says. */
  retries?: number;
  /** How long it may go on after it was cancelled. By default as long as the pool says. */
  grace?: number;
  /** Called with how far it is: after each chunk, and when the task itself says so. What it throws is an uncaught error, and changes nothing of the task. */
  onProgress?: (progress: Progress) => void;
}

/** How many tasks are asked for at once. */
export interface MapOptions extends TaskOptions {
  /** How many calls are one task. By default so many that each worker has some four tasks, and fewer if they take long. */
  chunksize?: number;
}

/** How a lazy map is asked for. */
export interface ImapOptions extends MapOptions {
  /** How many items are taken from the source ahead of the consumer. By default enough for all workers: more, the shorter the calls are. */
  buffersize?: number;
}

/** How far something is. */
export interface Progress {
  /** Calls that are done, in any way. */
  readonly done: number;
  /** Calls in all; 0 if it is not known. */
  readonly total: number;
  /** Calls that threw. */
  readonly failed: number;
  /** What the task itself said. */
  readonly value?: unknown;
}

const isWhole = (least: number) => (value: unknown) => Number.isSafeInteger(value) && (value as number) >= least;
const isTime = (value: unknown) => typeof value === "number" && value >= 0;
export const WHOLE: Check = [isWhole(1), "a whole number from 1 on"];
const WORKERS: Check = [
  (value) => isWhole(1)(value) && (value as number) <= MOST_SEATS,
  `a whole number from 1 to ${MOST_SEATS}`,
];
const COUNT: Check = [isWhole(0), "a whole number from 0 on"];
export const TIME: Check = [isTime, "a number of milliseconds from 0 on"];

/** What each option of a pool must be. */
export const POOL: Readonly<Record<keyof PoolOptions, Check>> = {
  processes: WORKERS,
  initializer: TARGET,
  initargs: [globalThis.Array.isArray, "an array"],
  maxTasksPerChild: WHOLE,
  startMethod: oneOf("process", "thread", "inline"),
  runtime: RUNTIME,
  permissions: PERMISSIONS,
  env: ENVIRONMENT,
  execArgv: STRINGS,
  resourceLimits: RESOURCE_LIMITS,
  minProcesses: COUNT,
  idleTimeout: TIME,
  maxQueue: COUNT,
  maxMemoryMb: [(value) => typeof value === "number" && value > 0, "a positive number"],
  retries: COUNT,
  idle: oneOf("async", "block"),
  nice: [(value) => isWhole(0)(value) && (value as number) < 20, "a whole number from 0 to 19"],
  grace: TIME,
};

/** What each option of a task must be. What concerns several calls is no option of one, nor what concerns a lazy map of another one: nobody would look at it. */
export const TASK: Readonly<Record<keyof TaskOptions, Check>> = {
  signal: SIGNAL,
  timeout: TIME,
  queueTimeout: TIME,
  priority: NUMBER,
  transfer: BUFFERS,
  retries: COUNT,
  grace: TIME,
  onProgress: FUNCTION,
};
export const MAP: Readonly<Record<keyof MapOptions, Check>> = { ...TASK, chunksize: WHOLE };
export const IMAP: Readonly<Record<keyof ImapOptions, Check>> = { ...MAP, buffersize: WHOLE };

/** Checks a pool's options. @throws {TypeError} @throws {RangeError} One is wrong; the message names it. */
export function poolOptions(given: number | PoolOptions | undefined): PoolOptions {
  const options = typeof given === "object" ? given : { processes: given };
  checkWorkers(options, { ...POOL, maxWorkers: "it is processes" }, "make a pool", "processes");
  return options;
}

/** Checks options that say how many workers there are. @param most The option for most of them. @throws {TypeError} @throws {RangeError} One is wrong; the message names it. */
export function checkWorkers<K extends string>(
  options: { readonly [key in K | "minProcesses"]?: number },
  checks: Checks,
  action: string,
  most: K,
): void {
  check(options, checks, action);
  const { minProcesses = 0, [most]: limit = Infinity } = options;
  if (minProcesses > limit) {
    throw new RangeError(`Cannot ${action}: minProcesses, which is ${minProcesses}, must not be more than ${most}, which is ${limit}`);
  }
}

/** Checks a new size of a pool. @throws {TypeError} @throws {RangeError} It is none. */
export function checkSize(size: unknown): void {
  check({ size: size ?? null }, { size: WORKERS }, "resize the pool");
}

export const NOTHING: ImapOptions = Object.freeze({});

/** Checks a task's options. @param checks Which there are. @throws {TypeError} @throws {RangeError} One is wrong; the message names it. @throws {UnsupportedError} There are no timers. */
export function taskOptions(options: ImapOptions | undefined, checks: Checks): ImapOptions {
  if (options === undefined) return NOTHING;
  check(options, checks, "submit a task");
  const { timeout = Infinity, queueTimeout = Infinity } = options;
  if (Math.min(timeout, queueTimeout) < Infinity) checkTimers();
  return options;
}

/** Tells whoever wants to hear it how far a task is. */
export function tellProgress({ onProgress }: ImapOptions, progress: Progress): void {
  try {
    onProgress?.(progress);
  } catch (error) {
    throwAside(error);
  }
}
