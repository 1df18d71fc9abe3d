/**
 * Shared objects for processes that do not share the memory that they are in: one process, the root if it can, does for the others what they ask over the control channel. Each of them is a
 * *guest*, a participant of the arena like any other, only that its code runs here. So holders, tickets, the end of pipes and the burial of the dead are the same as everywhere.
 *
 * A guest names the objects that it makes itself, since constructors don't wait: the handle of such an object bears the guest's path and a number in place of a position.
 *
 * @module
 */
import { ArenaHome } from "./arena_home.ts";
import { HANDLE, type Message, messageFrom, type Shareable } from "./codec.ts";
import { ProcessError } from "./errors.ts";
import type { Block } from "./heap.ts";
import { closeBoth, type HoldingLike, nameOf } from "./home.ts";
import { AbortController } from "./host.ts";
import { SLOT_PID, SLOT_TID, UNIT } from "./layout.ts";
import type { Messages } from "./messages.ts";
import { Participant } from "./participant.ts";
import { QUEUE_RULES } from "./queue.ts";
import type { RingOptions } from "./ring.ts";
import type { Branch, Host } from "./tree.ts";
import { aligned, ANSWER, type Frame, type Path, seal, writeFrame } from "./tree_frame.ts";

/** What a guest asks. Those with a number are answered. */
export type Request =
  | { readonly op: "ring"; readonly object: number; readonly name: number; readonly options: RingOptions }
  | {
    readonly op: "pipe";
    readonly objects: readonly [number, number];
    readonly name: number;
    readonly duplex: boolean;
    readonly capacity: number;
  }
  /** The handle is in the frame. `given`: it came in a message, or with the process's arguments. */
  | { readonly op: "open"; readonly object: number; readonly isEnd: boolean; readonly given: boolean }
  | { readonly op: "close"; readonly object: number }
  | { readonly op: "cancel"; readonly number: number }
  | Wait;

/** A request for something that may take its time. `now`: it may not. */
export interface Wait {
  readonly op: "put" | "get" | "poll" | "join" | "done" | "shutdown";
  readonly number: number;
  readonly object: number;
  readonly now: boolean;
  /** Get: how many at most. Shutdown: 1 if immediate. */
  readonly count: number;
  /** Put: the payload is several messages, of so many bytes, with so many of the handles. */
  readonly parts?: readonly (readonly [byteLength: number, handles: number])[];
}

/** What is answered. */
export interface Answer {
  readonly number: number;
  /** It was cancelled, or there was nothing at once. */
  readonly isOver?: boolean;
  readonly error?: unknown;
  /** Poll. */
  readonly isReady?: boolean;
  /** Get: lengths of the messages in the payload, each of which begins at a multiple of 8. */
  readonly lengths?: readonly number[];
}

const OVER = Symbol("over");

interface Entry {
  readonly sending: Messages | null;
  readonly receiving: Messages | null;
  readonly holding: HoldingLike;
}

interface Guest {
  readonly path: Path;
  readonly home: ArenaHome;
  /** What it has open, by its own numbers; an error: why it could not be opened. */
  readonly entries: Map<number, Entry | Error>;
  readonly waits: Map<number, AbortController>;
  /** How often it was sent an object that it did not open since. */
  readonly given: Map<string, number>;
}

/** See above. */
export class Hub implements Host {
  readonly #home: ArenaHome;
  readonly #send: (path: Path, bytes: Uint8Array) => void;
  readonly #guests = new Map<string, Guest>();
  readonly #names = new Map<string, Block>();
  #sweepAt = 64;

  /** @param home Its memory. @param send Sends a frame to a guest. */
  constructor(home: ArenaHome, send: (path: Path, bytes: Uint8Array) => void) {
    this.#home = home;
    this.#send = send;
    home.names = this.#names;
  }

  admit(path: Path): void {
    if (!this.#guests.has(path.join("."))) this.#seat(path);
  }

  give(path: Path, handle: readonly number[]): boolean {
    const guest = this.#guests.get(path.join("."));
    const block = this.#home.find(handle);
    if (guest === undefined || block === null || !guest.home.me.hold(block, handle[3])) return false;
    give(guest, block, handle[3]);
    return true;
  }

  bury(path: Path): void {
    const key = path.join(".");
    for (const [other, { home }] of this.#guests) {
      if (other !== key && !other.startsWith(`${key}.`)) continue;
      this.#guests.delete(other);
      home.me.leave(new ProcessError("The process that waited has ended"));
    }
  }

  serve(frame: Frame, branch: Branch | null): void {
    const request = frame.envelope as Request;
    let guest = this.#guests.get(frame.path.join("."));
    if (guest === undefined && branch !== null) guest = this.#takeIn(branch);
    if (guest === undefined) {
      if ("number" in request && request.op !== "cancel") {
        const error = new ProcessError("Cannot use queues and pipes here: this process is not known to the one that keeps them");
        this.#send(frame.path, writeFrame(ANSWER, frame.path, seal({ number: request.number, error } satisfies Answer)));
      }
      return;
    }
    switch (request.op) {
      case "ring":
        return this.#make(guest, [request.object], request.name, () => {
          const { messages, holding } = guest.home.makeRing(request.options, QUEUE_RULES);
          return [{ sending: messages, receiving: messages, holding }];
        });
      case "pipe":
        return this.#make(guest, request.objects, request.name, () => guest.home.makePipe(request).map(entryOf));
      case "open":
        return open(guest, request, frame.handles[0]);
      case "close": {
        const entry = guest.entries.get(request.object);
        guest.entries.delete(request.object);
        if (entry === undefined || entry instanceof Error) return;
        return closeBoth(entry, new ProcessError("It was closed meanwhile"), () => entry.holding.close());
      }
      case "cancel":
        return guest.waits.get(request.number)?.abort(OVER);
      default:
        this.#wait(guest, request, frame);
    }
  }

  /** A child that was to share the memory, and has no foreign functions for it: what it was given there is held by the guest. */
  #takeIn({ path, inherited }: Branch): Guest {
    const guest = this.#seat(path);
    for (const { ident, handle } of inherited) {
      this.give(path, handle);
      const block = this.#home.find(handle);
      if (block !== null) this.#home.me.release(block, handle[3], ident);
    }
    return guest;
  }

  #seat(path: Path): Guest {
    const { me, method } = this.#home;
    const { arena } = me;
    const mayBlock = arena.memory.kind !== "local";
    const at = arena.slot(me.slot);
    // It lives as long as this thread, or until it is buried.
    const thread = { pid: arena.head[at + SLOT_PID], tid: arena.head[at + SLOT_TID] };
    const guest: Guest = {
      path,
      home: new ArenaHome(
        method,
        new Participant(arena, arena.reserve(me.ident), thread, mayBlock),
        (bytes, offset, length, passengers) => {
          for (const { block, holding } of passengers) give(guest, block, holding);
          return bytes.slice(offset, offset + length);
        },
      ),
      entries: new Map(),
      waits: new Map(),
      given: new Map(),
    };
    guest.home.names = this.#names;
    guest.home.me.parker.tasks.isGuest = true;
    this.#guests.set(path.join("."), guest);
    return guest;
  }

  #make(guest: Guest, objects: readonly number[], name: number, make: () => Entry[]): void {
    try {
      const entries = make();
      const [, units, serial] = entries[0].holding.words();
      this.#sweep();
      this.#names.set(nameOf([0, 0, name, 0, 0, ...guest.path]), { offset: units * UNIT, serial });
      entries.forEach((entry, i) => guest.entries.set(objects[i], entry));
    } catch (error) {
      for (const object of objects) guest.entries.set(object, error as Error);
    }
  }

  /** Forgets the names of what is gone, now and then. */
  #sweep(): void {
    if (this.#names.size < this.#sweepAt) return;
    for (const [name, block] of this.#names) if (!this.#home.me.heap.isCurrent(block)) this.#names.delete(name);
    this.#sweepAt = Math.max(64, this.#names.size * 2);
  }

  #wait(guest: Guest, request: Wait, frame: Frame): void {
    const { number } = request;
    const over = new AbortController();
    guest.waits.set(number, over);
    const settle = (answer: Omit<Answer, "number">, messages: readonly Uint8Array[] = []) => {
      guest.waits.delete(number);
      if (this.#guests.get(guest.path.join(".")) !== guest) return;
      this.#send(guest.path, writeFrame(ANSWER, guest.path, seal({ number, ...answer }), undefined, payloadOf(messages)));
    };
    perform(guest, request, frame, over.signal).then(
      (result) =>
        Array.isArray(result)
          ? settle({ lengths: result.map((message) => message.length) }, result)
          : settle(result === undefined ? {} : { isReady: result }),
    ).catch((error) => settle(error === OVER ? { isOver: true } : { error })); // what is too large to be sent, too
  }
}

/** Does what a guest asks: the one place where requests become calls. */
async function perform(guest: Guest, request: Wait, frame: Frame, signal: AbortSignal): Promise<Uint8Array[] | boolean | undefined> {
  const entry = guest.entries.get(request.object);
  if (entry === undefined) throw new ProcessError("Cannot use this queue or connection: it was closed in this process");
  if (entry instanceof Error) throw entry;
  const options = request.now ? { timeout: 0 } : { signal };
  const isOver = () => {
    throw OVER;
  };
  switch (request.op) {
    case "put":
      if (request.parts === undefined) return await entry.sending!.send(parcel(guest, frame), options, isOver) as undefined;
      return await entry.sending!.sendMany(parcels(guest, frame, request.parts), options, isOver) as undefined;
    case "get":
      return await entry.receiving!.getMany(request.count, options, isOver) as Uint8Array[];
    case "poll":
      return await entry.receiving!.poll(options);
    case "join":
      return await entry.receiving!.joinAll(options) as undefined;
    case "done":
      return entry.receiving!.taskDone() as undefined;
    case "shutdown":
      return entry.sending!.shutdown(request.count === 1) as undefined;
  }
}

function open(guest: Guest, { object, isEnd, given }: Request & { op: "open" }, words: readonly number[]): void {
  const { home, entries } = guest;
  try {
    const block = home.find(words);
    if (block === null || !home.me.hold(block, words[3])) {
      throw new ProcessError(`Cannot use the ${isEnd ? "connection" : "queue"}: nobody held it any more, so it is gone`);
    }
    if (isEnd) entries.set(object, entryOf(home.reviveEnd(words)));
    else {
      const { messages, holding } = home.reviveRing(words, QUEUE_RULES);
      entries.set(object, { sending: messages, receiving: messages, holding });
    }
    if (given) taken(guest, block, words[3]);
  } catch (error) {
    entries.set(object, error as Error);
  }
}

function entryOf({ sending, receiving, hold }: ReturnType<ArenaHome["reviveEnd"]>): Entry {
  return { sending, receiving, holding: hold() };
}

/** What a guest was sent counts as held until it opened that, however often it closes it meanwhile. */
function give(guest: Guest, block: Block, index: number): void {
  const key = `${block.serial}.${index}`;
  guest.given.set(key, (guest.given.get(key) ?? 0) + 1);
  guest.home.me.retain(block, index);
}

function taken(guest: Guest, block: Block, index: number): void {
  const key = `${block.serial}.${index}`;
  const count = guest.given.get(key) ?? 0;
  if (count === 0) return; // it came through other memory
  if (count === 1) guest.given.delete(key);
  else guest.given.set(key, count - 1);
  guest.home.me.unretain(block, index);
}

/** A message that was encoded elsewhere. */
function parcel({ home }: Guest, { bytes, payloadAt, handles }: Pick<Frame, "bytes" | "payloadAt" | "handles">): Message {
  const payload = bytes.subarray(payloadAt);
  const shared: Shareable[] = [];
  for (const words of handles) {
    if (words[0] !== home.id) continue; // held by its sender, as what lives in other memory always is
    const block = home.find(words);
    if (block === null) throw new ProcessError("Cannot send this object: nobody held it any more, so it is gone");
    const found = [words[0], block.offset / UNIT, block.serial, words[3]];
    shared.push({ [HANDLE]: () => ({ kind: 0, words: found }) });
  }
  return messageFrom(payload, shared);
}

/** Several of them: as {@linkcode payloadOf} makes one payload of them. */
function* parcels(guest: Guest, { bytes, payloadAt, handles }: Frame, parts: NonNullable<Wait["parts"]>): Generator<Message, void, void> {
  let at = payloadAt, first = 0;
  for (const [byteLength, count] of parts) {
    at = aligned(at);
    yield parcel(guest, { bytes: bytes.subarray(0, at + byteLength), payloadAt: at, handles: handles.slice(first, first + count) });
    at += byteLength;
    first += count;
  }
}

/** Makes one payload of several messages. */
export function payloadOf(messages: readonly Uint8Array[]): Message | undefined {
  if (messages.length === 0) return undefined;
  let byteLength = 0;
  for (const { length } of messages) byteLength = aligned(byteLength) + length;
  const writeTo = (target: Uint8Array, offset: number) => {
    for (const message of messages) {
      offset = aligned(offset);
      target.set(message, offset);
      offset += message.length;
    }
  };
  return { byteLength, writeTo, copy: () => new Uint8Array(0), shared: [], moved: [] };
}
