/**
 * A pool's tasks on their way to its workers and back, where no memory is shared with them: through a pipe for each. A worker is given one task at a time, since nobody could take another back from it.
 *
 * What tasks are given, and what they give, is encoded where it comes from, and read where it goes to: it is a message of its own, behind the one that says whose it is.
 *
 * @module
 */
import { startClock } from "./clock.ts";
import { HANDLE } from "./codec.ts";
import { BrokenPipeError, EOFError } from "./errors.ts";
import { type Home, SEND_ENCODED } from "./home.ts";
import { AbortController, performance } from "./host.ts";
import type { Seats } from "./pool_memory.ts";
import type { PipeNews, PipeOrders, PipeWords } from "./pool_pipe_worker.ts";
import { argumentsOf, FAILED, flagsOf } from "./pool_record.ts";
import type { Listener, Route } from "./pool_shared.ts";
import { SENT, type Task, WAITING } from "./pool_task.ts";
import type { WorkerRules } from "./pool_worker.ts";
import { type Connection, makePipe } from "./pipe.ts";
import { ownTask, type TargetSpec, type TaskReference } from "./target.ts";

/** How often to look whether results are still to come. */
const ALIVE_MS = 100;

/** A worker's seat. */
interface Seat {
  readonly number: number;
  readonly connection: Connection;
  /** Functions that it knows. */
  readonly known: Set<number>;
  isReady: boolean;
  /** Whether it takes no more tasks. */
  isRetired: boolean;
  /** What it runs, as an id and an attempt; null: nothing. The task itself, unless that is over here. */
  running: string | null;
  task: Task | null;
  /** Whether it said that it runs that. */
  hasBegun: boolean;
  /** Whether it has to import that one's module first. */
  isImporting: boolean;
  since: number;
  memory: number;
  tasks: number;
  /** Settles when nothing more comes from it; null while nobody listens. */
  heard: Promise<void> | null;
}

/** See above. */
export class PipeRoute implements Route, Seats {
  readonly worker: TaskReference = ownTask("pipe worker");
  readonly seats: Seats = this;
  readonly isDry = false;
  readonly #home: Home;
  readonly #listener: Listener;
  readonly #seats = new Map<number, Seat>();
  readonly #functions: TargetSpec[] = [];
  /** Tasks that were sent to workers who died before they began them. */
  #returned: Task[] = [];
  #quiet = new AbortController();
  #clock: { stop(): void } | null = null;

  constructor(home: Home, listener: Listener) {
    this.#home = home;
    this.#listener = listener;
  }

  describe(id: number, spec: TargetSpec): void {
    this.#functions[id] = spec;
  }

  seat(rules: WorkerRules): { seat: number; orders: PipeOrders } {
    const [connection, theirs] = makePipe(this.#home);
    let number = 0;
    while (this.#seats.has(number)) number++;
    const seat: Seat = {
      number,
      connection,
      known: new Set(),
      isReady: false,
      isRetired: false,
      running: null,
      task: null,
      hasBegun: false,
      isImporting: false,
      since: 0,
      memory: 0,
      tasks: 0,
      heard: null,
    };
    this.#seats.set(number, seat);
    return { seat: number, orders: { rules, connection: theirs } };
  }

  get room(): number {
    let room = 0;
    for (const seat of this.#seats.values()) if (isFree(seat)) room++;
    return room;
  }

  send(tasks: readonly Task[]): void {
    const free = [...this.#seats.values()].filter(isFree), unsendable: [Task, unknown][] = [];
    for (const task of tasks) {
      try {
        this.#assign(free.shift()!, task);
      } catch (error) {
        unsendable.push([task, error]);
      }
    }
    // When all others have their place: who hears of it may end the pool.
    for (const [task, error] of unsendable) this.#listener.result(task, FAILED, 0, error);
  }

  revoke(): boolean {
    return false;
  }

  runnerOf(task: Task): number {
    return task.entry;
  }

  ranFor(seat: number): number {
    const { since } = this.#seats.get(seat) ?? {};
    return since === undefined ? 0 : performance.now() - since;
  }

  beganAt(seat: number): number {
    return this.#seats.get(seat)?.since ?? 0;
  }

  isImporting(seat: number): boolean {
    return this.#seats.get(seat)?.isImporting === true;
  }

  cancel(seat: number, task: Task): void {
    this.#say(this.#seats.get(seat), { type: "cancel", key: keyOf(task) });
  }

  retire(number: number): void {
    const seat = this.#seats.get(number);
    if (seat === undefined) return;
    seat.isRetired = true;
    this.#say(seat, { type: "retire" });
  }

  isBusy(seat: number): boolean {
    return this.#seats.get(seat)?.running != null;
  }

  runs(seat: number, task: Task): boolean {
    return this.#seats.get(seat)?.running === keyOf(task);
  }

  memoryOf(seat: number): number {
    return this.#seats.get(seat)?.memory ?? 0;
  }

  tasksOf(seat: number): number {
    return this.#seats.get(seat)?.tasks ?? 0;
  }

  drain(): void {}

  arrived(): void {}

  async bury(number: number): Promise<Task[]> {
    const seat = this.#seats.get(number);
    if (seat === undefined) return [];
    // What it said last.
    await (seat.heard ??= this.#hear(seat));
    this.#seats.delete(number);
    seat.connection.close();
    if (seat.task === null) return [];
    if (seat.hasBegun) return [seat.task];
    this.#returned.push(seat.task);
    return [];
  }

  takeBack(): Task[] {
    const returned = this.#returned.filter(({ state }) => state === SENT);
    this.#returned = [];
    for (const task of returned) task.state = WAITING;
    return returned;
  }

  sent(): Task[] {
    return [...this.#returned, ...[...this.#seats.values()].flatMap(({ task }) => task ?? [])];
  }

  release(task: Task): void {
    const seat = this.#seats.get(task.entry);
    if (seat?.task === task) seat.task = null;
  }

  listen(): void {
    if (!this.#isWanted) return;
    if (this.#listener.isAwaiting) this.#stayAlive();
    for (const seat of this.#seats.values()) seat.heard ??= this.#hear(seat);
  }

  finish(): void {
    for (const seat of this.#seats.values()) this.#say(seat, { type: "retire" });
  }

  close(): void {
    this.#clock?.stop();
    this.#quiet.abort();
    for (const { connection } of this.#seats.values()) connection.close();
  }

  /** Results may be to come where nobody is listened to: the last worker has ended, and is to be replaced. */
  #stayAlive(): void {
    this.#clock ??= startClock(ALIVE_MS, () => {
      this.#clock = null;
      if (this.#listener.isAwaiting) this.#stayAlive();
    });
  }

  get #isWanted(): boolean {
    return this.#listener.isAwaiting || this.#listener.isStarting;
  }

  #assign(seat: Seat, task: Task): void {
    const { fn, shared, id, attempt } = task;
    task.entry = seat.number;
    task.state = SENT;
    // Throws if one was closed meanwhile: before anything is said.
    for (const object of shared) object[HANDLE]();
    seat.task = task;
    seat.hasBegun = false;
    seat.since = performance.now();
    const key = seat.running = keyOf(task);
    seat.isImporting = !seat.known.has(fn);
    if (seat.isImporting) this.#say(seat, { type: "learn", key, fn, spec: this.#functions[fn] });
    seat.known.add(fn);
    this.#say(seat, { type: "task", key, id, attempt, fn, flags: flagsOf(task) });
    seat.connection[SEND_ENCODED](argumentsOf(task, shared)).catch((error) => {
      // The worker may be gone, as above; or else it waits for what cannot be sent.
      if (!(error instanceof BrokenPipeError) && !seat.connection.closed && seat.running === key) this.#giveUp(seat, error);
    });
  }

  /** The worker may be gone: then `bury` tells what becomes of its task. */
  #say(seat: Seat | undefined, words: PipeWords): void {
    seat?.connection.send(words).catch(() => {});
  }

  /** Hears a worker out, as long as that is wanted. One at a time: what it says may be in two messages. */
  async #hear(seat: Seat): Promise<void> {
    let { signal } = this.#quiet;
    for (;;) {
      let news: PipeNews;
      try {
        news = await seat.connection.recv({ signal }) as PipeNews;
        if (news.type === "result") news = await withValue(news, seat.connection);
      } catch (error) {
        if (error instanceof EOFError || seat.connection.closed) return; // it is gone
        if (signal.aborted) {
          ({ signal } = this.#quiet);
          if (this.#isWanted) continue;
          seat.heard = null; // nobody wants to hear from anybody now
          return;
        }
        if (seat.isRetired && seat.running === null) return;
        news = { type: "unreadable", error };
      }
      this.#take(seat, news);
    }
  }

  #take(seat: Seat, news: PipeNews): void {
    if (news.type === "ready") {
      seat.isReady = true;
      this.#listener.ready(seat.number);
    } else if (news.type === "failed") this.#listener.failed(seat.number, news.error);
    else if (news.type === "unreadable") this.#giveUp(seat, news.error);
    else {
      const task = seat.running === news.key ? seat.task : null;
      if (news.type === "begun") this.#begun(seat);
      if (news.type === "result") {
        seat.running = null;
        seat.memory = news.memory;
        seat.tasks++;
        seat.isRetired ||= news.isLast;
      }
      if (news.type === "result") {
        if (task !== null) this.#listener.result(task, news.status, news.micros, news.value);
        else this.#listener.ready(seat.number);
      } else if (news.type === "progress" && task !== null) this.#listener.progress(task, news.value);
    }
    if (this.#isWanted) return;
    // Waiting keeps the program alive.
    this.#clock?.stop();
    this.#clock = null;
    this.#quiet.abort();
    this.#quiet = new AbortController();
  }

  /** It says so before it imports something, and once it has. */
  #begun(seat: Seat): void {
    if (seat.hasBegun || !seat.isImporting) {
      seat.isImporting = false;
      seat.since = performance.now();
    }
    seat.hasBegun = true;
  }

  /** Something that a worker said cannot be read, or what it was to be told cannot be sent: its task fails with that, and another worker takes its place, since it is not known what it was, or it waits for that. */
  #giveUp(seat: Seat, error: unknown): void {
    const { task } = seat;
    seat.running = null;
    seat.isRetired = true;
    this.#listener.discard(seat.number);
    if (task !== null) this.#listener.result(task, FAILED, 0, error);
  }
}

/** A result with its value, which comes behind it: what cannot be read is the task's error. */
async function withValue(news: PipeNews & { type: "result" }, connection: Connection): Promise<PipeNews> {
  try {
    return { ...news, value: await connection.recv() };
  } catch (error) {
    if (error instanceof EOFError || connection.closed) throw error;
    return { ...news, status: FAILED, value: error };
  }
}

function isFree({ isReady, isRetired, running }: Seat): boolean {
  return isReady && !isRetired && running === null;
}

function keyOf({ id, attempt }: Task): string {
  return `${id}.${attempt}`;
}
