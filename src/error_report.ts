/**
 * What is told of an error that ended a process: to people, on standard error, and to its parent.
 *
 * @module
 */
import { encode } from "./codec.ts";
import { RemoteError } from "./errors.ts";

/** Further causes are left out. */
const DEEPEST_CAUSE = 8;

/** An error's stack, and those of its causes. Whatever was thrown, this does not throw. */
export function describe(error: unknown): string {
  const lines: string[] = [];
  const seen = new Set<unknown>();
  for (let cause = error; !seen.has(cause) && seen.size < DEEPEST_CAUSE; cause = read(cause as Error, "cause")) {
    seen.add(cause);
    lines.push(`${seen.size > 1 ? "caused by: " : ""}${isError(cause) ? textOf(cause) : print(cause)}`);
    if (!isError(cause) || read(cause, "cause") === undefined) break;
  }
  return lines.join("\n");
}

/** The error as it can travel: itself, or what of it can; at the least its text. */
export function portable(error: unknown): unknown {
  if (travels(error)) return error;
  if (!isError(error)) return new RemoteError(print(error));
  const copy = bare(error);
  for (const key of keysOf(error)) {
    const value = read(error, key);
    const kept = isError(value) && value !== error ? portable(value) : value;
    if (value === error) define(copy, key, copy);
    else if (travels(kept)) define(copy, key, kept);
  }
  return travels(copy) ? copy : Object.assign(new RemoteError(print(read(error, "message"))), { stack: textOf(error) });
}

/** Of the same class, with the message and the stack. */
function bare(error: Error): Error {
  const copy = new Error(print(read(error, "message")));
  try {
    Object.setPrototypeOf(copy, Object.getPrototypeOf(error));
    if (!travels(copy)) Object.setPrototypeOf(copy, RemoteError.prototype);
  } catch {
    Object.setPrototypeOf(copy, RemoteError.prototype);
  }
  define(copy, "stack", textOf(error));
  return copy;
}

/** Names of what belongs to it beside message and stack. */
function keysOf(error: Error): string[] {
  try {
    return Object.getOwnPropertyNames(error).filter((key) => key !== "message" && key !== "stack");
  } catch {
    return [];
  }
}

function define(error: Error, key: string, value: unknown): void {
  Object.defineProperty(error, key, {
    value,
    enumerable: key !== "stack" && key !== "cause" && key !== "errors",
    configurable: true,
    writable: true,
  });
}

function travels(value: unknown): boolean {
  try {
    encode(value, { path: "error" });
    return true;
  } catch {
    return false;
  }
}

/** Whether it is an error; whatever it is, this does not throw. */
export function isError(value: unknown): value is Error {
  try {
    return value instanceof Error;
  } catch {
    return false;
  }
}

function read(from: Error, key: string): unknown {
  try {
    return (from as unknown as Record<string, unknown>)[key];
  } catch {
    return undefined;
  }
}

/** Name and message, which the stack of some runtimes lacks in part, and the stack. */
function textOf(error: Error): string {
  const stack = read(error, "stack"), message = print(read(error, "message"));
  const head = `${print(read(error, "name"))}: ${message}`;
  if (typeof stack !== "string" || stack === "") return head;
  return stack.includes(message) ? stack : `${head}\n${stack}`;
}

function print(value: unknown): string {
  try {
    return String(value);
  } catch {
    return "an object that cannot be printed";
  }
}
