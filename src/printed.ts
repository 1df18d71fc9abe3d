/**
 * How objects look when they are printed: `<Queue size=3>`. Python: `__repr__`.
 *
 * To print only looks: it waits for nothing, takes no lock, and never throws.
 *
 * @module
 */

/** What consoles ask an object for: those of Node and Bun, and Deno's. */
const ASKED: readonly symbol[] = [Symbol.for("nodejs.util.inspect.custom"), Symbol.for("Deno.customInspect")];

function inspect(this: object): string {
  // A subclass may have looks of its own.
  return String(this);
}

/**
 * Gives objects their looks, as texts and on consoles.
 *
 * @param what The prototype of a class, or an object of none.
 * @param details What is said of one beside its class. If that throws, since it is closed, say, nothing is.
 * @param kind What an object of no class is called.
 */
export function printAs<T extends object>(what: T, details: (object: T) => string, kind?: string): void {
  const define = (name: string | symbol, value: unknown) =>
    Object.defineProperty(what, name, { value, configurable: true, writable: true });
  define("toString", function (this: T): string {
    const name = kind ?? this.constructor.name;
    try {
      return `<${name} ${details(this)}>`;
    } catch {
      return `<${name}>`;
    }
  });
  for (const symbol of ASKED) define(symbol, inspect);
}
