/** Pools under control: cancelling, deadlines, priorities, how many workers there are and how long they live, what is told of them. */
import process from "node:process";
import { assert } from "chai";
import * as mp from "../mod.ts";
import * as work from "./fixtures/pool.ts";
import { eachMethod, test, uncaught } from "./harness.ts";
import { withPool } from "./pools.ts";
import { answersAtOnce, fails, isPending, sleep, until } from "./timing.ts";

const OWN: mp.StartMethod[] = ["process", "thread"];
const range = (n: number) => Array.from({ length: n }, (_, i) => i);

async function gather<T>(results: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const result of results) all.push(result);
  return all;
}

/** Who works now, as often as is asked. */
const pids = (pool: mp.Pool) => pool.stats().workers.map(({ pid }) => pid);

// ---- cancelling ----

eachMethod("a task that waits can be cancelled, and is not run", (ctx) =>
  withPool(ctx, 1, async (pool) => {
    const begun = new ctx.Queue<string>(), gate = new ctx.Queue<unknown>();
    const first = pool.apply(work.holdAs, ["first", begun, gate]);
    assert.equal(await begun.get(), "first");
    const second = pool.apply(work.holdAs, ["second", begun, gate]), third = pool.apply(work.holdAs, ["third", begun, gate]);
    assert.isTrue(second.cancel());
    assert.isFalse(second.cancel());
    await fails(() => second, mp.CancelledError);
    await gate.put(1);
    assert.equal(await first, "first");
    assert.isFalse(first.cancel());
    assert.equal(await begun.get(), "third");
    await gate.put(1);
    assert.equal(await third, "third");
  }));

eachMethod("a task that runs hears of its cancelling, and its worker goes on if it stops", (ctx) =>
  withPool(ctx, 1, async (pool) => {
    const said = new ctx.Queue<string>();
    const name = await pool.apply(work.here);
    const result = pool.apply(work.untilStopped, [said]);
    assert.equal(await said.get(), "begun");
    assert.isTrue(result.cancel());
    // At once, whatever the task does.
    assert.isTrue(result.ready());
    await fails(() => result, mp.CancelledError);
    assert.equal(await said.get(), "stopped: AbortError");
    assert.equal(await pool.apply(work.here), name);
  }));

eachMethod("of many tasks that are given up together none begins that had not been sent", (ctx) =>
  withPool(ctx, 1, async (pool) => {
    await pool.apply(work.sleep, [20]); // of tasks that take so long one is sent ahead
    for (let round = 0; round < 5; round++) {
      const said = new ctx.Queue<string>(), controller = new AbortController();
      const results = range(3000).map(() => pool.apply(work.untilStopped, [said], { signal: controller.signal }));
      assert.equal(await said.get(), "begun");
      controller.abort();
      for (const result of results) await fails(() => result, DOMException);
      await pool.apply(work.sleep, [20]);
      const words = said.empty() ? [] : await said.getMany(10_000);
      assert.isBelow(words.filter((word) => word === "begun").length, 2);
    }
  }), { methods: OWN });

eachMethod("a task that computes finds its signal fired when it looks", (ctx) =>
  withPool(ctx, 1, async (pool) => {
    const said = new ctx.Queue<string>();
    const name = await pool.apply(work.here);
    const result = pool.apply(work.spinUntilStopped, [said]);
    assert.equal(await said.get(), "begun");
    result.cancel();
    await fails(() => result, mp.CancelledError);
    assert.equal(await said.get(), "stopped");
    assert.equal(await pool.apply(work.here), name);
  }), { methods: OWN, needs: (can) => can.sharedMemory.process ? null : can.reasons["sharedMemory.process"] });

eachMethod(
  "a task that does not stop costs its worker, after its grace, and nothing else",
  (ctx) =>
    withPool(ctx, { processes: 2, grace: 50 }, async (pool) => {
      const begun = new ctx.Queue<string>(), gate = new ctx.Queue<unknown>(), held = new ctx.Queue<string>();
      const other = pool.apply(work.hold, [held, gate]);
      await held.get();
      const result = pool.apply(work.spin, [begun]);
      const name = await begun.get();
      result.cancel();
      await fails(() => result, mp.CancelledError);
      const next = pool.apply(work.here);
      assert.notEqual(await next, name);
      await gate.put(1);
      assert.notEqual(await other, name);
      await until("had both", () => pool.stats().workers.filter(({ state }) => state === "idle").length === 2);
    }),
  { methods: OWN },
);

eachMethod(
  "a worker that takes the place of one that stopped in time is left alone",
  (ctx) =>
    withPool(ctx, { processes: 1, maxTasksPerChild: 1, grace: 1500 }, async (pool) => {
      const said = new ctx.Queue<string>(), stopped = pool.apply(work.untilStopped, [said]);
      assert.equal(await said.get(), "begun");
      // Beyond the other's grace.
      const next = pool.apply(work.sleep, [2000]);
      stopped.cancel();
      await fails(() => stopped, mp.CancelledError);
      assert.equal(await next, 2000);
    }),
  { methods: OWN },
);

eachMethod(
  "a signal cancels a task with its reason, whatever the task is doing",
  (ctx) =>
    // Long enough for a busy machine's worker to say its last word.
    withPool(ctx, { processes: 1, grace: 20_000 }, async (pool) => {
      const reason = new RangeError("enough");
      const fired = AbortSignal.abort(reason);
      assert.strictEqual(await fails(() => pool.apply(work.square, [1], { signal: fired }), RangeError), reason);
      assert.strictEqual(await fails(() => pool.map(work.square, [1], { signal: fired }), RangeError), reason);
      assert.strictEqual(await fails(() => gather(pool.imap(work.square, [1], { signal: fired })), RangeError), reason);
      const said = new ctx.Queue<string>();
      const controller = new AbortController();
      const running = pool.apply(work.untilStopped, [said], { signal: controller.signal });
      const waiting = pool.apply(work.square, [1], { signal: controller.signal });
      const other = pool.apply(work.square, [2]);
      await said.get();
      controller.abort(reason);
      assert.strictEqual(await fails(() => running, RangeError), reason);
      assert.strictEqual(await fails(() => waiting, RangeError), reason);
      assert.equal(await said.get(), "stopped: AbortError");
      assert.equal(await other, 4);
      // A map, and a lazy one, in the middle.
      const later = new AbortController();
      const mapped = pool.map(work.sleep, range(50).map(() => 20), { signal: later.signal, chunksize: 1 });
      const lazy = pool.imap(work.sleep, range(50).map(() => 5), { signal: later.signal });
      await lazy.next();
      later.abort(reason);
      assert.strictEqual(await fails(() => mapped, RangeError), reason);
      assert.strictEqual(await fails(() => gather(lazy), RangeError), reason);
      assert.equal(await pool.apply(work.square, [3]), 9);
    }),
);

// ---- deadlines ----

eachMethod("a task's time counts from its start", (ctx) =>
  withPool(ctx, { processes: 1, grace: 20 }, async (pool) => {
    const results = range(20).map(() => pool.apply(work.sleep, [100], { timeout: 1500 }));
    // The last waits longer than it may run, on a busy machine or not: it is not late.
    for (const result of results) assert.equal(await result, 100);
    const begun = new ctx.Queue<string>(), gate = new ctx.Queue<unknown>();
    const late = pool.apply(work.hold, [begun, gate], { timeout: 50 });
    const error = await fails(() => late, mp.TimeoutError);
    assert.match(error.message, /not done within 50 ms/);
    assert.equal(await pool.apply(work.square, [3]), 9);
  }));

eachMethod(
  "the import of a task's module takes no time of its own",
  (ctx) =>
    withPool(ctx, 1, async (pool) => {
      const slow = { module: new URL("./fixtures/slow_import.ts", import.meta.url), name: "quick" };
      assert.equal(await pool.apply(slow, [1], { timeout: 500 }), 2);
    }),
  // In a bundle no module is found by a file's address.
  { methods: OWN, needs: (can) => can.startMethods.includes("process") ? null : "there are no files" },
);

eachMethod(
  "a task that computes without a pause is given up when its time is up",
  (ctx) =>
    withPool(ctx, { processes: 1, grace: 20 }, async (pool) => {
      const begun = new ctx.Queue<string>(), late = pool.apply(work.spin, [begun], { timeout: 500 });
      assert.match((await fails(() => late, mp.TimeoutError)).message, /not done within 500 ms/);
      assert.equal(await pool.apply(work.square, [3]), 9);
    }),
  { methods: OWN },
);

eachMethod("a task that is not started in time fails, and is not run", (ctx) =>
  withPool(ctx, 1, async (pool) => {
    const begun = new ctx.Queue<string>(), gate = new ctx.Queue<unknown>();
    const first = pool.apply(work.holdAs, ["first", begun, gate], { queueTimeout: 20_000 });
    await begun.get();
    const second = pool.apply(work.holdAs, ["second", begun, gate], { queueTimeout: 30 });
    assert.match((await fails(() => second, mp.TimeoutError)).message, /not started within 30 ms/);
    assert.isFalse(first.ready());
    await gate.put(1);
    assert.equal(await first, "first");
    assert.equal(await pool.apply(work.square, [3]), 9);
    assert.isTrue(await isPending(begun.get({ timeout: 1000 }).catch(() => {})));
  }));

// ---- order ----

eachMethod("tasks of higher priority start first, also before those that are on their way", (ctx) =>
  withPool(ctx, 1, async (pool) => {
    const begun = new ctx.Queue<string>(), gate = new ctx.Queue<unknown>();
    const results = [pool.apply(work.holdAs, ["first", begun, gate])];
    assert.equal(await begun.get(), "first");
    for (const [name, priority] of [["low", -1], ["b", 0], ["c", undefined], ["high", 5], ["higher", 5.5], ["high 2", 5]] as const) {
      results.push(pool.apply(work.holdAs, [name, begun, gate], priority === undefined ? {} : { priority }));
      // Each may have got somewhere before the next is there.
      await sleep(2);
    }
    const order: string[] = [];
    for (let i = 0; i < results.length - 1; i++) {
      await gate.put(1);
      order.push(await begun.get());
    }
    await gate.put(1);
    await Promise.all(results);
    assert.deepEqual(order, ["higher", "high", "high 2", "b", "c", "low"]);
  }), { needs: (can) => can.sharedMemory.process ? null : can.reasons["sharedMemory.process"] });

eachMethod("the first task of a higher priority starts before those that are on their way", (ctx) =>
  withPool(ctx, 1, async (pool) => {
    const begun = new ctx.Queue<string>(), gate = new ctx.Queue<unknown>();
    const results = [pool.apply(work.holdAs, ["first", begun, gate])];
    assert.equal(await begun.get(), "first");
    for (const name of ["low", "low 2", "low 3"]) results.push(pool.apply(work.holdAs, [name, begun, gate]));
    // Some are sent.
    for (let i = 0; i < 3; i++) await null;
    results.push(pool.apply(work.holdAs, ["high", begun, gate], { priority: 10 }));
    for (const name of ["high", "low", "low 2", "low 3"]) {
      await gate.put(1);
      assert.equal(await begun.get(), name);
    }
    await gate.put(1);
    await Promise.all(results);
  }));

eachMethod("a task of higher priority goes first though workers start that would be free for all", async (ctx) => {
  const entry = new ctx.Queue<null>();
  await withPool(ctx, { processes: 4, initializer: work.enter, initargs: [entry] }, async (pool) => {
    const begun = new ctx.Queue<string>(), gate = new ctx.Queue<unknown>();
    const results = ["low", "low 2", "low 3"].map((name) => pool.apply(work.holdAs, [name, begun, gate]));
    results.push(pool.apply(work.holdAs, ["high", begun, gate], { priority: 1 }));
    await entry.put(null); // one gets in
    for (const name of ["high", "low", "low 2", "low 3"]) {
      assert.equal(await begun.get(), name);
      await gate.put(1);
    }
    await Promise.all(results);
  });
});

test("tasks of any number of different priorities start in their order", () =>
  withPool(mp.getContext("inline"), 1, async (pool) => {
    for (let round = 0; round < 3; round++) {
      const order: number[] = [], all: { n: number; priority: number; result: mp.AsyncResult }[] = [];
      for (let n = 0; n < 300; n++) {
        const priority = n % 3 === 0 ? Math.random() : n * 7 % 10;
        all.push({ n, priority, result: pool.apply(() => void order.push(n), [], { priority }) });
        const { result } = all[Math.floor(Math.random() * all.length)];
        if (n % 4 === 0) result.cancel();
        // As many as may be go on their way, and are taken back.
        if (n % 5 === 0) await null;
      }
      const left = all.filter(({ n, result }) => !result.ready() && !order.includes(n));
      const wanted = left.sort((a, b) => b.priority - a.priority || a.n - b.n).map(({ n }) => n);
      await Promise.allSettled(all.map(({ result }) => result));
      assert.deepEqual(order.slice(-wanted.length), wanted);
    }
  }));

eachMethod("a slow task holds up no others, however small those are", (ctx) =>
  withPool(ctx, 2, async (pool) => {
    // So that many go together.
    await Promise.all(range(3000).map((n) => pool.apply(work.square, [n])));
    const begun = new ctx.Queue<string>(), gate = new ctx.Queue<unknown>();
    const small = range(500).map((n) => pool.apply(work.square, [n]));
    const slow = pool.apply(work.hold, [begun, gate]);
    const more = range(1000).map((n) => pool.apply(work.square, [n]));
    await begun.get();
    assert.deepEqual(await Promise.all([...small, ...more]), [...range(500), ...range(1000)].map((n) => n ** 2));
    assert.isFalse(slow.ready());
    await gate.put(1);
    await slow;
  }));

eachMethod("more tasks than may wait are refused, and told so", (ctx) =>
  withPool(ctx, { processes: 1, maxQueue: 2 }, async (pool) => {
    const begun = new ctx.Queue<string>(), gate = new ctx.Queue<unknown>();
    const results: mp.AsyncResult[] = [pool.apply(work.hold, [begun, gate])];
    await begun.get();
    let refused = 0;
    for (let i = 0; i < 10; i++) {
      const result = pool.apply(work.hold, [begun, gate]);
      if (!result.ready()) results.push(result);
      else {
        refused++;
        assert.match((await fails(() => result, mp.Full)).message, /maxQueue/);
      }
    }
    assert.equal(results.length, 3);
    assert.equal(refused, 8);
    // A map waits by itself.
    const mapped = pool.map(work.square, range(1000), { chunksize: 1 });
    for (const _ of results) await gate.put(1);
    await Promise.all(results);
    assert.equal((await mapped).length, 1000);
  }));

eachMethod(
  "a pool where none may wait takes as many tasks as it has workers, from the start",
  (ctx) =>
    withPool(ctx, { processes: 2, maxQueue: 0 }, async (pool) => {
      const begun = new ctx.Queue<string>(), gate = new ctx.Queue<unknown>();
      for (let round = 0; round < 2; round++) {
        const results = range(2).map(() => pool.apply(work.hold, [begun, gate]));
        await fails(() => pool.apply(work.square, [1]), mp.Full);
        for (const _ of results) await begun.get();
        await fails(() => pool.apply(work.square, [1]), mp.Full);
        for (const _ of results) await gate.put(1);
        await Promise.all(results);
      }
    }),
);

// ---- workers ----

eachMethod(
  "a worker is replaced after so many tasks, in order, and none is lost",
  (ctx) =>
    withPool(ctx, { processes: 1, maxTasksPerChild: 2 }, async (pool) => {
      const names = await Promise.all(range(6).map(() => pool.apply(work.here)));
      assert.deepEqual(names, [names[0], names[0], names[2], names[2], names[4], names[4]]);
      assert.equal(new Set(names).size, 3);
      // A chunk counts once.
      const chunked = await pool.map(work.here, range(8), { chunksize: 4 });
      assert.equal(new Set(chunked).size, 1);
    }),
);

eachMethod("workers with a limited number of tasks do a backlog, also of a closed pool", async (ctx) => {
  const pool = new ctx.Pool({ processes: 3, maxTasksPerChild: 10 });
  const results = range(100).map((n) => pool.apply(work.squareLater, [n]));
  pool.close();
  assert.deepEqual(await Promise.all(results), range(100).map((n) => n ** 2));
  await pool.join();
});

eachMethod(
  "a worker that uses too much memory is replaced after the task",
  (ctx) =>
    withPool(ctx, { processes: 1, maxMemoryMb: 250 }, async (pool) => {
      const names = new Set<string>();
      for (let i = 0; i < 2; i++) names.add(await pool.apply(work.keep, [50]));
      assert.equal(names.size, 1);
      // Some runtimes count only at a collection.
      for (let i = 0; i < 40 && names.size === 1; i++) names.add(await pool.apply(work.keep, [50]));
      assert.equal(names.size, 2);
      assert.equal(pool.stats().failed, 0);
    }),
  { methods: OWN, needs: (can) => can.reasons.memoryUsed ?? null },
);

test("a limit of memory is refused where nobody tells how much is used", async () => {
  await fails(() => new mp.Pool({ maxMemoryMb: 100 }), mp.UnsupportedError);
}, { needs: (can) => can.reasons.memoryUsed === undefined ? "it is told here" : null });

eachMethod("a pool can grow and shrink", (ctx) =>
  withPool(ctx, 1, async (pool) => {
    const begun = new ctx.Queue<string>(), gate = new ctx.Queue<unknown>();
    const results = range(4).map(() => pool.apply(work.hold, [begun, gate]));
    await begun.get();
    assert.isTrue(await isPending(begun.get().then((name) => begun.put(name))));
    await fails(() => pool.resize(0), RangeError);
    pool.resize(3);
    assert.equal(pool.size, 3);
    for (let i = 0; i < 2; i++) await begun.get();
    pool.resize(1);
    for (let i = 0; i < 4; i++) await gate.put(1);
    await Promise.all(results);
    await until("shrunk", () => pool.stats().workers.length === 1);
    assert.equal(await pool.apply(work.square, [3]), 9);
  }));

eachMethod(
  "an elastic pool starts workers as they are needed, and lets them go",
  (ctx) =>
    withPool(ctx, { processes: 3, minProcesses: 0, idleTimeout: 100 }, async (pool) => {
      assert.deepEqual(pool.stats().workers, []);
      // One after another, one is enough.
      const names = new Set<string>();
      for (let i = 0; i < 3; i++) names.add(await pool.apply(work.here));
      assert.equal(names.size, 1);
      const begun = new ctx.Queue<string>(), gate = new ctx.Queue<unknown>();
      const results = range(9).map(() => pool.apply(work.hold, [begun, gate]));
      const busy = new Set([await begun.get(), await begun.get(), await begun.get()]);
      assert.equal(busy.size, 3);
      assert.equal(pool.stats().workers.length, 3);
      for (let i = 0; i < 9; i++) await gate.put(1);
      await Promise.all(results);
      await until("let all go", () => pool.stats().workers.length === 0);
      assert.equal(await pool.apply(work.square, [3]), 9);
    }),
);

eachMethod("an idle worker's own timers go on, unless it is to block", async (ctx) => {
  await withPool(ctx, { processes: 1, initializer: work.startTicking }, async (pool) => {
    const before = await pool.apply(work.ticked);
    await until("ticked", async () => {
      await sleep(20);
      return await pool.apply(work.ticked) > before + 5;
    });
  });
});

eachMethod("workers may block while there is nothing to do", (ctx) =>
  withPool(ctx, { processes: 2, idle: "block" }, async (pool) => {
    for (let i = 0; i < 50; i++) assert.equal(await pool.apply(work.square, [i]), i ** 2);
    assert.deepEqual(await pool.map(work.squareLater, range(30)), range(30).map((n) => n ** 2));
    const said = new ctx.Queue<string>();
    const result = pool.apply(work.untilStopped, [said]);
    await said.get();
    result.cancel();
    assert.equal(await said.get(), "stopped: AbortError");
  }));

eachMethod("events tell of the workers", async (ctx) => {
  const started: mp.WorkerStart[] = [], ended: mp.WorkerExit[] = [];
  const pool = new ctx.Pool({ processes: 2, minProcesses: 0 });
  try {
    pool.on("workerstart", (start) => started.push(start)).on("workerexit", (exit) => ended.push(exit));
    const off = () => assert.fail("off");
    pool.on("workerexit", off).off("workerexit", off);
    await fails(() => pool.on("nothing" as never, () => {}), TypeError);
    await pool.map(work.squareLater, range(10), { chunksize: 1 });
    await until("told of both", () => started.length === 2);
    for (const { pid, name } of started) {
      assert.isNumber(pid);
      assert.match(name, /^PoolWorker-[12]$/);
    }
    pool.close();
    await pool.join();
    await until("told of their ends", () => ended.length === 2);
    for (const { exitcode, error } of ended) assert.deepEqual([exitcode, error], [0, null]);
  } finally {
    await pool[Symbol.asyncDispose]();
  }
});

eachMethod("statistics add up", (ctx) =>
  withPool(ctx, 2, async (pool) => {
    await pool.map(work.sleep, range(10).map(() => 5), { chunksize: 1 });
    await Promise.allSettled(range(4).map((n) => pool.apply(work.failIfOdd, [n])));
    const { workers, queued, running, done, failed, latency } = pool.stats();
    assert.deepEqual([queued, running, done, failed], [0, 0, 12, 2]);
    assert.equal(workers.length, 2);
    await until("counted", () => pool.stats().workers.reduce((sum, { tasks }) => sum + tasks, 0) === 14);
    assert.isAtLeast(latency.run.count, 10);
    assert.isAtLeast(latency.run.p99, 3);
    const { run, wait } = latency;
    for (const { min, p50, p90, p99, max, mean } of [run, wait]) {
      assert.isTrue(min <= p50 && p50 <= p90 && p90 <= p99 && p99 <= max && min <= mean && mean <= max);
    }
    if (ctx.getStartMethod() === "process") assert.isTrue(workers.some(({ memory }) => memory > 2 ** 20));
  }));

// ---- inside of tasks ----

eachMethod("a task knows its number and its attempt, and tells how far it is", (ctx) =>
  withPool(ctx, 1, async (pool) => {
    const first = await pool.apply(work.describeTask), second = await pool.apply(work.describeTask);
    assert.deepEqual(first, { id: first.id, attempt: 1, aborted: false });
    assert.isAbove(second.id, first.id);
    const told: mp.Progress[] = [];
    assert.equal(await pool.apply(work.progressing, [3], { onProgress: (progress) => told.push(progress) }), 3);
    assert.deepEqual(told.map(({ value }) => value), [{ i: 1 }, { i: 2 }, { i: 3 }, undefined]);
    assert.deepEqual(told.at(-1), { done: 1, total: 1, failed: 0 });
    const all: mp.Progress[] = [];
    await pool.map(work.progressing, [2, 0, 1], { chunksize: 1, onProgress: (progress) => all.push(progress) });
    assert.deepEqual(all.filter(({ value }) => value === undefined).map(({ done, total }) => [done, total]), [[1, 3], [2, 3], [3, 3]]);
    assert.equal(all.length, 6);
  }));

eachMethod("nothing more is told of a map that was cancelled", (ctx) =>
  withPool(ctx, 1, async (pool) => {
    const told: mp.Progress[] = [];
    const onProgress = (progress: mp.Progress) => {
      if (told.push(progress) === 2) map.cancel();
    };
    const map = pool.map(work.square, range(6), { chunksize: 1, onProgress });
    await fails(() => map, mp.CancelledError);
    assert.equal(await pool.apply(work.square, [3]), 9);
    assert.deepEqual(told, [1, 2].map((done) => ({ done, total: 6, failed: 0 })));
  }));

eachMethod("a callback's own error is an uncaught one, and harms no task", (ctx) =>
  withPool(ctx, 2, (pool) =>
    uncaught(async (errors) => {
      const onProgress = () => {
        throw new RangeError("mine");
      };
      assert.deepEqual(await Promise.all(range(10).map((n) => pool.apply(work.square, [n], { onProgress }))), range(10).map((n) => n ** 2));
      assert.deepEqual(await pool.map(work.progressing, [2, 0, 1], { chunksize: 1, onProgress }), [2, 0, 1]);
      const lazy: number[] = [];
      for await (const n of pool.imap(work.square, range(10), { chunksize: 2, onProgress })) lazy.push(n);
      assert.deepEqual(lazy, range(10).map((n) => n ** 2));
      await until("told of all errors", () => errors.length === 10 + 6 + 5);
      for (const error of errors) assert.instanceOf(error, RangeError);
    })));

eachMethod("what cannot be read where it arrives fails its own task", (ctx) =>
  withPool(ctx, 2, (pool) =>
    uncaught(async (errors) => {
      for (let round = 0; round < 3; round++) {
        await fails(() => pool.apply(work.unreadable), work.OddError);
        await fails(() => pool.apply(work.same, [new work.Unreadable()]), work.OddError);
        assert.equal(await pool.apply(work.square, [round]), round ** 2);
      }
      // Where workers speak through pipes, this is told by the task; elsewhere it is nobody's.
      const outcome = await pool.apply(work.progressUnreadable).catch((error: unknown) => error);
      if (outcome === undefined) await until("told of the error", () => errors.length === 1);
      assert.instanceOf(outcome ?? errors[0], work.OddError);
      assert.equal(await pool.apply(work.square, [7]), 49);
      assert.equal(pool.stats().workers.length, 2);
    })));

test("there is no current task outside of one", async () => {
  await fails(() => mp.currentTask(), mp.ProcessError);
});

eachMethod("a worker may have a pool of its own, daemonic as it is", (ctx) =>
  withPool(ctx, 2, async (pool) => {
    const method = ctx.getStartMethod()!;
    const all = await Promise.all(range(2).map((n) => pool.apply(work.nested, [method, range(n + 3)])));
    assert.deepEqual(all, [{ daemon: true, sum: 5 }, { daemon: true, sum: 14 }]);
  }), { follows: true });

eachMethod("workers give way to others as they are asked to", (ctx) =>
  withPool(ctx, { processes: 1, nice: 7 }, async (pool) => {
    assert.equal(await pool.apply(work.niceness), 7);
  }), { methods: ["process"] });

eachMethod("several pools share the work of a program", async (ctx) => {
  const pools = [new ctx.Pool(1), new ctx.Pool(2), new ctx.Pool({ processes: 1, maxTasksPerChild: 3 })];
  try {
    const all = await Promise.all(pools.map((pool) => pool.map(work.squareLater, range(30), { chunksize: 1 })));
    for (const one of all) assert.deepEqual(one, range(30).map((n) => n ** 2));
    assert.equal(new Set(pools.flatMap(pids)).size, ctx.getStartMethod() === "process" ? 4 : 1);
  } finally {
    for (const pool of pools) await pool[Symbol.asyncDispose]();
  }
});

test("without shared memory, pools work all the same", async () => {
  const ctx = mp.getContext("process");
  await withPool(ctx, 2, async (pool) => {
    assert.deepEqual(await pool.map(work.square, range(100)), range(100).map((n) => n ** 2));
    assert.deepEqual((await gather(pool.imapUnordered(work.square, range(10)))).sort((a, b) => a - b), range(10).map((n) => n ** 2));
  });
}, {
  needs: (can) => can.startMethods.includes("process") && answersAtOnce("process") !== null ? null : "memory is shared with processes",
});

test("a pool's start method is the default context's, or the options'", async () => {
  const pool = new mp.Pool({ processes: 1, startMethod: "inline" });
  try {
    assert.equal(await pool.apply(() => 5), 5);
    assert.deepEqual(pids(pool), [process.pid]);
  } finally {
    await pool[Symbol.asyncDispose]();
  }
});
