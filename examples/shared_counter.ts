/** A counter in shared memory, in three ways: without care, under its lock, and in single steps that nobody comes between. */
import * as mp from "@polyproc/multiprocessing";

const TIMES = 50_000, WORKERS = 4;

/** Reads, adds, writes: another may write in between, and is overwritten. */
export function carelessly(counter: mp.Value<"int32">): void {
  for (let i = 0; i < TIMES; i++) counter.value = counter.value + 1;
}

export function underLock(counter: mp.Value<"int32">): void {
  const lock = counter.getLock();
  for (let i = 0; i < TIMES; i++) {
    const guard = lock.acquireSync(); // `using guard = …` releases it at the end of the block
    counter.value = counter.value + 1;
    guard.release();
  }
}

export function inSteps(counter: mp.Value<"int32">): void {
  for (let i = 0; i < TIMES; i++) counter.add(1);
}

async function countWith(work: (counter: mp.Value<"int32">) => void): Promise<number> {
  const counter = mp.Value("int32", 0);
  const workers = Array.from({ length: WORKERS }, () => new mp.Process({ target: work, args: [counter] }).start());
  for (const worker of workers) await worker.join();
  return counter.value;
}

if (mp.isMain(import.meta)) {
  console.log(`${WORKERS} workers add 1 to a counter ${TIMES} times each`);
  for (const work of [carelessly, underLock, inSteps]) console.log(`${work.name}: ${await countWith(work)}`);
}
