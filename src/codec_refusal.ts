/**
 * Values that cannot travel: why, what to do instead, and where in the value that was sent they are.
 *
 * @module
 */

import { DataCloneError } from "./errors.ts";
import { classOf, HANDLE } from "./codec_classes.ts";

/** Thrown inside an encode, which turns it into a DataCloneError with the path to the value. */
export class Refusal {
  readonly value: unknown;
  readonly reason: string;

  constructor(value: unknown, reason: string) {
    this.value = value;
    this.reason = reason;
  }

  /** The error to throw for this refusal, met while `root` was sent. */
  toError(root: unknown, rootPath: string): DataCloneError {
    return new DataCloneError(`Cannot send ${pathTo(this.value, root, rootPath)}: ${this.reason}`);
  }
}

/**
 * Has the objects of a class refused: what they are is in private fields, and a copy of the others would be an empty shell.
 *
 * @param what `"a pool"`.
 * @param instead What to do instead.
 */
export function keepHere(prototype: object, what: string, instead: string): void {
  Object.defineProperty(prototype, HANDLE, {
    value(this: object) {
      throw new Refusal(this, cannotTravel(what, instead));
    },
  });
}

function cannotTravel(what: string, instead: string): string {
  return `${what} cannot travel to another process; ${instead}`;
}

/** Why functions stay. */
export const FUNCTION_REASON: string = cannotTravel(
  "a function",
  "call it here and send the result, or export it from a module and name that as the target",
);
/** Why symbols stay. */
export const SYMBOL_REASON: string = cannotTravel("a symbol", "send its description");
/** Why shared buffers stay. */
export const SHARED_BUFFER_REASON: string = cannotTravel(
  "a SharedArrayBuffer",
  "use mp.Array or mp.SharedMemory, or send a copy of its bytes",
);
/** Why detached buffers stay. */
export const DETACHED_REASON = "its buffer is detached: it was transferred elsewhere";
/** Why buffers stay that a getter changed. */
export const CHANGED_REASON = "its buffer was resized or detached while the rest was read";
/** Why what is too deep stays. */
export const DEPTH_REASON = "it is nested too deeply";

const MAKE_ANOTHER = "send the data to make one of on the other side";
/** What to do instead, and with what, by `Object.prototype.toString`'s name: objects whose state is not in their properties, so that a copy of those would be an empty shell. */
const ADVICE: readonly (readonly [instead: string, names: string])[] = [
  ["send the objects themselves", "WeakMap,WeakSet,WeakRef,FinalizationRegistry"],
  ["await it and send the result", "Promise"],
  [
    "send an array of what it yields",
    "Generator,AsyncGenerator,Iterator Helper,Map Iterator,Set Iterator,Array Iterator,String Iterator,RegExp String Iterator",
  ],
  ["use mp.Pipe", "MessagePort,MessageChannel,WritableStream,TransformStream"],
  ["use mp.Queue", "BroadcastChannel"],
  ["use mp.Process", "Worker"],
  ["send its href", "URL"],
  ["send its toString()", "URLSearchParams"],
  ["use mp.Event", "AbortSignal,AbortController"],
  ["send its bytes", "Blob,File"],
  ["read it and send the chunks", "ReadableStream"],
  [MAKE_ANOTHER, "EventTarget,Event,WebSocket,EventSource,FormData,Headers,Request,Response,CryptoKey,KeyObject,Performance"],
];
const advice: ReadonlyMap<string, string> = new Map(
  ADVICE.flatMap(([instead, names]) => names.split(",").map((name) => [name, instead] as const)),
);

/** Why an object of that name cannot travel, its class's name being the more telling one; undefined if nothing is known against it. */
export function reasonAgainst(name: string, className?: unknown): string | undefined {
  const instead = advice.get(name) ?? (/^(?:Intl|Temporal|WebAssembly)\./.test(name) ? MAKE_ANOTHER : undefined);
  if (instead === undefined) return undefined;
  const closer = advice.get(className as string);
  return closer === undefined ? cannotTravel(`a ${name}`, instead) : cannotTravel(`a ${className}`, closer);
}

interface Place {
  readonly value: unknown;
  readonly parent: Place | null;
  readonly step: string;
}

/**
 * The path to `target`, found by a walk of its own: the encoder does not keep track of where it is, which every value would pay for.
 * If getters give other objects now, it is the path of the first function or symbol, or the root's.
 */
function pathTo(target: unknown, root: unknown, rootPath: string): string {
  const visited = new Set<unknown>();
  const open: Place[] = [{ value: root, parent: null, step: rootPath }];
  let likely: Place | null = null;
  for (let place = open.pop(); place !== undefined; place = open.pop()) {
    const { value } = place;
    if (Object.is(value, target)) return spell(place);
    if (typeof value === "function" || typeof value === "symbol") likely ??= place;
    if (typeof value !== "object" || value === null || visited.has(value)) continue;
    visited.add(value);
    const inside: Place[] = [];
    try {
      for (const [step, child] of children(value)) inside.push({ value: child, parent: place, step });
    } catch {
      // What a getter or a codec throws now it did not throw before; what lies behind it stays unsearched.
    }
    for (let i = inside.length; i-- > 0;) open.push(inside[i]);
  }
  return likely === null ? rootPath : spell(likely);
}

function spell(place: Place): string {
  const steps: string[] = [];
  for (let at: Place | null = place; at !== null; at = at.parent) steps.push(at.step);
  let path = "";
  for (const step of steps.reverse()) path = step.startsWith("[...") ? `[...${path}${step.slice(4)}` : path + step;
  return path.replace(/^\./, ""); // a root without a name
}

function* children(object: object): Generator<readonly [string, unknown]> {
  const codec = classOf(Object.getPrototypeOf(object))?.codec;
  if (codec !== undefined) yield ["", codec.encode(object)];
  if (object instanceof Map) {
    let i = 0;
    for (const [key, value] of object) {
      yield [`[...keys()][${i}]`.replace("keys", ".keys"), key];
      yield [typeof key === "object" || typeof key === "function" ? `[....values()][${i}]` : `.get(${literal(key)})`, value];
      i++;
    }
  } else if (object instanceof Set) {
    let i = 0;
    for (const value of object) yield [`[...][${i++}]`, value];
  }
  if (object instanceof Error) {
    yield [".cause", object.cause];
    yield [".errors", (object as AggregateError).errors];
    yield [".error", (object as SuppressedError).error];
    yield [".suppressed", (object as SuppressedError).suppressed];
  }
  if (ArrayBuffer.isView(object)) {
    yield [".buffer", object.buffer];
    return;
  }
  for (const key of Object.keys(object)) yield [property(key), (object as Record<string, unknown>)[key]];
}

function property(key: string): string {
  if (/^(?:0|[1-9]\d*)$/.test(key)) return `[${key}]`;
  return /^[\p{L}_$][\p{L}\p{N}_$]*$/u.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
}

function literal(key: unknown): string {
  return typeof key === "string" ? JSON.stringify(key) : typeof key === "bigint" ? `${key}n` : String(key);
}
