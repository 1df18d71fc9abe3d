/**
 * A worker of a pool, where no memory is shared: see `pool_pipes.ts`.
 *
 * @module
 */
import type { Port } from "./adapter.ts";
import { decode, encode, type Message, messageFrom } from "./codec.ts";
import { type CurrentTask, setWorker } from "./current_task.ts";
import { portable } from "./error_report.ts";
import { SEND_ENCODED } from "./home.ts";
import { AbortController, DOMException, performance } from "./host.ts";
import type { Connection } from "./pipe.ts";
import {
  argumentsFrom,
  call,
  type EncodedOutcome,
  encodeOutcome,
  failed,
  Functions,
  importFunction,
  microsBetween,
  type Outcome,
} from "./pool_call.ts";
import { FLAG_CARGO, readTasks } from "./pool_record.ts";
import type { WorkerRules } from "./pool_worker.ts";
import * as W from "./pool_words.ts";
import { currentScene, type Scene } from "./scene.ts";
import type { TargetSpec } from "./target.ts";

/** What such a worker is given. */
export interface PipeOrders {
  readonly rules: WorkerRules;
  /** For arguments and values with shared objects in them. */
  readonly connection: Connection;
}

/** A task, as it came. */
interface Task {
  /** Its number as long as it is here. */
  readonly which: number;
  readonly id: number;
  readonly attempt: number;
  readonly fn: number;
  readonly flags: number;
  /** Its arguments, encoded. */
  readonly args: Uint8Array;
  /** Whether it was given up. */
  isCancelled: boolean;
}

/** How often it says how much memory it uses, unless that is limited. */
const MEMORY_MS = 250;

/** What a worker does. */
export async function work(orders: PipeOrders): Promise<void> {
  const worker = new PipeWorker(orders, currentScene());
  if (await worker.begin()) await worker.run();
  orders.connection.close();
}

class PipeWorker {
  readonly #rules: WorkerRules;
  readonly #connection: Connection;
  readonly #scene: Scene;
  readonly #port: Port;
  readonly #isThread: boolean;
  readonly #specs: TargetSpec[] = [];
  readonly #functions: Functions;
  /** Those that it has not begun. */
  #hand: Task[] = [];
  /** The one that it has said it begins, or is at; whether it does not run yet, and is to be given back. */
  #begun: Task | null = null;
  #isBeginning = false;
  #isRecalled = false;
  /** What its function knows of it, and what tells that to stop. */
  #current: CurrentTask | null = null;
  #controller: AbortController | null = null;
  #isRunning = false;
  #isRetired = false;
  /** Goes on when there are words. */
  #wake: (() => void) | null = null;
  #mayGo = false;
  /** Settles when what goes through the pipe was accepted, which is said then. */
  #apart: Promise<void> | null = null;
  #done = 0;
  #kib = 0;
  #kibAt = -Infinity;

  constructor({ rules, connection }: PipeOrders, scene: Scene) {
    const { kind, port } = scene.world.adapter.birth!;
    this.#rules = rules;
    this.#connection = connection;
    this.#scene = scene;
    this.#port = port;
    this.#isThread = kind === "thread";
    this.#functions = new Functions(scene, (id) => this.#specs[id]);
    setWorker(scene, () => this.#isRunning ? this.#current ??= this.#describe(this.#begun!) : null);
  }

  /** Prepares for the work. False if it cannot. */
  async begin(): Promise<boolean> {
    const { initializer, initargs, nice } = this.#rules;
    this.#scene.world.adapter.serve(nice);
    this.#scene.world.words.open((bytes) => this.#hear(bytes));
    try {
      if (initializer !== null) await (await importFunction(this.#scene, initializer as TargetSpec))(...initargs);
    } catch (error) {
      this.#say(W.UNFIT, 0, [], encode(portable(error), { path: "error" }));
      await this.#port.flushed();
      return false;
    }
    this.#say(W.READY, this.#port.caughtUp === null ? 0 : W.ATTENTIVE);
    return true;
  }

  /** Runs tasks until it is not needed any more. */
  async run(): Promise<void> {
    for (let isLast = false; !isLast;) {
      const task = this.#begun ?? await this.#next();
      if (task === null) break;
      if (await this.#begin(task)) isLast = await this.#run(task);
      else this.#begun = null;
    }
    await this.#port.flushed();
  }

  #hear(bytes: Uint8Array): void {
    const { what, which } = W.readWords(bytes);
    switch (what) {
      case W.LEARN:
        this.#specs[which] = decode(bytes, W.PAYLOAD_AT) as TargetSpec;
        return;
      case W.TASKS:
        readTasks(bytes, W.PAYLOAD_AT, bytes.length - W.PAYLOAD_AT, (which, _generation, fn, flags, id, attempt, at, byteLength) => {
          this.#hand.push({ which, id, attempt, fn, flags, args: bytes.subarray(at, at + byteLength), isCancelled: false });
        });
        break;
      case W.CANCEL:
        return this.#cancel(which);
      case W.RECALL:
        // But for those of which a part comes through the pipe.
        this.#hand = this.#hand.filter(isApart);
        this.#isRecalled = this.#isBeginning && !isApart(this.#begun!);
        return;
      case W.GO:
        this.#mayGo = true;
        break;
      case W.RETIRE:
        this.#isRetired = true;
    }
    this.#wake?.();
  }

  #cancel(which: number): void {
    const task = [this.#begun, ...this.#hand].find((task) => task?.which === which);
    if (!task) return;
    task.isCancelled = true;
    if (task === this.#begun) this.#controller?.abort(cancelled());
    else if (!isApart(task)) {
      this.#hand = this.#hand.filter((other) => other !== task);
      this.#say(W.RETURNED, 0, [which]);
    }
  }

  /** The next task; null: there is none, and will be none. */
  async #next(): Promise<Task | null> {
    while (this.#hand.length === 0 && !this.#isRetired) await this.#words();
    return this.#hand.shift() ?? null;
  }

  #words(): Promise<void> {
    return new Promise((resolve) => this.#wake = resolve);
  }

  /**
   * Says that it begins a task, unless that was said with the result before, and sees to it that this is not lost with it. Then it hears what was said before: that the task is to be given back, perhaps.
   * The owner says that, and then hears what was said here. So one of the two is heard in time, and what the owner takes to be given back is not begun.
   *
   * @return Whether it is to run.
   */
  async #begin(task: Task): Promise<boolean> {
    if (this.#begun === null) {
      this.#begun = task;
      this.#isBeginning = true;
      this.#mayGo = false;
      this.#say(W.BEGUN, this.#importing(task) | (this.#isThread ? W.AWAITED : 0), [task.which]);
    }
    await this.#port.flushed();
    if (this.#isThread) { while (!this.#mayGo) await this.#words(); }
    else await this.#port.caughtUp?.();
    const isToRun = this.#isRunning = !this.#isRecalled;
    if (!isToRun) this.#say(W.RETURNED, 0, [task.which]);
    this.#isBeginning = this.#isRecalled = false;
    return isToRun;
  }

  #importing({ fn }: Task): number {
    return this.#functions.has(fn) ? 0 : W.IMPORTING;
  }

  /** Runs it, and says what became of it. @return Whether it was the last one. */
  async #run(task: Task): Promise<boolean> {
    let fn = this.#functions.get(task.fn), outcome: Outcome | null = null;
    if (fn instanceof Promise) {
      try {
        fn = await fn;
      } catch (error) {
        outcome = failed(error);
      }
      this.#say(W.BEGUN, 0, [task.which]);
    }
    const args = await this.#argumentsOf(task);
    const start = performance.now();
    if (outcome === null && !Array.isArray(args)) outcome = args;
    // It may have been given up meanwhile.
    if (task.isCancelled) outcome = failed(this.#controller?.signal.reason ?? cancelled());
    if (outcome === null) {
      const calling = call(fn as Exclude<typeof fn, Promise<unknown>>, task.flags, args as unknown[]);
      outcome = calling instanceof Promise ? await calling : calling;
    }
    const micros = microsBetween(start, performance.now());
    this.#isRunning = false;
    this.#current = this.#controller = null;
    if (this.#apart !== null) await this.#apart; // what it said of itself
    return this.#finish(task, encodeOutcome(outcome, task.flags, false), micros);
  }

  /** Its arguments; those with shared objects in them come through the pipe. */
  #argumentsOf(task: Task): unknown[] | Outcome | Promise<unknown[] | Outcome> {
    const { args } = task;
    if (!isApart(task)) return argumentsFrom(args, 0, args.length, undefined);
    return this.#connection.recv().catch(failed) as Promise<unknown[] | Outcome>;
  }

  /** Says what became of a task, and that the next one begins. @return Whether it was the last one. */
  async #finish(task: Task, outcome: EncodedOutcome, micros: number): Promise<boolean> {
    const { message } = outcome, hasShared = message.shared.length > 0;
    const value = hasShared ? messageFrom(message.copy(), message.shared) : message;
    const isLast = this.#isLast();
    const next = this.#begun = isLast ? null : this.#hand.shift() ?? null;
    this.#isBeginning = next !== null;
    const flags = (isLast ? W.LAST : 0) | (next === null ? 0 : this.#importing(next));
    const report = (status: number, value?: Message) => {
      const numbers = [task.which, status, micros, this.#kib, next?.which ?? 0];
      this.#say(W.RESULT, value === undefined ? flags | W.APART : flags, numbers, value);
    };
    try {
      if (hasShared) await this.#connection[SEND_ENCODED](value);
      report(outcome.status, hasShared ? undefined : value);
    } catch (error) {
      const { status, message } = encodeOutcome(failed(error), 0, false);
      report(status, message); // it is too large, say
    }
    return isLast;
  }

  /** Whether enough was done. */
  #isLast(): boolean {
    const { maxTasks, maxMemoryBytes } = this.#rules, now = performance.now();
    if (maxMemoryBytes > 0 || now - this.#kibAt > MEMORY_MS) {
      this.#kib = this.#scene.world.adapter.memoryUsed() / 1024;
      this.#kibAt = now;
    }
    return ++this.#done === maxTasks || maxMemoryBytes > 0 && this.#kib * 1024 > maxMemoryBytes;
  }

  #describe({ which, id, attempt, isCancelled }: Task): CurrentTask {
    const controller = this.#controller = new AbortController();
    if (isCancelled) controller.abort(cancelled());
    const progress = (value: unknown) => {
      const message = encode(value, { path: "value" }); // throws where it cannot travel
      if (message.shared.length === 0 && this.#apart === null) return this.#say(W.PROGRESS, 0, [which], message);
      const kept = messageFrom(message.copy(), message.shared);
      const said = this.#apart = Promise.all([this.#connection[SEND_ENCODED](kept), this.#apart]).then(() => {
        this.#say(W.PROGRESS, W.APART, [which]);
      }).catch(() => {}).finally(() => {
        if (this.#apart === said) this.#apart = null;
      });
    };
    return { id, attempt, signal: controller.signal, progress };
  }

  #say(what: number, flags: number, numbers: readonly number[] = [], value?: Message): void {
    this.#port.post(W.writeWords(what, flags, numbers, value));
  }
}

/** Whether its arguments come through the pipe. */
function isApart({ flags }: Task): boolean {
  return (flags & FLAG_CARGO) !== 0;
}

function cancelled(): DOMException {
  return new DOMException("The task was cancelled, or its time is up", "AbortError");
}
