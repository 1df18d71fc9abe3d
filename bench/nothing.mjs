/**
 * The targets of S1 and S2, in a module of their own and in JavaScript: what else a program imports is not the library's to pay for, nor is what Node needs to read TypeScript.
 *
 * @module
 */

/** Does nothing. */
export function nothing() {}

/**
 * Says that it is there, and is idle.
 *
 * @param {import("@polyproc/multiprocessing").Event} ready
 * @param {import("@polyproc/multiprocessing").Event} event
 */
export async function waitFor(ready, event) {
  ready.set();
  await event.wait();
}
