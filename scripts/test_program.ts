/**
 * Runs one test file on one runtime, reads its report, and looks for what it left behind.
 *
 * @module
 */

import { killAll, leaks, sharedMemoryFiles } from "./leaks.ts";
import { environment, otherRuntimes, ROOT, type Runtime, STAGE } from "./runtimes.ts";

/** A test file on a runtime, in a variant. */
export interface Program {
  readonly file: string;
  readonly runtime: Runtime;
  readonly variant: Variant;
  /** Whether it runs on the built package, and not on the sources. */
  readonly isPackaged: boolean;
}

/** What is different from a plain run. */
export interface Variant {
  readonly name: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** What came of it. */
export interface Outcome {
  readonly passed: number;
  readonly skipped: readonly string[];
  /** In full. */
  readonly failures: readonly string[];
  readonly seconds: number;
}

const SUMMARY = /^(\d+) passed, (\d+) failed, (\d+) skipped$/;
/** Beyond a test's own deadline: then not even the event loop runs any more. */
const GRACE_MS = 15_000;
const QUIET_MS = 90_000;

/** "queue_test.ts on bun, no shared memory" */
export function title({ file, runtime, variant }: Program): string {
  return `${file} on ${runtime.name}${variant.name === "" ? "" : `, ${variant.name}`}`;
}

/** Reads a report line by line as it comes. */
class Report {
  passed = 0;
  summary: RegExpExecArray | null = null;
  readonly skipped: string[] = [];
  readonly failures: string[] = [];
  /** The test that runs, and when it is hung. */
  running: string | null = null;
  hungAt: number = performance.now() + QUIET_MS;
  readonly #tail: string[] = [];
  /** How many of the last lines were said in the test that runs. */
  #said = 0;
  #inFailure = false;

  line(line: string): void {
    const [, kind, rest] = /^(ok|FAIL|skip|start) - (.*)$/.exec(line) ?? [];
    if (kind === undefined) {
      const summary = SUMMARY.exec(line);
      if (summary !== null) this.summary = summary;
      else if (this.#inFailure) this.failures[this.failures.length - 1] += `\n${line}`;
      if (line.trim() !== "") this.#said = Math.min(this.#tail.push(line), this.#said + 1);
      if (this.#tail.length > 30) this.#tail.shift();
      return;
    }
    const said = kind === "FAIL" && this.#said > 0 ? quote(this.#tail.slice(-this.#said)) : "";
    this.#said = 0;
    this.#inFailure = kind === "FAIL";
    this.running = null;
    this.hungAt = performance.now() + QUIET_MS;
    if (kind === "ok") this.passed++;
    else if (kind === "skip") this.skipped.push(rest);
    else if (kind === "FAIL") this.failures.push(line + said);
    else {
      const [limitMs, ...name] = rest.split(" ");
      this.running = name.join(" ");
      this.hungAt = performance.now() + Number(limitMs) + GRACE_MS;
    }
  }

  get tail(): string {
    return quote(this.#tail);
  }
}

function quote(lines: readonly string[]): string {
  return lines.map((line) => `\n  | ${line}`).join("");
}

const running = new Map<number, { mark: string; temporary: string }>();

/** Ends the programs that run: an interrupt does not reach their sessions. */
export function endPrograms(): void {
  for (const [session, { mark, temporary }] of running) {
    killAll(mark, session);
    Deno.removeSync(temporary, { recursive: true });
  }
}

/** Runs it. `names`: only tests with one of these in their names. */
export async function runProgram(program: Program, names: readonly string[], verbose: boolean): Promise<Outcome> {
  const { file, runtime, variant, isPackaged } = program;
  const start = performance.now(), before = sharedMemoryFiles(), report = new Report();
  const mark = crypto.randomUUID(), temporary = await Deno.makeTempDir({ prefix: "polyproc-tests-" });
  const child = new Deno.Command(runtime.path, {
    args: [...(variant.args ?? runtime.args), `tests/${file}`, ...names],
    cwd: isPackaged ? STAGE : ROOT,
    // Node strips the types of each module anew in each child otherwise, for longer than most tests take.
    env: environment({
      ...otherRuntimes(runtime),
      NODE_COMPILE_CACHE: `${ROOT}node_modules/.cache/node`,
      ...runtime.env,
      ...variant.env,
      POLYPROC_TEST_STARTS: "1",
      POLYPROC_TEST_MARK: mark,
      TMPDIR: temporary,
    }),
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    detached: true, // a session of its own, by which its descendants are known
  }).spawn();
  const markLine = `POLYPROC_TEST_MARK=${mark}`;
  running.set(child.pid, { mark: markLine, temporary });
  const hear = (line: string) => {
    if (verbose) console.log(`  | ${line}`);
    report.line(line);
  };
  let hung = false;
  const watch = setInterval(() => {
    if (performance.now() < report.hungAt) return;
    hung = true;
    killAll(markLine, child.pid);
  }, 500);
  // What a leaked process holds open is not waited for.
  const ended = child.status.then(() => new Promise<void>((resolve) => setTimeout(resolve, 2_000)));
  await Promise.race([Promise.all([readLines(child.stdout, hear), readLines(child.stderr, hear)]), ended]);
  const { code, signal } = await child.status;
  clearInterval(watch);
  const failures = [...report.failures];
  if (hung) {
    const what = report.running === null ? "without a word" : `in "${report.running}"`;
    failures.push(`FAIL - the program was hung ${what} and was killed${report.tail}`);
  } else if (report.summary === null) {
    const where = report.running === null ? "" : ` in "${report.running}"`;
    failures.push(
      `FAIL - the program ended${where} without its summary, ${signal === null ? `with exit code ${code}` : `by ${signal}`}${report.tail}`,
    );
  } else if (code !== 0 && failures.length === 0) {
    failures.push(`FAIL - every test passed, but the exit code is ${code}${report.tail}`);
  } else if (Number(report.summary[1]) + Number(report.summary[3]) + failures.length === 0 && names.length === 0) {
    failures.push("FAIL - there is no test in it");
  }
  const left = await leaks(markLine, child.pid, temporary, before);
  if (left.length > 0) failures.push(`FAIL - it left behind:\n  ${left.join("\n  ")}`);
  running.delete(child.pid);
  await Deno.remove(temporary, { recursive: true }).catch(() => {});
  return { passed: report.passed, skipped: report.skipped, failures, seconds: (performance.now() - start) / 1000 };
}

async function readLines(stream: ReadableStream<Uint8Array<ArrayBuffer>>, hear: (line: string) => void): Promise<void> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    for (const line of lines) hear(line);
  }
  if (rest !== "") hear(rest);
}
