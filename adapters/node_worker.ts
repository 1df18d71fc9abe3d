/**
 * The entry of every child on Node: it keeps what it compiles for the next ones, which they would spend a third of their start on. Where that is, and that it is not,
 * are for Node's own `NODE_COMPILE_CACHE` and `NODE_DISABLE_COMPILE_CACHE` to say. What comes from there is not exact for whoever measures coverage.
 *
 * @module
 */

if (process.env.NODE_V8_COVERAGE === undefined) process.getBuiltinModule("node:module").enableCompileCache();
await import("./worker.ts");
