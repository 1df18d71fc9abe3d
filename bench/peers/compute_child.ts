/** What bare children with a channel of `child_process` run: they compute their pieces of M5. */
import process from "node:process";
import { countPrimes, mandelbrot } from "../pool_work.ts";

/** A share of the work. */
export interface Share {
  readonly work: "picture" | "primes";
  readonly size: number;
  readonly pieces: readonly (readonly [from: number, to: number])[];
}

let picture = new Uint8Array(0);

process.on("message", ({ work, size, pieces }: Share) => {
  if (work === "picture" && picture.length === 0) picture = new Uint8Array(size * size);
  for (const [from, to] of pieces) {
    if (work === "picture") mandelbrot(picture, size, from, to);
    else countPrimes(from, to);
  }
  process.send!(null);
});
