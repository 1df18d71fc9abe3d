/**
 * The narrow waist: all that the library needs from a runtime. `src/` is written against this interface and nothing else; `adapters/` implement it.
 *
 * @module
 */
import type { ModuleText } from "./target_search.ts";
import type { TargetSpec } from "./target.ts";

/** What a child is: an OS process, a thread of this process, or a task interleaved on the same thread. */
export type StartMethod = "process" | "thread" | "inline";

/** The runtimes that a child process may be asked to run on. */
export type RuntimeName = "node" | "deno" | "bun";

/** What this runtime offers with the permissions that it has. Data only. */
export interface Capabilities {
  /** Name and version, e.g. `"node 26.10.0"`. */
  readonly runtime: string;
  /** The start methods offered here, default first. */
  readonly startMethods: readonly StartMethod[];
  /** Whether memory can be shared with threads, and with processes. */
  readonly sharedMemory: { readonly thread: boolean; readonly process: boolean };
  /** Whether this thread may block (`…Sync`). */
  readonly blocking: boolean;
  /** For everything that is missing, by its name in this report (`"sharedMemory.process"`): why, and the way out. */
  readonly reasons: Readonly<Record<string, string>>;
}

/** Where a thread runs, so that the kernel can be asked whether it still does. Zero where it is not known. */
export interface ThreadId {
  readonly pid: number;
  readonly tid: number;
}

/**
 * The memory of an arena. One kind maps a `memfd` that processes inherit, another is a `SharedArrayBuffer`, the third plain memory.
 * Offsets and lengths are in bytes.
 */
export interface Memory {
  readonly kind: "mapped" | "shared" | "local";
  readonly byteLength: number;
  /** The bytes from `offset` on, as a buffer of exactly `length` bytes or, for shared memory, as the buffer and the start within it. */
  view(offset: number, length: number): { buffer: ArrayBufferLike; start: number };
  /** Gives the pages wholly within the range back to the system, where that can be done; they read as zeros afterwards, or as before. */
  discard(offset: number, length: number): void;
  /**
   * Makes the calling thread the participant in `slot`: from now on `alive(slot)` is true until the thread ends, however it ends, and `onRing` is called on its event
   * loop after a {@linkcode Memory.rouse}. Returns the door to publish: two words that {@linkcode Memory.rouse} in any process needs.
   */
  attach(slot: number, onRing: () => void): readonly [number, number];
  /** Gives the slot up: it is no longer alive. @param door That of one who died, at which nobody knocks any more. @param pid Its process. */
  detach(slot: number, door?: readonly [number, number], pid?: number): void;
  /** The kernel's answer: does the participant that attached to `slot` still run? `at` is what it said of itself. */
  alive(slot: number, at: ThreadId): boolean;
  /** Blocks while the word at `offset` is `expected`, at most `timeoutMs`. Returning early is legal. */
  park(offset: number, expected: number, timeoutMs: number): void;
  /** Wakes the thread parked on the word at `offset`, and the event loop listening to it. Called after the word was changed. */
  unpark(offset: number): void;
  /** Lets others have the processor, if any wait for it. False where there is no way to. */
  giveWay(): boolean;
  /**
   * Calls `onRing` on the event loop of `slot` once the word at `offset` is not `seen` any more and was unparked, or once the door was used. Does not keep the loop alive.
   */
  listen(slot: number, offset: number, seen: number): void;
  /** Knocks at another participant's door. False where there is none: {@linkcode Memory.unpark} did it. */
  rouse(door: readonly [number, number], at: ThreadId): boolean;
}

/** A plan for mapped memory: how a child of this process, or a thread in it, gets at it. Plain data. */
export interface MappedHandle {
  /** The descriptor of the memory in the process that holds it. */
  readonly fd: number;
  readonly byteLength: number;
  /** Where it is mapped, for threads of the same process; 0 where it is not. */
  readonly address: number;
}

/** Mapped memory, which can be handed to child processes. */
export interface MappedMemory extends Memory {
  readonly kind: "mapped";
  /** For a thread of this process. */
  readonly handle: MappedHandle;
}

/** A block of memory that programs find by its name. */
export interface NamedBlock {
  readonly byteLength: number;
  /** Its bytes; empty once it was closed. */
  readonly buffer: ArrayBuffer;
  /** Whether there is something to do at the program's end. One that was closed, and whose name is gone, is let go of. */
  stays(): boolean;
  /** Lets go of the memory. The name stays. */
  close(): void;
  /** The program ends: removes the name of a tracked block if no other program of this library uses it. */
  end(): void;
}

/** The named blocks of the system. */
export interface NamedBlocks {
  /** Makes one; null if there is one of that name. First removes the names of tracked ones that nobody uses any more, since their programs were killed. */
  create(name: string, byteLength: number, isTracked: boolean): NamedBlock | null;
  /** Opens one; null if there is none of that name. */
  open(name: string, isTracked: boolean): NamedBlock | null;
  /** Removes a name. False if there is none. */
  unlink(name: string): boolean;
}

/** An ordered, reliable way for messages to another participant. Posting never blocks. */
export interface Port {
  /**
   * Sends one message. `extra` values (a `SharedArrayBuffer`, moved buffers) reach threads only; those in `transfer` are moved.
   * After the other side is gone, does nothing.
   */
  post(bytes: Uint8Array, extra?: readonly unknown[], transfer?: readonly ArrayBuffer[]): void;
  /** Starts the flow of messages. `onClose` is called once, after the last message. Keeps the event loop alive unless `unref` was called. */
  open(onMessage: (bytes: Uint8Array, extra: readonly unknown[]) => void, onClose: () => void): void;
  ref(): void;
  unref(): void;
  /** Resolves when everything posted was handed to the system. */
  flushed(): Promise<void>;
  /** Resolves when all was heard that the other side had handed to the system before the call. Null where that is not known. */
  readonly caughtUp: (() => Promise<void>) | null;
  close(): void;
}

/** What a child is born with; null in the root. */
export interface Birth {
  readonly kind: "process" | "thread";
  /** To the parent; its first message is the birth message that the parent posted. */
  readonly port: Port;
  /** For a process: maps the inherited memory; null where it inherited none. */
  readonly memory: MappedMemory | null;
}

/** Which permissions a child on Deno gets: `"inherit"` (the default) or exactly these flags without the dashes, e.g. `["allow-read=./data"]`. */
export type Permissions = "inherit" | "none" | readonly string[];

/** What to start. */
export interface StartPlan {
  readonly name: string;
  /** Which slot of the memory the child will take, and the memory, and whether it is of no use without; null where none is shared. */
  readonly memory: { readonly memory: MappedMemory; readonly slot: number; readonly isNeeded: boolean } | null;
  readonly daemon: boolean;
  readonly runtime?: RuntimeName;
  readonly execArgv?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly stdio: "inherit" | "pipe" | "ignore";
  readonly permissions: Permissions;
  readonly resourceLimits?: { readonly maxOldSpaceMb?: number };
  /** For a browser: makes the worker; null: from the library's own entry. */
  readonly executable: (() => object) | null;
}

/** How a child ended. */
export interface Ending {
  /** The exit code; null if a signal ended it. */
  readonly code: number | null;
  /** The number of the signal that ended it, or null. */
  readonly signal: number | null;
  /** An error that the runtime reported for it (a thread that ran out of memory, say). */
  readonly error?: unknown;
}

/** A started child. */
export interface Child {
  /** Its process id; for a thread that of this process. Null when it could not be started. */
  readonly pid: number | null;
  readonly port: Port;
  /** Rejects when the child could not be started at all. */
  readonly ended: Promise<Ending>;
  /** Sends a signal, by number; any signal but 0 ends a thread. Signal 0 does nothing. */
  signal(number: number): void;
  /** Blocks until it ended or the time is up; false then. Where this cannot be done: throws. */
  waitSync(timeoutMs: number): Ending | null;
  readonly stdout: ReadableStream<Uint8Array> | null;
  readonly stderr: ReadableStream<Uint8Array> | null;
  /** Whether it keeps this event loop alive. */
  ref(): void;
  unref(): void;
}

/** A distribution of whole numbers from 1 on. */
export interface Histogram {
  readonly count: number;
  readonly min: number;
  readonly max: number;
  readonly mean: number;
  record(value: number): void;
  /** The value that so many of a hundred do not exceed. */
  percentile(percent: number): number;
}

/** What a runtime gives the library. */
export interface Adapter {
  readonly can: Capabilities;
  readonly birth: Birth | null;
  /** Logical processors, and those that this process may use (affinity, container limits). */
  readonly cores: { readonly all: number; readonly available: number };
  /** This process and thread. */
  thread(): ThreadId;
  /** The kernel's answer: does this thread still run? True where it cannot be told. */
  threadAlive(at: ThreadId): boolean;
  /** Lets other threads have the processor, if any wait for it. False where there is no way to. */
  giveWay(): boolean;
  /** Starts a child. Never throws for what happens outside: that rejects `ended`. Throws `UnsupportedError` for what is never given here. */
  start(kind: "process" | "thread", plan: StartPlan): Child;
  /** Makes mapped memory of that size, or maps that of the handle for a further thread of the process. Throws `UnsupportedError`. */
  memory(from: number | MappedHandle): MappedMemory;
  /** Memory that unrelated programs share. Getting it throws `UnsupportedError` where there is none. */
  readonly named: NamedBlocks;
  /** Sends a signal to any process. False if there is none of that id. */
  kill(pid: number, signal: number): boolean;
  /** In a pool's worker: leaves interrupts to whoever has the pool, and sets the niceness of this process or thread. */
  serve(nice: number): void;
  /** Bytes of memory that this process uses; in a thread, those of its heap. */
  memoryUsed(): number;
  /** Looks for garbage, where the engine would let too much lie and can be asked. Else does nothing. */
  collect(): void;
  histogram(): Histogram;
  /** Calls `run` after a time, without keeping the program alive for it. @return Calls it off. */
  quietly(ms: number, run: () => void): () => void;
  /** Runs when the program, or this thread, ends for good, with its exit code; synchronous, best effort. */
  onExit(run: (code: number) => void): void;
  /** Runs when the program is interrupted (Ctrl-C), and nobody else listens for that: it ends thereafter. @return Runs it no more. */
  onInterrupt(run: () => void): () => void;
  /** Hears of an error that nobody caught and that is about to end the program; changes nothing about that. */
  onCrash(hear: (error: unknown) => void): void;
  /** Where a function may come from, best first. */
  origin(fn: (...args: never[]) => unknown): readonly ModuleText[];
  /** Which export of these modules the function is, or the class; null: none. `what` names it in messages. Where no texts of modules can be had there is nothing to search. */
  search(fn: (...args: never[]) => unknown, modules: readonly ModuleText[], what: string): TargetSpec | null;
  /** A value that follows a task through its awaits: `run` sets it for all that `body` starts. */
  follow<T>(): { run<R>(value: T, body: () => R): R; get(): T | undefined };
  /** Whether the program was started with the module of that URL. */
  isMain(url: string): boolean;
  /** Whether a child ends by itself once its event loop has nothing left to do. Else it ends when its function, its puts and its own children are done. */
  readonly endsByItself: boolean;
  /** In a child: the code with which it ends once its event loop has nothing left to do. */
  setExitCode(code: number): void;
  /** In a child: ends it with that code, at once. */
  exit(code: number): never;
  /** In a child process: makes the program's own arguments those of its parent. */
  setArguments(args: readonly string[]): void;
  /** The program's own arguments, without runtime and script. */
  readonly args: readonly string[];
  /** Writes a line to standard error. */
  complain(line: string): void;
  /** Publishes on a diagnostics channel, where there are any. */
  publish(channel: string, message: unknown): void;
}
