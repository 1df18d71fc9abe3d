/** Pools and executors, used awkwardly: closed early, cancelled from callbacks, given iterables and values that misbehave. Whatever it is, every promise settles. */
import { setTimeout } from "node:timers";
import { assert } from "chai";
import * as mp from "../mod.ts";
import * as work from "./fixtures/pool.ts";
import { eachMethod, test, uncaught } from "./harness.ts";
import { withPool } from "./pools.ts";
import { fails, until } from "./timing.ts";

const range = (n: number) => Array.from({ length: n }, (_, i) => i);
const executor = (ctx: mp.Context, maxWorkers = 1, others: mp.ExecutorOptions = {}) =>
  new mp.ProcessPoolExecutor({ maxWorkers, startMethod: ctx.getStartMethod()!, ...others });

/** Runs `body` with an executor, which is shut down afterwards. */
async function withExecutor(ctx: mp.Context, maxWorkers: number, body: (executor: mp.ProcessPoolExecutor) => Promise<void>): Promise<void> {
  const pool = executor(ctx, maxWorkers);
  try {
    await body(pool);
  } finally {
    await pool.shutdown({ cancelFutures: true });
  }
}

eachMethod("a map is done whole by a pool that is closed right after", async (ctx) => {
  const pool = new ctx.Pool(2), results = [pool.map(work.squareLater, range(50)), pool.map(work.squareLater, range(50), { chunksize: 1 })];
  pool.close();
  await pool.join();
  for (const result of results) assert.deepEqual(await result, range(50).map((n) => n ** 2));
});

eachMethod("what waits goes on when what was sent is withdrawn", (ctx) =>
  withExecutor(ctx, 1, async (pool) => {
    const futures = range(3).map((n) => pool.submit(work.square, n));
    for (let i = 0; i < 3; i++) await null;
    for (const future of futures.slice(0, 2)) future.cancel();
    assert.equal(await futures[2], 4);
  }));

eachMethod("workers that cannot be started are every future's error", async (ctx) => {
  const pool = executor(ctx, 1, { initializer: work.square, initargs: [() => {}] });
  await fails(() => pool.submit(work.square, 1), mp.DataCloneError);
  await pool.shutdown();
}, { methods: ["process", "thread"] });

eachMethod("a callback may cancel other futures while all are failed", async (ctx) => {
  const pool = executor(ctx), [first, second] = [pool.submit(work.sleep, 10_000), pool.submit(work.square, 2)];
  first.addDoneCallback(() => second.cancel());
  const over = pool.shutdown();
  pool.terminateWorkers();
  await over;
  assert.isTrue(first.done() && second.done());
});

eachMethod(
  "two may wait for the next completed future at once, and none once the loop is left",
  (ctx) =>
    withExecutor(ctx, 2, async (pool) => {
      const both = mp.asCompleted([pool.submit(work.sleep, 20), pool.submit(work.sleep, 40)]);
      assert.deepEqual((await Promise.all([both.next(), both.next(), both.next()])).map(({ done }) => done ?? false), [false, false, true]);
      const [begun, gate] = [new ctx.Queue<string>(), new ctx.Queue<unknown>()];
      const held = mp.asCompleted([pool.submit(work.hold, begun, gate)]), waiting = held.next();
      await begun.get();
      await held.return!();
      assert.isTrue((await waiting).done);
      await gate.put(1);
    }),
);

eachMethod("a lazy map whose loop is left lets a source be that never goes on", (ctx) =>
  withPool(ctx, 2, async (pool) => {
    async function* source() {
      yield 3;
      await new Promise(() => {});
    }
    for await (const result of pool.imap(work.square, source())) {
      assert.equal(result, 9);
      break;
    }
  }));

eachMethod("a lazy map of a pool that is terminated takes nothing more, and says that it was cancelled", async (ctx) => {
  const pool = new ctx.Pool(1);
  let taken = 0;
  function* source() {
    for (;;) {
      taken++;
      yield 500;
    }
  }
  async function* slowSource() {
    yield 500;
    taken++;
    await new Promise(() => {});
  }
  const results = [pool.imap(work.sleep, source()), pool.imap(work.sleep, slowSource(), { chunksize: 2 })];
  const first = results.map((result) => result.next());
  await until("begun", () => pool.stats().running === 1 && taken > 1);
  const before = taken;
  pool.terminate();
  await Promise.all(first.map((result) => fails(() => result, mp.CancelledError)));
  for (const result of results) {
    for (let end; !(end = await result.next().catch((error) => ({ error, done: false }))).done;) {
      assert.instanceOf((end as { error?: unknown }).error, mp.CancelledError);
    }
  }
  assert.equal(taken, before);
  await pool.join();
});

eachMethod("a lazy map takes a source whose results are any thenables", (ctx) =>
  withPool(ctx, 2, async (pool) => {
    let left = 3;
    const thenable = (result: IteratorResult<number>) => ({
      then(take: (result: IteratorResult<number>) => void) {
        setTimeout(() => take(result), 1);
      },
    });
    const next = () =>
      thenable(left-- === 0 ? { done: true, value: undefined } : { done: false, value: left + 1 }) as Promise<IteratorResult<number>>;
    const results: number[] = [];
    for await (const result of pool.imap(work.square, { [Symbol.asyncIterator]: () => ({ next }) })) {
      results.push(result);
    }
    assert.deepEqual(results, [9, 4, 1]);
  }));

eachMethod("items that cannot be sent hold up nobody who waits for further ones", (ctx) =>
  withPool(ctx, 1, async (pool) => {
    async function* source() {
      yield* [(() => {}) as unknown as number, 2, 3];
    }
    const results = pool.imap(work.square, source(), { buffersize: 1 });
    const ends = await Promise.allSettled([results.next(), results.next(), results.next(), results.next()]);
    assert.deepEqual(ends.slice(1).map((end) => end.status === "fulfilled" && (end.value.value as unknown)), [4, 9, undefined]);
    if (ctx.getStartMethod() !== "inline") assert.equal(ends[0].status, "rejected");
  }), { methods: ["process", "thread"] });

eachMethod("a source that opens at the second attempt loses nothing", (ctx) =>
  withPool(ctx, 1, async (pool) => {
    let attempts = 0;
    const results = pool.imap(work.square, {
      *[Symbol.iterator]() {
        yield* [1, 2];
      },
      get [Symbol.asyncIterator](): undefined {
        if (attempts++ < 1) throw new RangeError("not yet");
        return undefined;
      },
    });
    await fails(() => results.next(), RangeError);
    assert.deepEqual([(await results.next()).value, (await results.next()).value, (await results.next()).done], [1, 4, true]);
  }));

eachMethod("getters among the arguments may end the pool, or abort their own task", async (ctx) => {
  const pool = new ctx.Pool(1), controller = new AbortController();
  const aborting = {
    get x() {
      controller.abort(new RangeError("mine"));
      return 1;
    },
  };
  await fails(() => pool.apply(work.same, [aborting], { signal: controller.signal }), RangeError);
  const ending = {
    get x() {
      pool.terminate();
      return 1;
    },
  };
  await fails(() => pool.apply(work.same, [ending]), mp.ProcessError);
  await pool.join();
});

eachMethod(
  "values that encode otherwise each time, and errors that cannot be printed, are their own tasks' errors",
  (ctx) =>
    withPool(ctx, 1, async (pool) => {
      await fails(() => pool.apply(work.failUnprintably), Error);
      const ends = await Promise.allSettled([pool.map(work.giveFickle, range(4), { chunksize: 4 }), pool.apply(work.square, [3])]);
      assert.deepEqual(ends.map(({ status }) => status), ["rejected", "fulfilled"]);
      assert.lengthOf(pool.stats().workers, 1);
    }),
);

eachMethod("a size that is none is refused", (ctx) =>
  withPool(ctx, 1, async (pool) => {
    for (const size of [undefined, {}, "2", 0, 1.5, NaN]) await fails(() => pool.resize(size as number), Error);
    assert.equal(await pool.apply(work.square, [2]), 4);
  }));

eachMethod("a module that listens for SIGTERM does not keep its worker from being terminated", async (ctx) => {
  const pool = new ctx.Pool({ processes: 1, grace: 100 });
  await pool.apply(work.ignoreSigterm);
  pool.terminate();
  await pool.join();
}, { methods: ["process"] });

eachMethod("workers that were asked to end, and do not, can be killed before their grace is over", async (ctx) => {
  const pool = executor(ctx, 1, { grace: 60_000 });
  await pool.submit(work.ignoreSigterm);
  const begun = new ctx.Queue<string>(), future = pool.submit(work.spin, begun);
  await begun.get();
  pool.terminateWorkers();
  await fails(() => future, mp.CancelledError);
  pool.killWorkers();
  await pool.shutdown();
}, { methods: ["process"] });

eachMethod(
  "a task tells what cannot travel, and is told so",
  (ctx) =>
    withPool(ctx, 1, async (pool) => {
      assert.match(await pool.apply(work.progressFunction), /^DataCloneError: Cannot send value: a function cannot travel/);
    }),
  { methods: ["process", "thread"] },
);

eachMethod(
  "an abort reason that nobody may look at is its own task's alone",
  (ctx) =>
    withPool(ctx, 1, (pool) =>
      uncaught(async (errors) => {
        const controller = new AbortController();
        const reason = new Proxy({}, {
          getPrototypeOf() {
            throw new RangeError("not to be looked at");
          },
        });
        const result = pool.apply(work.sleep, [10_000], { signal: controller.signal, grace: 10 });
        controller.abort(reason);
        await until("told of it", () => errors.length > 0 || result.ready());
        assert.isTrue(result.ready());
        assert.equal(await pool.apply(work.square, [4]), 16);
        assert.equal(pool.stats().queued, 0);
      })),
);

test("inline pools run the right one of more functions than fit into a small number", () =>
  withPool(mp.getContext("inline"), 2, async (pool) => {
    for (let from = 0; from < 70_000; from += 1_000) {
      const numbers = range(1_000).map((n) => from + n);
      assert.deepEqual(await Promise.all(numbers.map((n) => pool.apply(() => n))), numbers);
    }
  }));

test("a log's handler that throws harms nobody who logs", () =>
  uncaught(async (errors) => {
    const logger = mp.getLogger(),
      level = logger.level,
      handler = () => {
        throw new RangeError("disk full");
      };
    logger.setLevel("DEBUG");
    logger.addHandler(handler);
    try {
      await withPool(mp.getContext(), { processes: 1, maxTasksPerChild: 1 }, async (pool) =>
        assert.deepEqual(
          await Promise.all(range(3).map((n) => pool.apply(work.square, [n]))),
          [0, 1, 4],
        ));
    } finally {
      logger.removeHandler(handler);
      logger.setLevel(level);
    }
    await until("told", () => errors.length > 0);
    for (const error of errors) assert.instanceOf(error, RangeError);
  }));

test("what is moved in one call is copied in the next", async () => {
  const ctx = mp.getContext("thread");
  await withPool(ctx, 1, async (pool) => {
    const bytes = new Uint8Array(100).fill(7);
    await fails(() => pool.apply(work.same, [[bytes, () => {}]], { transfer: [bytes.buffer] }), mp.DataCloneError);
    assert.equal(await pool.apply(work.lengthOf, [bytes]), 100);
    assert.equal(bytes.length, 100);
    // Of what is not among the arguments nothing is moved.
    assert.equal(await pool.apply(work.square, [2], { transfer: [bytes.buffer] }), 4);
    assert.equal(await pool.apply(work.lengthOf, [bytes]), 100);
    assert.equal(bytes.length, 100);
    assert.equal(await pool.apply(work.lengthOf, [bytes], { transfer: [bytes.buffer] }), 100);
    assert.equal(bytes.length, 0);
  });
}, { needs: (can) => can.sharedMemory.thread ? null : can.reasons["sharedMemory.thread"] ?? "threads share no memory" });

test("a buffer that cannot be moved is the error of its task, and the worker goes on", async () => {
  await withPool(mp.getContext("thread"), 1, async (pool) => {
    const { buffer } = new WebAssembly.Memory({ initial: 1 });
    await fails(() => pool.apply(work.lengthOf, [new Uint8Array(buffer)], { transfer: [buffer] }), mp.DataCloneError);
    await fails(() => pool.apply(work.moveUnmovable, [0]), mp.DataCloneError);
    assert.equal((await pool.apply(work.moveUnmovable, [3])).length, 3);
    assert.deepEqual(pool.stats().workers.map(({ tasks }) => tasks), [2]);
  });
}, { needs: (can) => can.sharedMemory.thread ? null : can.reasons["sharedMemory.thread"] ?? "threads share no memory" });

test("a small Buffer is copied, and what it lies in is not moved", async () => {
  await withPool(mp.getContext("thread"), 1, async (pool) => {
    const { Buffer } = globalThis as { Buffer?: { from(text: string): Uint8Array<ArrayBuffer> } };
    for (let round = 0; round < 2; round++) {
      const bytes = Buffer!.from("small"), isPart = bytes.buffer.byteLength > 5;
      assert.equal(await pool.apply(work.lengthOf, [bytes], { transfer: [bytes.buffer] }), 5);
      assert.equal(String(bytes), isPart ? "small" : "");
    }
  });
}, { needs: () => "Buffer" in globalThis ? null : "there are no Buffers" });

test("workers that share memory must be allowed to", async () => {
  const make = (permissions: mp.PoolOptions["permissions"]) =>
    new mp.Pool({ processes: 1, startMethod: "process", runtime: "deno", permissions });
  // Of certain libraries alone is not enough.
  for (const permissions of ["none", ["allow-read", "allow-env"], ["allow-ffi=/lib"]] as const) {
    assert.throws(() => make(permissions as mp.PoolOptions["permissions"]), mp.UnsupportedError, /allow-ffi/);
  }
  for (const permissions of [["allow-ffi", "allow-read"], ["-A"]]) {
    const pool = make(permissions);
    try {
      assert.equal(await pool.apply(work.square, [3]), 9);
    } finally {
      pool.terminate();
    }
    await pool.join();
  }
}, { needs: (can) => can.sharedMemory.process ? null : can.reasons["sharedMemory.process"] ?? "there are no processes" });

test("permissions may have their dashes, or be short", async () => {
  for (const permissions of [["-A"], ["--allow-ffi", "-RE"], ["allow-all"]]) {
    await withPool(mp.getContext("process"), { processes: 1, runtime: "deno", permissions }, async (pool) => {
      assert.equal(await pool.apply(work.square, [2]), 4);
    });
  }
}, { needs: (can) => can.sharedMemory.process ? null : can.reasons["sharedMemory.process"] ?? "there are no processes" });
