/**
 * The long tests: `deno run -A scripts/soak.ts [--only part of a name] [--times 300] [--share 1] [--merciless]`; Node and Bun run it too. Prints what it measured as a table; the exit code is 1 if anything failed.
 * With a share less than 1 the cases of pools do that part of their work. `--merciless`: workers of pools are killed every 50 ms whatever happens, which two processors bear only where starts are quick, as on Bun.
 *
 * @module
 */

import process from "node:process";
import { assert } from "chai";
import * as mp from "../mod.ts";
import { type Cast, inject, SCENARIOS } from "../tests/faults.ts";
import { square } from "../tests/fixtures/pool_faults.ts";
import * as work from "../tests/fixtures/queue_large.ts";
import { arenaMib, type Footprint, footprint } from "../tests/footprint.ts";
import { injectPool } from "../tests/pool_faults.ts";
import { SYNC_SCENARIOS } from "../tests/sync_faults.ts";
import { collectGarbage } from "../tests/shared.ts";
import { sleep, until } from "../tests/timing.ts";

const MIB = 2 ** 20;
const MILLION = 1_000_000;
/** How long an allocator keeps what nobody uses any more, in milliseconds. */
const ALLOCATOR_MS = 3_000;
const RUNTIMES: readonly mp.RuntimeName[] = ["node", "deno", "bun"];

interface Case {
  readonly name: string;
  /** Gives what it measured, in words. */
  run(): Promise<string>;
}

const cases: Case[] = [];

function add(name: string, run: () => Promise<string>): void {
  cases.push({ name, run });
}

function argument(name: string): string | undefined {
  const at = process.argv.indexOf(name);
  return at < 0 ? undefined : process.argv[at + 1];
}

const times = Number(argument("--times") ?? 300), share = Number(argument("--share") ?? 1);
const anyShare = process.argv.includes("--merciless") ? 1 : 0.1;
const context = mp.getContext("process");

function words({ descriptors, threads, children, residentMib, arenaMib }: Footprint): string {
  return `${descriptors} descriptors, ${threads} threads, ${children} children, ${residentMib.toFixed(0)} MiB resident, ${
    arenaMib.toFixed(1)
  } MiB shared`;
}

/** Nothing is left: descriptors and children where they were, memory nearly. */
function same(before: Footprint, after: Footprint): void {
  assert.isAtMost(after.descriptors, before.descriptors + 4, "descriptors are left");
  assert.isAtMost(after.children, before.children, "children are left");
  assert.isAtMost(after.threads, before.threads + 4, "threads are left");
  assert.isBelow(after.residentMib, before.residentMib + 64, "memory is left");
  // Up to 64 MiB of free memory stay at hand.
  assert.isBelow(after.arenaMib, before.arenaMib + 70, "shared memory is left");
}

/** The footprint once the runtime has let go of its idle threads, which it keeps for some seconds, and reaped its children. */
async function settled(before: Footprint): Promise<Footprint> {
  const isDown = () => footprint().threads <= before.threads + 4 && footprint().children <= before.children;
  await until("down to what it was", isDown, 30_000).catch(() => {});
  await collected();
  return footprint();
}

/** Collects garbage, and waits until the allocator has given back what it gives back, some of which does so seconds later. */
async function collected(): Promise<void> {
  await collectGarbage();
  for (let before = Infinity; footprint().residentMib < before - 1;) {
    before = footprint().residentMib;
    await sleep(ALLOCATOR_MS);
  }
}

async function seconds(run: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await run();
  return (performance.now() - start) / 1000;
}

async function startAndJoin(): Promise<void> {
  assert.equal(await new context.Process({ target: work.nothing }).start().join(), 0);
}

add("1,000 processes one after another", async () => {
  for (let i = 0; i < 10; i++) await startAndJoin();
  const before = footprint();
  const took = await seconds(async () => {
    for (let i = 0; i < 1000; i++) await startAndJoin();
  });
  const after = await settled(before);
  same(before, after);
  return `${took.toFixed(0)} s, ${took.toFixed(1)} ms each; before: ${words(before)}; after: ${words(after)}`;
});

add("100 processes at once", async () => {
  const round = async () => {
    const word = new context.Queue<null>();
    const children = Array.from({ length: 100 }, () => new context.Process({ target: work.untilTold, args: [word] }).start());
    for (const _ of children) await word.put(null);
    for (const child of children) assert.equal(await child.join(), 0);
    word.close();
  };
  await startAndJoin();
  const before = footprint();
  const took = await seconds(round);
  const after = await settled(before);
  same(before, after);
  return `${took.toFixed(1)} s; before: ${words(before)}; after: ${words(after)}`;
});

async function throughQueue(count: number, producers: number, consumers: number): Promise<{ took: number; most: number }> {
  const queue = new context.Queue<number>({ maxsize: 10_000 }), result = new context.Queue<[number, number]>();
  let most = 0;
  const watch = setInterval(() => most = Math.max(most, arenaMib()), 100);
  const took = await seconds(async () => {
    const takers = Array.from(
      { length: consumers },
      () => new context.Process({ target: work.consumeNumbers, args: [queue, result] }).start(),
    );
    const share = count / producers;
    const makers = Array.from(
      { length: producers },
      (_, i) => new context.Process({ target: work.produceNumbers, args: [queue, i * share, share] }).start(),
    );
    for (const maker of makers) assert.equal(await maker.join(), 0);
    queue.shutdown();
    let got = 0, sum = 0;
    for (const taker of takers) {
      const [n, total] = await result.get();
      got += n;
      sum += total;
      assert.equal(await taker.join(), 0);
    }
    assert.equal(got, count);
    assert.equal(sum, count * (count - 1) / 2);
  });
  clearInterval(watch);
  queue.close();
  result.close();
  return { took, most };
}

add("10,000,000 items, 4 producers, 4 consumers", async () => {
  const { took, most } = await throughQueue(10 * MILLION, 4, 4);
  assert.isBelow(most, 100, "memory is not constant");
  return `${took.toFixed(0)} s, ${(10 / took).toFixed(2)} million a second, at most ${most.toFixed(1)} MiB shared`;
});

add("256 MiB through a pipe of 1 MiB, and back", async () => {
  const took = await seconds(async () => {
    const [here, there] = context.Pipe({ capacity: MIB });
    const child = new context.Process({ target: work.sendLarge, args: [there, 256 * MIB] }).start();
    await here.send(work.makeMessage(1, 256 * MIB));
    assert.isTrue(work.isMessage(await here.recv() as Uint8Array, 2, 256 * MIB));
    assert.equal(await child.join(), 0);
  });
  return `${took.toFixed(1)} s`;
});

add("256 MiB through a queue of 1 MiB", async () => {
  const took = await seconds(async () => {
    const queue = new context.Queue<Uint8Array>({ capacity: MIB });
    const child = new context.Process({ target: work.putLarge, args: [queue, 256 * MIB] }).start();
    assert.isTrue(work.isMessage(await queue.get(), 1, 256 * MIB));
    assert.equal(await child.join(), 0);
    queue.close();
  });
  return `${took.toFixed(1)} s`;
});

add("a million empty messages through a pipe", async () => {
  const took = await seconds(async () => {
    const [here, there] = context.Pipe();
    const child = new context.Process({ target: work.sendEmpty, args: [there, MILLION] }).start();
    let count = 0;
    for await (const _ of here) count++;
    assert.equal(count, MILLION);
    assert.equal(await child.join(), 0);
  });
  return `${took.toFixed(1)} s`;
});

add("a million empty messages through a queue", async () => {
  const took = await seconds(async () => {
    const queue = new context.SimpleQueue<null>();
    const child = new context.Process({ target: work.putEmpty, args: [queue, MILLION] }).start();
    for (let i = 0; i < MILLION; i++) await queue.get();
    assert.equal(await child.join(), 0);
    queue.close();
  });
  return `${took.toFixed(1)} s`;
});

add("2 GiB that nobody reads until their producer was joined", async () => {
  const before = arenaMib();
  let most = 0;
  const count = 2048;
  const took = await seconds(async () => {
    const queue = new context.Queue<Uint8Array>();
    const child = new context.Process({ target: work.fill, args: [queue, count, MIB] }).start();
    assert.equal(await child.join(), 0);
    most = arenaMib();
    assert.equal(queue.qsize(), count);
    for (let i = 0; i < count; i++) assert.isTrue(work.isMessage(await queue.get(), i, MIB), `message ${i}`);
    queue.close();
  });
  // Some is kept for a moment, for the next ones.
  await until("given back", () => arenaMib() < before + 80);
  const after = arenaMib();
  return `${took.toFixed(1)} s; shared memory before ${before.toFixed(0)}, full ${most.toFixed(0)}, after ${after.toFixed(0)} MiB`;
});

add("1,000,000 locks made and disposed of, then dropped", async () => {
  const before = footprint();
  const took = await seconds(() => {
    for (let i = 0; i < MILLION; i++) new context.Lock()[Symbol.dispose]();
    return Promise.resolve();
  });
  assert.isAtMost(arenaMib(), before.arenaMib + 1, "locks that were disposed of are not given back");
  let most = 0;
  const tookDropped = await seconds(async () => {
    for (let i = 0; i < MILLION; i++) {
      new context.Lock();
      if (i % 10_000 !== 0) continue;
      most = Math.max(most, arenaMib());
      // The collector's finalizers run between turns of the event loop.
      await new Promise((resolve) => setTimeout(resolve));
    }
  });
  const after = footprint();
  assert.isBelow(most, before.arenaMib + 200, "dropped locks are not given back");
  // What was dropped last is not collected yet.
  assert.isBelow(after.residentMib, before.residentMib + 400, "memory is left");
  return `disposed of ${took.toFixed(1)} s, dropped ${tookDropped.toFixed(1)} s, at most ${most.toFixed(1)} MiB shared; after: ${
    words(after)
  }`;
});

for (const scenario of [...SCENARIOS, ...SYNC_SCENARIOS]) {
  for (const method of ["process", "thread"] as const) {
    add(`${scenario.name} is killed ${times} times (${method})`, async () => {
      const ctx = mp.getContext(method);
      await inject(scenario, ctx, 2);
      const before = footprint();
      let cast = 0;
      const took = await seconds(() => inject(scenario, ctx, times, () => method === "process" ? castOf(cast++) : {}));
      const after = await settled(before);
      if (method === "process") same(before, after);
      return `${took.toFixed(0)} s; before: ${words(before)}; after: ${words(after)}`;
    });
  }
}

for (const method of ["process", "thread"] as const) {
  for (const areRetried of [false, true]) {
    const tasks = Math.ceil(100_000 * share);
    add(`${tasks} tasks${areRetried ? ", tried again," : ""} in a pool whose workers are killed (${method})`, async () => {
      const ctx = mp.getContext(method);
      // What is loaded, compiled and set aside once is there before.
      await injectPool(ctx, tasks / 10, areRetried, anyShare);
      await collected();
      const before = footprint();
      const { right, died, killed, ms } = await injectPool(ctx, tasks, areRetried, anyShare);
      const after = await settled(before);
      same(before, after);
      return `${(ms / 1000).toFixed(0)} s, ${killed} killed; ${right} right, ${died} told of the death; before: ${words(before)}; after: ${
        words(after)
      }`;
    });
  }

  const count = Math.ceil(5 * MILLION * share), pools = Math.ceil(1_000 * share);
  add(`${count} tasks through one pool (${method})`, async () => {
    const pool = new (mp.getContext(method).Pool)(2);
    /** Of this process, of each worker, and shared. */
    const inUse = () => [footprint().residentMib, ...pool.stats().workers.map(({ memory }) => memory / MIB), arenaMib()];
    const shown = (mib: number[]) => mib.map((n) => n.toFixed(1)).join(" + ");
    let early: number[] = [];
    const took = await seconds(async () => {
      for (let done = 0; done < count; done += 1_000) {
        // By then the workers' heaps have grown to what they need.
        if (early.length === 0 && done >= count / 2) {
          await collected();
          early = inUse();
        }
        const results = await Promise.all(Array.from({ length: 1_000 }, (_, i) => pool.apply(square, [done + i])));
        for (const [i, result] of results.entries()) assert.equal(result, (done + i) ** 2);
      }
    });
    await collected();
    const late = inUse();
    pool.close();
    await pool.join();
    for (const [i, mib] of late.entries()) assert.isBelow(mib, early[i] + 64, "memory is not constant");
    return `${took.toFixed(0)} s, ${(count / took).toFixed(0)} a second; owner, workers and shared after a half: ${
      shown(early)
    } MiB, in the end: ${shown(late)} MiB`;
  });

  add(`${pools} pools made and disposed (${method})`, async () => {
    const ctx = mp.getContext(method);
    const round = async (n: number) => {
      const pool = new ctx.Pool(2);
      try {
        assert.deepEqual(await pool.map(square, [n, n + 1]), [n ** 2, (n + 1) ** 2]);
      } finally {
        await pool[Symbol.asyncDispose]();
      }
    };
    for (let i = 0; i < 20; i++) await round(i);
    const before = footprint();
    const took = await seconds(async () => {
      for (let i = 0; i < pools; i++) await round(i);
    });
    const after = await settled(before);
    same(before, after);
    return `${took.toFixed(0)} s; before: ${words(before)}; after: ${words(after)}`;
  });
}

/** All pairs of runtimes by turns. */
function castOf(n: number): Cast {
  return { producer: RUNTIMES[n % 3], consumer: RUNTIMES[Math.floor(n / 3) % 3] };
}

async function main(): Promise<void> {
  const only = argument("--only")?.toLowerCase();
  let failed = 0;
  for (const { name, run } of cases) {
    if (only !== undefined && !name.toLowerCase().includes(only)) continue;
    try {
      console.log(`| ${name} | ${await run()} |`);
    } catch (error) {
      failed++;
      console.log(`| ${name} | **failed**: ${error instanceof Error ? error.stack : error} |`);
    }
  }
  if (failed > 0) process.exitCode = 1;
}

if (mp.isMain(import.meta)) {
  console.log(`Soak on ${mp.capabilities().runtime}, ${mp.availableParallelism()} processors.\n\n| case | result |\n|---|---|`);
  await main();
}
