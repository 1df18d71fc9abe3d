/**
 * Children that are threads: `node:worker_threads`, which Node, Deno and Bun all have.
 *
 * @module
 */

import type { MessagePort, Worker, WorkerOptions } from "node:worker_threads";
import type { Birth, Child, Ending, Port, RuntimeName, StartPlan } from "../src/adapter.ts";
import { UnsupportedError } from "../src/errors.ts";
import { entry } from "./command.ts";

/** The standard module, which each adapter loads when it is cheapest. */
export type WorkerThreads = typeof import("node:worker_threads");

/** What the entry finds in `workerData`. */
export interface ThreadBirth {
  readonly polyproc: 1;
  readonly stdio: StartPlan["stdio"];
  /** The parent's `process.argv[1]`. */
  readonly main: string;
}

/** What differs between the runtimes. */
export interface ThreadHost {
  readonly runtime: RuntimeName;
  readonly threads: WorkerThreads;
  readonly pid: number;
  /** The user's main module. */
  readonly main: string;
  /** Arguments of the program. */
  readonly argv: readonly string[];
  readonly env: Record<string, string | undefined>;
  /** Whether `resourceLimits` does anything. */
  readonly limits: boolean;
  /** Flags of the program that are a thread's too; null where it has them by itself, or there are none. */
  readonly flags: readonly string[] | null;
}

/** From this size on a message is copied here and moved. */
const LARGE = 4096;

type Message = readonly [bytes: Uint8Array, extra: readonly unknown[]];

/** A port over a worker or the parent's port: the two ends of the same thing. */
class ThreadPort implements Port {
  readonly caughtUp = null;
  readonly #end: Worker | MessagePort;
  readonly #gone: (onGone: () => void) => void;
  #isRef = true;
  #isOpen = false;
  #closed = false;

  constructor(end: Worker | MessagePort, gone: (onGone: () => void) => void) {
    this.#end = end;
    this.#gone = gone;
  }

  post(bytes: Uint8Array, extra: readonly unknown[] = [], transfer: readonly ArrayBuffer[] = []): void {
    if (this.#closed) return;
    // Cloning a part of a buffer would copy the whole buffer, and Deno clones slowly: a copy of our own can be moved.
    const whole = bytes.byteLength < LARGE && bytes.byteLength === bytes.buffer.byteLength ? bytes : bytes.slice();
    const moved = whole === bytes ? transfer : [...transfer, whole.buffer];
    this.#end.postMessage([whole, extra] satisfies Message, moved as ArrayBuffer[]);
  }

  open(onMessage: (bytes: Uint8Array, extra: readonly unknown[]) => void, onClose: () => void): void {
    this.#isOpen = true;
    (this.#end as MessagePort).on("message", ([bytes, extra]: Message) => onMessage(bytes, extra));
    this.#gone(() => {
      if (this.#closed) return;
      this.#closed = true;
      onClose();
    });
    if (!this.#isRef) this.#end.unref();
  }

  ref(): void {
    this.#isRef = true;
    if (this.#isOpen) this.#end.ref();
  }

  unref(): void {
    this.#isRef = false;
    if (this.#isOpen) this.#end.unref();
  }

  flushed(): Promise<void> {
    return Promise.resolve(); // handed over when posted
  }

  close(): void {
    this.#closed = true;
    if ("close" in this.#end) this.#end.close();
  }
}

/** In a thread that {@linkcode startThread} started: its birth, else null. */
export function threadBirth(threads: WorkerThreads): { birth: Birth; data: ThreadBirth } | null {
  const data = threads.workerData as ThreadBirth | null, parent = threads.parentPort;
  if (threads.isMainThread || data?.polyproc !== 1 || parent === null) return null;
  return { birth: { kind: "thread", port: new ThreadPort(parent, (gone) => parent.once("close", gone)), memory: null }, data };
}

function webStream(readable: NodeJS.ReadableStream): ReadableStream<Uint8Array> {
  let isRead = true;
  return new ReadableStream({
    start(controller) {
      readable.on("data", (bytes: Uint8Array) => isRead && controller.enqueue(new Uint8Array(bytes)));
      readable.once("end", () => isRead && controller.close());
    },
    // What still comes is dropped.
    cancel: () => void (isRead = false),
  });
}

/** A worker with these flags, of which Node refuses those that are a whole process's: it has that of its program. */
function makeWorker({ runtime, threads, flags }: ThreadHost, more: readonly string[], options: WorkerOptions): Worker {
  const url = new URL(entry(runtime));
  if (flags === null && more.length === 0) return new threads.Worker(url, options);
  for (let own = flags ?? [];;) {
    try {
      return new threads.Worker(url, { ...options, execArgv: [...own, ...more] });
    } catch (error) {
      const refused = String(error).split(/[ ,]+/), left = own.filter((flag) => !refused.includes(flag));
      if (left.length === own.length) throw error;
      own = left;
    }
  }
}

/** Starts a thread. */
export function startThread(plan: StartPlan, host: ThreadHost): Child {
  if (plan.permissions !== "inherit") {
    throw new UnsupportedError('Cannot give permissions to a thread: it has its process\'s; use startMethod "process"');
  }
  if (plan.runtime !== undefined) throw new UnsupportedError('Cannot run a thread on another runtime: use startMethod "process"');
  if (plan.cwd !== undefined) throw new UnsupportedError('Cannot give a thread a directory of its own: use startMethod "process"');
  const maxOldSpaceMb = plan.resourceLimits?.maxOldSpaceMb;
  if (maxOldSpaceMb !== undefined && !host.limits) {
    throw new UnsupportedError('Cannot limit the memory of a thread on this runtime: use startMethod "process"');
  }
  const apart = plan.stdio !== "inherit";
  const data: ThreadBirth = { polyproc: 1, stdio: plan.stdio, main: host.main };
  const worker = makeWorker(host, plan.execArgv ?? [], {
    name: plan.name,
    argv: [...host.argv],
    env: plan.env === undefined ? host.env : { ...host.env, ...plan.env },
    workerData: data,
    stdin: false,
    stdout: apart,
    stderr: apart,
    ...(maxOldSpaceMb === undefined ? {} : { resourceLimits: { maxOldGenerationSizeMb: maxOldSpaceMb } }),
  });
  let reported: { error: unknown } | undefined, ending: Ending | null = null;
  const { promise: ended, resolve } = Promise.withResolvers<Ending>();
  const whenGone: (() => void)[] = [];
  worker.on("error", (error) => reported = { error });
  worker.on("exit", (code) => {
    // As the system has it of a process: below zero stands for a signal.
    ending = { code: code & 255, signal: null, ...reported };
    for (const gone of whenGone) gone();
    resolve(ending);
  });
  if (plan.stdio === "ignore") {
    worker.stdout.resume();
    worker.stderr.resume();
  }
  return {
    pid: host.pid,
    port: new ThreadPort(worker, (gone) => ending === null ? whenGone.push(gone) : queueMicrotask(gone)),
    ended,
    signal(number) {
      if (number !== 0) void worker.terminate();
    },
    waitSync(timeoutMs) {
      // Its end is reported through this thread's event loop, so blocking would wait for itself.
      if (ending === null) throw new UnsupportedError(`Cannot block for ${timeoutMs} ms until a thread ends: await join() instead`);
      return ending;
    },
    stdout: plan.stdio === "pipe" ? webStream(worker.stdout) : null,
    stderr: plan.stdio === "pipe" ? webStream(worker.stderr) : null,
    ref: () => worker.ref(),
    unref: () => worker.unref(),
  };
}
