/**
 * Values that follow a task through its awaits, on Deno: by its own core, since `AsyncLocalStorage` comes with Node's modules, which cost 10 ms to load.
 *
 * @module
 */

import { follow as followByNode } from "./standard.ts";

/** What is used of Deno's core; not public, so its absence is coped with. */
interface Core {
  AsyncVariable?: new () => { enter(value: unknown): unknown; get(): unknown };
  setAsyncContext?(context: unknown): void;
}

const core = (Deno as unknown as Record<symbol, { core?: Core }>)[(Deno as unknown as { internal: symbol }).internal]?.core;

/** {@linkcode Adapter.follow} */
export function follow<T>(): { run<R>(value: T, body: () => R): R; get(): T | undefined } {
  if (core?.AsyncVariable === undefined || core.setAsyncContext === undefined) return followByNode<T>();
  const { setAsyncContext } = core, variable = new core.AsyncVariable();
  return {
    run(value, body) {
      const before = variable.enter(value);
      try {
        return body();
      } finally {
        setAsyncContext(before);
      }
    },
    get: () => variable.get() as T | undefined,
  };
}
