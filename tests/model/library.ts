/**
 * The library's own sources, as they are now, over simulated memory.
 *
 * They are copied to a directory of their own, changed in three ways, and imported from there: private fields get ordinary names, so that the state of an object can be compared; the names
 * `Atomics`, `Int32Array` and so on mean those of the model; and constants that are only sizes and times are small. Nothing else is touched, but for bugs put in on purpose, and, where a scenario says so, for what has
 * scenarios of its own and is made plain in others (`PLAIN_MONITORS`, `PLAIN_LOCKS`).
 *
 * @module
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Memory } from "../../src/adapter.ts";
import * as M from "./machine.ts";
import { OPAQUE, Run } from "./program.ts";
import { Promised } from "./promised.ts";

/** A change to the text of a file; the text must be there exactly once. */
export interface Edit {
  readonly file: string;
  readonly from: string | RegExp;
  readonly to: string;
}

/** The modules under test. */
export interface Library {
  readonly layout: typeof import("../../src/layout.ts");
  readonly arena: typeof import("../../src/arena.ts");
  readonly clock: typeof import("../../src/clock.ts");
  readonly attempt: typeof import("../../src/attempt.ts");
  readonly gate: typeof import("../../src/gate.ts");
  readonly monitor: typeof import("../../src/monitor.ts");
  readonly participant: typeof import("../../src/participant.ts");
  readonly ring: typeof import("../../src/ring.ts");
  readonly messages: typeof import("../../src/messages.ts");
  readonly arenaHome: typeof import("../../src/arena_home.ts");
  readonly codecClasses: typeof import("../../src/codec_classes.ts");
  readonly lock: typeof import("../../src/lock.ts");
  readonly semaphore: typeof import("../../src/semaphore.ts");
  readonly condition: typeof import("../../src/condition.ts");
  readonly event: typeof import("../../src/event.ts");
  readonly barrier: typeof import("../../src/barrier.ts");
  readonly action: typeof import("../../src/action.ts");
  readonly errors: typeof import("../../src/errors.ts");
}

const SOURCES = new URL("../../src/", import.meta.url);
/** Modules that touch shared memory, clocks or promises. */
const SIMULATED = [
  "acquirable",
  "arena",
  "arena_home",
  "attempt",
  "backlog",
  "barrier",
  "clock",
  "condition",
  "doorbells",
  "event",
  "gate",
  "heap",
  "holding",
  "lock",
  "messages",
  "monitor",
  "park",
  "participant",
  "place",
  "record",
  "ring",
  "ring_repair",
  "semaphore",
  "spin",
  "turns",
  "wait_set",
  "waiting_tasks",
];

/** Words in the simulated arena. */
export const ARENA_WORDS = 4096;

const MONITOR_LOOK_MS = 20;

const SMALL: readonly Edit[] = [
  constant("layout", "SLOT_COUNT", "8"),
  constant("layout", "IDENT_SLOT_BITS", "3"),
  constant("layout", "SLOTS_OFFSET", "512"),
  constant("layout", "HEAP_OFFSET", "2048"),
  constant("layout", "HEAP_ORDER", "11"),
  constant("layout", "MAX_ORDER", "14"),
  constant("waiting_tasks", "LOOK_MS", "Infinity"),
  constant("park", "MONITOR_LOOK_MS", String(MONITOR_LOOK_MS)),
  constant("monitor", "SPINS", "1"),
  // Four records of four bytes each.
  constant("ring", "FIRST_SEGMENT", "128"),
  constant("ring", "LARGEST_SEGMENT", "128"),
  constant("ring", "USUAL_SEGMENT", "128"),
  constant("ring", "LARGEST_INLINE", "4"),
];

/**
 * Monitors that are entered in one step, as soon as nobody alive is inside: far fewer states. How they are waited for is explored by itself, and with rings.
 */
export const PLAIN_MONITORS: readonly Edit[] = [
  {
    file: "monitor",
    from: "if (Atomics.compareExchange(words, at + L.MONITOR_OWNER, 0, parker.ident) === 0) return false;",
    to: "return Atomics.enter(words, at + L.MONITOR_OWNER, parker.ident) !== 0;",
  },
];

/** Likewise locks, for what is built on them. */
export const PLAIN_LOCKS: readonly Edit[] = [
  ...PLAIN_MONITORS,
  {
    file: "lock",
    from: "let owner = Atomics.compareExchange(words, at + L.LOCK_OWNER, 0, ident);",
    to: "let owner = -Atomics.enter(words, at + L.LOCK_OWNER, ident);",
  },
  { file: "lock", from: "Atomics.compareExchange(words, at + L.LOCK_OWNER, ABANDONED, ident) === ABANDONED", to: "true" },
];

/** An edit that gives a constant another value. */
export function constant(file: string, name: string, value: string): Edit {
  return { file, from: new RegExp(`(?<=^(?:export )?const ${name}(?:: \\w+)? = )[^;]+(?=;)`, "m"), to: value };
}

/** Loads the library, with bugs if so wished. */
export async function load(edits: readonly Edit[] = []): Promise<Library> {
  install();
  const directory = mkdtempSync(join(tmpdir(), "model-src-"));
  try {
    writeFileSync(join(directory, "package.json"), `{"type":"module"}`);
    for (const file of readdirSync(SOURCES).filter((name) => name.endsWith(".ts"))) {
      const name = file.slice(0, -3);
      let text = readFileSync(new URL(file, SOURCES), "utf8");
      for (const edit of [...SMALL, ...edits]) if (edit.file === name) text = apply(text, edit);
      if (SIMULATED.includes(name)) {
        // A step whose result nobody looks at gives none, so that it does not tell states apart.
        text = text.replace(/^(\s*Atomics\.)(add|sub|and|or|exchange)\(/gm, "$1$2Blindly(");
        // Time is the model's.
        text = text.replace(/^import \{ (.*) \} from "\.\/host\.ts";$/m, (_, names: string) => {
          const others = names.split(", ").filter((name) => !(name in REPLACEMENTS));
          return `import { ${others.join(", ")} } from "./host.ts";`;
        });
        text = `const { ${Object.keys(REPLACEMENTS).join(", ")} } = globalThis[Symbol.for("polyproc.model")]; ` + text;
        text = text.replace(/#(?=[a-zA-Z])/g, "$");
      }
      writeFileSync(join(directory, file), text);
    }
    const get = (name: string) => import(pathToFileURL(join(directory, `${name}.ts`)).href);
    return {
      layout: await get("layout"),
      arena: await get("arena"),
      clock: await get("clock"),
      attempt: await get("attempt"),
      gate: await get("gate"),
      monitor: await get("monitor"),
      participant: await get("participant"),
      ring: await get("ring"),
      messages: await get("messages"),
      arenaHome: await get("arena_home"),
      codecClasses: await get("codec_classes"),
      lock: await get("lock"),
      semaphore: await get("semaphore"),
      condition: await get("condition"),
      event: await get("event"),
      barrier: await get("barrier"),
      action: await get("action"),
      errors: await get("errors"),
    };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function apply(text: string, { file, from, to }: Edit): string {
  const parts = text.split(from);
  if (parts.length !== 2) {
    throw new Error(`The model expects this once in src/${file}.ts, it is there ${parts.length - 1} times: ${from}`);
  }
  return parts.join(to);
}

const WORDS: unique symbol = Symbol("words");
const BUFFER = { [OPAQUE]: true } as unknown as ArrayBuffer;

function access(op: number, address: number, a = 0, b = 0): number {
  if (Run.active === null) throw new Error("unreachable: nobody uses the simulated memory outside a run");
  return Run.active.access(op, address, a, b);
}

function indexOf(property: string | symbol): number {
  return typeof property === "string" && property.charCodeAt(0) <= 57 ? Number(property) : -1;
}

/** Words of the simulated memory. */
function wordsFrom(start: number, length: number): Int32Array {
  const base = start / 4;
  const methods: Record<string | symbol, unknown> = {
    [OPAQUE]: true,
    [WORDS]: base,
    length,
    fill(value: number, from: number, to: number) {
      for (let i = from; i < to; i++) access(M.WRITE, base + i, value);
    },
  };
  return new Proxy(methods, {
    get(target, property) {
      const index = indexOf(property);
      if (index >= 0) return access(M.READ, base + index);
      if (property in target) return target[property];
      throw new Error(`The model has no ${String(property)} of an Int32Array`);
    },
    set(_target, property, value) {
      access(M.WRITE, base + indexOf(property), value | 0);
      return true;
    },
  }) as unknown as Int32Array;
}

/** Bytes of the simulated memory. */
function bytesFrom(start: number, length: number): Uint8Array {
  const methods: Record<string | symbol, unknown> = {
    [OPAQUE]: true,
    length,
    byteLength: length,
    subarray: (from: number, to: number) => bytesFrom(start + from, to - from),
    set(source: Uint8Array, at = 0) {
      let i = 0;
      if ((start + at) % 4 === 0) {
        for (; i + 4 <= source.length; i += 4) {
          access(M.WRITE, start + at + i >>> 2, source[i] | source[i + 1] << 8 | source[i + 2] << 16 | source[i + 3] << 24);
        }
      }
      for (; i < source.length; i++) access(M.WRITE_BYTE, start + at + i >>> 2, source[i], start + at + i & 3);
    },
  };
  return new Proxy(methods, {
    get(target, property) {
      const index = indexOf(property);
      if (index >= 0) return access(M.READ_BYTE, start + index >>> 2, 0, start + index & 3);
      if (property in target) return target[property];
      throw new Error(`The model has no ${String(property)} of a Uint8Array`);
    },
    set(_target, property, value) {
      const at = start + indexOf(property);
      access(M.WRITE_BYTE, at >>> 2, value & 255, at & 3);
      return true;
    },
  }) as unknown as Uint8Array;
}

type Words = Int32Array & { [WORDS]?: number };

/** A method of `Atomics` on simulated words, or the real one on others. */
function atomic(op: number, real: (...args: never[]) => number, isBlind = false) {
  return (words: Words, index: number, a = 0, b = 0): number => {
    if (!(OPAQUE in words)) return (real as (...args: unknown[]) => number)(words, index, a, b);
    const result = access(op, words[WORDS]! + index, a | 0, op === M.CAS ? b | 0 : isBlind ? 1 : 0);
    return op === M.STORE ? a : result;
  };
}

/** `Atomics` over simulated memory. */
export const atomics = {
  load: atomic(M.LOAD, Atomics.load),
  store: atomic(M.STORE, Atomics.store),
  add: atomic(M.ADD, Atomics.add),
  sub: atomic(M.SUB, Atomics.sub),
  and: atomic(M.AND, Atomics.and),
  or: atomic(M.OR, Atomics.or),
  xor: atomic(M.XOR, Atomics.xor),
  exchange: atomic(M.EXCHANGE, Atomics.exchange),
  addBlindly: atomic(M.ADD, Atomics.add, true),
  subBlindly: atomic(M.SUB, Atomics.sub, true),
  andBlindly: atomic(M.AND, Atomics.and, true),
  orBlindly: atomic(M.OR, Atomics.or, true),
  exchangeBlindly: atomic(M.EXCHANGE, Atomics.exchange),
  compareExchange: atomic(M.CAS, Atomics.compareExchange),
  /** {@linkcode PLAIN_MONITORS}. */
  enter: atomic(M.ENTER, () => {
    throw new Error("unreachable: monitors are in simulated memory");
  }),
};

const REPLACEMENTS = {
  Atomics: atomics,
  Int32Array: new Proxy(Int32Array, {
    construct: (real, args) => args[0] === BUFFER ? wordsFrom(args[1], args[2]) : Reflect.construct(real, args),
  }),
  Uint8Array: new Proxy(Uint8Array, {
    construct: (real, args) => args[0] === BUFFER ? bytesFrom(args[1], args[2]) : Reflect.construct(real, args),
  }),
  Promise: Promised,
  queueMicrotask: (task: () => void) => void Run.active!.microtasks.push(task),
  performance: { now: () => Run.active!.clock },
  setTimeout(run: () => void, ms: number): unknown {
    const timer = { due: Run.active!.clock + ms, run };
    Run.active!.timers.push(timer);
    return timer;
  },
  clearTimeout(timer: { due: number; run: () => void } | undefined): void {
    const timers = Run.active!.timers;
    if (timer !== undefined && timers.includes(timer)) timers.splice(timers.indexOf(timer), 1);
  },
  FinalizationRegistry: class {
    register(): void {}
    unregister(): void {}
  },
};

function install(): void {
  (globalThis as Record<symbol, unknown>)[Symbol.for("polyproc.model")] = REPLACEMENTS;
}

/** What {@linkcode SimulatedMemory} must know of the actors. */
export interface Cast {
  readonly machine: M.Machine;
  /** Index of the actor in a slot, or -1. */
  actorIn(slot: number): number;
  hasDoor(slot: number): boolean;
}

/** Memory as adapters give it, simulated. */
export class SimulatedMemory implements Memory {
  readonly [OPAQUE] = true;
  readonly kind = "local";
  readonly byteLength: number = ARENA_WORDS * 4;
  readonly #cast: Cast;

  constructor(cast: Cast) {
    this.#cast = cast;
  }

  view(offset: number): { buffer: ArrayBuffer; start: number } {
    return { buffer: BUFFER, start: offset };
  }

  discard(): void {}

  attach(slot: number, onRing: () => void): readonly [number, number] {
    Run.active!.onRing = onRing;
    return this.#cast.hasDoor(slot) ? [this.#cast.actorIn(slot) + 1, 0] : [0, 0];
  }

  detach(slot: number): void {
    const actor = Run.active!.actor;
    // Of another, who is dead, there is nothing left to give up.
    if (actor !== null && actor.slot === slot) access(M.DETACH, M.aliveWord(this.#cast.machine.size, actor.index));
  }

  alive(slot: number): boolean {
    const index = this.#cast.actorIn(slot);
    return index < 0 || access(M.ALIVE, M.aliveWord(this.#cast.machine.size, index)) === 1;
  }

  park(offset: number, expected: number, timeoutMs: number): void {
    const run = Run.active!;
    const end = timeoutMs === Infinity ? 0 : timeoutMs === MONITOR_LOOK_MS ? M.LOOKS : M.WAITS_FOR_SOME_TIME;
    // The clock tells deadlines, which looks do not reach.
    if (access(M.PARK, offset / 4, expected, end) === M.TIME_PASSED && end === M.WAITS_FOR_SOME_TIME) run.clock += timeoutMs;
  }

  unpark(offset: number): void {
    access(M.UNPARK, offset / 4);
  }

  giveWay(): boolean {
    return false; // nobody spins here
  }

  listen(_slot: number, offset: number, seen: number): void {
    access(M.LISTEN, offset / 4, seen);
  }

  rouse(door: readonly [number, number]): boolean {
    access(M.ROUSE, door[0] - 1);
    return true;
  }
}
