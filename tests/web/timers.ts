/** What the tests use of `node:timers`: a timer keeps nothing alive here. */

/** As Node's. */
interface Timer {
  ref(): Timer;
  unref(): Timer;
  [Symbol.toPrimitive](): number;
}

function timer(id: number): Timer {
  const self: Timer = { ref: () => self, unref: () => self, [Symbol.toPrimitive]: () => id };
  return self;
}

export const setTimeout = (run: () => void, ms?: number): Timer => timer(Number(globalThis.setTimeout(run, ms)));
export const setInterval = (run: () => void, ms?: number): Timer => timer(Number(globalThis.setInterval(run, ms)));
export const clearTimeout = (timer?: Timer): void => globalThis.clearTimeout(Number(timer));
export const clearInterval = (timer?: Timer): void => globalThis.clearInterval(Number(timer));
