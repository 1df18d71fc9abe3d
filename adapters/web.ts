/**
 * What is alike on all runtimes that offer no more than the web does: no processes, no files, nothing that outlives the program.
 *
 * @module
 */

import type { Adapter } from "../src/adapter.ts";
import { UnsupportedError } from "../src/errors.ts";
import { clearTimeout, setTimeout } from "../src/host.ts";
import { histogram } from "./histogram.ts";
import { callers } from "./module_text.ts";

/** The id of the process, of which nothing is known: the same in all its threads. */
export const PID = 1;

/** {@linkcode Adapter.follow} without any means for it: the value is seen until the first `await`. */
function followBriefly<T>(): { run<R>(value: T, body: () => R): R; get(): T | undefined } {
  let current: T | undefined;
  return {
    run(value, body) {
      const before = current;
      current = value;
      try {
        return body();
      } finally {
        current = before;
      }
    },
    get: () => current,
  };
}

/** Node's, which edge runtimes have too. */
interface AsyncLocalStorage {
  run<R>(value: unknown, body: () => R): R;
  getStore(): unknown;
}

interface Web {
  readonly AsyncLocalStorage?: new () => AsyncLocalStorage;
  readonly process?: { getBuiltinModule?(name: string): { AsyncLocalStorage?: new () => AsyncLocalStorage } | undefined };
}

const web = globalThis as unknown as Web;
const Storage = web.AsyncLocalStorage ?? web.process?.getBuiltinModule?.("node:async_hooks")?.AsyncLocalStorage;

/** Whether what an inline task is can be told after its first `await`. */
export const follows: boolean = Storage !== undefined;

const nothing = () => {};

/** {@linkcode Adapter.named} */
export function noBlocks(): never {
  throw new UnsupportedError("Cannot share memory with other programs here: there are no named blocks");
}

/** These members of the adapter. */
export const bare: Omit<
  Adapter,
  "can" | "birth" | "cores" | "named" | "isMain" | "start" | "onExit" | "onCrash" | "endsByItself" | "exit" | "complain"
> = {
  thread: () => ({ pid: PID, tid: 0 }),
  threadAlive: () => true,
  giveWay: () => false,
  memory() {
    throw new UnsupportedError("Cannot share memory with processes: there are none here");
  },
  kill: () => false,
  serve: nothing,
  memoryUsed: () => 0, // nobody tells
  collect: nothing,
  histogram,
  quietly(ms, run) {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
  onInterrupt: () => nothing,
  // Texts of modules cannot be had at once. Where a function was passed on is still worth knowing: what it imports is relative to that.
  origin: () => callers().map((url) => ({ url, text: null })),
  search: () => null,
  follow<T>() {
    if (Storage === undefined) return followBriefly<T>();
    const storage = new Storage();
    return { run: (value, body) => storage.run(value, body), get: () => storage.getStore() as T | undefined };
  },
  setExitCode: nothing,
  setArguments: nothing,
  args: [],
  publish: nothing,
};
