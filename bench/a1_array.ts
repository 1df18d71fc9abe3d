/**
 * A1: an array of 1 GiB that a child is given. Milliseconds until the child has it in hand; and how fast it loops over it, as a part of the speed over an ordinary typed array.
 *
 * @module
 */
import * as mp from "@polyproc/multiprocessing";
import { type Contender, measure, size } from "./measure.ts";

const LENGTH = (size(2 ** 30, 2 ** 20)) / 8;
/** What is looped over, several times: what fits in a cache. */
const LOOP = 100_000, TIMES = 200;

/** Receives an array, and tells how long that took. */
export async function receive(queue: mp.Queue<mp.Array<"float64">>, result: mp.Queue<number[]>): Promise<void> {
  await queue.poll({ timeout: Infinity });
  const begin = performance.now();
  const array = await queue.get();
  const ms = performance.now() - begin;
  if (array.at(-1) !== 7) throw new Error(`its last element is ${array.at(-1)}`);
  const ordinary = new Float64Array(LOOP), shared = array.subarray(0, LOOP);
  const speeds = [0, 0];
  for (let round = 0; round < 3; round++) [ordinary, shared, array].forEach((one, i) => speeds[i] = add(one));
  await result.put([ms, speeds[0] / speeds[1], speeds[0] / speeds[2]]);
}

/** Milliseconds to add up a part of an array some times. */
function add(array: Float64Array): number {
  const begin = performance.now();
  let sum = 0;
  for (let n = 0; n < TIMES; n++) for (let i = 0; i < LOOP; i++) sum += array[i];
  if (Number.isNaN(sum)) throw new Error("not a number");
  return performance.now() - begin;
}

function ours(method: mp.StartMethod): Contender[] {
  const context = mp.getContext(method);
  const array = context.RawArray("float64", LENGTH);
  array[LENGTH - 1] = 7;
  let speed = 0, subarraySpeed = 0;
  return [
    {
      name: `polyproc ${method}, attach`,
      async round() {
        const queue = new context.Queue<mp.Array<"float64">>(),
          result = new context.Queue<number[]>();
        array[LENGTH - 1] = 7;
        const child = new context.Process({ target: receive, args: [queue, result] }).start();
        await queue.put(array);
        if (await child.join() !== 0) throw child.error;
        let ms: number;
        [ms, subarraySpeed, speed] = await result.get();
        return ms;
      },
    },
    { name: `polyproc ${method}, speed of a loop (ordinary array: 1)`, round: () => speed },
    {
      name: `polyproc ${method}, speed of a loop over a subarray (ordinary array: 1)`,
      round: () => subarraySpeed,
    },
  ];
}

if (mp.isMain(import.meta)) await measure("A1", "ms", [...ours("process"), ...ours("thread")]);
