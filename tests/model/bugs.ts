/**
 * Bugs that are put into the library's sources on purpose, and must be found.
 *
 * @module
 */
import type { Edit } from "./library.ts";

/** A bug, and the scenario in which it shows. */
export interface Bug {
  readonly name: string;
  readonly edits: readonly Edit[];
  readonly in: string;
}

/** Puts a text in the place of another, or nothing. */
function change(file: string, from: string, to = ""): Edit {
  return { file, from, to };
}

/** Moves a text before another. */
function move(file: string, text: string, before: string): Edit[] {
  return [change(file, text), change(file, before, `${text} ${before}`)];
}

/** All bugs. */
export const BUGS: readonly Bug[] = [
  {
    name: "a thread attaches without saying that it is inside",
    edits: [change("park", "isChildThread ? !gate.tryBegin() : ")],
    in: "a thread starts, is terminated, and its place is another's",
  },
  {
    name: "a thread looks whether it may, then says that it is inside",
    edits: [
      change(
        "arena",
        "if (Atomics.compareExchange(head, at, gate, gate & ~clear | set) === gate) return true;",
        "Atomics.store(head, at, gate & ~clear | set); return true;",
      ),
    ],
    in: "a thread starts, is terminated, and its place is another's",
  },
  {
    name: "a thread opens the gate of another",
    edits: [change("arena", "gate >>> L.GATE_BITS !== ident >>> L.IDENT_SLOT_BITS || ")],
    in: "a thread starts, is terminated, and its place is another's",
  },
  {
    name: "who leaves a monitor looks for waiters before it leaves",
    edits: [
      change(
        "monitor",
        "Atomics.store(words, at + L.MONITOR_OWNER, 0);",
        "const before = Atomics.load(words, at + L.MONITOR_WAITERS + L.WAITSET_SUMMARY); Atomics.store(words, at + L.MONITOR_OWNER, 0);",
      ),
      change("monitor", "if (Atomics.load(words, at + L.MONITOR_WAITERS + L.WAITSET_SUMMARY) !== 0) parker", "if (before !== 0) parker"),
    ],
    in: "two enter a monitor twice each",
  },
  {
    name: "a monitor is taken from the living",
    edits: [change("monitor", "if (parker.isAlive(owner)) return undefined;")],
    in: "two enter a monitor twice each",
  },
  {
    name: "who takes a monitor over is not told",
    edits: [change("monitor", "=== owner ? true : undefined", "=== owner ? false : undefined")],
    in: "two enter a monitor, one may die",
  },
  {
    name: "a monitor is taken over without looking whether another did",
    edits: [
      change(
        "monitor",
        "return Atomics.compareExchange(words, at + L.MONITOR_OWNER, owner, parker.ident) === owner ? true",
        "Atomics.store(words, at + L.MONITOR_OWNER, parker.ident); return true ? true",
      ),
    ],
    in: "three enter a monitor, one may die",
  },
  {
    name: "a waiter registers before it reads its bell",
    edits: [
      change(
        "park",
        "const seen = Atomics.load(this.#head, this.#at + L.SLOT_BELL);\n    register(words, at, this.slot);",
        "register(words, at, this.slot); const seen = Atomics.load(this.#head, this.#at + L.SLOT_BELL);",
      ),
    ],
    in: "two enter a monitor twice each",
  },
  {
    name: "a waiter does not look again after it registered",
    edits: [
      change(
        "park",
        "const seen = this.#fallAsleep(words, at);\n        const result = what.attempt(lookHard);",
        "const result = what.attempt(lookHard); const seen = this.#fallAsleep(words, at);",
      ),
    ],
    in: "one waits twice, one may die",
  },
  {
    name: "who rings itself does not look",
    edits: [change("park", "if (wasAsleep !== 0 || isDeath) queueMicrotask(() => this.tasks.onRing());")],
    in: "a thread waits for the same as its task",
  },
  {
    name: "the bell is changed after looking whether its owner sleeps",
    edits: [
      change("doorbells", "Atomics.add(head, at + L.SLOT_BELL, 1);"),
      change(
        "doorbells",
        "const asleep = Atomics.load(head, at + L.SLOT_ASLEEP);",
        "const asleep = Atomics.load(head, at + L.SLOT_ASLEEP); Atomics.add(head, at + L.SLOT_BELL, 1);",
      ),
    ],
    in: "one waits twice, one may die",
  },
  {
    name: "who is rung is taken out of the set after that",
    edits: [
      change("wait_set", "if (unregister(words, at, slot)) return slot;", "return slot;"),
      change("doorbells", "if (this.ring(slot)) return;", "const rung = this.ring(slot); unregister(words, at, slot); if (rung) return;"),
    ],
    in: "one waits twice, one may die",
  },
  {
    name: "who gives up passes no ring on",
    edits: [
      change(
        "park",
        "if (!unregister(words, at, this.slot) && (!took || what.more())) this.wakeOne(words, at);",
        "unregister(words, at, this.slot);",
      ),
    ],
    in: "one of two gives up",
  },
  {
    name: "whether there is more is looked at before leaving the set",
    edits: [
      change(
        "park",
        "if (!unregister(words, at, this.slot) && (!took || what.more())) this.wakeOne(words, at);",
        "const more = !took || what.more(); if (!unregister(words, at, this.slot) && more) this.wakeOne(words, at);",
      ),
    ],
    in: "two wait, two permits",
  },
  {
    name: "a late ring takes the word “asleep” from a later sleep of an event loop",
    edits: [
      change(
        "doorbells",
        "memory.unpark((at + L.SLOT_BELL) * 4);\n      return true;",
        "Atomics.and(head, at + L.SLOT_ASLEEP, ~L.ASLEEP_LOOP); memory.unpark((at + L.SLOT_BELL) * 4); return true;",
      ),
    ],
    in: "a task waits twice, one may die",
  },
  {
    name: "a death rings only those who seem to sleep",
    edits: [change("doorbells", "this.ring(slot, true)", "this.ring(slot)")],
    in: "a task with a door waits twice, one may die",
  },
  {
    name: "an event loop says that it sleeps after looking again",
    edits: move(
      "waiting_tasks",
      "Atomics.or(this.#head, this.#at + L.SLOT_ASLEEP, L.ASLEEP_LOOP);",
      "if (this.#groups.size > 0) this.#host.arena.memory.listen(",
    ),
    in: "a task with a door waits twice, one may die",
  },
  {
    name: "a task that gives up passes no ring on",
    edits: [
      change(
        "waiting_tasks",
        "if (group.first === null && !this.#unregister(set)) this.#host.doorbells.wakeOne(set.words, set.at);",
        "if (group.first === null) this.#unregister(set);",
      ),
    ],
    in: "one of two tasks gives up",
  },
  {
    name: "a put is committed before its state is written",
    edits: move(
      "ring",
      "Atomics.store(words, this.#put + L.SIDE_SEQUENCE, sequence + 1 | 0);",
      "words[next + L.STATE_SEGMENT] = segment.units;\n    words[next + L.STATE_OFFSET] = offset + length;\n    words[next + L.STATE_BYTES] = words[now + L.STATE_BYTES] + cost | 0;\n    ",
    ),
    in: "one puts two, one gets two, over the end of a segment, one may die",
  },
  {
    name: "a put is committed before its record is written",
    edits: move(
      "ring",
      "Atomics.store(words, this.#put + L.SIDE_SEQUENCE, sequence + 1 | 0);",
      "this.#writeRecord(outgoing, segment, offset, next);",
    ),
    in: "one puts, one gets",
  },
  {
    name: "a put wakes nobody",
    edits: [
      change(
        "ring",
        "if (Atomics.load(words, this.notEmpty.at + L.WAITSET_SUMMARY) !== 0 && this.size > 0) parker.wakeOne(words, this.notEmpty.at);",
      ),
    ],
    in: "one puts, one gets",
  },
  {
    name: "a get wakes nobody",
    edits: [change("ring", "this.#wakePutters();")],
    in: "a limit of items, one may die",
  },
  {
    name: "a segment is freed before the get that leaves it is committed",
    edits: [
      change(
        "ring",
        "words[next + L.STATE_SPARE] = segment.units;",
        "words[next + L.STATE_SPARE] = segment.units; this.#me.heap.free(spare);",
      ),
    ],
    in: "two get, over the end of a segment, one may die",
  },
  {
    name: "the segment of a put that was never committed is not given back",
    edits: [change("ring_repair", "giveBack(me, words, next + L.STATE_SPARE, isInside);")],
    in: "two put, over the end of a segment, one may die",
  },
  {
    name: "the segment that a dead getter left is not given back",
    edits: [change("ring_repair", "giveBack(me, words, now + L.STATE_SPARE, isInside);")],
    in: "two get, over the end of a segment, one may die",
  },
  {
    name: "the state of an older put is taken for that of one that was never committed",
    edits: [change("ring_repair", "if (words[next + L.STATE_SEQUENCE] !== sequence) return;")],
    in: "two put into a segment that is in use, one may die",
  },
  {
    name: "the block of a message is the ring's only after the commit",
    edits: [
      change("ring", "Atomics.store(this.#words, next + L.STATE_BLOCK, block.offset / L.UNIT);\n    this.#me.heap.own(block, 0);"),
      change(
        "ring",
        "Atomics.store(words, this.#put + L.SIDE_SEQUENCE, sequence + 1 | 0);",
        "Atomics.store(words, this.#put + L.SIDE_SEQUENCE, sequence + 1 | 0); if (outgoing.block !== null) this.#me.heap.own(outgoing.block, 0);",
      ),
    ],
    in: "a message in a block of its own, one may die",
  },
  {
    name: "items that the dead took are not counted",
    edits: [change("ring_repair", "Atomics.add(words, at + L.RING_ABANDONED, words[taken]);")],
    in: "an item is taken, done and joined, one may die",
  },
  {
    name: "the lower half of a block is made before the upper",
    edits: move(
      "heap",
      "Atomics.store(words, at + L.BLOCK_TAG, order << 1);\n    }\n    const end",
      "const above = Math.max(0, dirty - half);",
    ).map((edit) => edit.to === "" ? { ...edit, to: "}\n    const end" } : { ...edit, to: edit.to.replace("}\n    const end", "") }),
    in: "two allocate and free, one may die",
  },
  {
    name: "the free lists are not made anew after a death",
    edits: [
      change("heap", "if (enter(this.#head, L.HEAP_LOCK, this.#parker)) this.#rebuild();", "enter(this.#head, L.HEAP_LOCK, this.#parker);"),
    ],
    in: "two allocate and free, one may die",
  },
  {
    name: "a block is used before it says whose it is",
    edits: [
      change("heap", "words[at + L.BLOCK_OWNER] = owner;"),
      change(
        "heap",
        "Atomics.store(words, at + L.BLOCK_TAG, order << 1 | 1);",
        "Atomics.store(words, at + L.BLOCK_TAG, order << 1 | 1); words[at + L.BLOCK_OWNER] = owner;",
      ),
    ],
    in: "two allocate and free, one may die",
  },
  {
    name: "an object travels without a ticket",
    edits: [change("ring", "if (passengers.length > 0) this.#writeTickets(passengers, sequence);")],
    in: "an object travels",
  },
  {
    name: "who receives an object does not hold it",
    edits: [change("ring", "if (this.#me.heap.isCurrent(block)) this.#me.holdInside(holdingOf(block, holding));")],
    in: "an object travels",
  },
  {
    name: "the end of a pipe comes before what was sent",
    edits: [change("arena_home", "!me.isHeld(other) && receiving!.ring.size === 0", "!me.isHeld(other)")],
    in: "a pipe and its end",
  },
  {
    name: "who waits at a pipe is not rung when its other end is closed",
    edits: [change("ring_repair", "for (const set of WAIT_SETS) me.parker.wakeAll(words, at + set);")],
    in: "a pipe and its end",
  },

  // Locks.
  {
    name: "who lets go of a lock rings before it is free",
    edits: [
      change(
        "lock",
        "const isFree = Atomics.compareExchange(words, at + L.LOCK_OWNER, owner, 0) === owner;\n    if (isFree) {\n      if (owner === me.ident) this.hold.guards.pop();\n      this.wake();\n    }",
        "this.wake(); const isFree = Atomics.compareExchange(words, at + L.LOCK_OWNER, owner, 0) === owner; if (isFree && owner === me.ident) this.hold.guards.pop();",
      ),
    ],
    in: "two take a lock, one may die",
  },
  {
    name: "who has a lock after the dead is not told",
    edits: [change("lock", "return isTaken ? isAbandoned : PENDING;", "return isTaken ? false : PENDING;")],
    in: "two take a lock, one may die",
  },
  {
    name: "a burial frees a lock without a word",
    edits: [
      change(
        "lock",
        "Atomics.compareExchange(words, at + L.LOCK_OWNER, dead, ABANDONED);",
        "Atomics.compareExchange(words, at + L.LOCK_OWNER, dead, 0);",
      ),
    ],
    in: "two tasks take a lock, one may die",
  },
  {
    name: "a burial leaves a lock to the dead",
    edits: [change("lock", "Atomics.compareExchange(words, at + L.LOCK_OWNER, dead, ABANDONED);")],
    in: "two take a lock, one for some time, one may die",
  },
  {
    name: "a burial says that a lock was abandoned whoever has it",
    edits: [
      change(
        "lock",
        "Atomics.compareExchange(words, at + L.LOCK_OWNER, dead, ABANDONED);",
        "Atomics.store(words, at + L.LOCK_OWNER, ABANDONED);",
      ),
    ],
    in: "two take a lock, one may die",
  },
  {
    name: "who waits for a lock does not look at its owner's pulse",
    edits: [change("lock", "owner > 0 && lookHard && !parker.isAlive(owner)", "false")],
    in: "who waits for a lock buries its owner",
  },
  {
    name: "an RLock is free before it was let go of as often as it was taken",
    edits: [change("lock", "words[at + L.LOCK_DEPTH] === 1", "words[at + L.LOCK_DEPTH] <= 2")],
    in: "two take a lock twice at once, one may die",
  },
  {
    name: "what a guard stands for is written into a lock that may be another's by then",
    edits: [
      change("lock", "if (guards.length > 0) guards.length = 0;", "words[at + L.LOCK_DEPTH] = words[at + L.LOCK_TURN];"),
      change(
        "lock",
        "return this.give(new Guard(abandoned, this.#release));\n  }\n\n  readonly #release = (guard: Guard): void => {\n    const { place, hold: { guards } } = this;\n    place.evenIfClosed(() => {\n      // Released without its guard, it may be another's",
        "const guard = new Guard(abandoned, this.#release); guard.turn = this.place.words[this.place.at + L.LOCK_DEPTH]; return guard; }\n  readonly #release = (guard: Guard): void => {\n    const { place, hold: { guards } } = this;\n    place.evenIfClosed(() => {\n      // Released without its guard, it may be another's",
      ),
      change("lock", "guards[guards.length - 1] === guard", "place.words[place.at + L.LOCK_DEPTH] === guard.turn"),
    ],
    in: "one takes a lock, another lets go of it, one may die",
  },
  {
    name: "who let others go first, and is aborted, keeps a ring",
    edits: [change("acquirable", "if (!me.isGone && !isClosed && this.isFree) me.parker.wakeOne(words, this.#waiters.at);")],
    in: "one lets others take a lock first, and is aborted",
  },

  // Semaphores.
  {
    name: "a release rings before there is a permit",
    edits: [change("semaphore", "this.give();\n      this.wake();", "this.wake();\n      this.give();")],
    in: "two take a permit twice each, one may die",
  },
  {
    name: "a permit is taken without looking whether another took it",
    edits: [
      change(
        "semaphore",
        "Atomics.compareExchange(words, at + L.SEMAPHORE_VALUE, value, value - 1) === value;",
        "(Atomics.store(words, at + L.SEMAPHORE_VALUE, value - 1), true);",
      ),
    ],
    in: "two take a permit twice each, one may die",
  },
  {
    name: "who took a permit rings nobody though there is another",
    edits: [change("acquirable", "more: () => this.isFree };", "more: () => false };")],
    in: "two wait for a permit, two are made",
  },
  {
    name: "permits are not counted anew after a death",
    edits: [
      change(
        "semaphore",
        "if (enter(words, at + L.BOUNDED_MONITOR, me.parker)) recount(me, words, at);",
        "enter(words, at + L.BOUNDED_MONITOR, me.parker);",
      ),
    ],
    in: "two take one of a bounded number, one may die",
  },
  {
    name: "the permits of the dead do not come back",
    edits: [change("semaphore", "if (words[at + L.BOUNDED_TAKEN + slot] !== 0) {", "if (slot < 0) {")],
    in: "two take one of a bounded number, one may die",
  },
  {
    name: "a burial takes the permits of the dead back, and does not count them",
    edits: [
      change(
        "semaphore",
        "Atomics.store(words, at + L.BOUNDED_TAKEN + slot, 0);\n      recount(me, words, at);",
        "Atomics.store(words, at + L.BOUNDED_TAKEN + slot, 0);",
      ),
    ],
    in: "two tasks take one of a bounded number, one may die",
  },
  {
    name: "who gives a permit back for another has one less itself",
    edits: [change("semaphore", "if (words[taken + me.slot] > 0) return taken + me.slot;", "return taken + me.slot;")],
    in: "one takes one of a bounded number, another gives it back, one may die",
  },

  // Conditions.
  {
    name: "the notifications of the dead do not go to others",
    edits: [
      change(
        "condition",
        "words[notified] -= words[notified] >= TAKEN_UP ? TAKEN_UP : 1) notifyOne(me, words, at);",
        "words[notified] = 0);",
      ),
    ],
    in: "two wait for a condition, one is notified, one may die",
  },
  {
    name: "a notification is done with before the lock was taken back",
    edits: [
      change("condition", "words[notified] - 1 + TAKEN_UP", "words[notified] - 1"),
      change("condition", "words[notified] - TAKEN_UP));", "words[notified]));"),
    ],
    in: "two wait for a condition, one is notified, one may die",
  },
  {
    name: "who waits for a condition is counted after it let go of the lock",
    edits: [
      change(
        "condition",
        "words[waiting]++;\n    });\n    return this.#lock[INSIDE].setAside();",
        "words[waiting]++;\n    });\n    return aside;",
      ),
      change("condition", "#arrive(): SetAside {", "#arrive(): SetAside { const aside = this.#lock[INSIDE].setAside();"),
    ],
    in: "one waits for a condition, one notifies it, one may die",
  },
  {
    name: "whose time is up takes its notification along",
    edits: [change("condition", "if (this.#takeUpInside(stay)) return true;")],
    in: "two wait for a condition, one for some time, one is notified",
  },
  {
    name: "a notification rings nobody",
    edits: [change("condition", "me.parker.wakeSlot(words, at + L.CONDITION_WAITERS, first);")],
    in: "one waits for a condition, one notifies it, one may die",
  },
  {
    name: "who takes a lock back from the dead is not told",
    edits: [change("lock", "(guard as { abandoned: boolean }).abandoned = true;", ";")],
    in: "one waits for a condition, one notifies it, one may die",
  },

  // Events.
  {
    name: "an event wakes those who wait before it is set",
    edits: [
      change(
        "event",
        'if (this.#change("set", 0)) parker.wakeAll(this.#waiters.words, this.#waiters.at);',
        'parker.wakeAll(this.#waiters.words, this.#waiters.at); this.#change("set", 0);',
      ),
    ],
    in: "two wait for an event, it is set, one may die",
  },
  {
    name: "an event wakes one of those who wait",
    edits: [change("event", "parker.wakeAll(", "parker.wakeOne(")],
    in: "two wait for an event, it is set, one may die",
  },
  {
    name: "who waits for an event looks only whether it is set now",
    edits: [change("event", "(now & 1) === 1 || now !== before || PENDING", "(now & 1) === 1 || PENDING")],
    in: "one waits for an event twice, it is set and cleared, one may die",
  },
  {
    name: "an event is set without looking whether another set it",
    edits: [
      change(
        "event",
        "if (Atomics.compareExchange(words, at + L.EVENT_STATE, state, state + 1 | 0) === state) return true;",
        "Atomics.add(words, at + L.EVENT_STATE, 1); return true;",
      ),
    ],
    in: "two set an event, one of them clears it, one may die",
  },

  // Barriers.
  {
    name: "a burial does not break a barrier",
    edits: [
      change(
        "barrier",
        "Atomics.store(words, at + L.BARRIER_STATE, BROKEN);\n      words[at + L.BARRIER_ARRIVED] -=",
        "words[at + L.BARRIER_ARRIVED] -=",
      ),
    ],
    in: "two meet at a barrier with an action twice, one may die",
  },
  {
    name: "the next round begins before the last is over",
    edits: [
      change(
        "barrier",
        "Atomics.store(words, at + L.BARRIER_ROUND, words[at + L.BARRIER_ROUND] + 1 | 0);\n  beginRound(me, words, at);",
        "beginRound(me, words, at); Atomics.store(words, at + L.BARRIER_ROUND, words[at + L.BARRIER_ROUND] + 1 | 0); words[at + L.BARRIER_COUNTED]++;",
      ),
    ],
    in: "two meet at a barrier twice, one may die",
  },
  {
    name: "who waits at a barrier looks whether it is broken after looking whether the round is over",
    edits: [
      change("barrier", "const state = this.#load(L.BARRIER_STATE);"),
      change("barrier", "if (state === BROKEN) {\n      throw", "if (this.#load(L.BARRIER_STATE) === BROKEN) {\n      throw"),
    ],
    in: "two meet at a barrier, one aborts it, one may die",
  },
  {
    name: "whose time is up does not look whether the others passed just then",
    edits: [
      change(
        "barrier",
        "if (outcome === PENDING && !this.#break(arrival.round)) outcome = this.#outcome(arrival);",
        "if (outcome === PENDING) this.#break(arrival.round);",
      ),
    ],
    in: "two meet at a barrier, one for some time, one may die",
  },
  {
    name: "who waited when a barrier was reset passes",
    edits: [change("barrier", "words[at + L.BARRIER_BROKEN + slot] = markOf(round);", ";")],
    in: "two meet at a barrier, one resets it, one may die",
  },
  {
    name: "the last to come wakes nobody",
    edits: [
      change(
        "barrier",
        "if (arrival !== PENDING && arrival.isLast && this.#action === null) me.parker.wakeAll(this.#waiters.words, this.#waiters.at);",
      ),
    ],
    in: "two meet at a barrier twice, one may die",
  },
  {
    name: "a barrier whose action failed is not broken",
    edits: [
      change("barrier", "} catch (error) {\n      here.leave();\n      throw error;", "} catch (error) {\n      throw error;"),
    ],
    in: "two meet at a barrier whose action fails, one may die",
  },
];
