/**
 * Scenarios of barriers: of a round all pass, each with another number, or nobody does; nobody waits for those who died, or once all are there.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { Barrier } from "../../src/barrier.ts";
import type { Standing } from "./explore.ts";
import { nothingIsLeft } from "./heap_check.ts";
import type { Me, Plot, Role, Stage } from "./scenario.ts";
import { castOf, nameWords, share } from "./shared.ts";

/** What an actor does with a barrier; `"tasks"`: waits in two at once. */
export type Deed = { readonly way: "blocking" | "async" | "tasks"; readonly timeout?: number } | "reset" | "abort";

/** A scenario. */
export interface BarrierPlan {
  readonly actors: Readonly<Record<string, readonly Deed[]>>;
  readonly parties: number;
  /** There is an action, which does something or throws. */
  readonly action?: "acts" | "fails";
  readonly deaths: number;
  readonly areCurious?: boolean;
}

const WAIT = "wait";
const BROKEN = "broken", FAILED = "failed";
const STATE_FILLING = 0, STATE_BROKEN = 2;
/** The word of the scenario that counts how often the action ran to its end. */
const ACTED = 0;

/** Makes the scenario. */
export function barrierPlot({ actors, parties, action, deaths, areCurious }: BarrierPlan) {
  return (stage: Stage, maker: Me): Plot => {
    const { library: { layout: L, barrier: { Barrier }, action: { Action }, errors: { BrokenBarrierError } }, machine, monitors } = stage;
    const shared = share(stage, maker, (home) => new Barrier(parties, {}, home));
    nameWords(stage, shared, "barrier", [
      [L.BARRIER_STATE, 1, "state"],
      [L.BARRIER_ROUND, 1, "round"],
      [L.BARRIER_COUNTED, 1, "counted"],
      [L.BARRIER_ARRIVED, 1, "arrived"],
      [L.BARRIER_MONITOR, 1, "monitor.owner"],
      [L.BARRIER_MONITOR + L.MONITOR_WAITERS, L.WAITSET_WORDS, "monitor.waiters"],
      [L.BARRIER_WAITERS, L.WAITSET_WORDS, "waiters"],
      [L.BARRIER_WAITING, L.SLOT_COUNT, "waiting"],
      [L.BARRIER_BROKEN, L.SLOT_COUNT, "broken"],
    ]);
    stage.names.push([machine.ghosts + ACTED, 1, "ACTED"]);
    monitors.push(shared.at + L.BARRIER_MONITOR);
    const failure = new Error("The action failed");
    const act = () => {
      if (action === "fails") throw failure;
      stage.add(ACTED, 1);
    };
    const open = (me: Me): Barrier => {
      const barrier = shared.open(me);
      // As if it had come in a message, and is loaded.
      return action === undefined ? barrier : Object.assign(barrier, { $action: Action.of(act, "action") });
    };
    const orBroken = (error: unknown) => {
      if (error === failure) return FAILED;
      if (error instanceof BrokenBarrierError) return BROKEN;
      throw error;
    };
    const meet = (barrier: Barrier, deed: Deed) => {
      if (deed === "reset") return barrier.reset();
      if (deed === "abort") return barrier.abort();
      const { way, timeout } = deed;
      const inTask = () => barrier.wait({ timeout }).catch(orBroken);
      if (way === "async") return inTask();
      if (way === "tasks") {
        const one = inTask(), other = inTask();
        return one.then((its) => other.then((others) => [its, others]));
      }
      try {
        return barrier.waitSync({ timeout });
      } catch (error) {
        return orBroken(error);
      }
    };
    const roles: Record<string, Role<Barrier>> = {};
    for (const [name, deeds] of Object.entries(actors)) {
      roles[name] = {
        prologue: open,
        operations: deeds.map((deed) => ({ name: typeof deed === "string" ? deed : WAIT, run: (barrier: Barrier) => meet(barrier, deed) })),
      };
    }
    const waits = (deeds: readonly Deed[]) => deeds.filter((deed) => typeof deed === "object");
    const rounds = Math.max(...Object.values(actors).map((deeds) => waits(deeds).length));
    const mayBreak = Object.values(actors).flat().some((deed) => typeof deed === "string" || deed.timeout !== undefined);
    const isEverReset = Object.values(actors).flat().includes("reset");
    /** How many parties some of the actors are. */
    const partiesOf = (some: readonly Standing[]) => {
      const parties = some.map(({ name }) => waits(actors[name])[0]?.way === "tasks" ? 2 : 1);
      return parties.reduce((sum, count) => sum + count, 0);
    };
    return {
      deaths,
      areCurious,
      roles,
      atRest(standings) {
        const all = castOf(standings, Object.keys(actors));
        const word = (offset: number) => machine.words[shared.at + offset];
        const stuck = all.filter(({ state }) => state === "stuck");
        const dead = partiesOf(all.filter(({ state }) => state === "dead"));
        for (const { name, operation } of stuck) {
          assert(operation === WAIT, `${name} sleeps in ${operation}`);
          assert(word(L.BARRIER_STATE) === STATE_FILLING, `${name} waits at a barrier in state ${word(L.BARRIER_STATE)}`);
        }
        assert(partiesOf(stuck) < parties, "all wait for one another");
        if (word(L.BARRIER_STATE) !== STATE_BROKEN) {
          assert(word(L.BARRIER_ARRIVED) === partiesOf(stuck), `${partiesOf(stuck)} wait, ${word(L.BARRIER_ARRIVED)} are counted`);
        }
        let passed = 0;
        const passedAs = Array<number>(parties).fill(0);
        for (let round = 0; round < rounds; round++) {
          const outcomes = all.flatMap(({ results }) => results.filter((result) => result !== undefined).slice(round, round + 1)).flat();
          const indices = outcomes.filter((outcome) => typeof outcome === "number");
          assert(indices.every((index) => index >= 0 && index < parties), `the numbers of those who passed are ${indices}`);
          for (const index of indices) passedAs[index]++;
          if (indices.length > 0) passed++;
          // After a reset not everybody's so many-th wait is in the same round.
          if (indices.length === 0 || isEverReset && rounds > 1) continue;
          assert(indices.length === outcomes.length, `in round ${round} the parties got ${outcomes}`);
          assert(new Set(indices).size === indices.length, `the numbers of those who passed in round ${round} are ${indices}`);
          assert(indices.length >= parties - dead, `${indices.length} parties passed in round ${round}, and ${dead} are dead`);
        }
        const most = Math.max(...passedAs);
        assert(passedAs.reduce((sum, count) => sum + most - count, 0) <= dead, `of the numbers, so many of each passed: ${passedAs}`);
        if (action !== undefined) {
          const acted = machine.words[machine.ghosts + ACTED];
          assert(
            acted >= passed && (mayBreak || acted <= passed + dead),
            `the action ran ${acted} times, and ${passed} rounds were passed`,
          );
        }
      },
      finish(me) {
        const barrier = open(me);
        barrier.reset();
        assert(barrier.nWaiting === 0 && !barrier.broken, "a reset makes it whole");
        shared.letGo(me);
      },
      check: () => nothingIsLeft(stage),
    };
  };
}
