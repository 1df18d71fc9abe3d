/**
 * Counts the primes below a number: first in this process, then in a pool.
 *
 *     node examples/primes.ts [number, by default 5000000]
 */
import process from "node:process";
import * as mp from "@polyproc/multiprocessing";

/** Numbers that are looked at in one call. */
const STEP = 20_000;

interface Range {
  readonly from: number;
  readonly to: number;
}

/** How many primes a range has. */
export function countPrimes({ from, to }: Range): number {
  let count = 0;
  for (let n = from; n < to; n++) if (isPrime(n)) count++;
  return count;
}

function isPrime(n: number): boolean {
  if (n % 2 === 0) return n === 2;
  for (let divisor = 3; divisor * divisor <= n; divisor += 2) if (n % divisor === 0) return false;
  return n > 1;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0);
}

if (mp.isMain(import.meta)) {
  const limit = Number(process.argv[2] ?? 5_000_000);
  const ranges: Range[] = [];
  for (let from = 0; from < limit; from += STEP) ranges.push({ from, to: Math.min(from + STEP, limit) });

  let start = performance.now();
  const expected = sum(ranges.map(countPrimes));
  const alone = (performance.now() - start) / 1000;

  start = performance.now();
  const pool = new mp.Pool();
  const count = sum(await pool.map(countPrimes, ranges));
  const together = (performance.now() - start) / 1000;
  pool.close();
  await pool.join();

  console.log(`${count} primes below ${limit}${count === expected ? "" : `, OR ${expected}?`}`);
  console.log(`one process: ${alone.toFixed(2)} s`);
  console.log(`${pool.size} workers:   ${together.toFixed(2)} s, starting them included`);
  console.log(`speed-up:    ${(alone / together).toFixed(2)}`);
}
