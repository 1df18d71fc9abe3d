/** Pools whose owner is too busy to read results: what is done in time is done, and nobody else suffers for it. */
// run: on=servers
import { assert } from "chai";
import * as mp from "../mod.ts";
import * as work from "./fixtures/pool.ts";
import { eachMethod } from "./harness.ts";
import { withPool } from "./pools.ts";
import { sleep } from "./timing.ts";

const options = {
  methods: ["process", "thread"],
  needs: (can: mp.Capabilities) => can.sharedMemory.process ? null : can.reasons["sharedMemory.process"],
} as const;

/** Computes, and lets nobody else have a turn, until somebody said so. */
function compute(steps: mp.Value<"int32">, step: number, ms = 0): void {
  const end = performance.now() + 10_000;
  while (steps.value < step) if (performance.now() > end) throw new Error(`step ${step} was never reached: ${steps.value} ${steps.add(0)}`);
  for (const end = performance.now() + ms; performance.now() < end;);
}

eachMethod(
  "who cancels a task that is done, and was not heard of, kills nobody else for it",
  (ctx) =>
    withPool(ctx, { processes: 1, grace: 0 }, async (pool) => {
      await pool.apply(work.square, [1]);
      for (const way of ["signal", "cancel"]) {
        const steps = ctx.Value("int32", 0), gate = new ctx.Event(), controller = new AbortController();
        const done = pool.apply(work.step, [steps], { signal: controller.signal }), next = pool.apply(work.stepAndWait, [steps, gate]);
        await null; // they are sent at the end of this turn
        await null;
        compute(steps, 2);
        if (way === "signal") controller.abort(new Error("aborted"));
        else done.cancel();
        await done.catch(() => {}); // or it was heard of before
        await sleep(20); // the grace of one that is killed is over
        gate.set();
        assert.equal(await next, 2);
      }
    }),
  options,
);

eachMethod("what is done within its time has its result, however late that is read", (ctx) =>
  withPool(ctx, 1, async (pool) => {
    const steps = ctx.Value("int32", 0);
    await pool.apply(work.square, [1]);
    const result = pool.apply(work.step, [steps], { timeout: 100 });
    await null;
    await null;
    compute(steps, 1, 150);
    assert.equal(await result, 1);
  }), options);

eachMethod("results of a map with a timeout come that were there in time", async (ctx) => {
  const executor = new mp.ProcessPoolExecutor({ maxWorkers: 1, startMethod: ctx.getStartMethod()! }), steps = ctx.Value("int32", 0);
  await executor.submit(work.square, 1);
  const results = executor.map(work.step, [steps, steps], { timeout: 200 });
  assert.equal((await results.next()).value, 1);
  compute(steps, 2, 250);
  assert.equal((await results.next()).value, 2);
  assert.isTrue((await results.next()).done);
  await executor.shutdown();
}, options);

eachMethod("tasks that are done do not count as waiting", (ctx) =>
  withPool(ctx, { processes: 1, maxQueue: 1 }, async (pool) => {
    const steps = ctx.Value("int32", 0);
    await pool.apply(work.square, [1]);
    const results = [pool.apply(work.step, [steps]), pool.apply(work.step, [steps])];
    await null;
    await null;
    compute(steps, 2, 100); // and so that the second has said what it gives
    results.push(pool.apply(work.step, [steps]), pool.apply(work.step, [steps]));
    assert.deepEqual(await Promise.all(results), [1, 2, 3, 4]);
  }), options);
