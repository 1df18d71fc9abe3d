/**
 * The pools of a thread that are not over: what is said of them when the program ends before they do.
 *
 * @module
 */
import type { Adapter } from "./adapter.ts";

/** A pool that is not over. */
export interface OpenPool {
  /** How many tasks are neither done nor failed. */
  readonly outstanding: number;
  /** Complains, if its owner should have closed it. */
  sayLeftOpen(): void;
}

/** See above. */
export class OpenPools {
  readonly #adapter: Adapter;
  readonly #pools = new Set<OpenPool>();
  #stopHearing: (() => void) | null = null;

  constructor(adapter: Adapter) {
    this.#adapter = adapter;
  }

  add(pool: OpenPool): void {
    this.#pools.add(pool);
    this.#stopHearing ??= this.#adapter.onInterrupt(() => {
      let tasks = 0;
      for (const { outstanding } of this.#pools) tasks += outstanding;
      if (tasks > 0) this.#adapter.complain(`Interrupted: ${tasks} ${tasks === 1 ? "task was" : "tasks were"} not done`);
    });
  }

  delete(pool: OpenPool): void {
    if (!this.#pools.delete(pool) || this.#pools.size > 0) return;
    this.#stopHearing?.();
    this.#stopHearing = null;
  }

  /** The program ends. */
  sayLeftOpen(): void {
    for (const pool of this.#pools) pool.sayLeftOpen();
  }
}
