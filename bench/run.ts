/**
 * Runs the cases on every runtime and writes `bench/RESULTS.md`: `deno task bench [--tiny] [case…]`.
 *
 * They run as a user's program would: against the built package, from an empty project.
 *
 * @module
 */
import { buildNpm } from "../scripts/build_npm.ts";
import { environment, findRuntimes, ROOT } from "../scripts/runtimes.ts";
import type { Line } from "./measure.ts";

const CASES = ["q1_queue", "p1_pipe", "s1_start", "l1_lock", "l2_contention", "v1_value", "a1_array"];
const RUNTIMES = ["node26", "bun", "deno"];

/** What each case must reach, as `performance.md` of the design has it; this first edition is to be within a factor of three. */
const TITLES: Record<string, string> = {
  Q1: "Q1 Queue, small objects from one producer (items/s, more is better)",
  P1: "P1 Pipe, round trip of a number (µs, less is better)",
  S1: "S1 Start and join of a child with nothing to do (ms, less is better)",
  L1: "L1 Lock, taken and released, nobody else wants it (ns, less is better)",
  L2: "L2 Lock, four participants want it (turns/s, more is better)",
  V1: "V1 A value plus 1, under its lock and in one step (ns, less is better)",
  A1: "A1 An array of 1 GiB passed to a child (ms, less is better)",
};

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
  await run("npm", ["install", "--silent", "--no-audit", "--no-fund", tarball, "koffi"], directory);
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

/** One table a case: contenders by runtime, with the ratio to CPython in the same run. */
function table(name: string, lines: readonly Line[]): string {
  const mine = lines.filter((line) => line.case === name);
  const isMore = mine[0]?.unit.endsWith("/s");
  const rows = mine.map((line) => {
    const python = mine.find(({ runtime, contender }) => runtime === line.runtime && contender === "CPython")?.median;
    const ratio = line.median === null || !python ? "–" : `${(isMore ? line.median / python : python / line.median).toFixed(2)} ×`;
    const range = line.median === null ? line.reason : `${show(line.min)} – ${show(line.max)}`;
    return `| ${line.runtime} | ${line.contender} | ${show(line.median)} | ${range} | ${ratio} |`;
  });
  return [
    `## ${TITLES[name] ?? name}`,
    "",
    "| runtime | contender | median | minimum – maximum | as fast as CPython |",
    "|---|---|---|---|---|",
    ...rows,
    "",
  ].join("\n");
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
  if (!flags.includes("--tiny") && wanted.length === 0) {
    const head = [
      "# Results",
      "",
      `Measured on ${
        new Date().toISOString().slice(0, 10)
      } by \`deno task bench\` on ${navigator.hardwareConcurrency} shared cores: absolute figures mean little, ratios within one table do.`,
      "Medians of seven alternating rounds.",
      "",
    ];
    const names = [...new Set(lines.map((line) => line.case))];
    await Deno.writeTextFile(`${ROOT}bench/RESULTS.md`, [...head, ...names.map((name) => table(name, lines))].join("\n"));
    await run(Deno.execPath(), ["fmt", "--quiet", "bench/RESULTS.md"], ROOT);
  }
} finally {
  await Deno.remove(directory, { recursive: true });
}
