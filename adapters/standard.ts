/**
 * What Node's standard modules give on Node, Deno and Bun alike. They are loaded when first needed: on Deno some cost milliseconds.
 *
 * @module
 */

import type { Channel } from "node:diagnostics_channel";
import type { Adapter, Histogram, ThreadId } from "../src/adapter.ts";
import { UnsupportedError } from "../src/errors.ts";

/** What is used of `process`. */
export interface NodeProcess {
  argv: string[];
  readonly env: Record<string, string | undefined>;
  readonly stderr: { write(text: string): unknown };
  exitCode: number | string | null | undefined;
  exit(code: number): never;
  kill(pid: number, signal: number): void;
  getBuiltinModule(name: string): unknown;
  memoryUsage(): { rss: number; heapUsed: number; external: number };
  readonly pid: number;
  on(event: string, run: (...args: never[]) => void): void;
  off(event: string, run: (...args: never[]) => void): void;
  listenerCount(event: string): number;
}

/** The global, not an import: on Deno that is loaded when first looked at. */
export function nodeProcess(): NodeProcess {
  return (globalThis as unknown as { process: NodeProcess }).process;
}

/** A standard module, without `import`, so that it can be had at once and late. */
export function standard<T>(name: string): T {
  return nodeProcess().getBuiltinModule(name) as T;
}

/** {@linkcode Adapter.onCrash} by Node's event, which also comes for errors that the program catches with a handler of its own. */
export function onCrash(hear: (error: unknown) => void): void {
  nodeProcess().on("uncaughtExceptionMonitor", (error: unknown) => {
    if (nodeProcess().listenerCount("uncaughtException") === 0) hear(error);
  });
}

const SIGINT = 2;

/** {@linkcode Adapter.onInterrupt} */
export function onInterrupt(isMainThread: boolean, run: () => void): () => void {
  const node = nodeProcess();
  const hear = () => {
    if (node.listenerCount("SIGINT") > 1) return;
    run();
    node.off("SIGINT", hear);
    node.kill(node.pid, SIGINT);
  };
  // Threads hear of no signals.
  if (isMainThread) node.on("SIGINT", hear);
  return () => node.off("SIGINT", hear);
}

/** {@linkcode Adapter.follow} by `AsyncLocalStorage`. */
export function follow<T>(): { run<R>(value: T, body: () => R): R; get(): T | undefined } {
  const { AsyncLocalStorage } = standard<typeof import("node:async_hooks")>("node:async_hooks");
  const storage = new AsyncLocalStorage<T>();
  return { run: (value, body) => storage.run(value, body), get: () => storage.getStore() };
}

/** Held, since Bun forgets the subscribers of a channel that was collected. */
const channels = new Map<string, Channel>();

/** {@linkcode Adapter.publish}. */
export function publish(name: string, message: unknown): void {
  let channel = channels.get(name);
  if (channel === undefined) {
    channels.set(name, channel = standard<typeof import("node:diagnostics_channel")>("node:diagnostics_channel").channel(name));
  }
  if (channel.hasSubscribers) channel.publish(message);
}

/** {@linkcode Adapter.cores}, looked up when asked for. */
export function cores(): Adapter["cores"] {
  return {
    get all(): number {
      try {
        return standard<typeof import("node:os")>("node:os").cpus().length || navigator.hardwareConcurrency;
      } catch {
        return navigator.hardwareConcurrency; // no permission
      }
    },
    get available(): number {
      try {
        return standard<typeof import("node:os")>("node:os").availableParallelism();
      } catch {
        return navigator.hardwareConcurrency;
      }
    },
  };
}

/** {@linkcode Adapter.kill} by `process.kill`. */
export function kill(pid: number, signal: number): boolean {
  try {
    nodeProcess().kill(pid, signal);
    return true;
  } catch (error) {
    if ((error as { code?: string }).code === "ESRCH") return false;
    throw error;
  }
}

/** Whether a thread of this process exists, by what `/proc` says of it; where that is missing, tells of other processes, or may not be read, whoever started the thread knows. */
export function threadIsListed(fs: typeof import("node:fs"), { pid, tid }: ThreadId): boolean {
  try {
    return fs.existsSync(tid === 0 ? `/proc/${pid}` : `/proc/${pid}/task/${tid}`) || fs.readlinkSync("/proc/self") !== String(pid);
  } catch {
    return true;
  }
}

/** Files of a directory, with their modes. */
export function* filesIn(fs: typeof import("node:fs"), directory: string): Generator<{ name: string; mode: number }> {
  for (const entry of fs.readdirSync(directory, { withFileTypes: true })) {
    const mode = entry.isFile() ? fs.lstatSync(`${directory}/${entry.name}`, { throwIfNoEntry: false })?.mode : undefined;
    if (mode !== undefined) yield { name: entry.name, mode };
  }
}

/** {@linkcode Adapter.thread} */
export function ownThread(isMainThread: boolean): ThreadId {
  const { pid } = nodeProcess();
  if (isMainThread) return { pid, tid: pid };
  try {
    return { pid, tid: Number(standard<typeof import("node:fs")>("node:fs").readlinkSync("/proc/thread-self").split("/")[2]) };
  } catch {
    return { pid, tid: 0 };
  }
}

/** {@linkcode Adapter.complain} @param isOwn Whether standard error is the program's, and not what its parent reads. */
export function complain(line: string, isOwn: boolean): void {
  if (isOwn) {
    try {
      standard<typeof import("node:fs")>("node:fs").writeSync(2, line + "\n");
      return;
    } catch {
      // A pipe that is full, or has no reader: the stream knows what to do.
    }
  }
  nodeProcess().stderr.write(line + "\n");
}

/** {@linkcode Adapter.histogram}: Node's, which is HdrHistogram. */
export function histogram(): Histogram {
  // A third figure would take 300 KiB more, which the runtimes' collectors do not see.
  const made = standard<typeof import("node:perf_hooks")>("node:perf_hooks").createHistogram({ figures: 2 });
  return {
    get count() {
      return Number(made.count);
    },
    get min() {
      return Number(made.min);
    },
    get max() {
      return Number(made.max);
    },
    get mean() {
      return made.mean;
    },
    record: (value) => made.record(value),
    percentile: (percent) => Number(made.percentile(percent)),
  };
}

/** {@linkcode Adapter.memoryUsed} */
export function memoryUsed(isMainThread: boolean): number {
  const { rss, heapUsed, external } = nodeProcess().memoryUsage();
  return isMainThread ? rss : heapUsed + external;
}

/** {@linkcode Adapter.serve} */
export function serve(isMainThread: boolean, nice: number): void {
  if (isMainThread) nodeProcess().on("SIGINT", () => {});
  if (nice === 0) return;
  try {
    // 0: whoever calls, which is a thread as well as a process to Linux.
    standard<typeof import("node:os")>("node:os").setPriority(0, nice);
  } catch (error) {
    throw new UnsupportedError(`Cannot set the niceness of a worker to ${nice}: ${(error as Error).message}`);
  }
}

/** {@linkcode Adapter.quietly} */
export function quietly(ms: number, run: () => void): () => void {
  const timer = setTimeout(run, ms) as unknown as { unref(): void };
  timer.unref();
  return () => clearTimeout(timer as never);
}
