/**
 * Where a function may come from, by the call stack: for Deno, whose inspector answers only asynchronously.
 *
 * V8 keeps the asynchronous callers on the stack too. Files are read only with a permission that is held already.
 *
 * @module
 */

import type { ModuleText } from "../src/target_search.ts";
import { callers, filePath, type Library, moduleText } from "./module_text.ts";
import type { AnyFunction } from "./registry.ts";

/** What is used of Deno. */
interface DenoHost {
  mainModule?: string;
  readTextFileSync(path: string): string;
  permissions: { querySync(descriptor: { name: "read"; path?: string }): { state: string } };
}

function host(): DenoHost | undefined {
  return (globalThis as unknown as { Deno?: DenoHost }).Deno;
}

const library: Library = {
  rewrites: false,
  shelf: new Map(),
  read(url) {
    try {
      const deno = host();
      if (deno === undefined || !url.startsWith("file:")) return null;
      const path = filePath(url);
      if (deno.permissions.querySync({ name: "read", path }).state !== "granted") return null;
      return deno.readTextFileSync(path);
    } catch {
      return null;
    }
  },
  resolve(specifier) {
    try {
      return import.meta.resolve(specifier); // the program's import map
    } catch {
      return null;
    }
  },
};

/** The URL of the program's main module, or null where it may not be seen. */
function mainModule(): string | null {
  try {
    return host()?.mainModule ?? null; // needs a permission on some versions
  } catch {
    return null;
  }
}

/**
 * The modules on the call stack, then the main module.
 *
 * @param _fn The function.
 */
export function origin(_fn: AnyFunction): ModuleText[] {
  const urls = new Set(callers());
  const main = mainModule();
  if (main !== null) urls.add(main);
  return [...urls].map((url) => moduleText(url, library));
}
