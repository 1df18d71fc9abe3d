/**
 * What workers run: functions of the library itself. Children alone load this; whoever starts them knows the names.
 *
 * @module
 */
import { registerOwn } from "./target.ts";

registerOwn("pool worker", async () => (await import("./pool_worker.ts")).work as never);
registerOwn("pipe worker", async () => (await import("./pool_pipe_worker.ts")).work as never);
