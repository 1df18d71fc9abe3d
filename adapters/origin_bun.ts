/**
 * Where a function may come from, on Bun.
 *
 * `require.cache` holds the modules that have run, ES modules too: one of them exports exactly this function, or it comes from a
 * module that is still running (the main module, most often). Those are found on the stack, from which JavaScriptCore drops frames.
 *
 * @module
 */

import type { ModuleText } from "../src/target_search.ts";
import { callers, cleanUrl, filePath, type Library, moduleText } from "./module_text.ts";
import { type AnyFunction, exportedAs } from "./registry.ts";

/** What is used of Bun. */
interface BunHost {
  Bun: { main: string; resolveSync(specifier: string, base: string): string };
  process: { getBuiltinModule(name: string): unknown };
}
interface NodeModule {
  _cache: Record<string, { exports: unknown; loaded: boolean } | undefined>;
}
interface FileSystem {
  readFileSync(path: string, encoding: "utf8"): string;
}

const bun = globalThis as unknown as BunHost;

const library: Library = {
  rewrites: true,
  shelf: new Map(),
  read(url) {
    try {
      if (!url.startsWith("file:")) return null;
      const path = filePath(url);
      return (bun.process.getBuiltinModule("node:fs") as FileSystem).readFileSync(path, "utf8");
    } catch {
      return null;
    }
  },
  resolve(specifier, base) {
    try {
      const path = bun.Bun.resolveSync(specifier, filePath(new URL(".", base).href));
      return path.startsWith("/") || /^[a-z]:\\/i.test(path) ? cleanUrl(path) : null;
    } catch {
      return null;
    }
  },
};

function modules(): NodeModule["_cache"] {
  return (bun.process.getBuiltinModule("node:module") as NodeModule)._cache;
}

/** The module, as one that exports nothing if it has run: then all that it exports was compared with the function already. */
function unfinished(module: ModuleText): ModuleText {
  const { url, rewritten } = module;
  if (modules()[filePath(url)]?.loaded === true) return { url, text: "" };
  return {
    url,
    rewritten,
    text: module.text,
    open: (specifier) => {
      const found = module.open!(specifier);
      return found === null ? null : unfinished(found);
    },
  };
}

/**
 * The module that exports the function; if none that has run does, those on the call stack and the main module.
 *
 * @param fn The function.
 */
export function origin(fn: AnyFunction): ModuleText[] {
  const registry = modules();
  for (const path of Object.keys(registry)) {
    const name = exportedAs(registry[path]?.exports, fn);
    if (name !== null) return [{ url: cleanUrl(path), text: null, name }];
  }
  const urls = new Set(callers());
  urls.add(cleanUrl(bun.Bun.main));
  return [...urls].map((url) => unfinished(moduleText(url, library)));
}
