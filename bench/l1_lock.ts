/**
 * L1: taking and releasing a lock that nobody else wants. Nanoseconds.
 *
 * @module
 */
import * as mp from "@polyproc/multiprocessing";
import { type Contender, measure, size } from "./measure.ts";
import { limit, python } from "./peers.ts";

const COUNT = size(1_000_000, 100);

function ours(method: mp.StartMethod, name: string, round: (lock: mp.Lock) => void): Contender {
  const lock = new (mp.getContext(method).Lock)();
  return {
    name: `polyproc ${method}, ${name}`,
    round() {
      const begin = performance.now();
      round(lock);
      return (performance.now() - begin) / COUNT * 1e6;
    },
  };
}

function withGuards(lock: mp.Lock): void {
  for (let i = 0; i < COUNT; i++) lock.acquireSync().release();
}

function withRelease(lock: mp.Lock): void {
  for (let i = 0; i < COUNT; i++) {
    lock.acquireSync();
    lock.release();
  }
}

if (mp.isMain(import.meta)) {
  await measure("L1", "ns", [
    ours("process", "guard", withGuards),
    ours("process", "release()", withRelease),
    ours("thread", "guard", withGuards),
    python("l1_lock", COUNT),
    limit("lock", [COUNT]),
  ]);
}
