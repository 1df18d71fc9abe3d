/**
 * A histogram for runtimes that have none: buckets whose width is a sixteenth of what is in them.
 *
 * @module
 */

import type { Histogram } from "../src/adapter.ts";

/** Buckets for each power of two. */
const STEPS = 16;

/** {@linkcode Adapter.histogram} */
export function histogram(): Histogram {
  const buckets: number[] = [];
  let count = 0, min = Infinity, max = 0, sum = 0;
  return {
    get count() {
      return count;
    },
    get min() {
      return min;
    },
    get max() {
      return max;
    },
    get mean() {
      return sum / count;
    },
    record(value) {
      count++;
      sum += value;
      min = Math.min(min, value);
      max = Math.max(max, value);
      const at = Math.floor(Math.log2(value) * STEPS);
      buckets[at] = (buckets[at] ?? 0) + 1;
    },
    percentile(percent) {
      let left = count * percent / 100;
      for (const at in buckets) if ((left -= buckets[at]) <= 0) return Math.min(max, Math.round(2 ** ((Number(at) + 1) / STEPS)));
      return max;
    },
  };
}
