/**
 * Scenarios of conditions: as many go on as were notified, and of those who waited then; a notification to one who dies before it has the lock again goes to another; whoever goes on has the lock.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { Condition } from "../../src/condition.ts";
import type { Guard } from "../../src/acquirable.ts";
import { nothingIsLeft } from "./heap_check.ts";
import { comeIn, goOut, shareLock } from "./locks.ts";
import type { Me, Plot, Role, Stage } from "./scenario.ts";
import { castOf, nameWords, share } from "./shared.ts";

/** What an actor does with the lock: waits, or notifies so many. */
export type Deed = Waiting | { readonly notify: number };

/** `"tasks"`: two at once. */
interface Waiting {
  readonly way: "blocking" | "async" | "tasks";
  readonly timeout?: number;
}

/** A scenario. */
export interface ConditionPlan {
  readonly actors: Readonly<Record<string, readonly Deed[]>>;
  readonly deaths: number;
  readonly areCurious?: boolean;
}

/** What an actor has of it. */
interface World {
  readonly me: Me;
  readonly condition: Condition;
  guard: Guard | null;
}

/** When something happened, in steps of the scenario's clock. */
interface Wait {
  readonly wasNotified: boolean;
  readonly until: number;
}
interface Notification {
  readonly at: number;
  readonly count: number;
}

/** Words of the scenario: a clock of what is done with the lock; for each task since when it waits, 0 if it does not, and when it went on last. */
const CLOCK = 1, SINCE = 2, UNTIL = 8;
const MOST_TASKS = UNTIL - SINCE;
const TAKE = "take the lock", WAIT = "wait", NOTIFY = "notify", LET_GO = "let go of the lock";
const ABANDONED = "abandoned";

/** Makes the scenario. */
export function conditionPlot({ actors, deaths, areCurious }: ConditionPlan) {
  return (stage: Stage, maker: Me): Plot => {
    const { library: { layout: L, condition: { Condition } }, machine, names, monitors } = stage;
    const lock = shareLock(stage, maker);
    const shared = share(stage, maker, (home) => new Condition(lock.open(maker), home));
    nameWords(stage, shared, "condition", [
      [L.CONDITION_CLOCK, 1, "clock"],
      [L.CONDITION_MONITOR, 1, "monitor.owner"],
      [L.CONDITION_MONITOR + L.MONITOR_WAITERS, L.WAITSET_WORDS, "monitor.waiters"],
      [L.CONDITION_WAITERS, L.WAITSET_WORDS, "waiters"],
      [L.CONDITION_WAITING, L.SLOT_COUNT, "waiting"],
      [L.CONDITION_NOTIFIED, L.SLOT_COUNT, "notified"],
      [L.CONDITION_SINCE, L.SLOT_COUNT, "since"],
    ]);
    monitors.push(shared.at + L.CONDITION_MONITOR);
    const cast = Object.keys(actors);
    names.push([machine.ghosts + CLOCK, 1, "CLOCK"], [machine.ghosts + SINCE, MOST_TASKS, "SINCE"], [
      machine.ghosts + UNTIL,
      MOST_TASKS,
      "UNTIL",
    ]);
    const open = (me: Me) => shared.open(me, lock.open(me));

    const take = (world: World) => {
      world.guard = world.condition.acquireSync();
      comeIn(stage, world.me, world.guard.abandoned);
      return world.guard.abandoned ? ABANDONED : "taken";
    };
    const letGo = (world: World) => {
      goOut(stage);
      world.guard!.release();
      world.guard = null;
    };
    // The clock goes on only while one has the lock, so it is nobody else's.
    const tick = () => stage.add(CLOCK, 1) + 1;
    const arrive = (task: number) => {
      stage.store(SINCE + task, tick());
      goOut(stage);
    };
    const goOn = (me: Me, guard: Guard, task: number, wasNotified: boolean): Wait => {
      comeIn(stage, me, guard.abandoned);
      const until = tick();
      stage.store(SINCE + task, 0);
      if (wasNotified) stage.store(UNTIL + task, until);
      return { wasNotified, until };
    };
    const wait = ({ me, condition, guard }: World, task: number, { way, timeout }: Waiting) => {
      arrive(task);
      if (way === "blocking") return goOn(me, guard!, task, condition.waitSync({ timeout }));
      return condition.wait({ timeout }).then((wasNotified) => goOn(me, guard!, task, wasNotified));
    };
    const waitInTasks = ({ me, condition }: World, first: number, { timeout }: Waiting) => {
      const [one, other] = [first, first + 1].map((task) =>
        condition.acquire().then((guard) => {
          comeIn(stage, me, guard.abandoned);
          arrive(task);
          return condition.wait({ timeout }).then((wasNotified) => {
            const wait = goOn(me, guard, task, wasNotified);
            goOut(stage);
            guard.release();
            return wait;
          });
        })
      );
      return one.then((its) => other.then((others) => [its, others]));
    };
    const notify = ({ condition }: World, count: number): Notification => {
      const at = tick();
      condition.notify(count);
      return { at, count };
    };
    const roles: Record<string, Role<World>> = {};
    for (const [actor, [name, deeds]] of Object.entries(actors).entries()) {
      const task = actor * 2;
      roles[name] = {
        prologue: (me) => ({ me, condition: open(me), guard: null }),
        operations: deeds.flatMap((deed) => {
          if ("way" in deed && deed.way === "tasks") return [{ name: WAIT, run: (world: World) => waitInTasks(world, task, deed) }];
          return [
            { name: TAKE, run: take },
            "notify" in deed
              ? { name: NOTIFY, run: (world: World) => notify(world, deed.notify) }
              : { name: WAIT, run: (world: World) => wait(world, task, deed) },
            { name: LET_GO, run: letGo },
          ];
        }),
      };
    }
    return {
      deaths,
      areCurious,
      roles,
      atRest(standings) {
        const all = castOf(standings, cast);
        const results = all.flatMap(({ results }) => results.flat());
        const waits = results.filter((result): result is Wait => typeof result === "object" && result !== null && "until" in result);
        const notifications = results.filter((result): result is Notification =>
          typeof result === "object" && result !== null && "count" in result
        );
        const { words } = machine;
        const ghost = (index: number) => words[machine.ghosts + index];
        const owner = words[lock.at + L.LOCK_OWNER];
        // Whoever died in its wait with the lock in hand may have been the one that was notified: it was its own to go on.
        const wentOnAndDied = owner === -1 || results.includes(ABANDONED)
          ? all.filter(({ state, operation }) => state === "dead" && operation === WAIT).length
          : 0;
        // Those that went on in what their participants did not end.
        for (let task = 0; task < MOST_TASKS; task++) {
          const until = ghost(UNTIL + task);
          if (until > 0 && !waits.some((wait) => wait.until === until)) waits.push({ wasNotified: true, until });
        }
        for (const [actor, { name, state, operation }] of all.entries()) {
          if (state !== "stuck") continue;
          assert(operation === WAIT, `${name} sleeps in ${operation}, and nobody has the lock`);
          for (const task of [actor * 2, actor * 2 + 1]) {
            const since = ghost(SINCE + task);
            if (since === 0) continue;
            const wanted = notifications.filter(({ at }) => at > since).reduce((sum, { count }) => sum + count, 0);
            const others = waits.filter(({ wasNotified, until }) => wasNotified && until > since).length;
            assert(
              wanted <= others + wentOnAndDied,
              `${name} waits since ${since}; after that ${wanted} were notified, and ${others} went on`,
            );
          }
        }
        // No more than that, but for one whom a burial notified once more.
        const most = notifications.reduce((sum, { count }) => sum + count, 0) +
          all.filter(({ state, operation }) => state === "dead" && operation === NOTIFY).length * cast.length +
          all.filter(({ state }) => state === "dead").length;
        const went = waits.filter(({ wasNotified }) => wasNotified).length;
        assert(went <= most, `${went} went on, ${most} were notified`);
      },
      finish(me) {
        const condition = open(me);
        const guard = condition.acquireSync({ timeout: 0 });
        comeIn(stage, me, guard.abandoned);
        // It still works, and nobody who is not there is waited for.
        condition.notifyAll();
        assert(!condition.waitSync({ timeout: 0 }), "nobody notified it");
        guard.release();
        shared.letGo(me);
        lock.letGo(me);
      },
      check: () => nothingIsLeft(stage),
    };
  };
}
