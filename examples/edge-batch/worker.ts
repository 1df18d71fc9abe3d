/** The entry of the Worker: what edge runtimes, `deno serve` and Bun serve. */
export { service as default } from "./batch.ts";
