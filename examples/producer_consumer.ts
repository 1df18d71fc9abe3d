/** A producer and a consumer over a queue. `null` says that nothing more will come. */
import * as mp from "@polyproc/multiprocessing";

export async function produce(queue: mp.Queue<number | null>, count: number): Promise<void> {
  for (let n = 1; n <= count; n++) {
    await queue.put(n);
    console.log(`produced ${n}`);
  }
  await queue.put(null);
}

export async function consume(queue: mp.Queue<number | null>): Promise<void> {
  let sum = 0;
  for (let n = await queue.get(); n !== null; n = await queue.get()) {
    sum += n;
    console.log(`consumed ${n}`);
  }
  console.log(`sum: ${sum}`);
}

if (mp.isMain(import.meta)) {
  const queue = new mp.Queue<number | null>();
  const producer = new mp.Process({ target: produce, args: [queue, 10] }).start();
  const consumer = new mp.Process({ target: consume, args: [queue] }).start();
  await producer.join();
  await consumer.join();
}
