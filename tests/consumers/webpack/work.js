import { Process } from "@polyproc/multiprocessing";

export function square(n) {
  return n ** 2;
}

/** Has a child of its own do it. */
export async function greet(queue, name) {
  await new Process({ target: put, args: [queue, `hello ${name}`] }).start().join();
}

export async function put(queue, text) {
  await queue.put(text);
}
