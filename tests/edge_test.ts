// run: on=node26 with= from=sources
/** The service of examples/edge-batch, on workerd as its users run it. */
import { fileURLToPath } from "node:url";
import { assert } from "chai";
import { build } from "esbuild";
import { Miniflare } from "miniflare";
import { service } from "../examples/edge-batch/batch.ts";
import { test } from "./harness.ts";

const { outputFiles: [{ text: script }] } = await build({
  entryPoints: [fileURLToPath(new URL("../examples/edge-batch/worker.ts", import.meta.url))],
  bundle: true,
  write: false,
  format: "esm",
  keepNames: true,
  conditions: ["workerd", "worker", "browser"],
  logLevel: "error",
  logOverride: { "unsupported-dynamic-import": "silent" },
});

/** Runs `body` with a Worker of the service. */
async function withService(compatibilityFlags: string[], body: (service: Miniflare) => Promise<void>): Promise<void> {
  const service = new Miniflare({
    modules: [{ type: "ESModule", path: "worker.js", contents: script }],
    compatibilityDate: "2026-01-01",
    compatibilityFlags,
  });
  try {
    await body(service);
  } finally {
    await service.dispose();
  }
}

const batch = (count: number) => Array.from({ length: count }, (_, id) => `{"id":${id},"text":"one three seventeen"}\n`);

for (const flags of [[], ["nodejs_compat"]]) {
  test(`a Worker answers a batch line by line, in order, with the flags [${flags}]`, () =>
    withService(flags, async (service) => {
      const response = await service.dispatchFetch("http://localhost/", { method: "POST", body: batch(500).join("") });
      const answers = (await response.text()).trimEnd().split("\n").map((line) => JSON.parse(line));
      assert.deepEqual(answers.map(({ id }) => id), Array.from({ length: 500 }, (_, id) => id));
      assert.deepInclude(answers[7], { words: 3, longest: "seventeen" });
      for (const { by } of answers) assert.match(by, /^PoolWorker-\d+$/);
      // Each request has a pool of its own.
      const both = await Promise.all(
        [1, 2].map(() => service.dispatchFetch("http://localhost/", { method: "POST", body: batch(50).join("") })),
      );
      for (const one of both) assert.equal((await one.text()).trimEnd().split("\n").length, 50);
    }));
}

test("a Worker says which line is wrong, and answers the others", () =>
  withService([], async (service) => {
    const response = await service.dispatchFetch("http://localhost/", {
      method: "POST",
      body: '{"id":1,"text":"a"}\n{"id":\n{"id":3,"text":"c"}',
    });
    const answers = (await response.text()).trimEnd().split("\n").map((line) => JSON.parse(line));
    assert.deepEqual(answers.map(({ id }) => id), [1, undefined, 3]);
    assert.match(answers[1].error, /JSON/);
  }));

test("the service reads no further ahead than it was told, and stops when nobody reads its answers", async () => {
  let read = 0;
  const { promise: cancelled, resolve } = Promise.withResolvers<void>();
  const endless = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(new TextEncoder().encode(`{"id":${read++},"text":"one two"}\n`)),
    cancel: () => resolve(),
  }, { highWaterMark: 0 });
  const request = new Request("http://localhost/", { method: "POST", body: endless, duplex: "half" } as RequestInit);
  const reader = service.fetch(request).body!.getReader();
  assert.match(new TextDecoder().decode((await reader.read()).value), /^\{"id":0,"words":2,/);
  await reader.cancel();
  await cancelled;
  assert.isBelow(read, 100);
});
