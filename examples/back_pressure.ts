/** A bounded queue: a producer that is faster than its consumer waits for it, instead of filling the memory. */
import { setTimeout as sleep } from "node:timers/promises";
import * as mp from "@polyproc/multiprocessing";

const MAXSIZE = 4;

export async function produce(queue: mp.Queue<string | null>, count: number): Promise<void> {
  for (let n = 1; n <= count; n++) {
    // Resolves once there was room. `putNowait` throws `Full` instead, and `put(item, { timeout: 100 })` after 100 ms.
    await queue.put(`item ${n}`);
  }
  await queue.put(null);
}

if (mp.isMain(import.meta)) {
  const queue = new mp.Queue<string | null>(MAXSIZE); // or { capacity: 1_000_000 }, in bytes
  const producer = new mp.Process({ target: produce, args: [queue, 20] }).start();

  let most = 0;
  let taken = 0;
  while (true) {
    const item = await queue.get();
    if (item === null) break;
    taken++;
    await sleep(10); // slow work
    most = Math.max(most, queue.qsize());
  }
  await producer.join();
  console.log(`${taken} items taken, never more than ${most} waiting`);

  for (let n = 1; n <= MAXSIZE; n++) queue.putNowait(`item ${n}`);
  try {
    queue.putNowait("one too many");
  } catch (error) {
    console.log(`${(error as Error).name}: ${(error as Error).message}`);
  }
}
