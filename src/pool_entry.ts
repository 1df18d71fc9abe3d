/**
 * What workers run: functions of the library itself. Children alone load this; whoever starts them knows the names.
 *
 * @module
 */
import { work as workByPipe } from "./pool_pipe_worker.ts";
import { work } from "./pool_worker.ts";
import { registerOwn } from "./target.ts";

registerOwn("pool worker", work as never);
registerOwn("pipe worker", workByPipe as never);
