/**
 * Chunks of maps: how many of them are to be ahead.
 *
 * @module
 */
import type { ImapOptions } from "./pool_options.ts";

/** Chunks that are ahead, for each worker, at the least. */
export const LEAST_AHEAD = 2;
/** … at the most; and as much work, in microseconds, as outlasts the wait of this thread for a processor while workers keep all of them busy. */
const MOST_AHEAD = 512, AHEAD_MICROS = 20_000;

/** How many chunks are to be ahead for each worker. @param micros What one takes, in microseconds; 0: that is not known. */
export function chunksAhead(micros: number): number {
  return micros === 0 ? LEAST_AHEAD : Math.min(Math.max(LEAST_AHEAD, Math.ceil(AHEAD_MICROS / micros)), MOST_AHEAD);
}

/** What follows from the options of all calls for each chunk. */
export function chunkOptions({ signal: _signal, onProgress: _onProgress, ...options }: ImapOptions): ImapOptions {
  return options;
}
