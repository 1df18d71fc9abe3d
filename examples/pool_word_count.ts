/**
 * The word count of `word_count.ts` by a pool: it finds the files while workers count the words of others, and adds up what they found, in whatever order.
 *
 *     node examples/pool_word_count.ts [directory, by default node_modules]
 */
import process from "node:process";
import * as mp from "@polyproc/multiprocessing";
import { progressBar } from "./progress.ts";
import { add, countAlone, countFile, type Counts, isEqual, show, textFiles } from "./words.ts";

/** Files that are counted in one call: one count for many of them is less to send, and to add. */
const TOGETHER = 50;

function* batches<T>(items: Iterable<T>, size: number): Generator<T[]> {
  let batch: T[] = [];
  for (const item of items) {
    batch.push(item);
    if (batch.length < size) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

/** What a worker does. */
export function countFiles(paths: readonly string[]): { words: Counts; files: number } {
  const words: Counts = new Map();
  for (const path of paths) countFile(path, words);
  return { words, files: paths.length };
}

if (mp.isMain(import.meta)) {
  const directory = process.argv[2] ?? "node_modules";

  const startOfAll = performance.now();
  const pool = new mp.Pool();
  const all: Counts = new Map();
  let total = 0;
  const counting = pool.imapUnordered(countFiles, batches(textFiles(directory), TOGETHER), { onProgress: progressBar("batches of files") });
  for await (const { words, files } of counting) {
    add(all, words);
    total += files;
  }
  pool.close();
  await pool.join();
  const together = (performance.now() - startOfAll) / 1000;

  const startOfOne = performance.now();
  const expected = countAlone(directory);
  const alone = (performance.now() - startOfOne) / 1000;

  show(all, total);
  console.log(`${pool.size} workers:   ${together.toFixed(2)} s, starting them included`);
  console.log(`one process: ${alone.toFixed(2)} s`);
  console.log(`speed-up:    ${(alone / together).toFixed(2)}`);
  console.log(isEqual(all, expected) ? "both counts are equal" : "THE COUNTS DIFFER");
  if (!isEqual(all, expected)) process.exitCode = 1;
}
