/**
 * Trying for a moment before sleeping: what comes at once costs no sleep and no wake then. Whether that is worth it shows from how the last waits went.
 *
 * @module
 */
import type { Arena } from "./arena.ts";
import { type Attempt, PENDING } from "./attempt.ts";
import type { Doorbells } from "./doorbells.ts";
import type { Gate } from "./gate.ts";
import { performance } from "./host.ts";
import * as L from "./layout.ts";
import { register, unregister, type WaitSet } from "./wait_set.ts";

/** How long to spin before sleeping, when that paid lately. */
const SPIN_MS = 0.03;
/** After spinning in vain: how many waits go to sleep at once before one tries again; twice as many each time, up to the second. */
const SPIN_PAUSE = 32, LONGEST_PAUSE = 4096;
/** How many attempts before a spinning thread gives way: usually, and when that let who is waited for run last time; what takes so long did. */
const PATIENT = 30, IMPATIENT = 3, SWITCH_MS = 0.0015;
/** However slow the clock is: a test may have stopped it. */
const MOST_ROUNDS = 1000;
/** What it takes to wake somebody who then wakes another, about. */
const WAKING_MS = 0.1;

/** One participant's spinning. */
export class Spinner {
  readonly #arena: Arena;
  readonly #slot: number;
  readonly #gate: Gate;
  readonly #doorbells: Doorbells;
  /** How many waits are not to spin, and how many after the next that does so in vain. */
  #pause = 0;
  #nextPause = SPIN_PAUSE;
  /** How many attempts until it gives way. */
  #patience = PATIENT;
  /** Whether others that wait for the processor get it while this spins. Without that, who is waited for may not be able to run. */
  #givesWay = false;

  constructor(arena: Arena, slot: number, gate: Gate, doorbells: Doorbells) {
    this.#arena = arena;
    this.#slot = slot;
    this.#gate = gate;
    this.#doorbells = doorbells;
  }

  /** Tries for a moment, unless the last waits were longer than that. */
  spin<T>(set: WaitSet, what: Attempt<T>): T | typeof PENDING {
    const { words, at } = set, goesFirst = what.goesFirst === true;
    if (goesFirst) this.#goFirst(set);
    if (this.#pause > 0) {
      this.#pause--;
      return PENDING;
    }
    const { memory } = this.#arena;
    if (memory.kind === "local") return PENDING;
    let now = performance.now(), took = false, wasAway = false;
    const end = now + (what.spinMs ?? SPIN_MS);
    this.#gate.begin();
    this.#gate.beginLooking();
    try {
      if (goesFirst) register(words, at, this.#slot);
      for (let round = 0; now < end && round < MOST_ROUNDS; round++) {
        for (let i = 0; i < this.#patience; i++) {
          const result = what.attempt(false);
          if (result === PENDING) continue;
          took = true;
          this.#patience = wasAway && i === 0 ? IMPATIENT : PATIENT;
          this.#nextPause = SPIN_PAUSE;
          return result;
        }
        // Who is waited for may need this very processor: systems like to wake somebody on that of the waker.
        const since = performance.now();
        this.#givesWay = memory.giveWay();
        now = performance.now();
        wasAway = now - since > SWITCH_MS;
      }
      this.#pause = this.#nextPause;
      this.#nextPause = Math.min(2 * this.#nextPause, LONGEST_PAUSE);
      return PENDING;
    } finally {
      if (goesFirst && !unregister(words, at, this.#slot) && (!took || what.more())) this.#doorbells.wakeOne(words, at);
      this.#gate.end();
      this.#gate.endLooking();
    }
  }

  /** The next ring is for this participant, though others wait: what it needs for that is still in the caches, and compiled. */
  #goFirst({ words, at }: WaitSet): void {
    this.#gate.begin();
    words[at + L.WAITSET_CURSOR] = this.#slot;
    this.#gate.end();
  }

  /** Somebody got what it waited for: if it would have by spinning, but for the time that waking takes, the next may spin again. */
  learn(what: Attempt<unknown>, since: number): void {
    if (this.#givesWay && performance.now() - since < (what.spinMs ?? SPIN_MS) + WAKING_MS) {
      this.#pause = 0;
      this.#nextPause = SPIN_PAUSE;
    }
  }
}
