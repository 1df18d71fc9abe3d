/**
 * Runs the cases on every runtime and writes `bench/RESULTS.md`: `deno task bench [--tiny] [case…]`. With cases it replaces their sections alone.
 *
 * They run as a user's program would: against the built package, from an empty project.
 *
 * @module
 */
import { buildNpm } from "../scripts/build_npm.ts";
import { environment, findRuntimes, ROOT } from "../scripts/runtimes.ts";
import type { Line } from "./measure.ts";

const CASES = [
  "q1_queue",
  "q2_many",
  "q3_large",
  "p1_pipe",
  "s1_start",
  "s2_memory",
  "l1_lock",
  "l2_contention",
  "v1_value",
  "a1_array",
  "m1_map",
  "m2_apply",
  "m3_imap_unordered",
  "m4_round_trip",
  "m5_compute",
  "e1_event_loop",
];
/** Peers that come from npm. */
const PEERS = ["piscina", "poolifier", "tinypool", "workerpool"];
const RUNTIMES = ["node26", "bun", "deno"];

/** What each case must reach, as `performance.md` of the design has it; this first edition is to be within a factor of three. */
const TITLES: Record<string, string> = {
  Q1: "Q1 Queue, small objects from one producer (items/s, more is better)",
  Q2: "Q2 Queue, small objects from two producers to two consumers (items/s, more is better)",
  Q3: "Q3 Queue, arrays of 64 MiB from one producer (MiB/s, more is better)",
  "Q3 memory": "Q3 Queue, arrays of 64 MiB, shared memory in use after each round (MiB)",
  P1: "P1 Pipe, round trip of a number (µs, less is better)",
  S1: "S1 Start and join of a child with nothing to do (ms, less is better)",
  S2: "S2 Memory of a child that waits (MiB, less is better)",
  L1: "L1 Lock, taken and released, nobody else wants it (ns, less is better)",
  L2: "L2 Lock, four participants want it (turns/s, more is better)",
  V1: "V1 A value plus 1, under its lock and in one step (ns, less is better)",
  A1: "A1 An array of 1 GiB passed to a child (ms, less is better)",
  M1: "M1 Pool, a map over numbers with a function that does nothing (items/s, more is better)",
  M2: "M2 Pool, 50,000 tasks that do nothing, submitted one by one, awaited together (tasks/s, more is better)",
  M3: "M3 Pool, a lazy map in any order, one item a task (items/s, more is better)",
  M4: "M4 Pool, one task that does nothing, there and back (µs, less is better)",
  M5: "M5 Pool, a picture of the Mandelbrot set, 2000 × 2000, into a shared array (ms, less is better)",
  "M5 primes": "M5 Pool, counting the primes below 5,000,000 (ms, less is better)",
  E1: "E1 Event loop of a program whose workers keep all processors busy, lateness of timers, 99th of 100 (ms, less is better)",
};

const HEAD = `# Results

By \`deno task bench\`, on shared machines: absolute figures mean little, ratios within one table do. Medians of seven alternating rounds.
`;

/** What is to be said of a case's figures: targets that are not reached, and why. */
const NOTES: Record<string, string> = {};

async function run(command: string, args: readonly string[], cwd: string): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(command, {
    args: [...args],
    cwd,
    env: environment(),
    stdout: "piped",
    stderr: "piped",
  }).output();
  if (!success) throw new Error(`${command} ${args.join(" ")} failed:\n${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout);
}

/** An empty project with the package, its peers and the cases in it. */
async function makeProject(directory: string): Promise<void> {
  const tarball = await buildNpm(directory);
  await Deno.writeTextFile(`${directory}/package.json`, JSON.stringify({ name: "bench", private: true, type: "module" }));
  await run("npm", ["install", "--silent", "--no-audit", "--no-fund", tarball, "koffi", ...PEERS], directory);
  await run("cp", ["-r", `${ROOT}bench`, `${directory}/bench`], directory);
}

async function measureAll(directory: string, cases: readonly string[], flags: readonly string[]): Promise<Line[]> {
  const lines: Line[] = [];
  const { found, missing } = await findRuntimes(RUNTIMES);
  for (const one of missing) console.error(`missing: ${one}`);
  for (const name of cases) {
    for (const runtime of found) {
      const output = await run(runtime.path, [...runtime.args, `bench/${name}.ts`, ...flags], directory);
      for (const text of output.trim().split("\n")) {
        console.log(text);
        lines.push(JSON.parse(text));
      }
    }
  }
  return lines;
}

/** A figure for people. */
function show(value: number | null): string {
  if (value === null) return "–";
  if (value >= 1e6) return `${(value / 1e6).toFixed(2)} M`;
  if (value >= 1e4) return `${(value / 1e3).toFixed(0)} k`;
  return value >= 100 ? value.toFixed(0) : value.toFixed(1);
}

/** What a case's contenders are compared with, each if it is there, in the same run. */
const BASES: readonly (readonly [title: string, is: (contender: string) => boolean])[] = [
  ["as fast as CPython", (contender) => contender === "CPython"],
  ["as the best other pool", (contender) => PEERS.includes(contender)],
  ["as a copy within a program", (contender) => contender === "copy within a program"],
  ["as the serial loop", (contender) => contender === "serial loop"],
];

/** One table a case: contenders by runtime, with the ratios to others in the same run. */
function table(name: string, lines: readonly Line[]): string {
  const mine = lines.filter((line) => line.case === name);
  const isMore = mine[0]?.unit.endsWith("/s");
  const bases = BASES.filter(([, is]) => mine.some(({ contender }) => is(contender)));
  const ratio = ({ runtime, median }: Line, is: (contender: string) => boolean) => {
    const figures = mine.filter((line) => line.runtime === runtime && is(line.contender)).flatMap((line) => line.median ?? []);
    if (median === null || figures.length === 0) return "–";
    const base = isMore ? Math.max(...figures) : Math.min(...figures);
    return `${(isMore ? median / base : base / median).toFixed(2)} ×`;
  };
  const rows = mine.map((line) => {
    const range = line.median === null ? line.reason : `${show(line.min)} – ${show(line.max)}`;
    const ratios = bases.map(([, is]) => ratio(line, is));
    return `| ${[line.runtime, line.contender, show(line.median), range, ...ratios].join(" | ")} |`;
  });
  const head = ["runtime", "contender", "median", "minimum – maximum", ...bases.map(([title]) => title)];
  const date = new Date().toISOString().slice(0, 10), note = NOTES[name];
  const measured = `Measured on ${date}, ${navigator.hardwareConcurrency} processors, load ${Deno.loadavg()[0].toFixed(1)}.`;
  const paragraphs = note === undefined ? [measured] : [measured, "", note];
  return [`## ${TITLES[name] ?? name}`, "", `| ${head.join(" | ")} |`, `|${"---|".repeat(head.length)}`, ...rows, "", ...paragraphs, ""]
    .join("\n");
}

/** The sections of the file by their headings; those of cases that were measured now instead of theirs. */
async function write(lines: readonly Line[]): Promise<void> {
  const path = `${ROOT}bench/RESULTS.md`;
  const before = (await Deno.readTextFile(path).catch(() => "")).split(/^(?=## )/m).slice(1);
  const sections = new Map(before.map((section) => [section.slice(3, section.indexOf("\n")), section]));
  for (const name of new Set(lines.map((line) => line.case))) sections.set(TITLES[name], table(name, lines));
  const ordered = Object.values(TITLES).flatMap((title) => sections.get(title) ?? []);
  await Deno.writeTextFile(path, [HEAD, ...ordered].join("\n"));
  await run(Deno.execPath(), ["fmt", "--quiet", path], ROOT);
}

const flags = Deno.args.filter((arg) => arg.startsWith("--"));
const wanted = Deno.args.filter((arg) => !arg.startsWith("--"));
const directory = await Deno.makeTempDir({ prefix: "polyproc-bench-" });
try {
  await makeProject(directory);
  const lines = await measureAll(
    directory,
    CASES.filter((name) => wanted.length === 0 || wanted.some((one) => name.startsWith(one))),
    flags,
  );
  if (!flags.includes("--tiny")) await write(lines);
} finally {
  await Deno.remove(directory, { recursive: true });
}
