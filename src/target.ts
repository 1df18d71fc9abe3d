/**
 * How a function reaches a child: as the name of a module's export, or by its source.
 *
 * A function is looked for where the adapter says that it may come from. Some answers are certain (the export is that very function;
 * the runtime knows the place in the text where it was written), others are only modules that the call passed through. Of those a
 * module must declare a function of that name, or import it from one that does, and the function's text must look like the
 * declaration's: texts alone never decide, since runtimes print functions differently.
 *
 * @module
 */

import { renameClass } from "./codec_classes.ts";
import { TargetError } from "./errors.ts";
import { URL } from "./host.ts";
import { type Declaration, moduleExports, type ModuleOutline } from "./module_exports.ts";
import { essence, tokens } from "./module_tokens.ts";
import { called, functionFrom, importModule, isClass, isNative, sourceOf } from "./source_function.ts";

/** A module that a function may come from. */
export interface ModuleText {
  /** Its URL. */
  readonly url: string;
  /** Its text, as written; null where it cannot be read. */
  readonly text: string | null;
  /** The name of its export that is this very function, where the runtime can tell (with dots for a static method). */
  readonly name?: string;
  /** Where in `text` the function was written, where the runtime can tell. */
  readonly at?: number;
  /** Whether the function was written in this module, whatever the text says. */
  readonly sure?: boolean;
  /** Whether the runtime rewrites functions beyond taking their types away, so that their texts only resemble what was written. */
  readonly rewritten?: boolean;
  /** The module that a specifier means in this one; null where it cannot be told. */
  readonly open?: (specifier: string) => ModuleText | null;
}

/** The module that stands for the library's own functions. */
const OWN_MODULE = "polyproc:";
const OWN = new Map<string, () => Promise<AnyFunction>>();

/** Makes a function of the library's own known, which children run. @param load Imports it, where it is needed. */
export function registerOwn(name: string, load: () => Promise<AnyFunction>): TaskReference {
  OWN.set(name, load);
  return { module: OWN_MODULE, name };
}

/** The adapter's member: where a function may come from, best first. */
export type Origin = (fn: (...args: never[]) => unknown) => readonly ModuleText[];

/** A function on its way to a child: plain data. */
export type TargetSpec =
  | { kind: "export"; module: string; name: string }
  | { kind: "source"; source: string; module: string | null; name: string };

/** Tells targets from each other. */
export function keyOf(spec: TargetSpec): string {
  return `${spec.module} ${spec.name}`;
}

/** A function named by the module that exports it. */
export interface TaskReference {
  /** The module: an absolute URL, or a name that the program's import map or packages resolve. */
  module: URL | string;
  /** The export; `Class.method` for a static method. */
  name: string;
}

// deno-lint-ignore no-explicit-any
type AnyFunction = (...args: any[]) => unknown;

/** References to the functions that a module exports, under their names and with their types. */
export type TaskModule<T> = {
  readonly [K in keyof T as T[K] extends AnyFunction ? K : never]: T[K] & TaskReference;
};

const MENDING = "Register it in its module with task(import.meta, fn), or pass { module, name }.";
const known = new WeakMap<object, TargetSpec>();

/**
 * Tells which module a function belongs to, so that it need not be looked for. The module must export it under its own name.
 *
 * @param meta The module's `import.meta`.
 * @param fn A named function.
 * @returns The function.
 * @throws {TypeError} If it has no name, or is no function.
 *
 * @example
 * ```ts ignore
 * export const count = task(import.meta, function count(to: number): number {
 *   return to;
 * });
 * ```
 */
// deno-lint-ignore ban-types
export function task<F extends Function>(meta: { url: string }, fn: F): F {
  if (typeof fn !== "function") throw new TypeError(`Cannot register a task: it is ${kindOf(fn)}, not a function`);
  if (fn.name === "") {
    throw new TypeError(
      "Cannot register a task: the function has no name. Write task(import.meta, function name() {…}) and export it as that name",
    );
  }
  if (typeof meta?.url !== "string") throw new TypeError("Cannot register a task: the first argument must be import.meta");
  known.set(fn, { kind: "export", module: meta.url, name: fn.name });
  return fn;
}

type Exports = Record<string, unknown>;

/** Modules that were registered here: what they export, or what loads them. */
const MODULES = new Map<string, Exports | (() => Promise<object>)>();

/**
 * Makes a module known by its URL, or by a name. For bundlers, which put modules into files of their own making: both the page and the workers' entry say it, and find each other's functions and registered classes by it.
 *
 * @param module What it is called, the same on both sides.
 * @param exports All of it, `import * as exports from …`; or, in the workers' entry, what imports it once it is needed.
 *
 * @example
 * ```ts ignore
 * import * as work from "./work.ts";
 * registerModule("work", work); // in the page
 * registerModule("work", () => import("./work.ts")); // in the workers' entry
 * ```
 */
export function registerModule(module: URL | string, exports: object | (() => Promise<object>)): void {
  const name = moduleUrl(module);
  if (typeof exports === "function") MODULES.set(name, exports as () => Promise<object>);
  else acquaint(name, exports as Exports);
}

function acquaint(module: string, exports: Exports): Exports {
  MODULES.set(module, exports);
  for (const [name, value] of Object.entries(exports)) {
    if (typeof value !== "function") continue;
    known.set(value, { kind: "export", module, name });
    renameClass(value, module, name);
  }
  return exports;
}

/** The module of that name or URL. */
async function moduleOf(name: string): Promise<Exports> {
  const registered = MODULES.get(name) ?? await importModule(name);
  return typeof registered === "function" ? acquaint(name, await registered() as Exports) : registered;
}

/**
 * Typed references to a module's functions, for bundlers and for code that should not load the module itself.
 *
 * @param url The module; relative ones by `new URL("./work.ts", import.meta.url)`.
 *
 * @example
 * ```ts ignore
 * const work = module<typeof import("./work.ts")>(new URL("./work.ts", import.meta.url));
 * new Process({ target: work.count, args: [10] }).start();
 * ```
 */
export function module<T>(url: URL | string): TaskModule<T> {
  const from = moduleUrl(url);
  return new Proxy(Object.create(null), {
    get: (_, name) => typeof name === "symbol" || name === "then" ? undefined : Object.freeze({ module: from, name }),
  });
}

/**
 * How a target reaches a child.
 *
 * @param target A function, or a reference to one.
 * @param origin The adapter's.
 * @param what What it is for, for messages: "target", "initializer".
 * @throws {TypeError} If it is neither a function nor a reference.
 * @throws {TargetError} If it cannot be found for certain, or cannot travel.
 */
export function resolveTarget(target: unknown, origin: Origin, what: string): TargetSpec {
  if (typeof target !== "function") return resolveReference(target, what);
  const before = known.get(target);
  if (before !== undefined) return before;
  const fn = target as AnyFunction;
  if (isNative(fn)) {
    throw new TargetError(
      `Cannot use ${
        called(fn.name)
      } as ${what}: it is built in, bound or a proxy, so no other process can find it. Export a function that calls it.`,
    );
  }
  if (isClass(fn)) throw new TargetError(`Cannot use the class "${fn.name}" as ${what}: pass a function that makes one.`);
  const modules = origin(fn);
  const spec = findExport(fn, modules, what) ??
    { kind: "source" as const, source: sourceOf(fn, what), module: modules[0]?.url ?? null, name: fn.name };
  known.set(fn, spec);
  return spec;
}

/**
 * How a class reaches a child: only by the module that exports it.
 *
 * @param cls A class, such as one that extends `Process`.
 * @param origin The adapter's.
 * @throws {TargetError} If no module is found that exports it.
 */
// deno-lint-ignore ban-types
export function resolveClass(cls: Function, origin: Origin): TargetSpec {
  const before = known.get(cls);
  if (before !== undefined) return before;
  const modules = origin(cls as AnyFunction);
  const spec = findExport(cls as AnyFunction, modules, "class");
  if (spec === null) {
    const searched = modules.map((module) => module.url).join(", ") || "no module";
    throw new TargetError(`Cannot send the class "${cls.name}": no module exports it (searched: ${searched}). Export it. ${MENDING}`);
  }
  known.set(cls, spec);
  return spec;
}

/**
 * The function that a spec stands for: for the child. Errors of the module's own code are thrown as they are.
 *
 * @param spec From `resolveTarget` in another process.
 * @throws {TargetError} If the module does not export it.
 * @throws {UnsupportedError} If it travelled as source and the runtime forbids making code from text.
 */
// deno-lint-ignore ban-types
export async function loadTarget(spec: TargetSpec): Promise<Function> {
  if (spec.kind === "source") return functionFrom(spec);
  if (spec.module === OWN_MODULE) return await OWN.get(spec.name)!();
  const exports = await moduleOf(spec.module);
  const path = spec.name.split(".");
  // Of a CommonJS module, what it exports may be seen only as members of the default export.
  const found = member(exports, [spec.name]) ?? member(exports, path) ?? member(exports.default, path);
  if (typeof found === "function") return found;
  const offered = Object.keys(exports).filter((name) => typeof exports[name] === "function");
  throw new TargetError(
    `The module ${spec.module} does not export a function "${spec.name}" (it exports ${offered.join(", ") || "none"}). ` +
      `Export it under that name, or pass { module, name } with the name that it has.`,
  );
}

function member(from: unknown, path: string[]): unknown {
  for (const name of path) {
    if (from === null || (typeof from !== "object" && typeof from !== "function")) return undefined;
    // Inherited members are nothing that the module exports. (A namespace of exports has no prototype.)
    if (!Object.hasOwn(from, name)) return undefined;
    from = (from as Record<string, unknown>)[name];
  }
  return from;
}

function kindOf(value: unknown): string {
  return value === null ? "null" : typeof value === "object" ? "an object" : typeof value;
}

function moduleUrl(module: unknown): string {
  if (module instanceof URL) return module.href;
  if (typeof module !== "string" || module === "") throw new TypeError(`Cannot name a module by ${kindOf(module)}: pass a URL or a string`);
  if (/^\.{1,2}\//.test(module)) {
    throw new TypeError(`Cannot tell what "${module}" is relative to: pass new URL("${module}", import.meta.url)`);
  }
  return module[0] === "/" ? new URL(module.replace(/[%?#]/g, encodeURIComponent), "file:///").href : module;
}

function resolveReference(target: unknown, what: string): TargetSpec {
  if (typeof target === "object" && target !== null && "module" in target && "name" in target) {
    if (typeof target.name !== "string" || target.name === "") throw new TypeError(`Cannot use this as ${what}: its name must be a string`);
    return { kind: "export", module: moduleUrl(target.module), name: target.name };
  }
  throw new TypeError(`Cannot use ${kindOf(target)} as ${what}: pass a function, or { module, name }`);
}

// ---- the search -------------------------------------------------------------

/** An export that may be the function. */
interface Offer {
  module: string;
  name: string;
  /** The text of its declaration, if it could be read. */
  text: string | null;
  /** Whether it is enough that the texts resemble each other. */
  loose: boolean;
}

function findExport(fn: AnyFunction, modules: readonly ModuleText[], what: string): TargetSpec | null {
  const offers = new Map<string, Offer>();
  const add = (offer: Offer) => offers.set(offer.module + "\n" + (offer.text ?? offer.name), offer);
  for (const module of modules) {
    if (module.name !== undefined) return { kind: "export", module: module.url, name: module.name };
    // Whatever is written as an export gets a name by it.
    if (fn.name === "" || module.text === null) continue;
    const outline = moduleExports(module.text);
    if (module.at !== undefined) {
      const name = exportAt(outline, module.at, fn.name);
      return name === null ? null : { kind: "export", module: module.url, name };
    }
    const found = module.sure ? ownOffers(module, module.text, outline, fn.name) : offersOf(module, module.text, outline, fn);
    for (const offer of found) add(offer);
    if (module.sure) {
      const [only] = offers.values();
      if (offers.size === 1 && only.loose) return exported(only);
      break;
    }
  }
  const best = mostAlike(fn, [...offers.values()]);
  if (best.length === 0) return null;
  if (best.length === 1) return exported(best[0]);
  const places = best.map((offer) => `"${offer.name}" of ${offer.module}`).join(", ");
  throw new TargetError(`Cannot tell which function is meant as ${what}: ${called(fn.name)} may be ${places}. ${MENDING}`);
}

function exported(offer: Offer): TargetSpec {
  return { kind: "export", module: offer.module, name: offer.name };
}

/** The name under which a module exports one of its own declarations, or null. */
function exportName(outline: ModuleOutline, local: string): string | null {
  const all = outline.exports.filter((entry) => entry.specifier === null && entry.local === local);
  return (all.find((entry) => entry.exported === local) ?? all[0])?.exported ?? null;
}

/** The name of the export that was written at a place in the text, or null. */
function exportAt(outline: ModuleOutline, at: number, name: string): string | null {
  const declaration = outline.declarations.find(({ from, end }) => from <= at && at < end);
  if (declaration === undefined) return null;
  const outer = exportName(outline, declaration.name);
  if (outer === null) return null;
  if (declaration.kind === "value") return declaration.called === name ? outer : null;
  if (declaration.kind === "class" && (at >= declaration.body || declaration.called !== name)) {
    const method = declaration.statics.find(({ start, body }) => start <= at && at < body);
    if (method !== undefined) return `${outer}.${method.name}`;
    return declaration.called === name ? outer : null; // a class is located at its constructor
  }
  return at < declaration.body ? outer : null;
}

/** What a module offers under the function's name: its own exports, and what it imports. */
function* offersOf(module: ModuleText, text: string, outline: ModuleOutline, fn: AnyFunction): Generator<Offer> {
  yield* ownOffers(module, text, outline, fn.name);
  for (const { exported, local, specifier } of outline.exports) {
    if (specifier === null) continue;
    if (exported !== "*" && local !== "*") yield* follow(module, specifier, local, fn.name, 0);
    else yield* inside(module, specifier, fn.name);
  }
  for (const { imported, local, specifier } of outline.imports) {
    if (imported === "*") yield* inside(module, specifier, fn.name);
    else if (/^[./]|^[a-z]+:/.test(specifier) || imported === fn.name || local === fn.name) {
      yield* follow(module, specifier, imported, fn.name, 0);
    }
  }
}

function* ownOffers(module: ModuleText, text: string, outline: ModuleOutline, name: string): Generator<Offer> {
  for (const declaration of outline.declarations) {
    const outer = exportName(outline, declaration.name);
    if (outer !== null) yield* declared(module, text, declaration, outer, name);
  }
}

/** What a declaration that is exported as `outer` offers under the name: itself, or a static method. */
function* declared(module: ModuleText, text: string, declaration: Declaration, outer: string, name: string): Generator<Offer> {
  const loose = (module.rewritten === true || module.sure === true) && countOf(text, name) === 1;
  const { url } = module;
  if (declaration.called === name) yield { module: url, name: outer, text: text.slice(declaration.start, declaration.end), loose };
  for (const method of declaration.statics) {
    if (method.name === name) yield { module: url, name: `${outer}.${name}`, text: text.slice(method.start, method.end), loose };
  }
}

/** How many functions or classes of that name a text seems to hold. */
function countOf(text: string, name: string): number {
  const all = tokens(text);
  return all.filter((token, i) => {
    if (token.text !== name || token.kind !== "word" || all[i - 1]?.text === ".") return false;
    const after = all[i + 1]?.text;
    return all[i - 1]?.text === "function" || all[i - 1]?.text === "class" || after === "=" || after === ":" ||
      (after === "(" && all[all[i + 1].partner + 1]?.text === "{");
  }).length;
}

/** What a whole module that another imports offers under the name. */
function* inside(from: ModuleText, specifier: string, name: string): Generator<Offer> {
  const module = from.open?.(specifier) ?? null;
  if (module === null || module.text === null) return;
  const outline = moduleExports(module.text);
  yield* ownOffers(module, module.text, outline, name);
  for (const entry of outline.exports) {
    if (entry.specifier !== null) yield* follow(module, entry.specifier, entry.local === "*" ? name : entry.local, name, 1);
  }
}

/** Where an import leads: to a declaration of the function's name, to nothing, or out of sight. */
function* follow(from: ModuleText, specifier: string, imported: string, name: string, depth: number): Generator<Offer> {
  const module = from.open?.(specifier) ?? null;
  if (module === null || module.text === null) {
    // Out of sight: believe the name. A bare specifier is left to the child's import map.
    const url = module?.url ?? (/^\.{0,2}\//.test(specifier) ? new URL(specifier, from.url).href : specifier);
    if (imported === name && depth === 0) yield { module: url, name: imported, text: null, loose: false };
    return;
  }
  const outline = moduleExports(module.text);
  for (const entry of outline.exports) {
    if (entry.exported !== imported && entry.exported !== "*") continue;
    if (entry.specifier !== null) {
      if (depth < 8) yield* follow(module, entry.specifier, entry.exported === "*" ? imported : entry.local, name, depth + 1);
      continue;
    }
    const declaration = outline.declarations.findLast((found) => found.name === entry.local);
    if (declaration !== undefined) {
      yield* declared(module, module.text, declaration, entry.exported, name);
    } else {
      const passed = outline.imports.find((found) => found.local === entry.local);
      if (passed !== undefined && depth < 8) yield* follow(module, passed.specifier, passed.imported, name, depth + 1);
    }
  }
}

/** The offers whose text fits the function best; those without a text only if there is nothing else. */
function mostAlike(fn: AnyFunction, offers: Offer[]): Offer[] {
  const wanted = essence(Function.prototype.toString.call(fn));
  let best: Offer[] = [];
  let bestFit: Fit = NO_FIT;
  for (const offer of offers) {
    if (offer.text === null) continue;
    const fit = fitOf(wanted, essence(offer.text), offer.loose);
    if (fit > bestFit) best = [];
    if (fit >= bestFit && fit > NO_FIT) best.push(offer);
    bestFit = Math.max(fit, bestFit) as Fit;
  }
  return best.length > 0 ? best : offers.filter((offer) => offer.text === null);
}

const NO_FIT = 0, RESEMBLES = 1, SAME_BUT_TYPES = 2, SAME = 3;
type Fit = 0 | 1 | 2 | 3;

/** How much of a rewritten function must be found in the declaration. */
const RESEMBLANCE = 0.5;

/** What types never hold, so that it must be the same in a function with types and without. */
const NOT_IN_TYPES =
  /^(?:return|if|else|for|while|do|switch|case|throw|try|catch|await|yield|let|var|[-+*/%]|[-+*/%&|^]=|\+\+|--|[!=]==?|&&|\|\||\?\?)$/;

/** How a function's text fits that of a declaration: types are left out when it is compiled. */
function fitOf(wanted: string[], written: string[], loose: boolean): Fit {
  let at = 0;
  let found = 0;
  for (const word of wanted) {
    const next = written.indexOf(word, at);
    if (next < 0) continue;
    found++;
    at = next + 1;
  }
  if (found === wanted.length) {
    if (written.length === found) return SAME;
    const bare = (words: string[]) => words.filter((word) => NOT_IN_TYPES.test(word)).join(" ");
    if (bare(wanted) === bare(written)) return SAME_BUT_TYPES;
  }
  return loose && commonLength(wanted, written) >= wanted.length * RESEMBLANCE ? RESEMBLES : NO_FIT;
}

/** How many words of one list are found in the other in the same order: the length of their longest common subsequence. */
function commonLength(a: readonly string[], b: readonly string[]): number {
  let before = new Uint32Array(b.length + 1);
  let row = new Uint32Array(b.length + 1);
  for (const word of a) {
    for (let i = 0; i < b.length; i++) row[i + 1] = word === b[i] ? before[i] + 1 : Math.max(row[i], before[i + 1]);
    [before, row] = [row, before];
  }
  return before[b.length];
}
