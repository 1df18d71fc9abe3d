/** What the word counts have in common: finding texts, counting their words, and showing the result. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

export type Counts = Map<string, number>;

/** Declaration files and documents. */
const TEXTS = /\.(d\.[cm]?ts|mdx?|markdown|txt)$/;

/** All texts in a directory and below. */
export function* textFiles(directory: string): Generator<string> {
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) yield* textFiles(path);
    else if (entry.isFile() && TEXTS.test(entry.name)) yield path;
  }
}

/** What a word is, is Unicode's to say: apostrophes, accents, and languages that write no spaces. */
const segmenter = new Intl.Segmenter("en", { granularity: "word" });

/** Counts the words of a file. */
export function countFile(path: string, counts: Counts): void {
  for (const { segment, isWordLike } of segmenter.segment(readFileSync(path, "utf8").toLowerCase())) {
    if (isWordLike) counts.set(segment, (counts.get(segment) ?? 0) + 1);
  }
}

/** Counts what one process alone finds. */
export function countAlone(directory: string): Counts {
  const words: Counts = new Map();
  for (const path of textFiles(directory)) countFile(path, words);
  return words;
}

export function add(words: Counts, counts: Counts): void {
  for (const [word, count] of counts) words.set(word, (words.get(word) ?? 0) + count);
}

export function isEqual(a: Counts, b: Counts): boolean {
  return a.size === b.size && [...a].every(([word, count]) => b.get(word) === count);
}

/** The twenty commonest words, in four columns. */
export function show(words: Counts, files: number): void {
  let total = 0;
  for (const count of words.values()) total += count;
  console.log(`${total} words in ${files} files, ${words.size} of them different; the commonest:`);
  const commonest = [...words].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1)).slice(0, 20);
  const width = Math.max(...commonest.map(([word]) => word.length));
  for (let row = 0; row < 5; row++) {
    const cells = commonest.filter((_, i) => i % 5 === row);
    console.log(cells.map(([word, count]) => `  ${word.padEnd(width)}${String(count).padStart(8)}`).join(""));
  }
}
