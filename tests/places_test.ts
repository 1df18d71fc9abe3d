/** Threads that end inside the shared memory, or use it after their end, by the library's own parts: through the public interface that takes a moment that no test can hit. */
// run: on=node26,deno,bun from=sources
import { assert } from "chai";
import { Arena } from "../src/arena.ts";
import { ArenaHome } from "../src/arena_home.ts";
import * as L from "../src/layout.ts";
import { SharedBufferMemory } from "../src/memory.ts";
import { ringOf } from "../src/messages.ts";
import { enter } from "../src/monitor.ts";
import { PENDING } from "../src/attempt.ts";
import { Stopped } from "../src/gate.ts";
import { Participant } from "../src/participant.ts";
import { JoinableQueue, Queue } from "../src/queue.ts";
import { Ring } from "../src/ring.ts";
import { BoundedSemaphore } from "../src/semaphore.ts";
import { unregister } from "../src/wait_set.ts";
import { LOOK_MS } from "../src/waiting_tasks.ts";
import { test } from "./harness.ts";
import { sleep, took } from "./timing.ts";

/** A parent and its thread, where the kernel cannot be asked for threads: in a browser. */
function family() {
  const buffer = new SharedArrayBuffer(2 ** 26), memory = () => new SharedBufferMemory(buffer, () => true, () => false);
  const at = { pid: 1, tid: 0 };
  const arena = Arena.create(memory(), 7);
  const parent = new Participant(arena, arena.reserve(0), at, true);
  const child = new Participant(Arena.open(memory()), arena.reserve(parent.ident), at, true, true);
  return { parent, child, home: new ArenaHome("thread", parent) };
}

/** Buries a thread that was terminated. @param waited Whether its parent waited for it to be out, as long as it waits: then it counts as out. */
function bury(parent: Participant, { ident }: Participant, waited: boolean): void {
  parent.arena.turnGate(ident, L.GATE_STOP, waited ? L.GATE_INSIDE : 0);
  parent.bury(ident);
  assert.equal(parent.arena.identOf(ident & L.IDENT_SLOT_MASK), 0);
}

test("a thread that ended inside a monitor is buried", () => {
  const { parent, child, home } = family();
  const semaphore = new BoundedSemaphore(2, home);
  const { offset } = parent.heap.exclusively(() => parent.heap.blocks()).find(({ kind }) => kind === L.KIND_BOUNDED)!;
  enter(child.arena.window(offset).words, child.arena.wordIndex(offset) + L.BOUNDED_MONITOR, child.parker);
  bury(parent, child, false);
  assert.isNotNull(semaphore.acquireSync());
});

test("a thread that ended inside the heap is buried", () => {
  const { parent, child } = family();
  enter(child.arena.head, L.HEAP_LOCK, child.parker);
  bury(parent, child, true);
});

test("a thread that goes on after its end was told says no more of its items", () => {
  const { parent, child, home } = family();
  const queue = new JoinableQueue<number>(undefined, home), { block } = ringOf(queue), late = new Ring(child, block);
  queue.putNowait(1);
  assert.notEqual(late.tryGet(() => null), PENDING);
  parent.arena.turnGate(child.ident, L.GATE_STOP, 0);
  assert.throws(() => late.taskDone(), Stopped);
  assert.isFalse(ringOf(queue).isAllDone);
  bury(parent, child, true);
  assert.equal(ringOf(queue).abandoned, 1);
});

test("a death has who tells of it look too, though it does not seem to sleep", async () => {
  const { parent, child, home } = family();
  const queue = new Queue<number>(undefined, home), { notEmpty } = ringOf(queue), { head } = parent.arena;
  const slot = parent.ident & L.IDENT_SLOT_MASK, at = parent.arena.slot(slot);
  const got = queue.get();
  await sleep(LOOK_MS + 20); // so that the next look is far
  // What the child does if it ends right before it wakes the parent.
  unregister(notEmpty.words, notEmpty.at, slot);
  Atomics.add(head, at + L.SLOT_BELL, 1);
  Atomics.and(head, at + L.SLOT_ASLEEP, ~L.ASLEEP_LOOP);
  queue.putNowait(1);
  assert.isBelow(
    await took(async () => {
      bury(parent, child, true);
      assert.equal(await got, 1);
    }),
    LOOK_MS / 2,
  );
});
