/**
 * A child that could not be started.
 *
 * @module
 */

import type { Child } from "../src/adapter.ts";
import { UnsupportedError } from "../src/errors.ts";

/** A child that could not be started. Throws what is refused: that would never have been tried. */
export function stillborn(error: unknown): Child {
  if (error instanceof UnsupportedError) throw error;
  const ended = Promise.reject(error);
  ended.catch(() => {}); // whoever joins it sees it
  const nothing = () => {};
  return {
    pid: null,
    port: {
      post: nothing,
      open: (_, onClose) => queueMicrotask(onClose),
      ref: nothing,
      unref: nothing,
      flushed: () => Promise.resolve(),
      caughtUp: null,
      close: nothing,
    },
    ended,
    signal: nothing,
    waitSync() {
      throw error;
    },
    stdout: null,
    stderr: null,
    ref: nothing,
    unref: nothing,
  };
}
