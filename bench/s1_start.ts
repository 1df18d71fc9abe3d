/**
 * S1: start and join of a child with nothing to do. Milliseconds.
 *
 * @module
 */
import * as mp from "@polyproc/multiprocessing";
import { type Contender, isTiny, measure } from "./measure.ts";
import { nothing } from "./nothing.ts";
import { bareStart, python } from "./peers.ts";

const TIMES = isTiny ? 1 : 3;

function ours(method: mp.StartMethod): Contender {
  const context = mp.getContext(method);
  return {
    name: `polyproc ${method}`,
    async round() {
      const begin = performance.now();
      for (let i = 0; i < TIMES; i++) await new context.Process({ target: nothing }).start().join();
      return (performance.now() - begin) / TIMES;
    },
  };
}

if (mp.isMain(import.meta)) {
  await measure("S1", "ms", [ours("process"), ours("thread"), bareStart(), python("s1_start", TIMES)]);
}
