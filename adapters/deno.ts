/**
 * The adapter of Deno. Nothing here touches `process` or a `node:` module before it is needed: they cost some 10 ms.
 *
 * @module
 */

import type { Adapter, Birth, Capabilities, Child, Ending, StartMethod, StartPlan, ThreadId } from "../src/adapter.ts";
import { ProcessError } from "../src/errors.ts";
import { Stopped } from "../src/gate.ts";
import { findExport } from "../src/target_search.ts";
import { type ByteStream, FramedPort } from "./channel.ts";
import { ChildProcess } from "./child_process.ts";
import { type BirthArgument, cannotStart, command, entry, type ParentFacts, readBirth, writeBirth } from "./command.ts";
import { denoConfig } from "./deno_config.ts";
import { follow } from "./deno_follow.ts";
import { canUnref, type DenoForeign, DenoSocketStream, futexBell, loadForeign } from "./deno_ffi.ts";
import { type Mapped, threadExists } from "./mapped_memory.ts";
import { NodeSocketStream } from "./node_socket.ts";
import { spawnChild } from "./node_spawn.ts";
import { origin } from "./origin_stack.ts";
import { AF_UNIX, FIONCLEX, signalName, signalNumber, SOCK_CLOEXEC, SOCK_STREAM } from "./posix.ts";
import { Sharing } from "./sharing.ts";
import { cores, histogram, kill, memoryUsed, nodeProcess, onCrash, publish, serve, standard } from "./standard.ts";
import { stillborn } from "./stillborn.ts";
import { startThread, type ThreadBirth, threadBirth, type WorkerThreads } from "./threads.ts";

const isMainThread = typeof (globalThis as { DedicatedWorkerGlobalScope?: unknown }).DedicatedWorkerGlobalScope === "undefined";

function granted(descriptor: Deno.PermissionDescriptor): boolean {
  return Deno.permissions.querySync(descriptor).state === "granted";
}

function env(name: string): string | undefined {
  return granted({ name: "env", variable: name }) ? Deno.env.get(name) : undefined;
}

const sharing = new Sharing({
  platform: Deno.build.os,
  machine: Deno.build.arch,
  pid: Deno.pid,
  isMainThread,
  env,
  loadForeign() {
    if (!granted({ name: "ffi" })) throw new ProcessError("no permission for foreign functions: run with --allow-ffi");
    return loadForeign();
  },
  bell: (foreign, onRing) => futexBell(foreign as DenoForeign, onRing),
  *files(directory) {
    if (!granted({ name: "read", path: directory })) return;
    for (const { name, isFile } of Deno.readDirSync(directory)) {
      try {
        if (isFile) yield { name, mode: Deno.lstatSync(`${directory}/${name}`).mode ?? 0 };
      } catch {
        // It went meanwhile.
      }
    }
  },
});

/** The foreign functions, if a waiting call of theirs would not keep the program alive. */
function foreignLoop(): DenoForeign | null {
  return canUnref ? sharing.parts?.foreign as DenoForeign ?? null : null;
}

function socketStream(fd: number): ByteStream {
  const foreign = foreignLoop();
  if (foreign !== null) return new DenoSocketStream(foreign, fd);
  const { Socket } = standard<typeof import("node:net")>("node:net");
  return new NodeSocketStream(new Socket({ fd, readable: true, writable: true }), null);
}

const born: BirthArgument | null = isMainThread ? readBirth(Deno.args[0]) : null;
let main = born?.main ?? "", config = born?.config;
let threadData: ThreadBirth | null = null;

/** Whether `process` was looked at since the birth of this child. */
let isProcessKnown = true;

function setArguments(args: readonly string[]): void {
  Object.defineProperty(Deno, "args", { value: Object.freeze([...args]), configurable: true });
  if (isProcessKnown) nodeProcess().argv.splice(1, Infinity, ...(main === "" ? [] : [main]), ...args);
}

/** Puts `process.argv` right once somebody looks at `process`: loading that at every start would cost 10 ms. */
function setArgumentsLate(): void {
  const own = Object.getOwnPropertyDescriptor(globalThis, "process");
  if (own?.get === undefined) return setArguments([]);
  isProcessKnown = false;
  Object.defineProperty(globalThis, "process", {
    ...own,
    get() {
      Object.defineProperty(globalThis, "process", own);
      isProcessKnown = true;
      setArguments(Deno.args);
      return nodeProcess();
    },
  });
  setArguments([]);
}

function takeBirth(): Birth | null {
  if (born !== null) {
    setArgumentsLate();
    const memory = sharing.born(born);
    return { kind: "process", port: new FramedPort(socketStream(born.channelFd)), memory };
  }
  if (isMainThread) return null;
  const thread = threadBirth(standard<WorkerThreads>("node:worker_threads"));
  if (thread === null) return null;
  threadData = thread.data;
  if (thread.data.stdio !== "inherit") {
    const { Console } = standard<typeof import("node:console")>("node:console");
    const { stdout, stderr } = nodeProcess() as unknown as typeof import("node:process");
    // What they are given goes to the parent, and would go to the output of the program all the same.
    for (const stream of [stdout, stderr]) stream._write = (_chunk, _encoding, done) => done();
    // Deno's own console writes past the streams of the thread.
    globalThis.console = new Console(stdout, stderr);
  }
  main = thread.data.main;
  nodeProcess().argv[1] = main;
  // Deno's own exit from a thread skips the hooks. And returns: `process.exit` then turns in a circle until it is ended, which is never where the parent terminated the thread before.
  const { exit } = Deno;
  let isExiting = false;
  (Deno as { exit: (code?: number) => never }).exit = (code) => {
    if (isExiting) { // `process.exit` ends here
      exit(code);
      throw new Stopped();
    }
    isExiting = true;
    return nodeProcess().exit(code ?? Deno.exitCode);
  };
  return thread.birth;
}

const birth = takeBirth();

/** The user's main module: a path where it is a file. */
function mainModule(): string {
  const url = Deno.mainModule ?? ""; // a thread has none
  return main ||= url.startsWith("file:") ? decodeURIComponent(new URL(url).pathname) : url;
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

const PERMISSIONS = ["read", "write", "net", "env", "run", "ffi", "sys", "import"] as const;

/** Where the program was started: it may go elsewhere before it starts a child. */
const startFolder = born === null && granted({ name: "read" }) ? Deno.cwd() : "";

/** The config file that the program was told to use, if it may look at its own command line: that takes every permission. */
function givenConfig(): string | null {
  if (facts.permissions()[0] !== "-A") return null;
  try {
    const words = Deno.readTextFileSync("/proc/self/cmdline").split("\0").slice(0, -1 - Deno.args.length);
    const path = /\n(?:--config[\n=]|-c[\n=]?)(.+)/.exec(words.join("\n"))?.[1];
    return path === undefined ? null : path.startsWith("/") ? path : `${startFolder}/${path}`;
  } catch {
    return null; // no Linux
  }
}

const facts: ParentFacts = {
  runtime: "deno",
  get execPath() {
    return Deno.execPath();
  },
  execArgv: [],
  permissions() {
    const held = PERMISSIONS.filter((name) => granted({ name } as Deno.PermissionDescriptor));
    return held.length === PERMISSIONS.length ? ["-A"] : held.map((name) => `--allow-${name}`);
  },
  config: () => config === undefined ? config = givenConfig() ?? denoConfig(mainModule(), Deno.cwd(), exists) : config,
  env,
};

function startByNode(plan: StartPlan): Child {
  const { Readable } = standard<typeof import("node:stream")>("node:stream");
  return spawnChild(plan, {
    childProcess: standard("node:child_process"),
    signals: standard<typeof import("node:os")>("node:os").constants.signals,
    pid: Deno.pid,
    env: nodeProcess().env,
    sharing,
    facts,
    main: mainModule(),
    caughtUp: null,
    web: Readable.toWeb,
  });
}

/** Does something to a child that may have ended since: Deno throws then, and knows it a moment before its `status` tells. */
function unlessEnded(act: () => void): void {
  try {
    act();
  } catch {
    // It has.
  }
}

function startByCommand(plan: StartPlan, foreign: DenoForeign): Child {
  const { libc } = foreign, memory = plan.memory;
  /** Ours first. */
  const pair = new Int32Array([-1, -1]);
  let fd = -1, path = "", stream: DenoSocketStream | null = null;
  try {
    if (libc.socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) !== 0) {
      throw new ProcessError("Cannot make a socket pair: no descriptor is free");
    }
    if (memory !== null) fd = (memory.memory as Mapped).inherit(memory.slot);
    const birthArgument = writeBirth({
      channelFd: pair[1],
      memory: memory === null ? null : { fd, byteLength: memory.memory.byteLength },
      parentPid: Deno.pid,
      daemon: plan.daemon,
      config: (plan.runtime ?? "deno") === "deno" ? facts.config() : null,
      main: mainModule(),
    });
    const started = command(plan, facts, birthArgument);
    path = started.path;
    const output = ({ inherit: "inherit", pipe: "piped", ignore: "null" } as const)[plan.stdio];
    const spawning = new Deno.Command(path, {
      args: started.args,
      cwd: plan.cwd,
      env: plan.env,
      stdin: "null",
      stdout: output,
      stderr: output,
    });
    // It may need a descriptor more, which is to be missed before there is a child.
    stream = new DenoSocketStream(foreign, pair[0]);
    pair[0] = -1;
    // `Deno.Command` hands on whatever is not close-on-exec, under its number: so these are, but for this moment.
    for (const inherited of [pair[1], fd]) if (inherited >= 0) libc.ioctl(inherited, FIONCLEX);
    const child = spawning.spawn();
    const ended = child.status.then(({ code, signal }): Ending =>
      signal === null ? { code, signal: null } : { code: null, signal: signalNumber(signal) }
    );
    return new ChildProcess({
      pid: child.pid,
      port: new FramedPort(stream),
      ended,
      stdout: plan.stdio === "pipe" ? child.stdout : null,
      stderr: plan.stdio === "pipe" ? child.stderr : null,
      signal: (number) => unlessEnded(() => child.kill(signalName(number) as Deno.Signal)),
      ref: () => unlessEnded(() => child.ref()),
      unref: () => unlessEnded(() => child.unref()),
    }, sharing.parts);
  } catch (error) {
    stream?.close();
    return stillborn(path === "" ? error : cannotStart(plan, path, error));
  } finally {
    for (const left of [...pair, fd]) if (left >= 0) libc.close(left);
  }
}

function start(kind: "process" | "thread", plan: StartPlan): Child {
  try {
    if (kind === "process") {
      const foreign = foreignLoop();
      return foreign === null ? startByNode(plan) : startByCommand(plan, foreign);
    }
    const threads = standard<WorkerThreads>("node:worker_threads");
    const env = granted({ name: "env" }) ? nodeProcess().env : {};
    return startThread(plan, {
      runtime: "deno",
      threads,
      pid: Deno.pid,
      main: mainModule(),
      argv: Deno.args,
      env,
      limits: false,
      flags: null,
    });
  } catch (error) {
    return stillborn(error);
  }
}

function capabilities(): Capabilities {
  const startMethods: StartMethod[] = [], reasons: Record<string, string> = {};
  if (sharing.reason !== null) reasons["sharedMemory.process"] = sharing.reason;
  if (!granted({ name: "run", command: Deno.execPath() })) {
    reasons["startMethods.process"] = "no permission to run programs: run with --allow-run";
  } else if (foreignLoop() === null && !granted({ name: "env" })) {
    reasons["startMethods.process"] =
      "no permission for foreign functions or, without them, for the environment: run with --allow-ffi or --allow-env";
  } else startMethods.push("process");
  const url = entry("deno");
  if (!url.startsWith("file:") || granted({ name: "read", path: decodeURIComponent(new URL(url).pathname) })) startMethods.push("thread");
  else reasons["startMethods.thread"] = "no permission to read the entry of threads: run with --allow-read";
  return {
    runtime: `deno ${Deno.version.deno}`,
    startMethods: [...startMethods, "inline"],
    sharedMemory: { thread: true, process: sharing.reason === null },
    blocking: true,
    reasons,
  };
}

let can: Capabilities | null = null;
let at: ThreadId | null = null;

function thread(): ThreadId {
  if (at === null) {
    let tid = Deno.pid;
    if (!isMainThread) {
      const parts = sharing.parts;
      try {
        tid = parts !== null ? parts.thread().tid : Number(Deno.readLinkSync("/proc/thread-self").split("/")[2]);
      } catch {
        tid = 0;
      }
    }
    at = { pid: Deno.pid, tid };
  }
  return at;
}

const crashHearers: ((error: unknown) => void)[] = [];
const isPrevented = Object.getOwnPropertyDescriptor(Event.prototype, "defaultPrevented")!.get!;

/** Hears of an error once every handler was asked and none took it: that is when Deno looks whether the event was cancelled. */
function onMainCrash(hear: (error: unknown) => void): void {
  if (crashHearers.push(hear) > 1) return;
  const listen = (event: Event) => {
    const error = (event as ErrorEvent).error ?? (event as PromiseRejectionEvent).reason;
    let isHeard = false;
    Object.defineProperty(event, "defaultPrevented", {
      get() {
        if (isPrevented.call(event)) return true;
        const process = nodeProcess();
        if (!isHeard && process.listenerCount("uncaughtException") + process.listenerCount("unhandledRejection") === 0) {
          isHeard = true;
          for (const hear of crashHearers) hear(error);
        }
        return false;
      },
    });
  };
  globalThis.addEventListener("error", listen);
  globalThis.addEventListener("unhandledrejection", listen);
}

/** A thread ends before Deno tells of the error too, which it does on the program's standard error, wherever that of the thread goes. */
function onThreadCrash(hear: (error: unknown) => void): void {
  onCrash((error) => {
    hear(error);
    nodeProcess().exit(1);
  });
}

/** Whether `/proc` tells of this process. */
function isListed(): boolean {
  try {
    return Deno.readLinkSync("/proc/self") === String(Deno.pid);
  } catch {
    return false;
  }
}

/** The adapter. */
export const adapter: Adapter = {
  get can() {
    return can ??= capabilities();
  },
  birth,
  cores: cores(),
  thread,
  threadAlive(at) {
    const parts = sharing.parts;
    if (parts !== null) return threadExists(parts.foreign.libc, at);
    if (Deno.build.os !== "linux") return true;
    try {
      Deno.statSync(at.tid === 0 ? `/proc/${at.pid}` : `/proc/${at.pid}/task/${at.tid}`);
      return true;
    } catch (error) {
      // It takes a permission; and where that is not what tells of this process, whoever started the thread knows.
      return !(error instanceof Deno.errors.NotFound) || !isListed();
    }
  },
  giveWay: () => sharing.parts?.foreign.libc.sched_yield() === 0,
  start,
  memory: (from) => sharing.memory(from),
  get named() {
    return sharing.named;
  },
  kill(pid, signal) {
    const parts = sharing.parts;
    if (parts === null) return kill(pid, signal);
    if (parts.foreign.libc.kill(pid, signal) === 0) return true;
    if (threadExists(parts.foreign.libc, { pid, tid: 0 })) {
      throw new ProcessError(`Cannot signal process ${pid}: it belongs to somebody else`);
    }
    return false;
  },
  serve(nice) {
    // By Deno's own means: Node's cost 10 ms to load.
    if (isMainThread) Deno.addSignalListener("SIGINT", () => {});
    serve(false, nice);
  },
  memoryUsed: () => isMainThread ? Deno.memoryUsage().rss : memoryUsed(false),
  collect() {},
  histogram,
  quietly(ms, run) {
    const timer = setTimeout(run, ms);
    Deno.unrefTimer(timer);
    return () => clearTimeout(timer);
  },
  onExit(run) {
    if (!isMainThread) return nodeProcess().on("exit", run);
    let isDone = false;
    const once = (code: number) => {
      if (!isDone) run(code);
      isDone = true;
    };
    globalThis.addEventListener("unload", () => once(Deno.exitCode));
    onMainCrash(() => once(1)); // which has no `unload`
  },
  // Who else listens cannot be known.
  onInterrupt: () => () => {},
  onCrash: isMainThread ? onMainCrash : onThreadCrash,
  origin,
  search: findExport,
  follow,
  isMain(url) {
    const path = mainModule();
    return path !== "" &&
      url === (path.startsWith("/") ? new URL(`file://${encodeURI(path).replace(/[?#]/g, encodeURIComponent)}`).href : path);
  },
  endsByItself: true,
  setExitCode(code) {
    if (isMainThread) Deno.exitCode = code;
    else nodeProcess().exitCode = code;
  },
  setArguments(args) {
    setArguments(args);
  },
  get args() {
    return Deno.args;
  },
  exit: (code) => isMainThread ? Deno.exit(code) : nodeProcess().exit(code),
  complain(line) {
    if (threadData !== null && threadData.stdio !== "inherit") return void nodeProcess().stderr.write(line + "\n");
    const bytes = new TextEncoder().encode(line + "\n");
    for (let sent = 0; sent < bytes.length;) sent += Deno.stderr.writeSync(bytes.subarray(sent));
  },
  publish,
};
