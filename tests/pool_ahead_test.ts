/** Many small tasks, which workers are given before they begin them: each runs once, whatever becomes of its worker, and waits for no other longer than it must. */
// run: on=servers with=off,no-ffi
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { assert } from "chai";
import * as mp from "../mod.ts";
import * as work from "./fixtures/pool_ahead.ts";
import { eachMethod } from "./harness.ts";
import { kill, withPool } from "./pools.ts";
import { sleep } from "./timing.ts";

/** How many workers are killed. */
const KILLS = 8;
const range = (n: number) => Array.from({ length: n }, (_, i) => i);
const options = { methods: ["process", "thread"] as mp.StartMethod[], timeoutMs: 120_000 };

/** A file in which tasks write down that they run. */
async function withLedger(body: (ledger: string, read: () => number[]) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "polyproc-")), ledger = join(directory, "ledger");
  writeFileSync(ledger, "");
  try {
    await body(ledger, () => readFileSync(ledger, "utf8").split("\n").slice(0, -1).map(Number));
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** It knows then that calls are short. */
async function warmUp(pool: mp.Pool): Promise<void> {
  for (let i = 0; i < 3; i++) await Promise.all(range(300).map((n) => pool.apply(work.same, [n])));
}

eachMethod(
  "tasks run once, though they are taken back again and again",
  (ctx) =>
    withLedger((ledger, read) =>
      withPool(ctx, 2, async (pool) => {
        await warmUp(pool);
        const tasks = range(3000);
        const results = tasks.map(async (n) => {
          await sleep(n / 10);
          // Some take long, and some go first.
          return await pool.apply(work.write, [ledger, n, n % 100 === 0 ? 12 : 0], { priority: n % 70 === 0 ? 1 : 0 });
        });
        assert.deepEqual(await Promise.all(results), tasks);
        assert.deepEqual(read().sort((a, b) => a - b), tasks);
      })
    ),
  options,
);

eachMethod("of a worker that is killed one task fails at the most, and the others run once", (ctx) =>
  withLedger(async (ledger, read) => {
    const retries = { some: 0, none: 0 };
    for (const kind of ["none", "some"] as const) {
      await withPool(ctx, { processes: 2, retries: kind === "some" ? 1000 : 0 }, async (pool) => {
        await warmUp(pool);
        writeFileSync(ledger, "");
        const failed = new Set<number>(), tasks = range(4000);
        let killed = 0, isOver = false;
        const killing = (async () => {
          for (; !isOver && killed < KILLS; await sleep(Math.random() * 60)) {
            const { workers } = pool.stats(), ready = workers.filter(({ state }) => state !== "starting");
            const { name } = ready[Math.floor(Math.random() * ready.length)] ?? {};
            const victim = mp.activeChildren().find((child) => child.name === name);
            if (victim === undefined) continue;
            if (ctx.getStartMethod() === "thread") victim.terminate();
            else kill(victim.pid!);
            killed++;
          }
        })();
        try {
          await Promise.all(tasks.map(async (n) => {
            await sleep(n / 8);
            try {
              assert.equal(await pool.apply(work.write, [ledger, n, n % 500 === 0 ? 12 : 0]), n);
            } catch (error) {
              if (!(error instanceof mp.WorkerDiedError)) throw error;
              failed.add(n);
            }
          }));
        } finally {
          isOver = true;
          await killing;
        }
        retries[kind] = failed.size;
        assert.isAbove(killed, 0);
        assert.isAtMost(failed.size, killed, "more failed than workers died");
        const times = new Map<number, number>();
        for (const n of read()) times.set(n, (times.get(n) ?? 0) + 1);
        let again = 0;
        for (const n of tasks) {
          const count = times.get(n) ?? 0;
          if (failed.has(n)) assert.isAtMost(count, 1, `task ${n} failed`);
          else assert.isAtLeast(count, 1, `task ${n} has a result`);
          again += Math.max(0, count - 1);
        }
        // Only those run again whose worker died.
        assert.isAtMost(again, kind === "some" ? killed : 0);
      });
    }
    assert.equal(retries.some, 0);
  }), options);

eachMethod(
  "small tasks do not wait behind one that turns out to be long",
  (ctx) =>
    withLedger((ledger) =>
      withPool(ctx, 2, async (pool) => {
        await warmUp(pool);
        await Promise.all(range(100).map((n) => pool.apply(work.write, [ledger, n])));
        const before = range(20).map((n) => pool.apply(work.write, [ledger, n]));
        const long = pool.apply(work.write, [ledger, 0, 3000]);
        const small = range(400).map((n) => pool.apply(work.write, [ledger, n]));
        await Promise.all([...before, ...small]);
        assert.isFalse(long.ready());
        assert.equal(await long, 0);
      })
    ),
  options,
);

eachMethod(
  "a task of higher priority goes before small ones, though those were sent before",
  (ctx) =>
    withLedger((ledger, read) =>
      withPool(ctx, 1, async (pool) => {
        await warmUp(pool);
        const results = [pool.apply(work.write, [ledger, -1, 500]), ...range(300).map((n) => pool.apply(work.write, [ledger, n]))];
        while (read().length === 0) await sleep(1);
        results.push(pool.apply(work.write, [ledger, -2], { priority: 1 }));
        await Promise.all(results);
        assert.deepEqual(read(), [-1, -2, ...range(300)]);
      })
    ),
  options,
);

eachMethod(
  "small tasks that are cancelled while their worker is at a long one do not run",
  (ctx) =>
    withLedger((ledger, read) =>
      withPool(ctx, 1, async (pool) => {
        await warmUp(pool);
        for (const ms of [0, 100]) {
          writeFileSync(ledger, "");
          const long = pool.apply(work.write, [ledger, -1, 400]), small = range(300).map((n) => pool.apply(work.write, [ledger, n]));
          while (read().length === 0) await sleep(1);
          await sleep(ms);
          for (const result of small) {
            assert.isTrue(result.cancel());
            result.catch(() => {});
          }
          assert.equal(await long, -1);
          assert.equal(await pool.apply(work.write, [ledger, -2]), -2);
          assert.deepEqual(read(), [-1, -2]);
        }
      })
    ),
  options,
);

eachMethod("small tasks come along with large ones, and those with shared objects", (ctx) =>
  withPool(ctx, 2, async (pool) => {
    await warmUp(pool);
    const queue = new ctx.Queue<number>(), large = new Uint8Array(300_000).fill(7);
    await Promise.all(
      range(600).map(async (n) => {
        if (n % 7 === 0) assert.deepEqual(await pool.apply(work.same, [large]), large);
        else if (n % 11 === 0) await (await pool.apply(work.same, [queue])).put(n);
        else assert.equal(await pool.apply(work.same, [n]), n);
      }),
    );
    const put = range(600).filter((n) => n % 11 === 0 && n % 7 !== 0);
    const got: number[] = [];
    for (const _ of put) got.push(await queue.get() as number);
    assert.deepEqual(got.sort((a, b) => a - b), put);
  }), options);

eachMethod(
  "one that is given back from behind another changes nothing for that",
  (ctx) =>
    withPool(ctx, { processes: 1, maxTasksPerChild: 100 }, async (pool) => {
      const quick = { module: new URL("./fixtures/slow_import.ts", import.meta.url), name: "quick" };
      for (const n of range(100)) assert.equal(await pool.apply(quick, [n]), n + 1);
      // Its successor has yet to import that.
      const first = pool.apply(quick, [1], { timeout: 300 }), behind = range(40).map((n) => pool.apply(quick, [n]));
      for (const result of behind) result.catch(() => {});
      while (!pool.stats().workers.some(({ state }) => state === "busy")) await sleep(1);
      for (const result of behind) {
        assert.isTrue(result.cancel());
        await sleep(1);
      }
      assert.equal(await first, 2);
    }),
  { ...options, methods: ["process"] },
);

eachMethod(
  "small tasks run in their order, though some are taken back from behind a long one",
  (ctx) =>
    withLedger((ledger, read) =>
      withPool(ctx, 1, async (pool) => {
        await warmUp(pool);
        await Promise.all(range(300).map((n) => pool.apply(work.write, [ledger, n, n % 100 === 0 ? 30 : 0])));
        assert.deepEqual(read(), range(300));
      })
    ),
  options,
);

eachMethod(
  "who replaces the runtime's immediates holds no tasks up",
  (ctx) =>
    withLedger((ledger, read) =>
      withPool(ctx, 1, async (pool) => {
        await warmUp(pool);
        const { setImmediate } = globalThis;
        try {
          work.replaceImmediates();
          await pool.apply(work.replaceImmediates);
          // Some are taken back.
          await Promise.all(range(300).map((n) => pool.apply(work.write, [ledger, n, n % 100 === 0 ? 30 : 0])));
        } finally {
          Object.assign(globalThis, { setImmediate });
        }
        assert.deepEqual(read(), range(300));
      })
    ),
  {
    ...options,
    methods: ["process"],
    needs: (can) => can.sharedMemory.process ? "who shares memory takes turns by them" : null,
  },
);
