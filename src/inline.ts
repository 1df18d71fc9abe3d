/**
 * Start method `"inline"`: a task on this thread, interleaved with others at each `await`. What it is given is copied, as for any child; its function is called as it is.
 *
 * @module
 */
import type { Ending } from "./adapter.ts";
import { ArenaHome } from "./arena_home.ts";
import { decode, encode, HANDLE } from "./codec.ts";
import { describe } from "./error_report.ts";
import { ProcessError, UnsupportedError } from "./errors.ts";
import { PASSED, type SharedObject } from "./holding.ts";
import { queueMicrotask } from "./host.ts";
import * as L from "./layout.ts";
import type { Launch, Running } from "./launch.ts";
import { Participant } from "./participant.ts";
import { follow, makeScene, type Scene } from "./scene.ts";
import { loadTarget, resolveTarget } from "./target.ts";

/** Starts an inline task. */
export function launchInline(scene: Scene, plan: Launch): Running {
  const { stdio, runtime, env, cwd, execArgv, resourceLimits, permissions } = plan.start;
  const refused = Object.entries({ runtime, env, cwd, execArgv, resourceLimits }).find(([, value]) => value !== undefined)?.[0] ??
    (stdio === "pipe" ? "stdio" : permissions !== "inherit" ? "permissions" : undefined);
  if (refused !== undefined) {
    throw new UnsupportedError(
      `Cannot start ${plan.name} with ${refused}: an inline task runs on this thread; use start method "process" or "thread"`,
    );
  }
  const { me } = scene.world.home("inline") as ArenaHome;
  const message = encode({ args: plan.args, fields: null }, { path: "" });
  const bytes = message.copy();
  const { shared } = message;
  const ident = me.arena.reserve(me.ident);
  const participant = new Participant(me.arena, ident, scene.world.adapter.thread(), false);
  const home = new ArenaHome("inline", participant);
  for (const object of shared) {
    const [arena, units, serial, index] = object[HANDLE]().words;
    if (arena === home.id) me.hold({ offset: units * L.UNIT, serial }, index, ident);
  }
  let end!: (ending: Ending) => void;
  const ended = new Promise<Ending>((resolve) => end = resolve);
  let isOver = false;
  const finish = (ending: Ending) => {
    if (isOver) return;
    isOver = true;
    for (const grandchild of [...child.children]) grandchild.terminate();
    participant.leave(new ProcessError(`${plan.name} was ended`));
    end(ending);
  };
  const child = makeScene(scene, { name: plan.name, daemon: plan.daemon, ident, home });
  const run = async () => {
    try {
      const { args } = decode(bytes, 0, bytes.length, home) as { args: unknown[] };
      const target = await inlineTarget(scene, plan);
      if (isOver) return;
      // Once more: where nothing follows a task through its awaits, its function knows at least at its start who it is.
      await follow(scene.world.adapter, child, () => plan.runInline(() => target(...args)));
      await participant.accepted();
      await joinChildren(child);
      finish({ code: 0, signal: null });
    } catch (error) {
      if (isOver) return;
      plan.onError(error);
      scene.world.adapter.complain(`Process ${plan.name}:\n${describe(error)}`);
      finish({ code: 1, signal: null });
    }
  };
  for (const object of shared) (object as SharedObject)[PASSED]?.();
  queueMicrotask(() => follow(scene.world.adapter, child, run));
  return {
    pid: scene.self.pid,
    ident,
    ended,
    stdout: null,
    stderr: null,
    waitSync() {
      throw new UnsupportedError(`Cannot block until ${plan.name} ends: it runs on this very thread; use join()`);
    },
    signal: (number) => finish({ code: null, signal: number }),
    port: null,
    sendCargo() {},
    ref() {},
    unref() {},
  };
}

/** What a process does at its natural end. */
export async function joinChildren({ children }: Scene): Promise<void> {
  for (const child of [...children]) if (child.daemon) child.terminate();
  await Promise.all(Array.from(children, (child) => child.join().catch(() => null)));
}

async function inlineTarget(scene: Scene, plan: Launch): Promise<(...args: unknown[]) => unknown> {
  if (plan.target === null) return () => {};
  if (typeof plan.target === "function") return plan.target as (...args: unknown[]) => unknown;
  return await loadTarget(resolveTarget(plan.target, scene.world.adapter, "target")) as (...args: unknown[]) => unknown;
}
