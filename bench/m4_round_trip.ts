/**
 * M4: one task that does nothing, to a worker and back, one after another. Microseconds each.
 *
 * @module
 */
import * as mp from "@polyproc/multiprocessing";
import type { ChildProcess } from "node:child_process";
import { measure, size } from "./measure.ts";
import { childProcess, python } from "./peers.ts";
import { ourPools, peerPools, WORKERS } from "./pools.ts";
import { same } from "./pool_work.ts";

const TIMES = size(2_000, 10);

async function micros(run: (n: number) => PromiseLike<unknown>): Promise<number> {
  const begin = performance.now();
  for (let i = 0; i < TIMES; i++) await run(i);
  return (performance.now() - begin) / TIMES * 1000;
}

function ask(child: ChildProcess, n: number): Promise<unknown> {
  return new Promise((resolve) => {
    child.once("message", resolve);
    child.send(n);
  });
}

if (mp.isMain(import.meta)) {
  const work = (pool: mp.Pool) => micros((n) => pool.apply(same, [n]));
  await measure("M4", "µs", [
    ...ourPools(work),
    ...ourPools(work, { idle: "block" }),
    ...peerPools((pool) => micros((n) => pool.run(n))),
    childProcess((child) => micros((n) => ask(child, n))),
    python("m4_round_trip", WORKERS, TIMES),
  ]);
}
