/**
 * Pools that are measured: ours, and those that people use, each set up as its own documentation says is fastest. All run a function that gives back what it is given.
 *
 * @module
 */
import * as mp from "@polyproc/multiprocessing";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { type Contender, effort } from "./measure.ts";
import { same } from "./pool_work.ts";

/** As many workers as the targets are meant for. */
export const WORKERS = 2;
/** A pool that takes longer for a round does not work on this runtime; and longest to wait for its end, which some never tell. */
const LONGEST_ROUND_MS = { tiny: 1_500, quick: 10_000, full: 60_000 }[effort], LONGEST_END_MS = effort === "tiny" ? 200 : 2_000;
/** Those that a glance is enough for. */
const STRONGEST: readonly string[] = ["piscina", "poolifier"];

/** A pool of others. */
export interface PeerPool {
  run(n: number): Promise<unknown>;
  map?(items: number[]): Promise<unknown[]>;
  end(): Promise<unknown>;
}

const file = (name: string) => fileURLToPath(new URL(`./peers/${name}`, import.meta.url));

const PEERS: Record<string, () => Promise<PeerPool>> = {
  async piscina() {
    const { Piscina } = await import("piscina");
    const pool = new Piscina({
      filename: file("run_worker.mjs"),
      minThreads: WORKERS,
      maxThreads: WORKERS,
      atomics: "sync",
      recordTiming: false,
      trackUnmanagedFds: false,
    });
    return { run: (n) => pool.run(n), end: () => pool.destroy() };
  },
  async tinypool() {
    const { Tinypool } = await import("tinypool");
    const pool = new Tinypool({ filename: file("run_worker.mjs"), minThreads: WORKERS, maxThreads: WORKERS });
    return { run: (n) => pool.run(n), end: () => pool.destroy() };
  },
  async workerpool() {
    const { default: workerpool } = await import("workerpool");
    const pool = workerpool.pool(file("workerpool_worker.mjs"), { minWorkers: WORKERS, maxWorkers: WORKERS, workerType: "thread" });
    return { run: async (n) => await pool.exec("same", [n]), end: async () => void await pool.terminate(true) };
  },
  async poolifier() {
    const { FixedThreadPool } = await import("poolifier");
    const pool = new FixedThreadPool<number, number>(WORKERS, file("poolifier_worker.mjs"));
    return { run: (n) => pool.execute(n), map: (items) => pool.mapExecute(items), end: () => pool.destroy() };
  },
  async "jest-worker"() {
    const { Worker } = await import("jest-worker");
    const options = { numWorkers: WORKERS, enableWorkerThreads: true, exposedMethods: ["same"] };
    const pool = new Worker(file("jest_worker.mjs"), options) as InstanceType<typeof Worker> & { same(n: number): Promise<number> };
    return { run: (n) => pool.same(n), end: () => pool.end() };
  },
  async multithreading() {
    const { initRuntime, move, shutdown, spawn } = await import("multithreading");
    initRuntime({ maxWorkers: WORKERS });
    const same = (n: number) => n;
    const run = async (n: number) => {
      const result = await spawn(move(n), same).join();
      if (!result.ok) throw result.error;
      return result.value;
    };
    // A worker that is given the function twice at the same time, for the first time, does not find it.
    await Promise.all(Array.from({ length: WORKERS }, (_, i) => run(i)));
    return { run, end: () => Promise.resolve(shutdown()) };
  },
  /** No pool by itself: its workers in turn. */
  async comlink() {
    const { connect } = await import("./peers/comlink_calls.mjs");
    const workers = Array.from({ length: WORKERS }, () => new Worker(file("comlink_worker.mjs")));
    const calls: ((n: number) => Promise<number>)[] = workers.map(connect);
    let turn = 0;
    return { run: (n) => calls[turn++ % WORKERS](n), end: () => Promise.all(workers.map((worker) => worker.terminate())) };
  },
};

/** The pools of others as contenders. @param work Does the work once; gives the figure. */
export function peerPools(work: (pool: PeerPool) => Promise<number>): Contender[] {
  const chosen = Object.entries(PEERS).filter(([name]) => effort !== "quick" || STRONGEST.includes(name));
  return chosen.map(([name, make]) => {
    let pool: PeerPool | undefined;
    return {
      name,
      round: () => within(LONGEST_ROUND_MS, (async () => work(pool ??= await make()))()),
      async end() {
        if (pool !== undefined) await within(LONGEST_END_MS, pool.end()).catch(() => {});
      },
    };
  });
}

/** What is promised, if it comes in time. */
async function within<T>(ms: number, promise: PromiseLike<T>): Promise<T> {
  let clock: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    clock = setTimeout(() => reject(new Error(`does not work here: no result within ${ms / 1000} s`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(clock);
  }
}

/** A pool of ours as a contender. @param work Does the work once; gives the figure. */
export function ourPool(method: mp.StartMethod, options: mp.PoolOptions, work: (pool: mp.Pool) => Promise<number>): Contender {
  const words = Object.entries(options).filter(([name]) => name !== "processes").map(([name, value]) => `, ${name}: ${value}`);
  let pool: mp.Pool | undefined;
  return {
    name: `polyproc ${method}${words.join("")}`,
    async round() {
      if (pool === undefined) {
        pool = new (mp.getContext(method).Pool)({ processes: WORKERS, ...options });
        // Its workers have begun.
        await Promise.all(Array.from({ length: 100 * WORKERS }, (_, i) => pool!.apply(same, [i])));
      }
      return work(pool);
    },
    async end() {
      pool?.close();
      await pool?.join();
    },
  };
}

/** The same work by processes and by threads. */
export function ourPools(work: (pool: mp.Pool) => Promise<number>, options: mp.PoolOptions = {}): Contender[] {
  return (["process", "thread"] as const).map((method) => ourPool(method, options, work));
}

/** How many a second. */
export async function perSecond(count: number, run: () => Promise<unknown>): Promise<number> {
  const begin = performance.now();
  await run();
  return count / (performance.now() - begin) * 1000;
}
