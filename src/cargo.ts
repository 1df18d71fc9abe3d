/**
 * Buffers that are moved between a pool's owner and its threads. They go from port to port, beside the task or result that they belong to, which waits for them.
 *
 * @module
 */

/** Buffers that have arrived, and who waits for some that have not. */
export class Cargo {
  readonly #arrived = new Map<string, readonly ArrayBuffer[]>();
  readonly #awaited = new Map<string, (buffers: readonly ArrayBuffer[]) => void>();

  /** Some have arrived. @param key What they belong to. */
  arrive(key: string, buffers: readonly ArrayBuffer[]): void {
    const run = this.#awaited.get(key);
    if (run === undefined) this.#arrived.set(key, buffers);
    else {
      this.#awaited.delete(key);
      run(buffers);
    }
  }

  /** Calls `run` with them: at once if they are here. */
  take(key: string, run: (buffers: readonly ArrayBuffer[]) => void): void {
    const buffers = this.#arrived.get(key);
    if (buffers === undefined) this.#awaited.set(key, run);
    else {
      this.#arrived.delete(key);
      run(buffers);
    }
  }
}
