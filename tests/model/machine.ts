/**
 * Simulated memory, and what one step of a participant does to it.
 *
 * Beside the words of the arena there are a few of the model's own for each actor: whether it is alive, parked, listening. All of it can be undone, and has a hash that is kept up to date.
 *
 * Bells and the epoch are only ever compared for equality. So that spurious rings do not make endless numbers of different states, each actor sees them relative to what it read last.
 *
 * @module
 */

/** Kinds of steps. */
export const READ = 0, LOAD = 1, WRITE = 2, WRITE_BYTE = 3, STORE = 4, ADD = 5, SUB = 6, AND = 7, OR = 8, XOR = 9, EXCHANGE = 10, CAS = 11;
export const READ_BYTE = 12,
  ALIVE = 13,
  PARK = 14,
  UNPARK = 15,
  ROUSE = 16,
  LISTEN = 17,
  DETACH = 18,
  IDLE = 19,
  ENTER = 20,
  BEGIN = 21,
  END = 22,
  FAIL = 23;

export const OP_NAMES: readonly string[] = (
  "read load write writeByte store add sub and or xor exchange compareExchange readByte alive? park unpark rouse listen detach idle enter begin end fail"
).split(" ");

/** What a step gives that cannot be made now. */
export const BLOCKED: number = 2 ** 40;
/** What a park or idle step gives when time passes instead. */
export const TIME_PASSED = 1;

/** How a step of kind `PARK` ends by itself: at a time that the program chose, or to look at something. */
export const WAITS_FOR_SOME_TIME = 1, LOOKS = 2;

/** Words of the model's own, for each actor. */
export const GHOSTS_PER_ACTOR = 8;
const G_ALIVE = 0, G_PARKED = 1, G_LISTENING = 2, G_EVENT = 3, G_BELL_BASE = 4, G_EPOCH_BASE = 5;
/** Words of the model's own for scenarios. */
export const SCENARIO_GHOSTS = 16;
export const MOST_ACTORS = 8;

/** What the machine must know of an actor. */
export interface Body {
  readonly index: number;
  readonly ident: number;
  /** Index of its bell. */
  readonly bell: number;
  /** Whether its event loop is woken by a door of its own, not by the bell's word. */
  readonly hasDoor: boolean;
}

/** What a step does. */
export interface Step {
  readonly op: number;
  readonly address: number;
  readonly a: number;
  readonly b: number;
}

/** The memory. */
export class Machine {
  /** Words of the arena. */
  readonly size: number;
  readonly words: Int32Array;
  readonly ghosts: number;
  /** Which words are seen relative to what was read last. */
  readonly #relative: Uint8Array;
  readonly #bells = new Map<number, Body>();
  readonly #idents = new Map<number, number>();
  readonly #epoch: number;
  #trail = new Int32Array(1 << 16);
  mark = 0;
  h1 = 0;
  h2 = 0;

  constructor(size: number, epoch: number) {
    this.size = size;
    this.ghosts = size + MOST_ACTORS * GHOSTS_PER_ACTOR;
    this.words = new Int32Array(this.ghosts + SCENARIO_GHOSTS);
    this.#relative = new Uint8Array(this.words.length);
    this.#epoch = epoch;
    this.#relative[epoch] = 1;
  }

  addBody(body: Body): void {
    this.#bells.set(body.bell, body);
    this.#idents.set(body.ident, body.index);
    this.#relative[body.bell] = 1;
    const ghost = this.size + body.index * GHOSTS_PER_ACTOR;
    this.#relative[ghost + G_BELL_BASE] = this.#relative[ghost + G_EPOCH_BASE] = 1;
  }

  isRelative(address: number): boolean {
    return this.#relative[address] === 1;
  }

  write(address: number, value: number): void {
    const old = this.words[address];
    if (old === value) return;
    if (this.mark + 2 > this.#trail.length) {
      const longer = new Int32Array(this.#trail.length * 2);
      longer.set(this.#trail);
      this.#trail = longer;
    }
    this.#trail[this.mark++] = address;
    this.#trail[this.mark++] = old;
    this.words[address] = value;
    if (this.#relative[address] === 1) return;
    this.h1 ^= scramble(address, old, 0x9e3779b1) ^ scramble(address, value, 0x9e3779b1);
    this.h2 ^= scramble(address, old, 0x7feb352d) ^ scramble(address, value, 0x7feb352d);
  }

  undo(mark: number, h1: number, h2: number): void {
    while (this.mark > mark) {
      const old = this.#trail[--this.mark];
      this.words[this.#trail[--this.mark]] = old;
    }
    this.h1 = h1;
    this.h2 = h2;
  }

  /** From here on nothing can be undone any more. */
  settle(): void {
    this.mark = 0;
  }

  isAlive(index: number): boolean {
    return this.words[this.size + index * GHOSTS_PER_ACTOR + G_ALIVE] === 1;
  }

  setAlive(index: number, isAlive: boolean): void {
    this.write(this.size + index * GHOSTS_PER_ACTOR + G_ALIVE, isAlive ? 1 : 0);
  }

  /** What the actor would see of its bell and the epoch, for the hash of a state. */
  offsetOf(body: Body): number {
    const ghost = this.size + body.index * GHOSTS_PER_ACTOR;
    return (this.words[body.bell] - this.words[ghost + G_BELL_BASE]) * 64 + (this.words[this.#epoch] - this.words[ghost + G_EPOCH_BASE]);
  }

  /** Whether the actor can make this step now. */
  isReady(body: Body, step: Step): boolean {
    const ghost = this.size + body.index * GHOSTS_PER_ACTOR;
    if (step.op === PARK) return this.words[ghost + G_PARKED] !== 1;
    if (step.op === IDLE) return this.#hasEvent(body, ghost);
    if (step.op === ENTER) return this.#mayEnter(step.address);
    return step.op < END;
  }

  /** Whether time may pass for the actor instead. */
  mayTimeOut(body: Body, step: Step): boolean {
    if (step.op === PARK) return step.b === WAITS_FOR_SOME_TIME && this.words[this.size + body.index * GHOSTS_PER_ACTOR + G_PARKED] === 1;
    return step.op === IDLE && step.b !== 0;
  }

  /** Lets time pass for it. */
  timeOut(body: Body, step: Step): number {
    if (step.op === PARK) this.write(this.size + body.index * GHOSTS_PER_ACTOR + G_PARKED, 0);
    return TIME_PASSED;
  }

  /** Makes a step; what it gives, or {@linkcode BLOCKED}. */
  perform(body: Body, step: Step): number {
    const { op, address, a, b } = step;
    const words = this.words;
    switch (op) {
      case READ:
      case LOAD:
        return this.#relative[address] === 1 ? this.#readRelative(body, address) : words[address];
      case WRITE:
      case STORE:
        this.write(address, a);
        return 0;
      case READ_BYTE:
        return (words[address] >>> (b * 8)) & 255;
      case WRITE_BYTE:
        this.write(address, (words[address] & ~(255 << (b * 8))) | (a & 255) << (b * 8));
        return 0;
      case ALIVE:
        return words[address];
      case PARK: {
        const ghost = this.size + body.index * GHOSTS_PER_ACTOR;
        if (words[ghost + G_PARKED] === 2) this.write(ghost + G_PARKED, 0);
        else if (words[address] - words[ghost + G_BELL_BASE] === a) {
          this.write(ghost + G_PARKED, 1);
          return BLOCKED;
        }
        return 0;
      }
      case UNPARK: {
        const other = this.#bells.get(address);
        if (other === undefined) return 0;
        const ghost = this.size + other.index * GHOSTS_PER_ACTOR;
        if (words[ghost + G_PARKED] === 1) this.write(ghost + G_PARKED, 2);
        if (!other.hasDoor && words[ghost + G_LISTENING] === 1) this.write(ghost + G_EVENT, 1);
        return 0;
      }
      case ROUSE:
        this.write(this.size + address * GHOSTS_PER_ACTOR + G_EVENT, 1);
        return 0;
      case LISTEN: {
        const ghost = this.size + body.index * GHOSTS_PER_ACTOR;
        // One that listens already goes on doing so for what it saw then, as `waitAsync` does.
        if (words[ghost + G_LISTENING] === 1) return 0;
        this.write(ghost + G_LISTENING, 1);
        if (!body.hasDoor && words[body.bell] - words[ghost + G_BELL_BASE] !== a) this.write(ghost + G_EVENT, 1);
        return 0;
      }
      case DETACH:
        this.write(address, 0);
        return 0;
      case IDLE: {
        const ghost = this.size + body.index * GHOSTS_PER_ACTOR;
        if (!this.#hasEvent(body, ghost)) return BLOCKED;
        this.write(ghost + G_EVENT, 0);
        if (!body.hasDoor) this.write(ghost + G_LISTENING, 0);
        return 0;
      }
      case ENTER: {
        if (!this.#mayEnter(address)) return BLOCKED;
        const isTakenOver = words[address] !== 0;
        this.write(address, a);
        return isTakenOver ? 1 : 0;
      }
      case BEGIN: {
        const ghost = this.size + body.index * GHOSTS_PER_ACTOR;
        this.write(ghost + G_BELL_BASE, words[body.bell]);
        return 0;
      }
      case END:
      case FAIL:
        return BLOCKED;
    }
    const old = words[address];
    switch (op) {
      case ADD:
        this.write(address, old + a | 0);
        break;
      case SUB:
        this.write(address, old - a | 0);
        break;
      case AND:
        this.write(address, old & a);
        break;
      case OR:
        this.write(address, old | a);
        break;
      case XOR:
        this.write(address, old ^ a);
        break;
      case EXCHANGE:
        this.write(address, a);
        break;
      case CAS:
        if (old === a) this.write(address, b);
        return old;
    }
    if (this.#relative[address] === 1) return 0;
    return op !== EXCHANGE && b === 1 ? 0 : old;
  }

  /** Whether nobody alive is in a monitor. */
  #mayEnter(address: number): boolean {
    const owner = this.#idents.get(this.words[address]);
    return owner === undefined || !this.isAlive(owner);
  }

  #hasEvent(body: Body, ghost: number): boolean {
    return this.words[ghost + G_EVENT] === 1 && (!body.hasDoor || this.words[ghost + G_LISTENING] === 1);
  }

  #readRelative(body: Body, address: number): number {
    const ghost = this.size + body.index * GHOSTS_PER_ACTOR;
    if (address !== body.bell && address !== this.#epoch) throw new Error("The model does not expect anybody to read the bell of another");
    const base = ghost + (address === body.bell ? G_BELL_BASE : G_EPOCH_BASE);
    const seen = this.words[address] - this.words[base];
    this.write(base, this.words[address]);
    return seen;
  }
}

/** Where it says whether an actor is asleep. */
export function sleepWord(size: number, index: number): number {
  return size + index * GHOSTS_PER_ACTOR + G_PARKED;
}

/** Where it says whether an actor is alive. */
export function aliveWord(size: number, index: number): number {
  return size + index * GHOSTS_PER_ACTOR + G_ALIVE;
}

/** A number for a word's content. */
export function scramble(address: number, value: number, seed: number): number {
  let h = Math.imul(address + 1, seed) ^ Math.imul(value + 0x1234567, 0x85ebca6b);
  h ^= h >>> 15;
  h = Math.imul(h, 0x2c1b3c6d);
  h ^= h >>> 12;
  h = Math.imul(h, 0x297a2d39);
  return h ^ h >>> 15;
}
