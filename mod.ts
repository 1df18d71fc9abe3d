/**
 * Python's `multiprocessing` for JavaScript: pools, processes, queues and shared memory on Node.js, Deno and Bun, in browsers and on edge runtimes.
 *
 * @example
 * ```ts
 * import * as mp from "@polyproc/multiprocessing";
 *
 * export async function square(queue: mp.Queue<number>, n: number) {
 *   await queue.put(n * n);
 * }
 *
 * if (mp.isMain(import.meta)) {
 *   const queue = new mp.Queue<number>();
 *   const child = new mp.Process({ target: square, args: [queue, 7] }).start();
 *   console.log(await queue.get()); // 49
 *   await child.join();
 * }
 * ```
 *
 * @module
 */
import { adapter } from "#adapter";
import { startProgram } from "./src/boot.ts";

if (adapter.birth === null) startProgram(adapter);

export { Acquirable, Guard } from "./src/acquirable.ts";
export type { Capabilities, Permissions, RuntimeName, StartMethod } from "./src/adapter.ts";
export {
  Array,
  type ArrayExtras,
  type ArrayMaker,
  type Items,
  type Locked,
  type LockedArray,
  type LockedRecords,
  RawArray,
  type RawArrayMaker,
  RecordArray,
  type SharedArray,
  type SharedRecords,
  type TextExtras,
} from "./src/array.ts";
export { Barrier, type BarrierOptions } from "./src/barrier.ts";
export { type ClassCodec, move, registerClass } from "./src/codec.ts";
export { Condition } from "./src/condition.ts";
export {
  activeChildren,
  availableParallelism,
  capabilities,
  type Context,
  cpuCount,
  currentProcess,
  getAllStartMethods,
  getContext,
  getStartMethod,
  isMain,
  parentProcess,
  setStartMethod,
} from "./src/context.ts";
export { type CurrentTask, currentTask } from "./src/current_task.ts";
export type { ElementName, ElementOf, ElementType, TypedArrayOf } from "./src/element_type.ts";
export * from "./src/errors.ts";
export { Event } from "./src/event.ts";
export { Lock, RLock } from "./src/lock.ts";
export { type ExecutorMapOptions, type ExecutorOptions, ProcessPoolExecutor } from "./src/executor.ts";
export { asCompleted, type CompletedFuture, Future, type WaitedFutures, waitFutures, type WaitFuturesOptions } from "./src/future.ts";
export { setExecutable } from "./src/launch.ts";
export { getLogger, type LevelName, Logger, type LogHandler, type LogRecord, logToStderr } from "./src/log.ts";
export type { WaitOptions } from "./src/attempt.ts";
export { Connection, Pipe, type PipeOptions } from "./src/pipe.ts";
export { Pool, ThreadPool } from "./src/pool.ts";
export type { ImapOptions, MapOptions, PoolOptions, Progress, TaskOptions } from "./src/pool_options.ts";
export type { Latency, PoolEvent, PoolEvents, PoolStats, WorkerExit, WorkerStart, WorkerStats } from "./src/pool_stats.ts";
export { AsyncResult } from "./src/pool_task.ts";
export { Process, type ProcessOptions, type Target } from "./src/process.ts";
export { JoinableQueue, Queue, type QueueOptions, SimpleQueue } from "./src/queue.ts";
export type { CurrentProcess, ParentProcess } from "./src/scene.ts";
export { BoundedSemaphore, Semaphore } from "./src/semaphore.ts";
export type { LockOption } from "./src/shared_data.ts";
export { type ShareableItem, ShareableList } from "./src/shareable_list.ts";
export { SharedMemory, type SharedMemoryOptions } from "./src/shared_memory.ts";
export { SharedMemoryManager } from "./src/shared_memory_manager.ts";
export type { ApplyArguments, ArgumentsOf, ItemOf, ResultOf, Source, Sources } from "./src/signature.ts";
export { type ColumnsOf, type Fields, type RecordOf, Struct, StructType } from "./src/struct.ts";
export { module, registerModule, task, type TaskModule, type TaskReference } from "./src/target.ts";
export {
  LockedRecord,
  LockedValue,
  RawValue,
  type RawValueMaker,
  SharedRecord,
  SharedValue,
  type Unlocked,
  Value,
  type ValueMaker,
  type ValueOptions,
} from "./src/value.ts";
export { wait, type Waitable } from "./src/wait.ts";
