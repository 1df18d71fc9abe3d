import type { Queue } from "@polyproc/multiprocessing";

export function square(n: number): number {
  return n ** 2;
}

export async function greet(queue: Queue<string>, name: string): Promise<void> {
  await queue.put(`hello ${name}`);
}
