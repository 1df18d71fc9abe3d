/**
 * Growth: Q1, M2 and L2 with 1 to 64 who take part. Microseconds for each item, task or turn of all together; and MiB of memory for each of Q1's producers.
 *
 * @module
 */
import * as mp from "@polyproc/multiprocessing";
import process from "node:process";
import { contend } from "./l2_contention.ts";
import { type Contender, effort, measure, noted, size } from "./measure.ts";
import { partMib } from "./memory.ts";
import { ourPool, perSecond } from "./pools.ts";
import { same } from "./pool_work.ts";
import { produce } from "./q1_queue.ts";

const METHODS = ["process", "thread"] as const;
const PARTICIPANTS = effort === "tiny" ? [1, 2] : [1, 2, 4, 8, 16, 64];
const ITEMS = size(64_000, 64), TASKS = size(20_000, 100), SECONDS = size(500, 20) / 1000;

/** Producers that stay for all rounds. @param memory Where the memory of each goes, in each round. */
function queue(method: mp.StartMethod, participants: number, memory: number[]): Contender {
  const context = mp.getContext(method);
  const queue = new context.Queue<unknown>(), each = ITEMS / participants;
  const starts = Array.from({ length: participants }, () => new context.Queue<number>());
  let children: mp.Process[] | undefined, rssBefore = 0, mib: number | undefined;
  const memoryOfEach = () => {
    const all = method === "process"
      ? children!.reduce((sum, child) => sum + partMib(child.pid!), 0)
      : (process.memoryUsage().rss - rssBefore) / 2 ** 20;
    return all / participants;
  };
  return {
    name: `polyproc ${method}`,
    participants,
    async round() {
      if (children === undefined) {
        rssBefore = process.memoryUsage().rss;
        children = starts.map((start) => new context.Process({ target: produce, args: [queue, start] }).start());
        // They have begun.
        for (const start of starts) await start.put(1);
        for (const _ of starts) await queue.get();
      }
      const begin = performance.now();
      for (const start of starts) await start.put(each);
      for (let left = each * participants; left > 0; left--) queue.getSync();
      const ms = performance.now() - begin;
      // Once, before there are those of the other contenders as well.
      memory.push(mib ??= memoryOfEach());
      return ms / (each * participants) * 1000;
    },
    async end() {
      for (const start of starts) start.shutdown();
      for (const child of children ?? []) await child.join();
    },
  };
}

function pool(method: mp.StartMethod, participants: number): Contender {
  const numbers = Array.from({ length: TASKS }, (_, i) => i);
  const work = async (pool: mp.Pool) => 1e6 / await perSecond(TASKS, () => Promise.all(numbers.map((n) => pool.apply(same, [n]))));
  return { ...ourPool(method, { processes: participants }, work), participants };
}

function lock(method: mp.StartMethod, participants: number): Contender {
  return {
    name: `polyproc ${method}`,
    participants,
    round: async () => 1e6 / (await contend(mp.getContext(method), participants, SECONDS)).turns,
  };
}

if (mp.isMain(import.meta)) {
  // One method after the other: so many processes and threads are not there at the same time.
  for (const method of METHODS) {
    const memory = PARTICIPANTS.map((): number[] => []);
    await measure("Q1 growth", "µs an item", PARTICIPANTS.map((participants, i) => queue(method, participants, memory[i])));
    const figures = PARTICIPANTS.map((participants, i) => ({ ...noted(`polyproc ${method}`, memory[i]), participants }));
    await measure("Memory growth", "MiB for each", figures);
    await measure("M2 growth", "µs a task", PARTICIPANTS.map((participants) => pool(method, participants)));
    await measure("L2 growth", "µs a turn", PARTICIPANTS.map((participants) => lock(method, participants)));
  }
}
