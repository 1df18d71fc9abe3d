/**
 * Starting a child: what it is to run and what it is given are found and encoded first, so that a failure leaves nothing behind.
 *
 * @module
 */
import type { Adapter, Child, Ending, Port, StartMethod, StartPlan } from "./adapter.ts";
import type { Arena } from "./arena.ts";
import type { ArenaHome } from "./arena_home.ts";
import { type BirthMessage, fromBytes, toBytes, type ToParent } from "./birth.ts";
import { startClock } from "./clock.ts";
import { encode, HANDLE, type Message } from "./codec.ts";
import { DataCloneError, ProcessError, RemoteError, TargetError, UnsupportedError } from "./errors.ts";
import { PASSED, type SharedObject } from "./holding.ts";
import { performance, randomWord } from "./host.ts";
import { launchInline } from "./inline.ts";
import * as L from "./layout.ts";
import { logInheritance } from "./log.ts";
import { isRepeating, MAIN_GUARD, type Scene } from "./scene.ts";
import { keyOf, resolveClass, resolveTarget, type TargetSpec } from "./target.ts";
import type { Branch } from "./tree.ts";
import { kindOf, WORDS } from "./tree_frame.ts";

/** What is to be started. */
export interface Launch {
  readonly method: StartMethod;
  readonly name: string;
  readonly daemon: boolean;
  readonly target: unknown;
  readonly args: readonly unknown[];
  /** The class whose `run()` is called, which may call the target, and its instance's fields. */
  readonly subclass: (new (...args: never[]) => unknown) | null;
  readonly fields: Readonly<Record<string, unknown>> | null;
  readonly transfer: readonly ArrayBuffer[];
  /** For a pool's worker, which daemonic processes may have: hears what it says. */
  readonly owner: WorkerOwner | null;
  readonly start: Omit<StartPlan, "name" | "memory" | "daemon" | "executable">;
  /** For an inline task: its `run`, which may be a subclass's own. @param call Calls its target. */
  runInline(call: () => unknown): unknown;
  /** Hears of the error that ends the child. */
  onError(error: unknown): void;
}

/** Hears of moved buffers, and what they belong to. */
export type OnCargo = (key: string, buffers: readonly ArrayBuffer[]) => void;

/** Whoever has a pool's worker. */
export interface WorkerOwner {
  /** Hears of buffers that it moves here. */
  readonly onCargo: OnCargo;
  /** Hears its words. */
  onWords(bytes: Uint8Array): void;
}

/** A child that was started. */
export interface Running {
  readonly pid: number | null;
  readonly ident: number | null;
  /** Rejects if it could not be started at all. */
  readonly ended: Promise<Ending>;
  readonly stdout: ReadableStream<Uint8Array> | null;
  readonly stderr: ReadableStream<Uint8Array> | null;
  /** Blocks until it ended; null when the time is up. */
  waitSync(timeoutMs: number): Ending | null;
  signal(number: number): void;
  /** To the child; null where that is on this thread. */
  readonly port: Port | null;
  /** Moves buffers to a thread. @param key What they belong to. */
  sendCargo: OnCargo;
  /** Keeps the program alive as long as it runs, or not. */
  ref(): void;
  unref(): void;
}

const SIGINT = 2, SIGKILL = 9;
/** How long a child's last words may take to arrive after its end was seen. */
const LAST_WORDS_MS = 1000;
/** How long a thread that is to be ended may go on importing. */
const LOADING_MS = 3000;
/** How long at most a thread may run on after its end was told; Deno gives it two seconds to notice. */
const LAST_STEPS_MS = 5000;

let executable: StartPlan["executable"] = null;

/**
 * Says how a browser makes the workers that children run in: from an entry of the application's own, which a bundler builds. Elsewhere nothing changes. Python: `multiprocessing.set_executable()`.
 *
 * @param make Makes a worker of the name `polyproc`, whose module imports `@polyproc/multiprocessing/worker` first. A worker's own workers are made from the same module.
 *
 * @example
 * ```ts ignore
 * setExecutable(() => new Worker(new URL("./worker.ts", import.meta.url), { type: "module", name: "polyproc" }));
 * ```
 */
export function setExecutable(make: () => object): void {
  if (typeof make !== "function") throw new TypeError("Cannot set the executable: pass a function that makes a worker");
  executable = make;
}

/** Starts a child. @throws What `Process.start` throws. */
export function launch(scene: Scene, plan: Launch): Running {
  if (scene.isBooting) {
    throw new ProcessError(`Cannot start ${plan.name} while the main module is being imported in a child. ${MAIN_GUARD}`);
  }
  if (scene.self.daemon && plan.owner === null) {
    throw new ProcessError(`Cannot start ${plan.name}: daemonic processes are not allowed to have children`);
  }
  if (scene.world.isEnding) throw new ProcessError(`Cannot start ${plan.name}: this process is ending`);
  const { adapter } = scene.world, { can } = adapter;
  if (!can.startMethods.includes(plan.method)) {
    throw new UnsupportedError(
      `Cannot start ${plan.name}: start method "${plan.method}" is not offered here: ${
        can.reasons[`startMethods.${plan.method}`] ?? `there are ${can.startMethods.join(", ")}`
      }`,
    );
  }
  if (plan.method === "inline") return launchInline(scene, plan);
  const target = plan.target === null ? null : resolveTarget(plan.target, adapter, "target");
  const subclass = findClass(plan, adapter);
  const main = subclass ?? target;
  if (main !== null && isRepeating(keyOf(main))) {
    throw new ProcessError(
      `Cannot start ${plan.name}: this child runs the same, and what starts it is not that but its main module. ${MAIN_GUARD}`,
    );
  }
  const isThread = plan.method === "thread";
  const message = encode({ args: plan.args, fields: plan.fields }, { path: "", move: isThread, transfer: plan.transfer });
  const payload = message.copy();
  const { shared, moved } = message;
  const branch = scene.world.tree.grow();
  const seats = reserveSeats(scene, isThread);
  try {
    holdFor(scene, seats, branch, shared, plan);
    return start(scene, plan, { target, subclass, payload, moved }, seats, branch, shared);
  } catch (error) {
    branch.ended();
    for (const { home, ident } of seats) home.me.bury(ident);
    throw error;
  }
}

/** A child's place in an arena. */
interface Seat {
  readonly home: ArenaHome;
  readonly ident: number;
}

function findClass(plan: Launch, adapter: Adapter): TargetSpec | null {
  if (plan.subclass === null) return null;
  if (Object.hasOwn(plan.fields!, "run")) {
    throw new TargetError(
      `Cannot start ${plan.name}: its run was assigned, and a child finds that only as a method of an exported class; or pass a target`,
    );
  }
  return resolveClass(plan.subclass, adapter);
}

/** A place for the child in each arena that it is to share. */
function reserveSeats(scene: Scene, isThread: boolean): Seat[] {
  const { world } = scene;
  const homes: ArenaHome[] = [];
  if (isThread && world.apart !== "thread") homes.push(world.home("thread") as ArenaHome);
  // A thread too: there is one such memory for the whole tree, and what the thread starts is seen in it.
  if (world.isMappable) homes.push(world.home("process") as ArenaHome);
  return homes.map((home) => ({ home, ident: home.me.arena.reserve(home.me.ident) }));
}

/** Makes the child a holder of the shared objects that it is given. */
function holdFor(scene: Scene, seats: readonly Seat[], branch: Branch, shared: Message["shared"], plan: Launch): void {
  for (const object of shared) {
    const { words } = object[HANDLE]();
    const [arena, units, serial, index] = words;
    const seat = seats.find(({ home }) => home.id === arena);
    if (seat === undefined) {
      const { apart } = scene.world;
      if (apart !== null && scene.world.home(apart).id === arena) {
        if (branch.give(words)) continue;
        throw new ProcessError(`Cannot give ${object.constructor.name} to ${plan.name}: it is gone`);
      }
      throw new DataCloneError(
        `Cannot give ${object.constructor.name} to ${plan.name}: it lives in memory that a child of start method "${plan.method}" does not share; make it with getContext("${plan.method}")`,
      );
    }
    if (!seat.home.me.hold({ offset: units * L.UNIT, serial }, index, seat.ident)) {
      throw new ProcessError(`Cannot give ${object.constructor.name} to ${plan.name}: it is gone`);
    }
    if (seat.home.method === "process") branch.inherits(seat.ident, words);
  }
}

interface Cargo {
  readonly target: TargetSpec | null;
  readonly subclass: TargetSpec | null;
  readonly payload: Uint8Array;
  readonly moved: readonly ArrayBuffer[];
}

function start(
  scene: Scene,
  plan: Launch,
  cargo: Cargo,
  seats: readonly Seat[],
  branch: Branch,
  shared: Message["shared"],
): Running {
  const { world } = scene;
  const { adapter } = world;
  const isThread = plan.method === "thread", isShared = seats.length > 0;
  const seatOf = (method: StartMethod) => seats.find(({ home }) => home.method === method)?.ident ?? 0;
  const mappedIdent = seatOf("process");
  const memory = !isThread && world.mapped !== null
    ? { memory: world.mapped, slot: mappedIdent & L.IDENT_SLOT_MASK, isNeeded: plan.owner !== null }
    : null;
  const ident = seatOf("thread") || randomWord() >>> 1;
  const child = adapter.start(isThread ? "thread" : "process", {
    ...plan.start,
    name: plan.name,
    daemon: plan.daemon,
    memory,
    executable,
  });
  const birth: BirthMessage = {
    name: plan.name,
    daemon: plan.daemon,
    parentPid: scene.self.pid,
    parentName: scene.self.name,
    method: plan.method,
    log: logInheritance(),
    argv: adapter.args,
    target: cargo.target,
    subclass: cargo.subclass,
    isWorker: plan.owner !== null,
    payload: cargo.payload,
    mappedIdent,
    mapped: isThread && mappedIdent !== 0 ? { ...world.mapped!.handle, arena: world.home("process").id } : null,
    sharedIdent: seatOf("thread"),
    ident,
    path: branch.path,
    treeHome: world.apart !== null ? world.home(world.apart).id : mappedIdent !== 0 ? world.home("process").id : null,
  };
  // Exit code + 1, for a parent that blocks: when it looks, the thread's place in the memory may be another's.
  const exit = isThread && isShared && adapter.can.blocking ? new Int32Array(new SharedArrayBuffer(4)) : null;
  let asked: number | null = null;
  // A thread that was told to end has its own way of dying of it.
  const lastWords = listen(child, branch, plan.owner, (error) => isThread && asked !== null || plan.onError(error));
  if (child.pid !== null) branch.started(child.pid, child.port);
  try {
    if (isThread) child.port.post(toBytes(birth), [world.sharedBuffer, exit, ...cargo.moved], cargo.moved);
    else child.port.post(toBytes(birth));
  } catch (cause) {
    child.signal(SIGKILL);
    if (cargo.moved.length === 0) throw cause;
    throw new DataCloneError(`Cannot give ${plan.name} buffers that their owner keeps, such as that of a WebAssembly.Memory; send copies`, {
      cause,
    });
  }
  child.port.unref();
  if (plan.daemon) child.unref();
  else child.ref();
  for (const object of shared) (object as SharedObject)[PASSED]?.();
  return {
    pid: child.pid,
    ident: isThread ? ident : child.pid,
    ended: child.ended.then(async (ending) => {
      // Those that it started while it was being ended.
      if (asked !== null) endDescendants(scene, seats, asked);
      if (isThread) { for (const seat of seats) await gone(seat); }
      for (const seat of seats) bury(seat);
      await lastWords;
      if (asked !== null) branch.endDescendants(adapter, asked);
      branch.ended();
      return ending;
    }, (error) => {
      branch.ended();
      for (const seat of seats) bury(seat);
      throw error;
    }),
    stdout: child.stdout,
    stderr: child.stderr,
    waitSync: (timeoutMs) => (exit === null ? child.waitSync(timeoutMs) : waitForThread(seats[0], exit, timeoutMs)),
    port: child.port,
    sendCargo: (key, buffers) => child.port.post(toBytes(key), buffers, buffers),
    ref: () => child.ref(),
    unref: () => child.unref(),
    signal(number) {
      if (number !== SIGINT) asked = number;
      // First: it does not begin to import any more, or says that it has begun.
      if (isThread) { for (const { home, ident } of seats) endUse(home.me.arena, ident); }
      if (!isThread || isLoaded(seats)) child.signal(number);
      else void until(LOADING_MS, () => isLoaded(seats)).then(() => child.signal(number));
      if (number !== SIGINT) {
        endDescendants(scene, seats, number);
        branch.endDescendants(adapter, number);
      }
      // Asleep in foreign code, it is not woken by being terminated.
      if (isThread) { for (const { home, ident } of seats) home.me.parker.ring(ident & L.IDENT_SLOT_MASK); }
    },
  };
}

/** Hears what the child says; resolves when it will say no more. */
function listen(child: Child, branch: Branch, owner: WorkerOwner | null, onError: (error: unknown) => void): Promise<void> {
  return new Promise((resolve) => {
    let isOver = false;
    let clock: { stop(): void } | null = null;
    child.port.open((bytes, extra) => {
      if (extra.length > 0) return owner?.onCargo(fromBytes(bytes) as string, extra as ArrayBuffer[]);
      if (kindOf(bytes) === WORDS) return owner?.onWords(bytes);
      if (branch.hear(bytes)) return;
      let message: ToParent;
      try {
        message = fromBytes(bytes) as ToParent;
      } catch (cause) {
        return onError(new RemoteError("The process ended with an error that cannot be read here", { cause }));
      }
      if (message.type === "error") onError(message.error);
    }, () => {
      isOver = true;
      clock?.stop();
      resolve();
    });
    const late = () => {
      if (!isOver) clock = startClock(LAST_WORDS_MS, resolve);
    };
    child.ended.then(late, late);
  });
}

/** Whether a thread has imported its modules: Node takes the whole program down if it is terminated at certain moments of importing one that awaits something. */
function isLoaded(seats: readonly Seat[]): boolean {
  return seats.every(({ home, ident }) => (home.me.arena.gate(ident) & L.GATE_LOADING) === 0);
}

/** From now on a thread neither attaches to the memory nor begins to use it, nor to import. */
function endUse(arena: Arena, ident: number): void {
  arena.condemn(ident);
  arena.turnGate(ident, L.GATE_STOP, 0);
}

/** A thread that was terminated may run on for a while after its end was told: until then nothing may be taken from it. */
async function gone({ home, ident }: Seat): Promise<void> {
  const { arena } = home.me;
  arena.turnGate(ident, L.GATE_STOP, 0);
  await until(LAST_STEPS_MS, () => !arena.isInside(ident));
  arena.turnGate(ident, 0, L.GATE_INSIDE); // for those who cannot ask the kernel
}

/** Looks every 2 ms, without keeping the program alive for more than the time given. */
async function until(limitMs: number, isSo: () => boolean): Promise<void> {
  const end = performance.now() + limitMs;
  while (!isSo() && performance.now() < end) await new Promise<void>((resolve) => startClock(2, resolve));
}

function bury({ home, ident }: Seat): void {
  // A thread's place is given up by its process, whoever buried it.
  if (home.me.arena.identOf(ident & L.IDENT_SLOT_MASK) === ident) home.me.bury(ident);
  // Who ends in good order has buried itself, and what it kept is left.
  home.me.heap.inherit();
}

/** Ends the processes that these participants started, and those that they started, and so on. Who is still starting is kept from it. */
function endDescendants(scene: Scene, seats: readonly Seat[], signal: number): void {
  for (const { home, ident } of seats) {
    const { arena } = home.me;
    for (const one of descendants(arena, ident)) {
      if (arena.condemn(one)) continue;
      const pid = arena.head[arena.slot(one & L.IDENT_SLOT_MASK) + L.SLOT_PID];
      // Threads end with their process. And the number must still be that of the same process.
      if (pid !== 0 && pid !== scene.self.pid && arena.isAlive(one)) scene.world.adapter.kill(pid, signal);
    }
  }
}

/** Those started by `ident`, and by those, and so on. */
function descendants(arena: Arena, ident: number): number[] {
  const found = new Set([ident]);
  for (let size = 0; size < found.size;) {
    size = found.size;
    for (let slot = 0, used = Atomics.load(arena.head, L.SLOTS_USED); slot < used; slot++) {
      const one = arena.identOf(slot);
      if (one !== 0 && found.has(arena.head[arena.slot(slot) + L.SLOT_PARENT])) found.add(one);
    }
  }
  found.delete(ident);
  return [...found];
}

const LONGEST_SLEEP_MS = 10;

function waitForThread({ home, ident }: Seat, exit: Int32Array, timeoutMs: number): Ending | null {
  const { arena } = home.me;
  const deadline = performance.now() + timeoutMs;
  const never = new Int32Array(new SharedArrayBuffer(4));
  for (let sleep = 0.1; arena.isAlive(ident); sleep = Math.min(LONGEST_SLEEP_MS, sleep * 2)) {
    const left = deadline - performance.now();
    if (!(left > 0)) return null;
    Atomics.wait(never, 0, 0, Math.min(sleep, left));
  }
  const code = Atomics.load(exit, 0);
  return { code: code === 0 ? 1 : code - 1, signal: null };
}
