/**
 * Named blocks that go together.
 *
 * @module
 */
import { keepHere } from "./codec.ts";
import { ProcessError } from "./errors.ts";
import { printAs } from "./printed.ts";
import { type ShareableItem, ShareableList } from "./shareable_list.ts";
import { SharedMemory } from "./shared_memory.ts";

/**
 * Makes named blocks and lists, and removes all of them when it is shut down. Python: `managers.SharedMemoryManager`, without its server process: the blocks of a program that is killed go as all tracked ones do.
 *
 * @example
 * ```ts
 * import { SharedMemoryManager } from "@polyproc/multiprocessing";
 *
 * const manager = new SharedMemoryManager().start();
 * const block = manager.SharedMemory(64), list = manager.ShareableList([1, 2, 3]);
 * console.log(block.size, list.length); // 64 3
 * manager.shutdown();
 * ```
 */
export class SharedMemoryManager {
  #blocks: SharedMemory[] | null = null;
  #isOver = false;

  /** Begins; before, nothing can be made. @throws {ProcessError} It was started, or shut down, before. */
  start(): this {
    if (this.#blocks !== null) throw new ProcessError("Cannot start the manager twice; make another");
    if (this.#isOver) throw new ProcessError("Cannot start the manager: it was shut down; make another");
    this.#blocks = [];
    return this;
  }

  /** Makes a block. @param size Bytes. @throws {ProcessError} It was not started, or was shut down. */
  SharedMemory(size: number): SharedMemory {
    return this.#keep((block) => block, () => new SharedMemory({ create: true, size }));
  }

  /** Makes a list. @param sequence Its items. @throws {ProcessError} It was not started, or was shut down. */
  ShareableList(sequence: Iterable<ShareableItem>): ShareableList {
    return this.#keep((list) => list.shm, () => new ShareableList(sequence));
  }

  /** Closes all blocks that it made, and removes their names. */
  shutdown(): void {
    this.#isOver = true;
    for (const block of this.#blocks?.splice(0) ?? []) {
      block.close();
      try {
        block.unlink();
      } catch (error) {
        // Somebody did it before.
        if ((error as { code?: string }).code !== "ENOENT") throw error;
      }
    }
    this.#blocks = null;
  }

  /** Shuts it down. */
  [Symbol.dispose](): void {
    this.shutdown();
  }

  static {
    keepHere(this.prototype, "a manager", "send what it made");
    printAs(
      this.prototype,
      (manager) => manager.#blocks !== null ? `blocks=${manager.#blocks.length}` : manager.#isOver ? "over" : "initial",
    );
  }

  #keep<T>(blockOf: (made: T) => SharedMemory, make: () => T): T {
    if (this.#blocks === null) {
      throw new ProcessError(`Cannot make a block: the manager ${this.#isOver ? "was shut down" : "was not started; call start() first"}`);
    }
    const made = make();
    this.#blocks.push(blockOf(made));
    return made;
  }
}
