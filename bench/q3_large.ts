/**
 * Q3: arrays of 64 MiB through a queue, from one producer to this program, beside copying such an array once within a program. MiB per second; and the shared memory in use a moment after each round.
 *
 * @module
 */
import * as mp from "@polyproc/multiprocessing";
import { setTimeout } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { type Contender, effort, measure, noted, size } from "./measure.ts";
import { sharedMib } from "./memory.ts";
import { python } from "./peers.ts";

const MIB = size(64, 1), LENGTH = MIB * 2 ** 20 / 8;
/** Messages of a round, the first of which only says that it began; and most of them in the queue. */
const COUNT = size(11, 3), MAXSIZE = 2;
/** How long memory may be kept for quick use, and some more. */
const KEPT_MS = 3_000;

export async function produce(queue: mp.Queue<Float64Array>, start: mp.Queue<number>, length: number): Promise<void> {
  const array = new Float64Array(length).fill(7);
  for await (const count of start) {
    for (let i = 0; i < count; i++) queue.putSync(array);
  }
}

function check(array: Float64Array): void {
  if (array.length !== LENGTH || array[LENGTH - 1] !== 7) throw new Error("another array came");
}

/** The shared memory in use once what was kept for the next messages was given back. */
async function keptMib(): Promise<number> {
  if (effort === "full") await setTimeout(KEPT_MS);
  return sharedMib();
}

function ours(method: mp.StartMethod, isSync: boolean, inUse: number[] = []): Contender {
  const context = mp.getContext(method);
  const queue = new context.Queue<Float64Array>(MAXSIZE), start = new context.Queue<number>();
  const child = new context.Process({ target: produce, args: [queue, start, LENGTH] }).start();
  return {
    name: `polyproc ${method}, ${isSync ? "getSync" : "get"}`,
    async round() {
      await start.put(COUNT);
      check(await queue.get());
      const begin = performance.now();
      for (let left = COUNT - 1; left > 0; left--) check(isSync ? queue.getSync() : await queue.get());
      const ms = performance.now() - begin;
      if (method === "process" && !isSync) inUse.push(await keptMib());
      return (COUNT - 1) * MIB / ms * 1000;
    },
    async end() {
      start.shutdown();
      await child.join();
    },
  };
}

/** What `memcpy` does, into memory that is there or into a new array, as each that comes is. */
function copy(isNew: boolean): Contender {
  const from = new Float64Array(LENGTH).fill(7), to = new Float64Array(LENGTH);
  return {
    name: `copy ${isNew ? "into a new array" : "within a program"}`,
    round() {
      const begin = performance.now();
      for (let i = 1; i < COUNT; i++) {
        if (isNew) check(from.slice());
        else to.set(from);
      }
      check(isNew ? from : to);
      return (COUNT - 1) * MIB / (performance.now() - begin) * 1000;
    },
  };
}

function postMessage(): Contender {
  const source = `const { parentPort } = require("node:worker_threads"), array = new Float64Array(${LENGTH}).fill(7);
    parentPort.on("message", (count) => { for (let i = 0; i < count; i++) parentPort.postMessage(array); });`;
  const worker = new Worker(source, { eval: true });
  return {
    name: "postMessage",
    round: () =>
      new Promise((resolve, reject) => {
        let got = 0, begin = 0;
        const hear = (array: Float64Array) => {
          if (got++ === 0) begin = performance.now();
          try {
            check(array);
          } catch (error) {
            reject(error);
          }
          if (got < COUNT) return;
          worker.off("message", hear);
          resolve((COUNT - 1) * MIB / (performance.now() - begin) * 1000);
        };
        worker.on("message", hear);
        worker.postMessage(COUNT);
      }),
    end: () => worker.terminate().then(() => {}),
  };
}

if (mp.isMain(import.meta)) {
  const inUse: number[] = [];
  await measure("Q3", "MiB/s", [
    ours("process", true),
    ours("process", false, inUse),
    ours("thread", true),
    ours("thread", false),
    copy(false),
    copy(true),
    postMessage(),
    python("q3_large", MIB, COUNT, MAXSIZE),
  ]);
  await measure("Q3 memory", "MiB", [noted("polyproc process", inUse)]);
}
