/**
 * Shows the library at work: `npm run demo`. The two programs that a newcomer to `multiprocessing` learns first, and a word count over
 * the declaration files and documents of `node_modules`, on Node, Bun and Deno.
 *
 * @module
 */

import { environment, findRuntimes, ROOT, type Runtime } from "./runtimes.ts";

const RUNTIMES = ["node26", "bun", "deno"];

const PROGRAMS: readonly { file: string; about: string }[] = [
  { file: "workers.ts", about: "Five workers are started and joined." },
  { file: "producer_consumer.ts", about: "A producer process puts numbers into a queue, a consumer process adds them up; null ends it." },
  {
    file: "word_count.ts",
    about: "A producer finds the text files in node_modules, workers count their words; then one process does it alone.",
  },
];

/** A row of the last table. */
interface Row {
  runtime: string;
  seconds: number[];
  /** How many workers counted, the seconds of one process and of the workers, and the speed-up. */
  figures: string[];
}

const isTerminal = Deno.stdout.isTerminal() && Deno.env.get("NO_COLOR") === undefined;

function styled(code: number, text: string): string {
  return isTerminal ? `\x1b[${code}m${text}\x1b[0m` : text;
}

function heading(text: string): void {
  console.log(`\n${styled(1, text)}\n${"=".repeat(text.length)}`);
}

/** Runs a program of `examples/`; what it prints is shown as it comes, and returned. */
async function show(runtime: Runtime, file: string, env: Record<string, string>): Promise<{ output: string; seconds: number }> {
  const start = performance.now();
  const child = new Deno.Command(runtime.path, {
    args: [...runtime.args, `examples/${file}`],
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

async function demonstrate(runtime: Runtime, env: Record<string, string>): Promise<Row> {
  const name = { n: "Node.js", b: "Bun", d: "Deno" }[runtime.name[0]]!;
  const title = `${name} ${await versionOf(runtime)}`;
  heading(title);
  const row: Row = { runtime: title, seconds: [], figures: [] };
  for (const { file, about } of PROGRAMS) {
    console.log(`\n${styled(36, `examples/${file}`)}: ${about}`);
    const { output, seconds } = await show(runtime, file, env);
    row.seconds.push(seconds);
    const figure = (pattern: RegExp) => pattern.exec(output)?.[1] ?? "?";
    if (file === "word_count.ts") {
      row.figures = [
        figure(/(\d+) workers:/),
        figure(/one process: *([\d.]+)/),
        figure(/workers: *([\d.]+)/),
        figure(/speed-up: *([\d.]+)/),
      ];
    } else console.log(styled(2, `  ${seconds.toFixed(2)} s, starting everything included`));
  }
  return row;
}

function table(rows: readonly Row[]): void {
  const cells = [
    ["", "five workers", "producer, consumer", "words, one process", `words, ${rows[0]?.figures[0] ?? ""} workers`, "speed-up"],
    ...rows.map(({ runtime, seconds, figures: [, alone, together, speedUp] }) => [
      runtime,
      `${seconds[0].toFixed(2)} s`,
      `${seconds[1].toFixed(2)} s`,
      `${alone} s`,
      `${together} s`,
      `× ${speedUp}`,
    ]),
  ];
  const widths = cells[0].map((_, column) => Math.max(...cells.map((row) => row[column].length)));
  for (const [i, row] of cells.entries()) {
    const line = row.map((cell, column) => column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column])).join("   ");
    console.log(i === 0 ? styled(1, line) : line);
  }
}

const { found, missing } = await findRuntimes(RUNTIMES);
for (const reason of missing) console.log(`missing: ${reason}`);
console.log("Three programs, the same files on every runtime: see examples/.");
// Node keeps compiled modules here, and so need not take the types out of the library's sources in every child. (The npm package has none.)
const cache = await Deno.makeTempDir({ prefix: "polyproc-demo-" });
try {
  const start = performance.now(), rows: Row[] = [];
  for (const runtime of found) rows.push(await demonstrate(runtime, { NODE_COMPILE_CACHE: cache }));
  heading("All together");
  table(rows);
  console.log(`\nAll this took ${((performance.now() - start) / 1000).toFixed(0)} s.`);
} finally {
  await Deno.remove(cache, { recursive: true });
}
if (missing.length > 0) Deno.exit(1);
