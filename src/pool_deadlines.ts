/**
 * When tasks are given up: their time is up, or their signal says so.
 *
 * @module
 */
import { limit, startClock } from "./clock.ts";
import { TimeoutError } from "./errors.ts";
import { performance } from "./host.ts";
import type { PoolCore } from "./pool_core.ts";
import { sited } from "./pool_site.ts";
import { SENT, type Task } from "./pool_task.ts";

/** How long ago a task began is known for some hours only: by then it is to have been looked at. */
const LOOK_MS = 3_600_000;
/** How much longer a task may take whose module its worker imports first, and how often to look whether that is done. */
const IMPORT_MS = 10_000, IMPORT_LOOK_MS = 10;

/** Gives a task up when its options say so; its `cleanUp` stops that. */
export function watch(task: Task, core: PoolCore): void {
  const { signal, timeout = Infinity, queueTimeout } = task.job.options;
  const late = () => {
    if (core.isRunning(task) || task.attempt > 1) return;
    core.cancel(task, sited(new TimeoutError(`The task was not started within ${queueTimeout} ms`), task.job.site));
  };
  const lift = limit({ timeout: queueTimeout, signal }, late, (reason) => core.cancel(task, reason));
  const stop = timeout === Infinity ? null : watchRun(task, core, timeout);
  task.cleanUp = () => {
    lift();
    stop?.();
  };
}

function watchRun(task: Task, core: PoolCore, timeout: number): () => void {
  const { route } = core, { seats } = route;
  /** `seen`: which beginning; `begun`: when that was, by this thread's clock; `late`: of which one the time was up when that was looked at. */
  let clock: { stop(): void }, seen = NaN, begun = 0, late: number | null = null;
  const look = () => {
    const seat = task.state === SENT ? route.runnerOf(task) : -1, began = seat < 0 ? NaN : seats.beganAt(seat);
    if (began !== seen) [seen, begun] = [began, performance.now() - (seat < 0 ? 0 : seats.ranFor(seat))];
    const isImporting = seat >= 0 && seats.isImporting(seat);
    const left = seat < 0 ? timeout : (isImporting ? timeout + IMPORT_MS : timeout) - (performance.now() - begun);
    if (left > 0) clock = startClock(Math.min(Math.max(left, 1), isImporting ? IMPORT_LOOK_MS : LOOK_MS), look);
    else if (!Object.is(began, late)) {
      // If this thread was busy, its result may be there in time, and be read in the next turn.
      late = began;
      clock = startClock(0, look);
    } else core.cancel(task, sited(new TimeoutError(`The task was not done within ${timeout} ms`), task.job.site));
  };
  clock = startClock(Math.min(timeout, LOOK_MS), look);
  return () => clock.stop();
}
