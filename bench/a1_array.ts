/**
 * A1: an array of 1 GiB that a child is given. Milliseconds until the child has it in hand; and how fast it loops over it, as a part of the speed over an ordinary typed array.
 *
 * @module
 */
import * as mp from "@polyproc/multiprocessing";
import { type Contender, measure, noted, size } from "./measure.ts";

const LENGTH = (size(2 ** 30, 2 ** 20)) / 8;
/** What is looped over, several times: what fits in a cache. */
const LOOP = 100_000, TIMES = 200;

/** Receives an array, and tells how long that took. */
export async function receive(queue: mp.Queue<mp.RawArray<"float64">>, result: mp.Queue<number[]>): Promise<void> {
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

/** Where it notes the speeds of loops over the array and over a part of it. */
interface Speeds {
  readonly whole: number[];
  readonly part: number[];
}

function ours(method: mp.StartMethod, speeds: Speeds): Contender {
  const context = mp.getContext(method);
  const array = context.RawArray("float64", LENGTH);
  array[LENGTH - 1] = 7;
  return {
    name: `polyproc ${method}`,
    async round() {
      const queue = new context.Queue<mp.RawArray<"float64">>(),
        result = new context.Queue<number[]>();
      array[LENGTH - 1] = 7;
      const child = new context.Process({ target: receive, args: [queue, result] }).start();
      await queue.put(array);
      if (await child.join() !== 0) throw child.error;
      const [ms, part, whole] = await result.get();
      speeds.part.push(part);
      speeds.whole.push(whole);
      return ms;
    },
  };
}

if (mp.isMain(import.meta)) {
  const METHODS = ["process", "thread"] as const, speeds = METHODS.map((): Speeds => ({ whole: [], part: [] }));
  await measure("A1", "ms", METHODS.map((method, i) => ours(method, speeds[i])));
  await measure(
    "A1 loop",
    "of an ordinary array's speed",
    METHODS.flatMap((
      method,
      i,
    ) => [noted(`polyproc ${method}`, speeds[i].whole), noted(`polyproc ${method}, a part of it`, speeds[i].part)]),
  );
}
