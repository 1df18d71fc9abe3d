/**
 * What is explored.
 *
 * @module
 */
import { constant, type Edit, PLAIN_LOCKS, PLAIN_MONITORS } from "./library.ts";
import { barrierPlot } from "./barriers.ts";
import { conditionPlot } from "./conditions.ts";
import { eventPlot } from "./events.ts";
import { lockPlot } from "./locks.ts";
import { monitorPlot } from "./monitors.ts";
import { heapPlot, passengerPlot, pipePlot } from "./objects.ts";
import { ringPlot } from "./rings.ts";
import type { Me, PlayOptions, Plot, Stage } from "./scenario.ts";
import { type SemaphorePlan, semaphorePlot } from "./semaphores.ts";
import { sleepPlot } from "./sleeps.ts";
import { threadPlot } from "./threads.ts";

/** A scenario with a name. */
export interface Case {
  readonly name: string;
  readonly write: (stage: Stage, maker: Me) => Plot;
  readonly roles: readonly string[];
  readonly options?: PlayOptions;
  /** What else is changed in the sources: times. */
  readonly edits?: readonly Edit[];
  /** Explored by `--soak` alone, and as far as the limit goes: it takes minutes. */
  readonly isLarge?: boolean;
  /** At least so many states: fewer mean that the model looks at something else than it says. */
  readonly least: number;
}

const put = { do: "put" } as const, big = { do: "put", big: true } as const, get = { do: "get" } as const;
const getNow = { do: "get", timeout: 0 } as const, getSoon = { do: "get", timeout: 5 } as const;
const blocking = { way: "blocking" } as const, async = { way: "async" } as const;
const soon = { way: "blocking", timeout: 5 } as const, asyncSoon = { way: "async", timeout: 5 } as const;

const AB = ["A", "B"], ABC = ["A", "B", "C"];
const hasty = { isBurialHasty: true };
/** Whoever let go of something while others wait lets them have it first. */
const impatient = [constant("turns", "SHARE_MS", "0")];
/** The look that everybody takes by itself each half second, once nobody can go on otherwise. */
const looking = [constant("waiting_tasks", "LOOK_MS", "20")];
const large = { limit: 20_000_000 };

/** All scenarios. */
export const CASES: readonly Case[] = [
  // Places.
  {
    name: "a thread starts, is terminated, and its place is another's",
    write: threadPlot(),
    roles: ["FIRST", "PARENT", "NEXT"],
    least: 1_000,
  },
  // Monitors.
  { name: "two enter a monitor twice each", write: monitorPlot({ rounds: 2, deaths: 0 }), roles: AB, least: 10_000 },
  { name: "two enter a monitor, one may die", write: monitorPlot({ rounds: 1, deaths: 1 }), roles: AB, least: 4_000 },
  { name: "two enter a monitor twice each, one may die", write: monitorPlot({ rounds: 2, deaths: 1 }), roles: AB, least: 100_000 },
  {
    name: "two enter a monitor, both may die, and who buries them",
    write: monitorPlot({ rounds: 1, deaths: 2 }),
    roles: AB,
    options: { buriers: 2 },
    least: 100_000,
  },
  {
    name: "two enter a monitor twice each, two may die",
    write: monitorPlot({ rounds: 2, deaths: 2 }),
    roles: AB,
    options: { ...large, buriers: 2 },
    isLarge: true,
    least: 1_000_000,
  },
  {
    name: "three enter a monitor, one may die",
    write: monitorPlot({ rounds: 1, deaths: 1, names: ABC }),
    roles: ABC,
    options: { ...hasty, ...large },
    isLarge: true,
    least: 1_000_000,
  },

  // Sleep and wake.
  {
    name: "one waits twice, one may die",
    write: sleepPlot({ waiters: { A: [blocking, blocking] }, makers: { B: 2 }, deaths: 1 }),
    roles: AB,
    least: 8_000,
  },
  {
    name: "two wait, two permits",
    write: sleepPlot({ waiters: { A: [blocking], C: [blocking] }, makers: { B: 2 }, deaths: 0 }),
    roles: ABC,
    least: 500_000,
  },
  {
    name: "two wait, one may die",
    write: sleepPlot({ waiters: { A: [blocking], C: [blocking] }, makers: { B: 1 }, deaths: 1 }),
    roles: ABC,
    options: hasty,
    least: 50_000,
  },
  {
    name: "one of two gives up",
    write: sleepPlot({ waiters: { A: [soon], C: [blocking] }, makers: { B: 1 }, deaths: 0 }),
    roles: ABC,
    least: 10_000,
  },
  {
    name: "a task waits twice, one may die",
    write: sleepPlot({ waiters: { A: [async, async] }, makers: { B: 2 }, deaths: 1 }),
    roles: AB,
    least: 10_000,
  },
  {
    name: "a task with a door waits twice, one may die",
    write: sleepPlot({ waiters: { A: [async, async] }, makers: { B: 2 }, deaths: 1 }),
    roles: AB,
    options: { doors: ["A"] },
    least: 10_000,
  },
  {
    name: "one of two tasks gives up",
    write: sleepPlot({ waiters: { A: [asyncSoon], C: [async] }, makers: { B: 1 }, deaths: 0 }),
    roles: ABC,
    least: 10_000,
  },
  {
    name: "a task and a thread wait, one gives up, one may die",
    write: sleepPlot({ waiters: { A: [asyncSoon], C: [blocking] }, makers: { B: 1 }, deaths: 1 }),
    roles: ABC,
    options: hasty,
    least: 100_000,
  },
  {
    name: "two tasks wait, one may die",
    write: sleepPlot({ waiters: { A: [async], C: [async] }, makers: { B: 1 }, deaths: 1 }),
    roles: ABC,
    options: hasty,
    least: 100_000,
  },
  {
    name: "a thread waits for the same as its task",
    write: sleepPlot({ waiters: { A: [{ way: "both" }] }, makers: { B: 2 }, deaths: 0 }),
    roles: AB,
    least: 10_000,
  },
  {
    name: "who waits buries the dead itself",
    write: sleepPlot({ waiters: { A: [blocking] }, makers: { B: 1 }, deaths: 1, areCurious: true }),
    roles: AB,
    least: 700,
  },
  {
    name: "two tasks wait, two permits, one may die",
    write: sleepPlot({ waiters: { A: [async], C: [async] }, makers: { B: 2 }, deaths: 1 }),
    roles: ABC,
    options: large,
    isLarge: true,
    least: 1_000_000,
  },
  {
    name: "those who wait bury the dead themselves",
    write: sleepPlot({ waiters: { A: [blocking], C: [async] }, makers: { B: 1 }, deaths: 1, areCurious: true }),
    roles: ABC,
    options: { ...hasty, ...large },
    least: 100_000,
  },

  // Rings.
  { name: "one puts, one gets", write: ringPlot({ actors: { A: [put], B: [get] }, deaths: 1 }), roles: AB, least: 2_000 },
  {
    name: "one puts two, one gets two, over the end of a segment",
    write: ringPlot({ actors: { A: [put, put], B: [get, get] }, before: [3, 3], deaths: 0 }),
    roles: AB,
    least: 7_000,
  },
  {
    name: "one puts two, one gets two, over the end of a segment, one may die",
    write: ringPlot({ actors: { A: [put, put], B: [get, get] }, before: [3, 3], deaths: 1 }),
    roles: AB,
    options: hasty,
    least: 20_000,
  },
  {
    name: "two put, over the end of a segment, one may die",
    write: ringPlot({ actors: { A: [put], B: [put] }, before: [3, 0], deaths: 1 }),
    roles: AB,
    options: hasty,
    least: 3_000,
  },
  {
    name: "two put into a segment that is in use, one may die",
    write: ringPlot({ actors: { A: [put], B: [put] }, before: [6, 5], deaths: 1 }),
    roles: AB,
    options: hasty,
    least: 1_000,
  },
  {
    name: "two get, over the end of a segment, one may die",
    write: ringPlot({ actors: { A: [getNow], B: [getNow] }, before: [5, 3], deaths: 1 }),
    roles: AB,
    options: hasty,
    least: 4_000,
  },
  {
    name: "a message in a block of its own, one may die",
    write: ringPlot({ actors: { A: [big], B: [get] }, deaths: 1 }),
    roles: AB,
    options: hasty,
    least: 1_000,
  },
  {
    name: "a limit of items, one may die",
    write: ringPlot({ actors: { A: [put], B: [get] }, before: [1, 0], maxsize: 1, deaths: 1 }),
    roles: AB,
    least: 2_000,
  },
  {
    name: "a limit of bytes, one may die",
    write: ringPlot({ actors: { A: [put], B: [get] }, before: [1, 0], capacity: 16, deaths: 1 }),
    roles: AB,
    least: 4_000,
  },
  {
    name: "tasks before a limit of items, one may die",
    write: ringPlot({ actors: { A: [{ ...put, async: true }], B: [{ ...get, async: true }] }, before: [1, 0], maxsize: 1, deaths: 1 }),
    roles: AB,
    least: 3_000,
  },
  {
    name: "one of two getters gives up",
    write: ringPlot({ actors: { A: [getSoon], B: [get], C: [put] }, deaths: 0 }),
    roles: ABC,
    least: 800_000,
  },
  {
    name: "a shutdown while one puts and one gets",
    write: ringPlot({ actors: { A: [put], B: [get, get], C: [{ do: "shutdown" }] }, deaths: 0 }),
    roles: ABC,
    least: 300_000,
  },
  {
    name: "an item is taken, done and joined, one may die",
    write: ringPlot({ actors: { A: [get, { do: "done" }], B: [{ do: "join" }] }, before: [1, 0], joinable: true, deaths: 1 }),
    roles: AB,
    least: 1_000,
  },
  {
    name: "one puts two, one gets two, over the end of a segment, one may die while others go on",
    write: ringPlot({ actors: { A: [put, put], B: [get, get] }, before: [3, 3], deaths: 1 }),
    roles: AB,
    options: large,
    isLarge: true,
    least: 1_000_000,
  },
  {
    name: "two put and two get, one may die",
    write: ringPlot({ actors: { A: [put], B: [put], C: [get], D: [get] }, before: [3, 3], deaths: 1 }),
    roles: ["A", "B", "C", "D"],
    options: { ...large, ...hasty },
    isLarge: true,
    least: 1_000_000,
  },
  {
    name: "one puts two, one gets two, two may die, and who buries them",
    write: ringPlot({ actors: { A: [put, put], B: [get, get] }, before: [3, 3], deaths: 2 }),
    roles: AB,
    options: { ...large, ...hasty, buriers: 2 },
    isLarge: true,
    least: 1_000_000,
  },

  // The heap.
  { name: "two allocate and free", write: heapPlot({ actors: { A: [900], B: [400] }, deaths: 0 }), roles: AB, least: 20_000 },
  {
    name: "two allocate and free, one may die",
    write: heapPlot({ actors: { A: [900], B: [400] }, deaths: 1 }),
    roles: AB,
    options: hasty,
    least: 80_000,
  },
  {
    name: "two allocate and free, both may die, and who buries them",
    write: heapPlot({ actors: { A: [32], B: [100, 32] }, deaths: 2 }),
    roles: AB,
    options: { ...large, ...hasty, buriers: 2 },
    isLarge: true,
    least: 1_000_000,
  },

  // Objects that travel, and pipes.
  { name: "an object travels", write: passengerPlot({ deaths: 0 }), roles: AB, least: 80_000 },
  { name: "an object travels, one may die", write: passengerPlot({ deaths: 1 }), roles: AB, options: hasty, least: 200_000 },
  { name: "a pipe and its end", write: pipePlot({ sends: 1, capacity: 100, receives: 2, deaths: 0 }), roles: AB, least: 10_000 },
  {
    name: "a pipe and its end, one may die",
    write: pipePlot({ sends: 1, capacity: 100, receives: 2, deaths: 1 }),
    roles: AB,
    options: hasty,
    least: 50_000,
  },
  {
    name: "a pipe that is full when its reader closes it",
    write: pipePlot({ sends: 2, capacity: 16, receives: 1, deaths: 0 }),
    roles: AB,
    least: 90_000,
  },
  {
    name: "a pipe that is full, one may die",
    write: pipePlot({ sends: 2, capacity: 16, receives: 1, deaths: 1 }),
    roles: AB,
    options: { ...hasty, ...large },
    isLarge: true,
    least: 100_000,
  },

  // Locks.
  {
    name: "two take a lock, one may die",
    write: lockPlot({ actors: { A: [blocking], B: [blocking] }, deaths: 1 }),
    roles: AB,
    least: 7_000,
  },
  {
    name: "two take a lock twice each, one may die",
    write: lockPlot({ actors: { A: [blocking, blocking], B: [blocking, blocking] }, deaths: 1 }),
    roles: AB,
    least: 100_000,
  },
  {
    name: "two take a lock, both may die, and who buries them",
    write: lockPlot({ actors: { A: [blocking], B: [blocking] }, deaths: 2 }),
    roles: AB,
    options: { ...hasty, buriers: 2 },
    edits: PLAIN_MONITORS,
    least: 30_000,
  },
  {
    name: "two tasks take a lock, one may die",
    write: lockPlot({ actors: { A: [async], B: [async] }, deaths: 1 }),
    roles: AB,
    options: hasty,
    least: 2_000,
  },
  {
    name: "two take a lock, one for some time, one may die",
    write: lockPlot({ actors: { A: [soon, asyncSoon], B: [blocking] }, deaths: 1 }),
    roles: AB,
    options: hasty,
    least: 50_000,
  },
  {
    name: "two take a lock twice each by turns",
    write: lockPlot({ actors: { A: [blocking, blocking], B: [blocking, blocking] }, deaths: 0 }),
    roles: AB,
    edits: impatient,
    least: 400_000,
  },
  {
    name: "two tasks take a lock by turns, one may die",
    write: lockPlot({ actors: { A: [async, async], B: [async] }, deaths: 1 }),
    roles: AB,
    options: hasty,
    edits: impatient,
    least: 200_000,
  },
  {
    name: "one lets others take a lock first, and is aborted",
    write: lockPlot({ actors: { A: ["abort"], B: [], C: [blocking] }, holder: "B", deaths: 0 }),
    roles: ABC,
    edits: impatient,
    least: 100_000,
  },
  {
    name: "two take a lock twice at once, one may die",
    write: lockPlot({ actors: { A: [{ ...blocking, times: 2 }], B: [{ ...async, times: 2 }] }, isRLock: true, deaths: 1 }),
    roles: AB,
    options: hasty,
    least: 4_000,
  },
  {
    name: "one takes a lock, another lets go of it, one may die",
    write: lockPlot({ actors: { A: [blocking], B: ["release"], C: [blocking] }, deaths: 1 }),
    roles: ABC,
    options: hasty,
    least: 100_000,
  },
  {
    name: "who waits for a lock buries its owner",
    write: lockPlot({ actors: { A: [blocking], B: [blocking] }, deaths: 1 }),
    roles: AB,
    options: { buriers: 0 },
    edits: looking,
    least: 1_000,
  },
  {
    name: "two take a lock, both may die while others go on, and who buries them",
    write: lockPlot({ actors: { A: [blocking], B: [blocking] }, deaths: 2 }),
    roles: AB,
    options: { ...large, buriers: 2 },
    isLarge: true,
    least: 1_000_000,
  },
  {
    name: "three take a lock, one for some time, one may die",
    write: lockPlot({ actors: { A: [blocking], B: [soon], C: [async] }, deaths: 1 }),
    roles: ABC,
    options: { ...large, ...hasty },
    isLarge: true,
    least: 1_000_000,
  },
  {
    name: "two take a lock three times each by turns, one may die",
    write: lockPlot({ actors: { A: [blocking, async, blocking], B: [blocking, blocking, async] }, deaths: 1 }),
    roles: AB,
    options: { ...large, ...hasty },
    edits: impatient,
    isLarge: true,
    least: 1_000_000,
  },

  // Semaphores.
  {
    name: "two take a permit twice each, one may die",
    write: semaphorePlot({
      actors: { A: [blocking, "give", blocking, "give"], B: [blocking, "give", blocking, "give"] },
      value: 1,
      deaths: 1,
    }),
    roles: AB,
    least: 200_000,
  },
  {
    name: "two take a permit by turns, one may die",
    write: semaphorePlot({ actors: { A: [blocking, "give", async, "give"], B: [blocking, "give"] }, value: 1, deaths: 1 }),
    roles: AB,
    options: hasty,
    edits: impatient,
    least: 100_000,
  },
  {
    name: "two wait for a permit, one for some time, one may die",
    write: semaphorePlot({ actors: { A: [soon], B: ["release"], C: [blocking] }, value: 0, deaths: 1 }),
    roles: ABC,
    options: hasty,
    least: 300_000,
  },
  {
    name: "two wait for a permit, two are made",
    write: semaphorePlot({ actors: { A: [blocking], B: ["release", "release"], C: [blocking] }, value: 0, deaths: 0 }),
    roles: ABC,
    options: large,
    isLarge: true,
    least: 1_000_000,
  },
  {
    name: "two tasks wait for a permit, two are made, one may die",
    write: semaphorePlot({ actors: { A: [async], B: ["release", "release"], C: [async] }, value: 0, deaths: 1 }),
    roles: ABC,
    options: { ...large, ...hasty },
    isLarge: true,
    least: 1_000_000,
  },
  {
    name: "two take one of a bounded number, one may die",
    write: bounded({ A: [blocking, "give"], B: [blocking, "give"] }, 1, 1),
    roles: AB,
    edits: PLAIN_MONITORS,
    least: 20_000,
  },
  {
    name: "two take two of a bounded number, one may die",
    write: bounded({ A: [blocking, blocking, "give", "give"], B: [blocking] }, 2, 1),
    roles: AB,
    options: hasty,
    edits: PLAIN_MONITORS,
    least: 10_000,
  },
  {
    name: "two tasks take one of a bounded number, one may die",
    write: bounded({ A: [async, "give"], B: [asyncSoon, "give"] }, 1, 1),
    roles: AB,
    options: hasty,
    edits: PLAIN_MONITORS,
    least: 5_000,
  },
  {
    name: "three take one of a bounded number, one may die",
    write: bounded({ A: [blocking, "give"], B: [soon], C: [blocking, "give"] }, 1, 1),
    roles: ABC,
    options: { ...large, ...hasty },
    edits: PLAIN_MONITORS,
    isLarge: true,
    least: 1_000_000,
  },
  {
    name: "one takes one of a bounded number, another gives it back, one may die",
    write: bounded({ A: [blocking, "give"], B: ["release", blocking, "release"] }, 1, 1),
    roles: AB,
    edits: PLAIN_MONITORS,
    least: 10_000,
  },
  {
    name: "two take one of a bounded number, both may die, and who buries them",
    write: bounded({ A: [blocking, "give"], B: [blocking, "give"] }, 1, 2),
    roles: AB,
    options: { ...hasty, buriers: 2 },
    edits: PLAIN_MONITORS,
    least: 70_000,
  },
  {
    name: "two take one of a bounded number, waiting for its monitor too, one may die",
    write: bounded({ A: [blocking, "give"], B: [blocking, "give"] }, 1, 1),
    roles: AB,
    options: { ...large, ...hasty },
    isLarge: true,
    least: 1_000_000,
  },

  // Conditions.
  {
    name: "one waits for a condition, one notifies it, one may die",
    write: conditionPlot({ actors: { A: [blocking], B: [{ notify: 1 }] }, deaths: 1 }),
    roles: AB,
    edits: PLAIN_MONITORS,
    least: 100_000,
  },
  {
    name: "two wait for a condition, one is notified, one may die",
    write: conditionPlot({ actors: { A: [blocking], B: [{ notify: 1 }], C: [blocking] }, deaths: 1 }),
    roles: ABC,
    options: hasty,
    edits: PLAIN_LOCKS,
    least: 300_000,
  },
  {
    name: "two wait for a condition, one for some time, one is notified",
    write: conditionPlot({ actors: { A: [soon], B: [{ notify: 1 }], C: [blocking] }, deaths: 0 }),
    roles: ABC,
    edits: PLAIN_LOCKS,
    least: 10_000,
  },
  {
    name: "two wait for a condition, one for some time, one is notified, one may die",
    write: conditionPlot({ actors: { A: [soon], B: [{ notify: 1 }], C: [blocking] }, deaths: 1 }),
    roles: ABC,
    options: { ...large, ...hasty },
    edits: PLAIN_LOCKS,
    isLarge: true,
    least: 1_000_000,
  },
  {
    name: "one waits for a condition twice, two are notified, one may die",
    write: conditionPlot({ actors: { A: [async, asyncSoon], B: [{ notify: 1 }, { notify: 2 }] }, deaths: 1 }),
    roles: AB,
    options: hasty,
    edits: PLAIN_LOCKS,
    least: 90_000,
  },
  {
    name: "two tasks of one participant wait for a condition, two are notified",
    write: conditionPlot({ actors: { A: [{ way: "tasks" }], B: [{ notify: 2 }] }, deaths: 0 }),
    roles: AB,
    options: large,
    edits: PLAIN_MONITORS,
    isLarge: true,
    least: 10_000,
  },
  {
    name: "two tasks of one participant and another wait for a condition, all are notified, one may die",
    write: conditionPlot({ actors: { A: [{ way: "tasks" }], B: [{ notify: Infinity }], C: [blocking] }, deaths: 1 }),
    roles: ABC,
    options: { ...large, ...hasty },
    edits: PLAIN_MONITORS,
    isLarge: true,
    least: 1_000_000,
  },
  {
    name: "two wait for a condition, one is notified, two may die, and who buries them",
    write: conditionPlot({ actors: { A: [blocking], B: [{ notify: 1 }], C: [blocking] }, deaths: 2 }),
    roles: ABC,
    options: { ...large, ...hasty, buriers: 2 },
    edits: PLAIN_LOCKS,
    isLarge: true,
    least: 1_000_000,
  },
  {
    name: "two wait for a condition and its lock, one is notified, one may die",
    write: conditionPlot({ actors: { A: [blocking], B: [{ notify: 1 }], C: [blocking] }, deaths: 1 }),
    roles: ABC,
    options: { ...large, ...hasty },
    edits: PLAIN_MONITORS,
    isLarge: true,
    least: 1_000_000,
  },

  // Events.
  {
    name: "two wait for an event, it is set, one may die",
    write: eventPlot({ actors: { A: [blocking], B: ["set"], C: [async] }, deaths: 1 }),
    roles: ABC,
    options: hasty,
    least: 40_000,
  },
  {
    name: "one waits for an event twice, it is set and cleared, one may die",
    write: eventPlot({ actors: { A: [blocking, blocking], B: ["set", "clear", "set"] }, deaths: 1 }),
    roles: AB,
    least: 4_000,
  },
  {
    name: "a task waits for an event twice, it is set and cleared, one may die",
    write: eventPlot({ actors: { A: [async, asyncSoon], B: ["set", "clear", "set"] }, deaths: 1 }),
    roles: AB,
    least: 6_000,
  },
  {
    name: "two set an event, one of them clears it, one may die",
    write: eventPlot({ actors: { A: [blocking], B: ["set", "clear"], C: ["set"] }, deaths: 1 }),
    roles: ABC,
    options: hasty,
    least: 10_000,
  },

  // Barriers.
  {
    name: "two meet at a barrier twice, one may die",
    write: barrierPlot({ actors: { A: [blocking, blocking], B: [blocking, blocking] }, parties: 2, deaths: 1 }),
    roles: AB,
    edits: PLAIN_MONITORS,
    least: 70_000,
  },
  {
    name: "two tasks meet at a barrier twice, one may die",
    write: barrierPlot({ actors: { A: [async, async], B: [async, async] }, parties: 2, deaths: 1 }),
    roles: AB,
    options: hasty,
    edits: PLAIN_MONITORS,
    least: 20_000,
  },
  {
    name: "two meet at a barrier, one for some time, one may die",
    write: barrierPlot({ actors: { A: [soon], B: [blocking] }, parties: 2, deaths: 1 }),
    roles: AB,
    edits: PLAIN_MONITORS,
    least: 10_000,
  },
  {
    name: "two tasks of one participant and another meet at a barrier, one may die",
    write: barrierPlot({ actors: { A: [{ way: "tasks" }], B: [blocking] }, parties: 3, deaths: 1 }),
    roles: AB,
    edits: PLAIN_MONITORS,
    least: 40_000,
  },
  {
    name: "two meet at a barrier, one aborts it, one may die",
    write: barrierPlot({ actors: { A: [blocking], B: [blocking], C: ["abort"] }, parties: 2, deaths: 1 }),
    roles: ABC,
    options: hasty,
    edits: PLAIN_MONITORS,
    least: 60_000,
  },
  {
    name: "two meet at a barrier, one resets it, one may die",
    write: barrierPlot({ actors: { A: [blocking], B: [blocking], C: ["reset"] }, parties: 2, deaths: 1 }),
    roles: ABC,
    options: hasty,
    edits: PLAIN_MONITORS,
    least: 300_000,
  },
  {
    name: "two meet at a barrier twice, one gives up, the other resets it, one may die",
    write: barrierPlot({ actors: { A: [soon, blocking], B: [blocking, "reset", blocking] }, parties: 2, deaths: 1 }),
    roles: AB,
    edits: PLAIN_MONITORS,
    least: 400_000,
  },
  {
    name: "two meet at a barrier with an action twice, one may die",
    write: barrierPlot({ actors: { A: [blocking, blocking], B: [blocking, blocking] }, parties: 2, action: "acts", deaths: 1 }),
    roles: AB,
    edits: PLAIN_MONITORS,
    least: 100_000,
  },
  {
    name: "two tasks meet at a barrier with an action, one for some time, one may die",
    write: barrierPlot({ actors: { A: [asyncSoon], B: [async] }, parties: 2, action: "acts", deaths: 1 }),
    roles: AB,
    edits: PLAIN_MONITORS,
    least: 30_000,
  },
  {
    name: "two meet at a barrier whose action fails, one may die",
    write: barrierPlot({ actors: { A: [blocking, blocking], B: [blocking] }, parties: 2, action: "fails", deaths: 1 }),
    roles: AB,
    edits: PLAIN_MONITORS,
    least: 8_000,
  },
  {
    name: "two meet at a barrier, waiting for its monitor too, one may die",
    write: barrierPlot({ actors: { A: [blocking], B: [blocking] }, parties: 2, deaths: 1 }),
    roles: AB,
    options: hasty,
    least: 10_000,
  },
  {
    name: "three meet at a barrier, one may die",
    write: barrierPlot({ actors: { A: [blocking], B: [blocking], C: [async] }, parties: 3, deaths: 1 }),
    roles: ABC,
    options: { ...large, ...hasty },
    edits: PLAIN_MONITORS,
    isLarge: true,
    least: 500_000,
  },
  {
    name: "two meet at a barrier twice, both may die, and who buries them",
    write: barrierPlot({ actors: { A: [blocking, blocking], B: [blocking, blocking] }, parties: 2, deaths: 2 }),
    roles: AB,
    options: { ...large, buriers: 2 },
    edits: PLAIN_MONITORS,
    isLarge: true,
    least: 500_000,
  },
];

function bounded(actors: SemaphorePlan["actors"], value: number, deaths: number) {
  return semaphorePlot({ actors, value, isBounded: true, deaths });
}
