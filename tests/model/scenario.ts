/**
 * Scenarios: some actors and what they do, and what must be true at the end of it.
 *
 * @module
 */
import type { Participant as ParticipantClass } from "../../src/participant.ts";
import { explore, type Outcome, type Standing } from "./explore.ts";
import { ARENA_WORDS, type Library, SimulatedMemory } from "./library.ts";
import * as M from "./machine.ts";
import { type Actor, type Operation, Run } from "./program.ts";

/** A participant of the arena, as an actor uses it. */
export type Me = ParticipantClass;

/** An actor of a scenario. */
export interface Role<W> {
  /** It may die at any step. Default: true. */
  readonly mayDie?: boolean;
  /** Its event loop has a door. Default: false. */
  readonly hasDoor?: boolean;
  /** Makes its objects. */
  prologue(me: Me): W;
  readonly operations: readonly Operation<W>[];
}

/** What the scenario's functions are given. */
export interface Stage {
  readonly library: Library;
  readonly machine: M.Machine;
  /** Idents of the actors. */
  readonly idents: ReadonlyMap<string, number>;
  /** Reads and writes words of the scenario's own, as an actor does: others see each step. */
  readonly load: (index: number) => number;
  readonly store: (index: number, value: number) => void;
  readonly add: (index: number, value: number) => number;
  readonly exchange: (index: number, value: number) => number;
  /** The truth about an actor, by its ident. */
  readonly isAlive: (ident: number) => boolean;
  /** Words with names, for traces: first index, count, name. */
  readonly names: [number, number, string][];
  /** Makes a word the owner word of a monitor. */
  readonly monitors: number[];
}

/** A scenario. */
export interface Plot {
  /** How many may die in one execution. */
  readonly deaths: number;
  /** Whether the actors look at the pulse of others when somebody died, and bury them. Otherwise only undertakers do. */
  readonly areCurious?: boolean;
  readonly roles: Readonly<Record<string, Role<unknown>>>;
  /** Throws if something is wrong where nobody can go on: somebody sleeps who should not. */
  readonly atRest: (standings: ReadonlyMap<string, Standing>) => void;
  /** Runs alone after that, when the dead are buried. */
  readonly finish?: (me: Me) => unknown;
  /** Throws if something is wrong after that. @param final What `finish` gave. */
  readonly check?: (standings: ReadonlyMap<string, Standing>, final: unknown) => void;
}

const NOBODY = -1;

/** How a scenario is explored. */
export interface PlayOptions {
  /** It ends after so many states. */
  readonly limit?: number;
  /** Whose event loops have a door. */
  readonly doors?: readonly string[];
  /** How many bury the dead: the second when the first died of it. By default one, if anybody may die. */
  readonly buriers?: number;
  /** Whether the survivors do nothing while one buries, unless that one waits for them. Far fewer states. */
  readonly isBurialHasty?: boolean;
}

/** Explores what the actors of a scenario can do. */
export function play(
  library: Library,
  write: (stage: Stage, me: Me) => Plot,
  roles: readonly string[],
  options: PlayOptions = {},
): { outcome: Outcome; stage: Stage; actors: readonly Actor[] } {
  const { layout: L } = library;
  const machine = new M.Machine(ARENA_WORDS, L.EPOCH);
  const names = [...roles];
  const buriers = Array.from({ length: options.buriers ?? 1 }, (_, i) => i === 0 ? "undertaker" : "undertaker 2");
  const all = [...names, ...buriers, "last"];
  const slots = new Map<number, number>();
  const memory = new SimulatedMemory({
    machine,
    actorIn: (slot) => slots.get(slot) ?? -1,
    hasDoor: (slot) => options.doors?.includes(all[slots.get(slot) ?? -1]) ?? false,
  });
  const idents = new Map<string, number>();
  const stage: Stage = {
    library,
    machine,
    idents,
    load: (index) => Run.active!.access(M.LOAD, machine.ghosts + index, 0, 0),
    store: (index, value) => void Run.active!.access(M.STORE, machine.ghosts + index, value, 0),
    add: (index, value) => Run.active!.access(M.ADD, machine.ghosts + index, value, 0),
    exchange: (index, value) => Run.active!.access(M.EXCHANGE, machine.ghosts + index, value, 0),
    isAlive: (ident) => Run.active!.access(M.ALIVE, M.aliveWord(machine.size, slots.get(ident & L.IDENT_SLOT_MASK)!), 0, 0) === 1,
    names: [],
    monitors: [L.HEAP_LOCK + L.MONITOR_OWNER],
  };
  const at = { pid: 1, tid: 1 };
  const plot = Run.direct(machine, () => {
    const arena = library.arena.Arena.create(memory, 7);
    const maker = new library.participant.Participant(arena, arena.reserve(0), at, true);
    for (const name of all) {
      const ident = arena.reserve(0);
      idents.set(name, ident);
      slots.set(ident & L.IDENT_SLOT_MASK, slots.size);
    }
    const plot = write(stage, maker);
    maker.leave(new Error("The maker left"));
    return plot;
  });
  const unburied = () => {
    for (let i = 0; i < all.length; i++) {
      const ident = idents.get(all[i])!;
      if (!machine.isAlive(i) && machine.words[L.SLOTS_OFFSET / 4 + (ident & L.IDENT_SLOT_MASK) * 16 + L.SLOT_IDENT] === ident) {
        return ident;
      }
    }
    return 0;
  };
  const join = (name: string) => {
    const me = new library.participant.Participant(library.arena.Arena.open(memory), idents.get(name)!, at, true);
    if (!plot.areCurious) me.parker.onLook = () => {};
    return me;
  };
  const bury = { name: "bury", when: unburied, run: (me: Me, ident: number) => me.bury(ident) } as Operation<Me>;
  const actors = all.map((name, index): Actor => {
    const role: Role<unknown> | undefined = plot.roles[name];
    const ident = idents.get(name)!;
    const slot = ident & L.IDENT_SLOT_MASK;
    const bell = L.SLOTS_OFFSET / 4 + slot * 16 + L.SLOT_BELL;
    const common = {
      index,
      name,
      ident,
      slot,
      bell,
      hasDoor: options.doors?.includes(name) ?? false,
      root: undefined,
      boundaries: new Map(),
    };
    if (role !== undefined) {
      return {
        ...common,
        isHasty: false,
        mayDie: role.mayDie ?? true,
        operations: role.operations,
        prologue: () => role.prologue(join(name)),
      };
    }
    if (name !== "last") {
      // The second begins where the first died.
      const only = { ...bury, when: () => name === "undertaker" || !machine.isAlive(all.indexOf("undertaker")) ? unburied() : 0 };
      return {
        ...common,
        isHasty: options.isBurialHasty ?? false,
        mayDie: plot.deaths > 1 && name === "undertaker",
        operations: Array(plot.deaths).fill(only) as Operation<unknown>[],
        prologue: () => join(name),
      };
    }
    const finish = plot.finish;
    return {
      ...common,
      isHasty: false,
      mayDie: false,
      operations: [
        ...Array(plot.deaths).fill({
          ...bury,
          when: () => unburied() || NOBODY,
          run: (me: Me, ident: number) => ident !== NOBODY && me.bury(ident),
        }),
        { name: "finish", run: (me) => finish?.(me as Me) },
      ] as Operation<unknown>[],
      prologue: () => join(name),
    };
  });
  for (const actor of actors) {
    machine.addBody(actor);
    machine.setAlive(actor.index, true);
  }
  // The prologues run one after another, before the play begins.
  for (const actor of actors) {
    let node = Run.extend(machine, actor, null, 0);
    while (node.op !== M.BEGIN && node.op < M.END) {
      const gave = machine.perform(actor, node);
      node = node.kids.get(gave) ?? Run.extend(machine, actor, node, gave);
    }
    if (node.op === M.FAIL) throw node.error;
    actor.root = node;
  }
  machine.settle();
  const outcome = explore({
    machine,
    actors: actors.slice(0, -1),
    last: actors[actors.length - 1],
    monitors: stage.monitors,
    deaths: plot.deaths,
    atRest: (standings) => plot.atRest(byName(standings)),
    check: (standings, final) => plot.check?.(byName(standings), final),
    limit: options.limit ?? 3_000_000,
  });
  return { outcome, stage, actors };
}

function byName(standings: readonly Standing[]): ReadonlyMap<string, Standing> {
  return new Map(standings.map((standing) => [standing.name, standing]));
}
