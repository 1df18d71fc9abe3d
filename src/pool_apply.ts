/**
 * One call of a function.
 *
 * @module
 */
import { shown } from "./options.ts";
import type { PoolCore } from "./pool_core.ts";
import { NOTHING, TASK, type TaskOptions, taskOptions, tellProgress } from "./pool_options.ts";
import { FAILED } from "./pool_record.ts";
import { AsyncResult, cancellation, type Job, type ResultSource, Task } from "./pool_task.ts";
import type { Target } from "./process.ts";

/** Starts a call. */
export function startCall(core: PoolCore, fn: Target, args: readonly unknown[], options: TaskOptions | undefined): AsyncResult {
  const call = new Call(core, fn);
  try {
    if (!globalThis.Array.isArray(args)) throw new TypeError(`Cannot submit a task: args must be an array, it is ${shown(args)}`);
    call.options = taskOptions(options, TASK);
    core.submit(call.task, args, "args");
    call.site = core.site(); // now that it is on its way
  } catch (error) {
    call.result.settle(false, error);
  }
  return call.result;
}

class Call implements Job, ResultSource {
  readonly #core: PoolCore;
  readonly fn: Target;
  readonly flags = 0;
  readonly isPatient = false;
  readonly isRest = false;
  site: Error | null = null;
  options: TaskOptions = NOTHING;
  readonly task: Task = new Task(this, 1);
  readonly result: AsyncResult = new AsyncResult(this);

  constructor(core: PoolCore, fn: Target) {
    this.#core = core;
    this.fn = fn;
  }

  cancel(): boolean {
    return this.#core.cancel(this.task, cancellation("The task was cancelled"));
  }

  settled(_task: Task, status: number, value: unknown): void {
    this.result.settle(status !== FAILED, value);
    if (this.options.onProgress !== undefined) tellProgress(this.options, { done: 1, total: 1, failed: Number(status === FAILED) });
  }

  progressed(_task: Task, value: unknown): void {
    tellProgress(this.options, { done: 0, total: 1, failed: 0, value });
  }
}
