/** What becomes of a pool's tasks when something goes wrong: every result settles, whatever a task does. */
import process from "node:process";
import { assert } from "chai";
import * as mp from "../mod.ts";
import * as work from "./fixtures/pool.ts";
import { eachMethod, test } from "./harness.ts";
import { kill, withPool } from "./pools.ts";
import { collectGarbage, collects } from "./shared.ts";
import { fails, isPending, until } from "./timing.ts";

const OWN: mp.StartMethod[] = ["process", "thread"];
const range = (n: number) => Array.from({ length: n }, (_, i) => i);

/** The pool is as good as new. */
async function isWell(pool: mp.Pool): Promise<void> {
  const { size } = pool;
  await until(`had ${size} workers`, () => pool.stats().workers.filter(({ state }) => state === "idle").length === size);
  assert.equal(pool.stats().workers.length, size);
  assert.deepEqual(await pool.map(work.square, range(20), { chunksize: 1 }), range(20).map((n) => n ** 2));
}

// ---- values and errors that cannot travel ----

eachMethod("results that cannot travel are errors that show them, and the others come", (ctx) =>
  withPool(ctx, 1, async (pool) => {
    const error = await fails(() => pool.apply(work.giveFunction), mp.DataCloneError);
    assert.match(error.message, /result/);
    assert.match((await fails(() => pool.map(work.giveFunctionIfOdd, [0, 2, 3, 4]), mp.DataCloneError)).message, /deep\[0\]/);
    const results = pool.imap(work.giveFunctionIfOdd, range(4), { chunksize: 4 });
    assert.equal((await results.next()).value, 0);
    await fails(() => results.next(), mp.DataCloneError);
    assert.equal((await results.next()).value, 2);
    await fails(() => results.next(), mp.DataCloneError);
    assert.isTrue((await results.next()).done);
    assert.equal(await pool.apply(work.square, [2]), 4);
  }));

eachMethod("anything may be thrown", (ctx) =>
  withPool(ctx, 1, async (pool) => {
    const caught = async (fn: () => never) => {
      let caught: unknown = "nothing was thrown";
      await pool.apply(fn).catch((error) => caught = error);
      return caught;
    };
    assert.isUndefined(await caught(work.throwUndefined));
    assert.equal(await caught(work.throwText), "just text");
    const cycle = await caught(work.throwCycle) as Error & { self: unknown };
    assert.instanceOf(cycle, Error);
    assert.equal(cycle.message, "in circles");
    assert.strictEqual(cycle.self, cycle);
    const odd = await caught(work.throwFunction) as Error & { code: string };
    assert.instanceOf(odd, Error);
    assert.include(odd.message, "with a function");
    assert.equal(odd.code, "E_FN");
    assert.equal(await pool.apply(work.square, [2]), 4);
  }));

eachMethod("an error that cannot be read here is told as such, and the others come", (ctx) =>
  withPool(ctx, 1, async (pool) => {
    const results = [pool.apply(work.square, [2]), pool.apply(work.failUnreadably), pool.apply(work.square, [3])];
    assert.match((await fails(() => results[1], Error)).message, /cannot be read|nobody reads this/);
    assert.deepEqual([await results[0], await results[2]], [4, 9]);
    assert.equal(await pool.apply(work.square, [4]), 16);
  }));

eachMethod("what travels is encoded once, where it comes from, and read where it goes to", (ctx) =>
  withPool(ctx, 1, async (pool) => {
    const name = await pool.apply(work.here);
    assert.equal(await pool.apply(work.useTicket, [new work.Ticket()]), "used");
    assert.deepEqual(await pool.map(work.useTicket, range(3).map(() => new work.Ticket())), ["used", "used", "used"]);
    assert.deepEqual(await pool.apply(work.giveOnce), { x: 1 });
    await fails(() => pool.apply(work.same, [new work.Unreadable()]), work.OddError);
    await fails(() => pool.apply(work.unreadable), work.OddError);
    assert.equal(await pool.apply(work.here), name);
  }));

eachMethod("a task that was given what is closed before it is sent fails alone", (ctx) =>
  withPool(ctx, 1, async (pool) => {
    // It knows that calls are short, and so sends several together.
    await Promise.all(range(300).map((n) => pool.apply(work.square, [n])));
    const begun = new ctx.Queue<string>(), gate = new ctx.Queue<unknown>(), closed = new ctx.Queue<number>();
    const [end] = ctx.Pipe(), held = range(3).map(() => pool.apply(work.hold, [begun, gate]));
    const results = [pool.apply(work.putInto, [closed, 1]), pool.apply(work.same, [end]), pool.apply(work.square, [3])];
    closed.close();
    end.close();
    for (const _ of held) await gate.put(1);
    await Promise.all(held);
    await fails(() => results[0], mp.ProcessError);
    await fails(() => results[1], mp.ProcessError);
    assert.equal(await results[2], 9);
  }));

// ---- workers that end ----

const ENDINGS: {
  name: string;
  fn: mp.Target;
  args?: unknown[];
  exitcode: (ctx: mp.Context) => number | null;
  methods: mp.StartMethod[];
}[] = [
  { name: "exits with 0", fn: work.exit, args: [0], exitcode: () => 0, methods: OWN },
  { name: "exits with 1", fn: work.exit, args: [1], exitcode: () => 1, methods: OWN },
  { name: "exits with 7", fn: work.exit, args: [7], exitcode: () => 7, methods: OWN },
  { name: "is killed", fn: work.killed, exitcode: () => -9, methods: ["process"] },
  { name: "is terminated by itself", fn: work.terminated, exitcode: () => -15, methods: ["process"] },
  { name: "throws in its back", fn: work.throwMeanwhile, exitcode: () => 1, methods: OWN },
];
for (const { name, fn, args = [], exitcode, methods } of ENDINGS) {
  eachMethod(`the result of a task whose worker ${name} says so, and the pool goes on`, (ctx) =>
    withPool(ctx, 2, async (pool) => {
      const others = range(6).map((n) => pool.apply(work.squareLater, [n]));
      const result = pool.apply(fn, args);
      const error = await fails(() => result, mp.WorkerDiedError) as mp.WorkerDiedError;
      assert.equal(error.exitcode, exitcode(ctx));
      assert.isNumber(error.pid);
      assert.isAbove(error.task, 0);
      assert.match(error.message, /PoolWorker-\d+ died while it ran the task: /);
      assert.match(error.stack!, /pool_ends_test/);
      assert.deepEqual(await Promise.all(others), range(6).map((n) => n ** 2));
      await isWell(pool);
    }), { methods });
}

eachMethod(
  "a task that runs out of memory fails alone",
  (ctx) =>
    withPool(ctx, { processes: 1, resourceLimits: { maxOldSpaceMb: 64 } }, async (pool) => {
      const error = await fails(() => pool.apply(work.exhaustMemory), mp.WorkerDiedError, [0, 60_000]);
      assert.match(error.message, /memory/);
      await isWell(pool);
    }),
  {
    methods: OWN,
    timeoutMs: 90_000,
    needs: (can) => can.runtime.startsWith("node") ? null : "memory can be limited on Node",
  },
);

eachMethod(
  "what a task throws after it returned ends its worker, and at most the task that runs there then",
  (ctx) =>
    withPool(ctx, 1, async (pool) => {
      const exits: mp.WorkerExit[] = [];
      pool.on("workerexit", (exit) => exits.push(exit));
      assert.equal(await pool.apply(work.throwAfterwards), "returned");
      await until("ended", () => exits.length === 1);
      assert.equal(exits[0].exitcode, 1);
      assert.match(String(exits[0].error), /afterwards/);
      await isWell(pool);
    }),
  { methods: OWN },
);

eachMethod("a task may close what ties it to its parent", (ctx) =>
  withPool(ctx, 1, async (pool) => {
    const result = await pool.apply(work.cutOff).catch((error: unknown) => error);
    if (result !== "cut off") assert.instanceOf(result, mp.WorkerDiedError);
    assert.equal(await pool.apply(work.square, [2]), 4);
  }), { methods: OWN });

eachMethod("a chunk whose worker dies fails as a whole, the others of the map are right", (ctx) =>
  withPool(ctx, 2, async (pool) => {
    const results = pool.imap(work.exitIfSeven, range(12), { chunksize: 3 });
    for (let n = 0; n < 12; n++) {
      if (n < 6 || n > 8) assert.equal((await results.next()).value, n);
      else await fails(() => results.next(), mp.WorkerDiedError);
    }
    await fails(() => pool.map(work.exitIfSeven, range(12), { chunksize: 3 }), mp.WorkerDiedError);
    await isWell(pool);
  }), { methods: OWN });

eachMethod(
  "a task whose worker dies is tried again as often as is asked for",
  (ctx) =>
    withPool(ctx, { processes: 2, retries: 1 }, async (pool) => {
      const ledger = new ctx.Queue<number>();
      assert.equal(await pool.apply(work.exitOnce, [ledger]), "attempt 2");
      assert.deepEqual([await ledger.get(), await ledger.get()], [1, 2]);
      await fails(() => pool.apply(work.exit, [3]), mp.WorkerDiedError);
      await fails(() => pool.apply(work.exitOnce, [ledger], { retries: 0 }), mp.WorkerDiedError);
      // What it throws is a result as good as another.
      await fails(() => pool.apply(work.failIfOdd, [1], { retries: 5 }), work.OddError);
      assert.equal(await ledger.get(), 1);
      await isWell(pool);
    }),
  { methods: OWN },
);

eachMethod("a worker that somebody kills costs the task that it runs, and no other", (ctx) =>
  withPool(ctx, 2, async (pool) => {
    const begun = new ctx.Queue<string>(), gate = new ctx.Queue<unknown>();
    const results = range(6).map(() => pool.apply(work.hold, [begun, gate]));
    const names = [await begun.get(), await begun.get()];
    process.kill(Number(names[0].split(" ")[1]), "SIGKILL");
    // Before that, what is put may still be sent to it where no memory is shared.
    await until("known to be dead", () => results.some((result) => result.ready()));
    // The other one goes on with them.
    for (let i = 0; i < 5; i++) await gate.put(i);
    const ends = await Promise.allSettled(results);
    const lost = ends.filter(({ status }) => status === "rejected") as PromiseRejectedResult[];
    assert.lengthOf(lost, 1);
    assert.instanceOf(lost[0].reason, mp.WorkerDiedError);
    assert.equal(lost[0].reason.exitcode, -9);
    await isWell(pool);
  }), { methods: ["process"] });

eachMethod(
  "a task that is cancelled when its worker's end is told is not tried again, and harms no other",
  (ctx) =>
    withPool(ctx, { processes: 1, retries: 1 }, async (pool) => {
      const begun = new ctx.Queue<string>(), gate = new ctx.Queue<unknown>(), held = pool.apply(work.hold, [begun, gate]);
      const ended = new Promise<boolean>((resolve) => pool.on("workerexit", () => resolve(held.cancel())));
      kill(Number((await begun.get()).split(" ")[1]));
      assert.isTrue(await ended);
      await fails(() => held, mp.CancelledError);
      await isWell(pool);
      assert.isTrue(await isPending(begun.get({ timeout: 1000 }).catch(() => {})));
      const { queued, running, failed } = pool.stats();
      assert.deepEqual({ queued, running, failed }, { queued: 0, running: 0, failed: 1 });
    }),
  { methods: ["process"] },
);

eachMethod("idle workers may be killed at any time", (ctx) =>
  withPool(ctx, 2, async (pool) => {
    for (let i = 0; i < 3; i++) {
      await isWell(pool);
      for (const { pid } of pool.stats().workers) kill(pid!);
      assert.deepEqual(await pool.map(work.square, range(50)), range(50).map((n) => n ** 2));
    }
    await isWell(pool);
  }), { methods: ["process"] });

eachMethod("each of many deaths is told to its own task", (ctx) =>
  withPool(ctx, 2, async (pool) => {
    const results = await Promise.allSettled(range(12).map((n) => n % 3 === 0 ? pool.apply(work.exit, [n]) : pool.apply(work.square, [n])));
    for (const [n, result] of results.entries()) {
      if (n % 3 !== 0) assert.deepEqual(result, { status: "fulfilled", value: n ** 2 });
      else assert.equal((result as PromiseRejectedResult).reason.exitcode, n);
    }
    await isWell(pool);
  }), { methods: OWN });

// ---- initializers ----

eachMethod("the initializer runs once in each worker, before its tasks", (ctx) => {
  const queue = new ctx.SimpleQueue<string>();
  return withPool(ctx, { processes: 2, initializer: work.initializeLater, initargs: [queue, "ready"] }, async (pool) => {
    const names = [await queue.get(), await queue.get()];
    assert.equal(new Set(names).size, 2);
    const all = await pool.map(work.initialized, range(20), { chunksize: 1 });
    const wanted = ctx.getStartMethod() === "inline" ? all[0] : ["ready"];
    for (const one of all) assert.deepEqual(one, wanted);
    assert.isTrue(queue.empty());
  });
}, { needs: (can) => can.sharedMemory.process ? null : can.reasons["sharedMemory.process"] });

eachMethod("an initializer that throws breaks the pool: tasks get its error, and no more workers are started", async (ctx) => {
  const pool = new ctx.Pool({ processes: 2, initializer: work.failToInitialize });
  let started = 0;
  pool.on("workerstart", () => started++);
  try {
    for (let i = 0; i < 2; i++) {
      const error = await fails(() => pool.apply(work.square, [1]), RangeError) as RangeError & { code: string };
      assert.equal(error.message, "cannot begin");
      assert.equal(error.code, "E_INIT");
      assert.match(error.stack!, /failToInitialize/);
    }
    await fails(() => pool.map(work.square, [1, 2]), RangeError);
    await pool.join();
    assert.equal(started, 0);
    assert.deepEqual(pool.stats().workers, []);
  } finally {
    pool.terminate();
    await pool.join();
  }
});

eachMethod("workers that end before they begin break the pool", async (ctx) => {
  const pool = new ctx.Pool({ processes: 1, initializer: work.exitAtOnce });
  try {
    const error = await fails(() => pool.apply(work.square, [1]), mp.ProcessError, [0, 29_000]);
    assert.match(error.message, /end before they can begin.*exited with code 4/);
    await fails(() => pool.apply(work.square, [1]), mp.ProcessError);
    await pool.join();
  } finally {
    pool.terminate();
    await pool.join();
  }
}, { methods: OWN });

test("a worker that cannot be started breaks the pool with the reason", async () => {
  const pool = new mp.Pool({ processes: 2, startMethod: "process", env: { PATH: "/nowhere" }, runtime: missingRuntime() });
  try {
    await fails(() => pool.apply(work.square, [1]), Error, [0, 29_000]);
    await pool.join();
  } finally {
    pool.terminate();
    await pool.join();
  }
}, { needs: (can) => can.startMethods.includes("process") ? null : "there are no processes" });

/** A runtime that is not to be found, for as long as the pool is made. */
function missingRuntime(): mp.RuntimeName {
  const runtime = mp.capabilities().runtime.startsWith("node") ? "bun" : "node";
  process.env[`POLYPROC_${runtime.toUpperCase()}`] = "/nowhere/at/all";
  return runtime;
}

// ---- what outlives its use ----

eachMethod("what a task leaves open keeps no worker that is to end", async (ctx) => {
  const startMethod = ctx.getStartMethod()!;
  await withPool(ctx, { processes: 1, maxTasksPerChild: 1 }, async (pool) => {
    assert.deepEqual(await pool.map(work.leaveOpen, range(3), { chunksize: 1 }), range(3));
  });
  const pool = new ctx.Pool(2);
  assert.deepEqual(await pool.map(work.leaveOpen, range(8), { chunksize: 1 }), range(8));
  pool.resize(1);
  await until("let one go", () => pool.stats().workers.length === 1);
  pool.close();
  await pool.join();
  const executor = new mp.ProcessPoolExecutor({ maxWorkers: 1, startMethod });
  assert.equal(await executor.submit(work.leaveOpen, 1), 1);
  await executor.shutdown();
}, { methods: OWN });

eachMethod("tasks that were given up keep nothing of what they were to be given", (ctx) =>
  withPool(ctx, 1, async (pool) => {
    const begun = new ctx.Queue<string>(), gate = new ctx.Queue<unknown>();
    const held = pool.apply(work.hold, [begun, gate]);
    await begun.get();
    const waiting = range(5).map((n) => pool.apply(work.square, [n]));
    const buffers = () => process.memoryUsage().arrayBuffers / 2 ** 20, before = buffers();
    for (let i = 0; i < 3000; i++) {
      const result = pool.apply(work.lengthOf, [new Uint8Array(10_000)]);
      assert.isTrue(result.cancel());
      result.catch(() => {});
    }
    await collectGarbage();
    assert.isBelow(buffers() - before, 10);
    await gate.put(null);
    await held;
    assert.deepEqual(await Promise.all(waiting), range(5).map((n) => n ** 2));
  }), { methods: OWN, needs: () => process.versions?.node === undefined ? "this runtime does not count buffers" : collects() });
