/**
 * What becomes of a ring when a participant dies in it, and when nobody holds it any more.
 *
 * @module
 */
import type { Block } from "./heap.ts";
import * as L from "./layout.ts";
import { leave, takeOver } from "./monitor.ts";
import { type Participant, registerKind } from "./participant.ts";
import { openSegment, type Passenger, readRecord } from "./record.ts";
import { unregister } from "./wait_set.ts";

const WAIT_SETS = [L.RING_NOT_EMPTY, L.RING_NOT_FULL, L.RING_ALL_DONE] as const;

/** Index of the state of a side that holds now. @param side Index of the side's first word. */
export function stateOf(words: Int32Array, side: number): number {
  return side + L.SIDE_STATES + (words[side + L.SIDE_SEQUENCE] & 1) * L.STATE_WORDS;
}

/** After taking the put monitor over from the dead: gives back what a record that was never committed had taken. */
export function repairPut(me: Participant, words: Int32Array, side: number, isInside: boolean): void {
  const sequence = words[side + L.SIDE_SEQUENCE] + 1 | 0;
  const next = side + L.SIDE_STATES + (sequence & 1) * L.STATE_WORDS;
  // The state bears the number of the next record only if somebody began to write that.
  if (words[next + L.STATE_SEQUENCE] !== sequence) return;
  giveBack(me, words, next + L.STATE_BLOCK, isInside);
  giveBack(me, words, next + L.STATE_SPARE, isInside);
}

/** After taking the get monitor over from the dead: gives back what a record that was committed as taken had used, and counts it as its taker's. */
export function repairGet(me: Participant, words: Int32Array, ring: number, isInside: boolean): void {
  const now = stateOf(words, ring + L.RING_GET);
  giveBack(me, words, now + L.STATE_BLOCK, isInside);
  giveBack(me, words, now + L.STATE_SPARE, isInside);
  if (words[now + L.STATE_TAKER] === 0) return;
  if (isInside) countTaken(me, words, ring, now);
  else me.heap.exclusively(() => countTaken(me, words, ring, now));
}

/** Counts the record as its taker's, or as lost if that one is buried already. Inside the heap's monitor, as burying is. */
function countTaken(me: Participant, words: Int32Array, ring: number, now: number): void {
  const taker = words[now + L.STATE_TAKER];
  const slot = taker & L.IDENT_SLOT_MASK;
  if (me.arena.identOf(slot) === taker) words[ring + L.RING_TAKEN + slot] = words[now + L.STATE_TAKEN];
  else {
    Atomics.add(words, ring + L.RING_ABANDONED, 1);
    me.parker.wakeAll(words, ring + L.RING_ALL_DONE);
  }
  words[now + L.STATE_TAKER] = 0;
}

/** Two words: units, serial. Giving back twice does nothing, and is what happens if the repairer dies too. */
function giveBack(me: Participant, words: Int32Array, at: number, isInside: boolean): void {
  if (words[at] === 0) return;
  const block = { offset: words[at] * L.UNIT, serial: words[at + 1] };
  if (isInside) me.heap.freeInside(block);
  else me.heap.free(block);
  words[at] = 0;
}

/** Gives a ring back with all that is in it. Inside the heap's monitor. */
export function destroyRing(me: Participant, block: Block): void {
  const { arena, heap } = me;
  const { words, at } = arena.wordsAt(block.offset);
  const state = stateOf(words, at + L.RING_GET);
  const passengers: Passenger[] = [];
  let left = words[at + L.RING_PUT + L.SIDE_SEQUENCE] - words[at + L.RING_GET + L.SIDE_SEQUENCE] | 0;
  let segment = openSegment(me, words[state + L.STATE_SEGMENT]);
  for (let offset = words[state + L.STATE_OFFSET]; left > 0; left--) {
    if (offset + 4 > segment.end || segment.words[segment.at + (offset >>> 2)] === L.RECORD_SKIP) {
      const next = openSegment(me, segment.words[segment.at + L.SEGMENT_NEXT]);
      heap.freeInside({ offset: segment.units * L.UNIT, serial: segment.serial });
      segment = next;
      offset = L.SEGMENT_DATA;
    }
    const record = readRecord(segment, offset);
    if (record.block !== null) heap.freeInside(record.block);
    passengers.push(...record.passengers);
    offset += record.recordLength;
  }
  heap.freeInside({ offset: segment.units * L.UNIT, serial: segment.serial });
  heap.freeInside(block);
  // With the ring, the tickets of what was in it are void.
  for (const passenger of passengers) if (heap.isCurrent(passenger.block)) me.holdersChanged(passenger.block);
}

/** Kind.repair of rings. */
function repairRing(me: Participant, words: Int32Array, at: number, dead: number): void {
  for (const side of [L.RING_PUT, L.RING_GET]) {
    if (!takeOver(words, at + side + L.SIDE_MONITOR, me.parker, dead)) continue;
    if (side === L.RING_PUT) repairPut(me, words, at + side, true);
    else repairGet(me, words, at, true);
    leave(words, at + side + L.SIDE_MONITOR, me.parker);
  }
  for (const set of [...WAIT_SETS, L.RING_PUT + L.MONITOR_WAITERS, L.RING_GET + L.MONITOR_WAITERS]) {
    unregister(words, at + set, dead & L.IDENT_SLOT_MASK);
  }
  if ((words[at + L.RING_FLAGS] & L.FLAG_JOINABLE) === 0) return;
  const taken = at + L.RING_TAKEN + (dead & L.IDENT_SLOT_MASK);
  if (words[taken] === 0) return;
  Atomics.add(words, at + L.RING_ABANDONED, words[taken]);
  words[taken] = 0;
}

/** Wakes everybody who waits for a ring. */
export function wakeRing(me: Participant, block: Block): void {
  const { words, at } = me.arena.wordsAt(block.offset);
  for (const set of WAIT_SETS) me.parker.wakeAll(words, at + set);
}

registerKind(L.KIND_RING, { destroy: destroyRing, repair: repairRing });
registerKind(L.KIND_DIRECTION, { holdings: 0, destroy: destroyRing, repair: repairRing });
