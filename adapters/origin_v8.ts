/**
 * Where a function comes from, on Node: V8's inspector knows the script and the place.
 *
 * The place comes without the debugger (about 1 ms the first time). To name its script takes a look at the stack, or at the few modules of a
 * small program, else a list of all scripts: the profiler has one in 10 ms, the debugger, which hashes every text, in 40; so they are asked
 * in that order, and remembered.
 *
 * @module
 */

import { LIBRARY } from "../src/codec_classes.ts";
import type { ModuleText } from "../src/target_search.ts";
import { callers, cleanUrl, filePath, type Library, moduleText } from "./module_text.ts";
import { type AnyFunction, exportedAs } from "./registry.ts";

/** What is used of Node. */
interface NodeHost {
  argv: string[];
  getBuiltinModule(name: "node:inspector"): Inspector;
  getBuiltinModule(name: "node:fs"): { readFileSync(path: string, encoding: "utf8"): string };
  getBuiltinModule(name: "node:util"): { getCallSites?(count: number): { scriptId: string; scriptName: string }[] };
  getBuiltinModule(name: "node:module"): NodeModule;
}
interface Inspector {
  Session: new () => Session;
  [stash: symbol]: unknown;
}
interface Session {
  connect(): void;
  disconnect(): void;
  on(event: string, listener: (message: { params: { scriptId: string; url: string } }) => void): void;
  post(method: string, params: unknown, done: (error: unknown, result: unknown) => void): void;
}
interface NodeModule {
  _cache: Record<string, { exports: unknown } | undefined>;
  createRequire(base: string): { resolve(specifier: string): string };
  isBuiltin(specifier: string): boolean;
  findSourceMap?(url: string): SourceMap | undefined;
}
interface SourceMap {
  findEntry(line: number, column: number): { originalSource?: string; originalLine?: number; originalColumn?: number };
}
interface Place {
  url: string;
  line: number;
  column: number;
}

const node = (globalThis as unknown as { process: NodeHost }).process;

const library: Library = {
  rewrites: false,
  shelf: new Map(),
  read(url) {
    try {
      return url.startsWith("file:") ? node.getBuiltinModule("node:fs").readFileSync(filePath(url), "utf8") : null;
    } catch {
      return null;
    }
  },
  resolve(specifier, base) {
    try {
      const path = node.getBuiltinModule("node:module").createRequire(base).resolve(specifier);
      return path.startsWith("node:") ? null : cleanUrl(path);
    } catch {
      return null;
    }
  },
};

/** The URLs of scripts by V8's ids for them, which are never used again. */
const scripts = new Map<string, string>();
const STASH = Symbol.for("polyproc.origin");

/** Asks the inspector for the place of a function; null where there is no inspector, or it does not know. */
function locate(fn: AnyFunction): Place | null {
  let inspector: Inspector;
  let session: Session;
  try {
    inspector = node.getBuiltinModule("node:inspector");
    session = new inspector.Session();
    session.connect();
  } catch {
    return null;
  }
  try {
    const post = <T>(method: string, params: unknown = {}): T | undefined => {
      let answer: T | undefined; // the answer comes before `post` returns
      session.post(method, params, (error, result) => answer = error ? undefined : result as T);
      return answer;
    };
    // Stashed on an object that all realms share: test runners load modules into contexts of their own.
    inspector[STASH] = fn;
    const expression = `process.getBuiltinModule("node:inspector")[Symbol.for("polyproc.origin")]`;
    const handle = post<{ result: { objectId: string } }>("Runtime.evaluate", { expression, silent: true });
    const objectId = handle?.result.objectId;
    const properties = post<{ internalProperties?: { name: string; value?: { value?: Location } }[] }>("Runtime.getProperties", {
      objectId,
      ownProperties: true,
    });
    post("Runtime.releaseObject", { objectId });
    const place = properties?.internalProperties?.find((property) => property.name === "[[FunctionLocation]]")?.value?.value;
    if (place === undefined) return null;
    const url = scriptUrl(place, fn, session, post);
    return url === "" || url === undefined ? null : { url, line: place.lineNumber, column: place.columnNumber };
  } catch {
    return null;
  } finally {
    delete inspector[STASH];
    session.disconnect();
  }
}
interface Location {
  scriptId: string;
  lineNumber: number;
  columnNumber: number;
}

function scriptUrl(location: Location, fn: AnyFunction, session: Session, post: <T>(method: string) => T | undefined): string | undefined {
  const { scriptId: id } = location;
  const remember = (script: { scriptId: string; url: string }) => scripts.set(script.scriptId, script.url);
  if (!scripts.has(id)) {
    for (const { scriptId, scriptName } of node.getBuiltinModule("node:util").getCallSites?.(60) ?? []) scripts.set(scriptId, scriptName);
  }
  if (!scripts.has(id)) {
    const url = writtenIn(location, fn);
    if (url !== null) scripts.set(id, url);
  }
  if (!scripts.has(id)) {
    post("Profiler.enable");
    post<{ result: { scriptId: string; url: string }[] }>("Profiler.getBestEffortCoverage")?.result.forEach(remember);
    // Not disabled: disconnecting ends it for this session alone.
  }
  if (!scripts.has(id)) {
    session.on("Debugger.scriptParsed", (message) => remember(message.params));
    post("Debugger.enable");
  }
  return scripts.get(id);
}

/** So many modules are read for one that has the function. */
const MOST_READ = 16;
const IMPORTED = /\b(?:from|import|require)\b\s*\(?\s*["']([^"'\n]+)["']/g,
  COMPUTED = /\b(?:import|require)\s*\((?!\s*(["'])[^"'\n]*\1\s*[,)])|\bcreateRequire\b/;

/** The module that has a function's very text at its very place, among those on the stack and what is imported from there on; null if there is none or more than one, or there may be others, as where packages are imported. */
function writtenIn({ lineNumber, columnNumber }: Location, fn: AnyFunction): string | null {
  const printed = Function.prototype.toString.call(fn), modules = new Map(modulesAround().map((module) => [module.url, module]));
  let found: string | null = null;
  for (const { url, text, open } of modules.values()) {
    if (text === null || modules.size > MOST_READ || COMPUTED.test(text)) return null;
    const at = offset(text, lineNumber, columnNumber);
    if (at >= 0 && startsOf(at, printed).some((from) => isPrinted(text, from, printed))) {
      if (found !== null) return null;
      found = url;
    }
    for (const [, specifier] of text.matchAll(IMPORTED)) {
      if (`${specifier}/`.startsWith(`${LIBRARY.url}/`) || node.getBuiltinModule("node:module").isBuiltin(specifier)) continue;
      const imported = /^\.{0,2}\/|^file:/.test(specifier) ? open?.(specifier) : null;
      if (!imported) return null;
      modules.set(imported.url, imported);
    }
  }
  return found;
}

/** The modules on the call stack, and the main module. */
function modulesAround(): ModuleText[] {
  const urls = new Set(callers());
  if (node.argv[1] !== undefined) urls.add(cleanUrl(node.argv[1]));
  return [...urls].map((url) => moduleText(url, library));
}

/** Where in the text a line and column (both from 0) are; −1 if there is no such place. */
function offset(text: string, line: number, column: number): number {
  let at = 0;
  for (; line > 0; line--) {
    at = text.indexOf("\n", at) + 1;
    if (at === 0) return -1;
  }
  const end = text.indexOf("\n", at);
  return at + column > (end < 0 ? text.length : end) ? -1 : at + column;
}

/** Whether V8's text of the function stands at this place of the file: not so after a loader rewrote it. Types may be blank in it. */
function standsAt(text: string, at: number, printed: string): boolean {
  if (at < 0) return false;
  if (/^class\b/.test(printed)) return true; // located at its name, or its constructor
  const head = headOf(printed), first = /^[(]?[^\s,)=:(]*/.exec(printed.slice(head.length))![0];
  return startsOf(at, printed).some((from) => from >= 0 && text.startsWith(head + first, from));
}

/** What stands before a function's parameters, where V8's place of it is: its name, if it has one. */
function headOf(printed: string): string {
  return /^(?:async\b\s*)?(?:function\b\s*\*?\s*|\*\s*)?(?:[^\s(=]+\s*)?(?=\()/.exec(printed)?.[0] ?? "";
}

/** Where a function may begin that V8 locates there: an async arrow is located at `async`. */
function startsOf(at: number, printed: string): number[] {
  return [at - headOf(printed).length, at];
}

/** Whether a text has a function's at a place, all of it; types may be blank in the function's. */
function isPrinted(text: string, from: number, printed: string): boolean {
  if (from < 0) return false;
  for (let i = 0; i < printed.length; i++) if (printed[i] !== text[from + i] && printed[i].trim() !== "") return false;
  return true;
}

/** The place in the file, of a script that may have been made from it. */
function placeIn(text: string, script: string, place: Place, fn: AnyFunction): number | undefined {
  const at = offset(text, place.line, place.column);
  if (standsAt(text, at, Function.prototype.toString.call(fn))) return at;
  const { findSourceMap } = node.getBuiltinModule("node:module");
  const map = findSourceMap?.(script) ?? (script.startsWith("file:") ? findSourceMap?.(filePath(script)) : undefined);
  const { originalSource, originalLine, originalColumn } = map?.findEntry(place.line, place.column) ?? {};
  if (originalSource === undefined || originalLine === undefined || originalColumn === undefined) return undefined;
  // The map of a compiled file leads to another file, whose places mean nothing in this text.
  const file = (path: string) => decodeURIComponent(path.replace(/[?#].*$/, "").split(/[\\/]/).pop()!);
  if (file(originalSource) !== file(script)) return undefined;
  const original = offset(text, originalLine, originalColumn);
  return original < 0 ? undefined : original;
}

/**
 * The function's own module; without an inspector, the modules on the call stack and the main module.
 *
 * @param fn The function.
 */
export function origin(fn: AnyFunction): ModuleText[] {
  const place = locate(fn);
  if (place === null || !/^(?:file:|\/|[a-z]:\\)/i.test(place.url)) return modulesAround();
  const url = cleanUrl(place.url);
  const base = moduleText(url, library);
  const commonJs = node.getBuiltinModule("node:module")._cache[filePath(url)];
  const name = commonJs === undefined ? null : exportedAs(commonJs.exports, fn);
  const { text, open } = base;
  if (name !== null) return [{ url, text, name, open }];
  return [{ url, text, at: text === null ? undefined : placeIn(text, place.url, place, fn), sure: true, open }];
}
