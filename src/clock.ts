/**
 * Timers of any length, and turns of the event loop.
 *
 * @module
 */
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
