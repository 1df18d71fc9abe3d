/**
 * Scenarios of monitors: at most one is inside; whoever takes over from the dead is told so, and nobody else; nobody waits for ever.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { Role, Stage } from "./scenario.ts";
import type { Me, Plot } from "./scenario.ts";

/** Words of the scenario: who is inside; how often somebody was. */
const INSIDE = 0, COUNT = 1;

/** Some actors, by default A and B, enter and leave a monitor, `rounds` times each. */
export function monitorPlot({ rounds, deaths, names = ["A", "B"] }: { rounds: number; deaths: number; names?: readonly string[] }) {
  return (stage: Stage, maker: Me): Plot => {
    const { library: { layout: L, monitor } } = stage;
    const block = maker.heap.allocate(L.MONITOR_WORDS * 4, L.KIND_RAW, 0);
    const at = maker.arena.wordIndex(block.offset);
    const { words } = maker.arena.window(block.offset);
    words.fill(0, at, at + L.MONITOR_WORDS);
    stage.names.push([at, 1, "monitor.owner"], [at + L.MONITOR_WAITERS, L.WAITSET_WORDS, "monitor.waiters"]);
    stage.names.push([stage.machine.ghosts + INSIDE, 1, "INSIDE"], [stage.machine.ghosts + COUNT, 1, "COUNT"]);
    stage.monitors.push(at);
    const round = (me: Me) => {
      const { words } = me.arena.window(block.offset);
      const isTaken = monitor.enter(words, at, me.parker);
      const inside = stage.load(INSIDE);
      if (inside !== 0) {
        assert(isTaken, "whoever finds another inside is told that it took the monitor over");
        assert(!stage.isAlive(inside), "two are inside");
      }
      stage.store(INSIDE, me.ident);
      const count = stage.load(COUNT);
      stage.store(COUNT, count + 1);
      stage.store(INSIDE, 0);
      monitor.leave(words, at, me.parker);
      return isTaken;
    };
    const role: Role<Me> = {
      prologue: (me) => me,
      operations: Array.from({ length: rounds }, (_, i) => ({ name: `round ${i + 1}`, run: round })),
    };
    return {
      deaths,
      roles: Object.fromEntries(names.map((name) => [name, role])),
      atRest(standings) {
        for (const { name, state } of standings.values()) assert(state !== "stuck", `${name} sleeps before the monitor for ever`);
      },
      finish: (me) => round(me),
      check(standings, final) {
        const all = names.map((name) => standings.get(name)!);
        const dead = all.filter(({ state }) => state === "dead").length;
        const reports = all.flatMap(({ results }) => results).filter((isTaken) => isTaken).length + (final ? 1 : 0);
        assert(reports <= dead, `${reports} took the monitor over from ${dead} who died`);
      },
    };
  };
}
