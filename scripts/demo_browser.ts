/**
 * Serves the page of `examples/browser`: `npm run demo:browser`. `--apart`: without the headers that isolate it.
 *
 * @module
 */

import { readFileSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const DIRECTORY = fileURLToPath(new URL("../examples/browser/", import.meta.url));

/** What makes a page cross-origin isolated. */
export const ISOLATION: Record<string, string> = {
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
};

/** The page and its scripts, by their paths. */
export async function demoFiles(): Promise<Record<string, string>> {
  const { outputFiles } = await build({
    entryPoints: [`${DIRECTORY}main.ts`, `${DIRECTORY}worker.ts`],
    bundle: true,
    splitting: true,
    write: false,
    format: "esm",
    target: "esnext",
    keepNames: true,
    minify: true,
    conditions: ["browser"],
    outdir: "/",
    logLevel: "error",
    logOverride: { "unsupported-dynamic-import": "silent" },
  });
  const scripts = outputFiles.map(({ path, text }) => [path, text]);
  return { "/": readFileSync(`${DIRECTORY}index.html`, "utf8"), ...Object.fromEntries(scripts) };
}

if (import.meta.main) {
  const { serve } = await import("./serve.ts");
  const port = Number(process.env.PORT ?? 8080);
  const { url } = await serve(await demoFiles(), process.argv.includes("--apart") ? {} : ISOLATION, port);
  console.log(`The page is at ${url}`);
}
