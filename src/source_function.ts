/**
 * Functions that travel as their source text, because no module offers them.
 *
 * What comes out on the other side closes over nothing. A variable that it took from its surroundings is missing there, and the
 * error says which one and how to mend it.
 *
 * @module
 */

import { TargetError, UnsupportedError } from "./errors.ts";
import { URL } from "./host.ts";
import { tokens } from "./module_tokens.ts";

/** A function as text. */
export interface SourceText {
  /** An expression whose value is the function. */
  source: string;
  /** The module that it was written in, for `import()` and `import.meta.url` inside it; null if unknown. */
  module: string | null;
  /** Its name, for messages. */
  name: string;
}

// deno-lint-ignore no-explicit-any -- any function may be named, whatever it takes
type AnyFunction = (...args: any[]) => unknown;

const NATIVE = /\{\s*\[native code\]\s*\}\s*$/;

/** Whether the function has no source text: it is built in, or bound. */
export function isNative(fn: AnyFunction): boolean {
  return NATIVE.test(Function.prototype.toString.call(fn));
}

/** Whether the function is a class. */
export function isClass(fn: AnyFunction): boolean {
  return /^(?:@|class\b)/.test(Function.prototype.toString.call(fn));
}

/** What the message calls a function. */
export function called(name: string): string {
  return name === "" ? "an anonymous function" : `the function "${name}"`;
}

/**
 * The text of a function as an expression.
 *
 * @param fn A function of JavaScript.
 * @param what What it is for, for messages ("target").
 * @throws {TargetError} If its text does not make a function by itself.
 */
export function sourceOf(fn: AnyFunction, what: string): string {
  const text = Function.prototype.toString.call(fn);
  const words = tokens(text);
  const refuse = (why: string) => {
    throw new TargetError(
      `Cannot send ${called(fn.name)} as ${what} by its source: ${why}. Export a function from a module and pass that one instead.`,
    );
  };
  if (/^[gs]et\s+[^\s(=]/.test(text) && /^[gs]et /.test(fn.name)) refuse("it is a getter or setter");
  for (let i = 0; i < words.length; i++) {
    const { kind, text: word } = words[i];
    if (kind !== "word" || words[i - 1]?.text === "." || words[i - 1]?.text === "?.") continue;
    if (word === "super" && !text.includes("class")) refuse("it uses super");
    if (word[0] === "#" && !text.includes("class")) refuse(`it is or uses the private member ${word}`);
  }
  if (words.some((word, i) => word.text[0] === "#" && word.kind === "word" && i < 3 && words[0].text !== "class")) {
    refuse("it is a private method");
  }
  if (!isMethod(words.slice(0, 3).map((word) => word.text), words)) return text;
  return `((o) => o[Reflect.ownKeys(o)[0]])({ ${text} })`;
}

/** Whether a text is a method's, `name(…) {…}`, and not a function expression's. */
function isMethod(first: string[], words: ReturnType<typeof tokens>): boolean {
  let at = 0;
  if (first[0] === "async" && first[1] !== "(" && first[1] !== "=>" && !words[1].newLine) at = 1;
  if (words[at].text === "function") return words[at + 1]?.text === undefined;
  if (words[at].text === "*" || words[at].kind === "string" || words[at].kind === "number") return true;
  if (words[at].text === "[") return true; // a computed name; arrow functions open with a parenthesis or a name
  if (words[at].text === "(") return false;
  if (words[at + 1]?.text !== "(") return false; // x => …
  // name(…) { or async(…) =>
  const close = words[at + 1].partner;
  return words[close + 1]?.text !== "=>";
}

/** The names that a function made from source can use for what its module would have given it. */
const IMPORT = "__polyprocImport";
const META = "__polyprocMeta";

/** `import(…)` and `import.meta` would mean this library's module: they are replaced by what means the function's own. */
function withOwnImports(source: string): string {
  if (!source.includes("import")) return source;
  const all = tokens(source);
  let out = "";
  let at = 0;
  for (let i = 0; i < all.length; i++) {
    if (all[i].text !== "import" || all[i].kind !== "word" || all[i - 1]?.text === "." || all[i - 1]?.text === "?.") continue;
    if (all[i + 1]?.text === "(") {
      out += source.slice(at, all[i].start) + IMPORT;
      at = all[i].end;
    } else if (all[i + 1]?.text === "." && all[i + 2]?.text === "meta") {
      out += source.slice(at, all[i].start) + META;
      at = all[i + 2].end;
    }
  }
  return out + source.slice(at);
}

/** The module that `import(specifier)` means in `module`. */
function resolve(specifier: string, module: string | null): string {
  if (!/^\.{0,2}\//.test(specifier)) return specifier;
  if (module === null) throw new TargetError(`Cannot import "${specifier}": the module of the function that imports it is unknown.`);
  return new URL(specifier, module).href;
}

/**
 * Makes a function from its source.
 *
 * @param text The function.
 * @throws {UnsupportedError} If the runtime forbids making code from text.
 * @throws {TargetError} If the text does not make a function.
 */
export function functionFrom(text: SourceText): AnyFunction {
  const { source, module, name } = text;
  const meta = { url: module, main: false, resolve: (specifier: string) => resolve(specifier, module) };
  const load = (specifier: unknown, options?: ImportCallOptions) => importModule(resolve(String(specifier), module), options);
  let made: AnyFunction;
  try {
    // `__name` is what esbuild (tsx) puts around inner functions.
    made = new Function(IMPORT, META, "__name", `"use strict"; return (${withOwnImports(source)}\n);`)(load, meta, (fn: unknown) => fn);
  } catch (error) {
    if (error instanceof EvalError || !(error instanceof SyntaxError || error instanceof ReferenceError)) {
      throw new UnsupportedError(
        `Cannot run ${called(name)} by its source: making code from text is forbidden here. Export it from a module and pass that export.`,
        { cause: error },
      );
    }
    throw explained(error, text) ??
      new TargetError(`Cannot make ${called(name)} from its source: ${(error as Error).message}. Export it from a module.`, {
        cause: error,
      });
  }
  if (typeof made !== "function") throw new TargetError(`The source of ${called(name)} makes no function.`);
  return watched(made, text);
}

/** The function with its missing variables explained. */
function watched(made: AnyFunction, text: SourceText): AnyFunction {
  const run = function (this: unknown, ...args: unknown[]): unknown {
    let result: unknown;
    try {
      result = made.apply(this, args);
    } catch (error) {
      throw explained(error, text) ?? error;
    }
    if (!(result instanceof Promise)) return result;
    return result.catch((error) => {
      throw explained(error, text) ?? error;
    });
  };
  Object.defineProperties(run, { name: { value: text.name, configurable: true }, length: { value: made.length, configurable: true } });
  return run;
}

/** The error to show instead of a `ReferenceError` about a variable that the source names and nothing defines; null for any other. */
function explained(error: unknown, { source, name, module }: SourceText): TargetError | null {
  if (!(error instanceof ReferenceError)) return null;
  const found = /^(?:Can't find variable: (\S+)|(\S+) is not defined)$/.exec(error.message);
  const variable = found?.[1] ?? found?.[2];
  if (variable === undefined || variable in globalThis) return null;
  const all = tokens(source);
  const named = all.some((token, i) =>
    token.kind === "word" && token.text === variable && all[i - 1]?.text !== "." && all[i - 1]?.text !== "?."
  );
  if (!named) return null;
  const where = module === null ? "" : ` (from ${module})`;
  return new TargetError(
    `"${variable}" is not defined in ${called(name)}${where}: it was sent by its source, so it cannot see variables around it. ` +
      `Export the function from a module, or pass "${variable}" as an argument.`,
    { cause: error },
  );
}

let own: ((specifier: string, options?: ImportCallOptions) => Promise<Record<string, unknown>>) | null = null;

/**
 * Imports a module by its URL, or by a name that the program's import map knows.
 *
 * @param specifier An absolute URL or a bare specifier.
 * @param options As of `import()`.
 */
export async function importModule(specifier: string, options?: ImportCallOptions): Promise<Record<string, unknown>> {
  if (/^[a-z][a-z\d+.-]*:/i.test(specifier)) return await import(/* @vite-ignore */ /* webpackIgnore: true */ specifier, options);
  // Seen from inside a package the program's import map may not apply; from a data URL it does.
  let failed: unknown;
  try {
    return await import(/* @vite-ignore */ /* webpackIgnore: true */ specifier, options);
  } catch (error) {
    failed = error;
  }
  try {
    // Made here, so that no bundler takes it for a module to bring along.
    const text = ["data:text/javascript", "export default (s, o) => import(s, o)"].join();
    own ??= (await import(/* @vite-ignore */ /* webpackIgnore: true */ text)).default as NonNullable<typeof own>;
  } catch {
    throw failed;
  }
  return await own(specifier, options);
}
