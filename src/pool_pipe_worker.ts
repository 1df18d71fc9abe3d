/**
 * A worker of a pool, where no memory is shared: see `pool_pipes.ts`.
 *
 * @module
 */
import { encode, messageFrom } from "./codec.ts";
import { type CurrentTask, setWorker } from "./current_task.ts";
import { portable } from "./error_report.ts";
import { EOFError } from "./errors.ts";
import { SEND_ENCODED } from "./home.ts";
import { AbortController, DOMException, performance } from "./host.ts";
import type { Connection } from "./pipe.ts";
import { call, encodeOutcome, failed, Functions, importFunction, microsBetween, type Outcome } from "./pool_call.ts";
import type { WorkerRules } from "./pool_worker.ts";
import { currentScene, type Scene } from "./scene.ts";
import type { TargetSpec } from "./target.ts";

/** What such a worker is given. */
export interface PipeOrders {
  readonly rules: WorkerRules;
  readonly connection: Connection;
}

/** A task: its arguments come behind it, as a message of their own. */
interface PipeTask {
  readonly type: "task";
  /** What tells it, and this attempt at it, from any other. */
  readonly key: string;
  readonly id: number;
  readonly attempt: number;
  readonly fn: number;
  readonly flags: number;
}

/** What a worker is told. */
export type PipeWords =
  | PipeTask
  /** What the function of the next task is: imported before that comes, since its arguments may be of that module's classes. */
  | { readonly type: "learn"; readonly key: string; readonly fn: number; readonly spec: TargetSpec }
  | { readonly type: "cancel"; readonly key: string }
  | { readonly type: "retire" };

/** What a worker says. */
export type PipeNews =
  | { readonly type: "ready" }
  | { readonly type: "failed"; readonly error: unknown }
  /** As the owner hears it: something of its classes cannot be read there. */
  | { readonly type: "unreadable"; readonly error: unknown }
  /** It runs a task: whoever dies before that has not touched it. */
  | { readonly type: "begun"; readonly key: string }
  | { readonly type: "progress"; readonly key: string; readonly value: unknown }
  /** The value comes behind it, as a message of its own. */
  | {
    readonly type: "result";
    readonly key: string;
    readonly status: number;
    readonly micros: number;
    readonly memory: number;
    /** Whether it takes no more tasks. */
    readonly isLast: boolean;
    readonly value?: unknown;
  };

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
  readonly #specs: TargetSpec[] = [];
  readonly #functions: Functions;
  /** The task whose function could not be imported, and why. */
  #unlearned: { readonly key: string; readonly error: unknown } | null = null;
  #current: CurrentTask | null = null;
  #controller: AbortController | null = null;
  #running: string | null = null;
  #done = 0;

  constructor({ rules, connection }: PipeOrders, scene: Scene) {
    this.#rules = rules;
    this.#connection = connection;
    this.#scene = scene;
    this.#functions = new Functions(scene, (id) => this.#specs[id]);
    setWorker(scene, () => this.#current);
  }

  /** Prepares for the work. False if it cannot. */
  async begin(): Promise<boolean> {
    const { initializer, initargs, nice } = this.#rules;
    this.#scene.world.adapter.serve(nice);
    try {
      if (initializer !== null) await (await importFunction(this.#scene, initializer as TargetSpec))(...initargs);
    } catch (error) {
      await this.#say({ type: "failed", error: portable(error) });
      return false;
    }
    await this.#say({ type: "ready" });
    return true;
  }

  /** Runs tasks until it is not needed any more. */
  async run(): Promise<void> {
    let running: Promise<void> | null = null;
    try {
      for (let words; (words = await this.#connection.recv() as PipeWords).type !== "retire";) {
        if (words.type === "cancel") {
          if (words.key === this.#running) {
            this.#controller?.abort(new DOMException("The task was cancelled, or its time is up", "AbortError"));
          }
        } else if (words.type === "learn") await this.#learn(words);
        else running = this.#run(words);
      }
    } catch (error) {
      // The owner is gone, or enough was done.
      if (!(error instanceof EOFError) && !this.#connection.closed) throw error;
    }
    await running;
  }

  /** Imports a function's module. Whatever that does is done by the task that needs it. */
  async #learn({ key, fn, spec }: PipeWords & { type: "learn" }): Promise<void> {
    this.#specs[fn] = spec;
    await this.#say({ type: "begun", key });
    try {
      await this.#functions.get(fn);
    } catch (error) {
      this.#unlearned = { key, error };
    }
  }

  async #run({ key, id, attempt, fn, flags }: PipeTask): Promise<void> {
    // Said first: whatever reading them does is done by the task.
    const begun = this.#say({ type: "begun", key });
    const reading = this.#connection.recv().catch(failed) as Promise<unknown[] | Outcome>;
    const controller = this.#controller = new AbortController();
    this.#running = key;
    const progress = (value: unknown) => {
      encode(value, { path: "value" }); // throws where it cannot travel
      this.#say({ type: "progress", key, value }).catch(() => {});
    };
    this.#current = { id, attempt, signal: controller.signal, progress };
    const [args] = await Promise.all([reading, begun]);
    const found = this.#unlearned?.key === key
      ? failed(this.#unlearned.error)
      : Array.isArray(args)
      ? await Promise.resolve(this.#functions.get(fn)).catch(failed)
      : args;
    const start = performance.now();
    // It may have been given up meanwhile.
    const outcome = controller.signal.aborted
      ? failed(controller.signal.reason)
      : await (typeof found === "function" ? call(found, flags, args as unknown[]) : found);
    const micros = microsBetween(start, performance.now());
    this.#running = this.#current = this.#controller = null;
    const { status, message } = encodeOutcome(outcome, flags, false);
    const value = messageFrom(message.copy(), message.shared);
    const memory = this.#scene.world.adapter.memoryUsed();
    const { maxTasks, maxMemoryBytes } = this.#rules;
    const isLast = ++this.#done === maxTasks || maxMemoryBytes > 0 && memory > maxMemoryBytes;
    await Promise.all([this.#say({ type: "result", key, status, micros, memory, isLast }), this.#connection[SEND_ENCODED](value)]);
    if (isLast) this.#connection.close();
  }

  #say(news: PipeNews): Promise<void> {
    return this.#connection.send(news);
  }
}
