/**
 * A page as a bundler makes it.
 *
 * @module
 */

import { build } from "esbuild";

/** A page and its scripts, by their paths. @param directory Has `main.ts`, and `worker.ts` for the page's workers; ends with a slash. */
export async function pageFiles(directory: string, html: string, options: { minify?: boolean } = {}): Promise<Record<string, string>> {
  const { outputFiles } = await build({
    entryPoints: [`${directory}main.ts`, `${directory}worker.ts`],
    bundle: true,
    splitting: true,
    write: false,
    format: "esm",
    target: "esnext",
    keepNames: true,
    conditions: ["browser"],
    outdir: "/",
    logLevel: "error",
    logOverride: { "unsupported-dynamic-import": "silent" },
    ...options,
  });
  return { "/": html, ...Object.fromEntries(outputFiles.map(({ path, text }) => [path, text])) };
}
