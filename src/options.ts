/**
 * Objects of options: which there are, and what each must be.
 *
 * @module
 */

import { isSignal } from "./host.ts";

/** What is right, and what that is called. */
export type Check = readonly [(value: unknown) => boolean, string];

/** Which options there are. A text in place of a check: there is no such option, and that is what to do instead. */
export type Checks = Readonly<Record<string, Check | string>>;

const isString = (value: unknown) => typeof value === "string";
const isStrings = (value: unknown) => globalThis.Array.isArray(value) && value.every(isString);
export const isObject = (value: unknown): boolean => typeof value === "object" && value !== null && !globalThis.Array.isArray(value);

/** For what is looked at elsewhere. */
export const ANYTHING: Check = [() => true, "anything"];
export const BOOLEAN: Check = [(value) => typeof value === "boolean", "a boolean"];
export const NUMBER: Check = [(value) => typeof value === "number" && !Number.isNaN(value), "a number"];
export const BYTES: Check = [(value) => typeof value === "number", "a number of bytes"];
export const STRING: Check = [isString, "a string"];
export const STRINGS: Check = [isStrings, "an array of strings"];
export const ENVIRONMENT: Check = [(value) => isObject(value) && Object.values(value as object).every(isString), "an object of strings"];
export const FUNCTION: Check = [(value) => typeof value === "function", "a function"];
export const ITERABLE: Check = [
  (value) => typeof (value as Partial<Iterable<unknown>> | null)?.[Symbol.iterator] === "function",
  "an iterable",
];
export const SIGNAL: Check = [isSignal, "an AbortSignal"];
export const TARGET: Check = [
  (value) =>
    typeof value === "function" || isObject(value) && isString((value as { name?: unknown }).name) && "module" in (value as object),
  "a function, or { module, name }",
];
export const BUFFERS: Check = [
  (value) => globalThis.Array.isArray(value) && value.every((item) => Object.prototype.toString.call(item) === "[object ArrayBuffer]"),
  "an array of ArrayBuffers: that of a typed array is its .buffer",
];
export const RUNTIME: Check = oneOf("node", "deno", "bun");
export const PERMISSIONS: Check = [
  (value) => value === "inherit" || value === "none" || isStrings(value),
  '"inherit", "none" or an array of strings',
];
export const RESOURCE_LIMITS: Check = [
  (value) =>
    isObject(value) &&
    Object.entries(value as object).every(([name, mb]) => name === "maxOldSpaceMb" && (mb === undefined || NUMBER[0](mb) && mb > 0)),
  "an object { maxOldSpaceMb } with a positive number",
];

/** One of some words. */
export function oneOf(...words: string[]): Check {
  const quoted = words.map((word) => `"${word}"`);
  return [(value) => words.includes(value as string), `${quoted.slice(0, -1).join(", ")} or ${quoted.at(-1)}`];
}

/** Checks options. @throws {TypeError} @throws {RangeError} One is wrong, or there is none of that name, or they are no object; the message names it. */
export function check(options: unknown, checks: Checks, action: string): void {
  if (Object.prototype.toString.call(options) !== "[object Object]") {
    throw new TypeError(`Cannot ${action}: options must be an object { ${namesOf(checks).join(", ")} }, they are ${shown(options)}`);
  }
  const given = options as Readonly<Record<string, unknown>>;
  for (const option in given) {
    const value = given[option];
    if (value === undefined) continue;
    const wanted = Object.hasOwn(checks, option) ? checks[option] : "";
    if (typeof wanted === "string") {
      // Objects of all kinds inherit what is none of theirs.
      if (!Object.hasOwn(given, option)) continue;
      throw new TypeError(`Cannot ${action}: there is no option "${option}"; ${wanted || nearest(option, checks)}`);
    }
    checkArgument(option, value, wanted, action);
  }
}

/** Checks an argument. @throws {TypeError} @throws {RangeError} It is wrong; the message names it. */
export function checkArgument(name: string, value: unknown, [isRight, wanted]: Check, action: string): void {
  if (isRight(value)) return;
  const message = `Cannot ${action}: ${name} must be ${wanted}, it is ${shown(value)}`;
  throw /^a .*number/.test(wanted) && NUMBER[0](value) ? new RangeError(message) : new TypeError(message);
}

/** Python takes one argument after another: a second one would be lost, in silence. (A text is a start method.) @throws {TypeError} There is one. */
export function checkSecond(second: unknown, action: string, takes: string): void {
  if (second === undefined || second === null || typeof second === "string") return;
  throw new TypeError(`Cannot ${action}: it takes ${takes}; its second argument is ${shown(second)}`);
}

/** What is meant by a name that there is not. */
function nearest(option: string, checks: Checks): string {
  const names = namesOf(checks), plain = (name: string) => name.replaceAll("_", "").toLowerCase();
  const meant = names.find((name) => plain(name) === plain(option));
  return meant !== undefined ? `it is ${meant}` : `there ${names.length === 1 ? "is" : "are"} ${names.join(", ")}`;
}

function namesOf(checks: Checks): string[] {
  return Object.keys(checks).filter((name) => typeof checks[name] !== "string");
}

/** A value as messages name it: in a few words, whatever it is. */
export function shown(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "function") return "a function";
  if (typeof value !== "object" || value === null) return String(value);
  const tag = Object.prototype.toString.call(value).slice("[object ".length, -1);
  const kind = tag === "Object" && value.constructor?.name || tag;
  return `${/^[AEIOU]/.test(kind) ? "an" : "a"} ${kind === "Object" || kind === "Array" ? kind.toLowerCase() : kind}`;
}
