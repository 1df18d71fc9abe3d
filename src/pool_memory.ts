/**
 * What the owner of a pool and its workers share beside two rings: who may run which task.
 *
 * Each task on its way has an *entry*, a word. Whoever changes it from "queued", in one step, has the task; so a record of it may lie in the ring, in a worker's hands, and in another's, and it runs once. That is what makes the rest
 * simple: workers take many tasks at a time, the owner takes back what nobody has begun, and puts once more what may be in the hands of the dead.
 *
 * | entry, low 12 bits | | next |
 * |---|---|---|
 * | 0 | queued | by a worker, its seat + 2; by the owner, 1 |
 * | 1 | nobody's: revoked, or done | 0 and the next generation, by the owner, for another task |
 * | seat + 2 | the worker in that seat has begun it | 1, by the owner, who has the result or has seen the worker's end |
 *
 * The upper 20 bits are the entry's generation: an old record does not match the word any more.
 *
 * @module
 */
import { performance } from "./host.ts";
import { HOLDING_WORDS, WAITSET_WORDS } from "./layout.ts";

// After those who have it, as in all shared objects: a word that changes when there is news for the workers, and those who wait for that.
const NEWS = HOLDING_WORDS;
export const NEWS_WAITERS: number = HOLDING_WORDS + 2;
const HEADER_WORDS: number = NEWS_WAITERS + WAITSET_WORDS;
/** Functions that the pool's tasks call: units, serial and length of the block that says which. */
const FUNCTION_WORDS = 4, MOST_FUNCTIONS = 4096;
const SEAT_WORDS = 16;
/** Most workers at a time. */
export const MOST_SEATS = 512;
/** Most tasks on their way at a time. */
export const MOST_ENTRIES = 16384;

const FUNCTIONS = HEADER_WORDS;
const SEATS = FUNCTIONS + FUNCTION_WORDS * MOST_FUNCTIONS;
const ENTRIES = SEATS + SEAT_WORDS * MOST_SEATS;
/** Words in all. */
export const POOL_WORDS: number = ENTRIES + MOST_ENTRIES;

// Words of a seat: the entry that its worker runs, + 1; since when; what is to be cancelled; whether it is to go; the memory that it uses; how many tasks it has done; whether it still imports what the one that it runs needs.
const RUNNING = 0, SINCE = 1, CANCEL = 2, RETIRE = 3, MEMORY_KIB = 4, DONE = 5, IMPORTING = 6;

const CODE_BITS = 12, CODE_MASK = (1 << CODE_BITS) - 1, GENERATION_MASK = 0xfffff;
const QUEUED = 0, NOBODY = 1, FIRST_SEAT = 2;
/** Times in the memory are multiples of this, since the pool was made, modulo 2^32. */
const TICK_MS = 0.01;

/** Where a function is described. */
export interface FunctionPlace {
  readonly units: number;
  readonly serial: number;
  readonly byteLength: number;
}

/** What is known of the workers, by their seats. */
export interface Seats {
  isBusy(seat: number): boolean;
  /** When a worker began what it runs: the same as long as it is that. */
  beganAt(seat: number): number;
  /** How long it has run that, in milliseconds. */
  ranFor(seat: number): number;
  /** Whether it still imports what that needs: then that begins anew. */
  isImporting(seat: number): boolean;
  /** How many tasks it has done. */
  tasksOf(seat: number): number;
  /** Memory that it uses, in bytes, as it said last; 0 if it did not. */
  memoryOf(seat: number): number;
}

/** The words, as the owner and each worker see them. */
export class PoolMemory implements Seats {
  readonly #words: Int32Array;
  readonly #news: number;
  readonly #seats: number;
  readonly #entries: number;
  readonly #functions: number;
  /** When the pool was made, as `performance.now()` counts here. */
  readonly #madeAt: number;

  /** @param at Index in `words` of the first one. @param epoch When the pool was made, in milliseconds of the wall clock. */
  constructor(words: Int32Array, at: number, epoch: number) {
    this.#words = words;
    this.#news = at + NEWS;
    this.#functions = at + FUNCTIONS;
    this.#seats = at + SEATS;
    this.#entries = at + ENTRIES;
    this.#madeAt = epoch - performance.timeOrigin;
  }

  /** Gives an entry to a task: its generation. For the owner, and an entry that is nobody's. */
  queue(entry: number): number {
    const generation = (this.#words[this.#entries + entry] >>> CODE_BITS) + 1 & GENERATION_MASK;
    Atomics.store(this.#words, this.#entries + entry, generation << CODE_BITS | QUEUED);
    return generation;
  }

  /** The worker in a seat begins a task. False if it is another's, or nobody's. @param now As `performance.now()`. */
  begin(entry: number, generation: number, seat: number, now: number): boolean {
    const words = this.#words;
    const at = this.#seat(seat);
    words[at + SINCE] = this.#ticks(now);
    words[at + RUNNING] = entry + 1;
    const queued = generation << CODE_BITS | QUEUED;
    if (Atomics.compareExchange(words, this.#entries + entry, queued, queued | seat + FIRST_SEAT) === queued) return true;
    words[at + RUNNING] = 0;
    return false;
  }

  /** The worker in a seat imports what the task that it has begun needs; or has done so, and begins that now. @param now As `performance.now()`. */
  import(seat: number, isDone: boolean, now: number): void {
    const at = this.#seat(seat);
    this.#words[at + SINCE] = this.#ticks(now);
    Atomics.store(this.#words, at + IMPORTING, Number(!isDone));
  }

  isImporting(seat: number): boolean {
    return Atomics.load(this.#words, this.#seat(seat) + IMPORTING) !== 0;
  }

  /** The worker in a seat has done what it ran. */
  rest(seat: number): void {
    const at = this.#seat(seat);
    this.#words[at + DONE]++;
    this.#words[at + RUNNING] = 0;
  }

  /** How many tasks the worker in a seat has done. */
  tasksOf(seat: number): number {
    return this.#words[this.#seat(seat) + DONE];
  }

  /** Takes a task back that nobody has begun. False if somebody has. For the owner. */
  revoke(entry: number, generation: number): boolean {
    const queued = generation << CODE_BITS | QUEUED;
    return Atomics.compareExchange(this.#words, this.#entries + entry, queued, queued | NOBODY) === queued;
  }

  /** The seat of the worker that has begun a task; −1 if none has. */
  runnerOf(entry: number, generation: number): number {
    const word = Atomics.load(this.#words, this.#entries + entry);
    return word >>> CODE_BITS === generation ? Math.max(-1, (word & CODE_MASK) - FIRST_SEAT) : -1;
  }

  /** The entry is nobody's any more. For the owner. */
  free(entry: number): void {
    const word = this.#words[this.#entries + entry];
    Atomics.store(this.#words, this.#entries + entry, word & ~CODE_MASK | NOBODY);
  }

  /** Since when the worker in a seat runs what it runs, in milliseconds before now. */
  ranFor(seat: number): number {
    return (this.#ticks(performance.now()) - this.#words[this.#seat(seat) + SINCE] | 0) * TICK_MS;
  }

  /** When it began that: nothing that means anything but whether it is still the same. */
  beganAt(seat: number): number {
    return this.#words[this.#seat(seat) + SINCE];
  }

  /** Whether the worker in a seat runs something. */
  isBusy(seat: number): boolean {
    return Atomics.load(this.#words, this.#seat(seat) + RUNNING) !== 0;
  }

  /** Whether the worker in a seat runs what has that entry. */
  runs(seat: number, entry: number): boolean {
    return Atomics.load(this.#words, this.#seat(seat) + RUNNING) === entry + 1;
  }

  /** Asks the worker in a seat to give up a task. 0: none. */
  cancel(seat: number, entry: number, generation: number): void {
    Atomics.store(this.#words, this.#seat(seat) + CANCEL, cancelWord(entry, generation));
  }

  /** Whether the worker in a seat is asked to give up that task. */
  isCancelled(seat: number, entry: number, generation: number): boolean {
    return Atomics.load(this.#words, this.#seat(seat) + CANCEL) === cancelWord(entry, generation);
  }

  /** Asks the worker in a seat to end once it has nothing to run. */
  retire(seat: number): void {
    Atomics.store(this.#words, this.#seat(seat) + RETIRE, 1);
  }

  isRetired(seat: number): boolean {
    return Atomics.load(this.#words, this.#seat(seat) + RETIRE) !== 0;
  }

  /** Memory that the worker in a seat uses, in bytes, as it said last; 0 if it did not. */
  memoryOf(seat: number): number {
    return this.#words[this.#seat(seat) + MEMORY_KIB] * 1024;
  }

  sayMemory(seat: number, bytes: number): void {
    this.#words[this.#seat(seat) + MEMORY_KIB] = bytes / 1024;
  }

  /** Makes a seat ready for another worker. */
  clear(seat: number): void {
    this.#words.fill(0, this.#seat(seat), this.#seat(seat + 1));
  }

  /** Says where a function is described. @throws {RangeError} There are too many. */
  describe(id: number, { units, serial, byteLength }: FunctionPlace): void {
    if (id >= MOST_FUNCTIONS) {
      throw new RangeError(
        `Cannot run more than ${MOST_FUNCTIONS} different functions in one pool: export functions, instead of making new ones`,
      );
    }
    const at = this.#functions + id * FUNCTION_WORDS;
    this.#words[at + 1] = serial;
    this.#words[at + 2] = byteLength;
    Atomics.store(this.#words, at, units);
  }

  functionAt(id: number): FunctionPlace {
    const at = this.#functions + id * FUNCTION_WORDS;
    return { units: Atomics.load(this.#words, at), serial: this.#words[at + 1], byteLength: this.#words[at + 2] };
  }

  /** Changes when there is news for the workers. */
  get news(): number {
    return Atomics.load(this.#words, this.#news);
  }

  /** There is news. */
  tell(): void {
    Atomics.add(this.#words, this.#news, 1);
  }

  /** Index of the first word of a seat. */
  #seat(seat: number): number {
    return this.#seats + seat * SEAT_WORDS;
  }

  /** How many ticks after the pool was made it was `now`. */
  #ticks(now: number): number {
    return (now - this.#madeAt) / TICK_MS | 0;
  }
}

function cancelWord(entry: number, generation: number): number {
  // Never 0, and another for another task, as far as 32 bits go.
  return (generation << 14 ^ entry) + 1 | 0;
}
