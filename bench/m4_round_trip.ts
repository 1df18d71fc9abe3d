/**
 * M4: one task that does nothing, to a worker and back, one after another, and one every few milliseconds. Microseconds each.
 *
 * @module
 */
import * as mp from "@polyproc/multiprocessing";
import type { ChildProcess } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { measure, size } from "./measure.ts";
import { childProcess, python } from "./peers.ts";
import { ourPools, peerPools, WORKERS } from "./pools.ts";
import { same } from "./pool_work.ts";

const TIMES = size(2_000, 10), RARE_TIMES = size(100, 5);
/** So long that everybody has gone to sleep. */
const PAUSE_MS = 5;

type Run = (n: number) => PromiseLike<unknown>;

async function micros(run: Run): Promise<number> {
  const begin = performance.now();
  for (let i = 0; i < TIMES; i++) await run(i);
  return (performance.now() - begin) / TIMES * 1000;
}

/** Of tasks that come now and then. */
async function rareMicros(run: Run): Promise<number> {
  let sum = 0;
  for (let i = 0; i < RARE_TIMES; i++) {
    await sleep(PAUSE_MS);
    const begin = performance.now();
    await run(i);
    sum += performance.now() - begin;
  }
  return sum / RARE_TIMES * 1000;
}

function ask(child: ChildProcess, n: number): Promise<unknown> {
  return new Promise((resolve) => {
    child.once("message", resolve);
    child.send(n);
  });
}

async function compare(name: string, figure: (run: Run) => Promise<number>, times: number, pauseMs: number): Promise<void> {
  const work = (pool: mp.Pool) => figure((n) => pool.apply(same, [n]));
  await measure(name, "µs", [
    ...ourPools(work),
    ...ourPools(work, { idle: "block" }),
    ...peerPools((pool) => figure((n) => pool.run(n))),
    childProcess((child) => figure((n) => ask(child, n))),
    python("m4_round_trip", WORKERS, times, pauseMs),
  ]);
}

if (mp.isMain(import.meta)) {
  await compare("M4", micros, TIMES, 0);
  await compare("M4 rare", rareMicros, RARE_TIMES, PAUSE_MS);
}
