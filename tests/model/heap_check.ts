/**
 * Looks whether a heap is in order, by its words alone.
 *
 * @module
 */
import assert from "node:assert/strict";
import { ARENA_WORDS } from "./library.ts";
import type { Stage } from "./scenario.ts";

/** A block that is in use. */
interface Used {
  /** Where its payload begins. */
  readonly offset: number;
  readonly kind: number;
  readonly owner: number;
}

/** Throws if the heap is not in order, or a block is still in use. */
export function nothingIsLeft(stage: Stage): void {
  const used = checkHeap(stage);
  assert(used.length === 0, `${used.length} blocks are left in use, at ${used.map(({ offset }) => offset.toString(16)).join(" ")}`);
}

/** Throws if the blocks do not fill the heap, or the free lists are not exactly the free blocks. Gives the used ones. */
function checkHeap({ library: { layout: L }, machine: { words } }: Stage): Used[] {
  const used: Used[] = [];
  const free = new Map<number, number>();
  const serials = new Set<number>();
  let dirty = 0;
  for (let offset = L.HEAP_OFFSET; offset < ARENA_WORDS * 4;) {
    const at = offset / 4;
    const tag = words[at + L.BLOCK_TAG];
    const order = tag >> 1;
    assert(order >= L.MIN_ORDER && order <= L.MAX_ORDER, `the block at ${offset} has order ${order}`);
    assert(offset % 2 ** order === 0, `the block at ${offset} of order ${order} is not aligned`);
    if ((tag & 1) !== 0) {
      const serial = words[at + L.BLOCK_SERIAL];
      assert(serial !== 0 && !serials.has(serial), `the block at ${offset} has serial ${serial}`);
      serials.add(serial);
      used.push({ offset: offset + L.UNIT, kind: words[at + L.BLOCK_KIND], owner: words[at + L.BLOCK_OWNER] });
    } else {
      free.set(offset / L.UNIT, order);
      dirty += words[at + L.BLOCK_DIRTY];
    }
    offset += 2 ** order;
  }
  let count = 0;
  for (let order = 0; order <= L.MAX_ORDER; order++) {
    let previous = 0;
    for (let unit = words[L.FREE_HEADS + order]; unit !== 0; unit = words[unit * L.UNIT / 4 + L.BLOCK_NEXT]) {
      assert(free.get(unit) === order, `the list of order ${order} has a block that is not free, or is of another order`);
      assert(words[unit * L.UNIT / 4 + L.BLOCK_PREVIOUS] === previous, `the list of order ${order} is broken`);
      assert(++count <= free.size, "a free list goes round in circles");
      previous = unit;
    }
  }
  assert(count === free.size, `${free.size} blocks are free, ${count} are in the lists`);
  assert(words[L.DIRTY_UNITS] === dirty, `${dirty} units are dirty, ${words[L.DIRTY_UNITS]} are counted`);
  return used;
}
