/** Every example, run as a user would, its output read. */
// run: on=node22,node26,deno,bun

import { execFile, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { assert } from "chai";
import { PNG } from "pngjs";
import * as mp from "../mod.ts";
import { test } from "./harness.ts";

const EXAMPLES = new URL("../examples/", import.meta.url);
/** The checkout, though this may be a copy in it. */
const ROOT = checkout(new URL("..", import.meta.url));
/** Real texts: documents and declarations. */
const TYPES = join(ROOT, "node_modules/@types/");

function checkout(directory: URL): string {
  return existsSync(new URL("deno.json", directory)) ? fileURLToPath(directory) : checkout(new URL("..", directory));
}

/** What a program printed, and how it ended. */
interface Run {
  code: number | null;
  lines: string[];
  errors: string;
}

/** The arguments by which a runtime runs an example. */
function commandOf(example: string): string[] {
  const runtime = mp.capabilities().runtime.startsWith("deno") ? ["run", "-A"] : [];
  return [...runtime, fileURLToPath(new URL(example, EXAMPLES))];
}

function run(example: string, ...args: string[]): Promise<Run> {
  return execute(process.execPath, [...commandOf(example), ...args]);
}

function execute(path: string, args: readonly string[]): Promise<Run> {
  return new Promise((resolve) => {
    const child = execFile(
      path,
      args,
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
  const { code, lines, errors } = await run("word_count.ts", TYPES);
  assert.equal(code, 0, `${lines.join("\n")}\n${errors}`);
  const [, words, files] = /^(\d+) words in (\d+) files, \d+ of them different; the commonest:$/.exec(lines[0]) ?? [];
  assert.isAbove(Number(files), 100);
  assert.isAbove(Number(words), 200_000);
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

// ---- pools ----

/** Runs `body` with an empty directory. */
async function withDirectory(body: (directory: string) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "polyproc-examples-"));
  try {
    await body(directory);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** What the programs say that compare a pool with one process. */
function assertTimes(lines: readonly string[]): void {
  assert.sameMembers(lines.map((line) => line.replace(/\d+\.\d\d/, "0.00").replace(/^\d+ workers/, "n workers")), [
    "one process: 0.00 s",
    "n workers:   0.00 s, starting them included",
    "speed-up:    0.00",
  ]);
}

test("a pool counts primes as one process does", async () => {
  const lines = await output("primes.ts", "200000");
  assert.equal(lines[0], "17984 primes below 200000");
  assertTimes(lines.slice(1));
});

test("the Mandelbrot set is drawn into a shared array", () =>
  withDirectory(async (directory) => {
    const file = join(directory, "mandelbrot.png");
    const { code, lines, errors } = await run("mandelbrot.ts", "150", file);
    assert.equal(code, 0, `${lines.join("\n")}\n${errors}`);
    assert.include(errors, "100 of 100 rows", "the progress bar reached its end");
    assertTimes(lines.splice(-3));
    assert.equal(lines.pop(), `150 × 100 pixels in ${file}, equal to what one process draws`);
    assert.equal(lines.length, 24);
    assert.isTrue(lines.every((line) => /^[ .:=+*#%@-]{72}$/.test(line)));
    const { width, height, data } = PNG.sync.read(readFileSync(file));
    assert.deepEqual([width, height], [150, 100]);
    const pixel = (x: number, y: number) => {
      const column = Math.round((x + 0.75) / 3.3 * width + width / 2), row = Math.round(y / 3.3 * width + height / 2);
      return [...data.subarray(4 * (row * width + column), 4 * (row * width + column) + 4)];
    };
    // Of these, two are in the set, at the centres of its largest parts.
    assert.deepEqual(pixel(0, 0), [0, 0, 0, 255]);
    assert.deepEqual(pixel(-1, 0), [0, 0, 0, 255]);
    for (const [x, y] of [[0.5, 0.5], [-1, 0.9], [-2.3, 0]]) assert.isAbove(pixel(x, y)[0], 20, `${x}, ${y}`);
  }), { needs: needsMemory });

const TEXTS = fileURLToPath(new URL("fixtures/texts/", import.meta.url));

test("a pool counts words as one process does", async () => {
  const { code, lines, errors } = await run("pool_word_count.ts", "node_modules/@types");
  assert.equal(code, 0, `${lines.join("\n")}\n${errors}`);
  const [, words, files] = /^(\d+) words in (\d+) files, \d+ of them different; the commonest:$/.exec(lines[0]) ?? [];
  assert.isAbove(Number(files), 100);
  assert.isAbove(Number(words), 100_000);
  assertTimes(lines.slice(6, 9));
  assert.deepEqual(lines.slice(9), ["both counts are equal"]);
  const batches = Math.ceil(Number(files) / 50);
  assert.include(errors, `${batches} of ${batches} batches of files`, "the progress bar reached its end");
});

test("a pool compresses files to what they were", () =>
  withDirectory(async (directory) => {
    const { code, lines, errors } = await run("gzip.ts", TEXTS, directory);
    assert.equal(code, 0, `${lines.join("\n")}\n${errors}`);
    assert.match(lines[0], /^2 files, 0\.0 MB became 0\.0 MB$/);
    assert.match(lines[1], /^\d+ workers: \d+\.\d\d s, starting them included$/);
    const names = readdirSync(TEXTS, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".txt") || name.endsWith(".md"));
    assert.equal(names.length, 2);
    for (const name of names) {
      assert.deepEqual([...gunzipSync(readFileSync(join(directory, `${name}.gz`)))], [...readFileSync(join(TEXTS, name))]);
    }
  }));

// ---- servers ----

interface Reply {
  status: number;
  text: string;
  retryAfter: string | null;
}

/** A server under test. */
class Server {
  readonly #url: string;

  constructor(url: string) {
    this.#url = url;
  }

  async get(path: string, signal?: AbortSignal): Promise<Reply> {
    const response = await fetch(this.#url + path, { signal: signal ?? null, headers: { connection: "close" } });
    return { status: response.status, text: await response.text(), retryAfter: response.headers.get("retry-after") };
  }

  async stats(): Promise<mp.PoolStats> {
    return JSON.parse((await this.get("/stats")).text);
  }

  /** Asks until it is so. */
  async until(isSo: (stats: mp.PoolStats) => boolean): Promise<mp.PoolStats> {
    for (;;) {
      const stats = await this.stats();
      if (isSo(stats)) return stats;
    }
  }

  /** Sends many requests at once, all of which must be answered alike. */
  async bombard(path: string, amount: number, expected: string): Promise<void> {
    const autocannon = join(ROOT, "node_modules/autocannon/autocannon.js");
    const options = ["--json", "--no-progress", "--connections", "8", "--amount", String(amount), "--expectBody", expected];
    const node = process.env.POLYPROC_NODE ?? process.execPath;
    const { code, lines, errors } = await execute(node, [autocannon, ...options, this.#url + path]);
    assert.equal(code, 0, errors);
    const { "2xx": good, non2xx, mismatches, errors: failures, timeouts } = JSON.parse(lines.at(-1)!);
    assert.deepEqual({ good, non2xx, mismatches, failures, timeouts }, {
      good: amount,
      non2xx: 0,
      mismatches: 0,
      failures: 0,
      timeouts: 0,
    });
  }
}

/** Runs a server as an administrator would, and ends it so. */
async function withServer(example: string, env: Record<string, string>, body: (server: Server) => Promise<void>): Promise<void> {
  const child = spawn(process.execPath, commandOf(example), {
    cwd: ROOT,
    env: { ...process.env, PORT: "0", TIMEOUT_MS: "60000", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let errors = "";
  child.stderr.setEncoding("utf8").on("data", (text) => errors += text);
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  try {
    const url = await new Promise<string>((resolve, reject) => {
      let said = "";
      child.stdout.setEncoding("utf8").on("data", (text) => {
        const [, url] = /^listening on (\S+)\n/.exec(said += text) ?? [];
        if (url !== undefined) resolve(url);
      });
      void ended.then((code) => reject(new Error(`it ended with exit code ${code}: ${said}${errors}`)));
    });
    await body(new Server(url));
  } catch (error) {
    child.kill("SIGKILL");
    throw error;
  }
  // Deno takes a child that its own `kill()` was called on for killed, however it ends.
  process.kill(child.pid!, "SIGTERM");
  assert.equal(await ended, 0, errors);
  assert.equal(errors, "");
}

const ENDLESS = "/primes?below=1000000000000";

/** Requests without an end, one for each worker, all of which are at work. `leave` has their clients go away. */
async function saturate(server: Server): Promise<{ workers: number; leave: () => Promise<void> }> {
  const { workers } = await server.until(({ workers }) => workers.every(({ state }) => state === "idle"));
  const clients = new AbortController();
  const requests: Promise<Reply>[] = [];
  for (const _ of workers) {
    requests.push(server.get(ENDLESS, clients.signal));
    await server.until(({ running }) => running === requests.length);
  }
  const leave = async () => {
    clients.abort();
    const outcomes = await Promise.allSettled(requests);
    assert.deepEqual(outcomes.map(({ status }) => status), workers.map(() => "rejected"), JSON.stringify(outcomes));
    await server.until(({ running, queued }) => running + queued === 0);
  };
  return { workers: workers.length, leave };
}

const SERVERS = [
  { example: "server_node.ts", needs: needsProcess },
  { example: "server_bun.ts", needs: () => "Bun" in globalThis ? null : "there is no Bun.serve" },
];

for (const { example, needs } of SERVERS) {
  test(`${example} answers all of a load, and rightly`, () =>
    withServer(example, {}, async (server) => {
      await server.bombard("/primes?below=10000", 300, "1229\n");
      const { done, failed } = await server.stats();
      assert.deepEqual([done, failed], [300, 0]);
      assert.deepEqual((await server.get("/primes?below=many")).status, 400);
      assert.deepEqual((await server.get("/")).status, 404);
    }), { needs });

  test(
    `${example} hears everybody while all workers compute, and ends the work for clients that went away`,
    () =>
      withServer(example, {}, async (server) => {
        const { workers, leave } = await saturate(server);
        assert.deepEqual(await server.get("/health"), { status: 200, text: "well\n", retryAfter: null });
        await server.bombard("/health", 300, "well\n");
        assert.equal((await server.stats()).running, workers);
        await leave();
        assert.equal((await server.get("/primes?below=1000")).text, "168\n");
      }),
    { needs },
  );

  test(`${example} refuses what it cannot do soon`, () =>
    withServer(example, { MAX_QUEUE: "1" }, async (server) => {
      const { leave } = await saturate(server);
      const waiting = server.get("/primes?below=1000");
      await server.until(({ queued }) => queued === 1);
      const refused = await server.get("/primes?below=1000");
      assert.deepEqual([refused.status, refused.retryAfter], [503, "1"]);
      assert.equal((await server.get("/health")).status, 200);
      await leave();
      assert.equal((await waiting).text, "168\n");
    }), { needs });

  test(`${example} gives up on what takes too long`, () =>
    withServer(example, { TIMEOUT_MS: "300" }, async (server) => {
      const late = await server.get(ENDLESS);
      assert.equal(late.status, 504);
      assert.match(late.text, /not done within 300 ms/);
      assert.equal((await server.get("/primes?below=1000")).text, "168\n");
    }), { needs });

  test(`${example} loses the one request whose worker is killed`, () =>
    withServer(example, {}, async (server) => {
      const size = (await server.stats()).workers.length;
      const lost = server.get(ENDLESS);
      const { workers } = await server.until(({ running }) => running === 1);
      const { pid } = workers.find(({ state }) => state === "busy")!;
      const others = Array.from({ length: 30 }, () => server.get("/primes?below=20000"));
      process.kill(pid!, "SIGKILL");
      assert.deepEqual(await Promise.all(others), others.map(() => ({ status: 200, text: "2262\n", retryAfter: null })));
      const { status, text } = await lost;
      assert.equal(status, 500);
      assert.match(text, /died while it ran the task: it was killed by signal 9/);
      const stats = await server.until(({ workers }) => workers.length === size && workers.every(({ state }) => state === "idle"));
      assert.deepEqual([stats.done, stats.failed], [30, 1]);
      assert.notInclude(stats.workers.map(({ pid }) => pid), pid);
      await server.bombard("/primes?below=1000", 100, "168\n");
    }), { needs });
}

test("workers may do what they are granted, and nothing else", async () => {
  const permissions = ["--no-prompt", `--allow-run=${process.execPath}`, "--allow-env", "--allow-read=deno.json"];
  const { code, lines, errors } = await execute(process.execPath, ["run", ...permissions, "examples/least_permission.ts"]);
  assert.equal(code, 0, `${lines.join("\n")}\n${errors}`);
  assert.equal(errors, "");
  const files = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md"];
  assert.deepEqual(lines, [
    ...files.map((file) => `${file}: ${readFileSync(join(ROOT, file), "utf8").split("\n").length - 1} lines`),
    "the workers may not read deno.json, write README.md, see the environment, talk to other machines, start programs, call foreign functions",
  ]);
  // As its first comment says.
  const text = readFileSync(new URL("least_permission.ts", EXAMPLES), "utf8");
  assert.include(text, "deno run --allow-run=$(command -v deno) --allow-env --allow-read=deno.json examples/least_permission.ts");
}, { needs: () => "Deno" in globalThis ? null : "only Deno has permissions" });

test("the service for edge runtimes answers a batch of its own with processes", async () => {
  assert.deepEqual(await output("edge-batch/batch.ts"), ["40 answers; the words of all: 120", "the longest: quick jumps lazy nothing"]);
});

test("every example is run by one of these tests, or used by one that is", () => {
  const self = readFileSync(fileURLToPath(import.meta.url), "utf8");
  // Folders have tests of their own: the service above, and tests/page_test.ts.
  const names = readdirSync(EXAMPLES).filter((name) => name.endsWith(".ts"));
  const used = names.flatMap((name) =>
    [...readFileSync(new URL(name, EXAMPLES), "utf8").matchAll(/from "\.\/(\w+\.ts)"/g)].map(([, file]) => file)
  );
  for (const name of names) {
    const isRun = self.includes(`("${name}"`) || self.includes(`example: "${name}"`) || self.includes(`examples/${name}"`);
    assert.isTrue(isRun || used.includes(name), name);
  }
});
