/**
 * Q2: small objects through a queue from two producers to two consumers, all children of this program. Items per second.
 *
 * @module
 */
import * as mp from "@polyproc/multiprocessing";
import { type Contender, measure, size } from "./measure.ts";
import { python } from "./peers.ts";

const PRODUCERS = 2, CONSUMERS = 2;
const COUNT = size(100_000, 100);

interface Item {
  readonly id: number;
}

/** Each round begins at a barrier that all come to; a round of no items is the end. */
interface Rounds {
  readonly barrier: mp.Barrier;
  readonly count: mp.RawValue<"int32">;
}

export function produce({ barrier, count }: Rounds, queue: mp.Queue<unknown>, done: mp.Queue<null>): void {
  while (barrier.waitSync(), count.value > 0) {
    for (let id = 0; id < count.value; id++) queue.putSync({ id, name: "item", values: [1, 2, 3] });
    done.putSync(null);
  }
}

/** Takes items until there is a null, and tells how many there were and their sum. */
export async function consume(
  { barrier, count }: Rounds,
  queue: mp.Queue<Item | null>,
  totals: mp.Queue<number[]>,
  isSync: boolean,
): Promise<void> {
  while (barrier.waitSync(), count.value > 0) {
    let items = 0, sum = 0;
    if (isSync) {
      for (let item; (item = queue.getSync()) !== null; items++) sum += item.id;
    } else {
      for await (const item of queue) {
        if (item === null) break;
        sum += item.id;
        items++;
      }
    }
    totals.putSync([items, sum]);
  }
}

function ours(method: mp.StartMethod, isSync: boolean): Contender {
  const context = mp.getContext(method);
  const rounds: Rounds = { barrier: new context.Barrier(PRODUCERS + CONSUMERS + 1), count: context.RawValue("int32") };
  const queue = new context.Queue<Item | null>(), done = new context.Queue<null>(), totals = new context.Queue<number[]>();
  const children = [
    ...Array.from({ length: PRODUCERS }, () => new context.Process({ target: produce, args: [rounds, queue, done] })),
    ...Array.from({ length: CONSUMERS }, () => new context.Process({ target: consume, args: [rounds, queue, totals, isSync] })),
  ];
  for (const child of children) child.start();
  return {
    name: `polyproc ${method}, ${isSync ? "getSync" : "for await"}`,
    async round() {
      const each = COUNT / PRODUCERS;
      rounds.count.value = each;
      await rounds.barrier.wait();
      const begin = performance.now();
      for (let i = 0; i < PRODUCERS; i++) await done.get();
      for (let i = 0; i < CONSUMERS; i++) await queue.put(null);
      let items = 0, sum = 0;
      for (let i = 0; i < CONSUMERS; i++) {
        const total = await totals.get();
        items += total[0];
        sum += total[1];
      }
      const ms = performance.now() - begin;
      if (items !== COUNT || sum !== PRODUCERS * each * (each - 1) / 2) throw new Error(`${items} items with the sum ${sum} came`);
      return COUNT / ms * 1000;
    },
    async end() {
      rounds.count.value = 0;
      await rounds.barrier.wait();
      for (const child of children) await child.join();
    },
  };
}

if (mp.isMain(import.meta)) {
  await measure("Q2", "items/s", [
    ours("process", true),
    ours("process", false),
    ours("thread", true),
    ours("thread", false),
    python("q2_many", PRODUCERS, CONSUMERS, COUNT),
  ]);
}
