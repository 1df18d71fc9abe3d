/** Kills a pool's workers at random moments while they run all kinds of tasks, and looks what became of each. For tests/pool_faults_test.ts and scripts/soak.ts. */
import { assert } from "chai";
import * as mp from "../mod.ts";
import * as work from "./fixtures/pool_faults.ts";
import { kill } from "./pools.ts";
import { sleep, until } from "./timing.ts";

const WORKERS = 4;
/** How long until the next worker is killed, on average. */
const KILL_MS = 50;
/** How many tasks are under way at a time. */
const UNDER_WAY = 512;
/** More than a task may have bad luck. */
const RETRIES = 1_000;

/** What became of the tasks, and of the workers. */
export interface Toll {
  readonly right: number;
  /** Tasks whose worker died. */
  readonly died: number;
  readonly killed: number;
  /** How long it took, in milliseconds. */
  readonly ms: number;
}

/** Runs a task; throws unless its result is right. */
type Run = (n: number) => Promise<void>;

/** All kinds of tasks, each as often as it is to come. */
function kindsOf(ctx: mp.Context, pool: mp.Pool, canMove: boolean): Run[] {
  const value = ctx.Value("int32");
  const kinds: [number, Run][] = [
    [50, async (n) => assert.equal(await pool.apply(work.square, [n]), n ** 2)],
    [10, async (n) => assert.equal(await pool.apply(work.squareLater, [n]), n ** 2)],
    [1, async (n) => assert.equal(await pool.apply(work.squareSlowly, [n]), n ** 2)],
    [10, async (n) => {
      const items = [n, n + 1, n + 2];
      assert.deepEqual(await pool.map(work.square, items, { chunksize: 2 }), items.map((n) => n ** 2));
    }],
    [10, (n) => rejects(pool.apply(work.fail, [n]), `no ${n}`)],
    [3, async (n) => assert.isTrue(work.isLarge(await pool.apply(work.makeLarge, [n]), n))],
    [3, async (n) => assert.isTrue(await pool.apply(work.isLarge, [work.makeLarge(n), n]))],
    [3, async () => assert.isAbove((await pool.apply(work.count, [value])).value, 0)],
    [3, async (n) => {
      const bytes = work.makeLarge(n), transfer = canMove ? [bytes.buffer as ArrayBuffer] : [];
      assert.isTrue(await pool.apply(work.isLarge, [bytes, n], { transfer }));
    }],
  ];
  return kinds.flatMap(([times, run]) => new Array(times).fill(run));
}

async function rejects(result: PromiseLike<unknown>, message: string): Promise<void> {
  const error = await result.then(() => null, (error) => error);
  if (error instanceof mp.WorkerDiedError) throw error;
  assert.instanceOf(error, RangeError);
  assert.equal(error.message, message);
}

/** Kills one of the pool's workers. False if there is none. @param isAny Whether it may be one that has just been started. */
function killOne(ctx: mp.Context, pool: mp.Pool, isAny: boolean): boolean {
  const workers = pool.stats().workers.filter(({ state }) => isAny || state !== "starting");
  const { name } = workers[Math.floor(Math.random() * workers.length)] ?? {};
  const victim = mp.activeChildren().find((child) => child.name === name);
  if (victim === undefined) return false;
  if (ctx.getStartMethod() === "thread") victim.terminate();
  else if (victim.isAlive()) kill(victim.pid!);
  return true;
}

/**
 * Runs so many tasks in a pool whose workers are killed, one after another.
 *
 * @param areRetried Whether tasks whose worker died are tried again: then all must come out right.
 * @param anyShare The share of kills that come whatever happens; others wait until some task is done, and spare those who have just been started. Where machines are slow to start others, all would die before they did anything.
 */
export async function injectPool(ctx: mp.Context, tasks: number, areRetried: boolean, anyShare = 0.1): Promise<Toll> {
  const toll = { right: 0, died: 0, killed: 0, ms: 0 };
  const pool = new ctx.Pool({ processes: WORKERS, retries: areRetried ? RETRIES : 0 });
  const begin = performance.now();
  let left = tasks, isOver = false;
  try {
    // What is moved to a worker is gone with it: that cannot be tried again.
    const kinds = kindsOf(ctx, pool, ctx.getStartMethod() === "thread" && !areRetried);
    const runSome = async () => {
      while (left-- > 0) {
        try {
          await kinds[left % kinds.length](left);
          toll.right++;
        } catch (error) {
          if (!(error instanceof mp.WorkerDiedError)) throw error;
          toll.died++;
        }
      }
    };
    const killSome = async () => {
      for (let before = 0; !isOver; await sleep(Math.random() * 2 * KILL_MS)) {
        const settled = toll.right + toll.died, isAny = Math.random() < anyShare;
        if ((settled > before || isAny) && killOne(ctx, pool, isAny)) {
          toll.killed++;
          before = settled;
        }
      }
    };
    const killing = killSome();
    try {
      await Promise.all(Array.from({ length: UNDER_WAY }, runSome));
    } finally {
      isOver = true;
      await killing;
    }
    toll.ms = performance.now() - begin;
    assert.equal(toll.right + toll.died, tasks);
    if (areRetried) assert.equal(toll.died, 0, "tasks that were tried again");
    const isWhole = () => pool.stats().workers.filter(({ state }) => state === "idle").length === WORKERS;
    await until(`had ${WORKERS} workers`, isWhole);
    assert.lengthOf(pool.stats().workers, WORKERS);
    const { queued, running } = pool.stats();
    assert.deepEqual({ queued, running }, { queued: 0, running: 0 });
    pool.close();
  } finally {
    pool.terminate();
    await pool.join();
  }
  return toll;
}
