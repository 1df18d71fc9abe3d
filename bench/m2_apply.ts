/**
 * M2: many tasks that do nothing, submitted one by one, awaited together. Tasks per second.
 *
 * @module
 */
import * as mp from "@polyproc/multiprocessing";
import { measure, size } from "./measure.ts";
import { python } from "./peers.ts";
import { ourPools, peerPools, perSecond, WORKERS } from "./pools.ts";
import { same } from "./pool_work.ts";

const COUNT = size(50_000, 100);
/** In so many rounds engines still compile most of what runs. */
const WARM_UP = 3;

if (mp.isMain(import.meta)) {
  const numbers = Array.from({ length: COUNT }, (_, i) => i);
  await measure("M2", "tasks/s", [
    ...ourPools((pool) => perSecond(COUNT, () => Promise.all(numbers.map((n) => pool.apply(same, [n]))))),
    ...peerPools((pool) => perSecond(COUNT, () => Promise.all(numbers.map((n) => pool.run(n))))),
    python("m2_apply", WORKERS, COUNT),
  ], WARM_UP);
}
