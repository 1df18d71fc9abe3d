/** Times and conditions, for tests that wait. */
import { setTimeout } from "node:timers";
import { assert } from "chai";
import * as mp from "../mod.ts";

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until the process is ended: an inline task's wait is over then too, as a timer would not be. */
export async function forever(): Promise<void> {
  await new (mp.getContext("inline").Queue)().get();
}

/** Waits for a condition that is expected to come true. */
export async function until(what: string, condition: () => boolean | Promise<boolean>, timeoutMs = 20_000): Promise<void> {
  for (const end = performance.now() + timeoutMs; !await condition(); await sleep(5)) {
    if (performance.now() > end) throw new Error(`never ${what}`);
  }
}

/** How long `run` took, in milliseconds. */
export async function took(run: () => unknown): Promise<number> {
  const start = performance.now();
  await run();
  return performance.now() - start;
}

/** `run` throws, or rejects with, such an error; in that time: `[at least, at most]` milliseconds, generous above since machines are busy. */
export async function fails(
  run: () => unknown,
  // deno-lint-ignore no-explicit-any -- any constructor
  type: abstract new (...args: any[]) => unknown,
  within: readonly [number, number] = [0, 5_000],
): Promise<Error> {
  const start = performance.now();
  try {
    await run();
  } catch (error) {
    const ms = performance.now() - start;
    if (!(error instanceof type)) throw error;
    assert.isAtLeast(ms, within[0], `${type.name} came too early`);
    assert.isBelow(ms, within[1], `${type.name} came too late`);
    return error as Error;
  }
  throw new Error(`there was no ${type.name}`);
}

/** Whether a promise is settled, after the event loop has had some turns. */
export async function isPending(promise: Promise<unknown>): Promise<boolean> {
  let isSettled = false;
  promise.then(() => isSettled = true, () => isSettled = true);
  await sleep(20);
  return !isSettled;
}

/** Counts who listens to a signal, from now on. */
export function listenersOf(signal: AbortSignal): () => number {
  const listeners = new Set<unknown>();
  const { addEventListener, removeEventListener } = EventTarget.prototype;
  signal.addEventListener = (type: string, listener: EventListener, options?: AddEventListenerOptions) => {
    listeners.add(listener);
    addEventListener.call(signal, type, listener, options);
  };
  signal.removeEventListener = (type: string, listener: EventListener) => {
    listeners.delete(listener);
    removeEventListener.call(signal, type, listener);
  };
  return () => listeners.size;
}

/** Why objects of a start method do not answer at once; null if they do. */
export function answersAtOnce(method: mp.StartMethod): string | null {
  const can = mp.capabilities();
  return method === "inline" || can.sharedMemory[method] ? null : can.reasons[`sharedMemory.${method}`];
}

/** Options for the blocking forms of a start method. */
export function blocking(method: mp.StartMethod): { methods: mp.StartMethod[]; needs: (can: mp.Capabilities) => string | null } {
  return {
    methods: [method],
    needs: (can) => can.blocking ? answersAtOnce(method) : can.reasons["blocking"] ?? "this thread may not block",
  };
}

/** Runtimes that a child may run on here, this one first. */
export const RUNTIMES: readonly mp.RuntimeName[] = ["node", "deno", "bun"];
