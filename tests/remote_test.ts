/** Where no memory is shared with processes: the same queues and pipes through the control channel. */
// run: on=node22,node26,deno,bun with=no-ffi

import "./fixtures/without_shared_memory.ts";
import { assert, expect } from "chai";
import { readFileSync } from "node:fs";
import process from "node:process";
import * as mp from "../mod.ts";
import * as child from "./fixtures/remote.ts";
import { test as add } from "./harness.ts";

const context = mp.getContext("process");
const needs = (can: mp.Capabilities) => can.startMethods.includes("process") ? null : can.reasons["startMethods.process"] ?? "no processes";
const test = (name: string, run: () => unknown, timeoutMs = 30_000) => add(name, run, { needs, timeoutMs });

async function rejection(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise;
  } catch (error) {
    return error as Error;
  }
  throw new Error("it did not reject");
}

/** Waits until something is so. */
async function until(what: string, isSo: () => boolean): Promise<void> {
  for (let i = 0; !isSo(); i++) {
    if (i === 1000) throw new Error(`never: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Whether it still runs: one that ended may stay in the table of processes until the container's first process looks. */
function exists(pid: number): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch {
    return false;
  }
}

async function textOf(stream: ReadableStream<Uint8Array>): Promise<string> {
  return await new Response(stream).text();
}

async function drain<T>(queue: mp.Queue<T>): Promise<Exclude<T, null>[]> {
  const items: Exclude<T, null>[] = [];
  while (!queue.empty()) items.push(await queue.get() as Exclude<T, null>);
  return items;
}

const upTo = (count: number) => Array.from({ length: count }, (_, i) => i);

test("memory is not shared with processes here", () => {
  assert.isFalse(mp.capabilities().sharedMemory.process);
  assert.include(mp.capabilities().reasons["sharedMemory.process"], "POLYPROC_SHARED_MEMORY");
});

test("what a child put without awaiting arrives in order, before the child is joined", async () => {
  const queue = new context.Queue<number | null>();
  const one = new context.Process({ target: child.pour, args: [queue, 0, 2000] }).start();
  assert.equal(await one.join(), 0);
  assert.equal(queue.qsize(), 2000);
  assert.deepEqual(await drain(queue), upTo(2000));
});

test("siblings talk through a pipe that is neither's", async () => {
  const [here, there] = context.Pipe();
  const queue = new context.Queue<number | null>(), taken = new context.Queue<unknown>();
  const receiver = new context.Process({ target: child.forward, args: [there, taken] }).start();
  await here.send({ deep: [1n, new Map([[1, 2]])] });
  assert.deepEqual(await taken.get(), { deep: [1n, new Map([[1, 2]])] });
  const sender = new context.Process({ target: child.put, args: [queue, 0, 3, here] }).start();
  assert.equal(await sender.join(), 0);
  // The sender's end went with it.
  assert.equal(await receiver.join(), 0);
  assert.deepEqual(await drain(queue), [0, 1, 2]);
  assert.deepEqual(await drain(taken), [0, 1, 2]);
});

test("a queue made in a child outlives it, and is filled by a grandchild", async () => {
  const queues = new context.Queue<mp.Queue<number>>();
  const middle = new context.Process({ target: child.middle, args: [queues] }).start();
  const queue = await queues.get();
  assert.equal(await middle.join(), 0);
  assert.deepEqual(await queue.getMany(100), upTo(10).map((i) => i + 100));
});

test("a connection travels through queues and children, and ends with the last who has it", async () => {
  const [here, there] = context.Pipe();
  const first = new context.Queue<mp.Connection>(), second = new context.Queue<mp.Connection>();
  const passer = new context.Process({ target: child.passOn, args: [first, second] }).start();
  await first.put(there);
  assert.equal(await passer.join(), 0);
  const back = await second.get();
  await back.send("hello");
  assert.equal(await here.recv(), "hello");
  back.close();
  assert.instanceOf(await rejection(here.recv()), mp.EOFError);
  assert.instanceOf(await rejection(here.send(1)), mp.BrokenPipeError);
});

test("a pipe ends when the process at its other end is killed", async () => {
  const [here, there] = context.Pipe();
  const echo = new context.Process({ target: child.echo, args: [there] }).start();
  await here.send(1);
  assert.equal(await here.recv(), 1);
  const waiting = rejection(here.recv());
  echo.kill();
  assert.instanceOf(await waiting, mp.EOFError);
  assert.equal(await echo.join(), -9);
});

test("what needs an answer at once is refused with the reason and the ways out", async () => {
  const queue = new context.JoinableQueue();
  const answers = new context.Queue<string[]>();
  const one = new context.Process({ target: child.atOnce, args: [queue, answers] }).start();
  assert.deepEqual(await answers.get(), []);
  await one.join();
  // The root has the objects itself.
  queue.putNowait(1);
  assert.equal(queue.qsize(), 1);
  assert.equal(queue.getNowait(), 1);
  expect(() => queue.getSync()).to.throw(mp.UnsupportedError, /POLYPROC_SHARED_MEMORY.*asynchronous form.*thread.*--allow-ffi/);
  expect(() => queue.putSync(1)).to.throw(mp.UnsupportedError, /POLYPROC_SHARED_MEMORY/);
});

test("what was timed out or aborted took nothing, and what was taken is given", async () => {
  const queue = new context.Queue<number | null>(), taken = new context.Queue<number | null>();
  const takers = upTo(2).map(() => new context.Process({ target: child.takeImpatiently, args: [queue, taken] }).start());
  for (const i of upTo(500)) {
    await queue.put(i);
    if (i % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  }
  for (const _ of takers) await queue.put(null);
  for (const taker of takers) assert.equal(await taker.join(), 0);
  assert.deepEqual((await drain(taken)).sort((a, b) => a - b), upTo(500));
});

test("a bounded queue makes a child's puts wait", async () => {
  const queue = new context.Queue<number | null>(3);
  const one = new context.Process({ target: child.pour, args: [queue, 0, 50] }).start();
  await until("full", () => queue.full());
  assert.equal(await one.join({ timeout: 200 }), null);
  assert.equal(queue.qsize(), 3);
  const items: number[] = [];
  while (items.length < 50) items.push(await queue.get() as number);
  assert.deepEqual(items, upTo(50));
  assert.equal(await one.join(), 0);
});

test("poll, wait and timeouts of a child", async () => {
  const [here, there] = context.Pipe();
  const answers = new context.Queue<unknown[]>();
  const one = new context.Process({ target: child.inspect, args: [there, answers] }).start();
  assert.deepEqual(await answers.get(), ["TimeoutError: Nothing was received within 20 ms", false, 0]);
  await here.send("x");
  assert.deepEqual(await answers.get(), [true, 1, "x"]);
  await one.join();
});

test("batches; an item that cannot travel is refused before any is put", async () => {
  const queue = new context.Queue<number | null>(), answers = new context.Queue<unknown>();
  await queue.putMany(upTo(7));
  const one = new context.Process({ target: child.batch, args: [queue, answers] }).start();
  await one.join();
  assert.deepEqual(await answers.getMany(100), [0, 1, 2, 3, 4, "DataCloneError"]);
  assert.deepEqual(await drain(queue), [5, 6]);
});

test("of a batch that is given up none gets in after one that does not", async () => {
  const answers = new context.Queue<number[]>(), rounds = 200;
  const one = new context.Process({ target: child.giveUp, args: [answers, rounds] }).start();
  for (let round = 0; round < rounds; round++) {
    const got = await answers.get();
    assert.deepEqual(got, upTo(got.length));
  }
  await one.join();
});

test("a batch brings queues along, each in its item", async () => {
  const answers = new context.Queue<unknown>();
  const one = new context.Process({ target: child.batchOfQueues, args: [answers] }).start();
  const batch = [await answers.get(), await answers.get(), await answers.get()] as [mp.Queue, string, { two: mp.Queue[] }];
  assert.equal(await one.join(), 0);
  assert.equal(batch[1], "between");
  assert.deepEqual(await Promise.all([batch[0], ...batch[2].two].map((queue) => queue.get())), [1, 2, 3]);
});

test("a queue is there as long as somebody waits for it, though nothing else has it", async () => {
  const queues = new context.Queue<mp.JoinableQueue<number> | null>();
  const one = new context.Process({ target: child.waitForDropped, args: [queues] }).start();
  const [first, second, collected] = [await queues.get(), await queues.get(), await queues.get()];
  assert.isNull(collected);
  await first!.get();
  first!.taskDone();
  await second!.put(1);
  assert.equal(await one.join(), 0);
});

test("an end of a pipe of threads passes through a queue of processes", async () => {
  const ends = new context.Queue<mp.Connection>(), answers = new context.Queue<unknown>();
  const one = new context.Process({ target: child.throughProcesses, args: [ends, answers] }).start();
  assert.equal(await answers.get(), "from a thread");
  assert.equal(await one.join(), 0);
});

test("a joinable queue: done, and abandoned with its consumer", async () => {
  const queue = new context.JoinableQueue<number>();
  await queue.putMany(upTo(20));
  const worker = new context.Process({ target: child.work, args: [queue, 20] }).start();
  await queue.join();
  await worker.join();
  await queue.put(1);
  const [here, there] = context.Pipe();
  const keeper = new context.Process({ target: child.keep, args: [queue, there] }).start();
  assert.equal(await here.recv(), "taken");
  const joining = rejection(queue.join());
  keeper.kill();
  assert.instanceOf(await joining, mp.AbandonedError);
});

test("a shutdown reaches children that wait", async () => {
  const queue = new context.Queue<number | null>(), taken = new context.Queue<number | null>();
  const taker = new context.Process({ target: child.take, args: [queue, taken], stdio: "ignore" }).start();
  await queue.put(1);
  assert.equal(await taken.get(), 1);
  queue.shutdown();
  assert.equal(await taker.join(), 1);
  assert.instanceOf(taker.error, mp.ShutDown);
});

test("threads of the root and of a child use them too", async () => {
  const queue = new context.Queue<number | null>(), taken = new context.Queue<number | null>();
  const thread = new (mp.getContext("thread").Process)({ target: child.take, args: [queue, taken] }).start();
  await queue.putMany([1, 2, null]);
  assert.equal(await thread.join(), 0);
  const below = new context.Process({ target: child.byThread, args: [queue, taken] }).start();
  await queue.putMany([3, 4, null]);
  assert.equal(await below.join(), 0);
  assert.deepEqual(await drain(taken), [1, 2, 3, 4]);
});

test("if the process in the middle is killed, those below it are told, and do not hang", async () => {
  const queue = new context.Queue<number | null>(), pids = new context.Queue<number | null>();
  const middle = new context.Process({ target: child.orphanMaker, args: [queue, pids], stdio: "pipe" }).start();
  const text = textOf(middle.stdout!);
  const pid = await pids.get() as number;
  process.kill(middle.pid!, "SIGKILL");
  assert.equal(await middle.join(), -9);
  // Its child had the same standard output, which ends with it.
  assert.match(
    await text,
    /^waiting\nfirst ProcessError: Cannot use queues and pipes any more.*\nsecond ProcessError: .*\nthird ProcessError: /,
  );
  await until("the grandchild ended", () => !exists(pid));
});

test("ending a process ends its descendants", async () => {
  for (const end of ["terminate", "kill"] as const) {
    const [here, there] = context.Pipe();
    const pids = new context.Queue<number | null>();
    const middle = new context.Process({ target: child.echoBelow, args: [there, pids, false] }).start();
    const pid = await pids.get() as number;
    await here.send(1);
    assert.equal(await here.recv(), 1);
    middle[end]();
    await middle.join();
    assert.instanceOf(await rejection(here.recv()), mp.EOFError);
    await until("the grandchild ended", () => !exists(pid));
  }
});

test("a daemonic grandchild ends with its parent", async () => {
  const [here, there] = context.Pipe();
  const pids = new context.Queue<number | null>();
  const middle = new context.Process({ target: child.echoBelow, args: [there, pids, true] }).start();
  const pid = await pids.get() as number;
  await here.send(1);
  assert.equal(await here.recv(), 1);
  process.kill(middle.pid!, "SIGKILL");
  await middle.join();
  await until("the grandchild ended", () => !exists(pid));
});

test("a message of 256 MiB passes through a pipe of 1 MiB", async () => {
  const [here, there] = context.Pipe();
  const one = new context.Process({ target: child.largeBack, args: [there] }).start();
  const bytes = new Uint8Array(2 ** 28);
  for (let i = 0; i < bytes.length; i += 4099) bytes[i] = i;
  const sent = here.sendBytes(bytes);
  const back = await here.recvBytes();
  await sent;
  assert.equal(back.length, bytes.length);
  for (let i = 0; i < bytes.length; i += 4099) if (back[i] !== (i & 255)) assert.fail(`byte ${i}`);
  await one.join();
}, 60_000);

test("nothing hangs and nothing is lost when producers, consumers and those in the middle are killed", async () => {
  for (let round = 0; round < 4; round++) {
    const queue = new context.Queue<number | null>(), taken = new context.Queue<number | null>();
    const [here, there] = context.Pipe();
    const accepted = new Set<number>();
    const listening = (async () => {
      for await (const item of here) accepted.add(item as number);
    })();
    const victim = new context.Process({ target: child.put, args: [queue, 1e6, 1e9, there] }).start();
    const producer = new context.Process({ target: child.put, args: [queue, 0, 100] }).start();
    const consumers = upTo(2).map(() => new context.Process({ target: child.take, args: [queue, taken] }).start());
    const middle = new context.Process({ target: child.relayAndTake, args: [queue, taken] }).start();
    await until("they work", () => accepted.size > 5 && taken.qsize() > 5);
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 30));
    for (const one of [victim, consumers[0], middle].sort(() => Math.random() - 0.5)) process.kill(one.pid!, "SIGKILL");
    for (const one of [victim, consumers[0], middle]) assert.equal(await one.join(), -9);
    await listening;
    assert.equal(await producer.join(), 0);
    await queue.put(null);
    assert.equal(await consumers[1].join(), 0);
    const items = await drain(taken);
    const seen = new Set(items);
    assert.equal(seen.size, items.length, "an item came twice");
    const missing = [...upTo(100), ...accepted].filter((item) => !seen.has(item));
    // Each of the killed consumers may have held one that it took, and one that it was passing on.
    assert.isAtMost(missing.length, 6, `missing: ${missing}`);
  }
}, 60_000);

for (const runtime of ["node", "deno", "bun"] as const) {
  add(`a child on ${runtime}`, async () => {
    const [here, there] = context.Pipe();
    const one = new context.Process({ target: child.echo, args: [there], runtime }).start();
    await here.send({ text: "ü", bytes: new Uint8Array([1, 2]) });
    assert.deepEqual(await here.recv(), { text: "ü", bytes: new Uint8Array([1, 2]) });
    here.close();
    assert.equal(await one.join(), 0);
  }, {
    needs: (can) =>
      needs(can) ??
        (process.env[`POLYPROC_${runtime.toUpperCase()}`] === undefined && !can.runtime.startsWith(runtime)
          ? `POLYPROC_${runtime.toUpperCase()} does not say where ${runtime} is`
          : null),
  });
}

for (const isAborted of [true, false]) {
  test(`a wait ${isAborted ? "is aborted" : "ends in time"} though the process that has the queue does not answer`, async () => {
    const queue = new context.Queue<null>(), told = new context.Queue<number>();
    const one = new context.Process({ target: child.waitGivenUp, args: [queue, told, isAborted] }).start();
    await told.get();
    await new Promise((resolve) => setTimeout(resolve, 50));
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3000);
    assert.isBelow(await told.get(), 2000);
    assert.equal(await one.join(), 0);
  });
}
