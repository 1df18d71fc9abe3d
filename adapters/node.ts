/**
 * The adapter of Node.js. Nothing here imports a `node:` module: that looks at all that it exports, for which Node loads more modules, and opens the standard streams.
 *
 * @module
 */

import type { OnReadOpts, Socket } from "node:net";
import type { Adapter, Birth, Capabilities, Child, StartMethod, StartPlan, ThreadId } from "../src/adapter.ts";
import { findExport } from "../src/target_search.ts";
import { type Bell, makePipe } from "./bells.ts";
import { afterNextPoll, FramedPort } from "./channel.ts";
import { ownFlags, type ParentFacts, readBirth } from "./command.ts";
import { denoConfig } from "./deno_config.ts";
import { threadExists } from "./mapped_memory.ts";
import { loadForeign } from "./node_ffi.ts";
import { NodeSocketStream } from "./node_socket.ts";
import { spawnChild } from "./node_spawn.ts";
import { origin } from "./origin_v8.ts";
import type { Foreign } from "./posix.ts";
import { Sharing } from "./sharing.ts";
import {
  complain,
  cores,
  filesIn,
  follow,
  histogram,
  kill,
  memoryUsed,
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
import { startThread, threadBirth } from "./threads.ts";
import "./strings.ts";

const fs = standard<typeof import("node:fs")>("node:fs");
const threads = standard<typeof import("node:worker_threads")>("node:worker_threads");

function socketOf(fd: number, writable: boolean, onread?: OnReadOpts): Socket {
  const { Socket } = standard<typeof import("node:net")>("node:net");
  return new Socket({ fd, readable: true, writable, onread });
}

/** Rings when something comes through a pipe of its own. */
function pipeBell(foreign: Foreign, onRing: () => void): Bell {
  const pipe = makePipe(foreign.libc);
  if (pipe === null) throw new Error("Cannot make a pipe: no descriptor is free");
  let socket: Socket | null = null;
  const read = () => {
    // Into one buffer and past what streams do with data: a third of the time, in one that is woken now and then 30 µs less.
    socket = socketOf(pipe.fd, false, {
      buffer: new Uint8Array(64),
      callback() {
        onRing();
        return true;
      },
    });
    socket.on("error", () => {});
    socket.unref();
  };
  // A thread may be terminated: then Node closes what it knows of, and only that.
  if (!threads.isMainThread) read();
  return {
    door: pipe.door,
    listen: () => socket ?? read(),
    close() {
      if (socket === null) foreign.libc.close(pipe.fd);
      else socket.destroy();
    },
  };
}

const born = threads.isMainThread ? readBirth(process.argv[2]) : null;
const sharing = new Sharing({
  platform: process.platform,
  machine: process.arch,
  pid: process.pid,
  isMainThread: threads.isMainThread,
  env: (name) => process.env[name],
  loadForeign: () => loadForeign(born !== null || !threads.isMainThread),
  bell: pipeBell,
  files: (directory) => filesIn(fs, directory),
});
let config: string | null | undefined = born?.config;

function takeBirth(): Birth | null {
  if (born === null) {
    const thread = threadBirth(threads);
    if (thread !== null && thread.data.main !== "") process.argv[1] = thread.data.main;
    return thread?.birth ?? null;
  }
  process.argv.splice(1, 2, ...(born.main === "" ? [] : [born.main]));
  const memory = sharing.born(born);
  return { kind: "process", port: new FramedPort(new NodeSocketStream(socketOf(born.channelFd, true), afterNextPoll)), memory };
}

const birth = takeBirth();

const facts: ParentFacts = {
  runtime: "node",
  execPath: process.execPath,
  execArgv: process.execArgv,
  permissions: () => ["-A"],
  config: () => config === undefined ? config = denoConfig(process.argv[1] ?? "", process.cwd(), fs.existsSync) : config,
  env: (name) => process.env[name],
};

function startProcess(plan: StartPlan): Child {
  return spawnChild(plan, {
    childProcess: standard<typeof import("node:child_process")>("node:child_process"),
    signals: standard<typeof import("node:os")>("node:os").constants.signals,
    pid: process.pid,
    env: process.env,
    sharing,
    facts,
    main: process.argv[1] ?? "",
    caughtUp: afterNextPoll,
    web: standard<typeof import("node:stream")>("node:stream").Readable.toWeb,
  });
}

function start(kind: "process" | "thread", plan: StartPlan): Child {
  if (kind === "process") return startProcess(plan);
  // Unless it is given others a thread has all of the program's, also those that are for its start alone.
  const flags = ownFlags("node", process.execArgv);
  try {
    return startThread(plan, {
      runtime: "node",
      threads,
      pid: process.pid,
      main: process.argv[1] ?? "",
      argv: process.argv.slice(2),
      env: process.env,
      limits: true,
      flags: plan.execArgv?.length || flags.length < process.execArgv.length ? flags : null,
    });
  } catch (error) {
    return stillborn(error);
  }
}

let can: Capabilities | null = null;

function capabilities(): Capabilities {
  // Node's own permission model, where it is switched on.
  const permission = (process as unknown as { permission?: { has(scope: string): boolean } }).permission;
  const startMethods: StartMethod[] = [], reasons: Record<string, string> = {};
  for (const [method, scope, flag] of [["process", "child", "--allow-child-process"], ["thread", "worker", "--allow-worker"]] as const) {
    if (permission === undefined || permission.has(scope)) startMethods.push(method);
    else reasons[`startMethods.${method}`] = `Node's permission model forbids it: run with ${flag}`;
  }
  return {
    runtime: `node ${process.versions.node}`,
    startMethods: [...startMethods, "inline"],
    // Looked at only by those who ask: a thread that is terminated while it loads koffi takes the whole program along.
    sharedMemory: {
      thread: true,
      get process() {
        return sharing.reason === null;
      },
    },
    blocking: true,
    get reasons() {
      return sharing.reason === null ? reasons : { ...reasons, "sharedMemory.process": sharing.reason };
    },
  };
}

let at: ThreadId | null = null;

let main: string | null = null;

function mainUrl(): string | null {
  const path = process.argv[1];
  if (path === undefined) return null;
  const { createRequire } = standard<typeof import("node:module")>("node:module");
  const { pathToFileURL } = standard<typeof import("node:url")>("node:url");
  try {
    // As Node does: without its extension, or a directory, or through a link.
    return pathToFileURL(createRequire(process.cwd() + "/").resolve(path)).href;
  } catch {
    return null;
  }
}

/** The adapter. */
export const adapter: Adapter = {
  get can() {
    return can ??= capabilities();
  },
  birth,
  cores: cores(),
  thread: () => at ??= ownThread(threads.isMainThread),
  threadAlive(at) {
    const parts = sharing.loaded;
    if (parts !== null) return threadExists(parts.foreign.libc, at);
    return process.platform !== "linux" || threadIsListed(fs, at);
  },
  // They are not loaded for that: it takes long, and a thread that is terminated meanwhile takes the program with it.
  giveWay: () => sharing.loaded?.foreign.libc.sched_yield() === 0,
  start,
  memory: (from) => sharing.memory(from),
  get named() {
    return sharing.named;
  },
  kill,
  serve: (nice) => serve(threads.isMainThread, nice),
  memoryUsed: () => memoryUsed(threads.isMainThread),
  collect() {},
  histogram,
  quietly,
  onExit: (run) => void process.on("exit", run),
  onInterrupt: (run) => onInterrupt(threads.isMainThread, run),
  onCrash,
  origin,
  search: findExport,
  follow,
  isMain: (url) => url === (main ??= mainUrl()),
  endsByItself: true,
  setExitCode(code) {
    process.exitCode = code;
  },
  exit: (code) => process.exit(code),
  setArguments: (args) => void process.argv.splice(2, Infinity, ...args),
  get args() {
    return process.argv.slice(2);
  },
  complain: (line) => complain(line, threads.isMainThread || (threads.workerData as { stdio?: string } | null)?.stdio === "inherit"),
  publish,
};
