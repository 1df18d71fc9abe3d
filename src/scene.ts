/**
 * Who is running: the current process as the program sees it, its children, its start method.
 *
 * @module
 */
import type { Adapter, StartMethod } from "./adapter.ts";
import type { ArenaHome } from "./arena_home.ts";
import { checkTimeout } from "./attempt.ts";
import { waitFor } from "./clock.ts";
import type { Home } from "./home.ts";
import { printAs } from "./printed.ts";
import type { Process } from "./process.ts";
import type { World } from "./world.ts";

/** The process that this code runs in. */
export interface CurrentProcess {
  /** Its name; `MainProcess` in the program that was started. */
  readonly name: string;
  /** Id of the operating system's process. */
  readonly pid: number;
  /** What tells it from others: a process's id, or the number of a thread or an inline task. */
  readonly ident: number;
  /** Whether it ends with its parent, and may have no children. */
  readonly daemon: boolean;
  /** Always null: it runs. */
  readonly exitcode: null;
  /** Always true: it runs. */
  isAlive(): boolean;
}

/** The process that started this one. */
export interface ParentProcess {
  /** Its name; `MainProcess` if it is the program that was started. */
  readonly name: string;
  /** Id of the operating system's process. */
  readonly pid: number;
  /** Whether it still runs. Where no memory is shared: as far as the event loop has seen. */
  isAlive(): boolean;
  /**
   * Waits for its end: true when it has ended, false when the time is up.
   *
   * @param options `timeout` in milliseconds.
   * @throws {TypeError} The options are wrong.
   */
  join(options?: { timeout?: number }): Promise<boolean>;
}

/** What belongs to a running process, thread or inline task. */
export interface Scene {
  readonly world: World;
  readonly self: CurrentProcess;
  readonly parent: ParentProcess | null;
  readonly children: Set<Process>;
  /** Whether the module of its target is still being imported. */
  isBooting: boolean;
  /** The method that was set; null: the runtime's first. */
  method: StartMethod | null;
  defaultMethod(): StartMethod;
  /** The home of a start method, as this scene takes part in it. */
  home(method: StartMethod): Home;
  /** Ancestry and number of the next child: `"1"`, `"1:2"`. */
  nextChildNumber(): string;
}

/** What a scene is made of, beside its parent's. */
export interface Role {
  readonly name: string;
  readonly daemon: boolean;
  readonly ident: number;
  /** An inline task's own part in the memory of such tasks. */
  readonly home: ArenaHome;
}

/** What is told to a program that starts processes whenever it is imported. */
export const MAIN_GUARD = `A child imports its program's main module too, so what starts processes belongs behind a main guard:

  if (import.meta.main) { … }             // Deno, Bun, Node 24.2 and later
  if (mp.isMain(import.meta)) { … }       // everywhere`;

let root: Scene | null = null;
let ownTarget: string | null = null;
let store: { run<R>(value: Scene | undefined, body: () => R): R; get(): Scene | undefined } | null = null;

/** The scene that the calling code belongs to. */
export function currentScene(): Scene {
  const scene = store?.get() ?? root;
  if (scene === null) throw new Error("unreachable: the library was not started");
  return scene;
}

/** Whether there is a scene already: the library starts once in a thread. */
export function hasScene(): boolean {
  return root !== null;
}

/** Sets the scene of this thread. */
export function setScene(scene: Scene): void {
  root = scene;
}

/** Runs `body` so that it, and what follows from it through its awaits, has that scene. */
export function follow<R>(adapter: Adapter, scene: Scene, body: () => R): R {
  store ??= adapter.follow<Scene | undefined>();
  return store.run(scene, body);
}

/** In a child: runs what it is for, so that this can be told from what its main module does whenever it is imported. */
export function followTarget<R>(adapter: Adapter, scene: Scene, target: string, body: () => R): R {
  ownTarget = target;
  return follow(adapter, scene, body);
}

/** Runs `body` as if it did not follow from what this child is for: what it imports has a life of its own. */
export function outside<R>(body: () => R): R {
  return store === null ? body() : store.run(undefined, body);
}

/**
 * Whether this child's main module, and not what it was started for, is about to start the very same again: an asynchronous main function without a guard goes on after the import.
 */
export function isRepeating(target: string): boolean {
  return target === ownTarget && store !== null && store.get() === undefined;
}

/** A scene of this thread. */
export function threadScene(world: World, self: CurrentProcess, parent: ParentProcess | null, method: StartMethod | null): Scene {
  let children = 0;
  printAs(self, ({ name, pid, daemon }) => `name='${name}' pid=${pid} started${daemon ? " daemon" : ""}`, "CurrentProcess");
  if (parent !== null) {
    printAs(parent, ({ name, pid, isAlive }) => `name='${name}' pid=${pid}${isAlive() ? "" : " stopped"}`, "ParentProcess");
  }
  const number = /-([\d:]+)$/.exec(self.name)?.[1];
  return {
    world,
    self,
    parent,
    children: new Set(),
    isBooting: false,
    method,
    defaultMethod() {
      return this.method ?? world.adapter.can.startMethods[0];
    },
    home: (wanted) => world.home(wanted),
    nextChildNumber: () => `${parent === null || number === undefined ? "" : `${number}:`}${++children}`,
  };
}

/** {@linkcode ParentProcess.join} @param end Resolves at its end, as far as the event loop has seen. */
export function joinOf(isAlive: () => boolean, end: Promise<void>): ParentProcess["join"] {
  return async (options) => {
    checkTimeout(options);
    const { timeout = Infinity } = options ?? {};
    if (!isAlive() || !(timeout > 0)) return !isAlive();
    const hasCome = await waitFor(timeout, undefined, (came) => {
      end.then(came);
      return () => {};
    });
    return hasCome || !isAlive();
  };
}

/** The scene of an inline task. */
export function makeScene(parent: Scene, { name, daemon, ident, home }: Role): Scene {
  const { self, world } = parent;
  const scene = threadScene(
    world,
    { name, pid: self.pid, ident, daemon, exitcode: null, isAlive: () => true },
    {
      name: self.name,
      pid: self.pid,
      // It outlives its children, or ends them with itself.
      isAlive: () => true,
      join: joinOf(() => true, new Promise(() => {})),
    },
    "inline",
  );
  return { ...scene, home: (wanted) => (wanted === "inline" ? home : world.home(wanted)) };
}
