/**
 * Picks the adapter of the runtime that this is. By dynamic import, so that no runtime loads what only another has.
 *
 * @module
 */

import type { Adapter } from "../src/adapter.ts";
import { UnsupportedError } from "../src/errors.ts";

const here = globalThis as { Bun?: unknown; Deno?: unknown; process?: { versions?: { node?: string } } };

async function pick(): Promise<Adapter> {
  // Bun and Deno have a `process` too.
  if (here.Bun !== undefined) return (await import("./bun.ts")).adapter;
  if (here.Deno !== undefined) return (await import("./deno.ts")).adapter;
  if (here.process?.versions?.node !== undefined) return (await import("./node.ts")).adapter;
  throw new UnsupportedError("Cannot start: this is neither Node.js, Deno nor Bun");
}

/** The adapter of this runtime. */
export const adapter: Adapter = await pick();
