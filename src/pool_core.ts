/**
 * What a pool does: it keeps workers, sends them tasks, and tells what became of those.
 *
 * | state | | next |
 * |---|---|---|
 * | running | takes tasks | closed, broken, terminated |
 * | closed | takes none, but what is left of maps; workers end when all are done | broken, terminated |
 * | broken | workers cannot begin: every task fails with why | terminated |
 * | terminated | workers are ended, and every task has | |
 *
 * @module
 */
import type { Adapter, StartMethod } from "./adapter.ts";
import { encode, type Message, takeBuffers } from "./codec.ts";
import { type CancelledError, Full, ProcessError, UnsupportedError } from "./errors.ts";
import { performance, queueMicrotask } from "./host.ts";
import type { Parts } from "./pool_call.ts";
import { Crew, type CrewOwner, type WorkerEnd } from "./pool_crew.ts";
import type { PoolOptions } from "./pool_options.ts";
import { watch } from "./pool_deadlines.ts";
import { Flow, MOST_IN_RECORD } from "./pool_flow.ts";
import { FunctionNumbers } from "./pool_functions.ts";
import { PipeRoute } from "./pool_pipes.ts";
import { TaskQueue } from "./pool_queue.ts";
import { FAILED, FLAG_CARGO, PARTLY, Slabs } from "./pool_record.ts";
import { type Listener, type Route, SharedRoute } from "./pool_shared.ts";
import { Latencies, Listeners, type PoolStats } from "./pool_stats.ts";
import { callerOf, sited, SUBMITTED } from "./pool_site.ts";
import { cancellation, DONE, type Job, SENT, type Task, WAITING } from "./pool_task.ts";
import type { WorkerRules } from "./pool_worker.ts";
import type { Target } from "./process.ts";
import { currentScene, type Scene } from "./scene.ts";
import { resolveTarget } from "./target.ts";
import { throwAside } from "./throw_aside.ts";

const GRACE_MS = 1000;
/** A timer's longest time. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;
const RECORD_BYTES = 32_768;
/** How often, at the least, to look whether tasks wait in the hands of a busy worker while others have none. */
const SPREAD_MS = 5;
/** As long as no more tasks are under way, it is written down where each was submitted: that takes microseconds. */
const MOST_WITH_SITE = 100;

type State = "running" | "closed" | "broken" | "terminated";

/** A lazy map: it submits tasks as their results are asked for. */
export interface LazyMap {
  /** Submits what is left, if that has an end; or else nothing more. */
  finish(): void;
  /** Takes nothing more from its source: whoever asks for what would have come gets the reason. */
  cut(reason: unknown): void;
  /** … and gives up what nobody has begun. */
  withdraw(reason: unknown): void;
}

/** @throws {UnsupportedError} Nobody tells here how much memory is used. */
function checkMemoryTold({ can }: Adapter): void {
  const { memoryUsed } = can.reasons;
  if (memoryUsed !== undefined) throw new UnsupportedError(`Cannot limit the memory of workers: ${memoryUsed}`);
}

function terminated(): CancelledError {
  return cancellation("The task was cancelled: its pool was terminated");
}

/** Tells the pool of a lazy map that was left in the middle. */
const LEFT = new FinalizationRegistry<() => void>((tell) => tell());

/** See above. */
export class PoolCore implements CrewOwner, Listener {
  readonly scene: Scene;
  readonly route: Route;
  readonly listeners: Listeners = new Listeners();
  readonly #options: PoolOptions;
  readonly #crew: Crew;
  readonly #functions: FunctionNumbers;
  readonly #queue = new TaskQueue();
  readonly #slabs = new Slabs();
  readonly #latencies: Latencies;
  readonly #madeAt: Error;
  readonly #name: string;
  #state: State = "running";
  #failure: unknown;
  /** Those on their way. */
  readonly #flow = new Flow();
  #isFlushing = false;
  #nextId = 1;
  /** What the clock said when it was looked at last; 0 once this turn is over. */
  #time = 0;
  #done = 0;
  #failed = 0;
  #stopSpreading: (() => void) | null = null;
  #willFlush = false;
  /** Whether some were taken back for one of higher priority: in this turn more of those may come, so they stay until it is over. */
  #isSorting = false;
  #isOver = false;
  readonly #isThread: boolean;
  readonly #mayStayOpen: boolean;
  #whenIdle: (() => void)[] = [];
  /** Those that may submit more, as long as somebody has them. */
  readonly #lazyMaps = new Set<WeakRef<LazyMap>>();

  /** @param name What messages call it. @param mayStayOpen Whether it is no mistake if it is never closed. */
  constructor(options: PoolOptions, method: StartMethod | undefined, name: string, mayStayOpen = false) {
    this.scene = currentScene();
    this.#options = options;
    this.#name = name;
    this.#madeAt = new Error("made here");
    const { world } = this.scene;
    if (options.maxMemoryMb !== undefined) checkMemoryTold(world.adapter);
    const startMethod = options.startMethod ?? method ?? this.scene.defaultMethod();
    const isInline = startMethod === "inline";
    const home = this.scene.home(startMethod);
    // Through a pipe buffers are copied.
    this.#isThread = startMethod === "thread" && home.missing === null;
    this.route = home.me !== null && home.missing === null ? new SharedRoute(home, home.me, this) : new PipeRoute(home, this);
    this.#latencies = new Latencies(world.adapter);
    this.#functions = new FunctionNumbers(this.scene, this.route, isInline);
    const size = options.processes ?? world.adapter.cores.available;
    this.#crew = new Crew(this, options, startMethod, this.#rules(isInline), isInline ? this.#functions.local : null, size);
    this.#mayStayOpen = mayStayOpen;
    world.pools.add(this);
    try {
      this.#grow();
    } catch (error) {
      this.terminate();
      throw error;
    }
  }

  #rules(isInline: boolean): WorkerRules {
    const { initializer, initargs = [], maxTasksPerChild = 0, maxMemoryMb = 0, idle, nice = 0 } = this.#options;
    return {
      initializer: initializer === undefined
        ? null
        : isInline
        ? this.#functions.numberOf(initializer)
        : resolveTarget(initializer, this.scene.world.adapter, "initializer"),
      initargs,
      maxTasks: maxTasksPerChild,
      maxMemoryBytes: maxMemoryMb * 2 ** 20,
      isBlocking: idle === "block" && !isInline,
      nice,
    };
  }

  get size(): number {
    return this.#crew.size;
  }

  /** How many tasks are neither done nor failed. */
  get outstanding(): number {
    return this.#flow.count + this.#queue.size;
  }

  /** Where a task is submitted, if there is time to write it down. */
  site(): Error | null {
    return this.outstanding < MOST_WITH_SITE ? new Error(SUBMITTED) : null;
  }

  /** Takes a task. @param path What messages call the arguments. @throws What `Pool.apply` names. */
  submit(task: Task, args: readonly unknown[], path: string): void {
    const { job } = task, { options } = job;
    this.#checkWanted(job);
    const { maxQueue = Infinity, retries = 0, grace = GRACE_MS } = this.#options;
    if (maxQueue < Infinity && !job.isPatient && this.#isFull(maxQueue)) {
      throw new Full(`The pool has ${maxQueue} tasks waiting already: wait for some, or make maxQueue larger`);
    }
    task.fn = this.#functions.numberOf(job.fn);
    // A call takes what is in the array, and nothing else of it.
    const message: Message = encode(args, { path, move: this.#isThread, transfer: options.transfer, dense: args });
    // A getter may have ended the pool.
    this.#checkWanted(job);
    const { shared, moved } = message;
    task.id = this.#nextId++;
    this.#slabs.add(task, moved.length > 0 ? job.flags | FLAG_CARGO : job.flags, message);
    task.shared = shared;
    if (moved.length > 0) task.moved = takeBuffers(moved);
    task.priority = options.priority ?? 0;
    task.grace = options.grace ?? grace;
    task.retries = options.retries ?? retries;
    task.since = this.#now();
    task.state = WAITING;
    this.#functions.use(task.fn);
    if (options.signal !== undefined || options.timeout !== undefined || options.queueTimeout !== undefined) watch(task, this);
    if (this.#mayGoAtOnce(task)) this.#send([task]);
    else this.#enqueue(task);
    this.#flushSoon();
  }

  #enqueue(task: Task): void {
    const { highest } = this.#queue;
    this.#queue.add(task);
    if (task.priority > highest && this.#flow.isBehind(task.priority)) {
      this.#takeBack();
      this.#isSorting = true;
    }
    if (this.#queue.size >= MOST_IN_RECORD && !this.#isFlushing && !this.#isSorting) this.#flush();
  }

  /** Whether some worker has nothing to do: it is woken while this turn goes on. (While workers start, others may wait that are to let the task go first.) */
  #mayGoAtOnce({ priority }: Task): boolean {
    const { size, isRanked } = this.#queue;
    return size === 0 && !isRanked && this.#flow.count < this.#crew.size && !this.#flow.isBehind(priority) && this.route.room > 0;
  }

  /** Whether too many tasks wait. */
  #isFull(maxQueue: number): boolean {
    if (this.outstanding - this.size < maxQueue) return false;
    // Some may be done, and not have been heard of.
    this.#drain();
    return this.outstanding - this.size >= maxQueue;
  }

  /** The time, for a task that is being submitted. Of many one in sixteen looks at the clock: it takes longer than much of the rest. */
  #now(): number {
    if (this.#time === 0 || (this.#nextId & 15) === 0) this.#time = performance.now();
    return this.#time;
  }

  /** Throws unless a task may still be taken. */
  #checkWanted({ isRest, options }: Job): void {
    // Like the rest of what it belongs to.
    if (isRest && this.#state === "terminated") throw terminated();
    if (!isRest || this.#state !== "closed") this.checkOpen();
    options.signal?.throwIfAborted();
  }

  /** Gives a task up. False if it is over. */
  cancel(task: Task, reason: unknown): boolean {
    if (task.state === DONE) return false;
    if (task.state === WAITING) this.#queue.drop();
    else if (!this.route.revoke(task)) this.#stop(task);
    this.#end(task, FAILED, reason, 0);
    this.#flushSoon();
    return true;
  }

  /** Gives a task up unless somebody has begun it. False if that is so, or it is over. */
  withdraw(task: Task, reason: unknown): boolean {
    if (task.state === DONE || task.state === SENT && !this.route.revoke(task)) return false;
    if (task.state === WAITING) this.#queue.drop();
    this.#end(task, FAILED, reason, 0);
    this.#flushSoon();
    return true;
  }

  /** Whether somebody has begun it, and it is not over. */
  isRunning(task: Task): boolean {
    return task.state === SENT && this.route.runnerOf(task) >= 0;
  }

  /** Ends the workers, without letting them clean up if `isKill`. Results that are not there reject with `CancelledError`. */
  #endAll(isKill: boolean): void {
    if (this.#state === "terminated") {
      if (isKill) this.#crew.terminate(true);
      return;
    }
    this.#state = "terminated";
    this.#giveUpAll(terminated);
    void this.#endWorkers(isKill).then(() => this.#letGo());
  }

  /** Ends the workers: those that do not listen are killed after the grace. */
  async #endWorkers(isKill: boolean): Promise<void> {
    this.#crew.terminate(isKill);
    const stop = this.quietly(this.#options.grace ?? GRACE_MS, () => this.#crew.terminate(true));
    await this.#crew.joined();
    stop();
  }

  /** Does something after a time, which does not keep the program alive. @return Calls it off. */
  quietly(ms: number, run: () => void): () => void {
    return ms > LONGEST_TIMER_MS ? () => {} : this.scene.world.adapter.quietly(ms, run);
  }

  /** Microseconds that a call of a function takes; 0 while that is not known. */
  microsOf(fn: Target): number {
    return this.#functions.microsOf(this.#functions.numberOf(fn));
  }

  resize(size: number): void {
    this.checkOpen("resize the pool");
    this.#crew.size = size;
    this.#crew.shrink(size);
    this.#grow();
  }

  close(): void {
    if (this.#state !== "running") return;
    this.#state = "closed";
    this.#rest();
  }

  terminate(): void {
    this.#endAll(false);
  }

  /** {@linkcode PoolCore.terminate}, leaving the workers no choice. */
  kill(): void {
    this.#endAll(true);
  }

  async join(): Promise<void> {
    if (this.#state === "running") throw new ProcessError("Cannot join the pool while it takes tasks: close() or terminate() it first");
    for (const map of this.#openMaps()) map.finish();
    await new Promise<void>((resolve) => {
      this.#whenIdle.push(resolve);
      this.#rest();
    });
    await this.#crew.joined();
    this.#letGo();
  }

  stats(): PoolStats {
    this.#drain();
    const running = Math.min(this.#flow.count, this.#crew.busy);
    return {
      workers: this.#crew.stats,
      queued: this.outstanding - running,
      running,
      done: this.#done,
      failed: this.#failed,
      latency: this.#latencies.summary,
    };
  }

  /** The program ends, and nobody closed it. */
  sayLeftOpen(): void {
    if (this.#state !== "running" || this.#mayStayOpen) return;
    const where = callerOf(this.#madeAt);
    this.scene.world.adapter.complain(
      `${this.#name} was left open${where === null ? "" : `, made ${where}`}: close() and join() it, or make it with \`await using\``,
    );
  }

  /** A lazy map was made: it goes on when the pool is closed. */
  lazyMapMade(map: LazyMap): WeakRef<LazyMap> {
    const ref = new WeakRef(map);
    this.#lazyMaps.add(ref);
    LEFT.register(map, () => this.lazyMapOver(ref));
    return ref;
  }

  /** It submits nothing more. */
  lazyMapOver(map: WeakRef<LazyMap>): void {
    if (this.#lazyMaps.delete(map)) this.#rest();
  }

  /** Gives up what nobody has begun of lazy maps. */
  withdrawLazyMaps(reason: unknown): void {
    for (const map of this.#openMaps()) map.withdraw(reason);
  }

  // ---- what the crew and the route tell ----

  isWanted(): boolean {
    return this.#state === "running" || this.#state === "closed" && this.outstanding > 0;
  }

  get isAwaiting(): boolean {
    return this.outstanding > 0;
  }

  get isStarting(): boolean {
    return this.isWanted() && this.#crew.isStarting;
  }

  ready(seat: number): void {
    this.#crew.ready(seat);
    this.#flushSoon();
  }

  send(seat: number, key: string, buffers: readonly ArrayBuffer[]): void {
    this.#crew.send(seat, key, buffers);
  }

  /** Its initializer failed. */
  failed(_seat: number, error: unknown): void {
    this.broken(error);
  }

  broken(error: unknown): void {
    if (this.#state === "broken" || this.#state === "terminated") return;
    this.#state = "broken";
    this.#failure = error;
    this.#giveUpAll(() => error);
    void this.#endWorkers(false);
  }

  discard(seat: number): void {
    this.#crew.kill(seat);
  }

  async ended(seat: number, end: WorkerEnd): Promise<void> {
    for (const running of await this.route.bury(seat)) this.#died(running, end);
    // What it had in hand.
    this.#takeBack();
  }

  goOn(): void {
    this.#flush();
  }

  emptied(): void {
    if (this.#state === "broken" || this.#isAtRest) this.#letGo();
  }

  result(task: Task, status: number, micros: number, value: unknown): void {
    this.#functions.took(task.fn, micros, task.weight);
    this.#flow.took(micros, task.weight);
    if (status === FAILED) sited(value, task.job.site);
    else if (status === PARTLY) { for (const [, error] of (value as Parts).errors) sited(error, task.job.site); }
    this.#end(task, status, value, micros);
    if (this.#queue.size > 0) this.#flushSoon();
  }

  returned(tasks: readonly Task[]): void {
    for (let i = tasks.length; --i >= 0;) this.#putBack(tasks[i]);
    this.#flushSoon();
  }

  overtaken(task: Task): void {
    this.#stop(task);
  }

  progress(task: Task, value: unknown): void {
    task.job.progressed?.(task, value);
  }

  // ---- inside ----

  /** Throws unless it takes tasks. */
  checkOpen(action = "submit a task"): void {
    switch (this.#state) {
      case "running":
        return;
      case "broken":
        throw this.#failure;
      default:
        throw new ProcessError(`Cannot ${action}: the pool is not running, it was ${this.#state}`);
    }
  }

  /** Reads what has come back. */
  #drain(): void {
    if (!this.#isOver) this.route.drain();
  }

  /** Sends what may be sent once this turn is over: of many that are given up in it, the room that each leaves is not for those that follow. */
  #flushSoon(): void {
    if (this.#willFlush) return;
    this.#willFlush = true;
    queueMicrotask(() => {
      this.#willFlush = this.#isSorting = false;
      this.#time = 0;
      this.#flush();
    });
  }

  /** Sends as much as is to be on its way. */
  #flush(): void {
    if (this.#isFlushing || !this.isWanted()) return;
    this.#isFlushing = true;
    try {
      for (let hasLooked = false; this.#queue.size > 0;) {
        const room = this.#room();
        if (room <= 0) {
          if (hasLooked) break;
          hasLooked = true;
          this.route.drain();
          continue;
        }
        this.#send(this.#queue.take(Math.min(room, this.#perRecord()), RECORD_BYTES));
      }
    } finally {
      this.#isFlushing = false;
    }
    try {
      this.#grow();
    } catch (error) {
      this.broken(error); // no worker can be started
    }
  }

  #grow(): void {
    this.#crew.grow(this.outstanding);
    this.route.listen();
  }

  #send(tasks: Task[]): void {
    if (tasks.length === 0) return;
    this.#flow.add(tasks);
    try {
      this.route.send(tasks);
    } catch (error) {
      // There is no room in the memory for their arguments.
      for (const task of tasks) this.#end(task, FAILED, error, 0);
    }
    if (tasks.length > 1) this.#watchSpread();
  }

  /** How many more tasks are to be on their way. */
  #room(): number {
    return Math.min(this.#flow.room(this.#crew.size, this.#queue.isRanked), this.route.room);
  }

  #perRecord(): number {
    const { maxTasksPerChild = Infinity } = this.#options;
    return this.#flow.perRecord(Math.min(Math.ceil(this.outstanding / this.#crew.size), maxTasksPerChild));
  }

  /** A task may wait in the hands of a worker that has been long at another, while others have nothing to do. */
  #watchSpread(): void {
    this.#stopSpreading ??= this.scene.world.adapter.quietly(SPREAD_MS, () => {
      this.#stopSpreading = null;
      if (this.#flow.count === 0) return;
      const isIdle = this.#crew.stats.some(({ state }) => state === "idle");
      if (isIdle && this.route.isDry) {
        this.#takeBack();
        this.#flush();
      }
      this.#watchSpread();
    });
  }

  /** Puts tasks that nobody has begun back into the queue. */
  #takeBack(): void {
    this.#flow.turnBack();
    for (const task of this.route.takeBack().reverse()) this.#putBack(task);
  }

  #putBack(task: Task): void {
    this.#flow.remove(task);
    this.#queue.addFirst(task);
  }

  /** Asks the worker that runs a task to stop, and kills it if it goes on for too long. */
  #stop(task: Task): void {
    const seat = this.route.runnerOf(task);
    if (seat < 0) return this.route.drop(task);
    const { seats } = this.route, worker = this.#crew.at(seat), before = seats.tasksOf(seat);
    // Or else it is done, its result was not read yet, and the worker may be at another.
    if (!this.route.runs(seat, task)) return;
    this.route.cancel(seat, task);
    this.quietly(task.grace, () => {
      // The same one, still at what it did then.
      if (this.#crew.at(seat) === worker && this.route.runs(seat, task) && seats.tasksOf(seat) === before) this.#crew.kill(seat);
    });
  }

  /** The worker of a task died. */
  #died(task: Task, end: WorkerEnd): void {
    // Whoever heard of that may have cancelled it.
    if (task.state !== SENT) return;
    if (task.retries === 0 || this.#state === "broken" || this.#state === "terminated") {
      return this.#end(task, FAILED, sited(end.diedError(task.id), task.job.site), 0);
    }
    task.retries--;
    task.attempt++;
    this.#leave(task);
    task.state = WAITING;
    this.#queue.addFirst(task);
  }

  /** A task is not on its way any more. */
  #leave(task: Task): void {
    this.route.release(task);
    this.#flow.remove(task);
  }

  #end(task: Task, status: number, value: unknown, micros: number): void {
    if (task.state === DONE) return;
    if (task.state === SENT) this.#leave(task);
    task.state = DONE;
    task.forget();
    task.cleanUp?.();
    this.#functions.unuse(task.fn);
    if (status === FAILED) this.#failed++;
    else this.#done++;
    this.#latencies.add(task.since, micros);
    try {
      task.job.settled(task, status, value);
    } catch (error) {
      throwAside(error); // the others have their results all the same
    }
    if (this.outstanding === 0) this.#rest();
  }

  #giveUpAll(why: () => unknown): void {
    // Before their tasks end, or they would take more from their sources.
    for (const map of this.#openMaps()) map.cut(why());
    // One by one: whoever hears of one may cancel others, which are to be found in the queue.
    for (let task; (task = this.#queue.take(1, Infinity)[0]) !== undefined;) this.#end(task, FAILED, why(), 0);
    for (const task of this.route.sent()) this.#end(task, FAILED, why(), 0);
    this.#rest();
  }

  /** Perhaps nothing is to be done any more. */
  #rest(): void {
    if (this.outstanding > 0 || this.#state === "closed" && this.#openMaps().length > 0) return;
    for (const run of this.#whenIdle.splice(0)) run();
    if (!this.#isAtRest || this.#isOver) return;
    this.route.finish();
    if (this.#crew.isEmpty) this.#letGo();
  }

  /** Whether it is closed, and nothing is left to do. */
  get #isAtRest(): boolean {
    return this.#state === "closed" && this.outstanding === 0 && this.#openMaps().length === 0;
  }

  /** The lazy maps that may submit more, and that somebody still has. */
  #openMaps(): LazyMap[] {
    return [...this.#lazyMaps].flatMap((ref) => ref.deref() ?? []);
  }

  #letGo(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#stopSpreading?.();
    this.scene.world.pools.delete(this);
    this.route.close();
  }
}
