/** Locks and semaphores: who has them, who waits, in what order, and what becomes of them when their owners end. */
// run: with=off,no-ffi,no-koffi,worker
import { setTimeout } from "node:timers";
import { assert } from "chai";
import * as mp from "../mod.ts";
import * as work from "./fixtures/lock.ts";
import { test } from "./harness.ts";
import { another, collectGarbage, collects, eachBlocking, eachShared, quietly, testRefusals } from "./shared.ts";
import { fails, isPending, sleep, took, until } from "./timing.ts";

/** Shorter than this is "at once", on a busy machine. */
const SOON = 2_000;
const T = 50;

type Kind = "Lock" | "RLock" | "Semaphore" | "BoundedSemaphore";
const LOCKS: readonly Kind[] = ["Lock", "RLock"];
/** What only one may have at a time, whoever asks. */
const EXCLUSIVE: readonly Kind[] = ["Lock", "Semaphore", "BoundedSemaphore"];
const ALL: readonly Kind[] = ["Lock", "RLock", "Semaphore", "BoundedSemaphore"];

/** Gives the event loop no turn for so long. */
function busy(ms: number): void {
  for (const end = performance.now() + ms; performance.now() < end;);
}

const make = (ctx: mp.Context, kind: Kind): mp.Acquirable => new ctx[kind]();

testRefusals("Lock", "RLock", "Semaphore", "BoundedSemaphore");

// ---- one process -------------------------------------------------------------

eachShared("a lock is had by one at a time, and whoever wants it meanwhile gives up in time", async (ctx) => {
  for (const kind of EXCLUSIVE) {
    const lock = make(ctx, kind);
    assert.isTrue(lock instanceof mp[kind] && lock instanceof mp.Acquirable);
    assert.isFalse(lock.locked());
    const guard = await lock.acquire();
    assert.instanceOf(guard, mp.Guard);
    assert.isFalse(guard.abandoned);
    assert.isTrue(lock.locked());
    assert.isNull(lock.tryAcquire());
    const error = await fails(() => lock.acquire({ timeout: 0 }), mp.TimeoutError, [0, SOON]);
    assert.equal(error.name, "TimeoutError");
    assert.match(error.message, /^Cannot acquire the (lock|semaphore) now$/);
    await fails(() => lock.acquire({ timeout: -5 }), mp.TimeoutError, [0, SOON]);
    assert.match((await fails(() => lock.acquire({ timeout: T }), mp.TimeoutError, [T, T + SOON])).message, /within 50 ms/);
    assert.isTrue(lock.locked());
    lock.release();
    assert.isFalse(lock.locked());
    const again = lock.tryAcquire()!;
    assert.isTrue(lock.locked());
    again.release();
    assert.isFalse(lock.locked());
  }
});

eachBlocking("the blocking forms take, give up in time, and let go", async (ctx) => {
  for (const kind of EXCLUSIVE) {
    const lock = make(ctx, kind);
    const guard = lock.acquireSync();
    assert.isTrue(lock.locked());
    for (const timeout of [0, -1]) await fails(() => lock.acquireSync({ timeout }), mp.TimeoutError, [0, SOON]);
    await fails(() => lock.acquireSync({ timeout: T }), mp.TimeoutError, [T, T + SOON]);
    await fails(() => lock.withLockSync(() => assert.fail("it ran"), { timeout: 1 }), mp.TimeoutError, [1, SOON]);
    guard.release();
    assert.equal(lock.withLockSync(() => (assert.isTrue(lock.locked()), 5), { timeout: T }), 5);
    assert.isFalse(lock.locked());
    await fails(() =>
      lock.withLockSync(() => {
        throw new RangeError("from the body");
      }), RangeError);
    assert.isFalse(lock.locked());
  }
});

eachShared("the blocking forms are refused where a thread may not block, and take nothing", async (ctx) => {
  for (const kind of ALL) {
    const lock = make(ctx, kind);
    await fails(() => lock.acquireSync(), mp.UnsupportedError);
    await fails(() => lock.withLockSync(() => assert.fail("it ran")), mp.UnsupportedError);
    assert.isFalse(lock.locked());
  }
}, { methods: ["inline"] });

eachShared("a timeout of infinity is none", async (ctx) => {
  const lock = new ctx.Lock(), guard = await lock.acquire({ timeout: Infinity });
  const waiting = lock.acquire({ timeout: Infinity });
  assert.isTrue(await isPending(waiting));
  guard.release();
  (await waiting).release();
});

eachShared("what nobody holds cannot be released", async (ctx) => {
  for (const kind of LOCKS) {
    const lock = make(ctx, kind);
    const refuse = async () => assert.match((await fails(() => lock.release(), mp.ProcessError)).message, /^Cannot release the lock: /);
    await refuse();
    await lock.acquire();
    lock.release();
    await refuse();
    assert.isFalse(lock.locked());
    (await lock.acquire({ timeout: 0 })).release();
  }
});

eachShared("a guard lets go once, by release or by dispose", async (ctx) => {
  for (const kind of ALL) {
    const lock = make(ctx, kind);
    const first = await lock.acquire();
    first.release();
    const second = await lock.acquire({ timeout: 0 });
    first.release();
    first[Symbol.dispose]();
    assert.isTrue(lock.locked(), `the guard that was released before let go of another's ${kind}`);
    try {
      assert.isFalse(second.abandoned);
    } finally {
      second[Symbol.dispose]();
    }
    assert.isFalse(lock.locked());
    second.release();
    assert.isFalse(lock.locked());
  }
});

eachShared("a guard whose lock was released without it has nothing to let go of any more", async (ctx) => {
  const lock = new ctx.Lock(), same = await another(ctx, lock);
  for (const [holder, releaser, next] of [[lock, lock, lock], [lock, same, same], [same, lock, same], [lock, same, lock]]) {
    const stale = await holder.acquire();
    releaser.release();
    assert.isFalse(lock.locked());
    const guard = await next.acquire({ timeout: 0 });
    stale.release();
    assert.isTrue(lock.locked(), "an old guard let go of a lock that was taken again since");
    guard.release();
    assert.isFalse(lock.locked());
  }
});

eachShared("a guard whose RLock was released without it has nothing to let go of any more", async (ctx) => {
  const lock = new ctx.RLock(), same = await another(ctx, lock);
  for (const [holder, releaser, next] of [[lock, lock, lock], [lock, same, same], [same, lock, same], [lock, same, lock]]) {
    const stale = await holder.acquire();
    releaser.release();
    assert.isFalse(lock.locked());
    const outer = await next.acquire({ timeout: 0 }), inner = await holder.acquire({ timeout: 0 });
    stale.release();
    outer.release();
    assert.isTrue(lock.locked(), "an old guard let go of a lock that was taken again since");
    outer.release();
    assert.isTrue(lock.locked(), "a guard let go twice");
    inner.release();
    assert.isFalse(lock.locked());
  }
});

eachShared("a guard lets go of its lock although that was set aside for a condition meanwhile", async (ctx) => {
  const lock = new ctx.Lock(), condition = new ctx.Condition(lock);
  for (const through of [lock, await another(ctx, lock), condition]) {
    const guard = await through.acquire();
    assert.isFalse(await condition.wait({ timeout: 1 }));
    assert.isTrue(lock.locked());
    guard.release();
    assert.isFalse(lock.locked());
  }
});

eachShared("with a lock a body runs alone, and the lock is released whatever it does", async (ctx) => {
  for (const kind of EXCLUSIVE) {
    const lock = make(ctx, kind);
    assert.equal(await lock.withLock(() => (assert.isTrue(lock.locked()), "plain")), "plain");
    assert.isFalse(lock.locked());
    assert.equal(
      await lock.withLock(async () => {
        await null;
        assert.isTrue(lock.locked());
        return await lock.withLock(() => assert.fail("it ran"), { timeout: 0 }).catch((error) => error.name);
      }),
      "TimeoutError",
    );
    assert.isFalse(lock.locked());
    await fails(() =>
      lock.withLock(() => {
        throw new RangeError("from the body");
      }), RangeError);
    await fails(() => lock.withLock(() => Promise.reject(new RangeError("from the body"))), RangeError);
    assert.isFalse(lock.locked());
  }
});

eachShared("a signal that fired before refuses a lock that is free, and takes nothing", async (ctx) => {
  const signal = AbortSignal.abort(new RangeError("enough"));
  for (const kind of ALL) {
    const lock = make(ctx, kind);
    assert.equal((await fails(() => lock.acquire({ signal }), RangeError)).message, "enough");
    await fails(() => lock.withLock(() => assert.fail("it ran"), { signal }), RangeError);
    assert.isFalse(lock.locked());
    (await lock.acquire({ timeout: 0, signal: new AbortController().signal })).release();
  }
});

eachShared("a wait that is aborted, or too late, takes nothing, and those behind it are served", async (ctx) => {
  for (const kind of EXCLUSIVE) {
    const lock = make(ctx, kind), abort = new AbortController();
    const guard = await lock.acquire();
    const aborted = lock.acquire({ signal: abort.signal });
    // Timed from before it begins to wait.
    const failed = [fails(() => aborted, RangeError), fails(() => lock.acquire({ timeout: T }), mp.TimeoutError, [T - 5, T + SOON])];
    const kept = lock.acquire();
    assert.isTrue(await isPending(aborted));
    abort.abort(new RangeError("enough"));
    await Promise.all(failed);
    assert.isTrue(await isPending(kept));
    guard.release();
    abort.abort();
    (await kept).release();
    assert.isFalse(lock.locked());
    // Aborted in the same turn in which it was to be had.
    const holder = await lock.acquire(), late2 = new AbortController();
    const either = lock.acquire({ signal: late2.signal }).then((taken) => taken.release(), (reason) => assert.equal(reason, "now"));
    holder.release();
    late2.abort("now");
    await either;
    assert.isFalse(lock.locked());
  }
});

eachShared("tasks of one process have a lock in the order in which they asked for it", async (ctx) => {
  for (const kind of EXCLUSIVE) {
    const lock = make(ctx, kind), order: number[] = [], guard = await lock.acquire();
    const same = await another(ctx, lock);
    const tasks = Array.from({ length: 30 }, (_, i) =>
      (i % 5 === 4 ? same : lock).withLock(async () => {
        order.push(i);
        if (i % 3 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
      }, i % 4 === 0 ? { timeout: 20_000 } : {}));
    await null;
    guard.release();
    // Whoever comes now is behind those.
    tasks.push(lock.withLock(() => void order.push(30)));
    await Promise.all(tasks);
    assert.deepEqual(order, Array.from({ length: 31 }, (_, i) => i));
  }
});

eachShared("asynchronous functions of one process exclude each other", async (ctx) => {
  for (const kind of EXCLUSIVE) {
    const lock = make(ctx, kind), counter = ctx.RawValue("int32");
    await Promise.all(Array.from({ length: 10 }, () => work.increment(lock, counter, 50)));
    assert.equal(counter.value, 500);
  }
});

eachShared("an owner takes an RLock again, and releases it as often", async (ctx) => {
  const lock = new ctx.RLock();
  const guards = [await lock.acquire(), await lock.acquire({ timeout: 0 }), lock.tryAcquire()!];
  assert.isTrue(lock.locked());
  const found = new ctx.Queue<work.Found>(), word = new ctx.Queue();
  const child = new ctx.Process({ target: work.look, args: [lock, found, word, 2] }).start();
  const other = async () => {
    await word.put("look");
    return await found.get();
  };
  const held = { locked: true, taken: false, errors: ["TimeoutError", "ProcessError"] };
  assert.deepEqual(await other(), held);
  // This is what the innermost guard was for.
  lock.release();
  for (const guard of [guards[2], guards[0], guards[0]]) guard.release();
  assert.isTrue(lock.locked(), "a guard gave back more than it had");
  assert.deepEqual(await other(), held);
  lock.release();
  assert.isFalse(lock.locked());
  await fails(() => lock.release(), mp.ProcessError);
  for (const guard of guards) guard.release();
  assert.isFalse(lock.locked());
  assert.equal(await child.join(), 0);
});

eachShared("the owner of an RLock does not wait behind those that wait for it", async (ctx) => {
  const lock = new ctx.RLock(), said = new ctx.Queue();
  const outer = await lock.acquire();
  const child = new ctx.Process({ target: work.waitFor, args: [[lock], said] }).start();
  assert.equal(await said.get(), "waits");
  const inner = await lock.acquire({ timeout: 0 });
  await lock.withLock(() => lock.withLock(() => assert.isTrue(lock.locked())));
  inner.release();
  outer.release();
  assert.isFalse(await said.get());
  assert.equal(await child.join(), 0);
});

eachBlocking("an RLock is taken again in a blocking form, and by handles of one process alike", async (ctx) => {
  const lock = new ctx.RLock(), same = await another(ctx, lock);
  const guard = lock.acquireSync();
  const inner = same.acquireSync({ timeout: 0 });
  guard.release();
  assert.isTrue(same.locked());
  inner.release();
  assert.isFalse(lock.locked());
});

eachShared("two handles of one lock in one process are one lock", async (ctx) => {
  for (const kind of EXCLUSIVE) {
    const lock = make(ctx, kind), same = await another(ctx, lock);
    assert.notStrictEqual(lock, same);
    const guard = await lock.acquire();
    assert.isTrue(same.locked());
    assert.isNull(same.tryAcquire());
    const waiting = same.acquire();
    assert.isTrue(await isPending(waiting));
    guard.release();
    const other = await waiting;
    assert.isNull(lock.tryAcquire());
    lock[Symbol.dispose]();
    other.release();
    (await same.acquire({ timeout: 0 })).release();
  }
});

eachShared("disposing of a lock ends the waits here, and concerns nobody else", async (ctx) => {
  const locks = EXCLUSIVE.map((kind) => make(ctx, kind)), said = new ctx.Queue();
  const others = await Promise.all(locks.map((lock) => another(ctx, lock)));
  const guards = await Promise.all(locks.map((lock) => lock.acquire()));
  const child = new ctx.Process({ target: work.waitFor, args: [locks, said] }).start();
  assert.equal(await said.get(), "waits");
  for (const [i, lock] of locks.entries()) {
    const waits = [lock.acquire(), lock.withLock(() => assert.fail("it ran")), lock.acquire({ timeout: 20_000 })];
    assert.isTrue(await isPending(waits[0]));
    lock[Symbol.dispose]();
    for (const { message } of await Promise.all(waits.map((wait) => fails(() => wait, mp.ProcessError)))) {
      assert.match(message, /disposed of here/);
    }
    lock[Symbol.dispose]();
    const uses: [string, () => unknown][] = [
      ["acquire", () => lock.acquire()],
      ["acquire", () => lock.tryAcquire()],
      ["release", () => lock.release()],
      ["look at", () => lock.locked()],
      ["send", () => new ctx.Queue().put(lock)],
    ];
    for (const [action, use] of uses) assert.include((await fails(use, mp.ProcessError)).message, `Cannot ${action} the `);
    assert.isTrue(others[i].locked());
    guards[i].release(); // what it holds is let go of all the same
    assert.isFalse(await said.get());
    (await others[i].acquire()).release();
  }
  assert.equal(await child.join(), 0);
});

eachShared("a lock is kept by whoever waits for it", async (ctx) => {
  let guard: mp.Guard | null = null;
  const waiting = await (async () => {
    const lock = new ctx.Lock();
    guard = await lock.acquire();
    return [lock.acquire()];
  })();
  await collectGarbage();
  guard!.release();
  (await waiting[0]).release();
}, { needs: collects });

// ---- semaphores ---------------------------------------------------------------

eachShared("a semaphore counts its permits, and anybody may raise it", async (ctx) => {
  const semaphore = new ctx.Semaphore(2);
  assert.equal(semaphore.value, 2);
  await semaphore.acquire();
  assert.equal(semaphore.value, 1);
  assert.isFalse(semaphore.locked());
  await semaphore.acquire();
  assert.equal(semaphore.value, 0);
  assert.isTrue(semaphore.locked());
  assert.isNull(semaphore.tryAcquire());
  for (let value = 1; value <= 4; value++) {
    semaphore.release();
    assert.equal(semaphore.value, value);
  }
  const guards = [semaphore.tryAcquire()!, await semaphore.acquire()];
  for (const guard of [...guards, ...guards]) guard.release();
  assert.equal(semaphore.value, 4);
});

eachShared("a bounded semaphore takes back no more than it gave", async (ctx) => {
  const semaphore = new ctx.BoundedSemaphore(2), same = await another(ctx, semaphore);
  const refuse = async () => {
    assert.match((await fails(() => semaphore.release(), RangeError)).message, /^Cannot release the semaphore: .*2 permits/);
    assert.equal(semaphore.value, 2);
  };
  await refuse();
  await semaphore.acquire();
  assert.equal(semaphore.value, 1);
  const guard = await same.acquire();
  assert.isNull(semaphore.tryAcquire());
  semaphore.release();
  guard.release();
  await refuse();
  await refuse();
  assert.equal((await semaphore.acquire({ timeout: 0 })).abandoned, false);
  assert.equal(same.value, 1);
});

eachShared("a semaphore of none is waited for until somebody gives a permit", async (ctx) => {
  const semaphore = new ctx.Semaphore(0), word = new ctx.Queue();
  assert.isTrue(semaphore.locked());
  for (const timeout of [0, -1]) await fails(() => semaphore.acquire({ timeout }), mp.TimeoutError, [0, SOON]);
  await fails(() => semaphore.acquire({ timeout: T }), mp.TimeoutError, [T, T + SOON]);
  const child = new ctx.Process({ target: work.give, args: [semaphore, 3, word] }).start();
  const waits = [1, 2, 3].map(() => semaphore.acquire());
  for (let i = 0; i < 3; i++) {
    if (i < 2) assert.isTrue(await isPending(waits[i]));
    await word.put("give");
    await waits[i];
  }
  assert.equal(semaphore.value, 0);
  assert.equal(await child.join(), 0);
  assert.equal(new ctx.BoundedSemaphore(0).value, 0);
});

eachShared("limits of semaphores are whole numbers, and one by default", async (ctx) => {
  for (const kind of ["Semaphore", "BoundedSemaphore"] as const) {
    assert.equal(new ctx[kind]().value, 1);
    for (const wrong of [-1, 1.5, NaN, Infinity, 2 ** 31]) {
      assert.match((await fails(() => new ctx[kind](wrong), RangeError)).message, /^Cannot make a semaphore: value must be/);
    }
    for (const wrong of ["3", null, {}, 1n]) {
      assert.match((await fails(() => new ctx[kind](wrong as number), TypeError)).message, /value must be a number/);
    }
    assert.equal(new ctx[kind](2 ** 31 - 1).value, 2 ** 31 - 1);
  }
  const full = new ctx.Semaphore(2 ** 31 - 1);
  assert.match((await fails(() => full.release(), RangeError)).message, /the most that there can be/);
  assert.equal(full.value, 2 ** 31 - 1);
});

eachShared("no more are inside than a semaphore has permits", async (ctx) => {
  const semaphores = [new ctx.Semaphore(3), new ctx.BoundedSemaphore(3)], inside = ctx.RawArray("int32", 4);
  const children = [1, 2].map(() => new ctx.Process({ target: work.visit, args: [semaphores, inside, 300] }).start());
  await Promise.all(Array.from({ length: 4 }, () => work.visit(semaphores, inside, 100)));
  for (const child of children) assert.equal(await child.join(), 0);
  const [now, most, nowBounded, mostBounded] = inside;
  assert.deepEqual([now, nowBounded], [0, 0]);
  for (const some of [most, mostBounded]) assert.include([1, 2, 3], some);
  assert.deepEqual(semaphores.map((semaphore) => semaphore.value), [3, 3]);
});

// ---- several processes --------------------------------------------------------

eachShared("processes exclude each other, whatever they lock with and wait by", async (ctx) => {
  const isInline = ctx.getStartMethod() === "inline", start = new ctx.Barrier(3);
  const all = ALL.map((kind): work.Protected => [make(ctx, kind), ctx.RawValue("int32")]);
  const children = [false, !isInline].map((isSync) =>
    new ctx.Process({ target: work.incrementAll, args: [all, 400, isSync, start] }).start()
  );
  await work.incrementAll(all, 200, false, start);
  for (const child of children) assert.equal(await child.join(), 0);
  assert.deepEqual(all.map(([, counter]) => counter.value), [1000, 1000, 1000, 1000]);
  assert.isFalse(all.some(([lock]) => lock.locked()));
});

eachShared("a lock that a process holds is locked in all of them, and anybody may release it", async (ctx) => {
  const lock = new ctx.Lock(), found = new ctx.Queue<work.Found>(), word = new ctx.Queue();
  const guard = await lock.acquire();
  const looking = new ctx.Process({ target: work.look, args: [lock, found, word, 1] }).start();
  await word.put("look");
  assert.deepEqual(await found.get(), { locked: true, taken: false, errors: ["TimeoutError", "none"] });
  assert.equal(await looking.join(), 0);
  assert.isFalse(lock.locked());
  guard.release();
  const held = new ctx.Queue();
  const holding = new ctx.Process({ target: work.take, args: [lock, held, word] }).start();
  await held.get();
  assert.isTrue(lock.locked());
  guard.release();
  assert.isTrue(lock.locked(), "a guard let go of another's lock");
  const waiting = lock.acquire();
  assert.isTrue(await isPending(waiting));
  lock.release();
  const mine = await waiting;
  assert.isFalse(mine.abandoned);
  await word.put("go");
  assert.equal(await holding.join(), 0);
  assert.isTrue(lock.locked(), "the end of a process let go of a lock that it did not hold");
  mine.release();
});

eachShared("a release wakes who waits in another process, at once", async (ctx) => {
  const locks = ALL.map((kind) => make(ctx, kind)), held = new ctx.Queue(), word = new ctx.Queue();
  const child = new ctx.Process({ target: work.holdUntil, args: [locks, held, word] }).start();
  assert.equal(await held.get(), "held");
  for (const lock of locks) {
    const waiting = lock.acquire();
    assert.isTrue(await isPending(waiting));
    const ms = await took(async () => {
      await word.put("go");
      (await waiting).release();
    });
    assert.isBelow(ms, SOON);
  }
  assert.equal(await child.join(), 0);
});

eachBlocking("a release wakes who is blocked in other processes, one after another", async (ctx) => {
  const locks = EXCLUSIVE.map((kind) => make(ctx, kind)), said = new ctx.Queue();
  const guards = locks.map((lock) => lock.acquireSync());
  const children = [1, 2].map(() => new ctx.Process({ target: work.waitForSync, args: [locks, said] }).start());
  assert.deepEqual([await said.get(), await said.get()], ["waits", "waits"]);
  for (const guard of guards) {
    await fails(() => said.get({ timeout: 30 }), mp.Empty);
    guard.release();
    assert.deepEqual([await said.get(), await said.get()], [false, false]);
  }
  for (const child of children) assert.equal(await child.join(), 0);
});

eachShared("tasks of one process keep their order when they let another process go first", async (ctx) => {
  const contests = EXCLUSIVE.map((kind): work.Contest => [make(ctx, kind), ctx.RawArray("int32", 2)]), batches = 50;
  const child = new ctx.Process({ target: work.contend, args: [contests, 0, batches] }).start();
  for (const [lock, turns] of contests) {
    while (turns[1] < batches) {
      const order: number[] = [];
      await Promise.all([0, 1, 2, 3].map((i) => lock.withLock(() => void order.push(i))));
      assert.deepEqual(order, [0, 1, 2, 3]);
      if (turns[0] > 0) Atomics.add(turns, 1, 1);
    }
  }
  assert.equal(await child.join(), 0);
  // And when nobody comes, however their timers come about.
  const lock = new ctx.Lock();
  for (let round = 0; round < 50; round++) {
    const guard = await lock.acquire(), waiting = lock.acquire();
    await sleep(1);
    guard.release();
    (await waiting).release();
    const order: number[] = [];
    const tasks = [0, 1, 2, 3].map((i) => {
      setTimeout(() => busy(1), 1);
      return lock.withLock(() => void order.push(i));
    });
    await Promise.all(tasks);
    assert.deepEqual(order, [0, 1, 2, 3]);
  }
});

eachShared("nobody starves where four processes contend", async (ctx) => {
  const isInline = ctx.getStartMethod() === "inline";
  const contests = ALL.map((kind): work.Contest => [make(ctx, kind), ctx.RawArray("int32", 4)]);
  const targets = isInline ? [work.contend, work.contend] : [work.contend, work.contendSync];
  const children = [...targets, ...targets].map((target, mine) => new ctx.Process({ target, args: [contests, mine, 5] }).start());
  for (const child of children) assert.equal(await child.join(), 0);
  assert.isFalse(contests.some(([lock]) => lock.locked()));
});

// ---- endings ------------------------------------------------------------------

const ENDINGS: readonly work.End[] = ["is killed", "is killed in a loop without end", "returns", "throws", "exits"];

for (const end of ENDINGS) {
  const needsThread = end === "exits" || end.includes("loop");
  const methods: mp.StartMethod[] = needsThread ? ["process", "thread"] : ["process", "thread", "inline"];
  eachShared(`of a process that ${end}, locks are abandoned and held permits come back`, async (ctx) => {
    const lock = new ctx.Lock(), rlock = new ctx.RLock(), bounded = new ctx.BoundedSemaphore(3), plain = new ctx.Semaphore(3);
    const held = new ctx.Queue(), own = await bounded.acquire();
    const child = new ctx.Process({
      target: work.takeAndEnd,
      args: [[lock, rlock, rlock, rlock, bounded, bounded, plain, plain], held, end],
      ...quietly(ctx),
    }).start();
    assert.equal(await held.get(), "held");
    const waits = [lock.acquire(), rlock.acquire(), bounded.acquire()];
    if (end.startsWith("is killed")) {
      for (const wait of waits) assert.isTrue(await isPending(wait));
      assert.equal(bounded.value, 0);
      child.kill();
    }
    const guards = await Promise.all(waits);
    assert.deepEqual(guards.map(({ abandoned }) => abandoned), [true, true, false]);
    await child.join();
    // The next is not told any more.
    for (const [i, one] of [lock, rlock].entries()) {
      assert.isTrue(one.locked());
      guards[i].release();
      assert.isFalse(one.locked());
      const next = await one.acquire({ timeout: 0 });
      assert.isFalse(next.abandoned);
      next.release();
      await fails(() => one.release(), mp.ProcessError);
    }
    await until("given back", () => bounded.value === 1);
    guards[2].release();
    own.release();
    assert.equal(bounded.value, 3);
    await fails(() => bounded.release(), RangeError);
    assert.equal(plain.value, 1);
    plain.release();
    plain.release();
    assert.equal(plain.value, 3);
  }, { methods });
}

eachShared("a lock that nobody waits for when its owner is killed is free, and the next is told, whoever it is", async (ctx) => {
  const locks = Array.from({ length: 5 }, () => new ctx.Lock()), held = new ctx.Queue(), said = new ctx.Queue();
  const child = new ctx.Process({ target: work.takeAndEnd, args: [locks, held, "is killed"] }).start();
  assert.equal(await held.get(), "held");
  assert.isTrue(locks.every((lock) => lock.locked()));
  child.kill();
  await child.join();
  assert.isFalse(locks.some((lock) => lock.locked()));
  assert.isTrue((await locks[0].acquire({ timeout: 0 })).abandoned);
  assert.isTrue(locks[1].tryAcquire()!.abandoned);
  assert.isTrue(await locks[4].withLock(({ abandoned }) => abandoned));
  const other = new ctx.Process({ target: work.waitFor, args: [[locks[2]], said] }).start();
  assert.deepEqual([await said.get(), await said.get()], ["waits", true]);
  assert.equal(await other.join(), 0);
  if (ctx.getStartMethod() !== "inline" && mp.capabilities().blocking) assert.isTrue(locks[3].acquireSync({ timeout: 0 }).abandoned);
});

eachBlocking("who is blocked for a lock has it when its owner is killed", async (ctx) => {
  const lock = new ctx.Lock(), held = new ctx.Queue(), said = new ctx.Queue();
  const owner = new ctx.Process({ target: work.takeAndEnd, args: [[lock], held, "is killed"] }).start();
  assert.equal(await held.get(), "held");
  const blocked = new ctx.Process({ target: work.waitForSync, args: [[lock], said] }).start();
  assert.equal(await said.get(), "waits");
  owner.kill();
  assert.isTrue(await said.get());
  assert.equal(await blocked.join(), 0);
  await owner.join();
  assert.isFalse((await lock.acquire()).abandoned);
});

eachShared("who is killed while it waits takes nothing, and those behind it are served", async (ctx) => {
  const locks = EXCLUSIVE.map((kind) => make(ctx, kind)), said = new ctx.Queue(), survived = new ctx.Queue();
  const guards = await Promise.all(locks.map((lock) => lock.acquire()));
  const doomed = [new ctx.Process({ target: work.waitFor, args: [locks, said] }).start()];
  if (ctx.getStartMethod() !== "inline") doomed.push(new ctx.Process({ target: work.waitForSync, args: [locks, said] }).start());
  for (const _ of doomed) assert.equal(await said.get(), "waits");
  const survivor = new ctx.Process({ target: work.waitFor, args: [locks, survived] }).start();
  assert.equal(await survived.get(), "waits");
  for (const child of doomed) child.kill();
  // One is released before the dead are buried, of whom one may have it in its last moment: who blocks was just about to look.
  guards[0].release();
  for (const child of doomed) await child.join();
  for (const guard of guards.slice(1)) guard.release();
  assert.isBoolean(await survived.get());
  for (const _ of guards.slice(1)) assert.isFalse(await survived.get());
  assert.equal(await survivor.join(), 0);
  for (const lock of locks) (await lock.acquire()).release();
});

// ---- on the way ----------------------------------------------------------------

eachShared("locks travel as arguments, deep in objects, and twice in one message as one", async (ctx) => {
  const lock = new ctx.Lock(), other = new ctx.RLock(), said = new ctx.Queue(), word = new ctx.Queue();
  const parcel: work.Parcel = { lock, deep: { list: [lock, other], map: new Map([["lock", lock]]) } };
  const child = new ctx.Process({ target: work.unpack, args: [parcel, other, said, word] }).start();
  assert.deepEqual(await said.get(), [true, true, true]);
  assert.equal(await said.get(), "held");
  for (const one of [lock, other]) {
    assert.isTrue(one.locked());
    assert.isNull(one.tryAcquire());
  }
  await word.put("go");
  assert.equal(await said.get(), "released");
  assert.isFalse(lock.locked() || other.locked());
  assert.equal(await child.join(), 0);
});

eachShared("locks and semaphores travel through queues and pipes, and keep their kind", async (ctx) => {
  const queue = new ctx.Queue<mp.Acquirable>(), done = new ctx.Queue(), [here, there] = ctx.Pipe();
  const all = ALL.filter((kind) => kind !== "RLock").map((kind) => make(ctx, kind));
  const child = new ctx.Process({ target: work.releaseAll, args: [queue, there, all.length, done] }).start();
  for (const send of [(one: mp.Acquirable) => queue.put(one), (one: mp.Acquirable) => here.send(one)]) {
    for (const one of all) {
      await one.acquire();
      await send(one);
    }
    for (const one of all) assert.equal(await done.get(), Object.getPrototypeOf(one.constructor).name);
    assert.isFalse(all.some((one) => one.locked()));
  }
  assert.equal(await child.join(), 0);
});

eachShared("a lock lives as long as a message that holds it", async (ctx) => {
  const queue = new ctx.Queue<mp.Acquirable>();
  for (const kind of ALL) {
    const lock = make(ctx, kind);
    await lock.acquire();
    await queue.put(lock);
    lock[Symbol.dispose]();
  }
  // What was given back would be used for these.
  const others = Array.from({ length: 50 }, () => new ctx.Lock());
  for (const kind of ALL) {
    const lock = await queue.get();
    assert.isTrue(lock instanceof mp[kind]);
    assert.isTrue(lock.locked());
    lock.release();
    assert.isFalse(lock.locked());
  }
  assert.isTrue(others.every((lock) => !lock.locked()));
});

eachShared("a lock that a child made, and holds, is abandoned when the child ends", async (ctx) => {
  const made = new ctx.Queue<mp.Lock>(), word = new ctx.Queue();
  const child = new ctx.Process({ target: work.makeLocked, args: [made, word] }).start();
  const lock = await made.get();
  assert.isTrue(lock.locked());
  await word.put("go");
  assert.isTrue((await lock.acquire()).abandoned);
  assert.equal(await child.join(), 0);
}, { methods: ["process"] });

test("a lock in memory that a child does not share is refused by name", async () => {
  const lock = new (mp.getContext("thread").Lock)();
  const child = new (mp.getContext("process").Process)({ target: work.waitFor, args: [[lock], new mp.Queue()] });
  const error = await fails(() => child.start(), mp.DataCloneError);
  assert.match(error.message, /^Cannot give Lock to /);
}, { needs: (can) => can.sharedMemory.process && can.sharedMemory.thread ? null : "no memory is shared" });
