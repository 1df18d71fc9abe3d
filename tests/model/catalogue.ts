/**
 * What is explored.
 *
 * @module
 */
import { monitorPlot } from "./monitors.ts";
import { heapPlot, passengerPlot, pipePlot } from "./objects.ts";
import { ringPlot } from "./rings.ts";
import type { Me, PlayOptions, Plot, Stage } from "./scenario.ts";
import { sleepPlot } from "./sleeps.ts";

/** A scenario with a name. */
export interface Case {
  readonly name: string;
  readonly write: (stage: Stage, maker: Me) => Plot;
  readonly roles: readonly string[];
  readonly options?: PlayOptions;
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
const large = { limit: 20_000_000 };

/** All scenarios. */
export const CASES: readonly Case[] = [
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
];
