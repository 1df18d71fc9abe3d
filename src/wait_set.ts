/**
 * Who waits for one thing: a bit for each slot, in words of the arena, 32 to a word, and a bit for each of these words in their summary.
 *
 * Whoever takes somebody else's bit out owes its participant a ring.
 *
 * @module
 */
import * as L from "./layout.ts";

/** Who waits for one thing: some words of the arena. */
export interface WaitSet {
  readonly words: Int32Array;
  /** Index of its first word. */
  readonly at: number;
  /** Its offset in the arena, in bytes: what tells it from other sets. */
  readonly key: number;
}

/** Puts the participant in a slot into a set. */
export function register(words: Int32Array, at: number, slot: number): void {
  Atomics.or(words, at + L.WAITSET_MASKS + (slot >> 5), 1 << (slot & 31));
  Atomics.or(words, at + L.WAITSET_SUMMARY, 1 << (slot >> 5));
}

/** Takes the participant in a slot out of a set; false if it is not there, since a changer did so before. */
export function unregister(words: Int32Array, at: number, slot: number): boolean {
  return (Atomics.and(words, at + L.WAITSET_MASKS + (slot >> 5), ~(1 << (slot & 31))) & 1 << (slot & 31)) !== 0;
}

/** Whether the participant in a slot is in a set. */
export function isRegistered(words: Int32Array, at: number, slot: number): boolean {
  return (Atomics.load(words, at + L.WAITSET_MASKS + (slot >> 5)) & 1 << (slot & 31)) !== 0;
}

/** Takes one out, from the cursor on, so that each has its turn; gives its slot, or -1 if nobody is there. */
export function takeNext(words: Int32Array, at: number): number {
  for (;;) {
    const summary = Atomics.load(words, at + L.WAITSET_SUMMARY);
    if (summary === 0) return -1;
    const cursor = words[at + L.WAITSET_CURSOR] & L.IDENT_SLOT_MASK;
    const group = nextBit(summary, cursor >> 5);
    const masks = at + L.WAITSET_MASKS;
    const mask = Atomics.load(words, masks + group);
    if (mask === 0) {
      Atomics.and(words, at + L.WAITSET_SUMMARY, ~(1 << group));
      // Somebody may have registered between the two, and seen the summary's bit still set.
      if (Atomics.load(words, masks + group) !== 0) Atomics.or(words, at + L.WAITSET_SUMMARY, 1 << group);
      continue;
    }
    const slot = group << 5 | nextBit(mask, group === cursor >> 5 ? cursor & 31 : 0);
    words[at + L.WAITSET_CURSOR] = slot + 1;
    if (unregister(words, at, slot)) return slot;
  }
}

/** Takes all out, and tells of each. */
export function takeAll(words: Int32Array, at: number, tell: (slot: number) => void): void {
  const summary = Atomics.load(words, at + L.WAITSET_SUMMARY);
  for (let group = 0; group < 32; group++) {
    if ((summary & 1 << group) === 0) continue;
    let mask = Atomics.exchange(words, at + L.WAITSET_MASKS + group, 0);
    for (; mask !== 0; mask &= mask - 1) tell(group << 5 | 31 - Math.clz32(mask & -mask));
  }
}

/** The lowest bit set in `mask` from `from` on, or else from 0 on. */
function nextBit(mask: number, from: number): number {
  const above = from === 0 ? mask : mask & (-1 << from);
  return 31 - Math.clz32(above === 0 ? mask & -mask : above & -above);
}
