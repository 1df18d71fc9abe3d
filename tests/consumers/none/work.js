import { currentTask } from "./multiprocessing/mod.js";

export function square(n) {
  currentTask().signal.throwIfAborted();
  return n ** 2;
}

export async function greet(queue, name) {
  await queue.put(`hello ${name}`);
}
