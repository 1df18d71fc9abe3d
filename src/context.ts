/**
 * Contexts: what depends on the start method, bound to one.
 *
 * @module
 */
import type { Capabilities, StartMethod } from "./adapter.ts";
import { type ArrayMaker, arrayMaker, type RawArrayMaker, rawArrayMaker } from "./array.ts";
import { Barrier, type BarrierOptions } from "./barrier.ts";
import { Condition } from "./condition.ts";
import { ProcessError } from "./errors.ts";
import { Event } from "./event.ts";
import { Lock, RLock } from "./lock.ts";
import { BOOLEAN, check, shown } from "./options.ts";
import { type Connection, makePipe, type PipeOptions } from "./pipe.ts";
import { checkPoolSecond, Pool } from "./pool.ts";
import type { PoolOptions } from "./pool_options.ts";
import { checkProcessSecond, Process, type ProcessOptions } from "./process.ts";
import { JoinableQueue, Queue, type QueueOptions, SimpleQueue } from "./queue.ts";
import { type CurrentProcess, currentScene, MAIN_GUARD, type ParentProcess } from "./scene.ts";
import { BoundedSemaphore, Semaphore } from "./semaphore.ts";
import { type RawValueMaker, rawValueMaker, type ValueMaker, valueMaker } from "./value.ts";

const METHODS: readonly StartMethod[] = ["process", "thread", "inline"];

/** What depends on the start method, bound to one: what a context makes, it makes for that. */
export interface Context {
  /** {@linkcode Process} whose instances are of this start method. */
  readonly Process: typeof Process;
  /** {@linkcode Pool} whose workers are of this start method. */
  readonly Pool: typeof Pool;
  /** {@linkcode Queue} in this start method's memory. */
  readonly Queue: typeof Queue;
  /** {@linkcode SimpleQueue} in this start method's memory. */
  readonly SimpleQueue: typeof SimpleQueue;
  /** {@linkcode JoinableQueue} in this start method's memory. */
  readonly JoinableQueue: typeof JoinableQueue;
  /** {@linkcode Lock} in this start method's memory. */
  readonly Lock: typeof Lock;
  /** {@linkcode RLock} in this start method's memory. */
  readonly RLock: typeof RLock;
  /** {@linkcode Semaphore} in this start method's memory. */
  readonly Semaphore: typeof Semaphore;
  /** {@linkcode BoundedSemaphore} in this start method's memory. */
  readonly BoundedSemaphore: typeof BoundedSemaphore;
  /** {@linkcode Condition} in this start method's memory. */
  readonly Condition: typeof Condition;
  /** {@linkcode Event} in this start method's memory. */
  readonly Event: typeof Event;
  /** {@linkcode Barrier} in this start method's memory. */
  readonly Barrier: typeof Barrier;
  /** A value in this start method's memory. */
  readonly Value: ValueMaker;
  /** A value without a lock in this start method's memory. */
  readonly RawValue: RawValueMaker;
  /** An array in this start method's memory. */
  readonly Array: ArrayMaker;
  /** An array without a lock in this start method's memory. */
  readonly RawArray: RawArrayMaker;
  /** Two connected ends in this start method's memory. */
  Pipe(options?: PipeOptions): [Connection, Connection];
  /** This context, or that of another start method. */
  getContext(method?: StartMethod): Context;
  /** This context's start method. */
  getStartMethod(options?: { allowNone?: boolean }): StartMethod | null;
  /** Always throws {@linkcode ProcessError}: a context is bound to its start method. */
  setStartMethod(method: StartMethod, options?: { force?: boolean }): void;
  /** The start methods offered here, default first. */
  getAllStartMethods(): StartMethod[];
  /** The process that this code runs in. */
  currentProcess(): CurrentProcess;
  /** The process that started this one; null in the main process. */
  parentProcess(): ParentProcess | null;
  /** The children of the current process that have not ended. */
  activeChildren(): Process[];
  /** Logical processors of the machine. */
  cpuCount(): number;
  /** Logical processors that this process may use. */
  availableParallelism(): number;
}

const contexts = new Map<StartMethod, Context>();

/**
 * What depends on the start method, bound to one. Python: `multiprocessing.get_context()`.
 *
 * @param method By default the default context's, which is fixed by this.
 * @throws {RangeError} There is no such method, or this runtime does not offer it.
 */
export function getContext(method?: StartMethod): Context {
  const wanted = checkMethod(method ?? getStartMethod()!, "get a context for");
  let context = contexts.get(wanted);
  if (context === undefined) contexts.set(wanted, context = makeContext(wanted));
  return context;
}

/**
 * The default context's start method. Python: `multiprocessing.get_start_method()`.
 *
 * @param options `allowNone`: null while none was set or used, instead of fixing it.
 * @throws {TypeError} The options are wrong.
 */
export function getStartMethod(options?: { allowNone?: boolean }): StartMethod | null {
  if (options !== undefined) check(options, { allowNone: BOOLEAN }, "get the start method");
  const scene = currentScene();
  if (scene.method === null && options?.allowNone === true) return null;
  return scene.method ??= scene.defaultMethod();
}

/**
 * Sets the default context's start method, once. Python: `multiprocessing.set_start_method()`.
 *
 * @param options `force`: also if it was set or fixed before.
 * @throws {TypeError} The options are wrong.
 * @throws {ProcessError} It was set before.
 * @throws {RangeError} There is no such method, or this runtime does not offer it.
 */
export function setStartMethod(method: StartMethod, options?: { force?: boolean }): void {
  if (options !== undefined) check(options, { force: BOOLEAN }, "set the start method");
  const scene = currentScene();
  checkMethod(method, "set");
  if (scene.isBooting) {
    throw new ProcessError(`Cannot set the start method while the main module is being imported in a child. ${MAIN_GUARD}`);
  }
  if (scene.method !== null && options?.force !== true) {
    throw new ProcessError(
      `Cannot set the start method to "${method}": it has been set to "${scene.method}" already; use force, or getContext("${method}")`,
    );
  }
  scene.method = method;
}

/** The start methods that this runtime offers with the permissions that it has, the default first. */
export function getAllStartMethods(): StartMethod[] {
  return [...currentScene().world.adapter.can.startMethods];
}

/** What this runtime offers with the permissions that it has; `reasons` says why something is missing, and the way out. */
export function capabilities(): Capabilities {
  const { can } = currentScene().world.adapter;
  return { ...can, sharedMemory: { ...can.sharedMemory }, reasons: { ...can.reasons } };
}

/** How many logical processors the machine has. Python: `multiprocessing.cpu_count()`. */
export function cpuCount(): number {
  return currentScene().world.adapter.cores.all;
}

/** How many of them this process may use, as far as that is known: affinity and limits of a container count. Python: `os.process_cpu_count()`. */
export function availableParallelism(): number {
  return currentScene().world.adapter.cores.available;
}

/** The process that this code runs in. */
export function currentProcess(): CurrentProcess {
  return currentScene().self;
}

/** The process that started this one; null in the main process. */
export function parentProcess(): ParentProcess | null {
  return currentScene().parent;
}

/** The children of the current process that have not ended. */
export function activeChildren(): Process[] {
  return [...currentScene().children];
}

/**
 * The main guard: whether this module is the program that was started. False in every child, on every runtime.
 *
 * @param meta The module's `import.meta`.
 * @throws {TypeError} It is something else.
 */
export function isMain(meta: ImportMeta): boolean {
  if (typeof meta !== "object" || meta === null) {
    throw new TypeError(`Cannot tell whether this is the main module: pass import.meta, not ${shown(meta)}`);
  }
  const { world, parent } = currentScene();
  if (parent !== null || world.adapter.birth !== null) return false;
  const { main } = meta as { main?: boolean };
  return main ?? world.adapter.isMain(meta.url);
}

function makeContext(method: StartMethod): Context {
  const home = () => currentScene().home(method);
  // What is given behind the arguments goes on to the class, which refuses it.
  const bound = {
    Process: class extends Process {
      constructor(options?: ProcessOptions) {
        checkProcessSecond(arguments[1]);
        super(options, method);
      }
    },
    Pool: class extends Pool {
      constructor(options?: number | PoolOptions) {
        checkPoolSecond(arguments[1]);
        super(options, method);
      }
    },
    Queue: class<T> extends Queue<T> {
      constructor(options?: number | QueueOptions) {
        super(options, arguments[1] ?? home());
      }
    },
    SimpleQueue: class<T> extends SimpleQueue<T> {
      constructor() {
        super(arguments[0] ?? home());
      }
    },
    JoinableQueue: class<T> extends JoinableQueue<T> {
      constructor(options?: number | QueueOptions) {
        super(options, arguments[1] ?? home());
      }
    },
    Lock: class extends Lock {
      constructor() {
        super(arguments[0] ?? home());
      }
    },
    RLock: class extends RLock {
      constructor() {
        super(arguments[0] ?? home());
      }
    },
    Semaphore: class extends Semaphore {
      constructor(value?: number) {
        super(value, arguments[1] ?? home());
      }
    },
    BoundedSemaphore: class extends BoundedSemaphore {
      constructor(value?: number) {
        super(value, arguments[1] ?? home());
      }
    },
    Condition: class extends Condition {
      constructor(lock?: Lock | RLock | null) {
        super(lock, arguments[1] ?? home());
      }
    },
    Event: class extends Event {
      constructor() {
        super(arguments[0] ?? home());
      }
    },
    Barrier: class extends Barrier {
      constructor(parties: number, options?: BarrierOptions) {
        super(parties, options, arguments[2] ?? home());
      }
    },
  };
  for (const [name, cls] of Object.entries(bound)) Object.defineProperty(cls, "name", { value: name });
  return {
    ...bound as Pick<Context, keyof typeof bound>,
    Value: valueMaker(home),
    RawValue: rawValueMaker(home),
    Array: arrayMaker(home),
    RawArray: rawArrayMaker(home),
    Pipe: (options) => makePipe(home(), options),
    getContext: (other) => (other === undefined ? getContext(method) : getContext(other)),
    getStartMethod: () => method,
    setStartMethod() {
      throw new ProcessError(`Cannot set the start method of a context: this one is for "${method}"; use getContext() for another`);
    },
    getAllStartMethods,
    currentProcess,
    parentProcess,
    activeChildren,
    cpuCount,
    availableParallelism,
  };
}

function checkMethod(method: StartMethod, action: string): StartMethod {
  const offered = getAllStartMethods();
  if (offered.includes(method)) return method;
  if (!METHODS.includes(method)) {
    throw new RangeError(`Cannot ${action} start method "${String(method)}": it must be one of ${METHODS.join(", ")}`);
  }
  throw new RangeError(
    `Cannot ${action} start method "${method}": it is not offered here: ${
      capabilities().reasons[`startMethods.${method}`] ?? capabilities().runtime
    }`,
  );
}
