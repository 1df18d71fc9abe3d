/**
 * What scenarios of objects in shared memory have in common: all actors have the same one, and let go of it at the end.
 *
 * @module
 */
import assert from "node:assert/strict";
import { HANDLE, type Shareable } from "../../src/codec.ts";
import type { Home } from "../../src/home.ts";
import type { Standing } from "./explore.ts";
import type { Me, Plot, Stage } from "./scenario.ts";

/** An object that all actors have. */
export interface Shared<T> {
  /** Index of its first word. */
  readonly at: number;
  /** An actor's own, as if it had come in a message. @param parts What came with it. */
  open(me: Me, parts?: unknown): T;
  /** Lets go of it for everybody, so that it is destroyed. */
  letGo(me: Me): void;
}

/** Makes an object, and everybody a holder of it. */
export function share<T extends Shareable>(stage: Stage, maker: Me, make: (home: Home) => T): Shared<T> {
  const { library: { layout: L, codecClasses: { reviverOf } } } = stage;
  const { kind, words, parts } = make(homeOf(stage, maker))[HANDLE]();
  const block = { offset: words[1] * L.UNIT, serial: words[2] };
  for (const ident of stage.idents.values()) maker.hold(block, 0, ident);
  return {
    at: maker.arena.wordIndex(block.offset),
    open: (me, its = parts) => reviverOf(kind)!(words, homeOf(stage, me), its) as T,
    letGo(me) {
      for (const ident of stage.idents.values()) me.release(block, 0, ident);
    },
  };
}

function homeOf({ library: { arenaHome: { ArenaHome } } }: Stage, me: Me): Home {
  return new ArenaHome("process", me);
}

/** Names words of an object: offset, count, name. */
export function nameWords(
  { names }: Stage,
  { at }: Shared<unknown>,
  object: string,
  fields: readonly (readonly [number, number, string])[],
): void {
  for (const [offset, count, name] of fields) names.push([at + offset, count, `${object}.${name}`]);
}

/** Fails if somebody waits for ever. */
export function nobodySleeps(standings: Parameters<Plot["atRest"]>[0]): void {
  for (const { name, state, operation } of standings.values()) assert(state !== "stuck", `${name} sleeps for ever in ${operation}`);
}

/** Those of the scenario's own. */
export function castOf(standings: ReadonlyMap<string, Standing>, names: Iterable<string>): Standing[] {
  return [...names].map((name) => standings.get(name)!);
}
