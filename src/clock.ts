/**
 * Timers of any length, what ends with them, and turns of the event loop.
 *
 * @module
 */
import type { WaitOptions } from "./attempt.ts";
import { checkTimers, clearTimeout, performance, setTimeout } from "./host.ts";

/** Resolves once the event loop has had a turn. */
export function nextTurn(): Promise<void> {
  const { setImmediate } = globalThis as { setImmediate?: (run: () => void) => void };
  return new Promise((resolve) => setImmediate === undefined ? setTimeout(resolve, 0) : setImmediate(resolve));
}

/** A moment, in milliseconds. */
export const MOMENT_MS = 1;
/** Longest delay of a timer, in milliseconds. */
const LONGEST_TIMER = 2 ** 31 - 1;

/**
 * Limits something: its time may be up, its signal may be aborted.
 *
 * @return Lifts both limits.
 */
export function limit(options: WaitOptions | undefined, onTime: () => void, onAbort: (reason: unknown) => void): () => void {
  const { timeout = Infinity, signal } = options ?? {};
  const clock = timeout === Infinity ? null : startClock(timeout, onTime);
  const abort = () => onAbort(signal!.reason);
  signal?.addEventListener("abort", abort);
  return () => {
    clock?.stop();
    signal?.removeEventListener("abort", abort);
  };
}

/**
 * Waits for something that may not come.
 *
 * @param ms For how long, in milliseconds.
 * @param start Begins to wait: it is given what to call when that has come, and gives what leaves off.
 * @return Whether it came; false if the time was up. It rejects with the reason of the signal.
 */
export function waitFor(ms: number, signal: AbortSignal | undefined, start: (came: () => void) => () => void): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const end = (settle: () => void) => {
      lift();
      leave();
      settle();
    };
    const lift = limit({ timeout: ms, signal }, () => end(() => resolve(false)), (reason) => end(() => reject(reason)));
    const leave = start(() => end(() => resolve(true)));
  });
}

/** A timer for any length of time that never fires early. @throws {UnsupportedError} There are no timers, and it is longer than a moment: nothing of the host's would have a turn meanwhile. */
export function startClock(ms: number, run: () => void): { stop(): void } {
  if (ms > MOMENT_MS) checkTimers();
  const end = performance.now() + ms;
  let timer: ReturnType<typeof setTimeout>;
  const start = () => {
    const left = end - performance.now();
    if (left <= 0) run();
    else timer = setTimeout(start, Math.min(Math.ceil(left), LONGEST_TIMER));
  };
  timer = setTimeout(start, Math.min(Math.ceil(ms), LONGEST_TIMER));
  return { stop: () => clearTimeout(timer) };
}
