/**
 * S1: start and join of a child with nothing to do. Milliseconds.
 *
 * @module
 */
import * as mp from "@polyproc/multiprocessing";
import { Worker } from "node:worker_threads";
import { type Contender, measure, size } from "./measure.ts";
import { nothing } from "./nothing.mjs";
import { bareStart, python } from "./peers.ts";

const TIMES = size(3, 1);

function ours(method: mp.StartMethod): Contender {
  const context = mp.getContext(method);
  return {
    name: `polyproc ${method}`,
    async round() {
      const begin = performance.now();
      for (let i = 0; i < TIMES; i++) await new context.Process({ target: nothing }).start().join();
      return (performance.now() - begin) / TIMES;
    },
  };
}

function bareWorker(): Contender {
  return {
    name: "bare Worker",
    async round() {
      const begin = performance.now();
      for (let i = 0; i < TIMES; i++) await new Promise((resolve) => new Worker("", { eval: true }).once("exit", resolve));
      return (performance.now() - begin) / TIMES;
    },
  };
}

if (mp.isMain(import.meta)) {
  await measure("S1", "ms", [
    ours("process"),
    ours("thread"),
    bareStart("bare runtime", "0"),
    bareStart("bare runtime that imports the package", 'import("@polyproc/multiprocessing")'),
    bareWorker(),
    python("s1_start", TIMES),
  ]);
}
