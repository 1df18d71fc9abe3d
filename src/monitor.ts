/**
 * A monitor: a lock whose word names its owner, so that the dead can be told from the slow. Whoever takes it over from the dead is told so, and puts in order what the owner left half done.
 *
 * | word | |
 * |---|---|
 * | 0 | free |
 * | ident | held by that participant, who may be dead |
 *
 * Sections are a microsecond long: a waiter spins first. Its sleep is that of `park.ts`, with an interest in the monitor's waiters: a leaver stores 0, then looks for waiters; a
 * waiter registers, then looks at the word. One of them sees the other. The owner that dies inside wakes nobody: waiters look at its pulse each time that they wake, and now and then.
 *
 * @module
 */
import * as L from "./layout.ts";
import type { Parker } from "./park.ts";

const SPINS = 400;

/**
 * Enters the monitor, blocking for the moment that another is inside.
 *
 * @param at Index in `words` of the monitor's first word.
 * @return Whether it was taken over from a participant that died inside.
 */
export function enter(words: Int32Array, at: number, parker: Parker): boolean {
  parker.begin();
  if (Atomics.compareExchange(words, at + L.MONITOR_OWNER, 0, parker.ident) === 0) return false;
  for (let i = 0; i < SPINS; i++) {
    if (Atomics.load(words, at + L.MONITOR_OWNER) === 0 && Atomics.compareExchange(words, at + L.MONITOR_OWNER, 0, parker.ident) === 0) {
      return false;
    }
  }
  return parker.blockUntil(words, at + L.MONITOR_WAITERS, () => {
    const owner = Atomics.compareExchange(words, at + L.MONITOR_OWNER, 0, parker.ident);
    if (owner === 0) return false;
    if (parker.isAlive(owner)) return undefined;
    return Atomics.compareExchange(words, at + L.MONITOR_OWNER, owner, parker.ident) === owner ? true : undefined;
  });
}

/** Enters if nobody alive is inside; takes over from `dead`. For those who may not wait. True if it was entered. */
export function takeOver(words: Int32Array, at: number, parker: Parker, dead: number): boolean {
  if (Atomics.compareExchange(words, at + L.MONITOR_OWNER, dead, parker.ident) !== dead) return false;
  parker.begin();
  return true;
}

/** Leaves the monitor. */
export function leave(words: Int32Array, at: number, parker: Parker): void {
  Atomics.store(words, at + L.MONITOR_OWNER, 0);
  if (Atomics.load(words, at + L.MONITOR_WAITERS + L.WAITSET_SUMMARY) !== 0) parker.wakeOne(words, at + L.MONITOR_WAITERS);
  parker.end();
}
