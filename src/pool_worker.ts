/**
 * A worker of a pool, where memory is shared:
 *
 * ```text
 *              tasks: one ring for all workers             this worker's stream of results
 *   owner ───────────────────────────────────────► worker ───────────────────────────────► owner
 *     ▲ │          who may run what: pool_memory.ts                                           ▲
 *     │ └──────────── news: look at what is to be cancelled, or whether to go                 │
 *     └──────────────────────── reports: news of the worker, large results, shared objects ───┘
 * ```
 *
 * It takes a record of tasks, and runs those that it gets by changing their entries.
 *
 * @module
 */
import { nextTurn } from "./clock.ts";
import { decode, encode, type Message, takeBuffers } from "./codec.ts";
import { type CurrentTask, setWorker } from "./current_task.ts";
import { portable } from "./error_report.ts";
import { Holding } from "./holding.ts";
import { AbortController, DOMException, performance } from "./host.ts";
import { UNIT } from "./layout.ts";
import { passengersOf, ringOf } from "./messages.ts";
import { type Attempt, PENDING } from "./attempt.ts";
import type { Parker } from "./park.ts";
import {
  argumentsFrom,
  call,
  encodeOutcome,
  failed,
  Functions,
  importFunction,
  microsBetween,
  type Outcome,
  type TaskFunction,
} from "./pool_call.ts";
import { NEWS_WAITERS, PoolMemory } from "./pool_memory.ts";
import { apartResult, cargoKey, FLAG_CARGO, readTasks, WITH_CARGO } from "./pool_record.ts";
import { LARGEST_STREAMED, Stream } from "./pool_stream.ts";
import type { Passenger } from "./record.ts";
import type { SimpleQueue } from "./queue.ts";
import type { Ring } from "./ring.ts";
import { currentScene, follow, type Scene } from "./scene.ts";
import type { SharedBlock } from "./shared_block.ts";
import type { TargetSpec } from "./target.ts";

/** What every worker is told. */
export interface WorkerRules {
  /** Run before any task. */
  readonly initializer: TargetSpec | number | null;
  readonly initargs: readonly unknown[];
  /** After so many tasks it ends; 0: never. */
  readonly maxTasks: number;
  /** When it uses more memory than that, in bytes, it ends; 0: never. */
  readonly maxMemoryBytes: number;
  /** Whether it blocks its thread while there is nothing to do. */
  readonly isBlocking: boolean;
  readonly nice: number;
}

/** What a worker is given. */
export interface WorkerOrders {
  readonly seat: number;
  readonly rules: WorkerRules;
  /** Whether buffers can be moved between it and the owner. */
  readonly isThread: boolean;
  readonly tasks: SimpleQueue;
  readonly reports: SimpleQueue;
  readonly stream: SharedBlock;
  readonly memory: SharedBlock;
  readonly epoch: number;
}

/** What a worker says of itself. */
export type WorkerNews =
  | { readonly type: "ready"; readonly seat: number }
  /** Its initializer failed. */
  | { readonly type: "failed"; readonly seat: number; readonly error: unknown }
  /** It needs the buffers of a task. */
  | { readonly type: "fetch"; readonly seat: number; readonly entry: number; readonly generation: number }
  /** A task tells how far it is. */
  | { readonly type: "progress"; readonly entry: number; readonly generation: number; readonly value: unknown };

interface Task {
  readonly entry: number;
  readonly generation: number;
  readonly fn: number;
  readonly flags: number;
  readonly id: number;
  readonly attempt: number;
  /** As bytes, if they need buffers that do not come with them, or the classes of a module that is not imported yet. */
  readonly args: unknown[] | Outcome | Uint8Array;
}

/** Tasks of one record, and the shared objects in those of their arguments that are still bytes. */
interface Batch {
  readonly tasks: readonly Task[];
  readonly kept: readonly Holding[];
}

/** After so much work on end, other things of the worker have a turn. */
const TURN_MS = 50;
/** How long it spins for its next task: what an owner needs that submits one as soon as it has the result of the last. */
const SPIN_MS = 0.06;
/** How often it says how much memory it uses. */
const MEMORY_MS = 250;

/** What a worker does. @param local Inline: the functions themselves. */
export async function work(orders: WorkerOrders, local: readonly TaskFunction[] | null = null): Promise<void> {
  const worker = new PoolWorker(orders, currentScene(), local);
  if (await worker.begin()) await worker.run();
  worker.end();
}

class PoolWorker {
  readonly #orders: WorkerOrders;
  readonly #scene: Scene;
  readonly #tasks: Ring;
  readonly #reports: Ring;
  readonly #stream: Stream;
  readonly #memory: PoolMemory;
  readonly #functions: Functions;
  /** Asked before the pool's memory is used: a thread that was terminated may run on for a while, when its seat and its stream are others'. */
  readonly #parker: Parker;
  /** On the owner's thread: then no wait of its own keeps the program alive. */
  readonly #isInline: boolean;
  #done = 0;
  /** The task that runs, what its function knows of it, and what tells that to stop. */
  #running: Task | null = null;
  #current: CurrentTask | null = null;
  #controller: AbortController | null = null;
  #isOver = false;
  #turnAt = performance.now();
  /** When the last task was done, and so when the next began: to look at the clock takes longer than a small task. */
  #now = 0;
  #memoryAt = -Infinity;

  constructor(orders: WorkerOrders, scene: Scene, local: readonly TaskFunction[] | null) {
    const { tasks, reports, stream, memory, epoch } = orders;
    this.#orders = orders;
    this.#scene = scene;
    this.#isInline = local !== null;
    this.#tasks = ringOf(tasks);
    this.#reports = ringOf(reports);
    this.#stream = new Stream(stream);
    this.#memory = new PoolMemory(memory.place.words, memory.place.at, epoch);
    this.#parker = memory.place.me.parker;
    this.#functions = new Functions(scene, (id) => local?.[id] ?? this.#describe(id));
    setWorker(scene, () => this.#running === null ? null : this.#current ??= this.#describeTask(this.#running));
  }

  /** Prepares for the work. False if it cannot. */
  async begin(): Promise<boolean> {
    const { seat, rules: { initializer, initargs, nice } } = this.#orders;
    if (!this.#isInline) this.#scene.world.adapter.serve(nice);
    try {
      if (initializer !== null) {
        const fn = await (typeof initializer === "number" ? this.#functions.get(initializer) : importFunction(this.#scene, initializer));
        await fn(...initargs);
      }
    } catch (error) {
      this.#say({ type: "failed", seat, error: portable(error) });
      return false;
    }
    this.#say({ type: "ready", seat });
    void this.#hearNews();
    return true;
  }

  /** Runs tasks until there are none, and will be none. */
  async run(): Promise<void> {
    const { maxTasks, maxMemoryBytes } = this.#orders.rules;
    for (let batch; (batch = await this.#next()) !== null;) {
      const before = this.#done;
      this.#now = performance.now();
      try {
        for (const task of batch.tasks) {
          if (!this.#begin(task)) continue;
          const later = this.#run(task);
          if (later !== undefined) {
            await later;
            this.#now = performance.now();
          }
          if (this.#isEnded) return;
          if (++this.#done === maxTasks) return;
        }
      } finally {
        for (const holding of batch.kept) holding.close();
      }
      this.#sayMemory();
      // One that has done nothing stays, or nothing would ever be done.
      if (maxMemoryBytes > 0 && this.#done > before && this.#scene.world.adapter.memoryUsed() > maxMemoryBytes) return;
      if (this.#now - this.#turnAt > TURN_MS) await this.#haveATurn();
      if (this.#isEnded) return;
    }
  }

  /** Whether this was an inline task that was ended: it does not know by itself, and the memory may be others' by now. */
  get #isEnded(): boolean {
    return this.#orders.memory.place.me.isGone;
  }

  /** Lets go of what it was given. */
  end(): void {
    const { tasks, reports, memory } = this.#orders;
    this.#isOver = true;
    this.#stream.close();
    for (const object of [tasks, reports, memory]) object.close();
  }

  async #haveATurn(): Promise<void> {
    await nextTurn();
    this.#turnAt = performance.now();
  }

  /** The next tasks; null: there are none, and will be none. */
  #next(): Batch | null | Promise<Batch | null> {
    const tasks = this.#attempt.attempt(false);
    if (tasks !== PENDING) return tasks;
    const { memory: { place: { me, scope } }, rules: { isBlocking } } = this.#orders;
    const never = () => null;
    if (isBlocking) return me.parker.sleepSync<Batch | null>(this.#tasks.notEmpty, this.#attempt, undefined, never);
    return me.parker.tasks.sleep<Batch | null>(this.#tasks.notEmpty, this.#attempt, undefined, never, scope, !this.#isInline);
  }

  readonly #attempt: Attempt<Batch | null> = {
    attempt: () => {
      if (this.#memory.isRetired(this.#orders.seat)) return null;
      // The flags before the ring: once they say that nothing more comes, what is in the ring is all there is.
      const { flags } = this.#tasks;
      const tasks = this.#tasks.tryGet(this.#read);
      return tasks === PENDING && flags !== 0 ? null : tasks;
    },
    more: () => this.#tasks.size > 0,
    spinMs: SPIN_MS,
    goesFirst: true,
  };

  readonly #read = (bytes: Uint8Array, offset: number, length: number, passengers: readonly Passenger[]): Batch => {
    const tasks: Task[] = [];
    const { home, me } = this.#orders.memory.place;
    readTasks(bytes, offset, length, (entry, generation, fn, flags, id, attempt, at, byteLength) => {
      const isReadable = (flags & FLAG_CARGO) === 0 && (this.#isInline || this.#functions.has(fn));
      const args = isReadable ? argumentsFrom(bytes, at, byteLength, home) : bytes.slice(at, at + byteLength);
      tasks.push({ entry, generation, fn, flags, id, attempt, args });
    });
    const isRead = tasks.every(({ args }) => !(args instanceof Uint8Array));
    return { tasks, kept: isRead ? [] : passengers.map(({ block, holding }) => new Holding(me, block, holding)) };
  };

  /** Takes a task on. False if it is another's, or nobody's. */
  #begin({ entry, generation }: Task): boolean {
    this.#parker.begin();
    try {
      return this.#memory.begin(entry, generation, this.#orders.seat, this.#now);
    } finally {
      this.#parker.end();
    }
  }

  /** Runs a task, and sends its result. Undefined: that is done. */
  #run(task: Task): void | Promise<void> {
    this.#running = task;
    if (!(task.args instanceof Uint8Array)) return this.#start(task);
    this.#import(false);
    return this.#unpack(task, task.args).then((args) => this.#startLate({ ...task, args }));
  }

  /** After an import. That comes once, and its time would say nothing of the tasks that follow. */
  #startLate(task: Task): void | Promise<void> {
    this.#import(true);
    return this.#start(task);
  }

  /** Says that it begins to import something for its task, or has done so. */
  #import(isDone: boolean): void {
    this.#now = performance.now();
    if (this.#isEnded) return;
    this.#parker.begin();
    try {
      this.#memory.import(this.#orders.seat, isDone, this.#now);
    } finally {
      this.#parker.end();
    }
  }

  #start(task: Task): void | Promise<void> {
    const fn = Array.isArray(task.args) ? this.#functions.get(task.fn) : null;
    if (!(fn instanceof Promise)) return this.#call(task, fn);
    this.#import(false);
    return fn.then(() => this.#startLate(task), (error) => {
      this.#import(true);
      return this.#finish(task, failed(error), this.#now);
    });
  }

  /** Calls a task's function. @param fn Null: the arguments are the outcome, since they cannot be read. */
  #call(task: Task, fn: TaskFunction | null): void | Promise<void> {
    const begun = this.#now;
    const outcome = fn === null
      ? task.args as Outcome
      : this.#isInline
      ? this.#callInline(task, fn)
      : call(fn, task.flags, task.args as unknown[]);
    if (outcome instanceof Promise) return outcome.then((outcome) => this.#finish(task, outcome, begun));
    return this.#finish(task, outcome, begun);
  }

  /** Where nothing follows an inline task through its awaits, it knows at least at its start who it is. */
  #callInline({ flags, args }: Task, fn: TaskFunction): Outcome | Promise<Outcome> {
    return follow(this.#scene.world.adapter, this.#scene, () => call(fn, flags, args as unknown[]));
  }

  /** Reads arguments once their module is imported, and their buffers are here. */
  async #unpack(task: Task, bytes: Uint8Array): Promise<unknown[] | Outcome> {
    try {
      await this.#functions.get(task.fn);
    } catch (error) {
      return failed(error);
    }
    const moved = (task.flags & FLAG_CARGO) === 0 ? undefined : await this.#fetch(task);
    return argumentsFrom(bytes, 0, bytes.length, this.#orders.memory.place.home, moved);
  }

  /** Gets the buffers of a task from the owner. */
  #fetch({ entry, generation }: Task): Promise<readonly ArrayBuffer[]> {
    return new Promise((resolve) => {
      this.#scene.world.cargo.take(cargoKey(entry, generation), resolve);
      this.#say({ type: "fetch", seat: this.#orders.seat, entry, generation });
    });
  }

  #finish({ entry, generation, flags }: Task, outcome: Outcome, begun: number): void | Promise<void> {
    this.#running = this.#current = this.#controller = null;
    if (this.#isEnded) return;
    const { isThread } = this.#orders;
    let { status, message } = encodeOutcome(outcome, flags, isThread), { moved } = message;
    try {
      if (moved.length > 0) moved = takeBuffers(moved);
    } catch (error) {
      ({ status, message } = encodeOutcome(failed(error), 0, false));
      ({ moved } = message);
    }
    this.#now = performance.now();
    const micros = microsBetween(begun, this.#now);
    if (message.byteLength > LARGEST_STREAMED || message.shared.length > 0 || moved.length > 0) {
      this.#reportResult(entry, generation, status | (moved.length > 0 ? WITH_CARGO : 0), micros, message);
      // Behind the result: its buffers are gone from here.
      if (moved.length > 0) this.#scene.world.sendCargo(cargoKey(entry, generation), moved);
      this.#now = performance.now();
    } else if (this.#write(entry, generation, status, micros, message)) return this.#wake();
    else {
      const kept = message.copy();
      const later = { ...message, byteLength: kept.length, writeTo: (target: Uint8Array, offset: number) => target.set(kept, offset) };
      return this.#sendLater(() => this.#write(entry, generation, status, micros, later));
    }
    this.#rest();
  }

  /** Writes a result, and has no task any more. False if there is no room for it now. */
  #write(entry: number, generation: number, status: number, micros: number, message: Message): boolean {
    this.#parker.begin();
    try {
      if (!this.#stream.write(entry, generation, status, micros, message)) return false;
      this.#memory.rest(this.#orders.seat);
      return true;
    } finally {
      this.#parker.end();
    }
  }

  #rest(): void {
    this.#parker.begin();
    try {
      this.#memory.rest(this.#orders.seat);
    } finally {
      this.#parker.end();
    }
  }

  /** Sends a result that is large, or has shared objects in it. */
  #reportResult(entry: number, generation: number, status: number, micros: number, message: Message): void {
    try {
      this.#report(apartResult(entry, generation, status, micros, message));
    } catch (error) {
      // There is no room for it.
      const { status, message } = encodeOutcome(failed(error), 0, false);
      this.#report(apartResult(entry, generation, status, micros, message));
    }
  }

  /** Waits until the owner has read some results. */
  async #sendLater(write: () => boolean): Promise<void> {
    this.#wake();
    await this.#stream.whenRoom(() => this.#isEnded || write());
    this.#wake();
  }

  /** Rings the owner, if it sleeps. */
  #wake(): void {
    const { words, at } = this.#reports.notEmpty;
    if (Atomics.load(words, at) !== 0) this.#orders.memory.place.me.parker.wakeOne(words, at);
  }

  #say(news: WorkerNews): void {
    this.#report(encode(news, { path: "" }));
  }

  #report(message: Message): void {
    this.#reports.tryPut(this.#reports.prepare(message, passengersOf(this.#orders.memory.place.me, message.shared)), () => {});
  }

  #sayMemory(): void {
    const now = performance.now();
    if (this.#isInline || now - this.#memoryAt < MEMORY_MS) return;
    this.#memoryAt = now;
    const used = this.#scene.world.adapter.memoryUsed();
    this.#parker.begin();
    try {
      this.#memory.sayMemory(this.#orders.seat, used);
    } finally {
      this.#parker.end();
    }
  }

  /** Looks at what is to be cancelled, while a task waits for something. */
  async #hearNews(): Promise<void> {
    const { place } = this.#orders.memory;
    let before = this.#memory.news;
    const what: Attempt<boolean> = { attempt: () => this.#memory.news !== before || PENDING, more: () => false, isBackground: true };
    try {
      while (!this.#isOver) {
        before = this.#memory.news;
        this.#lookAtCancelled();
        await place.me.parker.tasks.sleep(place.waitSet(NEWS_WAITERS), what, undefined, () => false, place.scope, !this.#isInline);
      }
    } catch {
      // The memory was let go of: it is over, or this task on the owner's thread was ended.
    }
  }

  #lookAtCancelled(): void {
    const task = this.#running;
    if (task === null || !this.#memory.isCancelled(this.#orders.seat, task.entry, task.generation)) return;
    this.#controller?.abort(new DOMException("The task was cancelled, or its time is up", "AbortError"));
  }

  /** What the function of a task knows of it. */
  #describeTask({ id, attempt, entry, generation }: Task): CurrentTask {
    const controller = this.#controller = new AbortController();
    const look = () => {
      // Also for one that computes, and lets no news in.
      if (this.#controller === controller) this.#lookAtCancelled();
    };
    look();
    return {
      id,
      attempt,
      get signal() {
        look();
        return controller.signal;
      },
      progress: (value) => this.#isEnded || this.#say({ type: "progress", entry, generation, value }),
    };
  }

  #describe(id: number): TargetSpec {
    const { units, byteLength } = this.#memory.functionAt(id);
    return decode(this.#orders.memory.place.me.arena.bytes(units * UNIT, byteLength)) as TargetSpec;
  }
}
