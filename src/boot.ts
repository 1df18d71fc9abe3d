/**
 * How the library starts: in a program, and in a child.
 *
 * @module
 */
import { actionsLoaded } from "./action.ts";
import type { Adapter, Birth } from "./adapter.ts";
import "./array.ts";
import "./barrier.ts";
import { type BirthMessage, fromBytes, type Payload, toBytes } from "./birth.ts";
import { decode } from "./codec.ts";
import "./condition.ts";
import { describe, portable } from "./error_report.ts";
import "./event.ts";
import { setDefaultHome } from "./home.ts";
import { joinChildren } from "./inline.ts";
import * as L from "./layout.ts";
import { inheritLog, note, startLog } from "./log.ts";
import { Stopped, Unwanted } from "./gate.ts";
import "./pipe.ts"; // shared objects among the arguments, also where the target's module does not import the library
import { Process } from "./process.ts";
import "./queue.ts";
import { currentScene, followTarget, hasScene, joinOf, type ParentProcess, type Scene, setScene, threadScene } from "./scene.ts";
import { keyOf, loadTarget, type TargetSpec } from "./target.ts";
import "./semaphore.ts";
import { kindOf, WORDS } from "./tree_frame.ts";
import "./value.ts";
import { World } from "./world.ts";

const SIGTERM_CODE = 1;
/** How long what a task left open, such as a connection or a timer, may keep a pool's worker from its end: whoever takes its place waits for that. */
const LINGER_MS = 100;

/** Starts the library in a program, unless it was started. */
export function startProgram(adapter: Adapter): void {
  if (hasScene()) return;
  const { pid } = adapter.thread();
  begin(threadScene(
    new World(adapter, null, null),
    { name: "MainProcess", pid, ident: pid, daemon: false, exitcode: null, isAlive: () => true },
    null,
    null,
  ));
}

/** Starts the library in a child, which then runs what its parent gave it. */
export function boot(adapter: Adapter): void {
  const birth = adapter.birth;
  if (birth === null) {
    throw new Error(
      'Cannot start a child by hand: this file is started by the library, new Process({ target }).start(); a worker of your own for it has the name "polyproc"',
    );
  }
  let parentIsGone!: () => void;
  const parentEnd = new Promise<void>((resolve) => parentIsGone = resolve);
  let world: World | null = null;
  birth.port.open((bytes, extra) => {
    if (world !== null) {
      if (kindOf(bytes) === WORDS) world.words.arrive(bytes);
      else if (extra.length === 0) world.tree.hearAbove(bytes);
      else world.cargo.arrive(fromBytes(bytes) as string, extra as ArrayBuffer[]);
      return;
    }
    const message = fromBytes(bytes) as BirthMessage;
    world = new World(adapter, message, extra[0] as SharedArrayBuffer ?? null);
    live(adapter, birth, message, extra, world, parentEnd);
  }, () => {
    world?.tree.lose();
    parentIsGone();
  });
  parentEnd.then(() => {
    if (world === null) adapter.exit(SIGTERM_CODE);
  });
}

async function live(
  adapter: Adapter,
  birth: Birth,
  message: BirthMessage,
  extra: readonly unknown[],
  world: World,
  parentEnd: Promise<void>,
): Promise<void> {
  const at = adapter.thread();
  const isThread = birth.kind === "thread";
  const self = {
    name: message.name,
    pid: at.pid,
    ident: isThread ? message.ident : at.pid,
    daemon: message.daemon,
    exitcode: null,
    isAlive: () => true,
  } as const;
  const scene = threadScene(world, self, parentOf(world, message, parentEnd), message.method);
  begin(scene);
  inheritLog(message.log);
  if (!isThread) adapter.setArguments(message.argv);
  parentEnd.then(() => {
    if (message.daemon) adapter.exit(SIGTERM_CODE);
  });
  scene.isBooting = true;
  const die = (crash: unknown) => {
    if (crash instanceof Stopped) return;
    adapter.complain(`Process ${message.name}:\n${describe(crash)}`);
    birth.port.post(toBytes({ type: "error", error: portable(crash) }));
  };
  adapter.onCrash(die);
  try {
    world.openInherited();
    const exit = isThread ? extra[1] as Int32Array | null : null;
    if (exit !== null) adapter.onExit((code) => Atomics.store(exit, 0, (code & 255) + 1));
    const run = await load(message, extra.slice(2) as ArrayBuffer[], scene);
    note("run", { name: message.name, pid: at.pid });
    const main = message.subclass ?? message.target;
    // The main module is the only one that may start what imports it.
    if (main !== null && main.module !== null && adapter.isMain(main.module)) await followTarget(adapter, scene, keyOf(main), run);
    else await run();
    // From here on the program goes on as long as its event loop has something to do.
    world.rest();
    const leave = async () => {
      await world.settled();
      await joinChildren(scene);
      adapter.exit(0);
    };
    if (!adapter.endsByItself) await leave();
    else if (message.isWorker) adapter.quietly(LINGER_MS, () => void leave());
  } catch (error) {
    // Whoever ended it needs no telling.
    if (error instanceof Unwanted) adapter.exit(SIGTERM_CODE);
    // The runtime ends it now that it does nothing.
    if (error instanceof Stopped) return;
    die(error);
    adapter.setExitCode(1);
    await birth.port.flushed();
    adapter.exit(1);
  }
}

/** Finds what is to be run, and what it is given. */
async function load(message: BirthMessage, moved: readonly ArrayBuffer[], scene: Scene): Promise<() => unknown> {
  const target = await importTarget(message.target, scene.world), subclass = await importTarget(message.subclass, scene.world);
  scene.isBooting = false;
  const { args, fields } = decode(message.payload, 0, message.payload.length, undefined, moved) as Payload;
  await actionsLoaded();
  const runTarget = () => target(...args);
  if (message.subclass === null) return runTarget;
  // The subclass's own constructor has run in the parent: what it made of the object are its fields.
  const process = Reflect.construct(Process, [{ name: message.name, daemon: message.daemon, target: runTarget }], subclass) as Process;
  Object.assign(process, fields);
  const runSubclass = () => process.run();
  return runSubclass;
}

/** Finds the target; whoever ends this thread meanwhile waits for that, see `launch.ts`. */
async function importTarget(target: TargetSpec | null, world: World): Promise<Awaited<ReturnType<typeof loadTarget>>> {
  if (target === null) return () => {};
  const me = world.openHome("thread")?.me;
  if (me !== undefined && !me.arena.turnGate(me.ident, L.GATE_LOADING, 0, L.GATE_STOP)) throw new Stopped();
  try {
    return await loadTarget(target);
  } finally {
    me?.arena.turnGate(me.ident, 0, L.GATE_LOADING);
  }
}

/** What every thread of the library does once. */
function begin(scene: Scene): void {
  const { adapter } = scene.world;
  setScene(scene);
  setDefaultHome(() => {
    const current = currentScene();
    return current.home(current.defaultMethod());
  });
  startLog({
    complain: (line) => adapter.complain(line),
    publish: (channel, message) => adapter.publish(channel, message),
    processName: () => currentScene().self.name,
  });
  // Natural end or not: whoever is left ends with this thread. (Those that are not daemonic kept it alive.)
  adapter.onExit(() => {
    scene.world.isEnding = true;
    scene.world.pools.sayLeftOpen();
    for (const child of [...scene.children]) child.terminate();
  });
}

function parentOf(world: World, message: BirthMessage, parentEnd: Promise<void>): ParentProcess {
  let isGone = false;
  parentEnd.then(() => isGone = true);
  const home = () => world.openHome("process") ?? world.openHome("thread");
  const isAlive = () => {
    if (isGone) return false;
    const me = home()?.me;
    if (me === undefined) return true;
    const parent = me.arena.head[me.arena.slot(me.slot) + L.SLOT_PARENT];
    return parent === 0 || me.arena.isAlive(parent);
  };
  return {
    name: message.parentName,
    pid: message.parentPid,
    isAlive,
    join: joinOf(isAlive, parentEnd),
  };
}
