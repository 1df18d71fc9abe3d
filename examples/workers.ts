/** Several workers, started and joined: the first program that a reader of Python's `multiprocessing` meets. */
import * as mp from "@polyproc/multiprocessing";

export function worker(number: number): void {
  console.log(`${mp.currentProcess().name}: worker ${number}`);
}

if (mp.isMain(import.meta)) {
  const workers: mp.Process[] = [];
  for (let number = 1; number <= 5; number++) {
    workers.push(new mp.Process({ target: worker, args: [number] }).start());
  }
  for (const worker of workers) await worker.join();
  console.log("exit codes:", workers.map((worker) => worker.exitcode).join(" "));
}
