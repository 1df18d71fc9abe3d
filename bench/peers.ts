/**
 * Peers: CPython, and what the runtimes offer by themselves.
 *
 * @module
 */
import { execFile, spawn } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Contender } from "./measure.ts";

/** A program of `bench/python/` that prints its figure. */
export function python(program: string, ...args: (string | number)[]): Contender {
  const file = fileURLToPath(new URL(`./python/${program}.py`, import.meta.url));
  return {
    name: "CPython",
    async round() {
      const { stdout } = await promisify(execFile)("python3", [file, ...args.map(String)]);
      return Number(stdout);
    },
  };
}

/** Starts this runtime with an empty program and waits for its end, in milliseconds. */
export function bareStart(): Contender {
  const empty = process.versions.deno === undefined ? ["-e", "0"] : ["eval", "0"];
  return {
    name: "bare runtime",
    async round() {
      const start = performance.now();
      const child = spawn(process.execPath, empty, { stdio: "ignore" });
      await new Promise((resolve) => child.on("exit", resolve));
      return performance.now() - start;
    },
  };
}
