/**
 * The classes and shared objects that the codec knows: registered by users, by the library, and the built-in errors.
 *
 * @module
 */

import * as errors from "./errors.ts";
import { DOMException } from "./host.ts";
import { type Check, checkArgument, FUNCTION, shown } from "./options.ts";

/** The method by which an object that lives in shared memory says where it lives. */
export const HANDLE: unique symbol = Symbol.for("@polyproc/multiprocessing/handle") as never;

/** An object that lives in shared memory. It travels as a handle; both ends see the same memory. Instances of classes only. */
export interface Shareable {
  [HANDLE](): Handle;
}

/** What the other end makes its own object of. */
export interface Handle {
  /** 0 to 255, see {@linkcode registerHandle}. */
  readonly kind: number;
  /** Unsigned, of 32 bits. */
  readonly words: readonly number[];
  /** What else it consists of: any value that can travel, shared objects included. */
  readonly parts?: unknown;
}

/** Makes the receiver's object of a handle's words and parts. */
export type Revive = (words: readonly number[], context: unknown, parts: unknown) => object;

// deno-lint-ignore no-explicit-any -- any class may be registered, whatever its constructor takes
type AnyClass = abstract new (...args: any[]) => object;

/** How instances of a class are turned into data and back. */
// deno-lint-ignore no-explicit-any -- any class may be registered, whatever its constructor takes
export interface ClassCodec<T = any> {
  /** What to send for `object`: any value that can travel. */
  encode(object: T): unknown;
  /** The object for what `encode` gave. */
  decode(value: unknown): object;
}

/** A class that travels as itself. */
export interface KnownClass {
  /** Module URL, `#`, name; for built-in errors and those of the library the name alone. */
  readonly id: string;
  readonly prototype: object;
  readonly codec: ClassCodec | undefined;
}

/** What the library's own classes are registered with: they travel by a name that is the same in every build. */
export const LIBRARY = { url: "@polyproc/multiprocessing" } as const;

const byPrototype: Map<object, KnownClass> = new Map<object, KnownClass>();
const byId: Map<string, KnownClass> = new Map<string, KnownClass>();
const revivers: (Revive | undefined)[] = [];

for (
  const type of [
    Error,
    EvalError,
    RangeError,
    ReferenceError,
    SyntaxError,
    TypeError,
    URIError,
    AggregateError,
    DOMException,
    // Where the language has none yet, those of others arrive as errors of that name.
    globalThis.SuppressedError ?? class SuppressedError extends Error {
      static {
        this.prototype.name = "SuppressedError";
      }
    },
    ...Object.values(errors),
  ]
) {
  const known: KnownClass = { id: type.name, prototype: type.prototype, codec: undefined };
  byPrototype.set(type.prototype, known);
  byId.set(type.name, known);
}

/** Built-in objects whose state is in internal slots, which the default codec cannot carry. */
const needsCodec: readonly AnyClass[] = [
  Array,
  ArrayBuffer,
  Date,
  Map,
  Set,
  RegExp,
  Promise,
  WeakMap,
  WeakSet,
  WeakRef,
  DataView,
  Object.getPrototypeOf(Uint8Array),
];

const CODEC: Check = [
  (codec) => [(codec as Partial<ClassCodec> | null)?.encode, (codec as Partial<ClassCodec> | null)?.decode].every(FUNCTION[0]),
  "an object { encode, decode } of functions",
];

/**
 * Lets instances of a class travel as instances of that class. Both ends must have registered it, which a call at the top level of the
 * class's module does. Without `codec` the own enumerable fields travel and the object is made without running the constructor; private
 * `#fields` need a codec. Errors keep message, stack and cause besides. A subclass is registered on its own.
 *
 * @param meta The module's `import.meta`: a class is known by its module and name.
 * @param cls The class.
 * @param codec Turns an instance into data and back.
 * @throws {TypeError} If the class has no name or extends a built-in such as `Map` without `codec`; if `codec` is none; if the name is taken in this module.
 */
export function registerClass<T extends object>(
  meta: { url: string },
  // deno-lint-ignore no-explicit-any -- any class may be registered, whatever its constructor takes
  cls: abstract new (...args: any[]) => T,
  codec?: { encode(object: T): unknown; decode(value: unknown): T },
): void {
  if (typeof cls !== "function" || typeof cls.prototype !== "object" || cls.prototype === null) {
    throw new TypeError(`Cannot register ${shown(cls)}: it is not a class`);
  }
  if (cls.name === "") throw new TypeError("Cannot register a class without a name: the other end finds it by module and name");
  if (typeof meta?.url !== "string") throw new TypeError(`Cannot register class ${cls.name}: the first argument is import.meta`);
  if (codec === undefined) {
    const base = needsCodec.find((type) => cls.prototype instanceof type);
    if (base !== undefined) {
      throw new TypeError(`Cannot register class ${cls.name}: it extends ${base.name}, whose content its fields do not hold; pass a codec`);
    }
  }
  if (codec !== undefined) checkArgument("codec", codec, CODEC, `register class ${cls.name}`);
  const id = `${meta.url}#${cls.name}`;
  const holder = byId.get(id);
  if (holder !== undefined && holder.prototype !== cls.prototype) {
    throw new TypeError(`Cannot register class ${cls.name}: ${meta.url} has registered another class of that name`);
  }
  const known: KnownClass = { id, prototype: cls.prototype, codec };
  byId.set(id, known);
  byPrototype.set(cls.prototype, known);
}

/** Makes a class that was registered known by another module and name too, by which it travels from now on. */
export function renameClass(cls: { readonly prototype: unknown }, module: string, name: string): void {
  const before = byPrototype.get(cls.prototype as object);
  if (before === undefined || !before.id.includes("#")) return;
  const known: KnownClass = { ...before, id: `${module}#${name}` };
  byId.set(known.id, known);
  byPrototype.set(known.prototype, known);
}

/**
 * Says how the objects of one kind are made of their handles.
 *
 * @param kind 0 to 255.
 * @param revive Gets the handle's words, the `context` given to `decode`, and the handle's parts.
 */
export function registerHandle(kind: number, revive: Revive): void {
  if (!Number.isInteger(kind) || kind < 0 || kind > 255) {
    throw new RangeError(`Cannot register handles of kind ${kind}: kinds are 0 to 255`);
  }
  revivers[kind] = revive;
}

/** The class whose instances have exactly this prototype. */
export function classOf(prototype: object | null): KnownClass | undefined {
  return byPrototype.get(prototype as object);
}

/** The class of that id, built-in errors included. */
export function classById(id: string): KnownClass | undefined {
  return byId.get(id);
}

/** Whether its instances are errors. */
export function isErrorClass({ prototype }: KnownClass): boolean {
  return prototype === Error.prototype || prototype instanceof Error;
}

/** The nearest known error class among an error's ancestors; an error of another realm goes by its name. */
export function errorClassOf(error: object): KnownClass {
  for (let prototype = Object.getPrototypeOf(error); prototype !== null; prototype = Object.getPrototypeOf(prototype)) {
    const known = byPrototype.get(prototype);
    if (known !== undefined) return known;
  }
  const named = byId.get(String((error as Error).name));
  return named !== undefined && named.prototype instanceof Error && !named.id.includes("#") ? named : byId.get("Error")!;
}

/** The function registered for handles of that kind. */
export function reviverOf(kind: number): Revive | undefined {
  return revivers[kind];
}
