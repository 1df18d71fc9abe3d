/**
 * The changer's side of sleep and wake: takes whoever waits out of a wait set and rings its bell. See {@link ./park.ts}.
 *
 * @module
 */
import type { Arena } from "./arena.ts";
import * as L from "./layout.ts";
import { takeAll, takeNext, unregister } from "./wait_set.ts";

/** The bells of all participants in an arena. */
export class Doorbells {
  readonly arena: Arena;

  constructor(arena: Arena) {
    this.arena = arena;
  }

  /** Rings one of those registered in a set, if there is any. */
  wakeOne(words: Int32Array, at: number): void {
    for (let slot = takeNext(words, at); slot >= 0; slot = takeNext(words, at)) {
      if (this.ring(slot)) return;
    }
  }

  /** Rings the one in a slot, who may be registered in a set. */
  wakeSlot(words: Int32Array, at: number, slot: number): void {
    unregister(words, at, slot);
    this.ring(slot);
  }

  /** Rings all of those registered in a set. */
  wakeAll(words: Int32Array, at: number): void {
    takeAll(words, at, (slot) => this.ring(slot));
  }

  /** Makes everybody look at everything again: somebody died. */
  wakeEverybody(): void {
    Atomics.add(this.arena.head, L.EPOCH, 1);
    for (let slot = 0; slot < L.SLOT_COUNT; slot++) {
      if (this.arena.identOf(slot) !== 0) this.ring(slot, true);
    }
  }

  /**
   * Rings a participant's bell. False if nobody is there.
   *
   * @param isDeath Rings although it does not seem to sleep: the dead may have said that they wake it, and not done so.
   */
  ring(slot: number, isDeath = false): boolean {
    const { head, memory } = this.arena, at = this.arena.slot(slot);
    if (Atomics.load(head, at + L.SLOT_IDENT) === 0) return false;
    Atomics.add(head, at + L.SLOT_BELL, 1);
    const asleep = Atomics.load(head, at + L.SLOT_ASLEEP);
    if (asleep === 0 && !isDeath) return true;
    const door: [number, number] = [head[at + L.SLOT_DOOR], head[at + L.SLOT_DOOR + 1]];
    if (door[0] === 0) {
      // "Asleep" stays: this ring may be late, and for an earlier sleep than the one that it would take the word from.
      memory.unpark((at + L.SLOT_BELL) * 4);
      return true;
    }
    // A door remembers one knock, and that is enough.
    const isLoop = (asleep & L.ASLEEP_LOOP) !== 0 && (Atomics.and(head, at + L.SLOT_ASLEEP, ~L.ASLEEP_LOOP) & L.ASLEEP_LOOP) !== 0;
    if (isLoop || isDeath) memory.rouse(door, { pid: head[at + L.SLOT_PID], tid: head[at + L.SLOT_TID] });
    if ((asleep & L.ASLEEP_THREAD) !== 0 || isDeath) memory.unpark((at + L.SLOT_BELL) * 4);
    return true;
  }
}
