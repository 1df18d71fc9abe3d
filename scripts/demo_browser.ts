/**
 * Serves the page of `examples/browser`: `npm run demo:browser`. `--apart`: without the headers that isolate it.
 *
 * @module
 */

import { readFileSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { pageFiles } from "./page_files.ts";

const DIRECTORY = fileURLToPath(new URL("../examples/browser/", import.meta.url));

/** What makes a page cross-origin isolated. */
export const ISOLATION: Record<string, string> = {
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
};

/** The page and its scripts, by their paths. */
export function demoFiles(): Promise<Record<string, string>> {
  return pageFiles(DIRECTORY, readFileSync(`${DIRECTORY}index.html`, "utf8"), { minify: true });
}

if (import.meta.main) {
  const { serve } = await import("./serve.ts");
  const port = Number(process.env.PORT ?? 8080);
  const { url } = await serve(await demoFiles(), process.argv.includes("--apart") ? {} : ISOLATION, port);
  console.log(`The page is at ${url}`);
}
