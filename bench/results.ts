/**
 * What the figures look like: tables for `bench/RESULTS.md`, and a small one for a glance.
 *
 * @module
 */
import type { Line } from "./measure.ts";

/** Peers that come from npm. */
export const POOLS: readonly string[] = ["comlink", "jest-worker", "multithreading", "piscina", "poolifier", "tinypool", "workerpool"];

/** The headings of the file, in its order. */
export const TITLES: Readonly<Record<string, string>> = {
  Q1: "Q1 Queue, small objects from one producer (items/s, more is better)",
  Q2: "Q2 Queue, small objects from two producers to two consumers (items/s, more is better)",
  Q3: "Q3 Queue, arrays of 64 MiB from one producer (MiB/s, more is better)",
  "Q3 memory": "Q3 Queue, arrays of 64 MiB, shared memory in use a moment after each round (MiB, less is better)",
  P1: "P1 Pipe, round trip of a number (µs, less is better)",
  S1: "S1 Start and join of a child with nothing to do (ms, less is better)",
  S2: "S2 Memory of a child that waits (MiB, less is better)",
  L1: "L1 Lock, taken and released, nobody else wants it (ns, less is better)",
  L2: "L2 Lock, four participants want it (turns/s, more is better)",
  "L2 least served": "L2 Lock, turns of the least served of four (part of the mean, more is better)",
  V1: "V1 A value plus 1, under its lock and in one step (ns, less is better)",
  A1: "A1 An array of 1 GiB passed to a child (ms, less is better)",
  "A1 loop": "A1 A loop over that array in the child (part of an ordinary array's speed, more is better)",
  M1: "M1 Pool, a map over numbers with a function that does nothing (items/s, more is better)",
  M2: "M2 Pool, 50,000 tasks that do nothing, submitted one by one, awaited together (tasks/s, more is better)",
  M3: "M3 Pool, a lazy map in any order, one item a task (items/s, more is better)",
  M4: "M4 Pool, one task that does nothing, there and back (µs, less is better)",
  "M4 rare": "M4 Pool, one such task every 5 ms, there and back (µs, less is better)",
  M5: "M5 Pool, a picture of the Mandelbrot set, 2000 × 2000, into a shared array (ms, less is better)",
  "M5 primes": "M5 Pool, counting the primes below 5,000,000 (ms, less is better)",
  E1: "E1 Event loop of a program whose workers keep all processors busy, lateness of timers, 99th of 100 (ms, less is better)",
  "Q1 growth": "Q1 by the number of producers (µs an item, less is better)",
  "M2 growth": "M2 by the number of workers (µs a task, less is better)",
  "L2 growth": "L2 by the number of participants (µs a turn, less is better)",
  "Memory growth": "Memory of one producer of Q1 by their number (MiB, less is better)",
};

/** What is to be said of a case's figures: targets that are not reached, and why. */
export const NOTES: Readonly<Record<string, string>> = {
  Q1:
    "Aimed at: 10 × CPython, 4 × `postMessage`. The producer is what limits. On Node a put takes 430 ns: 140 for encoding the object, some 180 for the ring, whose six atomic operations V8 calls as functions, 5 to 9 ns each; the rest is what is allocated on the way. A get takes 200. The limit in C copies bytes of one size that were encoded before. Bun's own channel between its processes is ahead of all; it is one-to-one, and what was on its way is lost with either side.",
  Q3:
    "Aimed at: a third of a copy's speed. The copy goes into memory that is there. Here each message is two copies: into shared memory, which is kept for the next ones, and into the receiver's new array, whose pages the system has to clear and map first: what that costs shows a copy into a new array, within a program.",
  S1:
    "Aimed at: 1.5 × the bare runtime. What is more is the package, which each child reads, as a bare runtime that imports it shows, and on Node koffi, a tenth. Each runtime has it in two or three files, of whose text V8 and JavaScriptCore read all before they run a line; shorter names did not help. Children on Node have its compile cache, and none of its modules by `import`, which has Node load more than is used.",
  L1: "Aimed at: CPython's time.",
  M2:
    "After three rounds that do not count: Bun's engine compiles in them, in each of its threads, and reaches a third of its later speed in the first and half in the second. Aimed at: 10 × the best other pool. On Node a third of the owner's processor time goes into collecting garbage: as many promises and results are alive at once, whoever makes them, and V8 copies them with threads of its own, on the processors of the workers.",
  M3: "Aimed at: 10 × CPython. The consumer takes each result as it is there; those of short calls are up to a thousand ahead of it.",
  M4:
    'Aimed at: with `idle: "block"` a third of the best other pool and an eighth of CPython; else two thirds of that pool. The system runs both sides on one processor mostly, where they give way to each other: two switches, and some 8 µs of work on both sides together, 1 of which notes where the task was submitted. Kept on two processors they were slower (14 – 17 µs on Node, 31 – 36 on Bun, beside 12 – 16): who sleeps there has to be woken. Which of both it is makes the spread of each line. Threads of Node have no foreign functions (one that is terminated while it loads them takes the program along), so they cannot give way, and are woken by `Atomics.waitAsync`.',
  "M4 rare":
    "No aim is set. Both sides are asleep, engines have not compiled what ran some hundred times, and caches have lost it: each step takes several times as long as above, and here more is written in JavaScript than where the engine's own messages carry the task, so it is half as fast as those.",
  M5:
    "Aimed at: 1.9 × the serial loop. Two bare processes of the runtime's own, each with its share dealt out beforehand, show what the machine allows: the engines' own threads, which compile and collect, share the two processors with them.",
  "M5 primes": "Aimed at: 1.9 × the serial loop; see above.",
  "L2 growth":
    "Of 64 participants 32 share a processor. A turn costs 10 to 70 times what it does alone then: who has the lock is often not running.",
  E1:
    "Aimed at: 5 ms with `nice: 5`, and no worse without than beside any other pool. A program that is woken by each result waits for a slice of a worker now and then, 3 to 4 ms; one that is not woken does so less often.",
};

/** What a case's contenders are compared with, each if it is there, in the same run. */
const BASES: readonly (readonly [title: string, is: (contender: string) => boolean])[] = [
  ["as CPython", (contender) => contender === "CPython"],
  ["as postMessage", (contender) => contender === "postMessage"],
  ["as the best other pool", (contender) => POOLS.includes(contender)],
  ["as the bare runtime", (contender) => contender === "bare runtime"],
  ["as a copy within a program", (contender) => contender === "copy within a program"],
  ["as the serial loop", (contender) => contender === "serial loop"],
  ["as the limit", (contender) => contender === "C, the limit"],
];

/** A figure for people. */
export function show(value: number | null): string {
  if (value === null) return "–";
  if (value >= 1e6) return `${(value / 1e6).toFixed(2)} M`;
  if (value >= 1e4) return `${(value / 1e3).toFixed(0)} k`;
  if (value >= 100) return value.toFixed(0);
  return value >= 1 ? value.toFixed(1) : value.toPrecision(2);
}

/** How many times as good a line is as the best of those that it is compared with, on the same runtime. */
function ratio({ runtime, median, unit }: Line, mine: readonly Line[], is: (contender: string) => boolean): string {
  const figures = mine.filter((line) => line.runtime === runtime && is(line.contender)).flatMap((line) => line.median ?? []);
  if (median === null || figures.length === 0) return "–";
  const times = unit.endsWith("/s") ? median / Math.max(...figures) : Math.min(...figures) / median;
  return `${times.toPrecision(times < 1 ? 2 : 3)} ×`;
}

/** One table a case: contenders by runtime, with the ratios to others in the same run. */
function comparison(mine: readonly Line[]): string[][] {
  const bases = BASES.filter(([, is]) => mine.some(({ contender }) => is(contender)));
  return [
    ["runtime", "contender", "median", "minimum – maximum", ...bases.map(([title]) => title)],
    ...mine.map((line) => [
      line.runtime,
      line.contender,
      show(line.median),
      line.median === null ? line.reason! : `${show(line.min)} – ${show(line.max)}`,
      ...bases.map(([, is]) => ratio(line, mine, is)),
    ]),
  ];
}

/** One table of how a figure grows: contenders by runtime, medians by how many take part. */
function growth(mine: readonly Line[]): string[][] {
  const counts = [...new Set(mine.map(({ participants }) => participants!))].sort((a, b) => a - b);
  const rows = Map.groupBy(mine, ({ runtime, contender }) => `${runtime}\n${contender}`);
  return [
    ["runtime", "contender", ...counts.map(String)],
    ...[...rows].map(([who, lines]) => [
      ...who.split("\n"),
      ...counts.map((count) => show(lines.find(({ participants }) => participants === count)?.median ?? null)),
    ]),
  ];
}

/** A case's section of the file. @param chart The path of its picture, from the file's place. */
export function section(name: string, lines: readonly Line[], chart: string | undefined): string {
  const mine = lines.filter((line) => line.case === name);
  const [head, ...rows] = mine[0].participants === undefined ? comparison(mine) : growth(mine);
  const row = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|").replaceAll("\n", " ")).join(" | ")} |`;
  const title = TITLES[name] ?? name;
  return [
    `## ${title}`,
    ...(chart === undefined ? [] : [`![${title}](${chart})`]),
    [row(head), `|${"---|".repeat(head.length)}`, ...rows.map(row)].join("\n"),
    `Measured on ${new Date().toISOString().slice(0, 10)}, ${navigator.hardwareConcurrency} processors, load ${
      Deno.loadavg()[0].toFixed(1)
    }.`,
    "",
  ].join("\n\n");
}

/** The essential ratios, for a terminal. */
export function glance(lines: readonly Line[]): string {
  const titles = BASES.map(([title]) => title).filter((_, i) => lines.some(({ contender }) => BASES[i][1](contender)));
  const rows = lines.filter(({ contender }) => contender.startsWith("polyproc")).map((line) => {
    const mine = lines.filter((other) => other.case === line.case);
    const figure = `${show(line.median)} ${line.unit}`;
    return [
      line.case,
      line.runtime,
      line.contender,
      figure,
      ...titles.map((title) => ratio(line, mine, BASES.find(([one]) => one === title)![1])),
    ];
  });
  const cells = [["", "", "", "", ...titles], ...rows];
  const widths = cells[0].map((_, column) => Math.max(...cells.map((row) => row[column].length)));
  return cells.map((row) => row.map((cell, i) => i < 3 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])).join("  ").trimEnd()).join(
    "\n",
  );
}
