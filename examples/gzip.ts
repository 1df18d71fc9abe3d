/**
 * Compresses many files at once: every text in a directory becomes a `.gz` of its own in another. The workers read and write the files themselves.
 *
 *     node examples/gzip.ts [directory, by default node_modules] [where to, by default node_modules/.cache/gzip]
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import process from "node:process";
import { gzipSync } from "node:zlib";
import * as mp from "@polyproc/multiprocessing";
import { progressBar } from "./progress.ts";
import { textFiles } from "./words.ts";

interface Sizes {
  readonly before: number;
  readonly after: number;
}

/** Compresses one file. */
export function compress(file: string, into: string): Sizes {
  const bytes = readFileSync(file), compressed = gzipSync(bytes, { level: 9 });
  mkdirSync(dirname(into), { recursive: true });
  writeFileSync(into, compressed);
  return { before: bytes.length, after: compressed.length };
}

if (mp.isMain(import.meta)) {
  const from = process.argv[2] ?? "node_modules", to = process.argv[3] ?? "node_modules/.cache/gzip";
  const files = [...textFiles(from)].map((file) => [file, `${join(to, relative(from, file))}.gz`] as const);

  const start = performance.now();
  const pool = new mp.Pool({ nice: 5 }); // whatever else the machine does comes first
  const sizes = await pool.starmap(compress, files, { onProgress: progressBar("files") });
  pool.close();
  await pool.join();

  const megabytes = (part: keyof Sizes) => (sizes.reduce((sum, size) => sum + size[part], 0) / 1e6).toFixed(1);
  console.log(`${sizes.length} files, ${megabytes("before")} MB became ${megabytes("after")} MB`);
  console.log(`${pool.size} workers: ${((performance.now() - start) / 1000).toFixed(2)} s, starting them included`);
}
