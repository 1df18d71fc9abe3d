/**
 * The task that a worker of a pool runs.
 *
 * @module
 */
import { ProcessError } from "./errors.ts";
import { currentScene, type Scene } from "./scene.ts";

/** A task, as the function sees it that it calls. */
export interface CurrentTask {
  /** Its number in its pool. */
  readonly id: number;
  /** Aborted when the task is cancelled, or its time is up. If it goes on for longer than the grace, its worker is killed. */
  readonly signal: AbortSignal;
  /** 1, and one more each time that it is tried again because its worker died. */
  readonly attempt: number;
  /** Tells how far it is: `value` comes to `onProgress` where the task was submitted. @throws {DataCloneError} It cannot travel. */
  progress(value: unknown): void;
}

/** The workers, by the scene that they are in: what each of them runs. */
const WORKERS = new WeakMap<Scene, () => CurrentTask | null>();

/** Makes a worker known. @param find What it runs now. */
export function setWorker(scene: Scene, find: () => CurrentTask | null): void {
  WORKERS.set(scene, find);
}

/**
 * The task that calls this.
 *
 * @throws {ProcessError} This is not called by a task of a pool.
 */
export function currentTask(): CurrentTask {
  const task = WORKERS.get(currentScene())?.() ?? null;
  if (task === null) throw new ProcessError("Cannot tell the current task: this is not called by a task of a pool");
  return task;
}
