/**
 * Runs the cases on every runtime and writes `bench/RESULTS.md` and `bench/charts/`: `deno task bench [--quick] [--tiny] [case…]`. With cases it replaces their
 * sections alone. `--quick` prints the essential ratios in two minutes, and writes nothing; `--tiny` tries whether all works.
 *
 * They run as a user's program would: against the built package, from an empty project.
 *
 * @module
 */
import { buildNpm } from "../scripts/build_npm.ts";
import { environment, findRuntimes, ROOT } from "../scripts/runtimes.ts";
import { drawChart } from "./charts.ts";
import type { Line } from "./measure.ts";
import { glance, NOTES, POOLS, section, TITLES } from "./results.ts";

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
  "growth",
];
/** Those of `--quick`. */
const ESSENTIAL = ["q1_queue", "p1_pipe", "l1_lock", "v1_value", "m1_map", "m2_apply", "m4_round_trip"];
const RUNTIMES = ["node26", "bun", "deno"];
const RESULTS = `${ROOT}bench/RESULTS.md`;

/** Longest for one case on one runtime. */
const LONGEST_CASE_MS = 60 * 60_000;

async function run(command: string, args: readonly string[], cwd: string, signal?: AbortSignal): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(command, {
    args: [...args],
    cwd,
    env: environment(),
    stdin: "null",
    signal,
    stdout: "piped",
    stderr: "piped",
  }).output();
  if (!success) throw new Error(`${command} ${args.join(" ")} failed:\n${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout);
}

/** What the package is measured beside, in the versions that it is developed with. */
async function packages(): Promise<string[]> {
  const { packages } = JSON.parse(await Deno.readTextFile(`${ROOT}package-lock.json`)) as { packages: Record<string, { version: string }> };
  return ["koffi", ...POOLS].map((name) => `${name}@${packages[`node_modules/${name}`].version}`);
}

/** An empty project with the package, its peers and the cases in it. */
async function makeProject(directory: string): Promise<void> {
  const tarball = await buildNpm(directory);
  await Deno.writeTextFile(`${directory}/package.json`, JSON.stringify({ name: "bench", private: true, type: "module" }));
  await run("npm", ["install", "--silent", "--no-audit", "--no-fund", tarball, ...await packages()], directory);
  await run("cp", ["-r", `${ROOT}bench`, `${directory}/bench`], directory);
}

async function measureAll(directory: string, cases: readonly string[], flags: readonly string[]): Promise<Line[]> {
  const lines: Line[] = [];
  const { found, missing } = await findRuntimes(RUNTIMES);
  for (const one of missing) console.error(`missing: ${one}`);
  for (const name of cases) {
    for (const runtime of found) {
      const args = [...runtime.args, `bench/${name}.ts`, ...flags];
      const output = await run(runtime.path, args, directory, AbortSignal.timeout(LONGEST_CASE_MS)).catch((error) => {
        // The others are measured all the same.
        console.error(error.message);
        Deno.exitCode = 1;
        return "";
      });
      for (const text of output.split("\n").filter((text) => text !== "")) {
        console.error(text);
        lines.push(JSON.parse(text));
      }
    }
  }
  return lines;
}

/** The head of the file, with the versions that the tables do not name. */
async function head(): Promise<string> {
  const version = (command: string) => run(command, ["--version"], ROOT).then((text) => text.split("\n")[0], () => `no ${command}`);
  const others = [await version("python3"), await version("cc"), ...await packages()];
  return `# Results

By \`deno task bench\`, on shared machines: absolute figures mean little, ratios within one table do. Medians of seven alternating rounds; "2 × as CPython" is twice as good as it.

Beside the runtimes: ${others.join(", ")}.
`;
}

/** The sections of the file by their headings; those of cases that were measured now instead of theirs. */
async function write(lines: readonly Line[]): Promise<void> {
  const before = (await Deno.readTextFile(RESULTS).catch(() => "")).split(/^(?=#+ )/m).filter((section) => section.startsWith("## "));
  const sections = new Map(before.map((section) => [section.slice(3, section.indexOf("\n")), section]));
  for (const [name, mine] of Map.groupBy(lines, (line) => line.case)) {
    const chart = await drawChart(name, mine);
    sections.set(TITLES[name], section(name, mine, chart));
  }
  const ordered = Object.entries(TITLES).flatMap(([name, title]) => sections.has(title) ? noted(sections.get(title)!, NOTES[name]) : []);
  await Deno.writeTextFile(RESULTS, [await head(), ...ordered].join("\n"));
  await run(Deno.execPath(), ["fmt", "--quiet", RESULTS], ROOT);
}

/** A section with what is to be said of it now. */
function noted(section: string, note = ""): string {
  const end = section.search(/\nMeasured on .*/);
  return `${section.slice(0, section.indexOf("\n", end + 1))}\n\n${note}\n`;
}

const flags = Deno.args.filter((arg) => arg.startsWith("--"));
const wanted = Deno.args.filter((arg) => !arg.startsWith("--"));
const isQuick = flags.includes("--quick"), isTiny = flags.includes("--tiny");
const cases = isQuick ? ESSENTIAL : CASES;
const directory = await Deno.makeTempDir({ prefix: "polyproc-bench-" });
try {
  await makeProject(directory);
  const chosen = cases.filter((name) => wanted.length === 0 || wanted.some((one) => name.startsWith(one)));
  const lines = await measureAll(directory, chosen, flags);
  if (isQuick) console.log(glance(lines));
  else if (!isTiny) await write(lines);
} finally {
  await Deno.remove(directory, { recursive: true });
}
