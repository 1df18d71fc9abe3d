// run: with=off,no-ffi
/** Wrong arguments: each is refused at the call, with its name and the way out. */
import { assert } from "chai";
import * as mp from "../mod.ts";
import * as work from "./fixtures/pool.ts";
import { eachMethod } from "./harness.ts";
import { withPool } from "./pools.ts";
import { eachBlocking, eachShared } from "./shared.ts";
import { fails, forever } from "./timing.ts";

/** Whatever is no time to wait, and what is said of it. */
const NO_TIMES: [unknown, RegExp][] = [
  [100, /^Cannot wait: options must be an object { timeout.* }, they are 100$/],
  [0.1, /they are 0\.1$/],
  [true, /they are true$/],
  [false, /they are false$/],
  [null, /they are null$/],
  ["10", /they are "10"$/],
  [[10], /they are an array$/],
  [() => {}, /they are a function$/],
  [new AbortController().signal, /they are an AbortSignal$/],
  [{ timeOut: 10 }, /^Cannot wait: there is no option "timeOut"; it is timeout$/],
  [{ block: false }, /^Cannot wait: there is no option "block"; there (is|are) .*timeout/],
  [{ timeout: "x" }, /^Cannot wait: timeout must be a number of milliseconds, it is "x"$/],
  [{ timeout: NaN }, /timeout must be a number of milliseconds, it is NaN$/],
  [{ timeout: null }, /timeout must be a number of milliseconds, it is null$/],
];
const NO_SIGNALS: [unknown, RegExp][] = [
  [{ signal: new AbortController() }, /^Cannot wait: signal must be an AbortSignal, it is an AbortController$/],
  [{ signal: true }, /signal must be an AbortSignal, it is true$/],
];
const NO_SIGNAL_TAKEN: [unknown, RegExp] = [
  { signal: new AbortController().signal },
  /^Cannot wait: there is no option "signal"; there is timeout$/,
];

type Wait = (options: never) => unknown;

/** Each of these waits refuses all of those options: asynchronous ones with what they return, blocking ones by throwing. */
async function refuse(waits: Record<string, Wait>, wrong = [...NO_TIMES, ...NO_SIGNALS]): Promise<void> {
  for (const [name, wait] of Object.entries(waits)) {
    for (const [options, message] of wrong) {
      const refusal = name.endsWith("Sync") ? null : wait(options as never);
      if (refusal !== null) assert.instanceOf(refusal, Promise, name);
      const error = await fails(() => refusal ?? wait(options as never), TypeError);
      assert.match(error.message, message, name);
      if (name.endsWith("Sync")) assert.throws(() => wait(options as never), TypeError);
    }
  }
}

eachMethod("what is no time to wait is refused by queues and pipes, and nothing is put or taken", async (ctx) => {
  const queue = new ctx.Queue<number>(2), joinable = new ctx.JoinableQueue<number>(), simple = new ctx.SimpleQueue<number>();
  const [here, there] = ctx.Pipe();
  await refuse({
    get: (options) => queue.get(options),
    getMany: (options) => queue.getMany(1, options),
    put: (options) => queue.put(1, options),
    putMany: (options) => queue.putMany([1], options),
    poll: (options) => queue.poll(options),
    "simple poll": (options) => simple.poll(options),
    join: (options) => joinable.join(options),
    recv: (options) => here.recv(options),
    recvBytes: (options) => here.recvBytes(100, options),
    recvBytesInto: (options) => here.recvBytesInto(new Uint8Array(8), 0, options),
    "pipe poll": (options) => here.poll(options),
    send: (options) => here.send(1, options),
    wait: (options) => mp.wait([queue, here], options),
  });
  const get = simple.get.bind(simple) as (options: unknown) => Promise<number>;
  assert.match((await fails(() => get({ timeout: 10 }), TypeError)).message, /SimpleQueue takes no options; use a Queue/);
  // Nor has one of them gone on in silence.
  await queue.putMany([2, 3], { timeout: 0 });
  assert.deepEqual(await queue.getMany(9), [2, 3]);
  await here.send(4);
  assert.equal(await there.recv(), 4);
  assert.isFalse(await queue.poll({ timeout: undefined }));
  assert.isFalse(await here.poll({ timeout: undefined }));
});

eachMethod("what is no time to wait is refused by the join of a process, whether it runs or has ended", async (ctx) => {
  const child = new ctx.Process({ target: forever }).start();
  try {
    await refuse({ join: (options) => child.join(options) }, [...NO_TIMES, NO_SIGNAL_TAKEN]);
    await refuse({ wait: (options) => mp.wait([child], options) });
  } finally {
    child.terminate();
  }
  assert.equal(await child.join({ timeout: 20_000 }), -15);
  await refuse({ join: (options) => child.join(options) }, [...NO_TIMES, NO_SIGNAL_TAKEN]);
});

eachShared("what is no time to wait is refused by all that is waited for in shared memory, be it to be had or not", async (ctx) => {
  const condition = new ctx.Condition(), event = new ctx.Event(), barrier = new ctx.Barrier(2), value = new ctx.Value("int32");
  for (const lock of [new ctx.Lock(), new ctx.RLock(), new ctx.Semaphore(1), new ctx.BoundedSemaphore(1)]) {
    await refuse({
      acquire: (options) => lock.acquire(options),
      withLock: (options) => lock.withLock(() => assert.fail("it was taken"), options),
    });
    assert.isFalse(lock.locked());
    const guard = await lock.acquire({ timeout: 0 });
    await refuse({ acquire: (options) => lock.acquire(options) });
    guard.release();
  }
  await refuse({
    "acquire of a condition": (options) => condition.acquire(options),
    "withLock of a condition": (options) => condition.withLock(() => {}, options),
    "wait for an event": (options) => event.wait(options),
    "wait at a barrier": (options) => barrier.wait(options),
    "waitFor of a value": (options) => value.waitFor(() => false, options),
  });
  const guard = await condition.acquire();
  await refuse({
    "wait for a condition": (options) => condition.wait(options),
    "waitFor of a condition": (options) => condition.waitFor(() => false, options),
  });
  assert.isTrue(condition.locked());
  guard.release();
  assert.equal(barrier.nWaiting, 0);
  assert.isFalse(barrier.broken);
  event.set();
  await refuse({ "wait for an event that is set": (options) => event.wait(options) });
});

eachBlocking("what is no time to wait is refused by all that blocks", async (ctx) => {
  const queue = new ctx.JoinableQueue<number>(), lock = new ctx.Lock(), condition = new ctx.Condition(), event = new ctx.Event();
  const barrier = new ctx.Barrier(2), value = new ctx.Value("int32"), [here, there] = ctx.Pipe();
  const child = new ctx.Process({ target: forever }).start();
  const guard = await condition.acquire();
  const waits: Record<string, Wait> = {
    getSync: (options) => queue.getSync(options),
    putSync: (options) => queue.putSync(1, options),
    "queue's joinSync": (options) => queue.joinSync(options),
    recvSync: (options) => here.recvSync(options),
    recvBytesSync: (options) => here.recvBytesSync(100, options),
    recvBytesIntoSync: (options) => here.recvBytesIntoSync(new Uint8Array(8), 0, options),
    pollSync: (options) => here.pollSync(options),
    sendSync: (options) => there.sendSync(1, options),
    acquireSync: (options) => lock.acquireSync(options),
    withLockSync: (options) => lock.withLockSync(() => assert.fail("it was taken"), options),
    "condition's waitSync": (options) => condition.waitSync(options),
    waitForSync: (options) => condition.waitForSync(() => false, options),
    "event's waitSync": (options) => event.waitSync(options),
    "barrier's waitSync": (options) => barrier.waitSync(options),
    "value's waitForSync": (options) => value.waitForSync(() => false, options),
    joinSync: (options) => child.joinSync(options),
  };
  await refuse(waits, [...NO_TIMES, NO_SIGNAL_TAKEN]);
  guard.release();
  assert.equal(queue.qsize(), 0);
  assert.isFalse(lock.locked());
  child.terminate();
  assert.equal(await child.join(), -15);
});

eachMethod("what is no time to wait is refused by results and futures, whether they are there or not", async (ctx) => {
  const begun = new ctx.Queue<string>(), gate = new ctx.Queue<unknown>();
  const executor = new mp.ProcessPoolExecutor({ maxWorkers: 1, startMethod: ctx.getStartMethod()! });
  await withPool(ctx, 1, async (pool) => {
    const result = pool.apply(work.hold, [begun, gate]), future = executor.submit(work.hold, begun, gate);
    const bad = executor.submit(work.failIfOdd, 1);
    const waits: Record<string, Wait> = {
      get: (options) => result.get(options),
      wait: (options) => result.wait(options),
      result: (options) => future.result(options),
      exception: (options) => future.exception(options),
      "exception of one that failed": (options) => bad.exception(options),
      waitFutures: (options) => mp.waitFutures([future], options),
      asCompleted: async (options) => await mp.asCompleted([future], options).next(),
    };
    await refuse(waits);
    await fails(() => mp.waitFutures([future], { return_when: "FIRST_COMPLETED" } as never), TypeError);
    await gate.putMany([1, 2]);
    await result;
    await future;
    await bad.catch(() => {});
    await refuse(waits);
  });
  await executor.shutdown();
});
