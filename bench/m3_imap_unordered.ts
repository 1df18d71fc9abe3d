/**
 * M3: a lazy map whose results come as soon as they are there, one item a task. Items per second. Other pools have no such thing.
 *
 * @module
 */
import * as mp from "@polyproc/multiprocessing";
import { measure, size } from "./measure.ts";
import { python } from "./peers.ts";
import { ourPool, perSecond, WORKERS } from "./pools.ts";
import { same } from "./pool_work.ts";

const COUNT = size(50_000, 100);

function* numbers(): Generator<number> {
  for (let n = 0; n < COUNT; n++) yield n;
}

async function consume(pool: mp.Pool, buffersize?: number): Promise<void> {
  let sum = 0;
  for await (const n of pool.imapUnordered(same<number>, numbers(), { chunksize: 1, buffersize })) sum += n;
  if (sum !== COUNT * (COUNT - 1) / 2) throw new Error("wrong results");
}

if (mp.isMain(import.meta)) {
  const ahead = (method: mp.StartMethod, buffersize: number) => ({
    ...ourPool(method, {}, (pool) => perSecond(COUNT, () => consume(pool, buffersize))),
    name: `polyproc ${method}, buffersize: ${buffersize}`,
  });
  await measure("M3", "items/s", [
    ourPool("process", {}, (pool) => perSecond(COUNT, () => consume(pool))),
    ourPool("thread", {}, (pool) => perSecond(COUNT, () => consume(pool))),
    ahead("process", 1000),
    ahead("thread", 1000),
    python("m3_imap_unordered", WORKERS, COUNT),
  ]);
}
