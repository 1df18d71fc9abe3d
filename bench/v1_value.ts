/**
 * V1: adding 1 to a shared value, under its lock and in one step. Nanoseconds.
 *
 * @module
 */
import * as mp from "@polyproc/multiprocessing";
import { type Contender, measure, size } from "./measure.ts";
import { python } from "./peers.ts";

const COUNT = size(1_000_000, 100);

function ours(method: mp.StartMethod, name: string, round: (value: mp.Value<"int32">) => void): Contender {
  const value = mp.getContext(method).Value("int32");
  return {
    name: `polyproc ${method}, ${name}`,
    round() {
      const begin = performance.now();
      round(value);
      return (performance.now() - begin) / COUNT * 1e6;
    },
  };
}

function underLock(value: mp.Value<"int32">): void {
  const lock = value.getLock();
  for (let i = 0; i < COUNT; i++) {
    const guard = lock.acquireSync();
    value.value++;
    guard.release();
  }
}

function inOneStep(value: mp.Value<"int32">): void {
  for (let i = 0; i < COUNT; i++) value.add(1);
}

if (mp.isMain(import.meta)) {
  await measure("V1", "ns", [
    ours("process", "under its lock", underLock),
    ours("process", "add(1)", inOneStep),
    ours("thread", "under its lock", underLock),
    ours("thread", "add(1)", inOneStep),
    python("v1_value", COUNT),
  ]);
}
