/** A matrix product into a shared array: each worker computes some rows of it, where everybody sees them. Nothing is sent but the three arrays' names. */
import * as mp from "@polyproc/multiprocessing";

type Matrix = mp.RawArray<"float64">;

/** Rows `from` to `to` of the product of two square matrices. */
export function multiply(a: Matrix, b: Matrix, product: Matrix, size: number, from: number, to: number): void {
  for (let row = from; row < to; row++) {
    for (let k = 0; k < size; k++) {
      const factor = a[row * size + k];
      for (let column = 0; column < size; column++) product[row * size + column] += factor * b[k * size + column];
    }
  }
}

if (mp.isMain(import.meta)) {
  const size = Number(process.argv[2] ?? 600), workers = mp.availableParallelism();
  const [a, b, product] = [1, 2, 3].map(() => mp.RawArray("float64", size * size));
  for (let i = 0; i < a.length; i++) {
    a[i] = (i * 7919) % 100;
    b[i] = (i * 104_729) % 100;
  }

  let start = performance.now();
  const children = Array.from({ length: workers }, (_, i) => {
    const from = Math.floor(size * i / workers), to = Math.floor(size * (i + 1) / workers);
    return new mp.Process({ target: multiply, args: [a, b, product, size, from, to] }).start();
  });
  for (const child of children) await child.join();
  const together = performance.now() - start;

  start = performance.now();
  const same = mp.RawArray("float64", size * size);
  multiply(a, b, same, size, 0, size);
  const alone = performance.now() - start;

  console.log(
    `${size} × ${size}: ${workers} workers ${together.toFixed(0)} ms, starting them included; one process ${alone.toFixed(0)} ms`,
  );
  console.log(`equal: ${same.every((value, i) => value === product[i])}, trace: ${trace(product, size)}`);
}

function trace(matrix: Matrix, size: number): number {
  let sum = 0;
  for (let i = 0; i < size; i++) sum += matrix[i * (size + 1)];
  return sum;
}
