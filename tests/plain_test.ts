// run: on=node26 with=
/** The library in a context that has the language and nothing else: no timers, no text encoders, no signals, no console. */
import { fileURLToPath } from "node:url";
import { createContext, runInContext } from "node:vm";
import { assert } from "chai";
import { build } from "esbuild";
import { test } from "./harness.ts";

/** What V8 puts into each context besides. */
const NOT_THE_LANGUAGE = ["console", "WebAssembly"];

/** Runs tests/fixtures/plain.ts there. */
async function told(): Promise<Record<string, unknown>> {
  const { outputFiles: [{ text }] } = await build({
    entryPoints: [fileURLToPath(new URL("fixtures/plain.ts", import.meta.url))],
    bundle: true,
    write: false,
    format: "iife",
    globalName: "plain",
    target: "esnext",
    conditions: ["edge-light"],
    logLevel: "error",
    logOverride: { "unsupported-dynamic-import": "silent", "empty-import-meta": "silent" },
  });
  const context = createContext({});
  for (const name of NOT_THE_LANGUAGE) runInContext(`delete globalThis.${name}`, context);
  const before = runInContext("Object.getOwnPropertyNames(globalThis).join()", context) as string;
  for (const name of ["setTimeout", "queueMicrotask", "TextEncoder", "AbortController", "performance", "URL", ...NOT_THE_LANGUAGE]) {
    assert.notInclude(before.split(","), name);
  }
  runInContext(text, context, { filename: "/plain.js" });
  const json =
    await (runInContext("plain.run().then(JSON.stringify, (error) => { throw String(error.stack); })", context) as Promise<string>);
  assert.equal(runInContext("Object.getOwnPropertyNames(globalThis).join()", context), `${before},plain`, "the library adds no globals");
  return JSON.parse(json);
}

test("pools, queues, processes, pipes, locks and executors run in a plain context, and what needs a host says so", async () => {
  const text = (n: number) => `${n}: é 😀 \ud800 ${"ü".repeat(100)}`;
  const noTimers = "UnsupportedError: Cannot wait for a time: this runtime has no timers";
  assert.deepEqual(await told(), {
    map: [1, 4, 9],
    texts: [text(1), text(2)],
    imap: [0, 1, 4, 9, 16],
    unordered: [1, 4, 9],
    throws: "TypeError: thrown",
    signal: ["runs", "AbortError"],
    cancelled: "CancelledError: The task was cancelled",
    timeout: noTimers,
    forever: 25,
    queue: ["plain", ["ä".repeat(50)], [0], "RangeError", "out"],
    exitcode: 0,
    empty: noTimers,
    look: "Empty: The queue is empty",
    waits: 1,
    pipe: 42,
    joined: 0,
    balance: [0, 0, 0, 30],
    text: "a\ufffd",
    terminated: "CancelledError: The task was cancelled: its pool was terminated",
    futures: [1, 4],
    process: 'RangeError: Cannot get a context for start method "process": it is not offered here: this runtime has no processes',
    url: "UnsupportedError: Cannot resolve a URL: this runtime has no URL",
    capabilities: ["edge", "inline"],
  });
});
