/** Conditions: waiting with a lock in hand, being notified, and what becomes of notifications whose receivers end. */
// run: with=off,no-ffi
import { assert } from "chai";
import * as mp from "../mod.ts";
import * as work from "./fixtures/condition.ts";
import { another, eachBlocking, eachShared, testRefusals } from "./shared.ts";
import { fails, isPending, sleep, until } from "./timing.ts";

/** Shorter than this is "at once", on a busy machine. */
const SOON = 2_000;
const T = 50;

type Waiting = [name: string, wasNotified: boolean];

/** Starts children that wait for the condition, one after another, and comes back when all do. */
async function waiters(ctx: mp.Context, condition: mp.Condition, said: mp.Queue, names: readonly string[], timeout?: number) {
  const children: mp.Process[] = [];
  for (const name of names) {
    const target = name.startsWith("blocked") && ctx.getStartMethod() !== "inline" ? work.waitSync : work.wait;
    children.push(new ctx.Process({ target, args: [condition, said, name, timeout] }).start());
    assert.equal(await said.get(), `${name} waits`);
    // It has the lock until it waits.
    await condition.withLock(() => {});
  }
  return children;
}

async function joined(children: readonly mp.Process[]): Promise<void> {
  for (const child of children) assert.equal(await child.join(), 0);
}

testRefusals("Condition");

eachShared("a condition has its lock's members, and a Lock by default", async (ctx) => {
  for (const lock of [undefined, null, new ctx.Lock(), new ctx.RLock()]) {
    const condition = new ctx.Condition(lock);
    assert.instanceOf(condition, mp.Condition);
    assert.isFalse(condition.locked());
    const guard = await condition.acquire();
    assert.instanceOf(guard, mp.Guard);
    assert.isTrue((lock ?? condition).locked());
    if (!(lock instanceof mp.RLock)) {
      assert.isNull(condition.tryAcquire());
      await fails(() => condition.acquire({ timeout: T }), mp.TimeoutError, [T, T + SOON]);
    }
    guard.release();
    condition.tryAcquire()!.release();
    assert.equal(await condition.withLock(() => condition.locked() && "inside"), "inside");
    await condition.acquire();
    condition.release();
    assert.isFalse((lock ?? condition).locked());
    await fails(() => condition.release(), mp.ProcessError);
  }
  for (const wrong of [5, "lock", {}, new ctx.Semaphore()]) {
    assert.match((await fails(() => new ctx.Condition(wrong as unknown as mp.Lock), TypeError)).message, /must be a Lock or an RLock/);
  }
});

eachShared("without the lock nobody waits or notifies, even if another has it", async (ctx) => {
  const isInline = ctx.getStartMethod() === "inline", said = new ctx.Queue<string[]>(), condition = new ctx.Condition();
  const refused = Array.from({ length: 6 }, () => "ProcessError");
  assert.match((await fails(() => condition.wait(), mp.ProcessError)).message, /^Cannot wait for the condition: .* acquire\(\) it first/);
  assert.match((await fails(() => condition.notify(), mp.ProcessError)).message, /^Cannot notify the condition: .* acquire\(\) it first/);
  await work.tryWithout(condition, said);
  assert.deepEqual(await said.get(), refused);
  const guard = await condition.acquire();
  const child = new ctx.Process({ target: work.tryWithout, args: [condition, said] }).start();
  assert.deepEqual(await said.get(), refused);
  assert.equal(await child.join(), 0);
  if (isInline) await fails(() => condition.waitSync(), mp.UnsupportedError);
  assert.isTrue(condition.locked());
  guard.release();
});

eachShared("a wait gives false when its time is up, and true when it was notified, with the lock in hand either way", async (ctx) => {
  const condition = new ctx.Condition(), said = new ctx.Queue(), word = new ctx.Queue();
  const guard = await condition.acquire();
  for (const timeout of [0, -1, T]) {
    const start = performance.now();
    assert.isFalse(await condition.wait({ timeout }));
    assert.isAtLeast(performance.now() - start, timeout);
    assert.isBelow(performance.now() - start, T + SOON);
    assert.isTrue(condition.locked());
    assert.isNull(condition.tryAcquire());
  }
  const child = new ctx.Process({ target: work.meddle, args: [condition, said, word] }).start();
  const waiting = condition.wait({ timeout: 20_000 });
  assert.equal(await said.get(), "notified");
  // It goes on once it has the lock.
  assert.isTrue(await isPending(waiting));
  await word.put("go on");
  assert.isTrue(await waiting);
  assert.isTrue(condition.locked());
  guard.release();
  assert.isFalse(condition.locked());
  assert.equal(await child.join(), 0);
});

eachBlocking("a blocking wait gives false when its time is up, and true when it was notified", async (ctx) => {
  const condition = new ctx.Condition(), word = new ctx.Queue();
  const guard = condition.acquireSync();
  for (const timeout of [0, -1, T]) {
    const start = performance.now();
    assert.isFalse(condition.waitSync({ timeout }));
    assert.isAtLeast(performance.now() - start, timeout);
    assert.isTrue(condition.locked());
  }
  const child = new ctx.Process({ target: work.notifyAll, args: [condition, word] }).start();
  word.putSync("go");
  assert.isTrue(condition.waitSync());
  assert.isTrue(condition.locked());
  guard.release();
  assert.equal(condition.withLockSync(() => condition.waitForSync(() => "at once")), "at once");
  assert.equal(condition.withLockSync(() => condition.waitForSync(() => 0, { timeout: T })), 0);
  assert.equal(await child.join(), 0);
});

eachShared("a wait takes the lock back even if its time is up while another has it", async (ctx) => {
  const condition = new ctx.Condition();
  const waiting = condition.withLock(async () => [await condition.wait({ timeout: T }), condition.locked()]);
  const guard = await condition.acquire();
  await sleep(2 * T);
  assert.isTrue(await isPending(waiting));
  guard.release();
  assert.deepEqual(await waiting, [false, true]);
  assert.isFalse(condition.locked());
});

eachShared("those who have waited longest are notified first, and no more than asked for", async (ctx) => {
  const condition = new ctx.Condition(), said = new ctx.Queue<string | Waiting>();
  const first = await waiters(ctx, condition, said, ["a", "blocked b"]);
  const own = condition.withLock(() => condition.wait());
  await condition.withLock(() => {});
  const last = await waiters(ctx, condition, said, ["c"]);
  const notify = (n?: number) => condition.withLock(() => condition.notify(n));
  await notify(0);
  await notify();
  assert.deepEqual(await said.get(), ["a", true]);
  await fails(() => said.get({ timeout: 30 }), mp.Empty);
  await notify(2);
  assert.deepEqual(await said.get(), ["blocked b", true]);
  assert.isTrue(await own);
  await fails(() => said.get({ timeout: 30 }), mp.Empty);
  await notify(100);
  assert.deepEqual(await said.get(), ["c", true]);
  await joined([...first, ...last]);
  // Notifications are not kept for those who come later.
  assert.isFalse(await condition.withLock(() => condition.wait({ timeout: T })));
  for (const wrong of [-1, NaN, -Infinity]) {
    await condition.acquire();
    assert.match((await fails(() => condition.notify(wrong), RangeError)).message, /n must be a number from 0 on/);
    condition.release();
  }
});

eachShared("tasks of one process are notified in the order in which they came", async (ctx) => {
  const condition = new ctx.Condition(), order: number[] = [];
  const tasks = Array.from({ length: 6 }, (_, i) =>
    condition.withLock(async () => {
      assert.isTrue(await condition.wait());
      order.push(i);
    }));
  for (let n = 1; n <= 3; n++) {
    await condition.withLock(() => condition.notify(n));
    await until("notified", () => order.length === n * (n + 1) / 2);
    assert.isTrue(await isPending(tasks[order.length] ?? new Promise(() => {})));
  }
  await Promise.all(tasks);
  assert.deepEqual(order, [0, 1, 2, 3, 4, 5]);
});

eachShared("waits that end in time leave nothing behind, and all who wait then are notified", async (ctx) => {
  const condition = new ctx.Condition(), said = new ctx.Queue<string | Waiting>();
  const tasks = (timeout?: number) => [1, 2, 3].map(() => condition.withLock(() => condition.wait({ timeout })));
  assert.deepEqual(await Promise.all(tasks(T)), [false, false, false]);
  for (const name of ["a", "blocked b"]) {
    const late = await waiters(ctx, condition, said, [name], T);
    assert.deepEqual(await said.get(), [name, false]);
    await joined(late);
  }
  const waits = tasks(), children = await waiters(ctx, condition, said, ["a", "blocked b", "c"]);
  await condition.withLock(() => condition.notifyAll());
  assert.deepEqual(await Promise.all(waits), [true, true, true]);
  assert.sameDeepMembers([await said.get(), await said.get(), await said.get()], [["a", true], ["blocked b", true], ["c", true]]);
  await joined(children);
  assert.isFalse(condition.locked());
});

eachShared("waitFor asks with the lock in hand until the answer is yes, and gives that", async (ctx) => {
  const condition = new ctx.Condition(), count = ctx.RawValue("int32");
  let asked = 0;
  const ask = () => {
    assert.isTrue(condition.locked());
    asked++;
    return count.value >= 3 ? "enough" : null;
  };
  const waiting = condition.withLock(() => condition.waitFor(ask, { timeout: 20_000 }));
  for (let n = 1; n <= 3; n++) {
    assert.isTrue(await isPending(waiting));
    await condition.withLock(() => {
      count.value = n;
      condition.notifyAll();
    });
  }
  assert.equal(await waiting, "enough");
  assert.isAtLeast(asked, 2);
  assert.isAtMost(asked, 4);
  assert.equal(await condition.withLock(() => condition.waitFor(ask, { timeout: 0 })), "enough");
  count.value = 0;
  for (const timeout of [0, -1, T]) {
    const start = performance.now();
    assert.isNull(await condition.withLock(() => condition.waitFor(ask, { timeout })));
    assert.isAtLeast(performance.now() - start, timeout);
  }
  // The time is for all of it, however often it is woken.
  const late = condition.withLock(() => condition.waitFor(() => false, { timeout: 4 * T }));
  const start = performance.now();
  let isOver = false;
  late.then(() => isOver = true);
  while (!isOver && performance.now() - start < 20_000) {
    await condition.withLock(() => condition.notifyAll());
    await sleep(5);
  }
  assert.isFalse(await late);
  assert.isBelow(performance.now() - start, 4 * T + SOON);
  await fails(() =>
    condition.withLock(() =>
      condition.waitFor(() => {
        throw new RangeError("from the predicate");
      })
    ), RangeError);
  await fails(() => condition.withLock(() => condition.waitFor(() => Promise.resolve(false))), TypeError);
  assert.isFalse(condition.locked());
});

eachShared("an RLock is let go of altogether, and taken back as often as it was", async (ctx) => {
  const lock = new ctx.RLock(), condition = new ctx.Condition(lock), word = new ctx.Queue();
  for (let i = 0; i < 3; i++) await lock.acquire();
  const child = new ctx.Process({ target: work.notifyAll, args: [condition, word] }).start();
  await word.put("go");
  // Its child takes the lock meanwhile.
  assert.isTrue(await condition.wait({ timeout: 20_000 }));
  assert.equal(await child.join(), 0);
  assert.isFalse(await condition.wait({ timeout: 1 }));
  if (ctx.getStartMethod() !== "inline" && mp.capabilities().blocking) assert.isFalse(condition.waitSync({ timeout: 1 }));
  for (let i = 0; i < 3; i++) {
    assert.isTrue(lock.locked());
    lock.release();
  }
  assert.isFalse(lock.locked());
  await fails(() => lock.release(), mp.ProcessError);
});

eachShared("an aborted wait takes the lock back, and its notification goes to another", async (ctx) => {
  const condition = new ctx.Condition(), abort = new AbortController();
  const first = condition.withLock(async () => {
    const error = await fails(() => condition.wait({ signal: abort.signal }), RangeError);
    assert.isTrue(condition.locked());
    return error.message;
  });
  const second = condition.withLock(() => condition.wait());
  await condition.withLock(() => {
    condition.notify();
    abort.abort(new RangeError("enough"));
  });
  assert.equal(await first, "enough");
  assert.isTrue(await second);
  await condition.withLock(async () => {
    await fails(() => condition.wait({ signal: abort.signal }), RangeError);
    for (const isSo of [false, true]) await fails(() => condition.waitFor(() => isSo, { signal: abort.signal }), RangeError);
    assert.isTrue(condition.locked());
  });
  assert.isFalse(condition.locked());
});

eachShared("a wait that is aborted while another has the lock is rejected once it has that", async (ctx) => {
  const condition = new ctx.Condition(), abort = new AbortController();
  const waiting = condition.withLock(() => fails(() => condition.wait({ signal: abort.signal }), RangeError));
  const guard = await condition.acquire();
  abort.abort(new RangeError());
  assert.isTrue(await isPending(waiting));
  guard.release();
  await waiting;
  assert.isFalse(condition.locked());
});

eachShared("disposing of a condition ends the waits here, with the lock taken back, and concerns nobody else", async (ctx) => {
  const condition = new ctx.Condition(), same = await another(ctx, condition), said = new ctx.Queue<string | Waiting>();
  const here = condition.withLock(() => fails(() => condition.wait(), mp.ProcessError));
  const children = await waiters(ctx, same, said, ["a"]);
  condition[Symbol.dispose]();
  condition[Symbol.dispose]();
  assert.match((await here).message, /disposed of here/);
  assert.isFalse(same.locked());
  await condition.acquire();
  for (const use of [() => condition.wait(), () => condition.notify(), () => condition.waitFor(() => true)]) {
    assert.match((await fails(use, mp.ProcessError)).message, /disposed of here/);
  }
  condition.release();
  await same.withLock(() => same.notify());
  assert.deepEqual(await said.get(), ["a", true]);
  await joined(children);
});

eachShared("notifying does not wait for the dead, nor is spent on them", async (ctx) => {
  const condition = new ctx.Condition(), said = new ctx.Queue<string | Waiting>();
  const doomed = await waiters(ctx, condition, said, ["a", "blocked b"]);
  const survivors = await waiters(ctx, condition, said, ["c"]);
  for (const child of doomed) child.kill();
  for (const child of doomed) await child.join();
  await condition.withLock(() => condition.notify());
  assert.deepEqual(await said.get(), ["c", true]);
  await joined(survivors);
  await condition.withLock(() => condition.notifyAll());
  await fails(() => said.get({ timeout: 30 }), mp.Empty);
});

eachShared("what one was notified of who is killed before it goes on, goes to another", async (ctx) => {
  const condition = new ctx.Condition(), said = new ctx.Queue(), isInline = ctx.getStartMethod() === "inline";
  const doomed = new ctx.Process({ target: work.waitAndSpin, args: [condition, said, isInline] }).start();
  assert.equal(await said.get(), "waits");
  await condition.withLock(() => {});
  const waits = [1, 2].map(() => condition.withLock(() => condition.wait()));
  await condition.withLock(() => {
    condition.notify();
    if (isInline) doomed.kill();
  });
  if (!isInline) {
    assert.isTrue(await isPending(waits[0]));
    doomed.kill();
  }
  assert.isTrue(await waits[0]);
  assert.isTrue(await isPending(waits[1]));
  await doomed.join();
  await condition.withLock(() => condition.notifyAll());
  assert.isTrue(await waits[1]);
});

eachShared("who waits gets the lock back of one who was killed with it, and is told", async (ctx) => {
  for (const lock of [new ctx.Lock(), new ctx.RLock()]) {
    const condition = new ctx.Condition(lock), said = new ctx.Queue(), word = new ctx.Queue();
    const guard = await condition.acquire(), waiting = condition.wait();
    const child = new ctx.Process({ target: work.meddle, args: [condition, said, word] }).start();
    assert.equal(await said.get(), "notified");
    assert.isTrue(await isPending(waiting));
    assert.isFalse(guard.abandoned);
    child.kill();
    assert.isTrue(await waiting);
    assert.isTrue(guard.abandoned);
    assert.isTrue(condition.locked());
    await child.join();
    guard.release();
    assert.isFalse((await condition.acquire()).abandoned);
  }
});

eachShared("no notification is lost between producers and consumers", async (ctx) => {
  const isInline = ctx.getStartMethod() === "inline", count = 200, sums = new ctx.Queue<number>();
  for (const lock of [new ctx.Lock(), ...isInline ? [new ctx.RLock()] : []]) {
    const store: work.Store = {
      condition: new ctx.Condition(lock),
      words: ctx.RawArray("int32", 2),
      numbers: ctx.RawArray("int32", 3),
    };
    const children = [
      new ctx.Process({ target: work.produce, args: [store, 1, count, !isInline] }).start(),
      new ctx.Process({ target: work.consume, args: [store, count, false, sums] }).start(),
      new ctx.Process({ target: work.consume, args: [store, count, !isInline, sums] }).start(),
    ];
    await work.produce(store, count + 1, count, false);
    assert.equal(await sums.get() + await sums.get(), count * (2 * count + 1));
    await joined(children);
  }
});

eachShared("a condition travels with its lock, and is one wherever it comes twice", async (ctx) => {
  const lock = new ctx.Lock(), condition = new ctx.Condition(lock), door = ctx.Value("bool"), said = new ctx.Queue();
  const [here, there] = ctx.Pipe();
  await here.send([condition, condition]);
  const [first, second] = await there.recv() as mp.Condition[];
  assert.strictEqual(first, second);
  const opened = first.withLock(() => {
    assert.isTrue(lock.locked());
    return first.waitFor(() => door.value, { timeout: 20_000 });
  });
  const child = new ctx.Process({ target: work.open, args: [lock, [condition, condition], door, said] }).start();
  assert.isTrue(await said.get());
  assert.isTrue(await opened);
  assert.equal(await child.join(), 0);
  assert.isFalse(lock.locked());
});
