/**
 * Q1: small objects through a queue, from one producer to this program. Items per second.
 *
 * @module
 */
import * as mp from "@polyproc/multiprocessing";
import type { EventEmitter } from "node:events";
import { Worker } from "node:worker_threads";
import { type Contender, measure, size } from "./measure.ts";
import { childProcess, limit, python } from "./peers.ts";

const COUNT = size(100_000, 100);

export async function produce(queue: mp.Queue<unknown>, start: mp.Queue<number>): Promise<void> {
  for await (const count of start) {
    for (let i = 0; i < count; i++) queue.putSync({ id: i, name: "item", values: [1, 2, 3] });
  }
}

function ours(method: mp.StartMethod, isSync: boolean): Contender {
  const context = mp.getContext(method);
  const queue = new context.Queue<{ id: number }>();
  const start = new context.Queue<number>();
  const child = new context.Process({ target: produce, args: [queue, start] }).start();
  return {
    name: `polyproc ${method}, ${isSync ? "getSync" : "for await"}`,
    async round() {
      await start.put(COUNT);
      await queue.get();
      const begin = performance.now();
      if (isSync) { for (let left = COUNT - 1; left > 0; left--) queue.getSync(); }
      else {
        let left = COUNT - 1;
        for await (const _item of queue) if (--left === 0) break;
      }
      return (COUNT - 1) / (performance.now() - begin) * 1000;
    },
    async end() {
      start.shutdown();
      await child.join();
    },
  };
}

/** Hears all messages of a round. */
function receive(from: EventEmitter, start: () => void): Promise<number> {
  return new Promise((resolve) => {
    let got = 0, begin = 0;
    const hear = () => {
      if (got++ === 0) begin = performance.now();
      if (got < COUNT) return;
      from.off("message", hear);
      resolve((COUNT - 1) / (performance.now() - begin) * 1000);
    };
    from.on("message", hear);
    start();
  });
}

function postMessage(): Contender {
  const source = `const { parentPort } = require("node:worker_threads");
    parentPort.on("message", (count) => { for (let i = 0; i < count; i++) parentPort.postMessage({ id: i, name: "item", values: [1, 2, 3] }); });`;
  const worker = new Worker(source, { eval: true });
  return {
    name: "postMessage",
    round: () => receive(worker, () => worker.postMessage(COUNT)),
    end: () => worker.terminate().then(() => {}),
  };
}

if (mp.isMain(import.meta)) {
  await measure("Q1", "items/s", [
    ours("process", true),
    ours("process", false),
    ours("thread", true),
    ours("thread", false),
    postMessage(),
    childProcess((child) => receive(child, () => child.send({ count: COUNT }))),
    python("q1_queue", COUNT),
    limit("ring", [COUNT]),
  ]);
}
