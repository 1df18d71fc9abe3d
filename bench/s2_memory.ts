/**
 * S2: memory of a child that waits for an event, above that of the bare runtime which waits too. MiB.
 *
 * @module
 */
import * as mp from "@polyproc/multiprocessing";
import { spawn } from "node:child_process";
import process from "node:process";
import { setTimeout } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { type Contender, measure, size } from "./measure.ts";
import { partMib } from "./memory.ts";
import { waitFor } from "./nothing.mjs";

/** How long whoever is idle gets to become so. */
const SETTLE_MS = size(500, 50);
const BARE = `process.stdout.write("ready"); setInterval(() => {}, 1e9);`;

/** A child of ours, and the runtime by itself, there at the same time: what they share counts for both alike. */
async function compare(): Promise<{ ours: number; bare: number }> {
  const event = new mp.Event(), ready = new mp.Event();
  const child = new mp.Process({ target: waitFor, args: [ready, event] }).start();
  const bare = spawn(
    process.execPath,
    process.versions.deno === undefined ? ["-e", BARE] : ["eval", `import process from "node:process"; ${BARE}`],
  );
  try {
    await Promise.all([ready.wait(), new Promise((resolve) => bare.stdout.once("data", resolve))]);
    await setTimeout(SETTLE_MS);
    return { ours: partMib(child.pid!), bare: partMib(bare.pid!) };
  } finally {
    bare.kill("SIGKILL");
    event.set();
    await child.join();
  }
}

/** How much more memory this process has for one more of something. */
async function growth(start: () => Promise<unknown>): Promise<number> {
  const before = process.memoryUsage().rss;
  await start();
  await setTimeout(SETTLE_MS);
  return (process.memoryUsage().rss - before) / 2 ** 20;
}

/** They stay until the end, for memory of one that ended would serve the next. */
function threads(): Contender[] {
  const context = mp.getContext("thread"), event = new context.Event();
  const children: mp.Process[] = [], workers: Worker[] = [];
  return [
    {
      name: "polyproc thread",
      round: () =>
        growth(async () => {
          const ready = new context.Event();
          children.push(new context.Process({ target: waitFor, args: [ready, event] }).start());
          await ready.wait();
        }),
      async end() {
        event.set();
        for (const child of children) await child.join();
      },
    },
    {
      name: "bare Worker",
      round: () =>
        growth(async () => {
          const worker = new Worker(`require("node:worker_threads").parentPort.postMessage(0); setInterval(() => {}, 1e9);`, {
            eval: true,
          });
          workers.push(worker);
          await new Promise((resolve) => worker.once("message", resolve));
        }),
      end: async () => void await Promise.all(workers.map((worker) => worker.terminate())),
    },
  ];
}

if (mp.isMain(import.meta)) {
  let bare = 0, above = 0;
  await measure("S2", "MiB", [
    {
      name: "polyproc process",
      async round() {
        const both = await compare();
        bare = both.bare;
        above = both.ours - both.bare;
        return both.ours;
      },
    },
    { name: "bare runtime", round: () => bare },
    { name: "polyproc process above the bare runtime", round: () => above },
    ...threads(),
  ]);
}
