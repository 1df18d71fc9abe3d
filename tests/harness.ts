/**
 * Runs the tests of the file that was started as a program, one after another, each with a deadline. Nothing runs in children that import the file.
 * The last line is `N passed, N failed, N skipped`; the exit code is 1 if any failed.
 *
 * Arguments: only tests whose names contain one of them. `POLYPROC_TEST_STARTS=1` tells of each test's start too, for whoever watches for hangs.
 */

import process from "node:process";
import { clearTimeout, setTimeout } from "node:timers";
import * as mp from "../mod.ts";

/** How a test runs. */
export interface TestOptions {
  /** After so many milliseconds it has failed. */
  timeoutMs?: number;
  /** Why it can't run where this is all there is; null if it can. */
  needs?: (can: mp.Capabilities) => string | null;
  /** Whether an inline task has to know who it is after it awaited something. */
  follows?: boolean;
}

interface Test extends TestOptions {
  readonly name: string;
  readonly method: mp.StartMethod | null;
  readonly run: () => unknown;
}

/** Whether this is a bundle, in a page or an edge runtime. */
const IS_BUNDLED = "polyprocTests" in globalThis;

/** For `needs`: modules that can be imported by their URLs. */
export function modules(): string | null {
  return IS_BUNDLED ? "the tests are bundled here: their modules cannot be imported by URL" : null;
}

/** For `needs`: children that go on for as long as they have something to do, and Node's ways to end one. */
export function endings(): string | null {
  return IS_BUNDLED ? "a child ends with its function here" : null;
}

/** For `needs`: Node's standard modules. */
export function standardModules(): string | null {
  return IS_BUNDLED ? "there are no standard modules of Node's here" : null;
}

const DEADLINE_MS = 30_000;
/** How long the program may take to end by itself once the tests are done. */
const END_MS = 5_000;
const REAP_MS = 3_000;

const collected: Test[] = [];
const ends: (() => unknown)[] = [];
const filters = process.argv.slice(2).filter((argument) => !argument.startsWith("-"));
let passed = 0, failed = 0, skipped = 0;
let current: Test | null = null;
let failCurrent: (error: unknown) => void = () => {};

/** Adds a test. */
export function test(name: string, run: () => unknown, options: TestOptions = {}): void {
  add({ name, run, method: null, ...options });
}

/** Runs something once all tests are done. */
export function afterAll(run: () => unknown): void {
  ends.push(run);
}

/** Adds a test for each start method that is offered here, and for those of `methods` that are not, a skipped one. */
export function eachMethod(
  name: string,
  run: (context: mp.Context) => unknown,
  options: TestOptions & { methods?: readonly mp.StartMethod[] } = {},
): void {
  const { methods = ["process", "thread", "inline"], needs, follows = false, ...others } = options;
  for (const method of methods) {
    add({
      ...others,
      name: `${name} (${method})`,
      method,
      run: () => run(mp.getContext(method)),
      needs: (can) =>
        can.startMethods.includes(method)
          ? needs?.(can) ?? (follows && method === "inline" ? can.reasons.follow ?? null : null)
          : can.reasons[`startMethods.${method}`] ?? `there is no ${method}`,
    });
  }
}

function add(test: Test): void {
  // A child that imports the file for a function in it.
  if (mp.parentProcess() !== null) return;
  if (collected.push(test) === 1) setTimeout(runAll, 0);
}

async function runAll(): Promise<void> {
  process.on("uncaughtException", outside);
  process.on("unhandledRejection", outside);
  process.on("exit", summary);
  for (const test of collected) {
    if (filters.length === 0 || filters.some((filter) => test.name.includes(filter))) await runOne(test);
  }
  for (const run of ends) await run();
  // A page, or a worker of an edge runtime, is over when it is said to be.
  if (IS_BUNDLED) return process.exit();
  setTimeout(() => {
    const children = mp.activeChildren().map(String), resources = process.getActiveResourcesInfo?.() ?? [];
    fail(
      null,
      "something keeps the program alive",
      `Still there: ${[...children, ...resources].join(", ") || "nothing that the runtime tells of"}`,
    );
    process.exit(1);
  }, END_MS).unref();
}

async function runOne(test: Test): Promise<void> {
  const reason = test.needs?.(mp.capabilities()) ?? null;
  if (reason !== null) {
    skipped++;
    console.log(`skip - ${test.name}: ${reason}`);
    return;
  }
  const limitMs = test.timeoutMs ?? DEADLINE_MS;
  const before = new Set(mp.activeChildren());
  let timer: ReturnType<typeof setTimeout> | undefined;
  const broken = new Promise<never>((_, reject) => {
    failCurrent = reject;
    timer = setTimeout(() => reject(new Error(`not done after ${limitMs} ms`)), limitMs);
  });
  broken.catch(() => {}); // may come after the test is done
  if (process.env.POLYPROC_TEST_STARTS === "1") console.log(`start - ${limitMs} ${test.name}`);
  current = test;
  const start = performance.now();
  try {
    await Promise.race([(async () => await test.run())(), broken]);
    passed++;
    console.log(`ok - ${test.name} (${Math.round(performance.now() - start)} ms)`);
  } catch (error) {
    fail(test, test.name, error);
    await killChildren(mp.activeChildren().filter((child) => !before.has(child)));
  } finally {
    clearTimeout(timer);
    current = null;
  }
}

function fail(test: Test | null, name: string, error: unknown): void {
  failed++;
  process.exitCode = 1;
  const method = test?.method ?? mp.getStartMethod({ allowNone: true });
  console.log(`FAIL - ${name} [${[mp.capabilities().runtime, method].filter((part) => part !== null).join(", ")}]`);
  console.log(error instanceof Error ? indent(error) : error);
}

/** The whole of an error: Bun's own `stack` lacks the message's further lines, and nobody's has the causes. */
function indent(error: Error, depth = 1): string {
  const stack = error.stack ?? "", text = stack.includes(error.message) ? stack : `${error.name}: ${error.message}\n${stack}`;
  const cause = error.cause === undefined
    ? ""
    : `\ncaused by: ${error.cause instanceof Error && depth < 5 ? indent(error.cause, depth + 1) : String(error.cause)}`;
  const { actual, expected, showDiff } = error as { actual?: unknown; expected?: unknown; showDiff?: boolean };
  const difference = showDiff === true && depth === 1 ? `\nactual:   ${show(actual)}\nexpected: ${show(expected)}` : "";
  return (text + difference + cause).replace(/^/gm, "  ");
}

function show(value: unknown): string {
  try {
    const text = JSON.stringify(value, (_, part) => typeof part === "bigint" ? `${part}n` : part) ?? String(value);
    return text.length > 2000 ? `${text.slice(0, 2000)}…` : text;
  } catch {
    return String(value);
  }
}

/** Errors that no promise of the test's holds, while it expects some. */
let expected: unknown[] | null = null;

/** Runs a part of a test that leaves errors which nobody catches, and tells it of those. */
export async function uncaught(run: (errors: readonly unknown[]) => Promise<void>): Promise<void> {
  expected = [];
  try {
    await run(expected);
  } finally {
    expected = null;
  }
}

/** An error that no promise of the test's holds: it is the running test's all the same. */
function outside(error: unknown): void {
  if (expected !== null) expected.push(error);
  else if (current !== null) failCurrent(error);
  else fail(null, "an error outside of any test", error);
}

async function killChildren(children: readonly mp.Process[]): Promise<void> {
  for (const child of children) {
    try {
      child.kill();
      await child.join({ timeout: REAP_MS });
    } catch (error) {
      console.log(`  ${child} could not be killed: ${error}`);
    }
  }
}

function summary(): void {
  if (current !== null) fail(current, current.name, "the program ended in the middle of it");
  console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
}
