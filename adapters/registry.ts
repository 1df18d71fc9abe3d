/**
 * Looks a function up among what loaded modules export.
 *
 * @module
 */

// deno-lint-ignore ban-types -- any function at all, classes and natives included
export type AnyFunction = Function;

/** The name of the export that is the function, `Class.method` for a static method; null if none is. */
export function exportedAs(exports: unknown, fn: AnyFunction): string | null {
  const names = exportNames(exports);
  // Most functions are exported under their own name.
  if (names.includes(fn.name) && value(exports, fn.name) === fn) return fn.name;
  const classes: string[] = [];
  for (const name of names) {
    const found = value(exports, name);
    if (found === fn) return name;
    if (typeof found === "function" && Object.hasOwn(found, fn.name)) classes.push(name);
  }
  return classes.map((name) => ({ name, found: value(value(exports, name), fn.name) })).find(({ found }) => found === fn)?.name
    .concat(".", fn.name) ?? null;
}

function exportNames(exports: unknown): string[] {
  if (exports === null || (typeof exports !== "object" && typeof exports !== "function")) return [];
  return Object.keys(exports);
}

/** A member, null where reading it throws (an export that is not initialised yet) or would run a getter. */
function value(from: unknown, name: string): unknown {
  try {
    return Object.getOwnPropertyDescriptor(from, name)?.value;
  } catch {
    return null;
  }
}
