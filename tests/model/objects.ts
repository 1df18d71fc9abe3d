/**
 * Scenarios of the heap, of shared objects that travel, and of pipes.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { Block } from "../../src/heap.ts";
import type { Ring } from "../../src/ring.ts";
import { nothingIsLeft } from "./heap_check.ts";
import { atomics } from "./library.ts";
import { messageOf, nameRing } from "./rings.ts";
import type { Me, Plot, Role, Stage } from "./scenario.ts";

/** Fails if somebody waits for ever. */
function nobodySleeps(standings: Parameters<Plot["atRest"]>[0]): void {
  for (const { name, state, operation } of standings.values()) assert(state !== "stuck", `${name} sleeps for ever in ${operation}`);
}

/** Actors allocate blocks of these sizes and free them again; nobody ever has a block that another has, and nothing is lost. */
export function heapPlot({ actors, deaths }: { actors: Readonly<Record<string, readonly number[]>>; deaths: number }) {
  return (stage: Stage, _maker: Me): Plot => {
    const { library: { layout: L } } = stage;
    const roles: Record<string, Role<{ me: Me; block: Block | null }>> = {};
    for (const [name, sizes] of Object.entries(actors)) {
      roles[name] = {
        prologue: (me) => ({ me, block: null }),
        operations: sizes.flatMap((size) => [
          {
            name: `allocate ${size}`,
            run: (world) => {
              const block = world.block = world.me.heap.allocate(size, L.KIND_RAW, world.me.ident);
              // Its first word and its last.
              for (const at of [block.offset, block.offset + size - 4]) {
                atomics.store(world.me.arena.window(at).words, at / 4, world.me.ident);
              }
            },
          },
          {
            name: `free ${size}`,
            run: (world) => {
              const { offset } = world.block!;
              for (const at of [offset, offset + size - 4]) {
                assert(atomics.load(world.me.arena.window(at).words, at / 4) === world.me.ident, `another wrote into the block of ${name}`);
              }
              world.me.heap.free(world.block!);
              world.block = null;
            },
          },
        ]),
      };
    }
    return { deaths, roles, atRest: nobodySleeps, check: () => nothingIsLeft(stage) };
  };
}

/** A sends a shared object to B and lets go of it; B uses it and lets go. It is there as long as somebody has it or it is on its way, and gone after. */
export function passengerPlot({ deaths }: { deaths: number }) {
  return (stage: Stage, maker: Me): Plot => {
    const { library: { layout: L, ring: { Ring } } } = stage;
    const make = (holders: readonly string[]) =>
      maker.heap.exclusively(() => {
        const block = Ring.createInside(maker, { maxsize: 0, capacity: 0, joinable: false });
        for (const name of holders) maker.holdInside(block.offset, stage.idents.get(name)!);
        Ring.publishInside(maker, block, L.KIND_RING);
        return block;
      });
    const path = make(["A", "B", "last"]);
    const object = make(["A"]);
    nameRing(stage, path.offset / 4, "path");
    nameRing(stage, object.offset / 4, "object");
    stage.names.push([object.offset / 4 + L.HOLDERS, 1, "object.holders"], [object.offset / 4 + L.TICKETS, 4, "object.ticket"]);
    interface World {
      me: Me;
      ring: Ring;
    }
    const take = (me: Me, ring: Ring) =>
      ring.tryGet((_bytes, _offset, _length, passengers) => {
        for (const { block } of passengers) {
          assert(me.heap.isCurrent(block), "what travels in a message is there when it arrives");
          me.retain(block, 0);
        }
        return passengers.length;
      });
    const a: Role<World> = {
      prologue(me) {
        me.retain(object, 0);
        return { me, ring: new Ring(me, path) };
      },
      operations: [
        { name: "send it", run: ({ ring }) => ring.tryPut(ring.prepare(messageOf(1, false), [{ block: object, holding: 0 }]), () => {}) },
        { name: "let it go", run: ({ me }) => me.unretain(object, 0) },
      ],
    };
    const b: Role<World> = {
      prologue: (me) => ({ me, ring: new Ring(me, path) }),
      operations: [
        {
          name: "receive it",
          run: ({ me, ring }) =>
            me.parker.sleepSync<unknown>(ring.notEmpty, { attempt: () => take(me, ring), more: () => false }, undefined, () => 0),
        },
        { name: "use it", run: ({ me }) => assert(me.heap.isCurrent(object), "it was destroyed while B had it") },
        { name: "let it go", run: ({ me }) => me.unretain(object, 0) },
      ],
    };
    return {
      deaths,
      roles: { A: a, B: b },
      atRest(standings) {
        for (const { name, state } of standings.values()) {
          assert(state !== "stuck" || name === "B" && standings.get("A")!.state === "dead", `${name} sleeps for ever`);
        }
      },
      finish(me) {
        const ring = new Ring(me, path);
        while (typeof take(me, ring) === "number") me.unretain(object, 0);
        for (const name of ["A", "B", "last"]) me.release(path, 0, stage.idents.get(name)!);
      },
      check: () => nothingIsLeft(stage),
    };
  };
}

/** A sends through a pipe and closes its end, B receives until the end comes: after all that was sent, and always. */
export function pipePlot({ sends, capacity, receives, deaths }: { sends: number; capacity: number; receives: number; deaths: number }) {
  return (stage: Stage, maker: Me): Plot => {
    const { library: { layout: L, arenaHome: { ArenaHome } } } = stage;
    const [receiver] = new ArenaHome("process", maker).makePipe({ duplex: false, capacity });
    const words = receiver.hold().words();
    const pipe = { offset: words[1] * L.UNIT, serial: words[2] };
    for (const [index, name] of [[0, "B"], [1, "A"]] as const) maker.hold(pipe, index, stage.idents.get(name)!);
    const at = maker.arena.wordIndex(pipe.offset);
    const ring = maker.arena.window(pipe.offset).words[at + L.PIPE_DIRECTIONS + 2] * L.UNIT;
    nameRing(stage, ring / 4, "ring");
    for (const [index, name] of [[0, "B"], [1, "A"]] as const) stage.names.push([at + index * L.HOLDING_WORDS, 1, `${name}'s end.holders`]);
    const open = (index: number) => (me: Me) => {
      const home = new ArenaHome("process", me, (bytes, offset) => bytes[offset]);
      const end = home.reviveEnd([...words.slice(0, 3), index, words[4]]);
      const holding = end.hold();
      return { end, holding };
    };
    type World = ReturnType<ReturnType<typeof open>>;
    const orError = (run: () => unknown) => {
      try {
        return run();
      } catch (error) {
        if (!/^(EOF|BrokenPipe)Error$/.test((error as Error).name)) throw error;
        return (error as Error).name;
      }
    };
    const close = { name: "close", run: ({ holding }: World) => holding.close() };
    const unreachable = () => assert.fail("nobody waits for a limited time");
    const a: Role<World> = {
      prologue: open(1),
      operations: [
        ...Array.from({ length: sends }, (_, i) => ({
          name: `send ${i + 1}`,
          run: ({ end }: World) =>
            orError(() => {
              end.sending!.sendSync(messageOf(i + 1, false), undefined, unreachable);
              return i + 1;
            }),
        })),
        close,
      ],
    };
    const b: Role<World> = {
      prologue: open(0),
      operations: [
        ...Array.from({ length: receives }, () => ({
          name: "receive",
          run: ({ end }: World) => orError(() => end.receiving!.getSync(undefined, unreachable)),
        })),
        close,
      ],
    };
    return {
      deaths,
      roles: { A: a, B: b },
      atRest(standings) {
        nobodySleeps(standings);
        const sent = standings.get("A")!.results.filter((result) => typeof result === "number");
        const results = standings.get("B")!.results.filter((result) => result !== undefined);
        const end = results.indexOf("EOFError");
        if (end < 0) return;
        assert(sent.length <= end, `the end came before ${sent.slice(end)}`);
        results.slice(0, end).forEach((value, i) => assert(value === i + 1, `${results} was received`));
      },
      check: () => nothingIsLeft(stage),
    };
  };
}
