/** Large messages, many messages, and what becomes of the memory that they took. */
// run: on=node26,deno,bun
import process from "node:process";
import { assert } from "chai";
import * as mp from "../mod.ts";
import { arenaMib } from "./footprint.ts";
import * as work from "./fixtures/queue_large.ts";
import { eachMethod } from "./harness.ts";
import { collectGarbage, collects } from "./shared.ts";
import { answersAtOnce, until } from "./timing.ts";

const MIB = 2 ** 20;
/** A million takes a while; how many of them pass here. `scripts/soak.ts` takes them all. */
const MANY = 100_000;

/** What the engine takes for memory of this program's, beside its objects, in MiB. */
const seenMib = async () => {
  await collectGarbage();
  return process.memoryUsage().external / MIB;
};

// First: nothing else of the memory has been looked at.
eachMethod("engines do not see the memory that nobody uses, nor for long what large messages lay in", async (ctx) => {
  const before = await seenMib(), queue = new ctx.Queue<Uint8Array>();
  await queue.put(new Uint8Array(1));
  await queue.get();
  assert.isBelow(await seenMib(), before + 64);
  for (let i = 0; i < 4; i++) await queue.put(new Uint8Array(48 * MIB));
  for (let i = 0; i < 4; i++) await queue.get();
  await until("forgotten", async () => await seenMib() < before + 64);
  queue.close();
}, { methods: ["process"], needs: () => answersAtOnce("process") ?? collects(), timeoutMs: 60_000 });

eachMethod("256 MiB go through a pipe that holds 1 MiB, and back", async (ctx) => {
  const [here, there] = ctx.Pipe({ capacity: MIB });
  const child = new ctx.Process({ target: work.sendLarge, args: [there, 256 * MIB] }).start();
  await here.send(work.makeMessage(1, 256 * MIB));
  assert.isTrue(work.isMessage(await here.recv() as Uint8Array, 2, 256 * MIB));
  assert.equal(await child.join(), 0);
}, { methods: ["process", "thread"], needs: () => answersAtOnce("process"), timeoutMs: 90_000 });

eachMethod("256 MiB go through a queue that holds 1 MiB", async (ctx) => {
  const queue = new ctx.Queue<Uint8Array>({ capacity: MIB });
  const child = new ctx.Process({ target: work.putLarge, args: [queue, 256 * MIB] }).start();
  assert.isTrue(work.isMessage(await queue.get(), 1, 256 * MIB));
  assert.equal(await child.join(), 0);
  queue.close();
}, { needs: () => answersAtOnce("process"), timeoutMs: 90_000 });

eachMethod("of several items for which there is no memory, those that got in are whole", async (ctx) => {
  const result = new ctx.Queue<[number, number, string]>();
  const child = new ctx.Process({ target: work.fillUp, args: [300, result] }).start();
  const [size, right, why] = await result.get();
  assert.equal(why, "RangeError");
  assert.isAbove(size, 0);
  assert.equal(right, size);
  assert.equal(await child.join(), 0);
}, { methods: ["process"], timeoutMs: 60_000 });

eachMethod("empty messages are messages, however many", async (ctx) => {
  const [here, there] = ctx.Pipe();
  const child = new ctx.Process({ target: work.sendEmpty, args: [there, MANY] }).start();
  let count = 0;
  for await (const message of here) {
    assert.equal((message as Uint8Array).length, 0);
    count++;
  }
  assert.equal(count, MANY);
  assert.equal(await child.join(), 0);
  const queue = new ctx.SimpleQueue<null>();
  const other = new ctx.Process({ target: work.putEmpty, args: [queue, MANY] }).start();
  for (let i = 0; i < MANY; i++) assert.isNull(await queue.get());
  assert.equal(await other.join(), 0);
}, { needs: () => answersAtOnce("process"), timeoutMs: 90_000 });

eachMethod("puts that nobody awaits may be many", async (ctx) => {
  const queue = new ctx.Queue<number>(1000);
  let last: Promise<void> | undefined;
  for (let i = 0; i < 50_000; i++) last = queue.put(i);
  for (let i = 0; i < 50_000; i++) assert.equal(await queue.get(), i);
  await last;
}, { methods: ["process", "thread", "inline"], needs: () => answersAtOnce("process"), timeoutMs: 60_000 });

for (const byteLength of [1000, 20_000, MIB]) {
  eachMethod(
    `200 MiB in messages of ${byteLength} bytes wait for their reader, outlive their producer, and are given back`,
    async (ctx) => {
      const queue = new ctx.Queue<Uint8Array>(), isMeasured = arenaMib() > 0, count = Math.floor(200 * MIB / byteLength);
      const child = new ctx.Process({ target: work.fill, args: [queue, count, byteLength] }).start();
      assert.equal(await child.join(), 0);
      assert.equal(queue.qsize(), count);
      if (isMeasured) assert.isAbove(arenaMib(), 190);
      for (let i = 0; i < count; i++) assert.isTrue(work.isMessage(await queue.get(), i, byteLength), `message ${i}`);
      // Some stays at hand for the next ones.
      await until("given back", () => arenaMib() < 80);
      queue.close();
      const again = new ctx.Queue<Uint8Array>();
      for (let i = 0; i < 20; i++) await again.put(new Uint8Array(MIB));
      again.close();
      await until("given back with its queue", () => arenaMib() < 90);
    },
    { methods: ["process"], needs: () => answersAtOnce("process"), timeoutMs: 90_000 },
  );
}

eachMethod("memory that is kept for the next large messages is given back by a process that blocks from then on", async (ctx) => {
  const queue = new ctx.Queue<Uint8Array>(), taken = new ctx.Event(), over = new ctx.Event();
  for (let i = 0; i < 6; i++) await queue.put(new Uint8Array(40 * MIB).fill(1));
  const isMeasured = arenaMib() > 0;
  if (isMeasured) assert.isAbove(arenaMib(), 239);
  const child = new ctx.Process({ target: work.takeMany, args: [queue, 6, taken, over] }).start();
  taken.waitSync();
  // This program does not look meanwhile.
  const end = performance.now() + 20_000, never = new Int32Array(new SharedArrayBuffer(4));
  while (isMeasured && arenaMib() > 80 && performance.now() < end) Atomics.wait(never, 0, 0, 20);
  if (isMeasured) assert.isBelow(arenaMib(), 80);
  over.set();
  assert.equal(await child.join(), 0);
}, { methods: ["process"], needs: () => answersAtOnce("process"), timeoutMs: 60_000 });

const ENDINGS: Record<string, { method: mp.StartMethod; end(child: mp.Process, over: mp.Event): void }> = {
  "a process that has ended": { method: "process", end: (_child, over) => over.set() },
  "a process that was killed": { method: "process", end: (child) => child.kill() },
  "a thread that was terminated": { method: "thread", end: (child) => child.terminate() },
};
for (const [name, { method, end }] of Object.entries(ENDINGS)) {
  eachMethod(`memory that ${name} kept for the next large messages is given back by whoever started it`, async (ctx) => {
    const queue = new ctx.Queue<Uint8Array>(), taken = new ctx.Event(), over = new ctx.Event();
    for (let i = 0; i < 6; i++) await queue.put(new Uint8Array(40 * MIB).fill(1));
    const child = new (mp.getContext(method).Process)({ target: work.takeMany, args: [queue, 6, taken, over] }).start();
    await taken.wait();
    end(child, over);
    await child.join();
    // This program waits for nothing of the library's meanwhile, and so does not look around.
    await until("given back", () => arenaMib() < 80);
    queue.close();
  }, { methods: ["process"], needs: (can) => answersAtOnce("process") ?? can.reasons["blocking"] ?? null, timeoutMs: 60_000 });
}
