/**
 * Scenarios of rings with four records a segment: whatever was put arrives once, in order, whoever dies; and nothing is left behind in the heap.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { Message } from "../../src/codec.ts";
import type { Messages } from "../../src/messages.ts";
import type { Block } from "../../src/heap.ts";
import { nothingIsLeft } from "./heap_check.ts";
import type { Me, Plot, Role, Stage } from "./scenario.ts";

/** What an actor does with a ring. */
export type Deed =
  | { readonly do: "put"; readonly big?: boolean; readonly timeout?: number; readonly async?: boolean }
  | { readonly do: "get"; readonly timeout?: number; readonly async?: boolean }
  | { readonly do: "done" }
  | { readonly do: "join" }
  | { readonly do: "shutdown" };

/** A scenario. */
export interface RingPlan {
  readonly actors: Readonly<Record<string, readonly Deed[]>>;
  readonly maxsize?: number;
  readonly capacity?: number;
  readonly joinable?: boolean;
  /** How many items were put, and taken, before. */
  readonly before?: readonly [number, number];
  readonly deaths: number;
  readonly areCurious?: boolean;
}

const LATE = "late";
const OVER = "over";
/** The item that is put at the end of each execution. */
const LAST = 99;

/** A message that is a number. */
export function messageOf(value: number, isBig: boolean): Message {
  const bytes = Uint8Array.of(value, value >> 8, 0, 0, ...(isBig ? [1, 1, 1, 1] : []));
  return { byteLength: bytes.length, writeTo: (target, offset) => target.set(bytes, offset), copy: () => bytes, shared: [], moved: [] };
}

/** Names the words of a ring, and its monitors. */
export function nameRing({ library: { layout: L }, names, monitors }: Stage, at: number, name: string): void {
  names.push([at - L.UNIT / 4, L.UNIT / 4, `${name}.block`]);
  for (const [offset, what] of [[L.RING_NOT_EMPTY, "notEmpty"], [L.RING_NOT_FULL, "notFull"], [L.RING_ALL_DONE, "allDone"]] as const) {
    names.push([at + offset, L.WAITSET_WORDS, `${name}.${what}`]);
  }
  for (const [side, what] of [[L.RING_PUT, "put"], [L.RING_GET, "get"]] as const) {
    monitors.push(at + side + L.MONITOR_OWNER);
    names.push(
      [at + side + L.MONITOR_OWNER, 1, `${name}.${what}.owner`],
      [at + side + L.MONITOR_WAITERS, L.WAITSET_WORDS, `${name}.${what}.waiters`],
      [at + side + L.SIDE_SEQUENCE, 1, `${name}.${what}.sequence`],
    );
    for (const n of [0, 1]) {
      const state = at + side + L.SIDE_STATES + n * L.STATE_WORDS;
      const fields = ["segment", "offset", "bytes", "sequence", "block", "blockSerial", "spare", "spareSerial", "taker", "taken"];
      fields.forEach((field, i) => names.push([state + i, 1, `${name}.${what}.state${n}.${field}`]));
    }
  }
  names.push([at + L.RING_FLAGS, 1, `${name}.flags`], [at + L.RING_DONE, 1, `${name}.done`], [
    at + L.RING_ABANDONED,
    1,
    `${name}.abandoned`,
  ]);
  names.push([at + L.RING_TAKEN, L.SLOT_COUNT, `${name}.taken`]);
}

/** An actor's view of a ring. */
export function messagesOf({ library: { layout: L, messages, ring } }: Stage, me: Me, block: Block): Messages {
  const refuse = (flags: number) => {
    if ((flags & L.FLAG_SHUTDOWN) !== 0) throw OVER;
  };
  const home = { missing: null } as ConstructorParameters<typeof Messages>[0];
  return new messages.Messages(home, me, new ring.Ring(me, block), { refusePut: refuse, refuseGet: refuse }, (bytes, offset, length) => {
    assert(length === 4 || bytes[offset + length - 1] === 1, "the whole message arrives");
    return bytes[offset];
  });
}

/** Makes the scenario. Items are numbers: 1, 2, … from before, then 10, 11, … from the first actor, 20, 21, … from the second. */
export function ringPlot({ actors, maxsize = 0, capacity = 0, joinable = false, before = [0, 0], deaths, areCurious }: RingPlan) {
  return (stage: Stage, maker: Me): Plot => {
    const { library: { layout: L, ring }, machine } = stage;
    const block = maker.heap.exclusively(() => {
      const made = ring.Ring.createInside(maker, { maxsize, capacity, joinable });
      for (const ident of stage.idents.values()) maker.holdInside(made.offset, ident);
      ring.Ring.publishInside(maker, made, L.KIND_RING);
      return made;
    });
    const at = maker.arena.wordIndex(block.offset);
    nameRing(stage, at, "ring");
    const mine = messagesOf(stage, maker, block);
    for (let i = 0; i < before[0]; i++) mine.sendSync(messageOf(i + 1, false), 0, () => assert.fail("no room"));
    for (let i = 0; i < before[1]; i++) assert(mine.getSync(0, () => assert.fail("empty")) === i + 1);
    const roles: Record<string, Role<Messages>> = {};
    for (const [index, [name, deeds]] of Object.entries(actors).entries()) {
      roles[name] = {
        prologue: (me) => messagesOf(stage, me, block),
        operations: deeds.map((deed, n) => {
          const value = 10 * (index + 1) + n;
          return { name: deed.do === "put" ? `put ${value}` : deed.do, run: (messages: Messages) => act(messages, deed, value) };
        }),
      };
    }
    const size = () => machine.words[at + L.RING_PUT + L.SIDE_SEQUENCE] - machine.words[at + L.RING_GET + L.SIDE_SEQUENCE];
    return {
      deaths,
      areCurious,
      roles,
      atRest(standings) {
        const isShut = (machine.words[at + L.RING_FLAGS] & L.FLAG_SHUTDOWN) !== 0;
        const isFull = maxsize > 0 && size() >= maxsize || capacity > 0 && size() > 0;
        for (const { name, state, operation } of standings.values()) {
          if (state !== "stuck") continue;
          const mayWait = operation === "join"
            ? !isJoinable()
            : !isShut && (operation === "get" ? size() === 0 : operation!.startsWith("put") && isFull);
          assert(mayWait, `${name} sleeps in ${operation}, and what it waits for is there`);
        }
      },
      finish(me) {
        const messages = messagesOf(stage, me, block);
        // Whatever was given back although it is in use is somebody else's now.
        const filled: Block[] = [];
        for (const size of [100, 128, 128]) {
          const { offset } = filled[filled.push(me.heap.allocate(size, L.KIND_RAW, me.ident)) - 1];
          me.arena.window(offset).words.fill(-7, offset / 4, (offset + size) / 4);
        }
        const rest: unknown[] = [];
        for (let value; (value = attempt(() => messages.getSync(0, () => LATE as never))) !== LATE && value !== OVER;) rest.push(value);
        // It still works.
        const works = attempt(() =>
          messages.sendSync(messageOf(LAST, false), 0, () => assert.fail("the ring is empty, and there is no room in it"))
        );
        if (works !== OVER) {
          assert(messages.getSync(0, () => assert.fail("what was put last does not come")) === LAST, "another came than was put last");
        }
        for (const one of filled) me.heap.free(one);
        const abandoned = messages.ring.abandoned;
        for (const ident of stage.idents.values()) me.release(block, 0, ident);
        return { rest, abandoned };
      },
      check(standings, final) {
        const { rest, abandoned } = final as { rest: number[]; abandoned: number };
        nothingIsLeft(stage);
        const sure = new Set<number>();
        const perhaps = new Set<number>();
        for (let i = before[1]; i < before[0]; i++) sure.add(i + 1);
        const arrived: number[] = [];
        let mayBeLost = 0;
        let held = 0;
        let unsure = 0;
        for (const { name, state, results, operation } of standings.values()) {
          const inOrder: number[] = [];
          for (const result of results as (string | undefined | { put?: number; got?: number })[]) {
            if (typeof result !== "object") continue;
            if (result.put !== undefined) sure.add(result.put);
            if (result.got !== undefined) inOrder.push(result.got);
          }
          arrived.push(...inOrder);
          checkOrder([...inOrder, ...rest], name);
          if (state !== "dead") continue;
          if (operation?.startsWith("put")) perhaps.add(Number(operation.slice(4)));
          if (operation === "get") mayBeLost++;
          if (operation === "done") unsure++;
          held += inOrder.length - results.filter((result) => result === "done").length;
        }
        arrived.push(...rest);
        assert(new Set(arrived).size === arrived.length, `an item came twice: ${arrived}`);
        for (const value of arrived) assert(sure.has(value) || perhaps.has(value), `${value} came, and was not put`);
        const missing = [...sure].filter((value) => !arrived.includes(value));
        assert(missing.length <= mayBeLost, `${missing} was put and did not come; ${arrived} came`);
        if (!joinable) return;
        const least = missing.length + held - unsure;
        assert(
          abandoned >= least && abandoned <= held + mayBeLost + 1,
          `${abandoned} items are counted as lost with their consumers, ${least} were`,
        );
      },
    };

    /** Whether a join has nothing to wait for. */
    function isJoinable(): boolean {
      return machine.words[at + L.RING_DONE] === machine.words[at + L.RING_PUT + L.SIDE_SEQUENCE] ||
        machine.words[at + L.RING_ABANDONED] > 0;
    }
  };
}

function checkOrder(values: readonly number[], name: string): void {
  const last = new Map<number, number>();
  for (const value of values) {
    const from = Math.floor(value / 10);
    assert((last.get(from) ?? -1) < value, `${name} got ${values}, out of order`);
    last.set(from, value);
  }
}

function attempt(run: () => unknown): unknown {
  try {
    return run();
  } catch (error) {
    if (error === OVER) return OVER;
    throw error;
  }
}

function act(messages: Messages, deed: Deed, value: number): unknown {
  const late = () => LATE as never;
  switch (deed.do) {
    case "put": {
      const message = messageOf(value, deed.big ?? false);
      const put = (outcome?: unknown) => (outcome === LATE ? LATE : { put: value });
      if (deed.async) return attempt(() => messages.send(message, { timeout: deed.timeout }, late).then(put, over));
      // What it gives when the time is up does not come out of a blocking put.
      let isLate = false;
      return attempt(() => {
        messages.sendSync(message, deed.timeout, () => {
          isLate = true;
          return LATE as never;
        });
        return isLate ? LATE : put();
      });
    }
    case "get": {
      const got = (outcome: unknown) => (outcome === LATE ? LATE : { got: outcome });
      if (deed.async) return attempt(() => messages.get({ timeout: deed.timeout }, late).then(got, over));
      return attempt(() => got(messages.getSync(deed.timeout, late)));
    }
    case "done":
      messages.taskDone();
      return "done";
    case "join":
      try {
        messages.joinAllSync(undefined);
        return "joined";
      } catch (error) {
        return (error as Error).name;
      }
    case "shutdown":
      messages.shutdown(false);
      return "shut";
  }
}

function over(error: unknown): unknown {
  if (error === OVER) return OVER;
  throw error;
}
