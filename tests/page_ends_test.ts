// run: on=node26 with= from=sources
/** Pages of Chromium that are reloaded or closed in the middle of anything, and workers that are terminated there behind the library's back: every promise of the others settles, and no worker is left. */
import { fileURLToPath } from "node:url";
import { assert } from "chai";
import type { Page } from "playwright-core";
import { ISOLATION } from "../scripts/demo_browser.ts";
import { pageFiles } from "../scripts/page_files.ts";
import { serve } from "../scripts/serve.ts";
import { chromium, OPTIONS } from "./browser.ts";
import { test } from "./harness.ts";
import { until } from "./timing.ts";

// What the page has.
declare const mp: typeof import("../mod.ts");
declare const work: typeof import("./fixtures/page/work.ts");
declare const workers: Worker[];

const HTML = '<!doctype html><title>page</title><link rel="icon" href="data:,"><script type="module" src="/main.js"></script>';
let bundled: ReturnType<typeof pageFiles> | undefined;
const files = () => bundled ??= pageFiles(fileURLToPath(new URL("fixtures/page/", import.meta.url)), HTML);

/** The page's server, and its context in the browser. */
interface Stage {
  /** Opens the page. */
  open(): Promise<Page>;
  /** The ids of all workers that run, as the browser knows them: also those whose page is gone. (There are none of other tests.) */
  workers(): Promise<string[]>;
}

async function onStage(headers: Record<string, string>, body: (stage: Stage) => Promise<void>): Promise<void> {
  const { server, url } = await serve(await files(), headers), browser = await chromium();
  const context = await browser.newContext(), session = await browser.newBrowserCDPSession(), errors: Error[] = [];
  const workers = async () => {
    const { targetInfos } = await session.send("Target.getTargets", { filter: [{ type: "worker" }] });
    return targetInfos.map(({ targetId }) => targetId);
  };
  try {
    await body({
      async open() {
        const page = await context.newPage();
        page.on("pageerror", (error) => errors.push(error));
        await page.goto(url);
        await ready(page);
        return page;
      },
      workers,
    });
    assert.deepEqual(errors, []);
  } finally {
    await context.close();
    server.close();
    await until("without the workers of the context", async () => (await workers()).length === 0);
    await session.detach();
  }
}

async function ready(page: Page): Promise<void> {
  await page.waitForFunction(() => "work" in globalThis);
}

/** The page can do everything. */
async function works(page: Page): Promise<void> {
  const squares = await page.evaluate(async () => {
    const pool = new mp.Pool(2), queue = new mp.Queue<Uint8Array>(), told = new mp.Queue<unknown>();
    const child = new mp.Process({ target: work.takeMany, args: [queue, told] }).start();
    await queue.put(new Uint8Array(10_000).fill(7));
    queue.shutdown();
    const all = [...await pool.map(work.square, [1, 2, 3]), await told.get(), await child.join()];
    pool.close();
    await pool.join();
    return all;
  });
  assert.deepEqual(squares, [1, 4, 9, 7, 0]);
}

/** What a page is in the middle of once it says so. */
interface Middle {
  readonly name: string;
  /** Only with cross-origin isolation. */
  readonly isShared?: boolean;
  /** How many workers it has then. */
  readonly workers: number;
  readonly begin: () => Promise<void>;
}

const MIDDLES: readonly Middle[] = [
  {
    name: "a pool's map",
    workers: 2,
    begin: () =>
      new Promise((resolve) => {
        const pool = new mp.Pool(2);
        void pool.map(work.spin, Array(1000).fill(50), { chunksize: 1, onProgress: () => resolve() });
      }),
  },
  {
    name: "an endless stream through a pool",
    workers: 2,
    begin: async () => {
      const pool = new mp.Pool(2);
      const numbers = function* () {
        for (let n = 0;; n++) yield n;
      };
      const results = pool.imap(work.square, numbers());
      for (let n = 0; n < 50; n++) await results.next();
      void (async () => {
        for await (const _ of results);
      })();
    },
  },
  {
    name: "a queue's transfer",
    workers: 3,
    begin: async () => {
      const queue = new mp.Queue<Uint8Array>(4), told = new mp.Queue<unknown>();
      for (const _ of [1, 2]) new mp.Process({ target: work.putZeros, args: [queue] }).start();
      new mp.Process({ target: work.takeMany, args: [queue, told] }).start();
      for (let n = 0; n < 20; n++) await told.get();
    },
  },
  {
    name: "a pool in a worker",
    workers: 3,
    begin: async () => {
      const told = new mp.Queue<unknown>();
      new mp.Process({ target: work.keepPool, args: [told] }).start();
      for (const _ of [1, 2]) await told.get();
    },
  },
  {
    name: "a lock that is held, and waited for by a blocked thread, and a barrier",
    isShared: true,
    workers: 3,
    begin: async () => {
      const lock = new mp.Lock(), barrier = new mp.Barrier(3), told = new mp.Queue<unknown>();
      new mp.Process({ target: work.holdLock, args: [lock, told] }).start();
      await told.get();
      new mp.Process({ target: work.blockForLock, args: [lock, told] }).start();
      await told.get();
      void lock.acquire();
      new mp.Process({ target: work.waitAtBarrier, args: [barrier] }).start();
      void barrier.wait();
      while (barrier.nWaiting < 2) await new Promise((resolve) => setTimeout(resolve));
    },
  },
];

for (const [mode, headers] of [["isolated", ISOLATION], ["not isolated", {}]] as const) {
  const isShared = mode === "isolated";
  for (const { name, begin, workers, isShared: needsSharing = false } of MIDDLES) {
    if (needsSharing && !isShared) continue;
    test(
      `a page that is reloaded in the middle of ${name} works anew, and its former workers are gone (${mode})`,
      () =>
        onStage(headers, async (stage) => {
          const page = await stage.open();
          await page.evaluate(begin);
          const former = await stage.workers();
          assert.lengthOf(former, workers);
          await page.reload();
          await ready(page);
          await works(page);
          await until("without its former workers", async () => (await stage.workers()).every((id) => !former.includes(id)));
        }),
      OPTIONS,
    );
  }

  test(
    `a page that is closed while its pool is busy takes its workers along, and another page goes on (${mode})`,
    () =>
      onStage(headers, async (stage) => {
        const other = await stage.open();
        await other.evaluate(async () => {
          const pool = new mp.Pool(2), items = Array.from({ length: 40 }, (_, n) => n);
          const { promise, resolve } = Promise.withResolvers<void>();
          const result = pool.map(work.square, items, { chunksize: 1, onProgress: ({ done }) => done === 1 && resolve() });
          await promise;
          Object.assign(globalThis, { result: (async () => (await result).length + (await pool.map(work.spin, items)).length)() });
        });
        const own = await stage.workers();
        const page = await stage.open();
        await page.evaluate(MIDDLES[0].begin);
        await page.close();
        assert.equal(await other.evaluate(() => (globalThis as unknown as { result: Promise<number> }).result), 80);
        await works(other);
        await until("without the workers of the closed page", async () => (await stage.workers()).length === own.length);
        assert.sameMembers(await stage.workers(), own);
      }),
    OPTIONS,
  );

  test(
    `a worker that is terminated as it puts or takes: the others go on, and what was accepted arrives (${mode})`,
    () =>
      onStage(headers, async (stage) => {
        const outcome = await (await stage.open()).evaluate(async () => {
          const queue = new mp.Queue<Uint8Array>(4), told = new mp.Queue<unknown>();
          const doomed = [
            new mp.Process({ target: work.putZeros, args: [queue] }).start(),
            new mp.Process({ target: work.takeMany, args: [queue, told] }).start(),
          ];
          const producer = new mp.Process({ target: work.putMany, args: [queue, 100] }).start();
          const consumer = new mp.Process({ target: work.takeMany, args: [queue, told] }).start();
          const all: unknown[] = [];
          for (let n = 0; n < 20; n++) all.push(await told.get());
          for (const n of [1, 0]) workers[n].terminate();
          const ends = [await doomed[0].join(), await doomed[1].join()];
          const reading = (async () => {
            for await (const n of told) all.push(n);
          })();
          ends.push(await producer.join());
          queue.shutdown();
          ends.push(await consumer.join());
          told.shutdown();
          await reading;
          const numbers = all.filter((n) => n !== 0);
          return {
            ends,
            twice: numbers.filter((n, i) => numbers.indexOf(n) < i),
            missing: 100 - numbers.length,
            strange: all.includes("mixed"),
          };
        });
        // The doomed consumer may have had one in its hands.
        assert.deepEqual({ ...outcome, missing: outcome.missing > 1 }, { ends: [1, 1, 0, 0], twice: [], missing: false, strange: false });
      }),
    OPTIONS,
  );

  test(
    `workers that are terminated before they run have ended, and a pool starts others (${mode})`,
    () =>
      onStage(headers, async (stage) => {
        const page = await stage.open();
        const outcome = await page.evaluate(async () => {
          const doomed = [1, 2, 3].map(() => new mp.Process({ target: work.square, args: [1] }).start()), pool = new mp.Pool(2);
          const squares = pool.map(work.square, [1, 2, 3]);
          for (const worker of workers) worker.terminate();
          const outcome = { ends: await Promise.all(doomed.map((child) => child.join())), squares: await squares };
          pool.close();
          await pool.join();
          return outcome;
        });
        assert.deepEqual(outcome, { ends: [1, 1, 1], squares: [1, 4, 9] });
        await works(page);
      }),
    OPTIONS,
  );

  for (const way of ["terminated by the page", "closed by its task"]) {
    test(`a pool's worker that is ${way} costs the task that it had, and no other (${mode})`, () =>
      onStage(headers, async (stage) => {
        const page = await stage.open();
        const outcome = await page.evaluate(async (isClosed) => {
          const pool = new mp.Pool(1), told = new mp.Queue<unknown>();
          const task = isClosed ? pool.apply(work.closeWorker, []) : pool.apply(work.linger, [told]);
          const others = pool.map(work.square, [1, 2, 3], { chunksize: 1 });
          if (!isClosed) {
            await told.get();
            workers[0].terminate();
          }
          const died = await task.then(() => null, (error) => error instanceof mp.WorkerDiedError);
          const result = { died, others: await others, size: pool.size, workers: workers.length };
          pool.close();
          await pool.join();
          return result;
        }, way.startsWith("closed"));
        assert.deepEqual(outcome, { died: true, others: [1, 4, 9], size: 1, workers: 2 });
        await works(page);
      }), OPTIONS);
  }

  test(
    `a worker that is terminated with a pool of its own: its pipe ends, and its workers go along (${mode})`,
    () =>
      onStage(headers, async (stage) => {
        const page = await stage.open();
        const outcome = await page.evaluate(async () => {
          const told = new mp.Queue<unknown>(), [here, there] = mp.Pipe();
          const parent = new mp.Process({ target: work.keepPool, args: [told] }).start();
          const echo = new mp.Process({ target: work.receive, args: [there] }).start();
          await here.send("there?");
          const first = await here.recv();
          for (const _ of [1, 2]) await told.get();
          const received = here.recv().then(() => null, (error) => error.name);
          for (const worker of workers) worker.terminate();
          return [first, await received, await parent.join(), await echo.join()];
        });
        assert.deepEqual(outcome, ["there?", "EOFError", 1, 1]);
        await until("without workers", async () => (await stage.workers()).length === 0);
        await works(page);
      }),
    OPTIONS,
  );
}

test(
  "a worker that is terminated while it holds a lock, waits for one, or waits at a barrier: the others are told",
  () =>
    onStage(ISOLATION, async (stage) => {
      const page = await stage.open();
      const outcome = await page.evaluate(async () => {
        const lock = new mp.Lock(), barrier = new mp.Barrier(2), told = new mp.Queue<unknown>();
        const holder = new mp.Process({ target: work.holdLock, args: [lock, told] }).start();
        await told.get();
        const waiters = [1, 2].map(() => new mp.Process({ target: work.blockForLock, args: [lock, told] }).start());
        for (const _ of waiters) await told.get();
        // The first to wait is gone as well when the lock is free.
        workers[1].terminate();
        const ends = [await waiters[0].join()];
        workers[0].terminate();
        ends.push(await holder.join(), await waiters[1].join());
        const isAbandoned = await told.get();
        const { abandoned } = await lock.acquire();
        lock.release();
        const late = new mp.Process({ target: work.waitAtBarrier, args: [barrier] }).start();
        while (barrier.nWaiting === 0) await new Promise((resolve) => setTimeout(resolve));
        workers[3].terminate();
        ends.push(await late.join());
        const passed = await barrier.wait().then(() => null, (error) => error.name);
        return { ends, isAbandoned, abandoned, passed };
      });
      assert.deepEqual(outcome, { ends: [1, 1, 0, 1], isAbandoned: true, abandoned: false, passed: "BrokenBarrierError" });
      await works(page);
    }),
  OPTIONS,
);

for (const [mode, headers] of [["isolated", ISOLATION], ["not isolated", {}]] as const) {
  test(
    `a child whose worker cannot begin says why: what is joined, what is read and what a pool is given settle (${mode})`,
    () =>
      onStage(headers, async (stage) => {
        const page = await stage.open();
        const begin = (what: string) =>
          page.evaluate(async (what) => {
            const script = (text: string) => URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
            const first = new Worker(script(""));
            mp.setExecutable(
              {
                "is not there": () => new Worker("/nowhere.js", { type: "module", name: "polyproc" }),
                "throws": () => new Worker(script("throw new Error('at the top')"), { type: "module", name: "polyproc" }),
                "has no name": () => new Worker(`${location.origin}/worker.js`, { type: "module" }),
                "is a promise": () => Promise.resolve(new Worker("/worker.js", { type: "module", name: "polyproc" })),
                "is nothing": (() => {}) as () => object,
                "is always the same": () => first,
              }[what]!,
            );
            if (what === "is always the same") void new mp.Process({ target: work.square, args: [1] }).start().join().catch(() => {});
            const child = new mp.Process({ target: work.square, args: [1], stdio: "pipe" }).start();
            const told = await child.join().then(String, String);
            const streams = [child.stdout, child.stderr].map((stream) => stream === null ? "" : new Response(stream).text());
            const pool = new mp.Pool(1);
            const task = await pool.apply(work.square, [1]).then(String, String);
            pool.terminate();
            return { told, task, said: (await Promise.all(streams)).join("") };
          }, what);
        const reasons: Record<string, RegExp> = {
          "is not there":
            /^ProcessError: Cannot start \S+: its worker's script, or one that this imports, could not be loaded.*docs\/bundlers\.md$/,
          "throws": /^ProcessError: Cannot start \S+: its worker's script failed: Uncaught Error: at the top \(blob:.*:1\)$/,
          "has no name":
            /^ProcessError: Cannot start \S+: its worker's script failed: .* a worker of your own for it has the name "polyproc"/,
          "is a promise": /^TypeError: Cannot start \S+: the function given to setExecutable\(\) made \[object Promise\], not a Worker$/,
          "is nothing": /^TypeError: Cannot start \S+: the function given to setExecutable\(\) made \[object Undefined\], not a Worker$/,
          "is always the same": /^TypeError: Cannot start \S+: the function given to setExecutable\(\) made no new Worker$/,
        };
        for (const [what, reason] of Object.entries(reasons)) {
          const { told, task, said } = await begin(what);
          assert.match(told, reason, what);
          assert.match(task, reason, what);
          assert.equal(said, "", what);
          if (what === "is not there") assert.equal(told.includes("Cross-Origin-Embedder-Policy"), mode === "isolated");
        }
      }),
    OPTIONS,
  );
}

test(
  "the console is told of a worker that does not begin, since its script does not import what it must first",
  () =>
    onStage(ISOLATION, async (stage) => {
      const page = await stage.open();
      await page.clock.install();
      // Nothing of the library, and all but the entry of workers.
      for (const script of ["data:text/javascript,", "/main.js"]) {
        await page.evaluate((script) => {
          mp.setExecutable(() => new Worker(script, { type: "module", name: "polyproc" }));
          new mp.Process({ target: work.square, args: [1], name: "late" }).start();
        }, script);
        await until("with its worker", async () => (await stage.workers()).length === 1);
        const told = page.waitForEvent("console", (message) => message.type() === "warning");
        await page.clock.runFor(10_000);
        assert.match(
          (await told).text(),
          /^late has not begun for 10 s: .* first import of that must be "@polyproc\/multiprocessing\/worker", see docs\/bundlers\.md$/,
        );
        await page.evaluate(async () => {
          for (const child of mp.activeChildren()) {
            child.terminate();
            await child.join();
          }
        });
        await until("without workers", async () => (await stage.workers()).length === 0);
      }
    }),
  OPTIONS,
);
