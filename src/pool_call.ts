/**
 * How a worker calls the function of a task.
 *
 * @module
 */
import { decode, encode, type Message } from "./codec.ts";
import { describe, portable } from "./error_report.ts";
import { RemoteError } from "./errors.ts";
import { FAILED, FLAG_MAP, FLAG_STAR, OK, PARTLY } from "./pool_record.ts";
import { outside, type Scene } from "./scene.ts";
import { loadTarget, type TargetSpec } from "./target.ts";

/** Any function that a task may call. */
export type TaskFunction = (...args: unknown[]) => unknown;

/** A task's result, or what is to become one. */
export interface Outcome {
  readonly status: number;
  readonly value: unknown;
}

/** What came of some calls that are one task: their results, and the errors of those that failed. */
export interface Parts {
  readonly values: unknown[];
  readonly errors: (readonly [index: number, error: unknown])[];
}

/** The functions of a pool's tasks, as one worker has them. */
export class Functions {
  readonly #scene: Scene;
  readonly #find: (id: number) => TaskFunction | TargetSpec;
  readonly #loaded: (TaskFunction | Promise<TaskFunction> | undefined)[] = [];

  /** @param find Says what a number stands for. */
  constructor(scene: Scene, find: (id: number) => TaskFunction | TargetSpec) {
    this.#scene = scene;
    this.#find = find;
  }

  /** Whether the function is there. */
  has(id: number): boolean {
    return typeof this.#loaded[id] === "function";
  }

  /** The function; a promise while its module is imported, which rejects with what that throws. */
  get(id: number): TaskFunction | Promise<TaskFunction> {
    return this.#loaded[id] ?? this.#load(id);
  }

  #load(id: number): TaskFunction | Promise<TaskFunction> {
    const found = this.#find(id);
    if (typeof found === "function") return found;
    const loading = importFunction(this.#scene, found).then((fn) => this.#loaded[id] = fn);
    // The next task that needs it tries again: what a module waits for may be there by then.
    loading.catch(() => this.#loaded[id] = undefined);
    return this.#loaded[id] = loading;
  }
}

/** Imports the module of a function, as the start of a process does: it must not start anything by itself. */
export async function importFunction(scene: Scene, spec: TargetSpec): Promise<TaskFunction> {
  scene.isBooting = true;
  try {
    return await outside(() => loadTarget(spec)) as TaskFunction;
  } finally {
    scene.isBooting = false;
  }
}

/** Calls a task's function: a promise if that gives one. Errors are outcomes. */
export function call(fn: TaskFunction, flags: number, args: unknown[]): Outcome | Promise<Outcome> {
  if ((flags & FLAG_MAP) !== 0) return callAll(fn, args, (flags & FLAG_STAR) !== 0);
  try {
    const value = fn(...args);
    if (!isThenable(value)) return { status: OK, value };
    return Promise.resolve(value).then((value) => ({ status: OK, value }), failed);
  } catch (error) {
    return failed(error);
  }
}

/** Whole microseconds between two times of `performance.now()`, as far as 31 bits go. */
export function microsBetween(begun: number, ended: number): number {
  return Math.min((ended - begun) * 1000, 2 ** 31 - 1) | 0;
}

/** The outcome of an error. */
export function failed(error: unknown): Outcome {
  return { status: FAILED, value: error };
}

/** Calls a function once for each item, one after another. */
function callAll(fn: TaskFunction, items: unknown[], areLists: boolean): Outcome | Promise<Outcome> {
  const parts: Parts = { values: new Array(items.length), errors: [] };
  const { values, errors } = parts;
  const end = (): Outcome => (errors.length === 0 ? { status: OK, value: values } : { status: PARTLY, value: parts });
  const from = (first: number): Outcome | Promise<Outcome> => {
    for (let i = first; i < items.length; i++) {
      try {
        const value = areLists ? fn(...items[i] as unknown[]) : fn(items[i]);
        if (isThenable(value)) {
          return Promise.resolve(value).then((value) => void (values[i] = value), (error) => void errors.push([i, error]))
            .then(() => from(i + 1));
        }
        values[i] = value;
      } catch (error) {
        errors.push([i, error]);
      }
    }
    return end();
  };
  return from(0);
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (typeof value === "object" || typeof value === "function") && value !== null &&
    typeof (value as PromiseLike<unknown>).then === "function";
}

/** An outcome that can travel. The message is valid until the next. */
export interface EncodedOutcome extends Outcome {
  readonly message: Message;
}

/**
 * Encodes a task's outcome; what cannot travel becomes an error that says so.
 *
 * @param flags Those of the task.
 * @param isThread Whether buffers may be moved.
 * @param isLast Whether it was tried already with what can travel alone: a getter may give something else each time.
 */
export function encodeOutcome({ status, value }: Outcome, flags: number, isThread: boolean, isLast = false): EncodedOutcome {
  if (status === FAILED) value = portable(value);
  else if (status === PARTLY) value = portableParts(value as Parts);
  try {
    const dense = status === OK && (flags & FLAG_MAP) !== 0 ? value as unknown[] : undefined;
    return { status, value, message: encode(value, { path: "result", move: isThread, dense }) };
  } catch (error) {
    // Some of many results cannot travel: the others can.
    if (status === PARTLY && !isLast) return encodeOutcome(apart((value as Parts).values, (value as Parts).errors), flags, isThread, true);
    if (status === OK && (flags & FLAG_MAP) !== 0 && !isLast) return encodeOutcome(apart(value as unknown[]), flags, isThread, true);
    return encodeOutcome(failed(status === FAILED ? new RemoteError(describe(value)) : error), flags, false, true);
  }
}

function portableParts({ values, errors }: Parts): Parts {
  return { values, errors: errors.map(([i, error]) => [i, portable(error)]) };
}

/** The results one by one: those that cannot travel are errors. */
function apart(values: readonly unknown[], before: Parts["errors"] = []): Outcome {
  const parts: Parts = { values: [...values], errors: [...before] };
  for (const [i, value] of values.entries()) {
    try {
      encode(value, { path: "result" });
    } catch (error) {
      parts.values[i] = undefined;
      parts.errors.push([i, error]);
    }
  }
  return { status: PARTLY, value: parts };
}

/** Decodes a task's arguments; what cannot be read is the task's error. */
export function argumentsFrom(
  bytes: Uint8Array,
  at: number,
  byteLength: number,
  context: unknown,
  moved?: readonly ArrayBuffer[],
): unknown[] | Outcome {
  try {
    return decode(bytes, at, byteLength, context, moved) as unknown[];
  } catch (error) {
    return failed(error);
  }
}
