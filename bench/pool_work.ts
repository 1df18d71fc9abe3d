/**
 * What the measured pools' workers run.
 *
 * @module
 */
import type { RawArray } from "@polyproc/multiprocessing";

/** What it is given. */
export function same<T>(value: T): T {
  return value;
}

/** How many primes there are from `from` to before `to`. */
export function countPrimes(from: number, to: number): number {
  let count = 0;
  for (let n = Math.max(from, 2); n < to; n++) {
    let isPrime = n === 2 || n % 2 !== 0;
    for (let divisor = 3; isPrime && divisor * divisor <= n; divisor += 2) isPrime = n % divisor !== 0;
    if (isPrime) count++;
  }
  return count;
}

/** Computes some rows of a picture of the Mandelbrot set, `size` by `size`. */
export function mandelbrot(picture: RawArray<"uint8"> | Uint8Array, size: number, from: number, to: number): void {
  for (let row = from; row < to; row++) {
    for (let column = 0; column < size; column++) {
      const re = column / size * 3 - 2, im = row / size * 3 - 1.5;
      let x = 0, y = 0, steps = 0;
      for (; steps < 255 && x * x + y * y < 4; steps++) {
        const next = x * x - y * y + re;
        y = 2 * x * y + im;
        x = next;
      }
      picture[row * size + column] = steps;
    }
  }
}

/** Computes for so many milliseconds. */
export function spin(ms: number): void {
  for (const end = performance.now() + ms; performance.now() < end;);
}
