/** For tests of what lives in shared memory: where they run, and what is said where there is none. */
import v8 from "node:v8";
import vm from "node:vm";
import { assert } from "chai";
import * as mp from "../mod.ts";
import * as work from "./fixtures/shared.ts";
import { eachMethod, test, type TestOptions } from "./harness.ts";
import { sleep } from "./timing.ts";

/** Python's codes of types, and what they stand for. */
export const CODES = {
  b: "int8",
  B: "uint8",
  h: "int16",
  H: "uint16",
  i: "int32",
  I: "uint32",
  l: "int64",
  L: "uint64",
  q: "int64",
  Q: "uint64",
  f: "float32",
  d: "float64",
  "?": "bool",
  c: "char",
} as const;

type Options = TestOptions & { methods?: readonly mp.StartMethod[] };

/** Why a start method shares no memory here; null if it does. */
function missing(can: mp.Capabilities, method: mp.StartMethod): string | null {
  return method === "inline" || can.sharedMemory[method] ? null : can.reasons[`sharedMemory.${method}`];
}

/** {@linkcode eachMethod}, where memory is shared. */
export function eachShared(name: string, run: (context: mp.Context) => unknown, options: Options = {}): void {
  const { methods = ["process", "thread", "inline"], needs, ...others } = options;
  for (const method of methods) {
    eachMethod(name, run, { ...others, methods: [method], needs: (can) => missing(can, method) ?? needs?.(can) ?? null });
  }
}

/** {@linkcode eachShared}, where a thread may block as well. */
export function eachBlocking(name: string, run: (context: mp.Context) => unknown, options: Options = {}): void {
  const needs = (can: mp.Capabilities) =>
    can.blocking ? options.needs?.(can) ?? null : can.reasons["blocking"] ?? "this thread may not block";
  eachShared(name, run, { methods: ["process", "thread"], ...options, needs });
}

/** The same shared object once more, as if it had come from another process. */
export async function another<T>(context: mp.Context, thing: T): Promise<T> {
  const queue = new context.Queue<T>();
  await queue.put(thing);
  const same = await queue.get();
  queue.close();
  return same;
}

/** For children that are to fail: their output is not wanted. (An inline one has none of its own.) */
export function quietly(context: mp.Context): { stdio?: "ignore" } {
  return context.getStartMethod() === "inline" ? {} : { stdio: "ignore" };
}

/** Where processes share no memory, what is made for them is refused, in the program and in its children. */
export function testRefusals(...names: work.Name[]): void {
  const needs = (can: mp.Capabilities) =>
    can.sharedMemory.process ? "memory is shared with processes" : can.startMethods.includes("process") ? null : "there are no processes";
  test(`without memory to share, processes are refused ${names.join(", ")}, with the reason and the ways out`, async () => {
    const reason = mp.capabilities().reasons["sharedMemory.process"], result = new (mp.getContext("process").Queue)<work.Refusal[]>();
    const refusals = [{ where: "here", all: work.refusals(names) }];
    for (const method of mp.getAllStartMethods()) {
      const child = new (mp.getContext(method).Process)({ target: work.reportRefusals, args: [names, result] }).start();
      refusals.push({ where: `in a child, ${method}`, all: await result.get() });
      assert.equal(await child.join(), 0);
    }
    for (const { where, all } of refusals) {
      assert.deepEqual(all.map(({ name }) => name), names.flatMap((name) => [name, name]), where);
      for (const { name, error, message } of all) {
        assert.equal(error, "UnsupportedError", `${name} ${where}: ${message}`);
        // Each program looks for itself, so that the words of a child may differ.
        if (where === "here") assert.include(message, reason);
        assert.match(message, /there is none: .{10,}\. Ways out: .*queue.*thread.*--allow-ffi.*koffi.*Node 26/, where);
      }
    }
  }, { needs });
}

let gc: (() => void) | null = null;

/** What collects the garbage at once. */
function collector(): () => void {
  const { Bun, gc } = globalThis as { Bun?: { gc(now: boolean): void }; gc?: () => void };
  if (gc !== undefined) return gc;
  if (Bun !== undefined) return () => Bun.gc(true);
  v8.setFlagsFromString("--expose-gc");
  return vm.runInNewContext("gc") as () => void;
}

/** For `needs`: a collector that can be asked to work. */
export function collects(): string | null {
  return "gc" in globalThis || !("polyprocTests" in globalThis) ? null : "the collector cannot be asked";
}

/** Has the garbage collected, and what is to be done about it. */
export async function collectGarbage(): Promise<void> {
  for (let i = 0; i < 2; i++) {
    (gc ??= collector())();
    await sleep(1);
  }
}
