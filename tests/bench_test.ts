/** The cases of bench/ with the smallest sizes: every one of them gives figures. Those that it is compared with take part on Node alone. */
// run: on=node26,deno,bun with=

import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { assert } from "chai";
import type { Line } from "../bench/measure.ts";
import { TITLES } from "../bench/results.ts";
import * as mp from "../mod.ts";
import { test } from "./harness.ts";

const BENCH = fileURLToPath(new URL("../bench/", import.meta.url));
const CASES = readdirSync(BENCH).filter((file) => file.endsWith(".ts") && readFileSync(BENCH + file, "utf8").includes("await measure("));

const { runtime } = mp.capabilities();

async function lines(file: string): Promise<Line[]> {
  const options = runtime.startsWith("deno") ? ["run", "-A"] : [], more = runtime.startsWith("node") ? [] : ["--ours"];
  const { stdout } = await promisify(execFile)(process.execPath, [...options, BENCH + file, "--tiny", ...more]);
  return stdout.trimEnd().split("\n").map((text) => JSON.parse(text));
}

for (const file of CASES) {
  test(`bench/${file} gives figures`, async () => {
    const all = await lines(file);
    assert.isAbove(all.length, 1);
    for (const line of all) {
      assert.property(TITLES, line.case);
      // What others cannot do here is told in the results.
      if (line.contender.startsWith("polyproc")) assert.isNumber(line.median, `${line.contender}: ${line.reason}`);
    }
  }, { timeoutMs: 60_000 });
}

test("there are cases", () => assert.isAtLeast(CASES.length, 17));
