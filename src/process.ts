/**
 * Processes, as their parent sees them.
 *
 * @module
 */
import type { Ending, Permissions, Port, RuntimeName, StartMethod } from "./adapter.ts";
import { checkTimeout } from "./attempt.ts";
import { startClock } from "./clock.ts";
import { keepHere } from "./codec.ts";
import { describe, isError } from "./error_report.ts";
import { ProcessError, RemoteError } from "./errors.ts";
import { type Launch, launch, type Running, type WorkerOwner } from "./launch.ts";
import { printAs } from "./printed.ts";
import {
  BOOLEAN,
  BUFFERS,
  type Check,
  check,
  type Checks,
  checkSecond,
  ENVIRONMENT,
  oneOf,
  PERMISSIONS,
  RESOURCE_LIMITS,
  RUNTIME,
  shown,
  SIGNAL,
  STRING,
  STRINGS,
  TARGET,
} from "./options.ts";
import type { Scene } from "./scene.ts";
import { currentScene } from "./scene.ts";
import { tell } from "./log.ts";
import type { TaskReference } from "./target.ts";

/** What a process runs: a function, or where one is found. */
// deno-lint-ignore no-explicit-any -- any function may be a target; its arguments are checked through A
export type Target<A extends any[] = any[]> = ((...args: A) => unknown) | TaskReference;

/** How a process is made. */
// deno-lint-ignore no-explicit-any -- as above
export interface ProcessOptions<A extends any[] = any[]> {
  /** What it runs; without it, `run()` of a subclass, or nothing. */
  target?: Target<A>;
  /** What the target is given. Copied at `start()`. */
  args?: A;
  /** By default the class's name and the child's number among its siblings, `Process-1`. */
  name?: string;
  /** A daemonic process ends with its parent, and may have no children. By default as the current process. */
  daemon?: boolean;
  /** Another runtime than this one. Needs start method `"process"`. */
  runtime?: RuntimeName;
  /** More arguments for the runtime, before the program. */
  execArgv?: readonly string[];
  /** Environment variables, beside this process's own. */
  env?: Readonly<Record<string, string>>;
  /** Working directory. */
  cwd?: string;
  /** Where its output goes: where this process's goes (the default), into `stdout` and `stderr`, or nowhere. */
  stdio?: "inherit" | "pipe" | "ignore";
  /** Deno: what it may do, by default all that this process may do as a whole. */
  permissions?: Permissions;
  /** Limits of its heap, in MiB: of processes on Node and Deno, of threads on Node. */
  resourceLimits?: { maxOldSpaceMb?: number };
  /** Aborting it terminates the process. */
  signal?: AbortSignal;
  /** Threads: buffers among the arguments that are moved, not copied. */
  transfer?: readonly ArrayBuffer[];
}

const SIGINT = 2, SIGKILL = 9, SIGTERM = 15;
/** For those who wait for the end of a process: a member of it, and of its sentinel. */
export const AWAITED: unique symbol = Symbol("awaited");
/** For pools. */
export const WORKER: unique symbol = Symbol("worker"), CARGO: unique symbol = Symbol("cargo"), PORT: unique symbol = Symbol("port");

/**
 * A process: something that runs a function beside this program.
 *
 * @example
 * ```ts
 * import { isMain, Process } from "@polyproc/multiprocessing";
 *
 * export function greet(name: string) {
 *   console.log(`hello ${name}`);
 * }
 *
 * if (isMain(import.meta)) {
 *   const child = new Process({ target: greet, args: ["bob"] });
 *   child.start();
 *   await child.join();
 * }
 * ```
 */
// deno-lint-ignore no-explicit-any -- as above
export class Process<A extends any[] = any[]> {
  /** Without its type of arguments, so that processes with different ones go into one array. */
  readonly #options: ProcessOptions;
  readonly #scene: Scene;
  readonly #method: StartMethod;
  #name: string;
  #daemon: boolean;
  #running: Running | null = null;
  #ending: Ending | null = null;
  #failure: Error | null = null;
  #error: unknown = null;
  #sentinel: Promise<number> | null = null;
  #asked: number | null = null;
  #closed = false;
  /** How many wait for its end. */
  #joining = 0;
  #owner: WorkerOwner | null = null;
  /** Inline: calls the target, wherever that was found, with copies of the arguments. */
  #call: (() => unknown) | null = null;

  /**
   * Makes a process; {@linkcode Process.start} starts it.
   *
   * @param options What it runs, and how. The arguments may be left out if the target needs none.
   * @param method What it is, by default that of the default context. A context's own class gives its.
   * @throws {TypeError} An option is wrong, or there is no such option.
   */
  constructor(options: ProcessOptions<A> & { args: A }, method?: StartMethod);
  /** The same, of a target that needs no arguments; or none. */
  constructor(options?: ProcessOptions<A> & { target?: Target<[]> }, method?: StartMethod);
  constructor(options: ProcessOptions<A> = {}, method?: StartMethod) {
    checkProcessSecond(method);
    check(options, PROCESS, "make a process");
    const { name, daemon } = options;
    this.#options = options;
    this.#scene = currentScene();
    this.#method = method ?? this.#scene.defaultMethod();
    this.#daemon = daemon ?? this.#scene.self.daemon;
    this.#name = name ?? `${new.target.name || "Process"}-${this.#scene.nextChildNumber()}`;
  }

  /** What the child runs: the target. Subclasses override it, and may call this one; then own enumerable fields of the object travel, and the class must be exported by its module. */
  run(): unknown {
    if (this.#call !== null) return this.#call();
    const { target, args } = this.#options;
    return typeof target === "function" ? target(...(args ?? []) as A) : undefined;
  }

  /**
   * Starts it. May be called once. It is left as it was if this throws.
   *
   * @throws {TargetError} The function cannot be found by a child.
   * @throws {DataCloneError} An argument cannot travel.
   * @throws {ProcessError} It was started before; or this process may not start any.
   * @throws {UnsupportedError} An option asks for what this start method or runtime does not have.
   */
  start(): this {
    this.#checkOpen("start");
    if (this.#running !== null) throw new ProcessError(`Cannot start ${this.#name} twice; make another Process`);
    this.#options.signal?.throwIfAborted();
    if (currentScene().self !== this.#scene.self) throw new ProcessError(`Cannot start ${this.#name}: it was made by another process`);
    const running = launch(this.#scene, this.#plan());
    this.#running = running;
    this.#scene.children.add(this as unknown as Process);
    const { signal } = this.#options;
    const onAbort = () => {
      if (!this.#closed) this.terminate();
    };
    signal?.addEventListener("abort", onAbort);
    this.#sentinel = running.ended.then((ending) => this.#end(ending), (error) => {
      this.#failure = error;
      // Nobody may be about to join it: a program that waits for its first message would wait in silence.
      this.#scene.world.adapter.complain(`Process ${this.#name}: ${isError(error) ? error.message : describe(error)}`);
      this.#scene.children.delete(this as unknown as Process);
      throw error;
    }).finally(() => signal?.removeEventListener("abort", onAbort));
    // Nobody has to look at it.
    this.#sentinel.catch(() => {});
    Object.defineProperty(this.#sentinel, AWAITED, { value: () => this[AWAITED]() });
    tell("start", { name: this.#name, pid: running.pid, method: this.#method });
    // By a getter among the arguments, say.
    if (signal?.aborted) this.terminate();
    return this;
  }

  /**
   * Waits until it ended.
   *
   * @param options `timeout` in milliseconds.
   * @return The exit code, or null when the time is up.
   * @throws {ProcessError} It was not started, or could not be.
   * @throws {TypeError} The options are wrong.
   */
  join(options?: { timeout?: number }): Promise<number | null> {
    try {
      checkTimeout(options);
      this.#checkJoin();
      const code = this.#code();
      if (code !== null) return Promise.resolve(code);
    } catch (error) {
      return Promise.reject(error);
    }
    const timeout = options?.timeout;
    if (timeout === undefined || timeout === Infinity) return this.#sentinel!.finally(this[AWAITED]());
    if (!(timeout > 0)) return Promise.resolve(null);
    return new Promise((resolve, reject) => {
      const clock = startClock(timeout, () => resolve(null));
      this.#sentinel!.then(resolve, reject).finally(() => clock.stop());
    });
  }

  /** Keeps the program alive as long as somebody waits for a daemonic child, until what it gives is called. @internal */
  [AWAITED](): () => void {
    const running = this.#running;
    if (running === null || !this.#daemon) return () => {};
    if (this.#joining++ === 0) running.ref();
    return () => {
      if (--this.#joining === 0) running.unref();
    };
  }

  /** Makes it a worker of a pool, which daemonic processes may have too. @param owner Hears what it says. @internal */
  [WORKER](owner: WorkerOwner): this {
    this.#owner = owner;
    return this;
  }

  /** To a worker that was started; null for an inline one. @internal */
  get [PORT](): Port | null {
    return this.#running?.port ?? null;
  }

  /** Moves buffers to a worker. @param key What they belong to. @internal */
  [CARGO](key: string, buffers: readonly ArrayBuffer[]): void {
    this.#running?.sendCargo(key, buffers);
  }

  /** {@linkcode Process.join}, blocking. @throws {UnsupportedError} This thread may not block, or the kernel cannot be asked. */
  joinSync(options?: { timeout?: number }): number | null {
    checkTimeout(options);
    this.#checkJoin();
    const code = this.#code();
    if (code !== null) return code;
    const ending = this.#running!.waitSync(options?.timeout ?? Infinity);
    return ending === null ? null : this.#end(ending);
  }

  /** Whether it was started and has not ended. */
  isAlive(): boolean {
    this.#checkOpen("look at");
    return this.#running !== null && this.#code() === null && this.#failure === null;
  }

  /** Its name; only for reading by people. */
  get name(): string {
    return this.#name;
  }

  set name(name: string) {
    checkName(name);
    this.#name = name;
  }

  /** Whether it ends with its parent. */
  get daemon(): boolean {
    this.#checkOpen("look at");
    return this.#daemon;
  }

  set daemon(daemon: boolean) {
    this.#checkOpen("change");
    if (this.#running !== null) throw new ProcessError(`Cannot change daemon of ${this.#name}: it was started already`);
    if (typeof daemon !== "boolean") throw new TypeError("Cannot change daemon: it must be a boolean");
    this.#daemon = daemon;
  }

  /** Its process id; null before the start. A thread has that of its process. */
  get pid(): number | null {
    this.#checkOpen("look at");
    return this.#running?.pid ?? null;
  }

  /** What tells it from others: a process's id, a thread's own number; null before the start. */
  get ident(): number | null {
    this.#checkOpen("look at");
    return this.#running?.ident ?? null;
  }

  /** Null before the end; 0; 1 after an uncaught error; what it exited with; −N when signal N ended it. */
  get exitcode(): number | null {
    this.#checkOpen("look at");
    return this.#code();
  }

  /** The error that ended it, or null. It has its own class where that is known here, and else is a `RemoteError` or the nearest class that is. */
  get error(): unknown {
    this.#checkOpen("look at");
    return this.#error;
  }

  /** Resolves to the exit code when it ends. @throws {ProcessError} Before the start. */
  get sentinel(): Promise<number> {
    this.#checkOpen("look at");
    if (this.#sentinel === null) throw new ProcessError(`Cannot wait for ${this.#name}: it was not started`);
    return this.#sentinel;
  }

  /** Its standard output, with `stdio: "pipe"`. */
  get stdout(): ReadableStream<Uint8Array> | null {
    return this.#running?.stdout ?? null;
  }

  /** Its standard error, with `stdio: "pipe"`. */
  get stderr(): ReadableStream<Uint8Array> | null {
    return this.#running?.stderr ?? null;
  }

  /** Ends it with SIGTERM, and all its descendants. A thread is stopped. An inline task cannot be: queues and the like refuse it from then on, and it goes on with whatever else it does. */
  terminate(): void {
    this.#signal("terminate", SIGTERM);
  }

  /** Ends it with SIGKILL, and all its descendants. Threads and inline tasks: as {@linkcode Process.terminate}. */
  kill(): void {
    this.#signal("kill", SIGKILL);
  }

  /** Sends SIGINT, as Ctrl-C does. Threads and inline tasks: as {@linkcode Process.terminate}. */
  interrupt(): void {
    this.#signal("interrupt", SIGINT);
  }

  /** Lets go of it. Afterwards only the name can be read. @throws {ProcessError} It still runs. */
  close(): void {
    if (this.#closed) return;
    if (this.#running !== null && this.#code() === null && this.#failure === null) {
      throw new ProcessError(`Cannot close ${this.#name} while it is still running: join() or terminate() it first`);
    }
    this.#closed = true;
    this.#running = null;
  }

  /** Terminates it, if it still runs, and waits for its end. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed || this.#running === null) return;
    if (this.isAlive()) this.terminate();
    await this.join().catch(() => null);
  }

  static {
    keepHere(this.prototype, "a process", "send its pid, or what is to be known of it");
    printAs(this.prototype, (process) => {
      const code = process.#code(), pid = process.#running?.pid;
      const state = process.#closed
        ? "closed"
        : process.#running === null
        ? "initial"
        : process.#failure !== null
        ? "failed"
        : code === null
        ? "started"
        : `stopped exitcode=${code}`;
      const daemon = process.#daemon ? " daemon" : "";
      return `name='${process.#name}'${pid ? ` pid=${pid}` : ""} parent=${process.#scene.self.pid} ${state}${daemon}`;
    });
  }

  #plan(): Launch {
    const subclass = this.run !== Process.prototype.run ? this.constructor as new (...args: never[]) => unknown : null;
    const fields = subclass === null ? null : { ...this } as Record<string, unknown>;
    const { target, args, runtime, execArgv, env, cwd, stdio, permissions, resourceLimits, transfer } = this.#options;
    return {
      method: this.#method,
      name: this.#name,
      daemon: this.#daemon,
      target: target ?? null,
      args: args ?? [],
      subclass,
      fields,
      transfer: transfer ?? [],
      owner: this.#owner,
      start: { runtime, execArgv, env, cwd, stdio: stdio ?? "inherit", permissions: permissions ?? "inherit", resourceLimits },
      runInline: (call) => {
        this.#call = call;
        return this.run();
      },
      onError: (error) => {
        this.#error = isError(error)
          ? error
          : new RemoteError(`The process ended with an error that is no Error: ${describe(error)}`, { cause: error });
      },
    };
  }

  #end(ending: Ending): number {
    if (this.#ending === null) {
      this.#ending = ending;
      this.#scene.children.delete(this as unknown as Process);
      if (this.#error === null && ending.error !== undefined) this.#error = ending.error;
      tell("exit", { name: this.#name, exitcode: this.#code() });
    }
    return this.#code()!;
  }

  #code(): number | null {
    const ending = this.#ending;
    if (ending === null) return null;
    if (ending.signal !== null) return -ending.signal;
    // A thread knows no signals: what it was stopped for stands in their place.
    if (this.#asked !== null && this.#method !== "process" && this.#error === null) return -this.#asked;
    return ending.code === 0 && this.#error !== null ? 1 : ending.code;
  }

  #signal(action: string, number: number): void {
    this.#checkOpen(action);
    if (this.#running === null) throw new ProcessError(`Cannot ${action} ${this.#name}: it was not started`);
    if (this.#ending !== null || this.#failure !== null) return;
    this.#asked = number;
    this.#running.signal(number);
  }

  #checkOpen(action: string): void {
    if (this.#closed) throw new ProcessError(`Cannot ${action} ${this.#name}: it is closed`);
  }

  #checkJoin(): void {
    this.#checkOpen("join");
    if (this.#running === null) throw new ProcessError(`Cannot join ${this.#name}: it was not started`);
    if (currentScene().self !== this.#scene.self) throw new ProcessError(`Cannot join ${this.#name}: only its parent can`);
    if (this.#failure !== null) throw this.#failure;
  }
}

/** Refuses a second argument, such as those of the target. @throws {TypeError} There is one. */
export function checkProcessSecond(second: unknown): void {
  checkSecond(second, "make a process", "one object { target, args }");
}

function checkName(name: unknown): void {
  if (typeof name !== "string") throw new TypeError(`Cannot name a process ${shown(name)}: a name must be a string`);
}

/** What each option must be. */
const OPTIONS: Readonly<Record<keyof ProcessOptions, Check>> = {
  target: TARGET,
  args: [Array.isArray, "an array"],
  name: STRING,
  daemon: BOOLEAN,
  runtime: RUNTIME,
  execArgv: STRINGS,
  env: ENVIRONMENT,
  cwd: STRING,
  stdio: oneOf("inherit", "pipe", "ignore"),
  permissions: PERMISSIONS,
  resourceLimits: RESOURCE_LIMITS,
  signal: SIGNAL,
  transfer: BUFFERS,
};
const PROCESS: Checks = { ...OPTIONS, kwargs: "pass an object as the last of args" };
