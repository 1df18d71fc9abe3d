/** Locks, values, arrays and the rest shared by processes on Node, Deno and Bun at once. */
// run: on=node26,bun,deno with=off,no-ffi
import { assert } from "chai";
import * as mp from "../mod.ts";
import * as work from "./fixtures/mixed.ts";
import * as pools from "./fixtures/pool.ts";
import * as processes from "./fixtures/process.ts";
import { write } from "./fixtures/shared_memory.ts";
import { eachMethod } from "./harness.ts";
import { withPool } from "./pools.ts";
import { eachShared } from "./shared.ts";
import { fails, isPending, RUNTIMES } from "./timing.ts";

const range = (n: number) => Array.from({ length: n }, (_, i) => i);
const options = { methods: ["process"], timeoutMs: 60_000 } as const;

async function joined(children: readonly mp.Process[]): Promise<void> {
  for (const child of children) assert.equal(await child.join(), 0, child.name);
}

eachShared("a child on any runtime knows what it is, and its error arrives as what it was", async (ctx) => {
  const queue = new ctx.Queue<[mp.StartMethod, boolean, string]>();
  for (const runtime of RUNTIMES) {
    const child = new ctx.Process({ target: processes.reportMethod, args: [queue], runtime }).start();
    const [method, isMain, name] = await queue.get();
    assert.deepEqual([method, isMain, name.split(" ")[0]], ["process", false, runtime]);
    assert.equal(await child.join(), 0);
    const broken = new ctx.Process({ target: processes.fail, args: ["registered"], runtime, stdio: "ignore" }).start();
    assert.equal(await broken.join(), 1);
    assert.instanceOf(broken.error, processes.Teapot);
  }
}, options);

eachShared("a named block is the same on all runtimes", async (ctx) => {
  for (const runtime of RUNTIMES) {
    const block = new mp.SharedMemory({ create: true, size: 10 }), other = new mp.SharedMemory({ create: true, size: 10 });
    assert.equal(await new ctx.Process({ target: write, args: [block, other.name], runtime }).start().join(), 0);
    assert.equal(new TextDecoder().decode(block.buf.slice(0, 5)), "HELLO");
    for (const one of [block, other]) {
      one.close();
      one.unlink();
    }
  }
}, options);

for (const runtime of RUNTIMES) {
  eachMethod(`workers may be on ${runtime}`, (ctx) =>
    withPool(ctx, { processes: 2, runtime }, async (pool) => {
      assert.match(await pool.apply(pools.runtime), new RegExp(`^${runtime}`));
      assert.deepEqual(await pool.map(pools.squareLater, range(40)), range(40).map((n) => n ** 2));
      assert.equal((await fails(() => pool.apply(pools.failIfOdd, [3]), pools.OddError)).message, "3 is odd");
      assert.equal((await fails(() => pool.apply(pools.exit, [3]), mp.WorkerDiedError) as mp.WorkerDiedError).exitcode, 3);
      assert.equal(await pool.apply(pools.square, [3]), 9);
      // Not all runtimes write these alike.
      const texts = ["日本語".repeat(1000), `${"a".repeat(500)}é`, "\ud800".repeat(300), "naïve".repeat(30), "ascii".repeat(2000)];
      assert.deepEqual(await pool.apply(pools.same, [texts]), texts);
    }), options);
}

eachShared("processes of all runtimes share a lock and an array, and lose nothing", async (ctx) => {
  const times = 200, parties = 2 * RUNTIMES.length + 1;
  const common: work.Common = {
    lock: new ctx.Lock(),
    array: ctx.Array("int32", 2 + RUNTIMES.length + 1),
    wide: ctx.Value("int64"),
    start: new ctx.Barrier(parties),
    inside: new ctx.BoundedSemaphore(3),
    visitors: ctx.Array("int32", 2),
  };
  // Each runtime twice, once blocking, so that it also meets itself.
  const children = [false, true].flatMap((isSync) =>
    RUNTIMES.map((runtime, i) => new ctx.Process({ target: work.addToAll, args: [common, 2 + i, times, isSync], runtime }).start())
  );
  await work.addToAll(common, 2 + RUNTIMES.length, times, false);
  await joined(children);
  const { lock, array, wide, inside, visitors } = common;
  assert.deepEqual([...array], [parties * times, parties * times, ...RUNTIMES.map(() => 2 * times), times]);
  assert.equal(wide.value, 2n ** 33n * BigInt(parties * times));
  assert.equal(visitors[0], 0);
  assert.isAtMost(visitors[1], 3);
  assert.equal(inside.value, 3);
  assert.isFalse(lock.locked());
}, options);

eachShared("a number goes round all runtimes, each of which waits for its turn", async (ctx) => {
  const value = ctx.Value("int32"), rounds = 30, parties = 2 * RUNTIMES.length;
  const children = [false, true].flatMap((isSync, half) =>
    RUNTIMES.map((runtime, i) =>
      new ctx.Process({ target: work.passOn, args: [value, half * RUNTIMES.length + i, parties, rounds, isSync], runtime }).start()
    )
  );
  assert.isTrue(await value.waitFor((n) => n === parties * rounds, { timeout: 50_000 }));
  await joined(children);
}, options);

eachShared("conditions and events wake the processes of all runtimes", async (ctx) => {
  const condition = new ctx.Condition(), array = ctx.Array("int32", 1), rounds = 30;
  const events = [...RUNTIMES, "here"].map(() => new ctx.Event());
  const children = RUNTIMES.flatMap((runtime, i) => [
    new ctx.Process({ target: work.countOn, args: [condition, array, i, RUNTIMES.length, rounds], runtime }).start(),
    new ctx.Process({ target: work.relay, args: [events[i], events[i + 1], rounds], runtime }).start(),
  ]);
  for (let round = 0; round < rounds; round++) {
    events[0].set();
    assert.isTrue(await events[RUNTIMES.length].wait({ timeout: 50_000 }));
    events[RUNTIMES.length].clear();
  }
  await joined(children);
  assert.equal(array[0], RUNTIMES.length * rounds);
}, options);

eachShared("a lock whose owner is killed goes to a process of another runtime, which is told", async (ctx) => {
  for (const [i, runtime] of RUNTIMES.entries()) {
    const other = RUNTIMES[(i + 1) % RUNTIMES.length], lock = new ctx.Lock(), said = new ctx.Queue();
    const owner = new ctx.Process({ target: work.hold, args: [lock, said], runtime }).start();
    assert.equal(await said.get(), runtime);
    const next = new ctx.Process({ target: work.takeOver, args: [lock, said, i % 2 === 1], runtime: other }).start();
    assert.equal(await said.get(), other);
    assert.isTrue(await isPending(next.sentinel));
    owner.kill();
    assert.isTrue(await said.get());
    await joined([next]);
    await owner.join();
    assert.isFalse((await lock.acquire()).abandoned);
  }
}, options);

eachShared("a child that shares no memory makes what one that does can use", async (ctx) => {
  const things = new ctx.Queue<work.Things>(), said = new ctx.Queue();
  const maker = new ctx.Process({ target: work.makeThings, args: [things, said], env: { POLYPROC_SHARED_MEMORY: "off" } }).start();
  const user = new ctx.Process({ target: work.useThings, args: [things] }).start();
  await joined([user, maker]);
  assert.deepEqual(await said.get(), [false, "in the queue"]);
}, options);
