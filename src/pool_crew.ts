/**
 * The workers of a pool: starting them, replacing those that end, and letting those go that are not needed.
 *
 * @module
 */
import type { StartMethod } from "./adapter.ts";
import { ProcessError, WorkerDiedError } from "./errors.ts";
import { tell } from "./log.ts";
import type { TaskFunction } from "./pool_call.ts";
import type { PoolOptions } from "./pool_options.ts";
import type { Route } from "./pool_shared.ts";
import type { Listeners, WorkerStats } from "./pool_stats.ts";
import { work, type WorkerOrders, type WorkerRules } from "./pool_worker.ts";
import { AWAITED, CARGO, PORT, Process, type Target, WORKER } from "./process.ts";
import type { Scene } from "./scene.ts";

/** SIGTRAP and SIGABRT: V8 and JavaScriptCore end a process by these themselves. */
const FATAL: readonly number[] = [5, 6];

/** So many workers in a row that end before they can begin are no accident; those that somebody killed say little of the next one, so it takes many of them. */
const MOST_FALSE_STARTS = 3, MOST_KILLED_STARTS = 300;
/** Signals that somebody sends on purpose, or the system for want of memory: SIGHUP, SIGINT, SIGKILL and SIGTERM. */
const KILLING: readonly number[] = [1, 2, 9, 15];

/** A worker, as the pool's owner has it. */
export interface Worker {
  readonly process: Process;
  readonly seat: number;
  state: "starting" | "ready" | "ending";
  /** Whether it has ended; what it said last may not have been heard yet. */
  isOver: boolean;
}

/** Whoever has the workers. */
export interface CrewOwner {
  readonly scene: Scene;
  readonly route: Route;
  readonly listeners: Listeners;
  /** How many tasks there are to do. */
  readonly outstanding: number;
  /** Whether one that ends is to be replaced. */
  isWanted(): boolean;
  /** A worker has ended. */
  ended(seat: number, end: WorkerEnd): Promise<void>;
  /** Has as many workers started as are needed now, and sends them what waits. */
  goOn(): void;
  /** Workers cannot be started, or end before they begin. */
  broken(error: unknown): void;
  /** There is no worker any more. */
  emptied(): void;
}

/** See above. */
export class Crew {
  readonly #owner: CrewOwner;
  readonly #options: PoolOptions;
  readonly #method: StartMethod;
  readonly #rules: WorkerRules;
  /** Inline: the functions themselves. */
  readonly #local: readonly TaskFunction[] | null;
  readonly #workers = new Map<number, Worker>();
  readonly #ends = new Set<Promise<unknown>>();
  #falseStarts = 0;
  #killedStarts = 0;
  #number = 0;
  #stopClock: (() => void) | null = null;
  /** Most workers that were needed at once, since that was looked at last. */
  #needed = 0;
  /** Most workers at a time. */
  size: number;

  constructor(
    owner: CrewOwner,
    options: PoolOptions,
    method: StartMethod,
    rules: WorkerRules,
    local: readonly TaskFunction[] | null,
    size: number,
  ) {
    this.#owner = owner;
    this.#options = options;
    this.#method = method;
    this.#rules = rules;
    this.#local = local;
    this.size = size;
  }

  /** How many there are that take tasks. */
  get count(): number {
    let count = 0;
    for (const { state, isOver } of this.#workers.values()) if (state !== "ending" && !isOver) count++;
    return count;
  }

  /** Whether some have not said that they can begin. */
  get isStarting(): boolean {
    for (const { state, isOver } of this.#workers.values()) if (state === "starting" && !isOver) return true;
    return false;
  }

  /** Workers that stay though they have nothing to do. */
  get least(): number {
    return Math.min(this.#options.minProcesses ?? this.size, this.size);
  }

  /** Starts workers until there are as many as `wanted` tasks need, or are to stay. */
  grow(wanted: number): void {
    if (!this.#owner.isWanted()) return;
    this.#needed = Math.max(this.#needed, Math.min(wanted, this.size));
    for (let count = this.count, goal = Math.min(Math.max(wanted, this.least), this.size); count < goal; count++) this.#start();
    this.#watchIdle();
  }

  /** Lets so many go that there are no more than `goal`. */
  shrink(goal: number): void {
    let surplus = this.count - goal;
    // Those without work first.
    const workers = [...this.#workers.values()].sort((a, b) => Number(this.#isBusy(a)) - Number(this.#isBusy(b)));
    for (const worker of workers) {
      if (surplus <= 0) return;
      if (worker.state === "ending" || worker.isOver) continue;
      worker.state = "ending";
      this.#owner.route.retire(worker.seat);
      surplus--;
    }
  }

  /** A worker can begin. */
  ready(seat: number): void {
    this.#falseStarts = this.#killedStarts = 0;
    const worker = this.#workers.get(seat);
    if (worker?.state === "starting") worker.state = "ready";
  }

  /** Moves buffers to a worker. */
  send(seat: number, key: string, buffers: readonly ArrayBuffer[]): void {
    this.#workers.get(seat)?.process[CARGO](key, buffers);
  }

  /** Who sits there, or did so last. */
  at(seat: number): Worker | undefined {
    return this.#workers.get(seat);
  }

  /** Kills a worker. */
  kill(seat: number): void {
    this.#workers.get(seat)?.process.kill();
  }

  /** Ends all. */
  terminate(isKill: boolean): void {
    this.#stopClock?.();
    for (const { process } of this.#workers.values()) {
      if (!process.isAlive()) continue;
      if (isKill) process.kill();
      else process.terminate();
    }
  }

  /** Whether all have ended. */
  get isEmpty(): boolean {
    return this.#ends.size === 0;
  }

  /** Resolves when all have ended. Keeps the program alive until then. */
  async joined(): Promise<void> {
    while (this.#ends.size > 0) {
      const releases = [...this.#workers.values()].map(({ process }) => process[AWAITED]());
      await Promise.all(this.#ends);
      for (const release of releases) release();
    }
  }

  /** How many run a task. */
  get busy(): number {
    let busy = 0;
    for (const worker of this.#workers.values()) if (!worker.isOver && this.#isBusy(worker)) busy++;
    return busy;
  }

  get stats(): WorkerStats[] {
    return [...this.#workers.values()].filter(({ isOver }) => !isOver).map((worker) => ({
      name: worker.process.name,
      pid: worker.process.pid,
      state: worker.state === "starting" ? "starting" : worker.state === "ending" ? "ending" : this.#isBusy(worker) ? "busy" : "idle",
      tasks: this.#owner.route.seats.tasksOf(worker.seat),
      memory: this.#owner.route.seats.memoryOf(worker.seat),
    }));
  }

  #isBusy({ seat }: Worker): boolean {
    return this.#owner.route.seats.isBusy(seat);
  }

  #start(): void {
    const { route, listeners } = this.#owner;
    const { runtime, permissions, env, execArgv, resourceLimits } = this.#options;
    const { seat, orders, onWords } = route.seat(this.#rules);
    const local = this.#local;
    const target: Target<[never]> = local === null ? route.worker : (orders: WorkerOrders) => work(orders, local);
    const name = `PoolWorker-${++this.#number}`;
    const process = new Process(
      { target, args: [orders as never], name, daemon: true, runtime, permissions, env, execArgv, resourceLimits },
      this.#method,
    )[WORKER]({ onCargo: (key, buffers) => route.arrived(seat, key, buffers), onWords });
    const worker: Worker = { process, seat, state: "starting", isOver: false };
    this.#workers.set(seat, worker);
    try {
      process.start();
    } catch (error) {
      this.#workers.delete(seat);
      void route.bury(seat);
      throw error;
    }
    route.seated(seat, process[PORT]);
    listeners.tell("workerstart", { pid: process.pid, name });
    const end = process.sentinel.then((code) => this.#ended(worker, code, null), (error) => this.#ended(worker, null, error))
      .finally(() => {
        this.#ends.delete(end);
        if (this.isEmpty) this.#owner.emptied();
      });
    this.#ends.add(end);
  }

  async #ended(worker: Worker, code: number | null, failure: unknown): Promise<void> {
    const { process, seat } = worker;
    const { listeners } = this.#owner;
    worker.isOver = true;
    listeners.tell("workerexit", { pid: process.pid, name: process.name, exitcode: code, error: failure ?? process.error });
    const end = new WorkerEnd(process, code, failure);
    await this.#owner.ended(seat, end);
    // Its seat may be another's by now.
    if (this.#workers.get(seat) === worker) this.#workers.delete(seat);
    if (!this.#owner.isWanted()) return;
    // One that could not even begin: once more may help, but not for ever.
    if (failure !== null || worker.state === "starting" && this.#isOneTooMany(end)) return this.#owner.broken(end.brokenError);
    tell("replace", { name: process.name, exitcode: code });
    try {
      this.#owner.goOn();
    } catch (error) {
      this.#owner.broken(error);
    }
  }

  /** Counts one that ended before it could begin. */
  #isOneTooMany({ wasKilled }: WorkerEnd): boolean {
    return wasKilled ? ++this.#killedStarts >= MOST_KILLED_STARTS : ++this.#falseStarts >= MOST_FALSE_STARTS;
  }

  /** Lets those go after a while that were not needed. */
  #watchIdle(): void {
    const { idleTimeout } = this.#options;
    if (idleTimeout === undefined || this.#stopClock !== null || this.count <= this.least) return;
    this.#needed = 0;
    this.#stopClock = this.#owner.scene.world.adapter.quietly(idleTimeout, () => {
      this.#stopClock = null;
      this.shrink(Math.max(this.least, this.#needed, this.#owner.outstanding));
      this.#watchIdle();
    });
  }
}

/** How a worker ended. */
export class WorkerEnd {
  readonly #process: Process;
  readonly #failure: unknown;
  readonly #code: number | null;

  /** @param failure Why it could not be started, or null. */
  constructor(process: Process, code: number | null, failure: unknown) {
    this.#process = process;
    this.#failure = failure;
    this.#code = code;
  }

  /** Whether that was somebody else's doing. */
  get wasKilled(): boolean {
    return this.#code !== null && KILLING.includes(-this.#code);
  }

  /** Why the result of a task will not come that it ran. @param task Its number. */
  diedError(task: number): WorkerDiedError {
    const { name, pid } = this.#process;
    const message = `The worker ${name} died while it ran the task: ${this.#how}`;
    return new WorkerDiedError(message, { exitcode: this.#code, pid, task, cause: this.#process.error ?? undefined });
  }

  /** Why the pool is broken if none can begin. */
  get brokenError(): unknown {
    if (this.#failure !== null) return this.#failure;
    const cause = this.#process.error ?? undefined;
    return new ProcessError(
      `The pool is broken: its workers end before they can begin; the last one was ${this.#process.name}: ${this.#how}`,
      { cause },
    );
  }

  get #how(): string {
    const code = this.#code, { error } = this.#process;
    if (error instanceof Error) return `it threw ${error.name}: ${error.message}`;
    if (code === null || code >= 0) return `it exited with code ${code}`;
    return `it was killed by signal ${-code}${FATAL.includes(-code) ? ", as engines end that run out of memory" : ""}`;
  }
}
