export function square(n) {
  return n ** 2;
}

export async function greet(queue, name) {
  await queue.put(`hello ${name}`);
}
