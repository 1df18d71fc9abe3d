/**
 * Errors of callbacks.
 *
 * @module
 */
import { queueMicrotask } from "./host.ts";

/** Throws an error of somebody's own code where nothing catches it, as an event's listener does: who called that code goes on. */
export function throwAside(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}
