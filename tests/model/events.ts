/**
 * Scenarios of events: whoever waits goes on if it is set after that, though it may be cleared again; and not before.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { Event } from "../../src/event.ts";
import { nothingIsLeft } from "./heap_check.ts";
import type { Me, Plot, Role, Stage } from "./scenario.ts";
import { nameWords, share } from "./shared.ts";

/** What an actor does with an event. */
export type Deed = "set" | "clear" | { readonly way: "blocking" | "async"; readonly timeout?: number };

/** A scenario. */
export interface EventPlan {
  readonly actors: Readonly<Record<string, readonly Deed[]>>;
  readonly deaths: number;
  readonly areCurious?: boolean;
}

const WAIT = "wait";

/** Makes the scenario. */
export function eventPlot({ actors, deaths, areCurious }: EventPlan) {
  return (stage: Stage, maker: Me): Plot => {
    const { library: { layout: L, event: { Event } }, machine } = stage;
    const shared = share(stage, maker, (home) => new Event(home));
    const state = shared.at + L.EVENT_STATE;
    nameWords(stage, shared, "event", [[L.EVENT_STATE, 1, "state"], [L.EVENT_WAITERS, L.WAITSET_WORDS, "waiters"]]);
    const act = (event: Event, deed: Deed) => {
      if (deed === "set") return event.set();
      if (deed === "clear") return event.clear();
      return deed.way === "async" ? event.wait({ timeout: deed.timeout }) : event.waitSync({ timeout: deed.timeout });
    };
    const roles: Record<string, Role<Event>> = {};
    for (const [name, deeds] of Object.entries(actors)) {
      roles[name] = {
        prologue: (me) => shared.open(me),
        operations: deeds.map((deed) => ({ name: typeof deed === "string" ? deed : WAIT, run: (event: Event) => act(event, deed) })),
      };
    }
    const sets = Object.values(actors).flat().filter((deed) => deed === "set").length;
    const waitsForEver = Object.values(actors).flat().every((deed) => typeof deed === "string" || deed.timeout === undefined);
    return {
      deaths,
      areCurious,
      roles,
      atRest(standings) {
        const now = machine.words[state];
        for (const standing of standings.values()) {
          const { name, operation, results } = standing;
          if (standing.state === "stuck") {
            assert(operation === WAIT && (now & 1) === 0, `${name} sleeps in ${operation} though the event is set`);
            // It counts how often it was set.
            assert(standing.firstRead(state) === now, `${name} waits since before the event was set and cleared`);
          }
          if (sets === 0) assert(!results.includes(true), `${name} was told that the event is set`);
          if (waitsForEver) assert(!results.includes(false), `the time of ${name} was up though it waits for ever`);
        }
        assert((now + 1) >> 1 <= sets, "it was set more often than that");
      },
      finish(me) {
        const event = shared.open(me);
        event.clear();
        assert(!event.waitSync({ timeout: 0 }), "it is clear");
        event.set();
        assert(event.isSet() && event.waitSync(), "it is set");
        shared.letGo(me);
      },
      check: () => nothingIsLeft(stage),
    };
  };
}
