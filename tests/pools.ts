/** For tests of pools. */
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
