/** The same interface over threads: a context has all that depends on the start method, bound to one. */
import * as mp from "@polyproc/multiprocessing";

/** Sorts numbers that were moved here, and moves them back. */
export async function sort(numbers: Float64Array<ArrayBuffer>, results: mp.Queue<Float64Array<ArrayBuffer>>): Promise<void> {
  numbers.sort();
  await results.put(mp.move(numbers, [numbers.buffer]));
}

if (mp.isMain(import.meta)) {
  const threads = mp.getContext("thread");
  const results = new threads.Queue<Float64Array<ArrayBuffer>>();
  const parts = [1, 2, 3].map((seed) => Float64Array.from({ length: 100_000 }, (_, i) => (i * seed * 7919) % 100_003));

  // `transfer` moves the buffers into the thread instead of copying them: here the array is empty afterwards.
  const workers = parts.map((part) => new threads.Process({ target: sort, args: [part, results], transfer: [part.buffer] }).start());
  console.log("left here:", parts.map((part) => part.length).join(" "));

  for (const _ of workers) {
    const sorted = await results.get();
    const isSorted = sorted.every((n, i) => i === 0 || sorted[i - 1] <= n);
    console.log(`${sorted.length} numbers, sorted: ${isSorted}`);
  }
  for (const worker of workers) await worker.join();
  console.log("all in process", workers.every((worker) => worker.pid === mp.currentProcess().pid) ? "one" : "several");
}
