/** How Comlink calls workers of Node's kind. */
import { wrap } from "comlink";
import nodeEndpoint from "comlink/dist/esm/node-adapter.mjs";

/**
 * The function of a worker, to be called here.
 *
 * @param {import("node:worker_threads").Worker} worker
 * @returns {(n: number) => Promise<number>}
 */
export function connect(worker) {
  return wrap(nodeEndpoint(worker));
}
