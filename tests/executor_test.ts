/** Executors and futures, as `concurrent.futures` has them. */
import { assert } from "chai";
import * as mp from "../mod.ts";
import * as work from "./fixtures/pool.ts";
import { eachMethod, test } from "./harness.ts";
import { gather, kill } from "./pools.ts";
import { fails, isPending, listenersOf, until } from "./timing.ts";

const OWN: mp.StartMethod[] = ["process", "thread"];
const range = (n: number) => Array.from({ length: n }, (_, i) => i);

async function withExecutor<T>(
  context: mp.Context,
  options: mp.ExecutorOptions,
  body: (executor: mp.ProcessPoolExecutor) => T | Promise<T>,
): Promise<T> {
  const executor = new mp.ProcessPoolExecutor({ startMethod: context.getStartMethod()!, ...options });
  try {
    return await body(executor);
  } finally {
    executor.terminateWorkers();
    await executor.shutdown();
  }
}

/** Has a task begin that ends when it is told to. */
async function held(context: mp.Context, executor: mp.ProcessPoolExecutor) {
  const begun = new context.Queue<string>(), gate = new context.Queue<unknown>();
  const future = executor.submit(work.hold, begun, gate);
  const name = await begun.get();
  return { future, name, begun, gate };
}

eachMethod(
  "a submitted call gives a future with its result, or its error",
  (ctx) =>
    withExecutor(ctx, { maxWorkers: 2 }, async (executor) => {
      const future = executor.submit(work.add, 2, 8);
      assert.equal(await future.result(), 10);
      assert.equal(await future, 10);
      assert.isTrue(future.done());
      assert.isFalse(future.cancelled());
      assert.isFalse(future.running());
      assert.isNull(await future.exception());
      const bad = executor.submit(work.failIfOdd, 3);
      assert.instanceOf(await bad.exception(), work.OddError);
      assert.match((await fails(() => bad.result(), work.OddError)).stack!, /failIfOdd[^]*submitted[^]*executor_test/);
      // Arguments of the callee's own, whatever they are called.
      assert.deepEqual(await executor.submit(work.same<unknown>, { fn: 1, timeout: 2 }), { fn: 1, timeout: 2 });
      await fails(() => executor.submit(work.same, () => 1), mp.DataCloneError);
      await fails(() => executor.submit(5 as never), TypeError);
    }),
);

eachMethod("results and errors are waited for, for some time", (ctx) =>
  withExecutor(ctx, { maxWorkers: 1 }, async (executor) => {
    const { future, gate } = await held(ctx, executor);
    await fails(() => future.result({ timeout: 20 }), mp.TimeoutError, [20, 5000]);
    await fails(() => future.exception({ timeout: 0 }), mp.TimeoutError);
    assert.isTrue(await isPending(future.exception()));
    await gate.put(1);
    assert.isString(await future.result({ timeout: 20_000 }));
  }));

eachMethod("maps zip their iterables, in order, lazily", (ctx) =>
  withExecutor(ctx, { maxWorkers: 2 }, async (executor) => {
    for (const chunksize of [1, 3, 6, 40, 50]) {
      assert.deepEqual(await gather(executor.map(work.add, range(40), range(60), { chunksize })), range(40).map((n) => 2 * n));
    }
    assert.deepEqual(await gather(executor.map(work.squareLater, range(10))), range(10).map((n) => n ** 2));
    assert.deepEqual(await gather(executor.map(work.add, [], [])), []);
    async function* late() {
      for (const n of range(5)) yield await Promise.resolve(n);
    }
    assert.deepEqual(await gather(executor.map(work.add, range(9), late())), range(5).map((n) => 2 * n));
    for (const options of [{ chunksize: 0 }, { chunksize: -1 }, { buffersize: 0 }, { buffersize: -1 }]) {
      await fails(() => executor.map(work.square, [1], options), RangeError);
    }
    await fails(() => executor.map(work.square, [1], { buffersize: "foo" as never }), TypeError);
    await fails(() => executor.map(work.square, [1], { wait: 1 } as never), TypeError);
    await fails(() => executor.map(work.add, 5 as never, [1]), TypeError);
    for (const buffersize of [1, 2, 4, 8]) {
      let taken = 0;
      const endless = (function* () {
        for (;;) yield taken++;
      })();
      const results = executor.map(work.square, endless, { buffersize });
      await until("taken as many as it may", () => taken === buffersize);
      assert.equal(await isPending(until("took more", () => taken > buffersize, 500).catch(() => {})), true);
      for (let n = 0; n < 10; n++) assert.equal((await results.next()).value, n ** 2);
      assert.isAtMost(taken, 10 + buffersize);
      await results.return!();
    }
  }));

eachMethod("a map goes on after an error", (ctx) =>
  withExecutor(ctx, { maxWorkers: 2 }, async (executor) => {
    const results = executor.map(work.failIfOdd, range(4));
    assert.equal((await results.next()).value, 0);
    await fails(() => results.next(), work.OddError);
    assert.equal((await results.next()).value, 2);
    await fails(() => results.next(), work.OddError);
    assert.isTrue((await results.next()).done);
  }));

eachMethod("a map's time counts from the call", (ctx) =>
  withExecutor(ctx, { maxWorkers: 1, grace: 10 }, async (executor) => {
    const results = executor.map(work.sleepOrStop, [0, 60_000], { timeout: 1500 });
    const first = await results.next().catch((error: unknown) => error);
    // On a busy machine the worker may have started too late.
    if (!(first instanceof mp.TimeoutError)) {
      assert.deepEqual(first, { done: false, value: 0 });
      await fails(() => results.next(), mp.TimeoutError, [0, 20_000]);
    }
    assert.isTrue((await results.next()).done);
  }));

eachMethod(
  "what came in a map's time is given after it, and its time is over once all is there",
  (ctx) =>
    withExecutor(ctx, { maxWorkers: 1, grace: 10 }, async (executor) => {
      await executor.submit(work.square, 1);
      const timeout = 2000, whole = executor.map(work.square, [1, 2], { timeout });
      for (const value of [1, 4]) assert.deepEqual(await whole.next(), { done: false, value });
      let isLeft = false;
      const source = function* () {
        try {
          yield 0;
          for (;;) yield 60_000;
        } finally {
          isLeft = true;
        }
      };
      const late = executor.map(work.sleepOrStop, source(), { timeout });
      await until("had no more time", () => isLeft);
      assert.deepEqual(await late.next(), { done: false, value: 0 });
      await fails(() => late.next(), mp.TimeoutError);
      assert.isTrue((await late.next()).done);
      assert.isTrue((await whole.next()).done);
      // These would keep the program alive, were their clocks to go on.
      assert.equal((await executor.map(work.square, [3], { timeout: 600_000 }).next()).value, 9);
      await fails(() => executor.map(5 as never, [1], { timeout: 600_000 }), TypeError);
    }),
);

eachMethod(
  "each iterable of a map is left once, if it has begun and is not at its end",
  (ctx) =>
    withExecutor(ctx, { maxWorkers: 1 }, async (executor) => {
      for (const isAsync of [false, true]) {
        const left: string[] = [];
        /** `open`, `next` and `leave` say where it throws; it has two items unless it is `endless`. */
        const source = (name: string, what: "open" | "next" | "leave" | "short" | "endless") => {
          let taken = 0;
          const fail = (where: string) => {
            if (what === where) throw new SyntaxError(name);
          };
          const iterator = {
            next() {
              fail("next");
              return { done: what === "short" && taken === 2, value: taken++ };
            },
            return() {
              left.push(name);
              fail("leave");
              return { done: true, value: undefined };
            },
          };
          const begin = () => {
            fail("open");
            return iterator;
          };
          return { [isAsync ? Symbol.asyncIterator : Symbol.iterator]: begin } as unknown as Iterable<number>;
        };
        const add: mp.Target = work.add, same: mp.Target = work.same;
        const error = (...sources: Iterable<number>[]) => fails(() => gather(executor.map(same, ...sources)), SyntaxError);
        assert.deepEqual(await gather(executor.map(add, source("a", "endless"), source("b", "short"), source("c", "endless"))), [
          0,
          2,
        ]);
        assert.deepEqual(left.splice(0), ["a", "c"]);
        assert.equal((await error(source("a", "endless"), source("b", "open"), source("c", "endless"))).message, "b");
        assert.deepEqual(left.splice(0), ["a"]);
        assert.equal((await error(source("a", "endless"), source("b", "next"), source("c", "endless"))).message, "b");
        assert.deepEqual(left.splice(0), ["a", "c"]);
        assert.equal((await error(source("a", "leave"), source("b", "endless"), source("c", "short"))).message, "a");
        assert.deepEqual(left.splice(0), ["a", "b"]);
      }
    }),
);

eachMethod(
  "a future that waits can be cancelled, one that runs or is done cannot",
  (ctx) =>
    withExecutor(ctx, { maxWorkers: 1 }, async (executor) => {
      const { future, begun, gate } = await held(ctx, executor);
      const waiting = range(4).map(() => executor.submit(work.hold, begun, gate));
      assert.isTrue(future.running());
      for (const one of waiting) assert.isFalse(one.running());
      assert.isFalse(future.cancel());
      assert.isTrue(waiting[1].cancel());
      assert.isTrue(waiting[1].cancel());
      assert.deepEqual([waiting[1].cancelled(), waiting[1].done()], [true, true]);
      await fails(() => waiting[1].result(), mp.CancelledError);
      await fails(() => waiting[1].exception(), mp.CancelledError);
      for (let i = 0; i < 4; i++) await gate.put(1);
      await future;
      assert.isFalse(future.cancel());
      await Promise.all([waiting[0], waiting[2], waiting[3]]);
    }),
  { needs: (can) => can.sharedMemory.process ? null : can.reasons["sharedMemory.process"] },
);

eachMethod(
  "callbacks are called once, in order, and their errors are logged",
  (ctx) =>
    withExecutor(ctx, { maxWorkers: 1 }, async (executor) => {
      const lines: string[] = [];
      const handler = (line: string) => void lines.push(line);
      mp.getLogger().addHandler(handler);
      try {
        const { future, gate } = await held(ctx, executor);
        const called: unknown[] = [];
        future.addDoneCallback((one) => called.push([1, one === future]));
        future.addDoneCallback(() => {
          throw new Error("in a callback");
        });
        future.addDoneCallback(() => called.push(2));
        assert.deepEqual(called, []);
        await gate.put(1);
        await future;
        assert.deepEqual(called, [[1, true], 2]);
        future.addDoneCallback(() => called.push(3));
        assert.deepEqual(called, [[1, true], 2, 3]);
        assert.lengthOf(lines.filter((line) => line.includes("in a callback")), 1);
      } finally {
        mp.getLogger().removeHandler(handler);
      }
    }),
);

eachMethod("several futures are waited for", (ctx) =>
  withExecutor(ctx, { maxWorkers: 2 }, async (executor) => {
    const { future, gate } = await held(ctx, executor);
    const quick = executor.submit(work.square, 2), bad = executor.submit(work.failIfOdd, 1);
    let result = await mp.waitFutures([future, quick, quick], { returnWhen: "FIRST_COMPLETED" });
    assert.deepEqual([[...result.done], [...result.notDone]], [[quick], [future]]);
    result = await mp.waitFutures([future, bad] as mp.Future[], { returnWhen: "FIRST_EXCEPTION" }) as never;
    assert.deepEqual([...result.notDone], [future]);
    result = await mp.waitFutures([future, quick], { timeout: 20 });
    assert.deepEqual([[...result.done], [...result.notDone]], [[quick], [future]]);
    assert.equal((await mp.waitFutures([])).done.size, 0);
    const all = mp.waitFutures([future, quick]);
    assert.isTrue(await isPending(all));
    await fails(() => mp.waitFutures([future], { signal: AbortSignal.abort(new RangeError("no")) }), RangeError);
    await fails(() => mp.waitFutures([5 as never]), TypeError);
    await fails(() => mp.waitFutures([future], { returnWhen: "SOME" as never }), RangeError);
    const late = mp.asCompleted([future], { timeout: 20 });
    await fails(() => late.next(), mp.TimeoutError, [0, 5000]);
    const order: mp.Future[] = [];
    const completed = mp.asCompleted([future, quick, quick, bad] as mp.Future[]);
    for (let i = 0; i < 2; i++) order.push((await completed.next()).value!);
    await gate.put(1);
    order.push((await completed.next()).value!);
    assert.isTrue((await completed.next()).done);
    assert.sameMembers(order, [future, quick, bad] as mp.Future[]);
    assert.equal(order[2], future as mp.Future);
    assert.equal((await all).done.size, 2);
    await fails(() => bad, work.OddError);
  }));

eachMethod(
  "a wait for futures that is over, however it ended, leaves nothing behind",
  (ctx) =>
    withExecutor(ctx, { maxWorkers: 1 }, async (executor) => {
      const { future, gate } = await held(ctx, executor);
      const abort = new AbortController(), { signal } = abort, listeners = listenersOf(signal);
      const waits: ((options: mp.WaitOptions) => Promise<unknown>)[] = [
        (options) => future.result(options),
        (options) => future.exception(options),
        (options) => mp.waitFutures([future], options),
        (options) => mp.asCompleted([future], options).next(),
      ];
      for (const wait of waits) {
        await wait({ timeout: 1, signal }).catch(() => {});
        assert.equal(listeners(), 0);
      }
      // Their clocks would keep the program alive.
      const aborted = waits.map((wait) => fails(() => wait({ timeout: 600_000, signal }), RangeError));
      assert.equal(listeners(), waits.length);
      abort.abort(new RangeError("enough"));
      await Promise.all(aborted);
      assert.equal(listeners(), 0);
      const left = mp.asCompleted([future]), late = mp.asCompleted([future], { timeout: 1 });
      assert.isTrue((await left.return!()).done);
      await fails(() => late.next(), mp.TimeoutError);
      await gate.put(1);
      await future;
      for (const completed of [left, late]) assert.deepEqual(await completed.next(), { done: true, value: undefined });
    }),
);

eachMethod(
  "a call that throws what says that it was cancelled has failed, and was not",
  (ctx) =>
    withExecutor(ctx, { maxWorkers: 1 }, async (executor) => {
      const future = executor.submit(work.throwCancelled);
      assert.equal((await future.exception() as Error).message, "by itself");
      assert.deepEqual([future.cancelled(), future.cancel()], [false, false]);
      await fails(() => future, mp.CancelledError);
      const { future: pending } = await held(ctx, executor), waiting = executor.submit(work.square, 1);
      const { done } = await mp.waitFutures([pending, future, waiting] as mp.Future[], { returnWhen: "FIRST_EXCEPTION" });
      assert.deepEqual([...done], [future]);
      // These were not made.
      assert.isTrue(waiting.cancel());
      executor.terminateWorkers();
      assert.deepEqual([waiting, pending].map((one) => one.cancelled()), [true, true]);
    }),
);

eachMethod(
  "workers are started as they are needed, and no more than may be",
  (ctx) =>
    withExecutor(ctx, { maxWorkers: 2 }, async (executor) => {
      const names = new Set<string>();
      for (let i = 0; i < 3; i++) names.add(await executor.submit(work.here));
      assert.equal(names.size, 1);
      const begun = new ctx.Queue<string>(), gate = new ctx.Queue<unknown>();
      const futures = range(30).map(() => executor.submit(work.hold, begun, gate));
      for (let i = 0; i < 30; i++) {
        if (i > 1) await gate.put(1);
        names.add(await begun.get());
      }
      for (let i = 0; i < 2; i++) await gate.put(1);
      await Promise.all(futures);
      assert.equal(names.size, 2);
    }),
);

eachMethod(
  "workers are replaced after so many calls, whatever waits",
  (ctx) =>
    withExecutor(ctx, { maxWorkers: 1, maxTasksPerChild: 3 }, async (executor) => {
      const names = await Promise.all(range(8).map(() => executor.submit(work.here)));
      assert.deepEqual(names.map((name) => names.indexOf(name)), [0, 0, 0, 3, 3, 3, 6, 6]);
      const last = range(4).map((n) => executor.submit(work.square, n));
      await executor.shutdown();
      assert.deepEqual(await Promise.all(last), [0, 1, 4, 9]);
    }),
);

eachMethod(
  "the death of a worker fails its future alone, and the executor goes on",
  (ctx) =>
    withExecutor(ctx, { maxWorkers: 2 }, async (executor) => {
      const futures = range(8).map((n) => n === 3 ? executor.submit(work.exit, 5) : executor.submit(work.square, n));
      for (const [n, future] of futures.entries()) {
        if (n !== 3) assert.equal(await future, n ** 2);
        else assert.equal((await fails(() => future, mp.WorkerDiedError) as mp.WorkerDiedError).exitcode, 5);
      }
      assert.equal(await executor.submit(work.square, 5), 25);
    }),
  { methods: OWN },
);

eachMethod(
  "a worker that is killed while it works fails its future alone, also once the executor is shut down",
  async (ctx) => {
    for (const isShut of [false, true]) {
      const executor = new mp.ProcessPoolExecutor({ maxWorkers: 2, startMethod: "process" });
      const begun = new ctx.Queue<number>(), gate = new ctx.Queue<unknown>();
      const futures = range(6).map((n) => n < 2 ? executor.submit(work.holdPid, begun, gate) : executor.submit(work.square, n));
      const pids = [await begun.get(), await begun.get()];
      const over = isShut ? executor.shutdown() : null;
      for (const pid of pids) kill(pid);
      const errors = await Promise.all(
        futures.slice(0, 2).map((future) => fails(() => future, mp.WorkerDiedError) as Promise<mp.WorkerDiedError>),
      );
      assert.notStrictEqual(errors[0], errors[1]);
      assert.sameMembers(errors.map(({ pid }) => pid), pids);
      assert.deepEqual(await Promise.all(futures.slice(2)), [4, 9, 16, 25]);
      await (over ?? executor.shutdown());
    }
  },
  { methods: ["process"] },
);

eachMethod(
  "a failing initializer fails futures with its error",
  (ctx) =>
    withExecutor(ctx, { maxWorkers: 1, initializer: work.failToInitialize }, async (executor) => {
      const first = executor.submit(work.square, 1);
      assert.equal((await fails(() => first, RangeError)).message, "cannot begin");
      await fails(() => executor.submit(work.square, 1), RangeError);
    }),
);

eachMethod("shutting down waits for what was submitted, and takes nothing more", async (ctx) => {
  const executor = new mp.ProcessPoolExecutor({ maxWorkers: 2, startMethod: ctx.getStartMethod()! });
  const futures = range(50).map((n) => executor.submit(work.squareLater, n));
  const over = executor.shutdown();
  await fails(() => executor.submit(work.square, 1), mp.ProcessError);
  await fails(() => executor.map(work.square, [1]), mp.ProcessError);
  await over;
  assert.isTrue(futures.every((future) => future.done()));
  assert.deepEqual(await Promise.all(futures), range(50).map((n) => n ** 2));
  await executor.shutdown();
});

eachMethod("a map's results are all there once the executor was shut down", async (ctx) => {
  const executor = new mp.ProcessPoolExecutor({ maxWorkers: 2, startMethod: ctx.getStartMethod()! });
  const results = executor.map(work.square, range(300));
  await executor.shutdown();
  assert.deepEqual(await gather(results), range(300).map((n) => n ** 2));
});

eachMethod("shutting down may cancel what waits, or not be waited for", async (ctx) => {
  const executor = new mp.ProcessPoolExecutor({ maxWorkers: 1, startMethod: ctx.getStartMethod()! });
  const { future, begun, gate } = await held(ctx, executor);
  const waiting = range(5).map(() => executor.submit(work.hold, begun, gate));
  const mapped = executor.map(work.hold, range(300).map(() => begun), range(300).map(() => gate));
  await executor.shutdown({ wait: false, cancelFutures: true });
  for (const one of waiting) assert.isTrue(one.cancelled());
  for (let i = 0; i < 3; i++) await fails(() => mapped.next(), mp.CancelledError);
  assert.isFalse(future.done());
  await gate.put(1);
  await future;
  await executor.shutdown();
  assert.isTrue(begun.empty());
}, { needs: (can) => can.sharedMemory.process ? null : can.reasons["sharedMemory.process"] });

eachMethod("each worker is initialized, also one that takes another's place", async (ctx) => {
  const executor = new mp.ProcessPoolExecutor({
    maxWorkers: 1,
    maxTasksPerChild: 1,
    initializer: work.initialize,
    initargs: ["made"],
    startMethod: ctx.getStartMethod()!,
  });
  for (let i = 0; i < 3; i++) assert.deepEqual(await executor.submit(work.initialized), ["made"]);
  await executor.shutdown();
}, { methods: OWN });

eachMethod("a future that is cancelled keeps nobody who shuts its executor down", async (ctx) => {
  const executor = new mp.ProcessPoolExecutor({ maxWorkers: 1, startMethod: ctx.getStartMethod()! });
  const futures = range(20).map((n) => executor.submit(work.squareLater, n)), cancelled = futures.filter((future) => future.cancel());
  await executor.shutdown();
  assert.isAbove(cancelled.length, 0);
  for (const future of futures) {
    assert.isTrue(future.done());
    assert.equal(future.cancelled(), cancelled.includes(future));
  }
});

eachMethod("futures that are done need no time, and there may be none", async (ctx) => {
  const executor = new mp.ProcessPoolExecutor({ maxWorkers: 1, startMethod: ctx.getStartMethod()! });
  const done = executor.submit(work.square, 3);
  await done;
  const { future: pending, gate } = await held(ctx, executor);
  const completed = mp.asCompleted([pending, done] as mp.Future[], { timeout: 0 });
  assert.strictEqual((await completed.next()).value, done);
  await fails(() => completed.next(), mp.TimeoutError);
  assert.deepEqual(await gather(mp.asCompleted([])), []);
  for (const isBefore of [true, false]) {
    const abort = new AbortController(), reason = new RangeError("enough");
    if (isBefore) abort.abort(reason);
    const next = mp.asCompleted([pending], { signal: abort.signal }).next(), all = mp.waitFutures([pending], { signal: abort.signal });
    abort.abort(reason);
    const errors = await Promise.all([fails(() => next, RangeError), fails(() => all, RangeError)]);
    for (const error of errors) assert.strictEqual(error, reason);
  }
  await gate.put(1);
  await executor.shutdown();
});

eachMethod("workers that have died already can be ended", async (ctx) => {
  for (const end of ["terminateWorkers", "killWorkers"] as const) {
    const executor = new mp.ProcessPoolExecutor({ maxWorkers: 1, startMethod: ctx.getStartMethod()! });
    await fails(() => executor.submit(work.exit, 5), mp.WorkerDiedError);
    executor[end]();
    await executor.shutdown();
    await fails(() => executor.submit(work.square, 1), mp.ProcessError);
  }
}, { methods: OWN });

for (const end of ["terminateWorkers", "killWorkers"] as const) {
  eachMethod(`${end} ends all at once`, async (ctx) => {
    for (const isBusy of [true, false]) {
      const executor = new mp.ProcessPoolExecutor({ maxWorkers: 2, startMethod: ctx.getStartMethod()! });
      const future = isBusy ? (await held(ctx, executor)).future : null;
      executor[end]();
      if (future !== null) {
        assert.isTrue(future.cancelled());
        await fails(() => future, mp.CancelledError);
      }
      await fails(() => executor.submit(work.square, 1), mp.ProcessError);
      executor[end]();
      await executor.shutdown();
    }
  });
}

test("options of an executor are checked", async () => {
  await fails(() => new mp.ProcessPoolExecutor({ maxWorkers: 0 }), RangeError);
  await fails(() => new mp.ProcessPoolExecutor({ maxWorkers: -1 }), RangeError);
  await fails(() => new mp.ProcessPoolExecutor({ maxTasksPerChild: 0 }), RangeError);
  await fails(() => new mp.ProcessPoolExecutor({ maxTasksPerChild: "3" as never }), TypeError);
  await fails(() => new mp.ProcessPoolExecutor({ processes: 2 } as never), TypeError);
  await fails(() => new mp.ProcessPoolExecutor(2 as never), TypeError);
});
