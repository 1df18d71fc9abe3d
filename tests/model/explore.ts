/**
 * Tries every interleaving of some actors, any of which may die at any step.
 *
 * A state is the memory and where each actor stands in its program. From each state that was not met before, each actor that can makes a step, and each that may dies. Where no actor can go on, the scenario looks at what
 * came of it.
 *
 * Steps that no other actor can notice are not worth a choice: those on words that no other actor uses any more, and those on words that all use only while they own the same monitor. Which words those are is found out
 * on the way: as soon as a word turns out to be neither, the search begins anew with that known (Stoller, "Model-checking multi-threaded distributed Java programs", gives the argument why this loses nothing).
 * Death is different: the next owner of a monitor sees what the dead one left. So an actor may stop for good before each write to a word that anybody else ever looks at, and dies at any time after that.
 *
 * @module
 */
import * as M from "./machine.ts";
import { type Actor, type Node, performStep, Run } from "./program.ts";
import { Seen } from "./seen.ts";

const GOING = 0, STOPPED = 1, DEAD = 2;

/** Where an actor stands at the end. */
export interface Standing {
  readonly name: string;
  /** `"stuck"`: it waits for something that nobody will do any more. */
  readonly state: "done" | "dead" | "stuck";
  /** What its operations gave. */
  readonly results: readonly unknown[];
  /** The operation that it was in, if any. */
  readonly operation: string | null;
  /** What it read in that operation when it looked at a word for the first time; undefined if it did not. */
  firstRead(address: number): number | undefined;
}

/** One line of a trace. */
export interface TraceStep {
  readonly actor: Actor;
  readonly kind: "step" | "dies" | "stops";
  readonly node: Node;
  readonly gave: number;
}

/** What is explored. */
export interface Model {
  readonly machine: M.Machine;
  readonly actors: readonly Actor[];
  /** Runs alone at the end of each execution. */
  readonly last: Actor | null;
  /** Indices of the words that name the owners of monitors. */
  readonly monitors: readonly number[];
  /** How many actors may die in one execution. */
  readonly deaths: number;
  /** Throws if something is wrong where nobody can go on. */
  readonly atRest: (standings: readonly Standing[]) => void;
  /** Throws if something is wrong after the last actor's operation. @param final What that gave. */
  readonly check: (standings: readonly Standing[], final: unknown) => void;
  /** It ends after so many states. */
  readonly limit: number;
}

/** What an exploration found. */
export interface Outcome {
  readonly states: number;
  readonly executions: number;
  readonly steps: number;
  /** Whether these were all states. */
  readonly isComplete: boolean;
  readonly failure: Failure | null;
}

/** What went wrong, and how it came to that. */
export interface Failure {
  readonly error: unknown;
  readonly trace: readonly TraceStep[];
}

class Restart extends Error {}
class Enough extends Error {}
class Wrong extends Error {
  readonly failure: Failure;
  constructor(failure: Failure) {
    super();
    this.failure = failure;
  }
}

/** So many steps in one execution: it goes round in circles. */
const ENDLESS = 20_000;
/** After a word turned out to be shared, so many states are still looked at before beginning anew: there may be more such words. */
const BEFORE_RESTART = 300;
/** After so many looks at the owner of a monitor in one execution, more will not help. */
const MOST_LOOKS = 3;

/** Tries everything. */
export function explore(model: Model): Outcome {
  return new Exploration(model).run();
}

class Exploration {
  readonly #model: Model;
  readonly #machine: M.Machine;
  readonly #nodes: Node[] = [];
  readonly #begun: Node[] = [];
  readonly #status: number[] = [];
  readonly #owners: Int32Array;
  readonly #path: TraceStep[] = [];
  #seen = new Seen();
  #deathsLeft = 0;
  #looks = 0;
  #states = 0;
  #executions = 0;
  #steps = 0;
  #restartIn = Infinity;
  // What is known of each word: which actors used it while others ran, whether anybody wrote it, the monitors owned at all those times, and who used it at all.
  readonly #users: Uint16Array;
  readonly #written: Uint8Array;
  readonly #guards: Int32Array;
  readonly #everUsers: Uint16Array;
  /** For each actor: in which of its operations it used a word last. */
  readonly #lastUse: Int8Array[];

  constructor(model: Model) {
    this.#model = model;
    this.#machine = model.machine;
    this.#owners = Int32Array.from(model.monitors);
    const length = this.#machine.words.length;
    this.#users = new Uint16Array(length);
    this.#written = new Uint8Array(length);
    this.#guards = new Int32Array(length).fill(-1);
    this.#everUsers = new Uint16Array(length);
    this.#lastUse = model.actors.map(() => new Int8Array(length).fill(-1));
  }

  run(): Outcome {
    const { actors } = this.#model;
    const { mark, h1, h2 } = this.#machine;
    for (;;) {
      this.#seen = new Seen();
      this.#states = this.#executions = this.#steps = 0;
      this.#restartIn = Infinity;
      this.#deathsLeft = this.#model.deaths;
      this.#looks = 0;
      this.#path.length = 0;
      try {
        for (const actor of actors) {
          this.#status[actor.index] = GOING;
          this.#nodes[actor.index] = this.#begun[actor.index] = actor.root!;
        }
        this.#visit();
        if (this.#restartIn !== Infinity) continue;
        return this.#outcome(null);
      } catch (error) {
        if (error instanceof Wrong) return this.#outcome(error.failure);
        if (error instanceof Enough) return this.#outcome(null);
        if (!(error instanceof Restart)) throw error;
      } finally {
        this.#machine.undo(mark, h1, h2);
      }
    }
  }

  #outcome(failure: Failure | null): Outcome {
    return {
      isComplete: failure === null && this.#states <= this.#model.limit,
      states: this.#states,
      executions: this.#executions,
      steps: this.#steps,
      failure,
    };
  }

  #fail(error: unknown): never {
    throw new Wrong({ error, trace: [...this.#path] });
  }

  #visit(): void {
    if (this.#restartIn-- <= 0) throw new Restart();
    if (!this.#seen.add(this.#key())) return;
    if (++this.#states > this.#model.limit) throw new Enough();
    const { actors } = this.#model;
    const machine = this.#machine;
    let canGoOn = false;
    for (const actor of actors) {
      const i = actor.index;
      if (this.#status[i] === STOPPED) {
        canGoOn = true;
        this.#die(actor, false);
        continue;
      }
      if (this.#status[i] !== GOING) continue;
      const node = this.#nodes[i];
      if (node.op === M.FAIL) this.#fail(node.error);
      const { mark, h1, h2 } = machine;
      const length = this.#path.length;
      if (machine.isReady(actor, node) && !(node.op === M.BEGIN && !mayBegin(actor, node))) {
        canGoOn = true;
        const begun = this.#begun[i];
        this.#walk(actor, node, performStep(machine, actor, node));
        this.#back(i, node, begun, mark, h1, h2, length);
      }
      if (machine.mayTimeOut(actor, node)) {
        canGoOn = true;
        const begun = this.#begun[i];
        this.#walk(actor, node, machine.timeOut(actor, node));
        this.#back(i, node, begun, mark, h1, h2, length);
      }
      if (actor.mayDie && this.#deathsLeft > 0 && mayDieAt(node)) this.#die(actor, true);
    }
    if (!canGoOn && !this.#letLook()) this.#end();
  }

  /** Whoever waits for a monitor looks at its owner's pulse by itself now and then. That is only to rescue those who waited when somebody died, so time passes for it only then, and only where nobody can go on otherwise. */
  #letLook(): boolean {
    if (this.#deathsLeft === this.#model.deaths || this.#looks === MOST_LOOKS) return false;
    const machine = this.#machine;
    const { mark, h1, h2 } = machine;
    const length = this.#path.length;
    let canLook = false;
    this.#looks++;
    for (const actor of this.#model.actors) {
      const i = actor.index;
      const node = this.#nodes[i];
      if (this.#status[i] !== GOING || node.op !== M.PARK || node.b !== M.LOOKS) continue;
      canLook = true;
      const begun = this.#begun[i];
      this.#walk(actor, node, machine.timeOut(actor, node));
      this.#back(i, node, begun, mark, h1, h2, length);
    }
    this.#looks--;
    return canLook;
  }

  #back(i: number, node: Node, begun: Node, mark: number, h1: number, h2: number, length: number): void {
    this.#machine.undo(mark, h1, h2);
    this.#path.length = length;
    this.#nodes[i] = node;
    this.#begun[i] = begun;
    this.#status[i] = GOING;
  }

  #die(actor: Actor, isOne: boolean): void {
    const { mark, h1, h2 } = this.#machine;
    const before = this.#status[actor.index];
    this.#status[actor.index] = DEAD;
    if (isOne) this.#deathsLeft--;
    this.#machine.setAlive(actor.index, false);
    this.#path.push({ actor, kind: "dies", node: this.#nodes[actor.index], gave: 0 });
    this.#visit();
    this.#path.pop();
    if (isOne) this.#deathsLeft++;
    this.#status[actor.index] = before;
    this.#machine.undo(mark, h1, h2);
  }

  /** Goes on with an actor whose step gave `gave`, up to its next step that others could notice. */
  #walk(actor: Actor, node: Node, gave: number): void {
    const machine = this.#machine;
    const i = actor.index;
    this.#note(actor, node);
    for (;;) {
      this.#steps++;
      this.#path.push({ actor, kind: "step", node, gave });
      if (this.#path.length > ENDLESS) this.#fail(new Error("It goes round in circles"));
      if (gave === M.BLOCKED) break;
      if (node.op === M.BEGIN) this.#begun[i] = node;
      node = node.kids.get(gave) ?? Run.extend(machine, actor, node, gave);
      this.#nodes[i] = node;
      if (node.op === M.BEGIN) this.#begun[i] = node;
      if (node.op === M.END || node.op === M.FAIL || this.#isNoticed(actor, node)) break;
      if (actor.mayDie && this.#deathsLeft > 0 && isWrite(node.op) && (this.#everUsers[node.address] & ~(1 << i)) !== 0) {
        this.#status[i] = STOPPED;
        this.#deathsLeft--;
        this.#path.push({ actor, kind: "stops", node, gave: 0 });
        this.#visit();
        this.#path.pop();
        this.#deathsLeft++;
        this.#status[i] = GOING;
      }
      gave = performStep(machine, actor, node);
    }
    this.#visit();
  }

  /** Whether the actor's next step is one that others could notice, or that notices others, from now on. */
  #isNoticed(actor: Actor, node: Node): boolean {
    this.#note(actor, node);
    if (actor.isHasty && node.op !== M.BEGIN && node.op !== M.PARK) return false;
    switch (node.op) {
      case M.BEGIN:
        return actor.operations[node.address].when !== undefined;
      case M.ENTER:
        return this.#isAwaited(actor, node.address);
      case M.ALIVE:
        return this.#model.deaths > 0;
      case M.UNPARK:
      case M.ROUSE:
        return this.#isAwaited(actor, this.#sleeperOf(node));
      default:
        return node.op > M.READ_BYTE || this.#isAwaited(actor, node.address);
    }
  }

  #sleeperOf({ op, address }: Node): number {
    const index = op === M.ROUSE ? address : this.#model.actors.find((actor) => actor.bell === address)?.index ?? M.MOST_ACTORS - 1;
    return M.sleepWord(this.#machine.size, index);
  }

  /** Whether a word is used by more than one, and one of the others may still come to use it. */
  #isAwaited(actor: Actor, address: number): boolean {
    if (!this.#isShared(address)) return false;
    for (const { index } of this.#model.actors) {
      if (index === actor.index || this.#status[index] !== GOING || this.#nodes[index].op >= M.END) continue;
      if (this.#lastUse[index][address] >= this.#begun[index].address) return true;
    }
    return false;
  }

  #isShared(address: number): boolean {
    const users = this.#users[address];
    return this.#written[address] === 1 && this.#guards[address] === 0 && (users & users - 1) !== 0;
  }

  #note(actor: Actor, node: Node): void {
    const { op } = node;
    if (op <= M.READ_BYTE || op === M.ENTER) {
      this.#noteUse(actor, node.address, isWrite(op), this.#owned(actor));
      this.#noteEver(node.address, 1 << actor.index);
    } else if (op === M.UNPARK || op === M.ROUSE) this.#noteUse(actor, this.#sleeperOf(node), true, 0);
    else if (op === M.PARK || op === M.LISTEN || op === M.IDLE) {
      this.#noteUse(actor, M.sleepWord(this.#machine.size, actor.index), true, 0);
      this.#noteUse(actor, actor.bell, false, 0);
    }
  }

  #noteUse({ index }: Actor, address: number, writes: boolean, owned: number): void {
    const operation = this.#begun[index].address;
    const isKnown = this.#lastUse[index][address] >= operation && (!writes || this.#written[address] === 1) &&
      (this.#guards[address] & ~owned) === 0;
    if (isKnown) return;
    this.#users[address] |= 1 << index;
    if (writes) this.#written[address] = 1;
    this.#guards[address] &= owned;
    this.#lastUse[index][address] = Math.max(this.#lastUse[index][address], operation);
    if (this.#isShared(address)) this.#begAnew();
  }

  #noteEver(address: number, bit: number): void {
    const before = this.#everUsers[address];
    if ((before & bit) !== 0) return;
    this.#everUsers[address] = before | bit;
    if (before !== 0 && this.#model.deaths > 0 && this.#written[address] === 1) this.#begAnew();
  }

  #begAnew(): void {
    if (this.#restartIn === Infinity) this.#restartIn = BEFORE_RESTART;
  }

  /** The monitors that the actor owns now, as a mask. */
  #owned(actor: Actor): number {
    let mask = 0;
    for (let i = 0; i < this.#owners.length; i++) if (this.#machine.words[this.#owners[i]] === actor.ident) mask |= 1 << i;
    return mask;
  }

  #end(): void {
    this.#executions++;
    const { actors, last, atRest, check } = this.#model;
    const standings = actors.map((actor): Standing => {
      const node = this.#nodes[actor.index];
      const begun = this.#begun[actor.index];
      const state = this.#status[actor.index] === DEAD ? "dead" : isDone(node) ? "done" : "stuck";
      const hasBegun = node !== begun && node.op !== M.END || state === "stuck" && node.op !== M.BEGIN;
      return {
        name: actor.name,
        state,
        results: (node.op === M.END || node.op === M.BEGIN ? node : begun).results ?? [],
        operation: hasBegun ? actor.operations[begun.address]?.name ?? null : null,
        firstRead(address) {
          let read: number | undefined;
          for (let { key, parent } = node; parent !== null && parent !== begun; { key, parent } = parent) {
            if (parent.address === address && parent.op <= M.LOAD) read = key;
          }
          return read;
        },
      };
    });
    const machine = this.#machine;
    const { mark, h1, h2 } = machine;
    const length = this.#path.length;
    try {
      atRest(standings);
      let final: unknown;
      if (last !== null) {
        let node = last.root!;
        while (node.op < M.END) {
          const gave = performStep(machine, last, node);
          if (gave === M.BLOCKED) {
            this.#path.push({ actor: last, kind: "step", node, gave });
            throw new Error("The last one sleeps for ever");
          }
          if (node.op <= M.READ_BYTE) this.#noteEver(node.address, 1 << last.index);
          this.#path.push({ actor: last, kind: "step", node, gave });
          node = node.kids.get(gave) ?? Run.extend(machine, last, node, gave);
          if (this.#path.length > ENDLESS) throw new Error("The last one goes round in circles");
        }
        if (node.op === M.FAIL) throw node.error;
        final = node.results![node.results!.length - 1];
      }
      check(standings, final);
    } catch (error) {
      this.#fail(error);
    } finally {
      machine.undo(mark, h1, h2);
      this.#path.length = length;
    }
  }

  #key(): number {
    const machine = this.#machine;
    let h1 = machine.h1;
    let h2 = machine.h2;
    for (const actor of this.#model.actors) {
      const i = actor.index;
      const status = this.#status[i];
      const where = status === GOING ? this.#nodes[i].id : -this.#begun[i].id;
      const offset = status === GOING ? machine.offsetOf(actor) : status;
      h1 = Math.imul(h1 ^ M.scramble(i, where, 0x51ed270b) ^ h1 >>> 13, 0x2c1b3c6d) ^ M.scramble(i, offset, 0x1656667b);
      h2 = Math.imul(h2 ^ M.scramble(i, where, 0x27d4eb2f) ^ h2 >>> 15, 0x297a2d39) ^ M.scramble(i, offset, 0x165667b1);
    }
    h1 ^= this.#deathsLeft | this.#looks << 8;
    return (h1 >>> 0) * 0x200000 + (h2 >>> 11) + 1;
  }
}

function isDone(node: Node): boolean {
  // Who waits for its turn to begin, which never comes, has nothing to do.
  return node.op === M.END || node.op === M.BEGIN;
}

function mayBegin(actor: Actor, node: Node): boolean {
  const when = actor.operations[node.address].when;
  return when === undefined || when() !== 0;
}

function isWrite(op: number): boolean {
  return op >= M.WRITE && op <= M.CAS || op === M.ENTER;
}

/** Dying before a step that changes nothing is the same as dying before the next that does. */
function mayDieAt(node: Node): boolean {
  return isWrite(node.op) || node.op >= M.PARK && node.op !== M.FAIL;
}
