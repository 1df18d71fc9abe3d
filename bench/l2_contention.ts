/**
 * L2: four participants that all want one lock, for a short section. Turns a second of all together; and the turns of the least served, as a part of the mean.
 *
 * @module
 */
import * as mp from "@polyproc/multiprocessing";
import { type Contender, measure, noted, size } from "./measure.ts";
import { limit, python } from "./peers.ts";

const PARTICIPANTS = 4;
const SECONDS = size(1000, 50) / 1000;
/** So that no two counters are in one cache line. */
const APART = 16;

export function hammer(lock: mp.Lock, counts: mp.RawArray<"int32">, me: number, barrier: mp.Barrier, stop: mp.RawValue<"int32">): void {
  const all = counts.length - APART;
  barrier.waitSync();
  let count = 0;
  while (stop.value === 0) {
    const guard = lock.acquireSync();
    counts[all]++;
    guard.release();
    count++;
  }
  counts[me * APART] = count;
}

/** Lets them contend for a while. Gives the turns of all in a second, and of the least served as a part of the mean. */
export async function contend(context: mp.Context, participants: number, seconds: number): Promise<{ turns: number; least: number }> {
  const lock = new context.Lock(), counts = context.RawArray("int32", (participants + 1) * APART), stop = context.RawValue("int32");
  const barrier = new context.Barrier(participants + 1);
  const children = Array.from(
    { length: participants },
    (_, me) => new context.Process({ target: hammer, args: [lock, counts, me, barrier, stop] }).start(),
  );
  await barrier.wait();
  const begin = performance.now();
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  stop.value = 1;
  const ms = performance.now() - begin;
  for (const child of children) if (await child.join() !== 0) throw new Error(`${child.name}: ${child.error}`);
  const each = Array.from({ length: participants }, (_, me) => counts[me * APART]);
  const all = each.reduce((sum, count) => sum + count);
  if (all !== counts[participants * APART]) {
    throw new Error(`${all} turns, ${counts[participants * APART]} counted: the lock does not exclude`);
  }
  return { turns: all / ms * 1000, least: Math.min(...each) / (all / participants) };
}

/** @param least Where the turns of the least served go. */
function ours(method: mp.StartMethod, least: number[]): Contender {
  return {
    name: `polyproc ${method}`,
    async round() {
      const figures = await contend(mp.getContext(method), PARTICIPANTS, SECONDS);
      least.push(figures.least);
      return figures.turns;
    },
  };
}

if (mp.isMain(import.meta)) {
  const METHODS = ["process", "thread"] as const, least = METHODS.map((): number[] => []);
  await measure("L2", "turns/s", [
    ...METHODS.map((method, i) => ours(method, least[i])),
    python("l2_contention", PARTICIPANTS, SECONDS),
    limit("lock", [PARTICIPANTS, SECONDS]),
  ]);
  await measure("L2 least served", "of the mean", METHODS.map((method, i) => noted(`polyproc ${method}`, least[i])));
}
