/**
 * Actors: participants that run a program of the real code, one access to memory at a time.
 *
 * What an actor does next is determined by what it has read so far. So its program is unfolded, as far as it is needed, into a tree: a node is what it does next, an edge what that gave. To go
 * on from a node, the program is run again from its start, is given what it read then, and goes on with the memory as it is now.
 * Where two runs come to the same point between operations with the same state of their objects, they come to the same node.
 *
 * @module
 */
import * as M from "./machine.ts";
import { Promised } from "./promised.ts";

/** What an actor does next. */
export interface Node extends M.Step {
  readonly id: number;
  readonly parent: Node | null;
  /** What the parent's step gave. */
  readonly key: number;
  readonly depth: number;
  readonly kids: Map<number, Node>;
  /** For `BEGIN`: what the operations so far gave. */
  readonly results: readonly unknown[] | null;
  /** For `FAIL`. */
  readonly error: unknown;
  /** Where in the sources, once somebody asked. */
  site: string | undefined;
}

/** One thing that an actor does, between others. */
export interface Operation<W> {
  readonly name: string;
  /** When it may begin: a number above 0, which it is given. Without it: at once. */
  readonly when?: () => number;
  run(world: W, given: number): unknown;
}

/** An actor. */
export interface Actor<W = unknown> extends M.Body {
  readonly name: string;
  readonly slot: number;
  /** Makes its objects. */
  prologue(): W;
  readonly operations: readonly Operation<W>[];
  readonly mayDie: boolean;
  /** Whether others do nothing between its steps, unless it waits. */
  readonly isHasty: boolean;
  root: Node | undefined;
  readonly boundaries: Map<string, Node>;
}

/** Thrown to leave a run that goes no further. */
const LEAVE = Symbol("leave");
/** So many steps in one run: it goes round in circles. */
const ENDLESS = 50_000;

let nextId = 1;

/** One run of an actor's program, or the direct use of the memory. */
export class Run {
  static active: Run | null = null;

  readonly #machine: M.Machine;
  readonly #actor: Actor | null;
  readonly #path: Node[] = [];
  #cursor = 0;
  #current: Node | null = null;
  #key = 0;
  #left = false;
  #steps = 0;
  #world: unknown;
  #results: unknown[] = [];
  #error: unknown;
  #bell = 0;
  #epoch = 0;
  readonly #withSites: boolean;
  clock = 0;
  readonly timers: { due: number; run: () => void }[] = [];
  readonly microtasks: (() => void)[] = [];
  onRing: () => void = () => {};
  /** How far the run goes on by itself after what it is wanted for. */
  static ahead = 400;

  constructor(machine: M.Machine, actor: Actor | null, withSites = false) {
    this.#machine = machine;
    this.#actor = actor;
    this.#withSites = withSites;
  }

  get actor(): Actor | null {
    return this.#actor;
  }

  /** Uses the memory directly. */
  static direct<T>(machine: M.Machine, body: () => T): T {
    const before = Run.active;
    Run.active = new Run(machine, null);
    try {
      return body();
    } finally {
      Run.active = before;
    }
  }

  /** The node after `node` when its step gave `key`; the memory is as after that step, and stays so. */
  static extend(machine: M.Machine, actor: Actor, node: Node | null, key: number): Node {
    const run = new Run(machine, actor);
    for (let n = node; n !== null; n = n.parent) run.#path.push(n);
    run.#path.reverse();
    run.#key = key;
    const { mark, h1, h2 } = machine;
    run.#go();
    machine.undo(mark, h1, h2);
    const next = node === null ? actor.root : node.kids.get(key);
    if (next === undefined) throw new Error(`The model did not get beyond a step of ${actor.name}`, { cause: run.#error });
    return next;
  }

  /** Finds out where in the sources the nodes up to this one are. */
  static locate(machine: M.Machine, actor: Actor, node: Node): void {
    const run = new Run(machine, actor, true);
    for (let n: Node | null = node; n !== null; n = n.parent) run.#path.push(n);
    run.#path.reverse();
    run.#left = false;
    run.#key = NaN;
    const { mark, h1, h2 } = machine;
    run.#go();
    machine.undo(mark, h1, h2);
  }

  #go(): void {
    const before = Run.active;
    Run.active = this;
    const actor = this.#actor!;
    try {
      this.#world = actor.prologue();
      for (let k = 0; k < actor.operations.length; k++) {
        const given = this.access(M.BEGIN, k, 0, 0);
        this.#results.push(this.#settle(actor.operations[k].run(this.#world, given)));
      }
      this.access(M.END, 0, 0, 0);
    } catch (error) {
      if (!this.#left) {
        this.#error = error;
        try {
          this.access(M.FAIL, 0, 0, 0);
        } catch { /* it leaves */ }
      }
    } finally {
      Run.active = before;
    }
  }

  /** The event loop. */
  #settle(value: unknown): unknown {
    this.#drain();
    if (!(value instanceof Promised)) return value;
    while (!value.isSettled) {
      const first = this.timers.filter(({ due }) => due !== Infinity).sort((a, b) => a.due - b.due)[0];
      if (this.access(M.IDLE, 0, 0, first === undefined ? 0 : 1) === M.TIME_PASSED) {
        this.timers.splice(this.timers.indexOf(first), 1);
        this.clock = Math.max(this.clock, first.due);
        first.run();
      } else this.onRing();
      this.#drain();
    }
    return value.outcome();
  }

  #drain(): void {
    for (let task; (task = this.microtasks.shift()) !== undefined;) task();
  }

  /** A step of the program. */
  access(op: number, address: number, a: number, b: number): number {
    if (this.#actor === null) return this.#directly(op, address, a, b);
    if (this.#left) throw LEAVE;
    const relative = op === M.PARK || op === M.LISTEN;
    if (relative) a = a - this.#bell | 0;
    if (this.#cursor < this.#path.length) {
      const node = this.#path[this.#cursor++];
      if (!isStep(node, op, address, a, b)) {
        throw new Error(
          `The model does not know all that ${this.#actor.name} depends on: it does ${M.OP_NAMES[op]} ${address} instead of ${show(node)}`,
        );
      }
      if (this.#withSites && node.site === undefined) node.site = siteOf(new Error().stack ?? "");
      this.#current = node;
      if (this.#cursor < this.#path.length) return this.#give(node, this.#path[this.#cursor].key);
      if (Number.isNaN(this.#key)) return this.#leave();
      return this.#give(node, this.#key);
    }
    const node = this.#next(op, address, a, b);
    if (this.#steps++ > Run.ahead && this.#steps > 1 || (op === M.BEGIN && this.#actor.operations[address].when !== undefined)) {
      return this.#leave();
    }
    const key = performStep(this.#machine, this.#actor, node);
    if (key === M.BLOCKED) return this.#leave();
    this.#current = node;
    this.#key = key;
    return this.#give(node, key);
  }

  #leave(): never {
    this.#left = true;
    throw LEAVE;
  }

  #next(op: number, address: number, a: number, b: number): Node {
    const actor = this.#actor!;
    const known = this.#current === null ? actor.root : this.#current.kids.get(this.#key);
    if (known !== undefined) {
      if (!isStep(known, op, address, a, b)) {
        throw new Error(
          `The model does not know all that ${actor.name} depends on: it does ${M.OP_NAMES[op]} ${address} instead of ${show(known)}`,
        );
      }
      return known;
    }
    const depth = this.#current === null ? 0 : this.#current.depth + 1;
    if (depth > ENDLESS) throw new Error(`${actor.name} goes round in circles`);
    let node: Node | undefined;
    let digest = "";
    if (op === M.BEGIN) {
      digest = digestOf({ address, world: this.#world, results: this.#results, clock: this.clock });
      node = actor.boundaries.get(digest);
    }
    if (node === undefined) {
      const isBoundary = op === M.BEGIN || op === M.END;
      node = {
        id: nextId++,
        op,
        address,
        a,
        b,
        parent: this.#current,
        key: this.#key,
        depth,
        kids: new Map(),
        results: isBoundary ? [...this.#results] : null,
        error: op === M.FAIL ? this.#error : undefined,
        site: undefined,
      };
      if (op === M.BEGIN) actor.boundaries.set(digest, node);
    }
    if (this.#current === null) actor.root = node;
    else this.#current.kids.set(this.#key, node);
    return node;
  }

  /** What the program gets for what a step gave. */
  #give(node: Node, key: number): number {
    if (node.op > M.LOAD || !this.#machine.isRelative(node.address)) return key;
    if (node.address === this.#actor!.bell) return this.#bell = this.#bell + key | 0;
    return this.#epoch = this.#epoch + key | 0;
  }

  #directly(op: number, address: number, a: number, b: number): number {
    const { words } = this.#machine;
    if (op <= M.LOAD) return words[address];
    if (op >= M.PARK && op !== M.DETACH && op !== M.ENTER) return 0;
    return this.#machine.perform({ index: 0, ident: 0, bell: 0, hasDoor: false }, { op, address, a, b });
  }
}

/** Makes a step of an actor. */
export function performStep(machine: M.Machine, actor: Actor, node: Node): number {
  if (node.op !== M.BEGIN) return machine.perform(actor, node);
  const when = actor.operations[node.address].when;
  const given = when === undefined ? 1 : when();
  if (given === 0) return M.BLOCKED;
  machine.perform(actor, node);
  return given;
}

function isStep(node: Node, op: number, address: number, a: number, b: number): boolean {
  return node.op === op && node.address === address && node.a === a && node.b === b;
}

function show(node: Node): string {
  return `${M.OP_NAMES[node.op]} ${node.address} ${node.a} ${node.b}`;
}

/** The functions of the library that are under way, innermost first. */
function siteOf(stack: string): string {
  const frames: string[] = [];
  for (const line of stack.split("\n")) {
    const file = /model-src-[^/]*\/(\w+)\.ts:(\d+)/.exec(line);
    if (file === null) continue;
    const name = /^\s*at (?:new )?(?:async )?([\w$.<>#]+) /.exec(line)?.[1] ?? /^([\w$.]+)@/.exec(line)?.[1] ?? "";
    frames.push(`${name.split(".").pop()!.replaceAll("$", "#")} ${file[1]}.ts:${file[2]}`);
  }
  return frames.slice(0, 3).join(" < ");
}

/** What distinguishes the state of some objects, as text. */
export function digestOf(value: unknown): string {
  const seen = new Map<object, number>();
  let text = "";
  const walk = (v: unknown): void => {
    if (typeof v === "function" || v === undefined) text += "_";
    else if (typeof v !== "object" || v === null) text += `${String(v)},`;
    else if (seen.has(v)) text += `@${seen.get(v)},`;
    else {
      seen.set(v, seen.size);
      if (OPAQUE in v) text += "~";
      else if (Array.isArray(v)) {
        text += "[";
        v.forEach(walk);
        text += "]";
      } else if (v instanceof Map) {
        text += "<";
        for (const [key, content] of v) {
          walk(key);
          walk(content);
        }
        text += ">";
      } else if (v instanceof Set) {
        text += "(";
        v.forEach(walk);
        text += ")";
      } else if (v instanceof Error) text += `${v.name}: ${v.message}`;
      else if (ArrayBuffer.isView(v) || v instanceof AbortController) text += "~";
      else {
        text += `${v.constructor?.name ?? ""}{`;
        for (const key of Object.keys(v)) {
          // The epoch it saw last is what the model counts from.
          if (key === "$epoch") continue;
          text += `${key}:`;
          walk((v as Record<string, unknown>)[key]);
        }
        text += "}";
      }
    }
  };
  walk(value);
  return text;
}

/** Marks objects whose state is not an actor's own. */
export const OPAQUE: unique symbol = Symbol("opaque");
