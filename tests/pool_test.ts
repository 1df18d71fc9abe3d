/** Pools: calls and maps, how they are cut, what they are given, and what they refuse. */
import { assert } from "chai";
import * as mp from "../mod.ts";
import * as work from "./fixtures/pool.ts";
import { eachMethod, test } from "./harness.ts";
import { gather, withPool } from "./pools.ts";
import { collectGarbage, collects } from "./shared.ts";
import { fails, isPending, listenersOf, until } from "./timing.ts";

const OWN: mp.StartMethod[] = ["process", "thread"];
const range = (n: number) => Array.from({ length: n }, (_, i) => i);
const squares = (n: number) => range(n).map((i) => i ** 2);

eachMethod("calls and maps give what a loop would", (ctx) =>
  withPool(ctx, 2, async (pool) => {
    assert.equal(await pool.apply(work.square, [7]), 49);
    assert.equal(await pool.apply(work.add, [3, 4]), 7);
    assert.deepEqual(await pool.apply(work.initialized), []);
    assert.equal(await pool.apply(work.squareLater, [5]), 25);
    assert.deepEqual(await pool.map(work.square, range(10)), squares(10));
    assert.deepEqual(await pool.map(work.square, range(100), { chunksize: 20 }), squares(100));
    assert.deepEqual(await pool.map(work.squareLater, range(50)), squares(50));
    assert.deepEqual(await pool.map(work.square, new Set([3, 1, 2])), [9, 1, 4]);
    assert.deepEqual(await pool.starmap(work.add, range(100).map((i) => [i, 1])), range(100).map((i) => i + 1));
    assert.deepEqual(await pool.starmap(work.add, [[1, 2], [3, 4]], { chunksize: 1 }), [3, 7]);
    assert.deepEqual(await pool.map(work.square, range(20_000)), squares(20_000));
    assert.deepEqual(await Promise.all(range(2000).map((i) => pool.apply(work.square, [i]))), squares(2000));
  }));

eachMethod("lazy maps give all results, in order or not", (ctx) =>
  withPool(ctx, 2, async (pool) => {
    const sorted = async (results: AsyncIterable<number>) => (await gather(results)).sort((a, b) => a - b);
    assert.deepEqual(await gather(pool.imap(work.squareLater, range(10))), squares(10));
    assert.deepEqual(await gather(pool.imap(work.square, range(1000), { chunksize: 100 })), squares(1000));
    assert.deepEqual(await sorted(pool.imapUnordered(work.squareLater, range(30))), squares(30));
    assert.deepEqual(await sorted(pool.imapUnordered(work.square, range(1000), { chunksize: 53 })), squares(1000));
    async function* late() {
      for (const i of range(10)) yield await Promise.resolve(i);
    }
    assert.deepEqual(await gather(pool.imap(work.square, late())), squares(10));
    const results = pool.imap(work.square, [2]);
    assert.deepEqual(await results.next(), { done: false, value: 4 });
    for (let i = 0; i < 2; i++) assert.deepEqual(await results.next(), { done: true, value: undefined });
    // Asked for several at once.
    const many = pool.imap(work.square, range(3));
    const all = await Promise.all([many.next(), many.next(), many.next(), many.next()]);
    assert.deepEqual(all.map(({ value }) => value), [0, 1, 4, undefined]);
  }));

eachMethod("nothing gives nothing", (ctx) =>
  withPool(ctx, 1, async (pool) => {
    assert.deepEqual(await pool.map(work.square, []), []);
    assert.deepEqual(await pool.map(work.square, [], { chunksize: 1 }).get({ timeout: 5000 }), []);
    assert.deepEqual(await pool.starmap(work.add, []), []);
    assert.deepEqual(await gather(pool.imap(work.square, [])), []);
    assert.deepEqual(await gather(pool.imapUnordered(work.square, [])), []);
  }));

eachMethod("an iterable that throws gives its own error, and the pool goes on", (ctx) =>
  withPool(ctx, 2, async (pool) => {
    function* broken(after: number) {
      yield* range(after);
      throw new SyntaxError("no more");
    }
    for (const after of [0, 2, 50]) {
      const error = await fails(() => pool.map(work.square, broken(after)), SyntaxError);
      assert.equal(error.message, "no more");
      assert.notInclude(error.stack, "submitted");
      const got: number[] = [];
      await fails(async () => {
        for await (const result of pool.imap(work.square, broken(after))) got.push(result);
      }, SyntaxError);
      assert.deepEqual(got, squares(after));
      await fails(() => gather(pool.imapUnordered(work.square, broken(after))), SyntaxError);
    }
    assert.deepEqual(await pool.map(work.square, range(5)), squares(5));
  }));

eachMethod("lazy maps take no more than they need ahead, and leave off when the loop is left", (ctx) =>
  withPool(ctx, 2, async (pool) => {
    let taken = 0, isClosed = false;
    function* endless() {
      try {
        for (;;) yield taken++;
      } finally {
        isClosed = true;
      }
    }
    const results = pool.imap(work.square, endless(), { buffersize: 5 });
    assert.equal(taken, 0);
    assert.equal((await results.next()).value, 0);
    await until("got as far as it may", () => taken >= 5);
    for (let i = 1; i < 20; i++) assert.equal((await results.next()).value, i ** 2);
    assert.isAtMost(taken, 25);
    await results.return!();
    assert.isTrue(isClosed);
    assert.isTrue((await results.next()).done);
    [taken, isClosed] = [0, false];
    for await (const result of pool.imapUnordered(work.squareLater, endless())) if (result > 100) break;
    assert.isTrue(isClosed);
    assert.isBelow(taken, 100);
    assert.equal(await pool.apply(work.square, [3]), 9);
  }));

eachMethod("lazy maps take no more than they may ahead, whatever their chunks", (ctx) =>
  withPool(ctx, 2, async (pool) => {
    for (const [chunksize, buffersize] of [[4, 5], [3, 9], [7, 2]]) {
      let taken = 0, asked = 0, most = 0;
      const source = function* () {
        for (; taken < 60;) {
          most = Math.max(most, ++taken - asked);
          yield taken;
        }
      };
      const lazy = pool.imap(work.same<number>, source(), { chunksize, buffersize });
      for (; asked++ < 60;) assert.equal((await lazy.next()).value, asked);
      assert.isTrue((await lazy.next()).done);
      assert.isAtMost(most, buffersize);
    }
  }));

eachMethod("a lazy map listens to its signal until all its results are given, or it is over", (ctx) =>
  withPool(ctx, 1, async (pool) => {
    const abort = new AbortController(), { signal } = abort, listeners = listenersOf(signal);
    for (const length of [1, 2, 9]) {
      const lazy = pool.imap(work.square, range(length), { signal });
      for (const value of squares(length)) assert.deepEqual(await lazy.next(), { done: false, value });
      await until("listened no more", () => listeners() === 0);
    }
    await fails(() => pool.imap(5 as never, [1], { signal }).next(), TypeError);
    assert.equal(listeners(), 0);
    // All are there, and whoever aborts wants none of them.
    const lazy = pool.imap(work.square, range(3), { signal, buffersize: 9 });
    assert.equal((await lazy.next()).value, 0);
    await until("did all", () => pool.stats().queued + pool.stats().running === 0);
    abort.abort(new RangeError("enough"));
    await fails(() => lazy.next(), RangeError);
    assert.isTrue((await lazy.next()).done);
    assert.equal(listeners(), 0);
  }));

eachMethod("a lazy map goes on when its pool is closed, and whoever joins the pool has all its results", async (ctx) => {
  for (const isBegun of [true, false]) {
    const pool = new ctx.Pool(2), again = new ctx.Pool(2);
    const lazy = pool.imap(work.square, range(300)), unordered = again.imapUnordered(work.square, new Set(range(300)));
    if (isBegun) assert.equal((await lazy.next()).value, 0);
    pool.close();
    again.close();
    // Asked for, and joined after that; joined, and asked for after that.
    assert.deepEqual(await gather(lazy), squares(300).slice(Number(isBegun)));
    await pool.join();
    await again.join();
    assert.sameMembers(await gather(unordered), squares(300));
  }
});

// Where all is inline the clock may stand still, and nobody knows how quick a call is.
eachMethod("quick calls are far ahead of the loop, but not if their arguments are large", (ctx) =>
  withPool(ctx, 2, async (pool) => {
    const ahead = async (byteLength: number) => {
      let most = 0;
      const source = function* () {
        for (;;) {
          const { queued, running } = pool.stats();
          most = Math.max(most, queued + running);
          yield new Uint8Array(byteLength);
        }
      };
      const lazy = pool.imap(work.lengthOf, source());
      for (let i = 0; i < 200; i++) assert.equal((await lazy.next()).value, byteLength);
      await lazy.return!();
      return most;
    };
    await ahead(1); // it is known by now how long a call takes
    assert.isAbove(await ahead(1), 40);
    // Two for each worker, or as many as make a MiB.
    assert.isAtMost(await ahead(2 ** 18), 4);
  }), { methods: OWN });

eachMethod("a source that may have no end is left when its pool is joined", async (ctx) => {
  for (const isAsync of [false, true]) {
    let taken = 0, isLeft = false;
    const source = function* () {
      try {
        for (;;) yield taken++;
      } finally {
        isLeft = true;
      }
    };
    const later = async function* () {
      yield* source();
    };
    const pool = new ctx.Pool(2);
    const lazy = pool.imap(work.square, isAsync ? later() : source(), { buffersize: 10 });
    assert.equal((await lazy.next()).value, 0);
    pool.close();
    assert.equal((await lazy.next()).value, 1);
    await pool.join();
    await until("left it", () => isLeft);
    const got: unknown[] = [];
    const error = await fails(async () => {
      for await (const result of lazy) got.push(result);
    }, mp.ProcessError);
    assert.match(error.message, /joined/);
    assert.deepEqual(got, squares(taken).slice(2, got.length + 2));
    assert.isAtMost(taken, got.length + 3);
    assert.isTrue((await lazy.next()).done);
  }
});

eachMethod("a lazy map that nobody has any more keeps neither the workers of a closed pool nor whoever joins it", async (ctx) => {
  for (const isJoined of [true, false]) {
    const pool = new ctx.Pool(1);
    const endless = function* () {
      for (let n = 0;; n++) yield n;
    };
    // In a function of its own, so that nothing of it stays on the stack.
    const begin = async () => {
      const lazy = pool.imap(work.square, endless());
      await lazy.next();
      return new WeakRef(lazy);
    };
    const lazy = await begin();
    pool.close();
    await until("is collected", async () => {
      await collectGarbage();
      return lazy.deref() === undefined && (isJoined || pool.stats().workers.length === 0);
    }, 20_000);
    await pool.join();
  }
}, { needs: collects });

eachMethod("the end of a pool reads no source to its end", async (ctx) => {
  let taken = 0;
  const many = {
    length: 1_000_000,
    *[Symbol.iterator]() {
      for (; taken < 1_000_000; taken++) yield taken;
    },
  };
  const pool = new ctx.Pool(2), lazy = pool.imap(work.square, many);
  assert.equal((await lazy.next()).value, 0);
  pool.terminate();
  await pool.join();
  assert.isBelow(taken, 10_000);
  await fails(async () => {
    for await (const _ of lazy);
  }, mp.CancelledError);
});

eachMethod("a source that has more than it says keeps nobody who joins its pool", async (ctx) => {
  for (const length of [3, Infinity, NaN, -1, "3"]) {
    let taken = 0;
    const source = {
      length,
      *[Symbol.iterator]() {
        for (;;) yield taken++;
      },
    };
    const pool = new ctx.Pool(2), lazy = pool.imap(work.square, source), got: unknown[] = [];
    pool.close();
    await pool.join();
    await fails(async () => {
      for await (const result of lazy) got.push(result);
    }, mp.ProcessError);
    assert.deepEqual(got, squares(taken));
    assert.equal(taken, length === 3 ? 4 : Number(length === -1));
  }
});

eachMethod("what was taken for a chunk is done, though its source fails or is left", async (ctx) => {
  const source = function* (end: () => void) {
    yield 1;
    yield 2;
    end();
  };
  const later = async function* () {
    yield 1;
    yield 2;
    await new Promise(() => {});
  };
  const failing = new ctx.Pool(1);
  const results = failing.imap(work.square, source(() => assert.fail("at its end")), { chunksize: 5 });
  assert.equal((await results.next()).value, 1);
  assert.equal((await results.next()).value, 4);
  assert.match((await fails(() => results.next(), Error)).message, /at its end/);
  failing.close();
  await failing.join();

  const joined = new ctx.Pool(1), lazy = joined.imap(work.square, later(), { chunksize: 5 }), first = lazy.next();
  await isPending(first);
  joined.close();
  await joined.join();
  assert.equal((await first).value, 1);
  assert.equal((await lazy.next()).value, 4);
  await fails(() => lazy.next(), mp.ProcessError);
});

eachMethod(
  "a source that fails once its lazy map is over has no more calls made, and nobody gets its error",
  (ctx) =>
    withPool(ctx, 1, async (pool) => {
      for (const end of ["abort", "return"] as const) {
        const abort = new AbortController(), { promise: stopped, reject: fail } = Promise.withResolvers<never>();
        let isWaiting = false, isLeft = false;
        const source = async function* () {
          yield 1;
          yield 2;
          try {
            isWaiting = true;
            await stopped;
          } finally {
            isLeft = true;
          }
        };
        const lazy = pool.imap(work.square, source(), { chunksize: 5, signal: abort.signal });
        const first = fails(() => lazy.next(), Error);
        await until("took two", () => isWaiting);
        const { done } = pool.stats();
        if (end === "abort") abort.abort(new RangeError("enough"));
        else await lazy.return!();
        fail(new SyntaxError("the source's own"));
        assert.equal((await first).name, end === "abort" ? "RangeError" : "CancelledError");
        await until("left it", () => isLeft);
        assert.equal(await pool.apply(work.square, [3]), 9);
        assert.equal(pool.stats().done, done + 1);
        assert.deepEqual(await lazy.next(), { done: true, value: undefined });
      }
    }),
);

eachMethod("a lazy map's source is left once, whoever leaves off, and when", async (ctx) => {
  const ends: [string, (pool: mp.Pool, lazy: AsyncIterableIterator<unknown>, abort: AbortController) => void][] = [
    ["the pool is joined", (pool) => (pool.close(), void pool.join())],
    ["the loop is left", (_pool, lazy) => void lazy.return!()],
    ["its signal says so", (_pool, _lazy, abort) => abort.abort()],
  ];
  for (const [name, end] of ends) {
    for (const isInside of [true, false]) {
      const pool = new ctx.Pool(1), abort = new AbortController(), after: number[] = [];
      let taken = 0, left = 0;
      const source = function* () {
        try {
          for (;;) {
            if (isInside && taken === 6) end(pool, lazy, abort);
            yield taken++;
          }
        } finally {
          left++;
          after.push(taken);
        }
      };
      const lazy: AsyncIterableIterator<unknown> = pool.imap(work.square, source(), { buffersize: 10, signal: abort.signal });
      const first = lazy.next().catch(() => {});
      if (!isInside) {
        await first;
        end(pool, lazy, abort);
      }
      await until(`left when ${name}`, () => left > 0);
      await first;
      for (let i = 0, done: boolean | undefined = false; i < 20 && !done; i++) {
        ({ done } = await lazy.next().catch(() => ({ done: false })));
      }
      assert.deepEqual([left, after], [1, [taken]], name);
      if (isInside) assert.equal(taken, 7, name);
      pool.terminate();
      await pool.join();
    }
  }
});

eachMethod("a lazy map that nobody goes on with keeps nobody who joins its pool", async (ctx) => {
  const pool = new ctx.Pool(2);
  const left = pool.imap(work.square, range(50));
  for await (const result of left) if (result === 9) break;
  pool.imapUnordered(work.square, range(10));
  pool.close();
  await pool.join();
  assert.isTrue((await left.next()).done);
});

eachMethod(
  "errors keep their class, code, cause, fields and stack, which goes on with the call's",
  (ctx) =>
    withPool(ctx, 2, async (pool) => {
      const check = (error: Error, n: number) => {
        assert.instanceOf(error, work.OddError);
        const odd = error as work.OddError;
        assert.deepEqual([odd.name, odd.message, odd.code, odd.n], ["OddError", `${n} is odd`, "E_ODD", n]);
        assert.instanceOf(odd.cause, RangeError);
        assert.match(odd.stack!, /failIfOdd[^]*submitted[^]*pool_test/);
      };
      check(await fails(() => pool.apply(work.failIfOdd, [3]), work.OddError), 3);
      check(await fails(() => pool.map(work.failIfOdd, [2, 4, 5, 6, 8]), work.OddError), 5);
      // Of several, that which came first.
      const any = await fails(() => pool.map(work.failIfOdd, range(40), { chunksize: 4 }), work.OddError);
      check(any, (any as work.OddError).n);
      const late = await fails(() => pool.apply(work.failLater, [1]), TypeError);
      assert.equal(late.message, "no 1");
      assert.match(late.stack!, /failLater[^]*submitted[^]*pool_test/);
    }),
);

eachMethod("one error does not end a lazy map, chunked or not", (ctx) =>
  withPool(ctx, 2, async (pool) => {
    for (const chunksize of [1, 3]) {
      const results = pool.imap(work.failIfOdd, range(8), { chunksize });
      for (let i = 0; i < 8; i++) {
        if (i % 2 === 0) assert.equal((await results.next()).value, i);
        else assert.equal((await fails(() => results.next(), work.OddError)).message, `${i} is odd`);
      }
      assert.isTrue((await results.next()).done);
      let ok = 0, bad = 0;
      const any = pool.imapUnordered(work.failIfOdd, range(8), { chunksize });
      for (let isOver = false; !isOver;) {
        try {
          isOver = (await any.next()).done === true;
          if (!isOver) ok++;
        } catch {
          bad++;
        }
      }
      assert.deepEqual([ok, bad], [4, 4]);
    }
  }));

eachMethod("a map with a failing call makes the other calls all the same", (ctx) =>
  withPool(ctx, 2, async (pool) => {
    const seen = new ctx.Queue<number>();
    const progress: mp.Progress[] = [];
    const items = range(12).map((n) => [seen, n] as const);
    await fails(
      () => pool.starmap(work.putInto, [...items.slice(0, 3), [null as never, 0], ...items.slice(3)], { chunksize: 2 }),
      TypeError,
    );
    const got: number[] = [];
    while (got.length < 12) got.push(await seen.get());
    assert.deepEqual(got.sort((a, b) => a - b), range(12));
    const result = pool.map(work.failIfOdd, range(10), { chunksize: 3, onProgress: (at) => progress.push(at) });
    await fails(() => result, work.OddError);
    await until("told of all", () => progress.at(-1)?.done === 10);
    assert.deepEqual(progress.at(-1), { done: 10, total: 10, failed: 5 });
  }));

eachMethod("a result tells how it stands, and can be asked again", (ctx) =>
  withPool(ctx, 1, async (pool) => {
    const begun = new ctx.Queue<string>(), gate = new ctx.Queue<unknown>();
    const result = pool.apply(work.hold, [begun, gate]);
    await begun.get();
    assert.isFalse(result.ready());
    await fails(() => result.successful(), mp.ProcessError);
    assert.isFalse(await result.wait({ timeout: 30 }));
    await fails(() => result.get({ timeout: 30 }), mp.TimeoutError, [30, 5000]);
    await fails(() => result.get({ timeout: 0 }), mp.TimeoutError);
    const late = new AbortController();
    const aborted = result.get({ signal: late.signal });
    late.abort(new DOMException("enough", "AbortError"));
    assert.equal((await fails(() => aborted, DOMException)).message, "enough");
    await gate.put(1);
    const value = await result.get();
    assert.equal(await result.get(), value);
    assert.equal(await result, value);
    assert.isTrue(result.ready());
    assert.isTrue(result.successful());
    assert.isTrue(await result.wait());
    assert.isFalse(result.cancel());
    const bad = pool.apply(work.failLater, [1]);
    assert.isTrue(await bad.wait());
    assert.isFalse(bad.successful());
    await fails(() => bad, TypeError);
    await fails(() => bad.get({ timeout: 5 }), TypeError);
  }));

test("an error in a result that nobody looks at is reported, and only then", async () => {
  const inline = mp.getContext("inline");
  await withPool(inline, 1, async (pool) => {
    const looked = pool.apply(work.failLater, [1]);
    await looked.wait();
    // This one would fail the test, were it reported.
    pool.apply(work.failLater, [2]).catch(() => {});
  });
});

const BAD_OPTIONS: [mp.PoolOptions | number, ErrorConstructor, RegExp][] = [
  [0, RangeError, /processes.*1.*it is 0/],
  [-1, RangeError, /processes/],
  [1.5, RangeError, /processes/],
  ["2" as never, TypeError, /processes/],
  [{ processes: 0 }, RangeError, /processes/],
  [{ maxTasksPerChild: 0 }, RangeError, /maxTasksPerChild/],
  [{ maxTasksPerChild: -1 }, RangeError, /maxTasksPerChild/],
  [{ maxTasksPerChild: 0.5 }, RangeError, /maxTasksPerChild/],
  [{ maxTasksPerChild: "12" as never }, TypeError, /maxTasksPerChild/],
  [{ initializer: 1 as never }, TypeError, /initializer/],
  [{ initargs: "no" as never }, TypeError, /initargs/],
  [{ processes: 2, minProcesses: 3 }, RangeError, /minProcesses/],
  [{ idle: "spin" as never }, TypeError, /idle/],
  [{ nice: 20 }, RangeError, /nice/],
  [{ startMethod: "fork" as never }, TypeError, /startMethod/],
  [{ size: 2 } as never, TypeError, /"size".*processes/],
];
for (const [options, type, message] of BAD_OPTIONS) {
  test(`options are checked: ${JSON.stringify(options)}`, async () => {
    assert.match((await fails(() => new mp.Pool(options), type)).message, message);
  });
}

eachMethod("a task's bad options, arguments and functions fail that task, at the call", (ctx) =>
  withPool(ctx, 1, async (pool) => {
    const bad = (result: mp.AsyncResult) => {
      assert.isTrue(result.ready());
      return result;
    };
    await fails(() => bad(pool.apply(work.square, [1], { timeout: -1 })), RangeError);
    await fails(() => bad(pool.apply(work.square, [1], { tiemout: 1 } as never)), TypeError);
    await fails(() => bad(pool.apply(work.square, 5 as never)), TypeError);
    await fails(() => bad(pool.map(work.square, [1], { chunksize: 0 })), RangeError);
    await fails(() => bad(pool.map(work.square, [1], { chunksize: -3 })), RangeError);
    await fails(() => bad(pool.map(work.square, 5 as never)), TypeError);
    await fails(() => pool.imap(work.square, 5 as never), TypeError);
    await fails(() => pool.imap(work.square, [1], { buffersize: 0 }), RangeError);
    await fails(() => bad(pool.apply(5 as never)), TypeError);
    const error = await fails(() => bad(pool.apply(work.same, [{ deep: [1, () => 2] }])), mp.DataCloneError);
    assert.match(error.message, /args\[0\]\.deep\[1\]/);
    await fails(() => bad(pool.map(work.same, [1, Symbol("no")])), mp.DataCloneError);
    // Only what cannot be sent is lost.
    const results = pool.imap(work.same, [1, () => 2, 3]);
    assert.equal((await results.next()).value, 1);
    await fails(() => results.next(), mp.DataCloneError);
    assert.equal((await results.next()).value, 3);
    // What is changed after the call is not seen.
    const item = { n: 1 };
    const result = pool.apply(work.same, [item]);
    item.n = 2;
    assert.deepEqual(await result, { n: 1 });
  }));

eachMethod(
  "a function that no worker finds fails with that error every time, and the others do not",
  (ctx) =>
    withPool(ctx, 2, async (pool) => {
      const missing = { module: new URL("./fixtures/pool.ts", import.meta.url), name: "nobody" };
      const broken = { module: new URL("./fixtures/process_throws.ts", import.meta.url), name: "anything" };
      for (let i = 0; i < 2; i++) {
        assert.match((await fails(() => pool.apply(missing), mp.TargetError)).message, /nobody/);
        const error = await fails(() => pool.apply(broken), Error);
        assert.notInstanceOf(error, mp.WorkerDiedError);
        assert.match(error.message, /import/);
      }
      assert.equal(await pool.apply(work.square, [2]), 4);
    }),
  { methods: OWN },
);

eachMethod("closures are sent as their source, or run as they are inline", (ctx) =>
  withPool(ctx, 1, async (pool) => {
    assert.equal(await pool.apply((n: number) => n * 3, [5]), 15);
    assert.deepEqual(await pool.map((n: number) => n + 1, [1, 2]), [2, 3]);
  }));

eachMethod("a map that is given up while its items are read calls nothing more", (ctx) =>
  withPool(ctx, 1, async (pool) => {
    const abort = new AbortController(), { signal } = abort, listeners = listenersOf(signal);
    let end: () => unknown = () => abort.abort(new RangeError("enough"));
    const item = (n: number) => ({
      get x() {
        if (n === 3) end();
        return n;
      },
    });
    await pool.apply(work.square, [2]);
    const { done } = pool.stats();
    // By its signal, by what cannot be sent, and by whoever has its results.
    await fails(() => pool.map(work.same, range(8).map(item), { signal, chunksize: 2 }), RangeError);
    await fails(() => pool.map(work.sleep, [60_000, (() => 0) as never], { chunksize: 1, grace: 10 }), mp.DataCloneError);
    // Of a function that nobody knows yet, two chunks are read at the call.
    const map: mp.AsyncResult<unknown> = pool.map(work.sleepFor, range(8).map(item), { chunksize: 1 });
    end = () => map.cancel();
    await fails(() => map, mp.CancelledError);
    const calls = pool.stats().done;
    const lazy = pool.imap(work.sleepFor, [item(3)]);
    end = () => lazy.return!();
    assert.isTrue((await lazy.next()).done);
    assert.equal(await pool.apply(work.square, [3]), 9);
    assert.isAtMost(calls - done, 3);
    assert.equal(pool.stats().done, calls + 1);
    assert.equal(listeners(), 0);
  }));

eachMethod("a closed pool does what it has, takes nothing more, and can be joined", async (ctx) => {
  const pool = new ctx.Pool(2);
  await fails(() => pool.join(), mp.ProcessError);
  const results = range(20).map((i) => pool.apply(work.squareLater, [i]));
  pool.close();
  assert.match((await fails(() => pool.apply(work.square, [1]), mp.ProcessError)).message, /closed/);
  await fails(() => pool.map(work.square, [1]), mp.ProcessError);
  await fails(() => pool.imap(work.square, [1]), mp.ProcessError);
  await fails(() => pool.resize(3), mp.ProcessError);
  assert.deepEqual(await Promise.all(results), squares(20));
  await pool.join();
  await pool.join();
  pool.close();
  pool.terminate();
  assert.deepEqual(pool.stats().workers, []);
});

eachMethod("results of a terminated pool are cancelled at once", async (ctx) => {
  const begun = new ctx.Queue<string>(), gate = new ctx.Queue<unknown>();
  const pool = new ctx.Pool(3);
  const results = range(1000).map(() => pool.apply(work.hold, [begun, gate]));
  const mapped = pool.map(work.sleep, [300_000, 300_000]);
  const lazy = pool.imap(work.sleep, [300_000, 300_000]);
  const first = fails(() => lazy.next(), mp.CancelledError);
  for (let i = 0; i < 3; i++) await begun.get();
  pool.terminate();
  for (const result of [...results, mapped]) {
    assert.isTrue(result.ready());
    await fails(() => result, mp.CancelledError);
  }
  await first;
  assert.match((await fails(() => pool.apply(work.square, [1]), mp.ProcessError)).message, /terminated/);
  await pool.join();
  assert.deepEqual(pool.stats().workers, []);
});

eachMethod("await using terminates", async (ctx) => {
  const begun = new ctx.Queue<string>(), gate = new ctx.Queue<unknown>();
  const pool = new ctx.Pool(1);
  const result = pool.apply(work.hold, [begun, gate]);
  await begun.get();
  await pool[Symbol.asyncDispose]();
  await fails(() => result, mp.CancelledError);
  assert.deepEqual(pool.stats().workers, []);
});

eachMethod("exactly so many workers are there from the start, and run at once", async (ctx) => {
  const begun = new ctx.Queue<string>(), gate = new ctx.Queue<unknown>();
  await withPool(ctx, 3, async (pool) => {
    assert.equal(pool.size, 3);
    assert.equal(pool.stats().workers.length, 3);
    const results = range(8).map(() => pool.apply(work.hold, [begun, gate]));
    const names = new Set<string>();
    for (let i = 0; i < 3; i++) names.add(await begun.get());
    assert.equal(names.size, 3);
    assert.isTrue(await isPending(begun.get()));
    const { running, queued } = pool.stats();
    assert.deepEqual([running, queued], [3, 5]);
    for (let i = 0; i < 8; i++) await gate.put(i);
    await Promise.all(results);
    assert.equal(pool.stats().done, 8);
  });
}, { follows: true });

eachMethod("shared objects travel to tasks and back", (ctx) =>
  withPool(ctx, 2, async (pool) => {
    const queue = new ctx.Queue<number>();
    const back = await pool.apply(work.putInto, [queue, 5]);
    assert.equal(await queue.get(), 5);
    await back.put(6);
    assert.equal(await queue.get(), 6);
    await Promise.all(range(50).map((n) => pool.apply(work.putInto, [queue, n])));
    let sum = 0;
    for (let i = 0; i < 50; i++) sum += await queue.get();
    assert.equal(sum, 1225);
  }));

eachMethod("arguments may be of classes that only the task's module registers", (ctx) =>
  withPool(ctx, 2, async (pool) => {
    const parcel = Object.assign(new work.Parcel(), { weight: 7 });
    for (const moves of [false, true]) {
      for (let round = 0; round < 4; round++) {
        const scale = new ctx.Queue<[number, number]>(), bytes = new Uint8Array([round, 2, 3]);
        const result = pool.apply(work.weigh, [parcel, scale, bytes], moves ? { transfer: [bytes.buffer] } : {});
        assert.isTrue(await result);
        assert.deepEqual(await scale.get(), [7, round]);
      }
    }
  }));

eachMethod("large arguments and results travel", (ctx) =>
  withPool(ctx, 2, async (pool) => {
    const bytes = new Uint8Array(8 * 2 ** 20).map((_, i) => i * 7);
    const back = await Promise.all(range(4).map(() => pool.apply(work.same as (bytes: Uint8Array) => Uint8Array, [bytes])));
    for (const one of back) assert.isTrue(one.length === bytes.length && one.every((byte, i) => byte === bytes[i]));
    assert.deepEqual(await pool.map(work.lengthOf, range(20).map((i) => new Uint8Array(i * 50_000))), range(20).map((i) => i * 50_000));
    assert.equal((await pool.map(work.same, range(30).map(() => "x".repeat(40_000)), { chunksize: 2 })).join("").length, 1_200_000);
  }));

// A worker that finds no room for a result, as its owner makes some at that very moment, once slept for ever.
eachMethod("results that come faster than there is room for them all arrive", (ctx) =>
  withPool(ctx, 2, async (pool) => {
    for (let round = 0; round < 5; round++) {
      const results = await Promise.all(range(1000).map((n) => pool.apply(work.repeated, [n & 255, 12_000])));
      for (const [n, bytes] of results.entries()) assert.deepEqual([bytes.length, bytes[0], bytes[11_999]], [12_000, n & 255, n & 255]);
    }
  }));

eachMethod("buffers are moved to threads and back, and copied elsewhere", (ctx) =>
  withPool(ctx, 1, async (pool) => {
    const isThread = ctx.getStartMethod() === "thread" && mp.capabilities().sharedMemory.thread;
    const bytes = new Uint8Array(100_000).fill(1), other = new Uint8Array(10).fill(2);
    const result = pool.apply(work.moveBack, [bytes], { transfer: [bytes.buffer] });
    assert.equal(bytes.length, isThread ? 0 : 100_000);
    const back = await result;
    assert.deepEqual([back.length, back[0], back[1]], [100_000, 2, 1]);
    const again = await pool.apply(work.moveBack, [mp.move(other, [other.buffer])]);
    assert.deepEqual([other.length, again[0]], [isThread ? 0 : 10, 3]);
    const many = await Promise.all(
      range(30).map((i) => {
        const one = new Uint8Array(1000).fill(i);
        return pool.apply(work.moveBack, [one], { transfer: [one.buffer] });
      }),
    );
    assert.deepEqual(many.map((one) => one[0]), range(30).map((i) => i + 1));
    // Given up before anybody had it, and while somebody had it.
    const lost = new Uint8Array(1000);
    const busy = pool.apply(work.sleep, [20]);
    const given = pool.apply(work.moveBack, [lost], { transfer: [lost.buffer] });
    given.cancel();
    await fails(() => given, mp.CancelledError);
    await busy;
    assert.equal(await pool.apply(work.square, [4]), 16);
  }));

test("a pool of threads has a class of its own", async () => {
  const pool = new mp.ThreadPool(1);
  try {
    assert.equal((await pool.apply(work.here)).replace(/ .*/, ""), "PoolWorker-1");
    assert.deepEqual(pool.stats().workers.map(({ pid }) => pid), [mp.currentProcess().pid]);
  } finally {
    await pool[Symbol.asyncDispose]();
  }
}, { needs: (can) => can.startMethods.includes("thread") ? null : can.reasons["startMethods.thread"] });
