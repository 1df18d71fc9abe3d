/**
 * E1: how late timers are in a program whose workers keep all processors busy: the 99th of a hundred. Milliseconds.
 *
 * @module
 */
import * as mp from "@polyproc/multiprocessing";
import { spawn } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { Piscina } from "piscina";
import { type Contender, measure, size } from "./measure.ts";
import { ourPool } from "./pools.ts";
import { spin } from "./pool_work.ts";

const TIMERS = size(300, 10), EVERY_MS = 5, TASK_MS = 20;
const CORES = mp.availableParallelism();

/** The lateness of timers, of which 1 in 100 is higher. */
async function lateness(): Promise<number> {
  const late: number[] = [];
  for (let i = 0; i < TIMERS; i++) {
    const due = performance.now() + EVERY_MS;
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
    late.push(performance.now() - due);
  }
  return Math.max(0, late.sort((a, b) => a - b)[Math.floor(late.length * 0.99)]);
}

/** While a pool has more to do than it can. @param run Has it compute for some milliseconds. */
async function whileBusy(run: (ms: number) => PromiseLike<unknown>): Promise<number> {
  let isOver = false;
  const feed = async () => {
    while (!isOver) await run(TASK_MS);
  };
  const feeders = Array.from({ length: 3 * CORES }, feed);
  try {
    return await lateness();
  } finally {
    isOver = true;
    await Promise.all(feeders);
  }
}

const ours = (pool: mp.Pool) => whileBusy((ms) => pool.apply(spin, [ms]));

/** Beside a pool of somebody else's. */
function piscina(): Contender {
  let pool: Piscina | undefined;
  return {
    name: "piscina",
    round() {
      const filename = fileURLToPath(new URL("./peers/spin_worker.mjs", import.meta.url));
      pool ??= new Piscina({ filename, minThreads: CORES, maxThreads: CORES, atomics: "sync", recordTiming: false });
      return whileBusy((ms) => pool!.run(ms));
    },
    end: () => pool?.destroy(),
  };
}

/** Beside processes that know nothing of this one, and compute. */
function others(): Contender {
  const source = "for (const end = Date.now() + 60_000; Date.now() < end;);";
  return {
    name: "other processes that compute",
    async round() {
      const children = Array.from(
        { length: CORES },
        () => spawn(process.execPath, [...(process.versions.deno === undefined ? ["-e"] : ["eval"]), source], { stdio: "ignore" }),
      );
      try {
        return await lateness();
      } finally {
        for (const child of children) {
          const ended = new Promise((resolve) => child.on("exit", resolve));
          child.kill("SIGKILL");
          await ended;
        }
      }
    },
  };
}

if (mp.isMain(import.meta)) {
  await measure("E1", "ms", [
    ourPool("process", { processes: CORES, nice: 5 }, ours),
    ourPool("process", { processes: CORES }, ours),
    ourPool("thread", { processes: CORES }, ours),
    piscina(),
    others(),
    { name: "nothing else", round: lateness },
  ]);
}
