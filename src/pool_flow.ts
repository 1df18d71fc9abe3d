/**
 * How many of a pool's tasks are on their way at a time, and how many go in one record.
 *
 * That follows from how long tasks take: so much work that no worker runs dry while this thread is busy, and so little that a task of higher priority, or one that is given up, need not wait for others.
 *
 * @module
 */
import type { Task } from "./pool_task.ts";

/** How much work each worker is to have on its way, in microseconds, and how much goes in one record. */
const AHEAD_MICROS = 20_000, RECORD_MICROS = 200;
/** … where there are tasks of different priorities. */
const AHEAD_RANKED_MICROS = 500;
const MOST_AHEAD = 4096, AHEAD_BYTES = 2 ** 22;
export const MOST_IN_RECORD = 512;

/** See above. */
export class Flow {
  /** How many tasks, and bytes of them, are on their way. */
  count = 0;
  #bytes = 0;
  /** The lowest priority of those on their way, since they were taken back last. */
  #lowest = Infinity;
  /** How long a call takes, in microseconds, as far as that is known; 0 while it is not. */
  #micros = 0;

  /** Some are sent. */
  add(tasks: readonly Task[]): void {
    this.count += tasks.length;
    for (const { length, priority } of tasks) {
      this.#bytes += length;
      if (priority < this.#lowest) this.#lowest = priority;
    }
  }

  /** One is on its way no more. */
  remove({ length }: Task): void {
    this.count--;
    this.#bytes -= length;
  }

  /** Whether some on their way are to let one of that priority go first. */
  isBehind(priority: number): boolean {
    return this.count > 0 && priority > this.#lowest;
  }

  /** All that nobody has begun are taken back. */
  turnBack(): void {
    this.#lowest = Infinity;
  }

  /** Some calls, which were one task, took so long. */
  took(micros: number, calls: number): void {
    const each = micros / calls;
    this.#micros = this.#micros === 0 ? Math.max(each, 0.1) : this.#micros + (each - this.#micros) / 8;
  }

  /** How many more are to be on their way. @param isRanked Whether there are different priorities. */
  room(workers: number, isRanked: boolean): number {
    if (this.#bytes >= AHEAD_BYTES && this.count > workers) return 0;
    const ahead = isRanked ? AHEAD_RANKED_MICROS : AHEAD_MICROS;
    const each = this.#micros === 0 ? 2 : Math.min(Math.max(2, Math.ceil(ahead / this.#micros)), MOST_AHEAD);
    return each * workers - this.count;
  }

  /** How many go in one record. @param share How many a worker is to have at the most. */
  perRecord(share: number): number {
    return this.#micros === 0 ? 1 : Math.max(1, Math.min(RECORD_MICROS / this.#micros | 0, MOST_IN_RECORD, share));
  }
}
