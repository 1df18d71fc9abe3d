/**
 * The memory of an array: a part of the arena, in a buffer.
 *
 * It is there as long as anything can reach it: the array, arrays made of it by `subarray`, its buffer. What makes that so is a table of who keeps what, which the collector of garbage reads.
 * To dispose of an array empties all of these, where its buffer is its own (between processes) and nobody moved it away; where one buffer holds all objects, nothing can empty them, and the memory stays until they are collected.
 *
 * @module
 */
import { Holding, keepAlive } from "./holding.ts";
import type { Participant } from "./participant.ts";
import type { SharedData } from "./shared_data.ts";

/** What keeps the memory that an object shows. */
const KEEPERS = new WeakMap<object, object>();

const { transfer, transferToFixedLength } = ArrayBuffer.prototype;
/** Own methods of buffers. What is moved out of one shows the same memory, and nothing here can follow it: so that stays. */
const MOVES: PropertyDescriptorMap = Object.fromEntries(
  Object.entries({ transfer, transferToFixedLength }).map(([name, move]) => [name, {
    value(this: ArrayBuffer, byteLength?: number): ArrayBuffer {
      const own = KEEPERS.get(this);
      if (own !== undefined) keepAlive(own);
      return move.call(this, byteLength);
    },
  }]),
);

/** A buffer that shows one block and nothing else. */
class OwnBuffer {
  readonly buffer: ArrayBuffer;
  readonly start: number;
  readonly #holding: Holding;
  #users = 0;

  constructor({ place: { me, block }, offset }: SharedData, byteLength: number) {
    const { buffer, start } = me.arena.range(offset, byteLength);
    this.buffer = buffer as ArrayBuffer;
    this.start = start;
    this.#holding = new Holding(me, block, 0);
    KEEPERS.set(buffer, this);
    Object.defineProperties(buffer, MOVES);
  }

  /** Whether it still shows the block: a program may have moved it away. */
  get isOpen(): boolean {
    return this.buffer.byteLength > 0;
  }

  use(): this {
    this.#users++;
    return this;
  }

  /** So many users let go of it: the last empties it. */
  release(users: number): void {
    this.#users -= users;
    // Engines move buffers, too: into messages, say.
    if (!this.isOpen) return keepAlive(this);
    if (this.#users > 0) return;
    transfer.call(this.buffer, 0);
    this.#holding.close();
  }

  /** A user was collected. No more than that is known: something else may see the buffer, with which the memory goes. */
  forget(): void {
    this.#users--;
  }
}

/** Arrays that came in messages and were dropped. */
const DROPPED = new FinalizationRegistry<WeakRef<OwnBuffer>>((own) => own.deref()?.forget());

/**
 * Buffers of arrays that came in messages, by their block. Engines take a buffer for memory of the program's own: were there one for each time that an array comes, as it does to every task of a pool, they would look for
 * garbage all the time.
 */
const RECEIVED = new WeakMap<Participant, Map<number, WeakRef<OwnBuffer>>>();
const COLLECTED = new FinalizationRegistry<{ buffers: Map<number, WeakRef<OwnBuffer>>; offset: number }>(({ buffers, offset }) => {
  if (buffers.get(offset)?.deref() === undefined) buffers.delete(offset);
});

function received(data: SharedData, byteLength: number): OwnBuffer {
  const { me, block: { offset } } = data.place;
  let buffers = RECEIVED.get(me);
  if (buffers === undefined) RECEIVED.set(me, buffers = new Map());
  // While it is there, so is its block: no other can lie at that place.
  let own = buffers.get(offset)?.deref();
  if (own?.isOpen !== true) {
    buffers.set(offset, new WeakRef(own = new OwnBuffer(data, byteLength)));
    COLLECTED.register(own, { buffers, offset });
  }
  return own;
}

/** See above. */
export class ArrayMemory {
  readonly data: SharedData;
  readonly buffer: ArrayBufferLike;
  readonly start: number;
  readonly #own: OwnBuffer | null;
  /** How many users of its own buffer it is: one, and one that never goes by itself once a program has something of it that may outlive the array. */
  #users = 1;

  /** @param isReceived Whether the array came in a message, and may come again. */
  constructor(data: SharedData, byteLength: number, isReceived: boolean) {
    this.data = data;
    // Never an empty one: Bun makes none over given memory.
    const length = Math.max(1, byteLength), { arena } = data.place.me;
    const isOwn = arena.memory.kind === "mapped";
    this.#own = isOwn ? (isReceived ? received(data, length) : new OwnBuffer(data, length)).use() : null;
    if (this.#own !== null && isReceived) DROPPED.register(this, new WeakRef(this.#own), this);
    ({ buffer: this.buffer, start: this.start } = this.#own ?? arena.range(data.offset, length));
  }

  /** The buffer, for programs. One that holds all objects shows more than the array: so nothing of the array may be given back any more. */
  givenBuffer(): ArrayBufferLike {
    if (this.#own === null) keepAlive(this.data);
    else this.#show(this.#own);
    return this.buffer;
  }

  /** A plain array over some of the memory, which stays as long as that is reachable. */
  kept<A extends object>(view: A): A {
    if (this.#own !== null) {
      this.#show(this.#own);
      return view;
    }
    const typed = view as unknown as Uint8Array, { subarray } = typed;
    KEEPERS.set(view, this.data);
    return Object.defineProperties(view, {
      subarray: { value: (...range: [number?, number?]) => this.kept(subarray.apply(typed, range)) },
      buffer: { get: () => this.givenBuffer() },
    });
  }

  /** Lets go of the memory, if nobody here can see it any more. */
  dispose(): void {
    if (this.#own === null || this.data.place.isClosed) return;
    DROPPED.unregister(this);
    this.#own.release(this.#users);
    this.data.close();
  }

  #show(own: OwnBuffer): void {
    if (this.#users > 1) return;
    this.#users++;
    own.use();
  }
}
