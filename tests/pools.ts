/** For tests of pools. */
import process from "node:process";
import type * as mp from "../mod.ts";

/** Runs `body` with a pool of that start method, which is ended afterwards. */
export async function withPool<T>(
  context: mp.Context,
  options: number | mp.PoolOptions,
  body: (pool: mp.Pool) => T | Promise<T>,
): Promise<T> {
  const pool = new context.Pool(options);
  try {
    return await body(pool);
  } finally {
    pool.terminate();
    await pool.join();
  }
}

/** As somebody else would, who knows nothing of the pool. */
export function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    // It has ended and been reaped, which the pool need not have heard yet.
    if ((error as { code?: string }).code !== "ESRCH") throw error;
  }
}

/** All results of a lazy map. */
export async function gather<T>(results: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const result of results) all.push(result);
  return all;
}
