/**
 * Child processes by `node:child_process`: on Node always, on Deno where there is no foreign-function interface.
 *
 * @module
 */

import type { Socket } from "node:net";
import type { Readable } from "node:stream";
import type { Child, Ending, StartPlan } from "../src/adapter.ts";
import { type ByteStream, FramedPort } from "./channel.ts";
import { ChildProcess, type ProcessHost, startProcess } from "./child_process.ts";
import { cannotStart } from "./command.ts";
import { NodeSocketStream } from "./node_socket.ts";
import { kill } from "./standard.ts";
import { stillborn } from "./stillborn.ts";

/** What spawning takes from the runtime. */
export interface SpawnHost extends ProcessHost {
  readonly childProcess: typeof import("node:child_process");
  readonly signals: Readonly<Record<string, number>>;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly caughtUp: ByteStream["caughtUp"];
  /** `Readable.toWeb`. */
  web(stream: Readable): unknown;
}

/** Starts a child. */
export function spawnChild(plan: StartPlan, host: SpawnHost): Child {
  return startProcess(plan, host, (path, args, fd) => {
    const child = host.childProcess.spawn(path, args, {
      cwd: plan.cwd,
      env: plan.env === undefined ? host.env : { ...host.env, ...plan.env },
      stdio: ["ignore", plan.stdio, plan.stdio, "pipe", ...(fd < 0 ? [] : [fd])],
    });
    const ended = new Promise<Ending>((resolve, reject) => {
      child.on("error", (error) => child.pid === undefined && reject(cannotStart(plan, path, error)));
      child.once(
        "exit",
        (code, signal) => resolve(signal === null ? { code, signal: null } : { code: null, signal: host.signals[signal] }),
      );
    });
    if (child.pid === undefined) return { ...stillborn(cannotStart(plan, path, null)), ended };
    const { pid } = child, streams = [child.stdout, child.stderr] as (Socket | null)[];
    const [stdout, stderr] = streams.map((stream) => stream === null ? null : host.web(stream) as ReadableStream<Uint8Array>);
    return new ChildProcess({
      pid,
      port: new FramedPort(new NodeSocketStream(child.stdio[3] as Socket, host.caughtUp)),
      ended,
      stdout,
      stderr,
      // Not by `child.kill`: on Deno the end of a child that outlives such a signal is never told.
      signal(number) {
        if (child.exitCode === null && child.signalCode === null) kill(pid, number);
      },
      ref() {
        child.ref();
        for (const stream of streams) stream?.ref();
      },
      unref() {
        child.unref();
        for (const stream of streams) stream?.unref();
      },
    }, host.sharing.parts);
  });
}
