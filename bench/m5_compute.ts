/**
 * M5: work for the processors: a picture of the Mandelbrot set into a shared array; counting primes. Milliseconds.
 *
 * @module
 */
import * as mp from "@polyproc/multiprocessing";
import { type Contender, measure, size } from "./measure.ts";
import { bareProcesses } from "./peers.ts";
import type { Share } from "./peers/compute_child.ts";
import { ourPool, WORKERS } from "./pools.ts";
import { countPrimes, mandelbrot } from "./pool_work.ts";

const SIZE = size(2_000, 50), LIMIT = size(5_000_000, 1_000);
const PIECES = 100;
const METHODS = ["process", "thread"] as const;

/** Pieces of the numbers below `length`, as lists of two. */
function pieces(length: number): [number, number][] {
  const each = Math.ceil(length / PIECES);
  return Array.from({ length: PIECES }, (_, i) => [Math.min(i * each, length), Math.min((i + 1) * each, length)]);
}

async function took(run: () => unknown): Promise<number> {
  const begin = performance.now();
  await run();
  return performance.now() - begin;
}

/** The same pieces dealt out beforehand. */
function bare(work: Share["work"], size: number): Contender {
  return bareProcesses(
    Array.from({ length: WORKERS }, (_, child) => ({ work, size, pieces: pieces(size).filter((_, i) => i % WORKERS === child) })),
  );
}

function serial(run: () => unknown): Contender {
  return { name: "serial loop", round: () => took(run) };
}

if (mp.isMain(import.meta)) {
  const picture = new Uint8Array(SIZE * SIZE);
  await measure("M5", "ms", [
    ...METHODS.map((method) => {
      const shared = mp.getContext(method).RawArray("uint8", SIZE * SIZE);
      const tasks = pieces(SIZE).map(([from, to]) => [shared, SIZE, from, to] as const);
      return ourPool(method, {}, (pool) => took(() => pool.starmap(mandelbrot, tasks, { chunksize: 1 })));
    }),
    bare("picture", SIZE),
    serial(() => mandelbrot(picture, SIZE, 0, SIZE)),
  ]);
  await measure("M5 primes", "ms", [
    ...METHODS.map((method) => ourPool(method, {}, (pool) => took(() => pool.starmap(countPrimes, pieces(LIMIT), { chunksize: 1 })))),
    bare("primes", LIMIT),
    serial(() => countPrimes(0, LIMIT)),
  ]);
}
