/**
 * Fairness among those who take the same thing by turns, a lock say. Whoever lets go of it is awake, and would mostly have it again before those who sleep are up. So one who has had it for half a millisecond
 * while others waited does not take it again before one of them did, or a moment has passed. It is politeness alone: nothing depends on it but who waits how long.
 *
 * @module
 */
import { MOMENT_MS } from "./clock.ts";
import { performance } from "./host.ts";
import { type Attempt, PENDING } from "./attempt.ts";
import type { WaitSet } from "./wait_set.ts";
import type { Place } from "./place.ts";

/** How long anyone may go on while others wait; longer each time that these did not take it in a moment, as when their threads are busy. */
const SHARE_MS = 0.5;
const RAREST_MS = 64;

/** One participant's manners with regard to one thing. */
export class Turns {
  readonly #place: Place;
  readonly #set: WaitSet;
  readonly #at: number;
  readonly #isFree: () => boolean;
  #since = 0;
  #share = SHARE_MS;
  /** The turn in which it was let go of, if another is to have it next. */
  #owed: number | null = null;
  /** What lets another have it first, for all tasks here that come in that moment: so they keep their order. */
  #yielding: Promise<void> | null = null;
  /** How many of them have not gone on yet. */
  #behind = 0;

  /** @param word Index in the object of the word that changes with each turn. @param set Who waits. */
  constructor(place: Place, word: number, set: WaitSet, isFree: () => boolean) {
    this.#place = place;
    this.#set = set;
    this.#at = place.at + word;
    this.#isFree = isFree;
  }

  /** It was let go of, and others wait for it. */
  letGo(): void {
    const now = performance.now();
    if (now - this.#since < this.#share) return;
    this.#since = now;
    this.#owed = this.#place.words[this.#at];
  }

  /** Whether another is to have it first, or tasks here wait for that which came before. */
  get isOwed(): boolean {
    return this.#owed !== null || this.#behind > 0;
  }

  /** Lets another have it, blocking for a moment at most. */
  yieldSync(timeout: number | undefined): void {
    if (this.#owed === null) return;
    this.#done(this.#place.me.parker.sleepSync(this.#set, this.#attempt(), Math.min(MOMENT_MS, timeout ?? MOMENT_MS), () => false));
  }

  /** Lets another have it, for a moment at most. What the caller does then, it must do in a reaction to this very promise. */
  yield(): Promise<void> {
    const { me: { parker }, scope } = this.#place;
    const yielding = this.#yielding ??= parker.tasks.sleep(this.#set, this.#attempt(), { timeout: MOMENT_MS }, () => false, scope)
      .then((wasTaken) => this.#done(wasTaken));
    this.#behind++;
    const goOn = () => {
      if (--this.#behind === 0) this.#yielding = null;
    };
    // Right before the caller's reaction.
    yielding.then(goOn, goOn);
    return yielding;
  }

  #attempt(): Attempt<boolean> {
    const turn = this.#owed;
    return { attempt: () => this.#place.words[this.#at] !== turn || PENDING, more: this.#isFree };
  }

  #done(wasTaken: boolean): void {
    this.#owed = null;
    this.#since = performance.now();
    this.#share = wasTaken ? SHARE_MS : Math.min(this.#share * 2, RAREST_MS);
  }
}
