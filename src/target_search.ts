/**
 * Which export a function is, of the modules that it may come from.
 *
 * Some answers of an adapter's are certain (the export is that very function; the runtime knows the place in the text where it was
 * written), others are only modules that the call passed through. Of those a module must declare a function of that name, or import it
 * from one that does, and the function's text must look like the declaration's: texts alone never decide, since runtimes print functions
 * differently.
 *
 * @module
 */

import { TargetError } from "./errors.ts";
import { URL } from "./host.ts";
import { type Declaration, moduleExports, type ModuleOutline } from "./module_exports.ts";
import { essence, tokens } from "./module_tokens.ts";
import { called } from "./source_function.ts";
import { MENDING, type TargetSpec } from "./target.ts";

// deno-lint-ignore no-explicit-any -- any function may be named, whatever it takes
type AnyFunction = (...args: any[]) => unknown;

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

/** An export that may be the function. */
interface Offer {
  module: string;
  name: string;
  /** The text of its declaration, if it could be read. */
  text: string | null;
  /** Whether it is enough that the texts resemble each other. */
  loose: boolean;
}

/** The export that a function is, or a class; null if there is none. @param modules Where it may come from, best first. @throws {TargetError} It may be several. */
export function findExport(fn: AnyFunction, modules: readonly ModuleText[], what: string): TargetSpec | null {
  const offers = new Map<string, Offer>();
  const add = (offer: Offer) => offers.set(offer.module + "\n" + (offer.text ?? offer.name), offer);
  for (const module of modules) {
    if (module.name !== undefined) return { kind: "export", module: module.url, name: module.name };
    // Whatever is written as an export gets a name by it.
    if (fn.name === "" || module.text === null) continue;
    const plain = module.at === undefined ? null : plainExport(module.text, module.at, fn.name);
    if (plain !== null) return { kind: "export", module: module.url, name: plain };
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

/** The name of a function's export whose line says all that is to be known, which saves reading the module: `export function name(`, located at its parameters. Or else null. */
function plainExport(text: string, at: number, name: string): string | null {
  const line = text.slice(text.lastIndexOf("\n", at) + 1, at);
  return /^export[ \t]+(?:async[ \t]+)?function[ \t]*\*?[ \t]*([\w$]+)[ \t]*$/.exec(line)?.[1] === name ? name : null;
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
