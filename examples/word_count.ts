/**
 * Counts the words of all text files in a directory: a producer finds the files, workers count, and this process adds up.
 * Then one process alone does the same, and the two results and times are compared.
 *
 *     node examples/word_count.ts [directory, by default node_modules]
 */
import process from "node:process";
import * as mp from "@polyproc/multiprocessing";
import { Presets, SingleBar } from "cli-progress";
import { add, countAlone, countFile, type Counts, isEqual, show, textFiles } from "./words.ts";

/** What the producer and the workers tell the parent. */
type Report = { found: number } | { counted: number } | { words: Counts };

/** Files between two reports: often enough for a progress bar, and seldom enough to cost nothing. */
const STEP = 25;

/** Puts every path into the queue, and then one `null` for each worker. */
export async function findFiles(directory: string, workers: number, paths: mp.Queue<string | null>, reports: mp.Queue<Report>) {
  let found = 0;
  for (const path of textFiles(directory)) {
    await paths.put(path);
    if (++found % STEP === 0) await reports.put({ found: STEP });
  }
  await reports.put({ found: found % STEP });
  for (let i = 0; i < workers; i++) await paths.put(null);
}

/** Counts one file after the other, until there are no more. */
export async function countFiles(paths: mp.Queue<string | null>, reports: mp.Queue<Report>) {
  const words: Counts = new Map();
  let counted = 0;
  for (let path = await paths.get(); path !== null; path = await paths.get()) {
    countFile(path, words);
    if (++counted % STEP === 0) await reports.put({ counted: STEP });
  }
  await reports.put({ counted: counted % STEP });
  await reports.put({ words });
}

async function countInParallel(directory: string, workers: number): Promise<{ words: Counts; files: number }> {
  const paths = new mp.Queue<string | null>();
  const reports = new mp.Queue<Report>();
  const children = [new mp.Process({ target: findFiles, args: [directory, workers, paths, reports] }).start()];
  for (let i = 0; i < workers; i++) children.push(new mp.Process({ target: countFiles, args: [paths, reports] }).start());

  const bar = new SingleBar({ format: "{bar} {value} of {total} files, {duration_formatted}", noTTYOutput: true }, Presets.shades_classic);
  bar.start(1, 0);
  const words: Counts = new Map();
  let files = 0;
  for (let left = workers; left > 0;) {
    const report = await reports.get();
    if ("found" in report) bar.setTotal(files += report.found);
    else if ("counted" in report) bar.increment(report.counted);
    else {
      add(words, report.words);
      left--;
    }
  }
  bar.stop();
  for (const child of children) await child.join();
  return { words, files };
}

function seconds(since: number): number {
  return (performance.now() - since) / 1000;
}

if (mp.isMain(import.meta)) {
  const directory = process.argv[2] ?? "node_modules";
  const workers = mp.availableParallelism();

  const startOfAll = performance.now();
  const { words, files } = await countInParallel(directory, workers);
  const together = seconds(startOfAll);

  const startOfOne = performance.now();
  const expected = countAlone(directory);
  const alone = seconds(startOfOne);

  show(words, files);
  console.log(`${workers} workers:   ${together.toFixed(2)} s, starting them included`);
  console.log(`one process: ${alone.toFixed(2)} s`);
  console.log(`speed-up:    ${(alone / together).toFixed(2)}`);
  console.log(isEqual(words, expected) ? "both counts are equal" : "THE COUNTS DIFFER");
  if (!isEqual(words, expected)) process.exitCode = 1;
}
