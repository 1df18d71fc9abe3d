/**
 * What goes from port to port between a pool's owner and its workers: buffers that are moved to and from threads, beside the task or result that they belong to, which waits for them; and words, where no memory is shared.
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

/** Words that have arrived, and who hears them. */
export class Words {
  #early: Uint8Array[] = [];
  #hear: ((bytes: Uint8Array) => void) | null = null;

  /** Some have arrived. */
  arrive(bytes: Uint8Array): void {
    if (this.#hear === null) this.#early.push(bytes);
    else this.#hear(bytes);
  }

  /** Has `hear` called with each, those that came before too. */
  open(hear: (bytes: Uint8Array) => void): void {
    this.#hear = hear;
    for (const bytes of this.#early.splice(0)) hear(bytes);
  }
}
