/** What workers of Comlink run. */
import { expose } from "comlink";
import nodeEndpoint from "comlink/dist/esm/node-adapter.mjs";
import { parentPort } from "node:worker_threads";

expose((n) => n, nodeEndpoint(parentPort));
