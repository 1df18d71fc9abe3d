/**
 * Scenarios of threads that run on after their end was told: whoever gets their place is not disturbed.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { Me, Plot, Stage } from "./scenario.ts";

/** Words of the scenario: who gets the place; how many use the memory in its name. */
const NEXT = 0, USERS = 1;
const FIRST_AT = { pid: 1, tid: 11 }, NEXT_AT = { pid: 1, tid: 12 };

/** The first thread starts and is terminated by its parent, which gives the place to the next one. */
export function threadPlot() {
  return (stage: Stage, maker: Me): Plot => {
    const { library: { gate: { Stopped, Unwanted }, layout: L, participant: { Participant } }, machine } = stage;
    const first = maker.arena.reserve(0), slot = first & L.IDENT_SLOT_MASK, place = maker.arena.slot(slot);
    stage.names.push([place + L.SLOT_PHASE, 1, "place.phase"], [place + L.SLOT_GATE, 1, "place.gate"], [machine.ghosts + NEXT, 1, "NEXT"]);
    const live = (me: Me, ident: number, at: { pid: number; tid: number }) => {
      try {
        const { parker } = new Participant(me.arena, ident, at, true, true);
        parker.begin();
        assert.equal(stage.add(USERS, 1), 0, "two use the memory in the name of one place");
        stage.add(USERS, -1);
        parker.end();
        return "lived";
      } catch (error) {
        if (error instanceof Unwanted || error instanceof Stopped) return "was ended";
        throw error;
      }
    };
    return {
      deaths: 0,
      roles: {
        FIRST: { prologue: (me) => me, operations: [{ name: "live", run: (me) => live(me as Me, first, FIRST_AT) }] },
        PARENT: {
          prologue: (me) => me,
          operations: [
            {
              name: "terminate",
              run(me) {
                const { arena } = me as Me;
                arena.condemn(first);
                arena.turnGate(first, L.GATE_STOP, 0);
              },
            },
            {
              name: "give its place to the next",
              when: () => (machine.words[place + L.SLOT_GATE] & L.GATE_INSIDE) === 0 ? 1 : 0,
              run(me) {
                const { arena } = me as Me;
                (me as Me).bury(first);
                let ident;
                do ident = arena.reserve(0); while ((ident & L.IDENT_SLOT_MASK) !== slot);
                stage.store(NEXT, ident);
              },
            },
          ],
        },
        NEXT: {
          prologue: (me) => me,
          operations: [{
            name: "live",
            when: () => machine.words[machine.ghosts + NEXT],
            run: (me, ident) => live(me as Me, ident, NEXT_AT),
          }],
        },
      },
      atRest(standings) {
        for (const { name, state } of standings.values()) assert(state === "done", `${name} is ${state}`);
        assert.deepEqual(standings.get("NEXT")!.results, ["lived"]);
        assert.equal(machine.words[place + L.SLOT_TID], NEXT_AT.tid, "who is in the place");
        assert.equal(machine.words[place + L.SLOT_GATE] & 2 ** L.GATE_BITS - 1, 0, "the gate of the next");
      },
    };
  };
}
