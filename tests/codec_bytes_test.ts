/** What one runtime writes, every other reads. */
// All are compared with the one that it runs on, and so with each other.
// run: on=node26 from=sources
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { assert, expect } from "chai";
import { test } from "./harness.ts";

test("every runtime writes the same bytes and reads the others'", () => {
  const root = fileURLToPath(new URL("../", import.meta.url));
  const runtimes = ["node22/bin/node", "node24/bin/node", "node26/bin/node", ".bin/deno", ".bin/bun"].map((name) =>
    `${root}node_modules/${name}`
  );
  const present = runtimes.filter((runtime) => existsSync(runtime));
  assert(present.length > 1, "no other runtime is installed");
  const run = (runtime: string, args: string[]) => {
    const before = runtime.endsWith("deno") ? ["run", "-A"] : [];
    const env = { ...process.env, NODE_NO_WARNINGS: "1" };
    return execFileSync(runtime, [...before, `${root}tests/fixtures/codec_bytes.ts`, ...args], {
      encoding: "utf8",
      maxBuffer: 1 << 26,
      env,
    });
  };
  const expected = run(process.execPath, []);
  expect(expected.split("\n").length).to.be.above(80);
  const folder = mkdtempSync(join(tmpdir(), "codec-"));
  const file = join(folder, "bytes");
  writeFileSync(file, expected);
  // Read and written again, a part of a large buffer is a buffer of its own; the rest must be as it was.
  const again = run(process.execPath, [file]);
  const [first, second] = [expected.split("\n"), again.split("\n")];
  expect(first.filter((line, i) => line !== second[i])).to.have.length(1);
  for (const runtime of present) {
    assert(run(runtime, []) === expected, `${runtime} writes other bytes`);
    assert(run(runtime, [file]) === again, `${runtime} reads other values`);
  }
  rmSync(folder, { recursive: true });
});
