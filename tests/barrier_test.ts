/** Barriers: parties that meet again and again, what is done when all are there, and how one who gives up or dies is not waited for. */
// run: with=off,no-ffi,worker
import { assert } from "chai";
import * as mp from "../mod.ts";
import * as work from "./fixtures/barrier.ts";
import { modules } from "./harness.ts";
import { another, eachBlocking, eachShared, testRefusals } from "./shared.ts";
import { fails, isPending, sleep, took, until } from "./timing.ts";

/** Shorter than this is "at once", on a busy machine. */
const SOON = 2_000;
const T = 50;

const isInline = (ctx: mp.Context) => ctx.getStartMethod() === "inline";
const BROKEN = "BrokenBarrierError";

/** Starts children that wait so often, asynchronously and blocked by turns. */
function waiters(ctx: mp.Context, barrier: mp.Barrier, said: mp.Queue, count: number, times = 1, options?: { timeout?: number }) {
  return Array.from({ length: count }, (_, i) =>
    new ctx.Process({
      target: i % 2 === 1 && !isInline(ctx) ? work.waitSync : work.wait,
      args: [barrier, said, times, options],
    }).start());
}

async function joined(children: readonly mp.Process[]): Promise<void> {
  for (const child of children) assert.equal(await child.join(), 0);
}

async function all(said: mp.Queue, count: number): Promise<unknown[]> {
  const words: unknown[] = [];
  while (words.length < count) words.push(await said.get());
  return words;
}

testRefusals("Barrier");

// ---- passing -------------------------------------------------------------------

eachShared("each party that passes has a number of its own, round after round", async (ctx) => {
  const barrier = new ctx.Barrier(3), said = new ctx.Queue<number>();
  assert.instanceOf(barrier, mp.Barrier);
  assert.deepEqual([barrier.parties, barrier.nWaiting, barrier.broken], [3, 0, false]);
  const children = waiters(ctx, barrier, said, 2, 10);
  for (let round = 0; round < 10; round++) {
    const own = await barrier.wait();
    assert.sameMembers([own, ...await all(said, 2)], [0, 1, 2]);
  }
  assert.deepEqual([barrier.nWaiting, barrier.broken], [0, false]);
  await joined(children);
});

eachShared("five parties keep step", async (ctx) => {
  const barrier = new ctx.Barrier(5), steps = ctx.RawArray("int32", 2), said = new ctx.Queue<number>();
  const children = [false, !isInline(ctx)].map((isSync) =>
    new ctx.Process({ target: work.keepStep, args: [barrier, steps, 10, isSync, said] }).start()
  );
  // Three of the parties are tasks of one process.
  const own = [1, 2, 3].map(() => work.keepStep(barrier, steps, 10, false, said));
  assert.deepEqual(await all(said, 5), [0, 0, 0, 0, 0]);
  await Promise.all(own);
  await joined(children);
  assert.deepEqual([...steps], [50, 50]);
});

eachShared("five processes pass a thousand times, and none is left behind", async (ctx) => {
  const barrier = new ctx.Barrier(5), lock = new ctx.Lock(), end = new ctx.Queue<number>(), passes = 1000;
  const children = [false, true, false, true, true].map((isSync) =>
    new ctx.Process({ target: work.passAndTell, args: [barrier, lock, end, passes, isSync && !isInline(ctx)] }).start()
  );
  for (let i = 0; i < passes; i++) assert.deepEqual(await end.getMany(5).then((some) => fill(end, some)), [i, i, i, i, i]);
  await joined(children);
  assert.isTrue(end.empty());
}, { timeoutMs: 90_000 });

/** As many as five. */
async function fill(queue: mp.Queue<number>, some: number[]): Promise<number[]> {
  while (some.length < 5) some.push(...await queue.getMany(5 - some.length));
  return some;
}

eachShared("one party alone passes at once", async (ctx) => {
  const barrier = new ctx.Barrier(1);
  for (let i = 0; i < 3; i++) assert.equal(await barrier.wait({ timeout: 0 }), 0);
  if (!isInline(ctx) && mp.capabilities().blocking) assert.equal(barrier.waitSync(), 0);
  assert.deepEqual([barrier.nWaiting, barrier.broken], [0, false]);
});

eachShared("who waits is counted, and seen by all processes", async (ctx) => {
  const barrier = new ctx.Barrier(4), said = new ctx.Queue();
  const own = [barrier.wait()];
  assert.equal(barrier.nWaiting, 1);
  own.push(barrier.wait());
  assert.equal(barrier.nWaiting, 2);
  const child = new ctx.Process({ target: work.lookAndWait, args: [barrier, said] }).start();
  assert.deepEqual(await said.get(), { parties: 4, nWaiting: 2, broken: false });
  await until("counted", () => barrier.nWaiting === 3);
  assert.isTrue(await isPending(own[0]));
  assert.equal(await barrier.wait(), 3);
  assert.deepEqual(await Promise.all(own), [0, 1]);
  assert.equal(await said.get(), 2);
  assert.equal(barrier.nWaiting, 0);
  await joined([child]);
});

eachShared("the blocking form is refused where a thread may not block, and counts nobody", async (ctx) => {
  const barrier = new ctx.Barrier(2);
  await fails(() => barrier.waitSync(), mp.UnsupportedError);
  assert.deepEqual([barrier.nWaiting, barrier.broken], [0, false]);
}, { methods: ["inline"] });

eachShared("parties are a whole number from 1 on, and a timeout is a number", async (ctx) => {
  for (const wrong of [0, -1, 1.5, NaN, Infinity, 2 ** 31]) {
    assert.match((await fails(() => new ctx.Barrier(wrong), RangeError)).message, /^Cannot make a barrier: parties must be/);
  }
  for (const wrong of ["2", null, undefined, {}, 2n]) {
    assert.match((await fails(() => new ctx.Barrier(wrong as number), TypeError)).message, /parties must be a number/);
  }
  assert.match(
    (await fails(() => new ctx.Barrier(2, { timeout: "5" as unknown as number }), TypeError)).message,
    /timeout must be a number/,
  );
  for (const action of ["go", 5, {}]) await fails(() => new ctx.Barrier(2, { action: action as unknown as () => void }), TypeError);
});

// ---- breaking ------------------------------------------------------------------

eachShared("a barrier that is aborted lets nobody pass until it is reset", async (ctx) => {
  const barrier = new ctx.Barrier(4), said = new ctx.Queue();
  const children = waiters(ctx, barrier, said, 2), own = fails(() => barrier.wait(), mp.BrokenBarrierError);
  await until("waiting", () => barrier.nWaiting === 3);
  barrier.abort();
  barrier.abort();
  const error = await own;
  assert.equal(error.name, BROKEN);
  assert.match(error.message, /^Cannot pass the barrier: it was broken/);
  assert.deepEqual(await all(said, 2), [BROKEN, BROKEN]);
  assert.deepEqual([barrier.nWaiting, barrier.broken], [0, true]);
  await joined(children);
  assert.match((await fails(() => barrier.wait(), mp.BrokenBarrierError, [0, SOON])).message, /reset\(\) makes it whole/);
  if (!isInline(ctx) && mp.capabilities().blocking) await fails(() => barrier.waitSync(), mp.BrokenBarrierError, [0, SOON]);
  barrier.reset();
  assert.deepEqual([barrier.nWaiting, barrier.broken], [0, false]);
  assert.sameMembers(await Promise.all([1, 2, 3, 4].map(() => barrier.wait())), [0, 1, 2, 3]);
});

eachShared("a reset ends the waits there are, and begins anew, whoever does it", async (ctx) => {
  const barrier = new ctx.Barrier(3), said = new ctx.Queue(), words = new ctx.Queue<"abort" | "reset" | "wait">();
  barrier.reset();
  const child = new ctx.Process({ target: work.obey, args: [barrier, words, said, 5] }).start();
  for (const what of ["reset", "abort"] as const) {
    const own = [1, 2].map(() => fails(() => barrier.wait(), mp.BrokenBarrierError));
    assert.equal(barrier.nWaiting, 2);
    await words.put(what);
    assert.deepEqual(await said.get(), { nWaiting: 0, broken: what === "abort" });
    await Promise.all(own);
    if (what === "abort") barrier.reset();
    assert.deepEqual([barrier.nWaiting, barrier.broken], [0, false]);
    assert.sameMembers(await Promise.all([1, 2, 3].map(() => barrier.wait())), [0, 1, 2]);
  }
  for (const what of ["reset", "abort"] as const) {
    await words.put("wait");
    await until("waiting", () => barrier.nWaiting === 1);
    barrier[what]();
    assert.equal(await said.get(), BROKEN);
    barrier.reset();
  }
  await words.put("wait");
  const own = await Promise.all([1, 2].map(() => barrier.wait()));
  assert.sameMembers([...own, await said.get()], [0, 1, 2]);
  await joined([child]);
});

eachShared("a barrier that was aborted and reset, in a meeting of all, is passed by all", async (ctx) => {
  const barrier = new ctx.Barrier(3), meeting = new ctx.Barrier(3), said = new ctx.Queue();
  const children = [true, false].map((isFirst) =>
    new ctx.Process({ target: work.abortAndReset, args: [barrier, meeting, isFirst, said] }).start()
  );
  await work.abortAndReset(barrier, meeting, false, said);
  assert.sameDeepMembers(await all(said, 3), [["number"], [BROKEN, "number"], [BROKEN, "number"]]);
  await joined(children);
  assert.isFalse(barrier.broken);
});

eachShared("when the time of one is up, no party passes, nor one who comes later", async (ctx) => {
  const barrier = new ctx.Barrier(4), said = new ctx.Queue();
  const children = waiters(ctx, barrier, said, 2, 1, { timeout: 20_000 });
  await until("waiting", () => barrier.nWaiting === 2);
  const error = await fails(() => barrier.wait({ timeout: T }), mp.BrokenBarrierError, [T, T + SOON]);
  assert.match(error.message, /not all of its 4 parties came within 50 ms/);
  assert.deepEqual(await all(said, 2), [BROKEN, BROKEN]);
  assert.isTrue(barrier.broken);
  await fails(() => barrier.wait({ timeout: Infinity }), mp.BrokenBarrierError, [0, SOON]);
  await joined(children);
  const hasty = new ctx.Barrier(3, { timeout: T });
  // The time is that of the first.
  const ms = await took(() => Promise.all([1, 2].map(() => fails(() => hasty.wait(), mp.BrokenBarrierError))));
  assert.isAtLeast(ms, T - 5);
  assert.isBelow(ms, T + SOON);
  await fails(() => hasty.wait(), mp.BrokenBarrierError, [0, SOON]);
  for (const timeout of [0, -1]) {
    hasty.reset();
    await fails(() => hasty.wait({ timeout }), mp.BrokenBarrierError, [0, SOON]);
    assert.isTrue(hasty.broken);
  }
  hasty.reset();
  // What is given comes before what is the default.
  const patient = [1, 2].map(() => hasty.wait({ timeout: 20_000 }));
  await sleep(2 * T);
  assert.equal(await hasty.wait(), 2);
  await Promise.all(patient);
});

eachBlocking("a blocking wait breaks the barrier when its time is up, by default or as given", async (ctx) => {
  const barrier = new ctx.Barrier(2, { timeout: T });
  await fails(() => barrier.waitSync(), mp.BrokenBarrierError, [T, T + SOON]);
  assert.isTrue(barrier.broken);
  barrier.reset();
  await fails(() => barrier.waitSync({ timeout: 2 * T }), mp.BrokenBarrierError, [2 * T, 2 * T + SOON]);
  barrier.reset();
  await fails(() => barrier.waitSync({ timeout: 0 }), mp.BrokenBarrierError, [0, SOON]);
});

eachShared("the default time travels with the barrier", async (ctx) => {
  const same = await another(ctx, new ctx.Barrier(2, { timeout: T }));
  assert.equal(same.parties, 2);
  await fails(() => same.wait(), mp.BrokenBarrierError, [T, T + SOON]);
});

eachShared("a party that gives up by its signal breaks the barrier; one that had done so before does not come", async (ctx) => {
  const barrier = new ctx.Barrier(3), abort = new AbortController();
  await fails(() => barrier.wait({ signal: AbortSignal.abort(new RangeError()) }), RangeError);
  assert.deepEqual([barrier.nWaiting, barrier.broken], [0, false]);
  const own = fails(() => barrier.wait({ signal: abort.signal }), RangeError), other = fails(() => barrier.wait(), mp.BrokenBarrierError);
  assert.equal(barrier.nWaiting, 2);
  abort.abort(new RangeError("enough"));
  assert.equal((await own).message, "enough");
  await other;
  assert.isTrue(barrier.broken);
  // Too late to break anything: all have come.
  barrier.reset();
  const late = new AbortController(), passing = [1, 2, 3].map(() => work.outcomeOf(() => barrier.wait({ signal: late.signal })));
  late.abort();
  for (const [i, outcome] of (await Promise.all(passing)).entries()) assert.oneOf(outcome, [i, "AbortError"]);
  assert.isFalse(barrier.broken);
  assert.equal(barrier.nWaiting, 0);
});

eachShared("a party that is killed while it waits breaks the barrier, which is as good as ever once it is reset", async (ctx) => {
  const barrier = new ctx.Barrier(4), said = new ctx.Queue(), ignored = new ctx.Queue();
  for (const index of { process: [1], thread: [0, 1], inline: [0] }[ctx.getStartMethod()!]) {
    const doomed = waiters(ctx, barrier, ignored, 2)[index];
    const children = waiters(ctx, barrier, said, 1);
    await until("waiting", () => barrier.nWaiting === 3);
    doomed.kill();
    assert.equal(await said.get(), BROKEN);
    assert.equal(await ignored.get(), BROKEN);
    assert.isTrue(barrier.broken);
    await doomed.join();
    barrier.abort();
    barrier.reset();
    assert.equal(barrier.nWaiting, 0);
    await joined(children);
    assert.sameMembers(await Promise.all([1, 2, 3, 4].map(() => barrier.wait())), [0, 1, 2, 3]);
  }
});

eachShared("a party that exits while it waits breaks the barrier", async (ctx) => {
  const barrier = new ctx.Barrier(3);
  const child = new ctx.Process({ target: work.waitAndExit, args: [barrier] }).start();
  await fails(() => barrier.wait(), mp.BrokenBarrierError, [0, 20_000]);
  assert.equal(await child.join(), 5);
  assert.isTrue(barrier.broken);
}, { methods: ["process", "thread"] });

eachShared("disposing of a barrier that is waited at here breaks it for the others", async (ctx) => {
  const barrier = new ctx.Barrier(3), same = await another(ctx, barrier), said = new ctx.Queue();
  const here = fails(() => barrier.wait(), mp.ProcessError), children = waiters(ctx, same, said, 1);
  await until("waiting", () => same.nWaiting === 2);
  barrier[Symbol.dispose]();
  barrier[Symbol.dispose]();
  assert.match((await here).message, /disposed of here/);
  assert.equal(await said.get(), BROKEN);
  const uses: [string, () => unknown][] = [
    ["wait at", () => barrier.wait()],
    ["reset", () => barrier.reset()],
    ["abort", () => barrier.abort()],
    ["look at", () => barrier.broken],
    ["look at", () => barrier.nWaiting],
    ["send", () => new ctx.Queue().put(barrier)],
  ];
  for (const [action, use] of uses) assert.include((await fails(use, mp.ProcessError)).message, `Cannot ${action} the barrier`);
  assert.equal(barrier.parties, 3);
  same.reset();
  assert.sameMembers(await Promise.all([1, 2, 3].map(() => same.wait())), [0, 1, 2]);
  await joined(children);
});

// ---- actions -------------------------------------------------------------------

for (const [name, action] of [["exported", work.act], ["asynchronous", work.actLater]] as const) {
  eachShared(`an action, an ${name} function, is run once a round, before anybody passes`, async (ctx) => {
    const value = ctx.Value("int32"), said = new ctx.Queue<[number, number]>(), rounds = 5;
    const barrier = new ctx.Barrier(3, { action });
    work.countHere(value);
    const isSync = action === work.act && !isInline(ctx);
    const child = new ctx.Process({ target: work.waitAndCount, args: [[barrier], value, said, rounds, isSync] }).start();
    for (let round = 1; round <= rounds; round++) {
      const own = await Promise.all([1, 2].map(() => barrier.wait()));
      const [index, count] = await said.get();
      assert.sameMembers([...own, index], [0, 1, 2]);
      // The child may wait again, but not pass without this process.
      assert.deepEqual([value.value, count], [round, round]);
    }
    await joined([child]);
  });
}

eachShared("an action may be a reference, or a function that travels by its source", async (ctx) => {
  const value = ctx.Value("int32"), said = new ctx.Queue<[unknown, number]>();
  work.countHere(value);
  const reference = { module: new URL("./fixtures/barrier.ts", import.meta.url), name: "act" };
  const barriers = [
    new ctx.Barrier(2, { action: reference }),
    new ctx.Barrier(2, { action: async () => (await import("./fixtures/barrier.ts")).act() }),
  ];
  const child = new ctx.Process({ target: work.waitAndCount, args: [barriers, value, said, 3, false] }).start();
  for (let i = 0; i < 6; i++) {
    await barriers[Math.floor(i / 3)].wait();
    assert.equal((await said.get())[1], i + 1);
  }
  await joined([child]);
}, { needs: modules });

eachShared("an action that came in a message is run by whoever comes last", async (ctx) => {
  const value = ctx.Value("int32"), said = new ctx.Queue<number>(), barriers = new ctx.Queue<mp.Barrier>();
  work.countHere(value);
  const child = new ctx.Process({ target: work.waitForOneToCome, args: [barriers, value, said] }).start();
  const barrier = new ctx.Barrier(2, { action: work.act });
  const own = barrier.wait();
  await barriers.put(barrier);
  assert.equal(await said.get(), 1);
  assert.equal(await own, 0);
  assert.equal(value.value, 1);
  await joined([child]);
});

for (const [name, action] of [["throws", work.fail], ["rejects", work.failLater]] as const) {
  eachShared(`an action that ${name} breaks the barrier: one party has its error`, async (ctx) => {
    const value = ctx.Value("int32"), said = new ctx.Queue<[unknown, number]>();
    work.countHere(value);
    const barrier = new ctx.Barrier(3, { action });
    const isSync = action === work.fail && !isInline(ctx);
    const child = new ctx.Process({ target: work.waitAndCount, args: [[barrier], value, said, 1, isSync] }).start();
    const own = await Promise.all([1, 2].map(() => work.outcomeOf(() => barrier.wait())));
    assert.sameMembers([...own, (await said.get())[0]], ["RangeError", BROKEN, BROKEN]);
    assert.equal(value.value, 1);
    assert.isTrue(barrier.broken);
    await joined([child]);
    // And if this process is the last. (An inline child had this module's variable.)
    work.countHere(value);
    barrier.reset();
    const waits = [1, 2].map(() => fails(() => barrier.wait(), mp.BrokenBarrierError));
    assert.equal((await fails(() => barrier.wait(), RangeError)).message, "from the action");
    await Promise.all(waits);
  });
}

eachBlocking("an asynchronous action is refused in a blocking wait, and breaks the barrier", async (ctx) => {
  work.countHere(ctx.Value("int32"));
  const barrier = new ctx.Barrier(2, { action: work.actLater });
  const other = fails(() => barrier.wait(), mp.BrokenBarrierError);
  assert.match((await fails(() => barrier.waitSync(), mp.UnsupportedError)).message, /use wait\(\)/);
  await other;
  assert.isTrue(barrier.broken);
});

eachShared("who comes while an action runs waits for the next round; so long as its time allows", async (ctx) => {
  let finish = () => {}, acted = 0;
  const barrier = new ctx.Barrier(2, {
    action: async () => {
      acted++;
      await new Promise<void>((resolve) => finish = resolve);
    },
  });
  const first = [barrier.wait(), barrier.wait()];
  await until("acting", () => acted === 1);
  const second = barrier.wait();
  const late = fails(() => barrier.wait({ timeout: T }), mp.BrokenBarrierError, [T, T + SOON]);
  assert.match((await late).message, /action of its last round took longer than 50 ms/);
  assert.isTrue(await isPending(Promise.race([...first, second])));
  finish();
  assert.sameMembers(await Promise.all(first), [0, 1]);
  assert.isTrue(await isPending(second));
  const last = barrier.wait();
  await until("acting", () => acted === 2);
  finish();
  assert.sameMembers(await Promise.all([second, last]), [0, 1]);
  assert.isFalse(barrier.broken);
});

eachShared("a barrier that is aborted or reset while its action runs is not passed", async (ctx) => {
  for (const what of ["abort", "reset"] as const) {
    let finish = () => {}, acted = 0;
    const barrier = new ctx.Barrier(2, {
      action: async () => {
        acted++;
        await new Promise<void>((resolve) => finish = resolve);
      },
    });
    const waits = [1, 2].map(() => fails(() => barrier.wait(), mp.BrokenBarrierError));
    await until("acting", () => acted === 1);
    barrier[what]();
    finish();
    await Promise.all(waits);
    assert.equal(barrier.broken, what === "abort");
  }
});

eachShared("a party that is killed while it runs the action breaks the barrier", async (ctx) => {
  const value = ctx.Value("int32"), said = new ctx.Queue<[unknown, number]>();
  const barrier = new ctx.Barrier(2, { action: work.actForEver });
  const own = fails(() => barrier.wait(), mp.BrokenBarrierError, [0, 20_000]);
  const child = new ctx.Process({ target: work.waitAndCount, args: [[barrier], value, said, 1, false] }).start();
  await until("acting", () => value.value === 1);
  await sleep(1);
  child.kill();
  await own;
  await child.join();
  assert.isTrue(barrier.broken);
  barrier.reset();
  assert.equal(barrier.nWaiting, 0);
});

eachShared("a barrier travels deep in objects, through queues and pipes, and is one wherever it comes twice", async (ctx) => {
  const barrier = new ctx.Barrier(2), said = new ctx.Queue();
  const child = new ctx.Process({ target: work.waitTwice, args: [{ first: barrier, rest: [barrier, barrier] }, said] }).start();
  assert.isTrue(await said.get());
  assert.sameMembers([await barrier.wait(), await said.get()], [0, 1]);
  await joined([child]);
  const [here, there] = ctx.Pipe();
  await here.send([barrier, barrier]);
  const [first, second] = await there.recv() as mp.Barrier[];
  assert.strictEqual(first, second);
  assert.sameMembers(await Promise.all([first.wait(), barrier.wait()]), [0, 1]);
  assert.sameMembers(await Promise.all([(await another(ctx, barrier)).wait(), barrier.wait()]), [0, 1]);
});
