/**
 * Runs every test file on every runtime: `deno run -A scripts/test.ts [--runtime node26,deno] [--quick] [--verbose] [filter…]`.
 *
 * A filter selects the files that have it in their names; if none has, the tests that do. `--quick`: one Node, no variants. The last line is `N passed, N failed`.
 *
 * A test file may say in a comment of its own line how it wants to be run, for instance
 * `// run: on=node26,deno with=off,no-ffi,no-koffi`:
 * only on these runtimes (all; `servers` are those but Chromium and workerd), and also in these variants (by default those of {@linkcode variantsOf}).
 * `from=sources`: on the sources, since it, or what it starts, imports more of them than `mod.ts`. All else runs on the built package, as its users have it, but for browsers and workerd.
 *
 * @module
 */

import { findRuntimes, ROOT, type Runtime, RUNTIME_NAMES, WEB_NAMES } from "./runtimes.ts";
import { stageTests } from "./stage_tests.ts";
import { endPrograms, type Outcome, type Program, runProgram, title, type Variant } from "./test_program.ts";
/** Twice as many as there are processors in CI: tests also wait for times to pass, and for each other. */
const AT_ONCE = 4;
const ALL_NAMES = [...RUNTIME_NAMES, ...WEB_NAMES];
const PLAIN: Variant = { name: "" };
/** Everything but foreign functions, on which shared memory rests. */
const DENO_WITHOUT_FFI = [
  "run",
  "--no-prompt",
  ...["read", "write", "env", "run", "net", "sys"].map((permission) => `--allow-${permission}`),
];
/** Files whose subject goes through the control channel where there is no shared memory. */
const CHANNEL_FILES = /^(process|queue|pipe|wait|pool|executor)/;

/**
 * Files about what an adapter does. Node 22 and 24, whose adapter is that of Node 26, take only them, as do Node 26 and Bun with shared memory switched off: the library over the adapter is the same
 * everywhere, and all files have it without shared memory between processes on Deno, and between threads in a page that is not isolated. With `--runtime`, all are taken.
 */
const ADAPTER_FILES = /^(adapters|codec|context|pipe|pool_ahead|pool_test|process|queue|shared_memory|stress|target|wait)/;

const VARIANTS: Readonly<Record<string, { on: (runtime: string, isWanted: boolean) => boolean; variant: Variant }>> = {
  off: {
    on: (runtime, isWanted) => isWanted && (runtime === "node26" || runtime === "bun"),
    variant: { name: "shared memory switched off", env: { POLYPROC_SHARED_MEMORY: "off" } },
  },
  "no-ffi": { on: (runtime) => runtime === "deno", variant: { name: "without --allow-ffi", args: DENO_WITHOUT_FFI } },
  worker: {
    on: (runtime) => runtime === "chromium",
    variant: { name: "in a worker", args: ["scripts/run_chromium.ts", "--worker"] },
  },
  "no-koffi": {
    on: (runtime) => runtime === "node26",
    variant: { name: "without koffi", args: ["--import", new URL("../tests/fixtures/without_koffi.mjs", import.meta.url).href] },
  },
};

/** The variants in which a file is run besides the plain one, where it says nothing. */
function variantsOf(file: string): string[] {
  return CHANNEL_FILES.test(file) ? ["off", "no-ffi"] : [];
}

/** @param isChosen Whether the runtimes were named. */
function programsOf(file: string, runtimes: readonly Runtime[], isChosen: boolean, quick: boolean): Program[] {
  const text = Deno.readTextFileSync(`${ROOT}tests/${file}`);
  const [, wish = ""] = /^\/\/ run: (.*)$/m.exec(text) ?? [];
  const said = (key: string) => new RegExp(`\\b${key}=(\\S*)`).exec(wish)?.[1].split(",").filter((name) => name !== "");
  const on = (said("on") ?? ALL_NAMES).flatMap((name) => name === "servers" ? RUNTIME_NAMES : name);
  const variants = said("with") ?? variantsOf(file);
  for (const name of on) if (!ALL_NAMES.includes(name)) throw new Error(`tests/${file} wants to run on ${name}`);
  for (const name of variants) if (!(name in VARIANTS)) throw new Error(`tests/${file} wants to run with ${name}`);
  const from = said("from")?.[0] ?? "package";
  if (from !== "package" && from !== "sources") throw new Error(`tests/${file} wants to run from ${from}`);
  const isWanted = isChosen || ADAPTER_FILES.test(file);
  const isOn = (name: string) => on.includes(name) && (isWanted || (name !== "node22" && name !== "node24"));
  return runtimes.filter(({ name }) => isOn(name)).flatMap((runtime) => {
    const own = (quick ? [] : variants).map((name) => VARIANTS[name]).filter((one) => one.on(runtime.name, isWanted));
    const isPackaged = RUNTIME_NAMES.includes(runtime.name) && from === "package";
    return [PLAIN, ...own.map(({ variant }) => variant)].map((variant) => ({ file, runtime, variant, isPackaged }));
  });
}

async function check(): Promise<Outcome> {
  const start = performance.now();
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", `${ROOT}scripts/ok.ts`],
    env: { NO_COLOR: "1" },
  }).output();
  const text = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  return { passed: success ? 1 : 0, skipped: [], failures: success ? [] : [text], seconds: (performance.now() - start) / 1000 };
}

function parse(args: string[]) {
  const options = { names: ALL_NAMES, quick: false, verbose: false, filters: [] as string[] };
  for (let i = 0; i < args.length; i++) {
    const [flag, value] = args[i].split("=");
    if (flag === "--runtime") options.names = (value ?? args[++i] ?? "").split(",");
    else if (flag === "--quick") options.quick = true;
    else if (flag === "--verbose") options.verbose = true;
    else if (flag.startsWith("-")) throw new Error(`There is no option ${flag}: there are --runtime, --quick and --verbose`);
    else options.filters.push(args[i]);
  }
  if (options.quick) options.names = options.names.filter((name) => name !== "node22" && name !== "node24" && !WEB_NAMES.includes(name));
  return options;
}

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  Deno.addSignalListener(signal, () => {
    endPrograms();
    Deno.exit(130);
  });
}
const { names, quick, verbose, filters } = parse(Deno.args);
// Before Node 22 is looked for, for which the types of all tests are taken out.
if (names.some((name) => RUNTIME_NAMES.includes(name))) await stageTests();
const { found, missing } = await findRuntimes(names);
let files = [...Deno.readDirSync(`${ROOT}tests`)].map(({ name }) => name).filter((name) => name.endsWith("_test.ts")).sort();
const matching = files.filter((file) => filters.some((filter) => file.includes(filter)));
const testNames = matching.length > 0 ? [] : filters;
if (matching.length > 0) files = matching;

const outcomes: Outcome[] = [];
function tell(name: string, outcome: Outcome): void {
  outcomes.push(outcome);
  const { passed, skipped, failures, seconds } = outcome;
  const counts = [
    `${passed} passed`,
    failures.length > 0 && `${failures.length} failed`,
    skipped.length > 0 && `${skipped.length} skipped`,
  ];
  console.log(`${failures.length > 0 ? "FAIL" : "ok"}: ${name}: ${counts.filter(Boolean).join(", ")} (${seconds.toFixed(1)} s)`);
  for (const failure of failures) console.log(failure.replace(/^/gm, "  "));
}

for (const reason of missing) console.log(`missing: ${reason}`);
// Elsewhere the run goes on without.
if (missing.length > 0 && Deno.env.has("CI")) {
  tell("every runtime is there", { passed: 0, skipped: [], failures: missing.map((reason) => `FAIL - ${reason}`), seconds: 0 });
}
const jobs = files.flatMap((file) => programsOf(file, found, names !== ALL_NAMES, quick))
  .map((program) => async () => tell(title(program), await runProgram(program, testNames, verbose)));
if (filters.length === 0) jobs.unshift(async () => tell("format, lint, types, fence, documentation", await check()));
await Promise.all(Array.from({ length: AT_ONCE }, async () => {
  for (let job = jobs.shift(); job !== undefined; job = jobs.shift()) await job();
}));

const reasons = Map.groupBy(outcomes.flatMap(({ skipped }) => skipped), (line) => line.slice(line.indexOf(": ") + 2));
for (const [reason, lines] of reasons) console.log(`skipped ${lines.length}: ${reason}`);
const count = (part: (outcome: Outcome) => number) => outcomes.reduce((sum, outcome) => sum + part(outcome), 0);
const passed = count((outcome) => outcome.passed),
  failed = count((outcome) => outcome.failures.length),
  skipped = count((outcome) => outcome.skipped.length);
const nothing = passed + failed === 0;
if (nothing) console.log("FAIL: no test was run");
console.log(`${passed} passed, ${failed + (nothing ? 1 : 0)} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
Deno.exit(failed > 0 || nothing ? 1 : 0);
