/**
 * Counts the words of all text files in a directory: a producer finds the files, workers count, and this process adds up.
 * Then one process alone does the same, and the two results and times are compared.
 *
 *     node examples/word_count.ts [directory, by default node_modules]
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import * as mp from "@polyproc/multiprocessing";
import { Presets, SingleBar } from "cli-progress";

type Counts = Map<string, number>;

/** What the producer and the workers tell the parent. */
type Report = { found: number } | { counted: number } | { words: Counts };

/** Declaration files and documents. */
const TEXTS = /\.(d\.[cm]?ts|mdx?|markdown|txt)$/;
/** Files between two reports: often enough for a progress bar, and seldom enough to cost nothing. */
const STEP = 25;

function* textFiles(directory: string): Generator<string> {
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) yield* textFiles(path);
    else if (entry.isFile() && TEXTS.test(entry.name)) yield path;
  }
}

/** What a word is, is Unicode's to say: apostrophes, accents, and languages that write no spaces. */
const segmenter = new Intl.Segmenter("en", { granularity: "word" });

function countFile(path: string, counts: Counts): void {
  for (const { segment, isWordLike } of segmenter.segment(readFileSync(path, "utf8").toLowerCase())) {
    if (isWordLike) counts.set(segment, (counts.get(segment) ?? 0) + 1);
  }
}

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
      for (const [word, count] of report.words) words.set(word, (words.get(word) ?? 0) + count);
      left--;
    }
  }
  bar.stop();
  for (const child of children) await child.join();
  return { words, files };
}

function countAlone(directory: string): Counts {
  const words: Counts = new Map();
  for (const path of textFiles(directory)) countFile(path, words);
  return words;
}

function isEqual(a: Counts, b: Counts): boolean {
  return a.size === b.size && [...a].every(([word, count]) => b.get(word) === count);
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

  let total = 0;
  for (const count of words.values()) total += count;
  console.log(`${total} words in ${files} files, ${words.size} of them different; the commonest:`);
  const commonest = [...words].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1)).slice(0, 20);
  const width = Math.max(...commonest.map(([word]) => word.length));
  for (let row = 0; row < 5; row++) {
    const cells = commonest.filter((_, i) => i % 5 === row);
    console.log(cells.map(([word, count]) => `  ${word.padEnd(width)}${String(count).padStart(8)}`).join(""));
  }
  console.log(`${workers} workers:   ${together.toFixed(2)} s, starting them included`);
  console.log(`one process: ${alone.toFixed(2)} s`);
  console.log(`speed-up:    ${(alone / together).toFixed(2)}`);
  console.log(isEqual(words, expected) ? "both counts are equal" : "THE COUNTS DIFFER");
  if (!isEqual(words, expected)) process.exitCode = 1;
}
