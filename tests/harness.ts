/** Collects tests and runs them one after another, each with a deadline. */

import process from "node:process";

const DEADLINE_MS = 20_000;
const collected: { name: string; run: () => unknown }[] = [];

/** Adds a test. */
export function test(name: string, run: () => unknown): void {
  if (collected.push({ name, run }) === 1) setTimeout(runAll, 0);
}

async function runAll(): Promise<void> {
  let failed = 0;
  for (const { name, run } of collected) {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const deadline = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error(`not done after ${DEADLINE_MS} ms`)), DEADLINE_MS);
    });
    try {
      await Promise.race([run(), deadline]);
      console.log("ok   " + name);
    } catch (error) {
      failed++;
      console.log("FAIL " + name + "\n", error);
    } finally {
      clearTimeout(timer);
    }
  }
  console.log(`${collected.length - failed} of ${collected.length} passed`);
  if (failed > 0) process.exitCode = 1;
}
