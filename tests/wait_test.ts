/** Waiting for several things at once. */
import { setTimeout } from "node:timers";
import { assert } from "chai";
import * as mp from "../mod.ts";
import * as work from "./fixtures/pipe.ts";
import { eachMethod, test } from "./harness.ts";
import { fails, sleep, took } from "./timing.ts";

const SOON = 2_000;
const T = 100;

eachMethod("nothing is ready: an empty list, in time", async (ctx) => {
  const [a, b] = ctx.Pipe(), queue = new ctx.Queue();
  let ready: unknown[] = [1];
  const ms = await took(async () => ready = await mp.wait([a, b, queue], { timeout: T }));
  assert.deepEqual(ready, []);
  assert.isAtLeast(ms, T);
  assert.isBelow(ms, T + SOON);
  for (const timeout of [0, -1]) assert.isBelow(await took(async () => assert.deepEqual(await mp.wait([a, queue], { timeout }), [])), SOON);
  assert.deepEqual(await mp.wait([], { timeout: 0 }), []);
});

eachMethod("all that are ready come, in the order given, and nothing is taken", async (ctx) => {
  const [a, b] = ctx.Pipe(),
    queue = new ctx.Queue<number>(),
    simple = new ctx.SimpleQueue<number>(),
    joinable = new ctx.JoinableQueue<number>();
  await b.send("hello");
  assert.deepEqual(await mp.wait([a, b]), [a]);
  await queue.put(1);
  await simple.put(2);
  const done = Promise.resolve();
  const things = [queue, joinable, b, simple, done, a];
  assert.deepEqual(await mp.wait(things), [queue, simple, done, a]);
  assert.deepEqual(await mp.wait(things, { timeout: 0 }), [queue, simple, done, a]);
  assert.equal(await queue.get(), 1);
  assert.equal(await simple.get(), 2);
  assert.equal(await a.recv(), "hello");
});

eachMethod("whichever comes first ends the wait", async (ctx) => {
  const pipes = Array.from({ length: 4 }, () => ctx.Pipe());
  const children = pipes.map(([, there], i) => new ctx.Process({ target: work.sendAfter, args: [there, i * 20, i] }).start());
  const open = new Map(pipes.map(([here], i) => [here, i]));
  while (open.size > 0) {
    for (const connection of await mp.wait([...open.keys()])) {
      try {
        assert.equal(await connection.recv(), open.get(connection));
      } catch (error) {
        assert.instanceOf(error, mp.EOFError);
        open.delete(connection);
      }
    }
  }
  for (const child of children) assert.equal(await child.join(), 0);
});

eachMethod("processes and their sentinels are ready when they ended", async (ctx) => {
  const quick = new ctx.Process({ target: work.nap, args: [1] }).start(),
    slow = new ctx.Process({ target: work.stay }).start();
  assert.deepEqual(await mp.wait([slow, quick]), [quick]);
  assert.deepEqual(await mp.wait([slow.sentinel, quick.sentinel]), [quick.sentinel]);
  slow.kill();
  assert.deepEqual(await mp.wait([slow]), [slow]);
  await fails(() => mp.wait([new ctx.Process({ target: work.nap, args: [1] })]), mp.ProcessError);
  await fails(() => mp.wait([new ctx.Process({ target: work.nap, args: [1] })], { timeout: 0 }), mp.ProcessError);
});

eachMethod("a connection is ready when its other end is gone, a queue when it was shut down", async (ctx) => {
  const [here, there] = ctx.Pipe(), queue = new ctx.Queue<number>();
  const waiting = mp.wait([here]), other = mp.wait([queue]);
  await sleep(10);
  there.close();
  queue.shutdown();
  assert.deepEqual(await waiting, [here]);
  assert.deepEqual(await other, [queue]);
  assert.deepEqual(await mp.wait([here, queue], { timeout: 0 }), [here, queue]);
});

eachMethod("a killed child is seen, whatever else is waited for", async (ctx) => {
  const [here, there] = ctx.Pipe(), queue = new ctx.Queue();
  const child = new ctx.Process({ target: work.linger, args: [there] }).start();
  assert.equal(await here.recv(), "up");
  const waiting = mp.wait([queue, here]);
  setTimeout(() => child.kill(), 20);
  assert.isBelow(await took(async () => assert.deepEqual(await waiting, [here])), 10_000);
  await child.join();
});

eachMethod("a signal ends the wait with its reason", async (ctx) => {
  const [here] = ctx.Pipe();
  const abort = new AbortController();
  const waiting = fails(() => mp.wait([here, new Promise(() => {})], { signal: abort.signal }), RangeError);
  abort.abort(new RangeError("enough"));
  await waiting;
  await fails(() => mp.wait([here], { signal: abort.signal }), RangeError);
});

eachMethod("a thing that cannot be waited for is an error, also without waiting", async (ctx) => {
  const queue = new ctx.Queue(), [here, there] = ctx.Pipe({ duplex: false });
  await fails(() => mp.wait([there], { timeout: T }), mp.ProcessError);
  await fails(() => mp.wait([there], { timeout: 0 }), mp.ProcessError);
  queue.close();
  await fails(() => mp.wait([queue, here], { timeout: T }), mp.ProcessError);
  await fails(() => mp.wait([queue, here], { timeout: 0 }), mp.ProcessError);
  // What is always ready would be no wait at all.
  for (const thing of [5, null, {}, () => {}]) {
    const error = await fails(() => mp.wait([here, thing as never], { timeout: T }), TypeError);
    assert.match(error.message, /^Cannot wait for (5|null|an object|a function): it is no connection, queue, process or promise$/);
  }
});

test("promises are ready when they are settled, either way", async () => {
  const rejected = Promise.reject(new Error("seen by nobody else")), never = new Promise(() => {});
  assert.deepEqual(await mp.wait([never, rejected]), [rejected]);
  const late = new Promise((resolve) => setTimeout(resolve, 30, 7));
  assert.deepEqual(await mp.wait([never, late, late]), [late, late]);
});

eachMethod("who waits again and again for what is always ready sees timers too", async (ctx) => {
  const queue = new ctx.Queue<number>();
  await queue.put(1);
  for (const options of [{}, { timeout: 0 }]) {
    const late = new Promise((resolve) => setTimeout(resolve, 20)), end = performance.now() + 10_000;
    while (!(await mp.wait([queue, late], options)).includes(late)) assert.isBelow(performance.now(), end, "timers have no turn");
  }
});
