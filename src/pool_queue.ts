/**
 * Tasks that wait to be sent: those of higher priority first, and of one priority in order.
 *
 * @module
 */
import type { Task } from "./pool_task.ts";
import { WAITING } from "./pool_task.ts";

/** As many may stay in their lines that were given up, or as many as wait. */
const MOST_DROPPED = 1024;

/** First in, first out; those that were given up meanwhile are passed over. */
class Line {
  #tasks: Task[] = [];
  #first = 0;

  add(task: Task): void {
    this.#tasks.push(task);
  }

  addFirst(task: Task): void {
    if (this.#first > 0) this.#tasks[--this.#first] = task;
    else this.#tasks.unshift(task);
  }

  /** The next one, which stays; undefined if there is none. */
  get next(): Task | undefined {
    for (; this.#first < this.#tasks.length; this.#first++) {
      const task = this.#tasks[this.#first];
      if (task.state === WAITING) return task;
    }
    this.#tasks = [];
    this.#first = 0;
    return undefined;
  }

  /** Forgets those that were given up. */
  sweep(): void {
    this.#tasks = this.#tasks.slice(this.#first).filter(({ state }) => state === WAITING);
    this.#first = 0;
  }

  /** Takes the next one out. */
  shift(): void {
    this.#tasks[this.#first++] = undefined as never;
    if (this.#first < 1024 || this.#first * 2 < this.#tasks.length) return;
    this.#tasks.splice(0, this.#first);
    this.#first = 0;
  }
}

/** See above. */
export class TaskQueue {
  /** By priority: those that are empty go as tasks are taken, since there may be any number of priorities in the course of time. */
  readonly #lines = new Map<number, Line>();
  /** Highest first. */
  #priorities: number[] = [];
  /** That of the first task. */
  #usual: number | null = null;
  /** Whether there were ever different priorities; most pools have one. */
  isRanked = false;
  /** How many wait. */
  size = 0;
  /** How many were given up since that was looked at last. */
  #dropped = 0;

  /** The highest priority that waits; −Infinity if none does. */
  get highest(): number {
    for (const priority of this.#priorities) if (this.#lines.get(priority)!.next !== undefined) return priority;
    return -Infinity;
  }

  add(task: Task): void {
    this.size++;
    this.#line(task.priority).add(task);
  }

  /** Adds one that has been on its way already. */
  addFirst(task: Task): void {
    this.size++;
    this.#line(task.priority).addFirst(task);
  }

  /** Counts one that waits no more, since it was given up. */
  drop(): void {
    this.size--;
    // They are passed over where it is their turn, which may be never.
    if (++this.#dropped < MOST_DROPPED || this.#dropped < this.size) return;
    this.#dropped = 0;
    for (const line of this.#lines.values()) line.sweep();
  }

  /** Takes out the next ones. @param most How many, and bytes, at the most; but one in any case. */
  take(most: number, mostBytes: number): Task[] {
    const taken: Task[] = [];
    for (let bytes = 0; this.#priorities.length > 0; this.#lines.delete(this.#priorities.shift()!)) {
      const line = this.#lines.get(this.#priorities[0])!;
      for (let task; (task = line.next) !== undefined;) {
        bytes += task.length;
        if (taken.length === most || taken.length > 0 && bytes > mostBytes) return taken;
        line.shift();
        this.size--;
        taken.push(task);
      }
    }
    return taken;
  }

  #line(priority: number): Line {
    let line = this.#lines.get(priority);
    if (line === undefined) {
      this.isRanked ||= priority !== (this.#usual ??= priority);
      this.#lines.set(priority, line = new Line());
      this.#priorities = [...this.#priorities, priority].sort((a, b) => b - a);
    }
    return line;
  }
}
