/** Queues: order, limits, waiting and giving up, shutdown, what travels, and how they outlive who used them. */
import { setTimeout } from "node:timers";
import { assert } from "chai";
import * as mp from "../mod.ts";
import * as work from "./fixtures/queue.ts";
import { eachMethod, test } from "./harness.ts";
import { answersAtOnce, blocking, fails, isPending, RUNTIMES, sleep, took, until } from "./timing.ts";

/** Shorter than this is "at once", on a busy machine. */
const SOON = 2_000;
const T = 100;

/** Whether queues of this start method answer at once, so that `qsize` and the like can be looked at. */
const answers = (ctx: mp.Context) => answersAtOnce(ctx.getStartMethod()!) === null;

eachMethod("a full queue refuses, in time, and takes again once there is room", async (ctx) => {
  const queue = new ctx.Queue<number>({ maxsize: 6 }), start = new ctx.Queue(), result = new ctx.Queue<number[]>();
  const child = new ctx.Process({ target: work.drain, args: [start, queue, 6, result] }).start();
  for (let i = 1; i <= 6; i++) await queue.put(i, i % 2 ? undefined : { timeout: 1000 });
  if (answers(ctx)) {
    assert.isTrue(queue.full());
    assert.isFalse(queue.empty());
    await fails(() => queue.putNowait(7), mp.Full, [0, SOON]);
  }
  await fails(() => queue.put(7, { timeout: 0 }), mp.Full, [0, SOON]);
  await fails(() => queue.put(7, { timeout: -5 }), mp.Full, [0, SOON]);
  await fails(() => queue.put(7, { timeout: T }), mp.Full, [T, T + SOON]);
  await start.put("go");
  assert.deepEqual(await result.get(), [1, 2, 3, 4, 5, 6]);
  if (answers(ctx)) {
    assert.isTrue(queue.empty());
    assert.isFalse(queue.full());
  }
  await queue.put(8, { timeout: 0 });
  assert.equal(await child.join(), 0);
});

eachMethod("an empty queue gives nothing, in time, and keeps the order of its items", async (ctx) => {
  const queue = new ctx.Queue<number>();
  const child = new ctx.Process({ target: work.put, args: [queue, [2, 3, 4, 5]] }).start();
  assert.equal(await queue.get(), 2);
  assert.equal(await queue.get({}), 3);
  assert.equal(await queue.get({ timeout: 10_000 }), 4);
  assert.equal(await queue.get({ timeout: Infinity }), 5);
  await fails(() => queue.get({ timeout: 0 }), mp.Empty, [0, SOON]);
  await fails(() => queue.get({ timeout: -1 }), mp.Empty, [0, SOON]);
  await fails(() => queue.get({ timeout: T }), mp.Empty, [T, T + SOON]);
  if (answers(ctx)) await fails(() => queue.getNowait(), mp.Empty, [0, SOON]);
  assert.equal(await child.join(), 0);
});

eachMethod("what comes in time counts, though the thread was too busy to look", async (ctx) => {
  if (!answers(ctx)) return;
  const queue = new ctx.Queue<number>(1);
  const busy = () => {
    for (const end = performance.now() + 5; performance.now() < end;);
  };
  const got = queue.get({ timeout: 1 });
  queue.putNowait(1);
  busy();
  assert.equal(await got, 1);
  await queue.put(2);
  const put = queue.put(3, { timeout: 1 });
  queue.getNowait();
  busy();
  await put;
});

eachMethod("what a child put before it ended is there, after what was put before", async (ctx) => {
  const queue = new ctx.Queue<number>();
  for (let i = 0; i < 10; i++) await queue.put(i);
  const child = new ctx.Process({ target: work.putRange, args: [queue, 10, 10] }).start();
  for (let i = 0; i < 20; i++) assert.equal(await queue.get(), i);
  assert.equal(await child.join(), 0);
  await fails(() => queue.get({ timeout: 0 }), mp.Empty);
});

eachMethod("qsize is exact", async (ctx) => {
  const queue = new ctx.Queue<number>();
  assert.equal(queue.qsize(), 0);
  queue.put(1);
  assert.equal(queue.qsize(), 1);
  queue.putNowait(5);
  assert.equal(queue.qsize(), 2);
  await queue.get();
  assert.equal(queue.qsize(), 1);
  queue.getNowait();
  assert.equal(queue.qsize(), 0);
});

eachMethod("what puts did not get in yet is not counted, and comes in order", async (ctx) => {
  const queue = new ctx.Queue<number>(2);
  const puts = [1, 2, 3, 4, 5].map((n) => queue.put(n));
  await puts[1];
  if (answers(ctx)) assert.equal(queue.qsize(), 2);
  assert.isTrue(await isPending(puts[2]));
  for (let n = 1; n <= 5; n++) assert.equal(await queue.get(), n);
  await Promise.all(puts);
});

eachMethod("a put that blocks comes after those that nobody awaited", async (ctx) => {
  const queue = new ctx.Queue<number>(1), start = new ctx.Queue(), result = new ctx.Queue<number[]>();
  const child = new ctx.Process({ target: work.drain, args: [start, queue, 5, result] }).start();
  for (let i = 0; i < 4; i++) queue.put(i);
  await start.put("go");
  queue.putSync(4);
  assert.deepEqual(await result.get(), [0, 1, 2, 3, 4]);
  assert.equal(await child.join(), 0);
}, blocking("process"));

eachMethod("waiting puts give up in time, each by itself, and leave nothing behind", async (ctx) => {
  const queue = new ctx.Queue<string>(1);
  await queue.put("first");
  const abort = new AbortController();
  const failed = [
    fails(() => queue.put("aborted", { signal: abort.signal }), RangeError),
    fails(() => queue.put("late", { timeout: T }), mp.Full, [T - 5, T + SOON]),
  ];
  const kept = queue.put("kept");
  abort.abort(new RangeError("enough"));
  await Promise.all(failed);
  assert.isTrue(await isPending(kept));
  assert.equal(await queue.get(), "first");
  await kept;
  assert.equal(await queue.get(), "kept");
  await fails(() => queue.get({ timeout: T }), mp.Empty);
  await fails(() => queue.put("never", { signal: abort.signal }), RangeError);
  await fails(() => queue.get({ signal: abort.signal }), RangeError);
});

eachMethod("gets that were given up have taken nothing", async (ctx) => {
  const queue = new ctx.Queue<number>(), result = new ctx.Queue<number[]>();
  const children = [1, 2].map(() => new ctx.Process({ target: work.impatient, args: [queue, result] }).start());
  const count = 300;
  for (let i = 0; i < count; i++) {
    await queue.put(i);
    if (i % 7 === 0) await sleep(1);
  }
  queue.shutdown();
  const items = [...await result.get(), ...await result.get()].sort((a, b) => a - b);
  assert.deepEqual(items, Array.from({ length: count }, (_, i) => i));
  for (const child of children) assert.equal(await child.join(), 0);
});

eachMethod("limits by bytes hold puts back, and let a larger item through alone", async (ctx) => {
  const queue = new ctx.Queue<string>({ capacity: 1000 });
  const item = "x".repeat(300);
  await queue.put(item);
  await queue.put(item);
  await queue.put(item);
  await fails(() => queue.put(item, { timeout: 0 }), mp.Full);
  if (answers(ctx)) assert.equal(queue.qsize(), 3);
  const large = queue.put("y".repeat(100_000));
  assert.isTrue(await isPending(large));
  for (let i = 0; i < 3; i++) assert.equal(await queue.get(), item);
  assert.equal((await queue.get()).length, 100_000);
  await large;
});

test("limits must be whole numbers", async () => {
  for (const wrong of ["3", null, NaN, {}, 1n]) await fails(() => new mp.Queue({ maxsize: wrong as unknown as number }), TypeError);
  await fails(() => new mp.Queue(1.5), RangeError);
  for (const none of [0, -1, undefined, Infinity]) assert.equal(new mp.Queue(none).maxsize, 0);
  assert.equal(new mp.Queue(3).maxsize, 3);
});

eachMethod("what cannot travel is refused at the call, and leaves the queue as it was", async (ctx) => {
  const queue = new ctx.Queue<unknown>(1);
  const error = await fails(() => queue.put({ a: [1, () => {}] }), mp.DataCloneError);
  assert.include(error.message, "a[1]");
  if (answers(ctx)) {
    await fails(() => queue.putNowait(Symbol("x")), mp.DataCloneError);
    assert.equal(queue.qsize(), 0);
  }
  await fails(() => queue.putMany([1, () => {}]), mp.DataCloneError);
  await queue.put(true, { timeout: 0 });
  assert.equal(await queue.get({ timeout: 5_000 }), true);
  const simple = new ctx.SimpleQueue();
  await fails(() => simple.put(() => {}), mp.DataCloneError);
  await simple.put(1);
  assert.equal(await simple.get(), 1);
});

eachMethod("a large buffer that a getter shrinks or empties while the rest is read is refused at the call", async (ctx) => {
  const queue = new ctx.Queue<unknown>();
  for (const change of [(buffer: ArrayBuffer) => buffer.resize(10), (buffer: ArrayBuffer) => void buffer.transfer()]) {
    const buffer = new ArrayBuffer(100_000, { maxByteLength: 200_000 });
    const item = [buffer, {
      get late() {
        change(buffer);
        return 1;
      },
    }];
    assert.match(
      (await fails(() => queue.put(item), mp.DataCloneError)).message,
      /^Cannot send item\[0\]: its buffer was resized or detached/,
    );
  }
  await queue.put("next");
  assert.equal(await queue.get({ timeout: 20_000 }), "next");
});

eachMethod("an item is copied at the call", async (ctx) => {
  const queue = new ctx.Queue<number[]>(1);
  const list = [1], waiting = [2];
  const first = queue.put(list), second = queue.put(waiting);
  list.push(99);
  waiting.push(99);
  await first;
  assert.deepEqual(await queue.get(), [1]);
  assert.deepEqual(await queue.get(), [2]);
  await second;
});

eachMethod("all values that can be cloned pass", async (ctx) => {
  const queue = new ctx.Queue<unknown>();
  const values = [
    undefined,
    null,
    -0,
    1n,
    "",
    "\ud800",
    [],
    { a: { b: 1 } },
    new Map([[1, new Set([2])]]),
    new Date(5),
    new Uint8Array(20_000),
  ];
  const child = new ctx.Process({ target: work.put, args: [queue, values] }).start();
  for (const value of values) assert.deepEqual(await queue.get(), value);
  assert.equal(await child.join(), 0);
});

eachMethod("several are put and got at once, in order", async (ctx) => {
  const queue = new ctx.Queue<number>(100), result = new ctx.Queue<{ sizes: number[]; items: number[] }>();
  await queue.putMany([]);
  await queue.putMany([1, 2, 3]);
  assert.deepEqual(await queue.getMany(2), [1, 2]);
  assert.deepEqual(await queue.getMany(10), [3]);
  await fails(() => queue.getMany(10, { timeout: T }), mp.Empty, [T, T + SOON]);
  for (const wrong of [0, -1, 1.5, NaN]) await fails(() => queue.getMany(wrong), RangeError);
  const child = new ctx.Process({ target: work.takeBatches, args: [queue, 16, result] }).start();
  const all = Array.from({ length: 1000 }, (_, i) => i);
  await queue.putMany(new Set(all));
  queue.shutdown();
  const { sizes, items } = await result.get();
  assert.deepEqual(items, all);
  assert.isAtMost(Math.max(...sizes), 16);
  assert.equal(await child.join(), 0);
});

/** What an item does when it is decoded, in the middle of others. */
class Doing {
  static do: (index: number) => void;
  readonly index: number;

  constructor(index: number) {
    this.index = index;
  }
}
mp.registerClass({ url: "test:queue" }, Doing, {
  encode: ({ index }) => index,
  decode(index) {
    Doing.do(index as number);
    return new Doing(index as number);
  },
});

eachMethod("who closes a queue while several are got of it gets nothing of others", async (ctx) => {
  const others: mp.Queue<string>[] = [], put: Promise<void>[] = [];
  const queue = new ctx.Queue<Doing>();
  Doing.do = (index) => {
    if (index !== 5) return;
    queue.close();
    for (let i = 0; i < 40; i++) {
      const other = new ctx.Queue<string>();
      others.push(other);
      for (let k = 0; k < 300; k++) put.push(other.put(`other's ${k}`));
    }
  };
  await queue.putMany(Array.from({ length: 1000 }, (_, i) => new Doing(i)));
  const got = await queue.getMany(1000);
  for (const [i, one] of got.entries()) assert.equal(one.index, i);
  await Promise.all(put);
  for (const other of others) assert.deepEqual(await other.getMany(1000), Array.from({ length: 300 }, (_, k) => `other's ${k}`));
});

eachMethod("of several, those beyond the limit wait or are refused", async (ctx) => {
  const queue = new ctx.Queue<number>(2);
  await fails(() => queue.putMany([1, 2, 3, 4], { timeout: T }), mp.Full, [T, T + SOON]);
  const rest = queue.putMany([5, 6]);
  assert.isTrue(await isPending(rest));
  assert.deepEqual([await queue.get(), await queue.get(), await queue.get(), await queue.get()], [1, 2, 5, 6]);
  await rest;
});

eachMethod("what a getter aborts while it is read is not put", async (ctx) => {
  const queue = new ctx.Queue<unknown>();
  const puts = [
    (item: unknown, options: mp.WaitOptions) => queue.put(item, options),
    (item: unknown, options: mp.WaitOptions) => queue.putMany([1, item], options),
  ];
  for (const put of puts) {
    const abort = new AbortController();
    const item = {
      get late() {
        abort.abort(new RangeError("enough"));
        return 1;
      },
    };
    await fails(() => put(item, { signal: abort.signal }), RangeError);
  }
  assert.isFalse(await queue.poll());
});

eachMethod("of several that are given up none gets in after one that does not", async (ctx) => {
  const queue = new ctx.Queue<number>(1);
  for (let round = 0; round < 20; round++) {
    const many = [1, 2, 3, 4, 5, 6, 7, 8, 9];
    // Each room that is made just then must not be taken by one of the later.
    await fails(() => queue.putMany(many, { timeout: 2 }), mp.Full);
    const got: number[] = [];
    while (await queue.poll()) got.push(await queue.get());
    assert.deepEqual(got, many.slice(0, got.length));
  }
});

for (const method of ["process", "thread"] as const) {
  eachMethod("blocking forms wait, give up, and keep to the time", async (ctx) => {
    const queue = new ctx.Queue<number>(2), start = new ctx.Queue(), result = new ctx.Queue<number[]>();
    await fails(() => queue.getSync({ timeout: T }), mp.Empty, [T, T + SOON]);
    await fails(() => queue.getSync({ timeout: 0 }), mp.Empty, [0, SOON]);
    await fails(() => queue.getNowait(), mp.Empty, [0, SOON]);
    queue.putSync(1);
    queue.putSync(2, { timeout: 5 });
    await fails(() => queue.putSync(3, { timeout: T }), mp.Full, [T, T + SOON]);
    await fails(() => queue.putSync(3, { timeout: -1 }), mp.Full, [0, SOON]);
    await fails(() => queue.putNowait(3), mp.Full, [0, SOON]);
    const child = new ctx.Process({ target: work.drain, args: [start, queue, 200, result] }).start();
    start.putNowait("go");
    for (let i = 3; i <= 200; i++) queue.putSync(i);
    assert.deepEqual(result.getSync(), Array.from({ length: 200 }, (_, i) => i + 1));
    assert.equal(await child.join(), 0);
  }, blocking(method));

  eachMethod("blocked consumers in children share the items, and wake at shutdown", async (ctx) => {
    const queue = new ctx.Queue<number>(), result = new ctx.Queue<number[]>();
    const children = [1, 2, 3].map(() => new ctx.Process({ target: work.takeAllSync, args: [queue, result] }).start());
    const count = 1000;
    for (let i = 0; i < count; i++) queue.putNowait(i);
    await sleep(50);
    queue.shutdown();
    const items = (await Promise.all(children.map(() => result.get()))).flat().sort((a, b) => a - b);
    assert.deepEqual(items, Array.from({ length: count }, (_, i) => i));
    for (const child of children) assert.equal(await child.join(), 0);
  }, blocking(method));
}

eachMethod("the blocking forms are refused where a thread may not block", async (ctx) => {
  const queue = new ctx.Queue<number>();
  await fails(() => queue.getSync(), mp.UnsupportedError);
  await fails(() => queue.putSync(1), mp.UnsupportedError);
  queue.putNowait(2);
  assert.equal(queue.getNowait(), 2);
}, { methods: ["inline"] });

eachMethod("after a shutdown puts are refused, and gets once it is drained", async (ctx) => {
  const queue = new ctx.Queue<number>();
  await queue.put(1);
  await queue.put(2);
  queue.shutdown();
  await fails(() => queue.put(3), mp.ShutDown);
  await fails(() => queue.putMany([3]), mp.ShutDown);
  if (answers(ctx)) await fails(() => queue.putNowait(3), mp.ShutDown);
  assert.deepEqual([await queue.get(), await queue.get()], [1, 2]);
  await fails(() => queue.get(), mp.ShutDown);
  await fails(() => queue.get({ timeout: 0 }), mp.ShutDown);
  if (answers(ctx)) await fails(() => queue.getNowait(), mp.ShutDown);
  queue.shutdown();
});

eachMethod("an immediate shutdown drops what is in the queue", async (ctx) => {
  const queue = new ctx.Queue<number>(2);
  await queue.putMany([1, 2]);
  const waiting = queue.put(3);
  queue.shutdown({ immediate: true });
  await fails(() => waiting, mp.ShutDown);
  await fails(() => queue.get(), mp.ShutDown);
  if (answers(ctx)) assert.equal(queue.qsize(), 0);
  const joinable = new ctx.JoinableQueue<number>();
  await joinable.put(1);
  joinable.shutdown({ immediate: true });
  await joinable.join({ timeout: 5_000 });
});

for (const how of ["get", "put", "getSync", "putSync"] as const) {
  for (const method of how.endsWith("Sync") ? ["process", "thread"] as const : ["all"] as const) {
    eachMethod(`a shutdown wakes who waits in ${how}`, async (ctx) => {
      const queue = new ctx.Queue<string>(1), ready = new ctx.Queue<string>();
      if (how.startsWith("put")) await queue.put("full");
      const children = [1, 2].map(() => new ctx.Process({ target: work.waitForShutdown, args: [queue, ready, how] }).start());
      assert.deepEqual([await ready.get(), await ready.get()], ["up", "up"]);
      await sleep(50);
      const ms = await took(async () => {
        queue.shutdown();
        assert.deepEqual([await ready.get(), await ready.get()], ["ShutDown", "ShutDown"]);
      });
      assert.isBelow(ms, SOON);
      for (const child of children) assert.equal(await child.join(), 0);
    }, method === "all" ? {} : blocking(method));
  }
}

eachMethod("loops over queues and connections are iterators as the language's own are, and can be thrown into", async (ctx) => {
  const generated = (async function* () {})(), parent = Object.getPrototypeOf(Object.getPrototypeOf(Object.getPrototypeOf(generated)));
  const queue = new ctx.Queue<number>(), [here, there] = ctx.Pipe();
  for (let i = 0; i < 3; i++) {
    await queue.put(i);
    await there.send(i);
  }
  for (const items of [queue, here]) {
    const loop = (async function* () {
      yield* items;
    })();
    assert.equal((await loop.next()).value, 0);
    assert.equal((await fails(() => loop.throw(new RangeError("mine")), RangeError)).message, "mine");
    const thrown = items[Symbol.asyncIterator](), disposed = items[Symbol.asyncIterator]() as AsyncGenerator<unknown>;
    assert.strictEqual(Object.getPrototypeOf(Object.getPrototypeOf(thrown)), parent);
    assert.equal((await thrown.next()).value, 1);
    await fails(() => thrown.throw!(new RangeError("mine")), RangeError);
    assert.isTrue((await thrown.next()).done);
    assert.equal(Symbol.asyncDispose in disposed, Symbol.asyncDispose in generated);
    await disposed[Symbol.asyncDispose]?.();
    if (Symbol.asyncDispose in generated) assert.isTrue((await disposed.next()).done);
  }
  // Who leaves takes nothing more.
  assert.deepEqual([await queue.get(), await here.recv()], [2, 2]);
});

eachMethod("consumers in several children share the items until the queue is shut down", async (ctx) => {
  const queue = new ctx.Queue<[number, number]>(), result = new ctx.Queue<[number, number][]>();
  const consumers = [1, 2].map(() => new ctx.Process({ target: work.collect, args: [queue, result] }).start());
  const producers = [0, 1, 2].map((n) => new ctx.Process({ target: work.ordered, args: [queue, n, 200] }).start());
  for (const producer of producers) assert.equal(await producer.join(), 0);
  queue.shutdown();
  const seen = new Set<string>();
  for (const _ of consumers) {
    const last = [-1, -1, -1];
    for (const [producer, i] of await result.get()) {
      assert.isAbove(i, last[producer], "a producer's items came in another order");
      last[producer] = i;
      seen.add(`${producer} ${i}`);
    }
  }
  assert.equal(seen.size, 600);
  for (const consumer of consumers) assert.equal(await consumer.join(), 0);
});

eachMethod("a joinable queue is joined once every item is done", async (ctx) => {
  const queue = new ctx.JoinableQueue<number | null>();
  const children = [1, 2, 3, 4].map(() => new ctx.Process({ target: work.work, args: [queue] }).start());
  for (let i = 0; i < 10; i++) await queue.put(20);
  await fails(() => queue.join({ timeout: 1 }), mp.TimeoutError, [1, SOON]);
  await queue.join();
  for (const _ of children) await queue.put(null);
  await queue.join();
  for (const child of children) assert.equal(await child.join(), 0);
});

eachMethod("a fresh joinable queue is joined at once, and nothing in it is done", async (ctx) => {
  const queue = new ctx.JoinableQueue<number>();
  if (answers(ctx)) await fails(() => queue.taskDone(), RangeError);
  await queue.join();
  await queue.join({ timeout: 0 });
  await queue.put(1);
  await fails(() => queue.join({ timeout: 0 }), mp.TimeoutError, [0, SOON]);
  await queue.get();
  await fails(() => queue.join({ timeout: T }), mp.TimeoutError, [T, T + SOON]);
  await fails(() => queue.join({ signal: AbortSignal.abort(new RangeError()) }), RangeError);
  queue.taskDone();
  await queue.join();
});

eachMethod("a joinable queue is joined blocking", async (ctx) => {
  const queue = new ctx.JoinableQueue<number | null>();
  const child = new ctx.Process({ target: work.work, args: [queue] }).start();
  queue.putSync(50);
  queue.putSync(null);
  await fails(() => queue.joinSync({ timeout: 0 }), mp.TimeoutError, [0, SOON]);
  queue.joinSync();
  assert.equal(await child.join(), 0);
}, blocking("process"));

eachMethod("a queue that was closed unused is empty; a used one is not to be looked at", async (ctx) => {
  const unused = new ctx.Queue<number>();
  unused.close();
  assert.isTrue(unused.empty());
  await unused.joinThread();
  const used = new ctx.Queue<number>();
  await used.put(1);
  await fails(() => used.joinThread(), mp.ProcessError);
  used.close();
  used.close();
  for (
    const use of [() => used.empty(), () => used.qsize(), () => used.full(), () => used.put(1), () => used.get(), () => used.getMany(1)]
  ) {
    await fails(use, mp.ProcessError);
  }
  await fails(() => used.putMany([1]), mp.ProcessError);
  await fails(() => used.shutdown(), mp.ProcessError);
  await fails(() => new ctx.Queue<unknown>().put(used), mp.ProcessError);
  await used.joinThread();
});

eachMethod("closing a queue lets waiting puts in, and ends waiting gets", async (ctx) => {
  const queue = new ctx.Queue<number>(1), result = new ctx.Queue<number[]>(), start = new ctx.Queue();
  const child = new ctx.Process({ target: work.drain, args: [start, queue, 3, result] }).start();
  const puts = [1, 2, 3].map((n) => queue.put(n));
  queue.close();
  let isJoined = false;
  const joined = queue.joinThread().then(() => isJoined = true);
  await sleep(20);
  assert.isFalse(isJoined);
  await start.put("go");
  await Promise.all([...puts, joined]);
  assert.deepEqual(await result.get(), [1, 2, 3]);
  assert.equal(await child.join(), 0);
  const other = new ctx.Queue<number>();
  const gets = [fails(() => other.get(), mp.ProcessError), fails(() => other.poll({ timeout: 10_000 }), mp.ProcessError)];
  other.close();
  await Promise.all(gets);
});

test("disposing of a queue closes it", async () => {
  const queue = new mp.Queue<number>();
  queue.put(1);
  queue[Symbol.dispose]();
  await fails(() => queue.get(), mp.ProcessError);
});

eachMethod("a producer is joined before anybody reads, and all is there", async (ctx) => {
  const queue = new ctx.Queue<[number, string]>();
  const child = new ctx.Process({ target: work.putUnawaited, args: [queue, 100, 20_000] }).start();
  assert.equal(await child.join(), 0);
  for (let i = 0; i < 100; i++) assert.deepEqual(await queue.get({ timeout: 5_000 }), [i, "x".repeat(20_000)]);
});

eachMethod("the natural end of a child waits for its puts", async (ctx) => {
  const queue = new ctx.Queue<[number, string]>(3);
  const child = new ctx.Process({ target: work.putUnawaited, args: [queue, 20, 5] }).start();
  for (let i = 0; i < 20; i++) assert.equal((await queue.get({ timeout: 10_000 }))[0], i);
  assert.equal(await child.join(), 0);
});

eachMethod("a child that does not care for its puts ends without them", async (ctx) => {
  const queue = new ctx.Queue<number>(2);
  const child = new ctx.Process({ target: work.cancelJoinThread, args: [queue, 100] }).start();
  assert.equal(await child.join({ timeout: 20_000 }), 0);
  assert.equal(await queue.get(), 0);
});

eachMethod("puts that were let go are rejected for those who awaited them, and trouble nobody else", async (ctx) => {
  const queue = new ctx.Queue<number>(1);
  await queue.put(1);
  queue.put(2);
  const awaited = fails(() => queue.put(3), mp.ProcessError);
  queue.cancelJoinThread();
  await awaited;
  assert.equal(await queue.get(), 1);
  await fails(() => queue.get({ timeout: T }), mp.Empty);
  queue.close();
  await queue.joinThread();
});

eachMethod("what put accepted survives an exit", async (ctx) => {
  const queue = new ctx.Queue<number>();
  const child = new ctx.Process({ target: work.putThenExit, args: [queue, [1, 2, 3, 4, 5]] }).start();
  assert.equal(await child.join(), 7);
  for (let i = 1; i <= 5; i++) assert.equal(await queue.get({ timeout: 0 }), i);
  await fails(() => queue.get({ timeout: T }), mp.Empty, [T, T + SOON]);
}, { methods: ["process", "thread"] });

eachMethod("queues of each kind travel through queues of each kind", async (ctx) => {
  const kinds = () => [new ctx.Queue<unknown>(), new ctx.SimpleQueue<unknown>(), new ctx.JoinableQueue<unknown>()];
  for (const outer of kinds()) {
    for (const inner of kinds()) {
      await outer.put([inner, inner]);
      const [one, two] = await outer.get() as (typeof inner)[];
      assert.strictEqual(one, two, "the same queue twice is one queue");
      assert.equal(one instanceof mp.SimpleQueue, inner instanceof mp.SimpleQueue);
      assert.equal(one instanceof mp.JoinableQueue, inner instanceof mp.JoinableQueue);
      await inner.put("through the first");
      assert.equal(await one.get(), "through the first");
      await one.put("back");
      inner.close();
      assert.equal(await two.get(), "back");
      one.close();
    }
  }
});

eachMethod("a queue that travels lives as long as somebody may still receive it", async (ctx) => {
  const outer = new ctx.Queue<mp.Queue<string>>();
  const inner = new ctx.Queue<string>(3);
  await inner.put("still here");
  await outer.put(inner);
  inner.close();
  const received = await outer.get();
  assert.equal(received.maxsize, 3);
  assert.equal(await received.get(), "still here");
  const waiting = new ctx.Queue<mp.Queue<string>>(1);
  await waiting.put(received);
  const last = new ctx.Queue<string>();
  await last.put("put before its queue was accepted");
  const put = waiting.put(last);
  last.close();
  await waiting.get();
  await put;
  assert.equal(await (await waiting.get()).get(), "put before its queue was accepted");
});

eachMethod("a queue to reply to may be in any number of unread messages, in any number of queues", async (ctx) => {
  const requests = new ctx.Queue<{ reply: mp.Queue; n: number }>(), reply = new ctx.Queue<number>();
  for (let n = 0; n < 50; n++) await requests.put({ reply, n });
  const many = Array.from({ length: 20 }, () => new ctx.Queue<mp.Queue<number>>());
  for (const one of many) await one.put(reply);
  const children = [1, 2].map(() => new ctx.Process({ target: work.reply, args: [requests, 25] }).start());
  let sum = 0;
  for (let n = 0; n < 50; n++) sum += await reply.get();
  assert.equal(sum, 49 * 50);
  for (const child of children) assert.equal(await child.join(), 0);
  for (const one of many) {
    const got = await one.get();
    await got.put(1);
    assert.equal(await reply.get(), 1);
    got.close();
  }
});

eachMethod("a queue made in a child outlives it", async (ctx) => {
  const queues = new ctx.Queue<mp.Queue<string>>();
  const child = new ctx.Process({ target: work.makeQueue, args: [queues] });
  child.start();
  assert.equal(await child.join(), 0);
  const queue = await queues.get();
  assert.equal(await queue.get(), "made in the child");
  assert.equal(queue.maxsize, 5);
}, { methods: ["process"] });

eachMethod("the library works in children as it does outside", async (ctx) => {
  const result = new ctx.Queue<number>();
  const child = new ctx.Process({ target: work.nested, args: [result] }).start();
  assert.equal(await result.get(), 55);
  assert.equal(await child.join(), 0);
}, { follows: true });

eachMethod("a simple queue says whether it is empty", async (ctx) => {
  const child = new ctx.SimpleQueue<unknown>(), parent = new ctx.SimpleQueue<boolean>();
  const process = new ctx.Process({ target: work.emptyTwice, args: [child, parent] }).start();
  await child.put("go");
  assert.equal(await process.join(), 0);
  if (!answers(ctx)) return;
  assert.isFalse(parent.empty());
  assert.isTrue(await parent.get());
  assert.isFalse(await parent.get());
  assert.isTrue(parent.empty());
  parent.close();
  await fails(() => parent.get(), mp.ProcessError);
}, { needs: () => answersAtOnce("process") });

eachMethod("an item whose consumer ended before it was done is known to be abandoned", async (ctx) => {
  const queue = new ctx.JoinableQueue<number>(), taken = new ctx.Queue<number>();
  await queue.putMany([1, 2, 3]);
  const child = new ctx.Process({ target: work.takeAndLinger, args: [queue, taken, 2] }).start();
  assert.deepEqual([await taken.get(), await taken.get()], [1, 2]);
  const joined = fails(() => queue.join(), mp.AbandonedError, [0, 10_000]);
  await sleep(20);
  child.kill();
  await joined;
  await child.join();
  // Whoever makes up for them may join all the same.
  assert.equal(await queue.get(), 3);
  for (let i = 0; i < 3; i++) queue.taskDone();
  await queue.join();
  await joinsAnew(queue);
});

eachMethod("an item may be done by another than took it, whose end loses nothing then", async (ctx) => {
  const queue = new ctx.JoinableQueue<number>(), taken = new ctx.Queue<number>();
  await queue.putMany([1, 2]);
  const child = new ctx.Process({ target: work.takeAndLinger, args: [queue, taken, 2] }).start();
  assert.deepEqual([await taken.get(), await taken.get()], [1, 2]);
  for (let i = 0; i < 2; i++) queue.taskDone();
  await queue.join();
  child.kill();
  await child.join();
  await joinsAnew(queue);
});

/** Nothing is known of items that were lost, or done, before. */
async function joinsAnew(queue: mp.JoinableQueue<number>): Promise<void> {
  await queue.put(9);
  const joined = queue.join();
  assert.isTrue(await isPending(joined));
  assert.equal(await queue.get(), 9);
  assert.isTrue(await isPending(joined));
  queue.taskDone();
  await joined;
}

test("what lives in memory that a child does not share is refused by name", async () => {
  const inline = new (mp.getContext("inline").Queue)(), other = new mp.Queue<unknown>();
  if (mp.getStartMethod() === "inline") return;
  const child = new mp.Process({ target: work.put, args: [inline as mp.Queue, [1]] });
  const error = await fails(() => child.start(), mp.DataCloneError);
  assert.include(error.message, "Queue");
  other.close();
});

for (const runtime of RUNTIMES) {
  eachMethod(`a queue is shared with ${runtime}`, async (ctx) => {
    const queue = new ctx.Queue<number | null>(4), result = new ctx.Queue<number>();
    const child = new ctx.Process({ target: work.sum, args: [queue, result], runtime }).start();
    for (let i = 1; i <= 1000; i++) await queue.put(i);
    await queue.put(null);
    assert.equal(await result.get(), 500_500);
    assert.equal(await child.join(), 0);
    const all = new ctx.Queue<[number, number]>(), collected = new ctx.Queue<[number, number][]>();
    const producers = RUNTIMES.map((runtime, n) => new ctx.Process({ target: work.ordered, args: [all, n, 300], runtime }).start());
    const consumer = new ctx.Process({ target: work.collect, args: [all, collected], runtime }).start();
    for (const producer of producers) assert.equal(await producer.join(), 0);
    all.shutdown();
    const items = await collected.get();
    assert.equal(new Set(items.map(String)).size, 900);
    assert.equal(await consumer.join(), 0);
  }, { methods: ["process"], timeoutMs: 60_000 });
}

test("a queue that is not used any more is given back", async () => {
  const gc = (globalThis as { gc?: () => void; Bun?: { gc(now: boolean): void } }).gc ??
    (() => (globalThis as { Bun?: { gc(now: boolean): void } }).Bun!.gc(true));
  const ctx = mp.getContext("thread");
  // Each would take 64 MiB of the arena's 4 GiB at most: 100 of them do not fit, unless the dropped ones go.
  for (let i = 0; i < 100; i++) {
    const queue = new ctx.Queue<Uint8Array>();
    await queue.put(new Uint8Array(2 ** 26 - 2 ** 20));
    if (i % 8 === 7) {
      gc();
      await sleep(20);
      gc();
      await sleep(20);
    }
  }
}, {
  needs: (can) =>
    "gc" in globalThis || "Bun" in globalThis
      ? can.sharedMemory.thread ? null : "threads share no memory"
      : "the collector cannot be asked",
  timeoutMs: 60_000,
});

test("a queue is kept by whoever waits for it", async () => {
  const ctx = mp.getContext("inline");
  const [get, put] = (() => {
    const queue = new ctx.Queue<string>(1);
    return [queue.get(), () => queue.put("kept")];
  })();
  setTimeout(put, 20);
  assert.equal(await get, "kept");
  let isOver = false;
  const waiting = new ctx.Queue<number>().get({ timeout: 50 }).catch(() => isOver = true);
  await until("over", () => isOver);
  await waiting;
});
