/**
 * Modules and their texts, for the adapters that look for a function's origin.
 *
 * @module
 */

import type { ModuleText } from "../src/target_search.ts";

/** What a runtime offers for it. No member throws. */
export interface Library {
  /** Whether the runtime rewrites functions beyond taking their types away. */
  readonly rewrites: boolean;
  /** The modules that were asked for, by URL. */
  readonly shelf: Map<string, ModuleText>;
  /** The text of a module, or null where it cannot be read (or only by asking the user). */
  read(url: string): string | null;
  /** The URL of the module that a bare specifier means, or null. */
  resolve(specifier: string, base: string): string | null;
}

/** This library's own modules, whose frames on a call stack say nothing; empty where a bundler has merged them with others. */
const [, ROOT = null] = /^(.*\/)adapters\/[^/]+\.[jt]s$/.exec((import.meta.url as string | undefined) ?? "") ?? [];
const OWN = ROOT === null ? [] : ["adapters/", "src/", "mod."].map((path) => ROOT + path);

/** A module URL without what loaders add to it, from a URL or a path. */
export function cleanUrl(url: string): string {
  if (/^[a-z]:[\\/]/i.test(url)) url = "file:///" + url.replaceAll("\\", "/");
  else if (url.startsWith("/")) url = new URL(url.replace(/[%?#]/g, encodeURIComponent), "file:///").href;
  // tsx marks the modules of one registration.
  return url.replace(/([?&])(?:tsx-)?namespace=[^&#]*&?/, "$1").replace(/[?&]$/, "");
}

/** The path of a file URL's file. */
export function filePath(url: string): string {
  const path = decodeURIComponent(new URL(url).pathname);
  return /^\/[a-z]:\//i.test(path) ? path.slice(1) : path;
}

/** A module by its URL; its text is read when it is asked for, and once: what runs is what was loaded. */
export function moduleText(url: string, library: Library): ModuleText {
  const before = library.shelf.get(url);
  if (before !== undefined) return before;
  let text: string | null | undefined;
  const module: ModuleText = {
    url,
    rewritten: library.rewrites,
    get text(): string | null {
      return text === undefined ? (text = library.read(url)) : text;
    },
    open(specifier: string): ModuleText | null {
      let target: string | null;
      try {
        target = /^\.{0,2}\//.test(specifier)
          ? new URL(specifier, url).href
          : specifier.startsWith("file:")
          ? specifier
          : library.resolve(specifier, url);
      } catch {
        return null;
      }
      return target === null ? null : moduleText(target, library);
    },
  };
  library.shelf.set(url, module);
  return module;
}

/** The URLs of the modules on the call stack, innermost first, each once, without this library's. */
export function callers(): string[] {
  const errors = Error as unknown as { stackTraceLimit: number; prepareStackTrace: unknown };
  const { stackTraceLimit, prepareStackTrace } = errors;
  errors.stackTraceLimit = 60;
  errors.prepareStackTrace = undefined;
  let stack: unknown;
  try {
    stack = new Error().stack;
  } finally {
    errors.stackTraceLimit = stackTraceLimit;
    errors.prepareStackTrace = prepareStackTrace;
  }
  const found = new Set<string>();
  for (
    const [, place] of String(stack).matchAll(/^\s*at (?:.*\()?((?:file|https?|data|blob):.*?|\/.*?|[a-zA-Z]:[\\/].*?):\d+(?::\d+)?\)?$/gm)
  ) {
    const url = cleanUrl(place.replace(/^async /, ""));
    if (!OWN.some((own) => url.startsWith(own))) found.add(url);
  }
  return [...found];
}
