/**
 * The adapter of Bun. Nothing here loads a `node:` module before it is needed: some cost as much as Bun's whole start.
 *
 * @module
 */

import type { Adapter, Birth, Capabilities, Child, Ending, StartPlan, ThreadId } from "../src/adapter.ts";
import { type Bell, makeDatagramSocket } from "./bells.ts";
import { type BunSocket, BunSocketStream, type Connect } from "./bun_socket.ts";
import { FramedPort } from "./channel.ts";
import { SHARED_BYTES } from "../src/memory.ts";
import { findExport } from "../src/target_search.ts";
import { ChildProcess, startProcess } from "./child_process.ts";
import { type ParentFacts, readBirth } from "./command.ts";
import { denoConfig } from "./deno_config.ts";
import { threadExists } from "./mapped_memory.ts";
import { origin } from "./origin_bun.ts";
import { CALLS, type CType, type Foreign, type Libc, loadLibc, signalNumber } from "./posix.ts";
import { Sharing } from "./sharing.ts";
import {
  complain,
  cores,
  filesIn,
  follow,
  histogram,
  kill,
  onCrash,
  onInterrupt,
  ownThread,
  publish,
  quietly,
  serve,
  standard,
  threadIsListed,
} from "./standard.ts";
import { stillborn } from "./stillborn.ts";
import { startThread, type ThreadBirth, threadBirth, type WorkerThreads } from "./threads.ts";
import "./strings.ts";

/** What is used of `bun:ffi`. */
interface BunFfi {
  dlopen(library: string, symbols: Record<string, { args: string[]; returns: string }>): { symbols: unknown };
  toArrayBuffer(address: number, offset: number, length: number): ArrayBuffer;
}

/** What is used of `Bun`. */
interface BunRuntime {
  readonly version: string;
  readonly main: string;
  readonly isMainThread: boolean;
  gc(now: boolean): void;
  readonly connect: Connect;
  pathToFileURL(path: string): URL;
  spawn(command: string[], options: {
    cwd: string;
    env: Record<string, string | undefined>;
    stdio: (string | number)[];
    onExit(child: BunChild, code: number | null, signal: string | number | null): void;
  }): BunChild;
}

interface BunChild {
  readonly pid: number;
  readonly stdio: readonly (number | null)[];
  readonly stdout: ReadableStream<Uint8Array> | undefined;
  readonly stderr: ReadableStream<Uint8Array> | undefined;
  readonly signalCode: string | null;
  kill(signal: number): void;
  ref(): void;
  unref(): void;
}

const bun = (globalThis as unknown as { Bun: BunRuntime }).Bun;
const { process } = globalThis;
const fs = () => standard<typeof import("node:fs")>("node:fs");
const existsSync = (path: string) => fs().existsSync(path);
const FFI_TYPES: Record<CType, string> = { i32: "i32", u32: "u32", i64: "i64", address: "ptr", bytes: "ptr" };
/** `ptr` would make a `bigint` of −1. */
const FFI_RESULTS = { i32: "i32", address: "i64_fast" } as const;

function loadForeign(): Foreign {
  const { dlopen, toArrayBuffer } = process.getBuiltinModule("bun:ffi") as unknown as BunFfi;
  return loadLibc(process.arch, (name) => {
    const table = Object.entries(CALLS).map(([name, [parameters, result]]) =>
      [name, { args: parameters.map((type) => FFI_TYPES[type]), returns: FFI_RESULTS[result] }] as const
    );
    const libc = dlopen(name, Object.fromEntries(table)).symbols as Libc;
    return { libc, view: (address, length) => toArrayBuffer(address, 0, length) };
  });
}

/** Rings when a datagram comes to a socket of its own. */
function datagramBell(foreign: Foreign, onRing: () => void): Bell {
  const made = makeDatagramSocket(foreign.libc, process.pid);
  if (made === null) throw new Error("Cannot make a socket: no descriptor is free");
  let connected: Promise<BunSocket> | null = null;
  const read = () => {
    connected = bun.connect({
      fd: made.fd,
      socket: { open: (socket) => socket.unref(), data: () => onRing(), error() {} },
    });
    connected.catch(() => {});
  };
  if (!bun.isMainThread) read(); // the socket goes with the thread then
  return {
    door: made.door,
    listen: () => connected ?? read(),
    close() {
      if (connected === null) foreign.libc.close(made.fd);
      else void connected.then((socket) => socket.terminate(), () => {});
    },
  };
}

const sharing = new Sharing({
  platform: process.platform,
  machine: process.arch,
  pid: process.pid,
  isMainThread: bun.isMainThread,
  env: (name) => process.env[name],
  loadForeign,
  bell: datagramBell,
  files: (directory) => filesIn(fs(), directory),
});

const born = bun.isMainThread ? readBirth(process.argv[2]) : null;
let config: string | null | undefined = born?.config;
let threadData: ThreadBirth | null = null;

function takeBirth(): Birth | null {
  if (born === null) {
    if (bun.isMainThread) return null;
    const thread = threadBirth(standard<WorkerThreads>("node:worker_threads"));
    if (thread === null) return null;
    threadData = thread.data;
    if (threadData.main !== "") process.argv[1] = threadData.main;
    return thread.birth;
  }
  process.argv.splice(1, 2, ...(born.main === "" ? [] : [born.main]));
  const memory = sharing.born(born);
  return { kind: "process", port: new FramedPort(new BunSocketStream(bun.connect, born.channelFd)), memory };
}

const birth = takeBirth();

const facts: ParentFacts = {
  runtime: "bun",
  execPath: process.execPath,
  execArgv: process.execArgv,
  permissions: () => ["-A"],
  config: () => config === undefined ? config = denoConfig(process.argv[1] ?? "", process.cwd(), existsSync) : config,
  env: (name) => process.env[name],
};

function spawnChild(plan: StartPlan): Child {
  return startProcess(plan, { pid: process.pid, sharing, facts, main: process.argv[1] ?? "" }, (path, args, fd) => {
    const { promise: ended, resolve } = Promise.withResolvers<Ending>();
    const child = bun.spawn([path, ...args], {
      cwd: plan.cwd ?? process.cwd(),
      env: plan.env === undefined ? process.env : { ...process.env, ...plan.env },
      stdio: ["ignore", plan.stdio, plan.stdio, "pipe", ...(fd < 0 ? [] : [fd])],
      onExit(child, code, signal) {
        const name = child.signalCode ?? signal;
        if (name === null) resolve({ code, signal: null });
        else resolve({ code: null, signal: typeof name === "number" ? name : signalNumber(name) });
      },
    });
    return new ChildProcess({
      pid: child.pid,
      port: new FramedPort(new BunSocketStream(bun.connect, child.stdio[3]!)),
      ended,
      stdout: plan.stdio === "pipe" ? child.stdout! : null,
      stderr: plan.stdio === "pipe" ? child.stderr! : null,
      signal: (number) => child.kill(number),
      ref: () => child.ref(),
      unref: () => child.unref(),
    }, sharing.parts);
  });
}

function start(kind: "process" | "thread", plan: StartPlan): Child {
  if (kind === "process") return spawnChild(plan);
  try {
    return startThread(plan, {
      runtime: "bun",
      threads: standard<WorkerThreads>("node:worker_threads"),
      pid: process.pid,
      main: process.argv[1] ?? "",
      argv: process.argv.slice(2),
      env: process.env,
      limits: false,
      flags: null,
    });
  } catch (error) {
    return stillborn(error);
  }
}

let can: Capabilities | null = null;
let at: ThreadId | null = null;

/** Bun goes on after a rejection that nobody handled, and a thread then ends with 0. A child ends with 1 as on the other runtimes, unless the program handles rejections. */
function onCrashOrRejection(hear: (error: unknown) => void): void {
  onCrash(hear);
  process.on("unhandledRejection", (error) => {
    if (process.listenerCount("unhandledRejection") > 1 || process.listenerCount("uncaughtException") > 0) return;
    hear(error);
    process.exit(1);
  });
  // A thread that has nothing left to do ends without a look at its rejections, unless it goes on for a turn.
  let isLooking = false;
  process.on("beforeExit", () => {
    if (!isLooking) setTimeout(() => {});
    isLooking = true;
  });
}

/** A thread's heap, with its buffers. After a collection Bun counts all that is reserved of the memory that threads share as well. */
function heapUsed(): number {
  const { heapUsed } = process.memoryUsage();
  return heapUsed < SHARED_BYTES ? heapUsed : heapUsed - SHARED_BYTES;
}

/** The adapter. */
export const adapter: Adapter = {
  get can() {
    return can ??= {
      runtime: `bun ${bun.version}`,
      startMethods: ["process", "thread", "inline"],
      sharedMemory: { thread: true, process: sharing.reason === null },
      blocking: true,
      reasons: sharing.reason === null ? {} : { "sharedMemory.process": sharing.reason },
    };
  },
  birth,
  cores: cores(),
  thread: () => at ??= ownThread(bun.isMainThread),
  threadAlive(at) {
    const parts = process.platform === "linux" ? sharing.parts : null;
    if (parts !== null) return threadExists(parts.foreign.libc, at);
    return process.platform !== "linux" || threadIsListed(fs(), at);
  },
  giveWay: () => sharing.parts?.foreign.libc.sched_yield() === 0,
  start,
  memory: (from) => sharing.memory(from),
  get named() {
    return sharing.named;
  },
  kill,
  serve: (nice) => serve(bun.isMainThread, nice),
  memoryUsed: () => bun.isMainThread ? process.memoryUsage.rss() : heapUsed(),
  // It lets locks take half a GiB before it looks by itself. Asked so, it does on another thread, mostly.
  collect: () => bun.gc(false),
  histogram,
  quietly,
  onExit: (run) => void process.on("exit", run),
  onInterrupt: (run) => onInterrupt(bun.isMainThread, run),
  onCrash: onCrashOrRejection,
  origin,
  search: findExport,
  follow,
  isMain: (url) => bun.main !== "" && url === bun.pathToFileURL(birth === null ? bun.main : process.argv[1]).href,
  endsByItself: true,
  setExitCode(code) {
    process.exitCode = code;
  },
  exit: (code) => process.exit(code),
  setArguments: (args) => void process.argv.splice(2, Infinity, ...args),
  get args() {
    return process.argv.slice(2);
  },
  complain: (line) => complain(line, bun.isMainThread || threadData?.stdio === "inherit"),
  publish,
};
