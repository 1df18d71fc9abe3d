/**
 * Peers: CPython, what the runtimes offer by themselves, and the limit: the same work in C.
 *
 * @module
 */
import { type ChildProcess, execFile, fork, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Contender } from "./measure.ts";
import type { Share } from "./peers/compute_child.ts";

const run = promisify(execFile);

/** A program of `bench/python/` that prints its figure. */
export function python(program: string, ...args: (string | number)[]): Contender {
  const file = fileURLToPath(new URL(`./python/${program}.py`, import.meta.url));
  return {
    name: "CPython",
    async round() {
      const { stdout } = await run("python3", [file, ...args.map(String)]);
      return Number(stdout);
    },
  };
}

/** A program of `bench/limit/` that prints its figure, compiled here. @param name After "C, the limit", where a case has several. */
export function limit(program: string, args: readonly number[], name = ""): Contender {
  const source = fileURLToPath(new URL(`./limit/${program}.c`, import.meta.url));
  let directory: string | undefined;
  return {
    name: `C, the limit${name}`,
    async round() {
      if (directory === undefined) {
        directory = await mkdtemp(join(tmpdir(), "polyproc-limit-"));
        await run("cc", ["-std=c11", "-O2", "-o", join(directory, program), source]);
      }
      const { stdout } = await run(join(directory, program), args.map(String));
      return Number(stdout);
    },
    async end() {
      if (directory !== undefined) await rm(directory, { recursive: true });
    },
  };
}

/** A child with a channel of the runtime's own. @param work Does the work once; gives the figure. */
export function childProcess(work: (child: ChildProcess) => Promise<number>): Contender {
  let child: ChildProcess | undefined;
  return {
    name: "child_process IPC",
    round: () => work(child ??= fork(fileURLToPath(new URL("./peers/ipc_child.mjs", import.meta.url)))),
    end: () => child?.disconnect(),
  };
}

/** Processes with nothing but a channel of the runtime's own, each with its share of the work, in milliseconds: what the machine allows. */
export function bareProcesses(shares: readonly Share[]): Contender {
  let children: ChildProcess[] | undefined;
  return {
    name: `${shares.length} bare processes`,
    async round() {
      children ??= shares.map(() => fork(fileURLToPath(new URL("./peers/compute_child.ts", import.meta.url))));
      const start = performance.now();
      await Promise.all(children.map((child, i) =>
        new Promise((resolve) => {
          child.once("message", resolve);
          child.send(shares[i]);
        })
      ));
      return performance.now() - start;
    },
    end: () => children?.forEach((child) => child.disconnect()),
  };
}

/** Starts this runtime with a program and waits for its end, in milliseconds. */
export function bareStart(name: string, source: string): Contender {
  const args = [process.versions.deno === undefined ? "-e" : "eval", source];
  return {
    name,
    async round() {
      const start = performance.now();
      const child = spawn(process.execPath, args, { stdio: "ignore" });
      await new Promise((resolve) => child.on("exit", resolve));
      return performance.now() - start;
    },
  };
}
