/**
 * The adapter of edge runtimes, and of whatever else is neither a server nor a browser: everything runs on this thread.
 *
 * @module
 */

import "../src/plain_host.ts";
import type { Adapter, Capabilities } from "../src/adapter.ts";
import { UnsupportedError } from "../src/errors.ts";
import { bare, follows, noBlocks } from "./web.ts";

const NO_THREADS = "this runtime has no threads";

function capabilities(): Capabilities {
  const agent = (globalThis as { navigator?: { userAgent?: string } }).navigator?.userAgent;
  return {
    runtime: agent === "Cloudflare-Workers" ? "workerd" : agent ?? "edge",
    startMethods: ["inline"],
    sharedMemory: { thread: false, process: false },
    blocking: false,
    reasons: {
      "startMethods.process": "this runtime has no processes",
      "startMethods.thread": NO_THREADS,
      "sharedMemory.process": "this runtime has no processes",
      "sharedMemory.thread": NO_THREADS,
      memoryUsed: "this runtime does not tell how much memory is used",
      blocking: "this runtime has one thread, which may not block",
      ...(follows ? {} : { follow: "after an await, inline tasks do not know who they are: the runtime has no AsyncLocalStorage" }),
    },
  };
}

/** The adapter. */
export const adapter: Adapter = {
  ...bare,
  get named() {
    return noBlocks();
  },
  can: capabilities(),
  birth: null,
  // How many tasks a pool interleaves.
  cores: { all: 1, available: 1 },
  start() {
    throw new UnsupportedError(`Cannot start a child but inline: ${NO_THREADS}`);
  },
  onExit() {},
  onCrash() {},
  // Without URLs there are no modules either.
  origin: typeof URL === "undefined" ? () => [] : bare.origin,
  // What starts something is a request, never an import.
  isMain: () => false,
  endsByItself: false,
  exit() {
    throw new UnsupportedError("Cannot exit: this runtime does not let a program end itself");
  },
  complain: (line) => globalThis.console?.error(line),
};
