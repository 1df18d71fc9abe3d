/**
 * The home of shared objects in an arena: how queues and pipes lie there.
 *
 * @module
 */
import type { StartMethod } from "./adapter.ts";
import { decode } from "./codec.ts";
import { BrokenPipeError, EOFError, ProcessError } from "./errors.ts";
import type { Block } from "./heap.ts";
import { Holding } from "./holding.ts";
import { type EndBacking, type Home, isName, nameOf, type RingBacking, type Rules } from "./home.ts";
import * as L from "./layout.ts";
import { Messages } from "./messages.ts";
import { holdingOf, type Participant, registerKind } from "./participant.ts";
import type { Passenger } from "./record.ts";
import { Ring, type RingOptions, type Take } from "./ring.ts";
import { destroyRing, wakeRing } from "./ring_repair.ts";

interface ArenaRing extends RingBacking {
  readonly messages: Messages;
}

interface ArenaEnd extends EndBacking {
  readonly sending: Messages | null;
  readonly receiving: Messages | null;
}

/** Objects in an arena, for one participant. */
export class ArenaHome implements Home {
  readonly method: StartMethod;
  readonly me: Participant;
  readonly #take: Take<unknown>;
  /** Objects that guests made, by the names that they gave them (`hub.ts`). */
  names: ReadonlyMap<string, Block> | null = null;
  /** Where the objects are that came with the message which is being read, in the order of its handles; and which is next. Where they have names, that is all that other processes know of them. */
  #passengers: readonly Passenger[] = [];
  #next = 0;
  /** Where the memory is not shared with those that the objects are for: what is missing. */
  missing: string | null = null;

  /** @param take What is made of a message, by default the value that was put. */
  constructor(method: StartMethod, me: Participant, take?: Take<unknown>) {
    this.method = method;
    this.me = me;
    this.#take = take ?? ((bytes, offset, length, passengers) => {
      this.#passengers = passengers;
      this.#next = 0;
      return decode(bytes, offset, length, this);
    });
  }

  get id(): number {
    return this.me.arena.id >>> 0;
  }

  settled(): Promise<void> {
    return this.me.accepted();
  }

  makeRing(options: RingOptions, rules: Rules): ArenaRing {
    const { me } = this;
    const block = me.heap.exclusively(() => {
      const ring = Ring.createInside(me, options);
      me.holdInside(ring.offset);
      Ring.publishInside(me, ring, L.KIND_RING);
      return ring;
    });
    return this.#ring(block, rules);
  }

  reviveRing(words: readonly number[], rules: Rules): ArenaRing {
    return this.#ring(this.#revive(words, "the queue"), rules);
  }

  makePipe({ duplex, capacity }: { duplex: boolean; capacity: number }): [ArenaEnd, ArenaEnd] {
    const { me } = this;
    const block = me.heap.exclusively(() => createPipe(me, duplex, capacity));
    return [this.#end(block, 0), this.#end(block, 1)];
  }

  reviveEnd(words: readonly number[]): ArenaEnd {
    return this.#end(this.#revive(words, "the connection"), words[3]);
  }

  /** Where the object of a handle is; null if it is gone. */
  find(words: readonly number[]): Block | null {
    const block = isName(words) ? this.names?.get(nameOf(words)) : { offset: words[1] * L.UNIT, serial: words[2] };
    return block !== undefined && this.me.heap.isCurrent(block) ? block : null;
  }

  #revive(words: readonly number[], what: string): Block {
    const { parker } = this.me, passenger = this.#passengers[this.#next++];
    // A thread that was terminated and does not know yet finds nothing any more, which is no error: it ends here.
    parker.begin();
    try {
      const block = this.find(words) ?? (isName(words) && passenger?.block);
      // Whoever received it holds it already, unless it came through another memory.
      if (!block || !this.me.hold(block, words[3])) {
        throw new ProcessError(`Cannot receive ${what}: nobody held it any more, so it is gone`);
      }
      return block;
    } finally {
      parker.end();
    }
  }

  #ring(block: Block, rules: Rules): ArenaRing {
    const ring = new Ring(this.me, block);
    const messages = new Messages(this, this.me, ring, rules, this.#take);
    return { messages, holding: messages.holding = new Holding(this.me, block, 0, ring.maxsize) };
  }

  #end(block: Block, end: number): ArenaEnd {
    const { me } = this;
    const other = holdingOf(block, 1 - end);
    const rules = {
      refusePut: () => {
        if (!me.isHeld(other)) throw new BrokenPipeError("Cannot send: the other end of the pipe is closed, or its process has ended");
      },
      refuseGet: () => {
        // Nobody who could send is left, so what is in the ring now is all.
        if (!me.isHeld(other) && receiving!.ring.size === 0) {
          throw new EOFError(
            "Cannot receive: the other end of the pipe is closed, or its process has ended, and all that it sent was received",
          );
        }
      },
    };
    const sending = this.#direction(block, end, rules);
    const receiving = this.#direction(block, 1 - end, rules);
    return {
      sending,
      receiving,
      hold: () => {
        if (!me.hold(block, end)) {
          throw new BrokenPipeError("Cannot use this end of a pipe: both its ends were closed since it was sent on");
        }
        const holding = new Holding(me, block, end, Number(sending !== null && receiving !== null));
        for (const messages of [sending, receiving]) if (messages !== null) messages.holding = holding;
        return holding;
      },
    };
  }

  #direction(pipe: Block, from: number, rules: Rules): Messages | null {
    const ring = directionBlock(this.me, pipe, from);
    return ring === null ? null : new Messages(this, this.me, new Ring(this.me, ring), rules, this.#take);
  }
}

function createPipe(me: Participant, duplex: boolean, capacity: number): Block {
  const block = me.heap.allocateInside(L.PIPE_WORDS * 4, L.KIND_RAW, me.ident);
  const { words, at } = me.arena.wordsAt(block.offset);
  words.fill(0, at, at + L.PIPE_WORDS);
  const rings: Block[] = [];
  for (let end = duplex ? 0 : 1; end < 2; end++) {
    const ring = Ring.createInside(me, { maxsize: 0, capacity, joinable: false });
    rings.push(ring);
    words[at + L.PIPE_DIRECTIONS + end * 2] = ring.offset / L.UNIT;
    words[at + L.PIPE_DIRECTIONS + end * 2 + 1] = ring.serial;
  }
  for (let end = 0; end < 2; end++) me.holdInside(holdingOf(block, end));
  // One store makes it a pipe; who dies before has made nothing, who dies after held it.
  Atomics.store(words, at - L.UNIT / 4 + L.BLOCK_KIND, L.KIND_PIPE);
  for (const ring of rings) Ring.publishInside(me, ring, L.KIND_DIRECTION);
  me.heap.own(block, 0);
  return block;
}

function directionBlock(me: Participant, pipe: Block, from: number): Block | null {
  const { words, at } = me.arena.wordsAt(pipe.offset + (L.PIPE_DIRECTIONS + from * 2) * 4);
  return words[at] === 0 ? null : { offset: words[at] * L.UNIT, serial: words[at + 1] };
}

registerKind(L.KIND_PIPE, {
  holdings: 2,
  destroy(me, pipe) {
    for (let from = 0; from < 2; from++) {
      const ring = directionBlock(me, pipe, from);
      if (ring !== null && me.heap.isCurrent(ring)) destroyRing(me, ring);
    }
    me.heap.freeInside(pipe);
  },
  changed(me, pipe) {
    for (let from = 0; from < 2; from++) {
      const ring = directionBlock(me, pipe, from);
      if (ring !== null) wakeRing(me, ring);
    }
  },
});
