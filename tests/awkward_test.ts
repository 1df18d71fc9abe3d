// run: with=off,no-ffi
/** Queues, locks, values and processes, used awkwardly: aborted from inside their own calls, let go of while something waits, given what cannot be read. Whatever it is, every promise settles. */
import { assert } from "chai";
import * as mp from "../mod.ts";
import * as work from "./fixtures/pool.ts";
import { eachMethod, test } from "./harness.ts";
import { eachBlocking, eachShared, quietly } from "./shared.ts";
import { fails, until } from "./timing.ts";

const inline = () => mp.getContext("inline");

test("a lock is not taken for a task that has ended meanwhile", async () => {
  const ctx = inline(), lock = new ctx.Lock();
  const task: mp.Process = new ctx.Process({
    target: (own: mp.Lock) => {
      const guard = own.tryAcquire()!;
      own.acquire().catch(() => {});
      guard.release();
      own.acquire().catch(() => {});
      task.terminate();
    },
    args: [lock],
  });
  assert.equal(await task.start().join(), -15);
  (await lock.acquire({ timeout: 20_000 })).release();
});

test("items are not taken for a task that has ended meanwhile", async () => {
  const ctx = inline(), queue = new ctx.JoinableQueue<number>();
  await queue.putMany([1, 2, 3, 4, 5]);
  const task: mp.Process = new ctx.Process({
    target: (own: mp.JoinableQueue<number>) => {
      own.getMany(5).catch(() => {});
      task.terminate();
    },
    args: [queue],
  });
  await task.start().join();
  assert.isAtLeast(queue.qsize(), 4);
});

eachShared("a wait may be aborted by what it asks", async (ctx) => {
  const value = new ctx.Value("int32"), controller = new AbortController();
  let calls = 0;
  const never = () => {
    if (++calls === 2) controller.abort(new RangeError("enough"));
    return false;
  };
  await fails(() => value.waitFor(never, { signal: controller.signal }), RangeError);
  // Another that waits for the same is left alone.
  const other = new AbortController(), more = value.waitFor((now) => now === 2);
  let asked = 0;
  const ending = value.waitFor((now) => {
    if (++asked > 1 && now === 1) other.abort(new RangeError("now"));
    return now === 1;
  }, { signal: other.signal }).catch((error) => error);
  value.value = 1;
  await ending;
  value.value = 2;
  assert.isTrue(await more);
});

eachMethod("a put may be aborted by a getter of its own item", async (ctx) => {
  const queue = new ctx.Queue<unknown>({ maxsize: 1 }), controller = new AbortController();
  await queue.put(1);
  const item = {
    get x() {
      controller.abort(new RangeError("no"));
      return 1;
    },
  };
  await fails(() => queue.put(item, { signal: controller.signal }), RangeError);
  assert.equal(await queue.get(), 1);
  assert.equal(queue.qsize(), 0);
});

eachMethod("a time that is no number is refused", async (ctx) => {
  const queue = new ctx.Queue<number>();
  await fails(() => queue.get({ timeout: NaN }), TypeError);
  await queue.put(1);
  assert.equal(await queue.get(), 1);
});

eachMethod("one item that cannot be read costs none of those beside it", async (ctx) => {
  const queue = new ctx.Queue<unknown>(), results = new ctx.Queue<unknown>();
  await queue.putMany([1, 2, new work.Unreadable(), 3, 4]);
  const child = new ctx.Process({ target: work.getAll, args: [queue, results, 4] }).start();
  assert.deepEqual(await results.get(), { values: [1, 2, 3, 4], errors: ["OddError"] });
  assert.equal(await child.join(), 0);
});

eachMethod("a queue of whose items some were told done early can be shut down at once", async (ctx) => {
  const queue = new ctx.JoinableQueue<number>();
  await queue.putMany([1, 2, 3]);
  queue.taskDone();
  queue.taskDone();
  queue.shutdown({ immediate: true });
  await fails(() => queue.get(), mp.ShutDown);
  await queue.join();
});

eachMethod("a start may be aborted by a getter among the arguments", async (ctx) => {
  const controller = new AbortController();
  const argument = {
    get x() {
      controller.abort();
      return 60_000;
    },
  };
  const child = new ctx.Process({ target: work.sleepFor, args: [argument], signal: controller.signal });
  assert.equal(await child.start().join(), -15);
});

eachMethod("an error that cannot be read here is told as such", async (ctx) => {
  const child = new ctx.Process({ target: work.failUnreadably, ...quietly(ctx) }).start();
  assert.equal(await child.join(), 1);
  assert.instanceOf(child.error, Error);
});

eachMethod("an item's codec may get from the queue that it comes from", async (ctx) => {
  const queue = new ctx.Queue<unknown>();
  let nested: Promise<unknown> | null = null;
  work.Telling.onDecode = () => nested ??= queue.get();
  try {
    const outer = queue.get();
    await queue.put(new work.Telling());
    await queue.put("second");
    assert.instanceOf(await outer, work.Telling);
    assert.equal(await nested, "second");
    assert.equal(queue.qsize(), 0);
  } finally {
    work.Telling.onDecode = () => {};
  }
});

eachMethod("what a get has taken when its item's codec aborts it, it gives", async (ctx) => {
  const queue = new ctx.Queue<unknown>(), controller = new AbortController();
  work.Telling.onDecode = () => controller.abort();
  try {
    const taken = queue.get({ signal: controller.signal }).catch(() => null);
    await queue.put(new work.Telling());
    const got = [await taken, queue.qsize()];
    // Taken, or left for others; not lost.
    if (got[0] === null) assert.equal(got[1], 1);
    else assert.instanceOf(got[0], work.Telling);
  } finally {
    work.Telling.onDecode = () => {};
  }
});

eachMethod("a getter that closes the queue of its own item makes the put fail, and nobody else gets it", async (ctx) => {
  const queue = new ctx.Queue<unknown>();
  let next: mp.Queue<unknown> | null = null;
  const item = {
    get x() {
      queue.close();
      next = new ctx.Queue<unknown>(); // it may lie where the other did
      return 1;
    },
  };
  await fails(() => queue.put(item), mp.ProcessError);
  await fails(() => next!.get({ timeout: 10 }), mp.Empty);
});

eachMethod("what waits at a queue that is closed is rejected, and takes nothing of the next", async (ctx) => {
  const out = new ctx.Queue<unknown>(), start = new ctx.Queue<null>();
  const child = new ctx.Process({ target: work.closeAndMakeAnew, args: [start, out] }).start();
  await start.put(null);
  assert.deepEqual(await out.get(), { ended: "ProcessError", next: "of the next" });
  assert.equal(await child.join(), 0);
});

eachShared("a predicate may begin the next wait", async (ctx) => {
  const value = new ctx.Value("int32");
  let next: Promise<boolean> | null = null;
  const first = value.waitFor((now) => {
    if (now < 1) return false;
    next ??= value.waitFor((later) => later >= 2);
    return true;
  });
  value.value = 1;
  assert.isTrue(await first);
  value.value = 2;
  assert.isTrue(await next);
});

eachBlocking("a blocking wait whose predicate waits in turn hears the next change at once", async (ctx) => {
  const value = new ctx.Value("int32"), other = new ctx.Event(), done = new ctx.Queue<number>();
  const child = new ctx.Process({ target: work.waitInsideWait, args: [value, other, done] }).start();
  for (let i = 1; i <= 3; i++) {
    value.value = i;
    assert.equal(await done.get(), i);
  }
  assert.equal(await child.join(), 0);
});

eachShared("a lock that is disposed of while it is held is free once its guard is released", async (ctx) => {
  for (const lock of [new ctx.Lock(), new ctx.RLock(), new ctx.Semaphore(1), new ctx.BoundedSemaphore(1)]) {
    const queue = new ctx.Queue<typeof lock>();
    await queue.put(lock);
    const same = await queue.get(), guard = await lock.acquire();
    lock[Symbol.dispose]();
    assert.isTrue(same.locked());
    guard.release();
    assert.isFalse(same.locked());
    (await same.acquire()).release();
  }
});

eachShared("a barrier that is disposed of while its action runs concerns no other", async (ctx) => {
  const barrier = new ctx.Barrier(1, { action: work.shortAction });
  const first = barrier.wait();
  barrier[Symbol.dispose]();
  const other = new ctx.Barrier(1, { action: work.shortAction }); // it may lie where the first did
  const second = other.wait();
  await fails(() => first, mp.ProcessError);
  assert.equal(await second, 0);
});

test("a permit of a task that has ended is given back to nobody", async () => {
  const ctx = inline(), semaphore = new ctx.Semaphore(1);
  let guard: mp.Guard | null = null;
  const child = new ctx.Process({
    target: async (own: mp.Semaphore) => {
      guard = await own.acquire();
    },
    args: [semaphore],
  });
  assert.equal(await child.start().join(), 0);
  semaphore[Symbol.dispose]();
  const others = Array.from({ length: 40 }, () => new ctx.Semaphore(0)); // one of them lies where it did
  guard!.release();
  assert.isTrue(others.every(({ value }) => value === 0));
});

test("a task that ends in its own wait leaves the memory of others alone", async () => {
  const ctx = inline(), queue = new ctx.Queue<unknown>(), arrays: mp.RawArray<"int32">[] = [];
  let waits = false;
  const task: mp.Process = new ctx.Process({
    target: async (own: mp.Queue<unknown>) => {
      const item = own.get();
      waits = true;
      await item;
    },
    args: [queue],
  });
  work.Telling.onDecode = () => {
    task.terminate();
    for (let i = 0; i < 400; i++) arrays.push(new ctx.RawArray("int32", 320 - i % 200).fill(-1));
  };
  try {
    task.start();
    await until("the task waits", () => waits);
    // The task is the last that has the queue.
    const put = queue.put(new work.Telling());
    queue.close();
    await put;
    assert.equal(await task.join(), -15);
    assert.isTrue(arrays.every((array) => array.every((n) => n === -1)));
    assert.isNotEmpty(arrays);
  } finally {
    work.Telling.onDecode = () => {};
  }
});

eachBlocking("an end of a pipe that is sent while this thread blocks is its sender's no more", async (ctx) => {
  const queue = new ctx.Queue<unknown>(1), [here, there] = ctx.Pipe();
  const child = new ctx.Process({ target: work.answerOnce, args: [queue] }).start();
  const first = queue.put("there is no room for more"), second = queue.put(there);
  queue.putSync("last");
  assert.equal(here.recvSync(), "hello");
  assert.throws(() => here.recvSync({ timeout: 20_000 }), mp.EOFError);
  await first;
  await second;
  assert.equal(await child.join(), 0);
});

/** What Node's and Bun's consoles print, Deno's, and `String`. */
function printed(object: object): string {
  const asked = ["nodejs.util.inspect.custom", "Deno.customInspect"].map((name) =>
    (object as Record<symbol, () => string>)[Symbol.for(name)]
  );
  for (const inspect of asked) assert.equal(inspect.call(object), String(object));
  return String(object);
}

eachShared("what is printed of shared objects says how they stand, whatever became of them", async (ctx) => {
  const point = mp.Struct({ x: "float64", on: "bool" });
  const lock = new ctx.Lock(), value = ctx.Value("int32", 5), record = ctx.Value(point, { x: 1.5 }), semaphore = new ctx.Semaphore(2);
  const event = new ctx.Event(), barrier = new ctx.Barrier(2), condition = new ctx.Condition(lock);
  const objects = [lock, value, record, semaphore, event, barrier, condition];
  assert.deepEqual(objects.map(printed), [
    "<Lock unlocked>",
    "<LockedValue type=int32 value=5>",
    "<LockedRecord x=1.5 on=false>",
    "<Semaphore value=2>",
    "<Event unset>",
    "<Barrier parties=2 waiting=0>",
    "<Condition <Lock unlocked>>",
  ]);
  (await lock.acquire()).release();
  const guard = lock.tryAcquire()!;
  event.set();
  barrier.abort();
  assert.deepEqual([lock, event, barrier].map(printed), ["<Lock locked>", "<Event set>", "<Barrier parties=2 broken>"]);
  guard.release();
  for (const object of objects) object[Symbol.dispose]();
  for (const object of objects) assert.match(printed(object), /^<\w+ (parties=2 )?disposed>$/);
});

eachMethod("what is printed of queues, pipes and processes says how they stand", async (ctx) => {
  const queue = new ctx.Queue<number>(3), [here, there] = ctx.Pipe({ duplex: false });
  await queue.put(1);
  assert.deepEqual([queue, here, there].map(printed), ["<Queue size=1 maxsize=3>", "<Connection readable>", "<Connection writable>"]);
  for (const object of [queue, here, there]) object.close();
  assert.deepEqual([queue, here].map(printed), ["<Queue closed>", "<Connection closed>"]);
  const child = new ctx.Process({ target: work.square, args: [2], name: "bob", daemon: true });
  assert.match(printed(child), /^<Process name='bob' parent=\d+ initial daemon>$/);
  await child.start().join();
  assert.match(printed(child), /^<Process name='bob' pid=\d+ parent=\d+ stopped exitcode=0 daemon>$/);
});

eachMethod("what is printed of pools, executors and what they give says how they stand", async (ctx) => {
  const startMethod = ctx.getStartMethod()!;
  const pool = new mp.Pool({ processes: 2, startMethod }), executor = new mp.ProcessPoolExecutor({ maxWorkers: 1, startMethod });
  const result = pool.apply(work.square, [3]), future = executor.submit(work.square, 3);
  assert.deepEqual([pool, result].map(printed), ["<Pool size=2 tasks=1>", "<AsyncResult pending>"]);
  assert.equal(printed(executor), "<ProcessPoolExecutor maxWorkers=1 calls=1>");
  assert.match(printed(future), /^<Future (pending|running)>$/);
  await Promise.all([result, future]);
  assert.deepEqual([result, future].map(printed), ["<AsyncResult done>", "<Future done>"]);
  pool.terminate();
  await Promise.all([pool.join(), executor.shutdown()]);
  assert.equal(printed(pool), "<Pool size=2 tasks=0>");
});

test("a class is printed, and whatever has its looks, though it is no object of it", () => {
  for (const cls of [mp.Process, mp.Lock, mp.LockedValue, mp.Queue, mp.Future, mp.Pool]) {
    assert.match(printed(cls.prototype), /^<\w+>$/);
    assert.match(printed(Object.create(cls.prototype)), /^<\w+>$/);
  }
  assert.match(printed(mp.currentProcess()), /^<CurrentProcess name='MainProcess' pid=\d+ started>$/);
});

test("a clock that takes the place of the runtime's is heard", async () => {
  const ctx = inline(), lock = new ctx.Lock(), guard = await lock.acquire();
  const real = { performance: globalThis.performance, setTimeout: globalThis.setTimeout };
  let now = real.performance.now();
  const timers: { due: number; run: () => void }[] = [];
  const fake = {
    performance: { now: () => now, timeOrigin: real.performance.timeOrigin },
    setTimeout: (run: () => void, ms: number) => timers.push({ due: now + ms, run }),
  };
  let late: Promise<Error>;
  try {
    Object.assign(globalThis, fake);
    late = fails(() => lock.acquire({ timeout: 3_600_000 }), mp.TimeoutError, [0, Infinity]);
    now += 3_600_000;
    for (const { due, run } of timers.splice(0)) if (due <= now) run();
  } finally {
    Object.assign(globalThis, real);
  }
  await late;
  guard.release();
});

eachMethod("a clock that stands still holds nobody up", async (ctx) => {
  const queue = new ctx.Queue<number>(), { performance } = globalThis, now = performance.now();
  let waiting: Promise<number>;
  try {
    Object.assign(globalThis, { performance: { now: () => now, timeOrigin: performance.timeOrigin } });
    waiting = queue.get();
  } finally {
    Object.assign(globalThis, { performance });
  }
  await queue.put(1);
  assert.equal(await waiting, 1);
});
