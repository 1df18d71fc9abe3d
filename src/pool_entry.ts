/**
 * What workers run: functions of the library itself, in modules that only workers load.
 *
 * @module
 */
import { registerOwn, type TaskReference } from "./target.ts";

/** Where memory is shared with them. */
export const WORKER: TaskReference = registerOwn("pool worker", async () => (await import("./pool_worker.ts")).work as never);
/** Elsewhere. */
export const PIPE_WORKER: TaskReference = registerOwn("pipe worker", async () => (await import("./pool_pipe_worker.ts")).work as never);
