/** Every example, run as a user would, its output read. */
// run: on=node22,node26,deno,bun

import { execFile, spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { assert } from "chai";
import * as mp from "../mod.ts";
import { test } from "./harness.ts";

const EXAMPLES = new URL("../examples/", import.meta.url);
const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** What a program printed, and how it ended. */
interface Run {
  code: number | null;
  lines: string[];
  errors: string;
}

function run(example: string, ...args: string[]): Promise<Run> {
  const runtime = mp.capabilities().runtime.startsWith("deno") ? ["run", "-A"] : [];
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [...runtime, fileURLToPath(new URL(example, EXAMPLES)), ...args],
      { cwd: ROOT, maxBuffer: 2 ** 24 },
      (_, stdout, errors) => resolve({ code: child.exitCode, lines: stdout.trimEnd().split("\n"), errors }),
    );
  });
}

/** Runs an example that must end well and say nothing on standard error. */
async function output(example: string, ...args: string[]): Promise<string[]> {
  const { code, lines, errors } = await run(example, ...args);
  assert.equal(code, 0, `${lines.join("\n")}\n${errors}`);
  assert.equal(errors, "");
  return lines;
}

const needsProcess = (can: mp.Capabilities) => can.startMethods.includes("process") ? null : can.reasons["startMethods.process"];

test("several workers run, and are joined", async () => {
  const lines = await output("workers.ts");
  assert.sameMembers(lines.slice(0, -1), [1, 2, 3, 4, 5].map((n) => `Process-${n}: worker ${n}`));
  assert.equal(lines.at(-1), "exit codes: 0 0 0 0 0");
});

test("a consumer gets all that a producer makes, in order, until null", async () => {
  const lines = await output("producer_consumer.ts");
  const numbers = Array.from({ length: 10 }, (_, i) => i + 1);
  assert.deepEqual(lines.filter((line) => line.startsWith("produced")), numbers.map((n) => `produced ${n}`));
  assert.deepEqual(lines.filter((line) => !line.startsWith("produced")), [...numbers.map((n) => `consumed ${n}`), "sum: 55"]);
});

test("words are counted by several processes as by one", async () => {
  const { code, lines, errors } = await run("word_count.ts");
  assert.equal(code, 0, `${lines.join("\n")}\n${errors}`);
  const [, words, files] = /^(\d+) words in (\d+) files, \d+ of them different; the commonest:$/.exec(lines[0]) ?? [];
  assert.isAbove(Number(files), 2000, "thousands of files");
  assert.isAbove(Number(words), 1_000_000);
  const rows = lines.slice(1, 6).map((line) => [...line.matchAll(/(\S+) +(\d+)/g)]);
  assert.deepEqual(rows.map((row) => row.length), [4, 4, 4, 4, 4], "the twenty commonest words");
  assert.equal(rows[0][0][1], "the");
  const counts = [0, 1, 2, 3].flatMap((column) => rows.map((row) => Number(row[column][2])));
  assert.deepEqual(counts, counts.toSorted((a, b) => b - a), "commonest first");
  assert.match(lines[6], /^\d+ workers: {3}\d+\.\d\d s, starting them included$/);
  assert.match(lines[7], /^one process: \d+\.\d\d s$/);
  assert.match(lines[8], /^speed-up: {4}\d+\.\d\d$/);
  assert.deepEqual(lines.slice(9), ["both counts are equal"]);
  assert.include(errors, `${files} of ${files} files`, "the progress bar reached its end");
}, { timeoutMs: 60_000, needs: needsProcess });

test("words are counted in any directory", async () => {
  const { code, lines } = await run("word_count.ts", fileURLToPath(new URL("../tests/fixtures/texts/", import.meta.url)));
  assert.equal(code, 0);
  assert.equal(lines[0], "9 words in 2 files, 5 of them different; the commonest:");
  assert.deepEqual([...lines.slice(1, 6).join("").matchAll(/(\S+) +(\d+)/g)].map(([, word, count]) => `${word} ${count}`), [
    "word 4",
    "don't 2",
    "a 1",
    "grüße 1",
    "is 1",
  ]);
  assert.equal(lines.at(-1), "both counts are equal");
}, { needs: needsProcess });

test("both ends of a pipe talk", async () => {
  const answers = ["2 ** 10 = 1024", "2 ** 100 = 1267650600228229401496703205376"];
  assert.deepEqual(await output("pipes.ts"), [
    ...answers,
    "child: the other end was closed",
    ...(mp.capabilities().sharedMemory.process ? [...answers, "blocking child: the other end was closed"] : []),
    "poll: false",
    "recv: TimeoutError",
    "bytes are messages too",
  ]);
});

test("children on all runtimes share their parent's work", async () => {
  const lines = await output("cross_runtime.ts");
  assert.equal(lines[0], `parent: ${mp.capabilities().runtime}`);
  assert.equal(lines.at(-1), "primes below 500000: 41538");
  const shares = lines.slice(1, -1).map((line) => /^child: (\w+) [\d.]+, process (\d+): (\d+) primes in (\d+) ranges$/.exec(line) ?? []);
  assert.sameMembers(shares.map(([, runtime]) => runtime), ["node", "deno", "bun"]);
  assert.equal(new Set(shares.map(([, , pid]) => pid)).size, 3);
  assert.equal(shares.reduce((sum, [, , , , ranges]) => sum + Number(ranges), 0), 100);
}, { needs: needsProcess });

test("subclasses of Process take their fields along", async () => {
  const lines = await output("subclass.ts");
  assert.sameMembers(lines.slice(0, -1), [
    "primes from 0: 5133",
    "primes from 50000: 4459",
    "primes from 100000: 4256",
    "primes from 150000: 4136",
  ]);
  assert.equal(lines.at(-1), "primes below 200000: 17984");
});

test("threads sort arrays that are moved to them and back", async () => {
  assert.deepEqual(await output("threads.ts"), [
    "left here: 0 0 0",
    ...Array<string>(3).fill("100000 numbers, sorted: true"),
    "all in process one",
  ]);
});

test("a bounded queue holds its producer back", async () => {
  const lines = await output("back_pressure.ts");
  const [, most] = /^20 items taken, never more than (\d) waiting$/.exec(lines[0]) ?? [];
  assert.isAtMost(Number(most), 4);
  assert.deepEqual(lines.slice(1), ["Full: The queue is full"]);
});

const needsMemory = (can: mp.Capabilities) => can.sharedMemory.process ? null : can.reasons["sharedMemory.process"];

test("a shared counter counts all, with care", async () => {
  const lines = await output("shared_counter.ts");
  assert.equal(lines[0], "4 workers add 1 to a counter 50000 times each");
  assert.isAtMost(Number(/^carelessly: (\d+)$/.exec(lines[1])?.[1]), 200_000);
  assert.deepEqual(lines.slice(2), ["underLock: 200000", "inSteps: 200000"]);
}, { needs: needsMemory });

test("a matrix product is computed into a shared array", async () => {
  const lines = await output("matrix_product.ts", "150");
  assert.match(lines[0], /^150 × 150: \d+ workers \d+ ms, starting them included; one process \d+ ms$/);
  assert.match(lines[1], /^equal: true, trace: \d+$/);
}, { needs: needsMemory });

test("Conway's life goes on in step", async () => {
  const lines = await output("life.ts", "60");
  assert.equal(lines.length, 17);
  assert.isTrue(lines.slice(0, 16).every((line) => /^[ ▄▀█]{64}$/.test(line)));
  // As an independent program has it.
  assert.equal(lines[16], "60 generations, 86 cells alive");
}, { needs: needsMemory });

const hasPython = spawnSync("python3", ["--version"]).status === 0;

test("an array that Python made is read and written where it lies", async () => {
  assert.deepEqual(await output("from_python.ts"), [
    "here: 1000000 numbers, their sum is 499999500000",
    "python: the first number is 0.5 now",
    "python: ['from here', 42, 2.5, None, True]",
  ]);
}, { needs: (can) => needsMemory(can) ?? (hasPython ? null : "python3 is not installed") });

test("every example is run by one of these tests", () => {
  const self = readFileSync(fileURLToPath(import.meta.url), "utf8");
  for (const name of readdirSync(EXAMPLES)) assert.include(self, `("${name}"`);
});
