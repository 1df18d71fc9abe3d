/**
 * How a function reaches a child: as the name of a module's export, or by its source.
 *
 * @module
 */

import type { Adapter } from "./adapter.ts";
import { renameClass } from "./codec_classes.ts";
import { keepHere } from "./codec_refusal.ts";
import { TargetError } from "./errors.ts";
import { URL } from "./host.ts";
import { called, functionFrom, importModule, isClass, isNative, sourceOf } from "./source_function.ts";

/** The module that stands for the library's own functions. */
const OWN_MODULE = "polyproc:";
const OWN = new Map<string, AnyFunction>();

/** A function of the library's own, which children run. */
export function ownTask(name: string): TaskReference {
  return { module: OWN_MODULE, name };
}

/** Makes such a function known, in children. */
export function registerOwn(name: string, run: AnyFunction): void {
  OWN.set(name, run);
}

/** Where functions are found: the adapter. */
export type Finder = Pick<Adapter, "origin" | "search">;

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

// deno-lint-ignore no-explicit-any -- any function may be named, whatever it takes
type AnyFunction = (...args: any[]) => unknown;

/** References to the functions that a module exports, under their names and with their types. */
export type TaskModule<T> = {
  readonly [K in keyof T as T[K] extends AnyFunction ? K : never]: T[K] & TaskReference;
};

/** What messages advise where a function cannot be found. */
export const MENDING: string = "Register it in its module with task(import.meta, fn), or pass { module, name }.";
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
// deno-lint-ignore ban-types -- any function at all, classes and natives included
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
 * @throws {TypeError} If it is neither.
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
  if (typeof exports !== "object" || exports === null || exports instanceof Promise) {
    throw new TypeError(
      `Cannot register the module "${module}": this is ${
        kindOf(exports)
      }, not what it exports, as from import * as exports. To have it imported, pass () => import(…)`,
    );
  }
  MODULES.set(module, exports);
  for (const [name, value] of Object.entries(exports)) {
    if (typeof value !== "function") continue;
    known.set(value, { kind: "export", module, name });
    renameClass(value, module, name);
  }
  return exports;
}

/** What to throw where a module could not be imported: its own error, unless there is none of that name, which was registered elsewhere alone. */
function unknownModule(name: string, error: unknown): unknown {
  const message = String((error as Error | null)?.message);
  const isUnknown = !/^[a-z][a-z\d+.-]*:/i.test(name) && ["''", '""', "“”"].some(([open, close]) => message.includes(open + name + close));
  if (!isUnknown) return error;
  return new TargetError(
    `Cannot find the module "${name}": if registerModule() has named it, it must be registered in the child too, in a browser by the entry of the workers (${message})`,
    { cause: error },
  );
}

/** The module of that name or URL. */
async function moduleOf(name: string): Promise<Exports> {
  const registered = MODULES.get(name) ?? await importModule(name).catch((error) => {
    throw unknownModule(name, error);
  });
  return typeof registered === "function" ? acquaint(name, await registered() as Exports) : registered;
}

/** What all that stand for a module inherit: they have no properties that could be copied. */
const REFERENCES: object = Object.create(null);
keepHere(REFERENCES, "what stands for a module", "send one of its references, or call module() there");

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
  return new Proxy(Object.create(REFERENCES), {
    get(references, name) {
      if (typeof name === "symbol") return references[name];
      return name === "then" ? undefined : Object.freeze({ module: from, name });
    },
  });
}

/**
 * How a target reaches a child.
 *
 * @param target A function, or a reference to one.
 * @param finder The adapter.
 * @param what What it is for, for messages: "target", "initializer".
 * @throws {TypeError} If it is neither a function nor a reference.
 * @throws {TargetError} If it cannot be found for certain, or cannot travel.
 */
export function resolveTarget(target: unknown, { origin, search }: Finder, what: string): TargetSpec {
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
  const spec = search(fn, modules, what) ??
    { kind: "source" as const, source: sourceOf(fn, what), module: modules[0]?.url ?? null, name: fn.name };
  known.set(fn, spec);
  return spec;
}

/**
 * How a class reaches a child: only by the module that exports it.
 *
 * @param cls A class, such as one that extends `Process`.
 * @param finder The adapter.
 * @throws {TargetError} If no module is found that exports it.
 */
// deno-lint-ignore ban-types -- any function at all, classes and natives included
export function resolveClass(cls: Function, { origin, search }: Finder): TargetSpec {
  const before = known.get(cls);
  if (before !== undefined) return before;
  const modules = origin(cls as AnyFunction);
  const spec = search(cls as AnyFunction, modules, "class");
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
// deno-lint-ignore ban-types -- any function at all, classes and natives included
export async function loadTarget(spec: TargetSpec): Promise<Function> {
  if (spec.kind === "source") return functionFrom(spec);
  if (spec.module === OWN_MODULE) return OWN.get(spec.name)!;
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
  return value === null ? "null" : value instanceof Promise ? "a promise" : typeof value === "object" ? "an object" : typeof value;
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
