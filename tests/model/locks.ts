/**
 * Scenarios of locks: one alive has it at a time; nobody waits while it is free or its owner dead; exactly the first who has it after an owner that died with it is told.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { Guard } from "../../src/acquirable.ts";
import type { Lock, RLock } from "../../src/lock.ts";
import type { Turns } from "../../src/turns.ts";
import { nothingIsLeft } from "./heap_check.ts";
import { sleepWord } from "./machine.ts";
import type { Me, Plot, Role, Stage } from "./scenario.ts";
import { nameWords, nobodySleeps, share, type Shared } from "./shared.ts";

/** How an actor takes a lock, and what it does then. */
export interface Taking {
  readonly way: "blocking" | "async";
  readonly timeout?: number;
  /** How often it takes it, one inside the other: an RLock. */
  readonly times?: number;
}

/** A scenario. */
export interface LockPlan {
  /**
   * What the actors do. `"release"`: let go of it for whoever has it. `"abort"`: once the others wait for it, a task takes it and lets go of it, unless it is aborted before; as if its participant had just had it.
   */
  readonly actors: Readonly<Record<string, readonly (Taking | "release" | "abort")[]>>;
  /** Who has the lock to begin with, and lets go of it first of all. */
  readonly holder?: string;
  readonly isRLock?: boolean;
  readonly deaths: number;
  readonly areCurious?: boolean;
}

/** What an actor has of it. */
interface World {
  readonly me: Me;
  readonly lock: Lock | RLock;
  readonly guards: Guard[];
}

/** The word of the scenario that says who is inside. */
const INSIDE = 0;
const TAKE = "take it", LET_GO = "let go of it", ABORT = "take it and let go of it, or be aborted";
const LATE = "late", ABANDONED = "taken, abandoned", TAKEN = "taken";

/** Makes a lock, and gives its words names. */
export function shareLock(stage: Stage, maker: Me, isRLock = false): Shared<Lock | RLock> {
  const { library: { layout: L, lock: { Lock, RLock } }, names, machine, monitors } = stage;
  const shared = share<Lock | RLock>(stage, maker, (home) => isRLock ? new RLock(home) : new Lock(home));
  nameWords(stage, shared, "lock", [
    [L.LOCK_OWNER, 1, "owner"],
    [L.LOCK_TURN, 1, "turn"],
    [L.LOCK_DEPTH, 1, "depth"],
    [L.LOCK_WAITERS, L.WAITSET_WORDS, "waiters"],
  ]);
  names.push([machine.ghosts + INSIDE, 1, "INSIDE"]);
  // What only its owner uses need not be interleaved.
  monitors.push(shared.at + L.LOCK_OWNER);
  return shared;
}

/** After the lock was taken: nobody alive is inside. @param isAbandoned Whether the actor was told that the last owner died. */
export function comeIn(stage: Stage, me: Me, isAbandoned: boolean): void {
  const before = stage.exchange(INSIDE, me.ident);
  if (before === 0) return;
  assert(!stage.isAlive(before), "two have the lock");
  assert(isAbandoned, "whoever has it after one who died with it is told");
}

/** Before the lock is let go of. */
export function goOut(stage: Stage): void {
  stage.store(INSIDE, 0);
}

/** Makes the scenario. */
export function lockPlot({ actors, holder, isRLock = false, deaths, areCurious }: LockPlan) {
  return (stage: Stage, maker: Me): Plot => {
    const { library: { errors: { TimeoutError, ProcessError }, clock: { startClock } }, machine } = stage;
    const shared = shareLock(stage, maker, isRLock);
    const isExclusive = !Object.values(actors).flat().includes("release");
    const orLate = (error: unknown) => {
      if (error instanceof TimeoutError) return LATE;
      throw error;
    };
    const take = ({ me, lock, guards }: World, { way, timeout }: Taking) => {
      const had = (guard: Guard) => {
        const isFirst = guards.push(guard) === 1;
        if (isExclusive && isFirst) comeIn(stage, me, guard.abandoned);
        return guard.abandoned ? ABANDONED : TAKEN;
      };
      if (way === "async") return lock.acquire({ timeout }).then(had).catch(orLate);
      try {
        return had(lock.acquireSync({ timeout }));
      } catch (error) {
        return orLate(error);
      }
    };
    const letGo = ({ guards }: World) => {
      const guard = guards.pop();
      if (guard === undefined) return "had none";
      if (guards.length === 0 && isExclusive) goOut(stage);
      guard.release();
      return "let go";
    };
    const release = ({ lock }: World) => {
      try {
        lock.release();
        return "released";
      } catch (error) {
        // Nobody has it.
        if (error instanceof ProcessError) return "free";
        throw error;
      }
    };
    const whenOthersSleep = () => {
      const others = Object.entries(actors).flatMap(([name, [deed]], index) => name === holder || deed === "abort" ? [] : [index]);
      return others.every((index) => machine.words[sleepWord(machine.size, index)] === 1) ? 1 : 0;
    };
    const takeOrAbort = ({ me, lock }: World) => {
      (lock as unknown as { $turns: Turns }).$turns.letGo();
      const signal = new Signal();
      startClock(1, () => signal.abort(LATE));
      return lock.acquire({ signal: signal as unknown as AbortSignal }).then(
        (guard) => {
          assert(!guard.abandoned, "nobody dies here");
          comeIn(stage, me, false);
          goOut(stage);
          guard.release();
          return "used it";
        },
        (error) => {
          if (error !== LATE) throw error;
          return LATE;
        },
      );
    };
    const roles: Record<string, Role<World>> = {};
    for (const [name, deeds] of Object.entries(actors)) {
      roles[name] = {
        prologue(me) {
          const world: World = { me, lock: shared.open(me), guards: [] };
          if (name === holder) take(world, { way: "blocking" });
          return world;
        },
        operations: [
          ...name === holder ? [{ name: LET_GO, run: letGo }] : [],
          ...deeds.flatMap((deed) => {
            if (deed === "release") return [{ name: "release it for whoever has it", run: release }];
            if (deed === "abort") return [{ name: ABORT, when: whenOthersSleep, run: takeOrAbort }];
            const takes = Array(deed.times ?? 1).fill({ name: TAKE, run: (world: World) => take(world, deed) });
            return [...takes, ...Array(takes.length).fill({ name: LET_GO, run: letGo })];
          }),
        ],
      };
    }
    return {
      deaths,
      areCurious,
      roles,
      atRest: nobodySleeps,
      finish(me) {
        const lock = shared.open(me);
        const guard = lock.tryAcquire();
        assert(guard !== null, "the lock is to be had at the end");
        if (isExclusive) comeIn(stage, me, guard.abandoned);
        assert(lock.tryAcquire() === null || isRLock, "the lock was taken twice");
        if (isRLock) lock.release();
        guard.release();
        assert(!lock.locked(), "the lock is free after it was let go of");
        shared.letGo(me);
        return guard.abandoned;
      },
      check(standings, final) {
        nothingIsLeft(stage);
        let least = 0, most = 0;
        let told = final === true ? 1 : 0;
        for (const name of Object.keys(actors)) {
          const { state, results, operation } = standings.get(name)!;
          told += results.filter((result) => result === ABANDONED).length;
          if (state !== "dead") continue;
          const depth = results.filter((result) => result === TAKEN || result === ABANDONED).length -
            results.filter((result) => result === "let go").length + (name === holder ? 1 : 0);
          // Whoever died while taking it or letting go may have had it.
          if (depth > 0 && (operation !== LET_GO || depth > 1)) least++;
          if (depth > 0 || operation === TAKE) most++;
        }
        if (isExclusive) assert(told >= least && told <= most, `${told} were told that the owner died, ${least} to ${most} did`);
      },
    };
  };
}

/** An `AbortSignal` whose listeners run where it is aborted: a real one would not let the model leave them. */
class Signal implements Pick<AbortSignal, "aborted" | "reason" | "throwIfAborted"> {
  aborted = false;
  reason: unknown;
  readonly #listeners = new Set<() => void>();

  addEventListener(_type: string, run: () => void): void {
    this.#listeners.add(run);
  }

  removeEventListener(_type: string, run: () => void): void {
    this.#listeners.delete(run);
  }

  throwIfAborted(): void {
    if (this.aborted) throw this.reason;
  }

  abort(reason: unknown): void {
    this.aborted = true;
    this.reason = reason;
    for (const run of [...this.#listeners]) run();
  }
}

// It passes for one, too.
Object.setPrototypeOf(Signal.prototype, AbortSignal.prototype);
