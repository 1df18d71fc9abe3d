/**
 * Runs a test file in workerd: `node scripts/run_workerd.ts tests/….ts [filter…]`.
 *
 * @module
 */

import { basename } from "node:path";
import process from "node:process";
import { Miniflare } from "miniflare";
import { bundleTests } from "./web_bundle.ts";

/** What the runtime is told to be. */
export const COMPATIBILITY_DATE = "2026-01-01";

async function main([file, ...filters]: string[]): Promise<number> {
  const name = `${basename(file, ".ts")}.js`;
  const { late } = await bundleTests(file, ["workerd", "worker", "browser"]);
  const env = { POLYPROC_TEST_STARTS: process.env.POLYPROC_TEST_STARTS ?? "" };
  // Outside of a request nothing may be started, so the tests are not run before there is one.
  const worker = `
    import { run } from "./${name}";
    export default {
      async fetch(request, _, context) {
        const { readable, writable } = new TransformStream(), writer = writable.getWriter(), utf8 = new TextEncoder();
        const write = (line) => writer.write(utf8.encode(line + "\\n"));
        console.log = console.error = (...data) => void write(data.map((part) => part?.stack ?? String(part)).join(" "));
        const over = Promise.withResolvers();
        globalThis.polyprocTests = { args: ${JSON.stringify(filters)}, env: ${JSON.stringify(env)}, over: over.resolve };
        context.waitUntil((async () => {
          try {
            await run();
            await write("over " + await over.promise);
          } catch (error) {
            await write(String(error?.stack));
          }
          await writer.close();
        })());
        return new Response(readable);
      },
    };`;
  const miniflare = new Miniflare({
    compatibilityDate: COMPATIBILITY_DATE,
    modules: [{ type: "ESModule", path: "worker.js", contents: worker }, { type: "ESModule", path: name, contents: late }],
  });
  let code = 1;
  try {
    const response = await miniflare.dispatchFetch("http://localhost/");
    let rest = "";
    const hear = (line: string) => {
      const [, said] = /^over (\d+)$/.exec(line) ?? [];
      if (said === undefined) console.log(line);
      else code = Number(said);
    };
    const decoder = new TextDecoder();
    for await (const bytes of response.body!) {
      const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
      rest = lines.pop()!;
      lines.forEach(hear);
    }
    return code;
  } finally {
    await miniflare.dispose();
  }
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
