/**
 * M1: a map over numbers with a function that does nothing, chunks as each pool makes them. Items per second.
 *
 * @module
 */
import * as mp from "@polyproc/multiprocessing";
import { measure, size } from "./measure.ts";
import { python } from "./peers.ts";
import { ourPools, peerPools, perSecond, WORKERS } from "./pools.ts";
import { same } from "./pool_work.ts";

const COUNT = size(1_000_000, 1000);
/** For pools that send each item by itself. */
const FEWER = size(20_000, 100);

if (mp.isMain(import.meta)) {
  const items = Array.from({ length: COUNT }, (_, i) => i), fewer = items.slice(0, FEWER);
  await measure("M1", "items/s", [
    ...ourPools((pool) => perSecond(COUNT, () => pool.map(same, items).get())),
    ...peerPools((pool) => perSecond(FEWER, () => pool.map?.(fewer) ?? Promise.all(fewer.map((n) => pool.run(n))))),
    python("m1_map", WORKERS, COUNT),
  ]);
}
