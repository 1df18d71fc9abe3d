// run: on=servers from=sources
/** Shared memory under load, by processes on different runtimes at once: additions are atomic, messages arrive whole. */

import process from "node:process";
import { assert } from "chai";
import * as mp from "../mod.ts";
import type { ArenaHome } from "../src/arena_home.ts";
import { defaultHome } from "../src/home.ts";
import { KIND_RAW } from "../src/layout.ts";
import * as work from "./fixtures/stress.ts";
import { test } from "./harness.ts";
import { RUNTIMES } from "./timing.ts";

const factor = process.argv.includes("--soak") ? 100 : 1;
const ADDITIONS = 1_000_000 * factor;
const PARCELS = 500 * factor;
const timeoutMs = 60_000 * factor;

const needs = (can: mp.Capabilities) => (can.sharedMemory.process ? null : can.reasons["sharedMemory.process"]);

test("additions to one word by processes of all runtimes and this one are exact", async () => {
  const home = defaultHome() as ArenaHome;
  const block = home.me.heap.allocate(64, KIND_RAW, home.me.ident);
  const words = work.wordsAt(home, block.offset);
  words[0] = 0;
  const ready = new mp.Queue<string>(), go = new mp.Queue<null>();
  // Two of each, so that each runtime also meets itself.
  const children = [...RUNTIMES, ...RUNTIMES].map((runtime) =>
    new mp.Process({ target: work.add, args: [block.offset, ADDITIONS, ready, go], runtime }).start()
  );
  const ended = Promise.all(children.map((child) => child.join()));
  const present = new Set<string>();
  for (const _ of children) {
    present.add((await Promise.race([ready.get(), ended.then(() => assert.fail("a child ended early"))])).split(" ")[0]);
  }
  assert.deepEqual([...present].sort(), [...RUNTIMES].sort());
  for (const _ of children) await go.put(null);
  for (let i = 0; i < ADDITIONS; i++) Atomics.add(words, 0, 1);
  assert.deepEqual(await ended, children.map(() => 0));
  assert.equal(words[0], (children.length + 1) * ADDITIONS | 0);
  home.me.heap.free(block);
}, { needs, timeoutMs });

for (const [name, options] of [["without a limit", {}], ["of eight items", { maxsize: 8 }], ["of 64 KiB", { capacity: 65536 }]] as const) {
  test(
    `messages of 0 to 100 KiB between producers and consumers on all runtimes arrive whole, once and in order, in a queue ${name}`,
    async () => {
      const parcels = new mp.Queue<work.Parcel>(options), results = new mp.Queue<work.Received>();
      const producers = RUNTIMES.map((runtime, from) =>
        new mp.Process({ target: work.produce, args: [parcels, from, PARCELS], runtime }).start()
      );
      const consumers = RUNTIMES.map((runtime) => new mp.Process({ target: work.consume, args: [parcels, results], runtime }).start());
      for (const producer of producers) assert.equal(await producer.join(), 0);
      parcels.shutdown();
      const counts = new Map(producers.map((_, from) => [from, new Set<number>()]));
      let byteLength = 0;
      for (const _ of consumers) {
        const received = await results.get({ timeout: timeoutMs });
        assert.deepEqual(received.wrong, [], received.runtime);
        byteLength += received.byteLength;
        const last = new Map<number, number>();
        for (const [from, number] of received.parcels) {
          assert.isAbove(number, last.get(from) ?? -1, `parcels of producer ${from} at ${received.runtime} are out of order`);
          last.set(from, number);
          assert.isFalse(counts.get(from)!.has(number), `parcel ${number} of producer ${from} came twice`);
          counts.get(from)!.add(number);
        }
      }
      for (const [from, numbers] of counts) assert.equal(numbers.size, PARCELS, `parcels of producer ${from}`);
      for (const consumer of consumers) assert.equal(await consumer.join(), 0);
      console.log(`  ${byteLength} bytes in ${producers.length * PARCELS} messages`);
      parcels.close();
      results.close();
    },
    { needs, timeoutMs },
  );
}
