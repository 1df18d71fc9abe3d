/**
 * Children that are threads of a browser: dedicated workers.
 *
 * A browser tells nobody that a worker has ended. So a child says with which code it ends; and as long as it runs it holds a lock of the browser's, which its parent asks for too and is given once
 * the child is gone, however that came. Before it has that lock it does nothing that could end it, and who terminates it calls a method of the parent's.
 *
 * @module
 */

import type { Birth, Child, Ending, Port, StartPlan } from "../src/adapter.ts";
import { ProcessError, UnsupportedError } from "../src/errors.ts";
import { PID } from "./web.ts";

/** What a parent says first. */
interface Setup {
  readonly stdio: StartPlan["stdio"];
}

/** What goes from end to end. */
type Word =
  | readonly ["message", bytes: Uint8Array, extra: readonly unknown[]]
  | readonly ["setup", Setup]
  /** The child runs, and holds the lock of that name; null: there are no locks. */
  | readonly ["up", lock: string | null]
  | readonly ["out" | "err", text: string]
  | readonly ["end", code: number];

/** A worker, or what a worker has of its parent. */
interface End {
  postMessage(word: Word, transfer?: Transferable[]): void;
  addEventListener(type: "message", listen: (event: MessageEvent<Word>) => void): void;
}

/** From this size on a message is copied here and moved. */
const LARGE = 4096;

class WebPort implements Port {
  readonly caughtUp = null;
  readonly #end: End;
  readonly #onOpen: () => void;
  #onMessage: ((bytes: Uint8Array, extra: readonly unknown[]) => void) | null = null;
  #onClose: (() => void) | null = null;
  /** What came before it was opened. */
  readonly #early: (readonly [Uint8Array, readonly unknown[]])[] = [];
  #closed = false;

  constructor(end: End, onOpen: () => void = () => {}) {
    this.#end = end;
    this.#onOpen = onOpen;
  }

  post(bytes: Uint8Array, extra: readonly unknown[] = [], transfer: readonly ArrayBuffer[] = []): void {
    if (this.#closed) return;
    // Cloning a part of a buffer would copy the whole buffer.
    const whole = bytes.byteLength < LARGE && bytes.byteLength === bytes.buffer.byteLength ? bytes : bytes.slice();
    const moved = whole === bytes ? transfer : [...transfer, whole.buffer];
    this.#end.postMessage(["message", whole, extra], moved as ArrayBuffer[]);
  }

  open(onMessage: (bytes: Uint8Array, extra: readonly unknown[]) => void, onClose: () => void): void {
    this.#onMessage = onMessage;
    this.#onClose = onClose;
    this.#onOpen();
    for (const [bytes, extra] of this.#early.splice(0)) onMessage(bytes, extra);
    if (this.#closed) onClose();
  }

  /** A message came. */
  hear(bytes: Uint8Array, extra: readonly unknown[]): void {
    if (this.#onMessage === null) this.#early.push([bytes, extra]);
    else this.#onMessage(bytes, extra);
  }

  /** No more will come. */
  lose(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#onClose?.();
  }

  ref(): void {}

  unref(): void {}

  flushed(): Promise<void> {
    return Promise.resolve(); // handed over when posted
  }

  close(): void {
    this.#closed = true;
  }
}

interface Locks {
  request(name: string, run: () => Promise<void> | void): Promise<void>;
}

/** The locks of the browser, where it has any: pages that are not secure have none. */
function locks(): Locks | undefined {
  return (navigator as { locks?: Locks }).locks;
}

/** Holds a lock as long as this thread lives. @returns Its name; null where there are none, or none for this page. */
function holdLock(): Promise<string | null> {
  return new Promise((resolve) => {
    const name = `polyproc ${crypto.randomUUID?.()}`;
    const hold = () => {
      resolve(name);
      return new Promise<never>(() => {});
    };
    (locks()?.request(name, hold) ?? Promise.resolve()).then(() => resolve(null), () => resolve(null));
  });
}

/** In a child: its birth, and how it ends. */
export interface ThreadBirth {
  readonly birth: Birth;
  /** Says with which code it ends. */
  end(code: number): void;
  /** Whether its output goes to the console. */
  isHeard(): boolean;
  /** Writes to its standard error, which its parent reads. */
  complain(text: string): void;
}

/** In a worker that {@linkcode startThread} started. */
export function threadBirth(): ThreadBirth {
  const end = globalThis as unknown as End;
  const { promise: opened, resolve: open } = Promise.withResolvers<void>();
  const port = new WebPort(end, open);
  let stdio: StartPlan["stdio"] = "inherit";
  const hear = (word: Word) => {
    if (word[0] === "message") port.hear(word[1], word[2]);
    else if (word[0] === "setup" && (stdio = word[1].stdio) !== "inherit") redirect(end, stdio === "pipe");
  };
  /** What comes before it is up; then null. */
  let early: Word[] | null = [];
  end.addEventListener("message", ({ data }) => {
    if (early === null) hear(data);
    else early.push(data);
  });
  void Promise.all([holdLock(), opened]).then(([name]) => {
    end.postMessage(["up", name]);
    const words = early!;
    early = null;
    for (const word of words) hear(word);
  });
  return {
    birth: { kind: "thread", port, memory: null },
    end: (code) => end.postMessage(["end", code]),
    isHeard: () => stdio === "inherit",
    complain: (text) => stdio === "pipe" && end.postMessage(["err", text]),
  };
}

/** What the console is told goes to the parent, or nowhere. */
function redirect(end: End, isPiped: boolean): void {
  for (const [method, stream] of Object.entries({ log: "out", info: "out", debug: "out", warn: "err", error: "err" } as const)) {
    console[method as "log"] = (...data: unknown[]) => {
      if (isPiped) end.postMessage([stream, `${data.map(show).join(" ")}\n`]);
    };
  }
}

function show(value: unknown): string {
  if (typeof value !== "object" || value === null) return typeof value === "bigint" ? `${value}n` : String(value);
  if (value instanceof Error) return value.stack ?? String(value);
  try {
    return JSON.stringify(value);
  } catch {
    return String(value);
  }
}

/** What a plan may not ask for. */
const REFUSED = {
  runtime: "run a worker on another runtime",
  cwd: "give a worker a directory",
  env: "give a worker an environment",
  execArgv: "give a worker arguments",
  resourceLimits: "limit the memory of a worker",
} as const;

/** After this time a thread that has not begun is worth a word: nothing tells a script that is on its way from one that never will. */
const LATE_MS = 10_000;

/** Those that were started: each is one thread. */
const workers = new WeakSet<object>();

function checkWorker(made: unknown, name: string): Worker {
  if (typeof (made as Partial<Worker> | null | undefined)?.terminate !== "function") {
    throw new TypeError(
      `Cannot start ${name}: the function given to setExecutable() made ${Object.prototype.toString.call(made)}, not a Worker`,
    );
  }
  if (workers.has(made as Worker)) throw new TypeError(`Cannot start ${name}: the function given to setExecutable() made no new Worker`);
  workers.add(made as Worker);
  return made as Worker;
}

/** Why a worker did not begin. */
function whyNot(event: Event): string {
  const { message, filename, lineno } = event as ErrorEvent;
  if (message) return `its worker's script failed: ${message} (${filename}:${lineno})`;
  const apart = (globalThis as { crossOriginIsolated?: boolean }).crossOriginIsolated
    ? ", and does it come with the page's own Cross-Origin-Embedder-Policy"
    : "";
  return `its worker's script, or one that this imports, could not be loaded. Is it there (worker.js beside the library's own code, unless setExecutable() says which) and JavaScript without a mistake, does the page's Content-Security-Policy allow it${apart}? See docs/bundlers.md`;
}

/** Starts a thread. @param make Makes a worker from the library's own entry. */
export function startThread(plan: StartPlan, make: () => object): Child {
  for (const [option, action] of Object.entries(REFUSED)) {
    if (plan[option as keyof typeof REFUSED] !== undefined) throw new UnsupportedError(`Cannot ${action}: browsers have no such thing`);
  }
  if (plan.permissions !== "inherit") throw new UnsupportedError("Cannot give permissions to a worker: browsers have no such thing");
  const worker = checkWorker((plan.executable ?? make)(), plan.name);
  const port = new WebPort(worker as End);
  const { promise: ended, resolve, reject } = Promise.withResolvers<Ending>();
  const streams: Record<"out" | "err", ReadableStreamDefaultController<Uint8Array> | null> = { out: null, err: null };
  const stream = (name: "out" | "err") => {
    if (plan.stdio !== "pipe") return null;
    return new ReadableStream<Uint8Array>({
      start: (controller) => void (streams[name] = controller),
      cancel: () => void (streams[name] = null), // nobody reads on
    });
  };
  const stdout = stream("out"), stderr = stream("err"), utf8 = new TextEncoder();
  let ending: Ending | null = null, isUp = false;
  const terminate = worker.terminate.bind(worker);
  const late = setTimeout(
    () =>
      console.warn(
        `${plan.name} has not begun for ${
          LATE_MS / 1000
        } s: if its worker's script is loaded by now, the first import of that must be "@polyproc/multiprocessing/worker", see docs/bundlers.md`,
      ),
    LATE_MS,
  );
  const finish = (code: number, error?: ProcessError) => {
    if (ending !== null) return;
    ending = { code, signal: null };
    clearTimeout(late);
    terminate();
    for (const controller of Object.values(streams)) controller?.close();
    port.lose();
    if (error === undefined) resolve(ending);
    else reject(error);
  };
  // The program may have the worker too, from its own function that makes them.
  worker.terminate = () => finish(1);
  worker.addEventListener("message", ({ data }: MessageEvent<Word>) => {
    if (ending !== null) return;
    switch (data[0]) {
      case "message":
        return port.hear(data[1], data[2]);
      case "up":
        isUp = true;
        clearTimeout(late);
        // It is ours once the child is gone. What it said last is on its way, or here.
        if (data[1] !== null) void locks()!.request(data[1], () => void setTimeout(() => finish(1), 0));
        return;
      case "end":
        return finish(data[1]);
      case "out":
      case "err":
        streams[data[0]]?.enqueue(utf8.encode(data[1]));
    }
  });
  worker.addEventListener("error", (event) => {
    if (isUp || ending !== null) return;
    event.preventDefault();
    finish(1, new ProcessError(`Cannot start ${plan.name}: ${whyNot(event)}`));
  });
  worker.postMessage(["setup", { stdio: plan.stdio }] satisfies Word);
  return {
    pid: PID,
    port,
    ended,
    signal(number) {
      if (number !== 0) finish(1);
    },
    waitSync() {
      if (ending === null) {
        throw new UnsupportedError(
          "Cannot block until a worker ends: this thread may not block, or would wait for itself; await join() instead",
        );
      }
      return ending;
    },
    stdout,
    stderr,
    ref() {},
    unref() {},
  };
}
