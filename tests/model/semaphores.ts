/**
 * Scenarios of semaphores: permits are neither lost nor made, but by those who die with a plain one's; those of the dead come back to a bounded one; nobody waits while there is one.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { Guard } from "../../src/acquirable.ts";
import type { BoundedSemaphore, Semaphore } from "../../src/semaphore.ts";
import { nothingIsLeft } from "./heap_check.ts";
import type { Standing } from "./explore.ts";
import type { Me, Plot, Role, Stage } from "./scenario.ts";
import { nameWords, share } from "./shared.ts";

/** What an actor does: takes a permit; gives it back; makes one, or gives one back for another. */
export type Deed = { readonly way: "blocking" | "async"; readonly timeout?: number } | "give" | "release";

/** A scenario. */
export interface SemaphorePlan {
  readonly actors: Readonly<Record<string, readonly Deed[]>>;
  /** How many permits there are to begin with. */
  readonly value: number;
  readonly isBounded?: boolean;
  readonly deaths: number;
  readonly areCurious?: boolean;
}

/** What an actor has of it. */
interface World {
  readonly me: Me;
  readonly semaphore: Semaphore | BoundedSemaphore;
  readonly guards: Guard[];
}

/** The word of the scenario that counts those who have a permit. */
const HELD = 0;
const TAKE = "take a permit", GIVE = "give it back", RELEASE = "release";
const TAKEN = "taken", GIVEN = "given", MADE = "made", LATE = "late", NOBODYS = "nobody has one";

/** Makes the scenario. */
export function semaphorePlot({ actors, value, isBounded = false, deaths, areCurious }: SemaphorePlan) {
  return (stage: Stage, maker: Me): Plot => {
    const { library: { layout: L, semaphore: { Semaphore, BoundedSemaphore }, errors: { TimeoutError } }, machine, idents } = stage;
    const Class = isBounded ? BoundedSemaphore : Semaphore;
    const shared = share<Semaphore | BoundedSemaphore>(stage, maker, (home) => new Class(value, home));
    nameWords(stage, shared, "semaphore", [
      [L.SEMAPHORE_VALUE, 1, "value"],
      [L.SEMAPHORE_TURN, 1, "turn"],
      [L.SEMAPHORE_WAITERS, L.WAITSET_WORDS, "waiters"],
    ]);
    if (isBounded) {
      nameWords(stage, shared, "semaphore", [
        [L.BOUNDED_LIMIT, 1, "limit"],
        [L.BOUNDED_MONITOR, 1, "monitor.owner"],
        [L.BOUNDED_MONITOR + L.MONITOR_WAITERS, L.WAITSET_WORDS, "monitor.waiters"],
        [L.BOUNDED_TAKEN, L.SLOT_COUNT, "taken"],
      ]);
      stage.monitors.push(shared.at + L.BOUNDED_MONITOR);
    }
    stage.names.push([machine.ghosts + HELD, 1, "HELD"]);
    const isCounted = !Object.values(actors).flat().includes("release");
    const orLate = (error: unknown) => {
      if (error instanceof TimeoutError) return LATE;
      throw error;
    };
    const take = ({ semaphore, guards }: World, { way, timeout }: Exclude<Deed, string>) => {
      const had = (guard: Guard) => {
        guards.push(guard);
        if (!isCounted) return TAKEN;
        const held = stage.add(HELD, 1) + 1;
        if (held > value) {
          // Those of the dead came back.
          const dead = [...idents.values()].filter((ident) => !stage.isAlive(ident)).length;
          assert(isBounded && held <= value + dead, `${held} permits are taken of ${value}`);
        }
        return TAKEN;
      };
      if (way === "async") return semaphore.acquire({ timeout }).then(had).catch(orLate);
      try {
        return had(semaphore.acquireSync({ timeout }));
      } catch (error) {
        return orLate(error);
      }
    };
    const give = ({ guards }: World) => {
      const guard = guards.pop();
      if (guard === undefined) return NOBODYS;
      if (isCounted) stage.add(HELD, -1);
      try {
        guard.release();
      } catch (error) {
        // Another gave it back.
        if (isCounted || !(error instanceof RangeError)) throw error;
        return NOBODYS;
      }
      return GIVEN;
    };
    const release = ({ semaphore }: World) => {
      try {
        semaphore.release();
        return MADE;
      } catch (error) {
        if (error instanceof RangeError) return NOBODYS;
        throw error;
      }
    };
    const roles: Record<string, Role<World>> = {};
    for (const [name, deeds] of Object.entries(actors)) {
      roles[name] = {
        prologue: (me) => ({ me, semaphore: shared.open(me), guards: [] }),
        operations: deeds.map((deed) => {
          if (deed === "give") return { name: GIVE, run: give };
          if (deed === "release") return { name: RELEASE, run: release };
          return { name: TAKE, run: (world: World) => take(world, deed) };
        }),
      };
    }
    /** How many permits those of the scenario took and gave, and how many more they may have. */
    const count = (standings: ReadonlyMap<string, Standing>) => {
      let taken = 0, given = 0, mayBeTaken = 0, mayBeGiven = 0;
      for (const name of Object.keys(actors)) {
        const { state, results, operation } = standings.get(name)!;
        taken += results.filter((result) => result === TAKEN).length;
        given += results.filter((result) => result === GIVEN || result === MADE).length;
        if (state !== "dead") continue;
        if (operation === TAKE) mayBeTaken++;
        if (operation === GIVE || operation === RELEASE) mayBeGiven++;
      }
      return { taken, given, mayBeTaken, mayBeGiven };
    };
    return {
      deaths,
      areCurious,
      roles,
      atRest(standings) {
        const { words } = machine;
        const left = words[shared.at + L.SEMAPHORE_VALUE];
        for (const { name, state, operation } of standings.values()) {
          assert(state !== "stuck" || operation === TAKE && left === 0, `${name} sleeps in ${operation} though there is a permit`);
        }
        if (!isBounded) {
          const { taken, given, mayBeTaken, mayBeGiven } = count(standings);
          const sure = value - taken + given;
          assert(left >= sure - mayBeTaken && left <= sure + mayBeGiven, `${left} permits are left: ${taken} were taken, ${given} given`);
          return;
        }
        let sum = left;
        for (const [name, ident] of idents) {
          const taken = words[shared.at + L.BOUNDED_TAKEN + (ident & L.IDENT_SLOT_MASK)];
          sum += taken;
          assert(taken >= 0, `${name} is said to have ${taken} permits`);
          if (standings.get(name)?.state === "dead") assert(taken === 0, `${name} is dead and still has a permit`);
          else if (isCounted && actors[name] !== undefined) {
            const { results } = standings.get(name)!;
            const had = results.filter((result) => result === TAKEN).length - results.filter((result) => result === GIVEN).length;
            assert(taken === had, `${name} is said to have ${taken} permits, it has ${had}`);
          }
        }
        assert(sum === value, `of ${value} permits ${sum} are taken or left`);
      },
      finish(me) {
        const semaphore = shared.open(me);
        let left = 0;
        for (; semaphore.tryAcquire() !== null; left++);
        for (let i = 0; i < left; i++) semaphore.release();
        assert(semaphore.value === left, "as many permits are there as were given back");
        shared.letGo(me);
      },
      check: () => nothingIsLeft(stage),
    };
  };
}
