/**
 * Shows the library at work: `npm run demo`. A pool that draws and counts, the two programs that a newcomer to `multiprocessing` learns first, and a word count over
 * the declaration files and documents of `node_modules`, on Node, Bun and Deno.
 *
 * @module
 */

import { environment, findRuntimes, ROOT, type Runtime } from "./runtimes.ts";

const RUNTIMES = ["node26", "bun", "deno"];
/** Not a temporary file: somebody may want to look at it. */
const PICTURE = "tmp/mandelbrot.png";

/** A program of `examples/`. */
interface Demo {
  readonly file: string;
  readonly args: readonly string[];
  readonly about: string;
  /** What the table calls it. */
  readonly title: string;
  /** Whether it compares workers with one process. */
  readonly compares: boolean;
}

const DEMOS: readonly Demo[] = [
  {
    file: "mandelbrot.ts",
    args: ["2400", PICTURE],
    about: "A pool draws the Mandelbrot set, its workers writing pixels into one shared array; then one process does it alone.",
    title: "picture",
    compares: true,
  },
  {
    file: "primes.ts",
    args: ["10000000"],
    about: "One process counts the primes below ten million, then a pool does.",
    title: "primes",
    compares: true,
  },
  { file: "workers.ts", args: [], about: "Five workers are started and joined.", title: "five workers", compares: false },
  {
    file: "producer_consumer.ts",
    args: [],
    about: "A producer process puts numbers into a queue, a consumer process adds them up; null ends it.",
    title: "producer, consumer",
    compares: false,
  },
  {
    file: "word_count.ts",
    args: [],
    about: "A producer finds the text files in node_modules, workers count their words; then one process does it alone.",
    title: "words",
    compares: true,
  },
];

/** A column of the last table. */
interface Column {
  readonly runtime: string;
  readonly cells: string[];
}

const isTerminal = Deno.stdout.isTerminal() && Deno.env.get("NO_COLOR") === undefined;

function styled(code: number, text: string): string {
  return isTerminal ? `\x1b[${code}m${text}\x1b[0m` : text;
}

function heading(text: string): void {
  console.log(`\n${styled(1, text)}\n${"=".repeat(text.length)}`);
}

/** Runs a program of `examples/`; what it prints is shown as it comes, and returned. */
async function show(runtime: Runtime, { file, args }: Demo, env: Record<string, string>): Promise<{ output: string; seconds: number }> {
  const start = performance.now();
  const child = new Deno.Command(runtime.path, {
    args: [...runtime.args, `examples/${file}`, ...args],
    cwd: ROOT,
    env: environment(env),
    stdin: "null",
    stdout: "piped", // standard error is the terminal's: the progress bar goes there
  }).spawn();
  let output = "", isLineStart = true;
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    output += text;
    const shown = (isLineStart ? "  " : "") + text.replace(/\n(?=.)/gs, "\n  ");
    isLineStart = text.endsWith("\n");
    await Deno.stdout.write(new TextEncoder().encode(shown));
  }
  const { code, signal } = await child.status;
  if (code !== 0) throw new Error(`examples/${file} on ${runtime.name} ended with ${signal ?? `exit code ${code}`}`);
  return { output, seconds: (performance.now() - start) / 1000 };
}

async function versionOf({ path }: Runtime): Promise<string> {
  const { stdout } = await new Deno.Command(path, { args: ["--version"] }).output();
  return /\d+\.\d+\.\d+/.exec(new TextDecoder().decode(stdout))?.[0] ?? "";
}

async function demonstrate(runtime: Runtime, env: Record<string, string>): Promise<Column> {
  const name = { n: "Node.js", b: "Bun", d: "Deno" }[runtime.name[0]]!;
  const title = `${name} ${await versionOf(runtime)}`;
  heading(title);
  const cells: string[] = [];
  for (const demo of DEMOS) {
    console.log(`\n${styled(36, `examples/${demo.file}`)}: ${demo.about}`);
    const { output, seconds } = await show(runtime, demo, env);
    if (demo.compares) {
      const figure = (pattern: RegExp) => pattern.exec(output)?.[1] ?? "?";
      cells.push(`${figure(/one process: *([\d.]+)/)} s`, `${figure(/workers: *([\d.]+)/)} s`, `× ${figure(/speed-up: *([\d.]+)/)}`);
    } else {
      cells.push(`${seconds.toFixed(2)} s`);
      console.log(styled(2, `  ${seconds.toFixed(2)} s, starting everything included`));
    }
  }
  return { runtime: title, cells };
}

function table(columns: readonly Column[]): void {
  const names = DEMOS.flatMap(({ title, compares }) =>
    compares ? [`${title}, one process`, `${title}, workers`, `${title}, speed-up`] : [title]
  );
  const rows = [["", ...columns.map(({ runtime }) => runtime)], ...names.map((name, i) => [name, ...columns.map(({ cells }) => cells[i])])];
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  for (const [i, row] of rows.entries()) {
    const line = row.map((cell, column) => column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column])).join("   ");
    console.log(styled(i === 0 || row[1].startsWith("×") ? 1 : 0, line));
  }
}

const { found, missing } = await findRuntimes(RUNTIMES);
for (const reason of missing) console.log(`missing: ${reason}`);
console.log(`${DEMOS.length} programs, the same files on every runtime: see examples/.`);
await Deno.mkdir(`${ROOT}tmp`, { recursive: true });
// Node keeps compiled modules here, and so need not take the types out of the library's sources in every child. (The npm package has none.)
const cache = await Deno.makeTempDir({ prefix: "polyproc-demo-" });
try {
  const start = performance.now(), columns: Column[] = [];
  const env = { NODE_COMPILE_CACHE: cache, ...(isTerminal ? { FORCE_COLOR: "1" } : {}) };
  for (const runtime of found) columns.push(await demonstrate(runtime, env));
  heading("All together");
  table(columns);
  console.log(`\nThe picture is in ${PICTURE}. All this took ${((performance.now() - start) / 1000).toFixed(0)} s.`);
} finally {
  await Deno.remove(cache, { recursive: true });
}
if (missing.length > 0) Deno.exit(1);
