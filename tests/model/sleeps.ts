/**
 * Scenarios of sleep and wake: somebody makes permits, others wait for one. Nobody sleeps while there is a permit to be had.
 *
 * @module
 */
import assert from "node:assert/strict";
import { atomics } from "./library.ts";
import type { Me, Plot, Role, Stage } from "./scenario.ts";

/** How an actor waits: blocking, in a task, or for one in each way at once. */
export type Way = "blocking" | "async" | "both";

/** What the actors of the scenario do. */
export interface Sleep {
  /** Those who wait, once for each of these: how, and whether they give up at some time. */
  readonly waiters: Readonly<Record<string, readonly { way: Way; timeout?: number }[]>>;
  /** Those who make so many permits, one after another. */
  readonly makers: Readonly<Record<string, number>>;
  readonly deaths: number;
  readonly areCurious?: boolean;
}

const BOTH = "wait for two permits";

/** Makes the scenario. */
export function sleepPlot({ waiters, makers, deaths, areCurious }: Sleep) {
  return (stage: Stage, maker: Me): Plot => {
    const { library: { attempt, layout: L } } = stage;
    const block = maker.heap.allocate((L.WAITSET_WORDS + 1) * 4, L.KIND_RAW, 0);
    const at = maker.arena.wordIndex(block.offset);
    maker.arena.window(block.offset).words.fill(0, at, at + L.WAITSET_WORDS + 1);
    const permits = at + L.WAITSET_WORDS;
    stage.names.push([at, 1, "set.summary"], [at + 1, 1, "set.mask"], [at + L.WAITSET_CURSOR, 1, "set.cursor"], [permits, 1, "PERMITS"]);
    const roles: Record<string, Role<Me>> = {};
    for (const [name, count] of Object.entries(makers)) {
      const make = (me: Me) => {
        const { words } = me.arena.window(block.offset);
        atomics.add(words, permits, 1);
        if (atomics.load(words, at + L.WAITSET_SUMMARY) !== 0) me.parker.wakeOne(words, at);
        return "made";
      };
      roles[name] = { prologue: (me) => me, operations: Array.from({ length: count }, () => ({ name: "make a permit", run: make })) };
    }
    for (const [name, waits] of Object.entries(waiters)) {
      roles[name] = {
        prologue: (me) => me,
        operations: waits.map(({ way, timeout }) => ({
          name: way === "both" ? BOTH : `wait for a permit${timeout === undefined ? "" : ", for some time"}`,
          run(me: Me) {
            const { words } = me.arena.window(block.offset);
            const what = {
              attempt() {
                for (;;) {
                  const count = atomics.load(words, permits);
                  if (count === 0) return attempt.PENDING;
                  if (atomics.compareExchange(words, permits, count, count - 1) === count) return "took";
                }
              },
              more: () => atomics.load(words, permits) > 0,
            };
            const set = { words, at, key: block.offset };
            const first = what.attempt();
            if (first !== attempt.PENDING) return first;
            const late = () => "late";
            if (way === "both") {
              // A task of the same thread waits meanwhile.
              const task = me.parker.tasks.sleep<string>(set, what, {}, late, new Set());
              const own = me.parker.sleepSync<string>(set, what, undefined, late);
              return task.then((its) => [own, its]);
            }
            if (way === "blocking") return me.parker.sleepSync<string>(set, what, timeout, late);
            return me.parker.tasks.sleep<string>(set, what, { timeout }, late, new Set());
          },
        })),
      };
    }
    return {
      deaths,
      areCurious,
      roles,
      atRest(standings) {
        const left = stage.machine.words[permits];
        let made = 0;
        let taken = 0;
        let unsure = 0;
        for (const { name, state, results, operation } of standings.values()) {
          assert(state !== "stuck" || left === 0, `${name} sleeps though there is a permit`);
          made += results.filter((result) => result === "made").length;
          taken += results.flat().filter((result) => result === "took").length;
          if (state !== "done" && operation !== null) unsure += operation === BOTH ? 2 : 1;
        }
        assert(Math.abs(made - taken - left) <= unsure, `${made} permits were made, ${taken} taken, ${left} are left`);
      },
    };
  };
}
