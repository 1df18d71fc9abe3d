/**
 * The home of shared objects where no memory is shared: they are in a process above, to which everything is said through the control channel (`hub.ts`).
 *
 * @module
 */
import type { StartMethod } from "./adapter.ts";
import { decode, encode, HANDLE, type Message } from "./codec.ts";
import { ProcessError } from "./errors.ts";
import { pass, pin, type SharedObject } from "./holding.ts";
import { type EndBacking, type HoldingLike, type Home, type MessagesLike, notAtOnce, type RingBacking } from "./home.ts";
import { type Answer, payloadOf } from "./hub.ts";
import { encodeEach, notDone } from "./messages.ts";
import type { WaitOptions, WaitScope } from "./attempt.ts";
import type { RingOptions } from "./ring.ts";
import { aligned, type Frame, type Payload } from "./tree_frame.ts";
import type { Question, Uplink } from "./uplink.ts";

const PATIENT: WaitScope = new Set();

/** See above. */
export class RemoteHome implements Home {
  readonly method: StartMethod;
  readonly me = null;
  readonly id: number;
  readonly missing: string;
  readonly uplink: Uplink;

  /** @param id That of the memory in which the objects are. @param missing Why this thread does not share it. */
  constructor(method: StartMethod, id: number, uplink: Uplink, missing: string) {
    this.method = method;
    this.id = id;
    this.uplink = uplink;
    this.missing = missing;
  }

  makeRing(options: RingOptions): RingBacking {
    const name = this.uplink.nextName();
    const object = this.uplink.nextObject();
    this.uplink.tell({ op: "ring", object, name, options });
    return this.#ring(object, this.#name(name, 0, options.maxsize));
  }

  reviveRing(words: readonly number[]): RingBacking {
    const object = this.uplink.nextObject();
    this.uplink.tell({ op: "open", object, isEnd: false, given: true }, [words]);
    return this.#ring(object, words);
  }

  makePipe({ duplex, capacity }: { duplex: boolean; capacity: number }): [EndBacking, EndBacking] {
    const name = this.uplink.nextName();
    const objects = [this.uplink.nextObject(), this.uplink.nextObject()] as const;
    this.uplink.tell({ op: "pipe", objects, name, duplex, capacity });
    return [0, 1].map((end) => new RemoteEnd(this, this.#name(name, end, Number(duplex)), objects[end])) as [RemoteEnd, RemoteEnd];
  }

  reviveEnd(words: readonly number[]): EndBacking {
    return new RemoteEnd(this, words, null);
  }

  settled(): Promise<void> {
    return this.uplink.settled();
  }

  #name(name: number, index: number, trait: number): readonly number[] {
    return [this.id, 0, name, index, trait, ...this.uplink.path];
  }

  #ring(object: number, words: readonly number[]): RingBacking {
    const holding = new RemoteHolding(this.uplink, object, words);
    return { messages: new RemoteMessages(this, words[4], () => holding), holding };
  }
}

/** This program's part in an object: what the process that has it knows by `object`. */
class RemoteHolding implements HoldingLike {
  readonly object: number;
  readonly #uplink: Uplink;
  readonly #words: readonly number[];
  #isOpen = true;

  constructor(uplink: Uplink, object: number, words: readonly number[]) {
    this.#uplink = uplink;
    this.object = object;
    this.#words = words;
    COLLECTED.register(this, { uplink, object }, this);
  }

  words(): readonly number[] {
    return this.#words;
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    COLLECTED.unregister(this);
    this.#uplink.tell({ op: "close", object: this.object });
  }
}

/** Objects that were dropped without being closed. */
const COLLECTED = new FinalizationRegistry<{ uplink: Uplink; object: number }>(({ uplink, object }) =>
  uplink.tell({ op: "close", object })
);

class RemoteEnd implements EndBacking {
  readonly sending: RemoteMessages | null;
  readonly receiving: RemoteMessages | null;
  readonly #home: RemoteHome;
  readonly #words: readonly number[];
  /** Its number, if it was made here and not used yet. */
  #made: number | null;
  #holding: RemoteHolding | null = null;

  constructor(home: RemoteHome, words: readonly number[], made: number | null) {
    this.#home = home;
    this.#words = words;
    this.#made = made;
    const [, , , index, isDuplex] = words;
    const holding = () => this.#holding!;
    this.sending = isDuplex || index === 1 ? new RemoteMessages(home, 0, holding) : null;
    this.receiving = isDuplex || index === 0 ? new RemoteMessages(home, 0, holding) : null;
  }

  hold(): HoldingLike {
    const { uplink } = this.#home;
    const object = this.#made ?? uplink.nextObject();
    if (this.#made === null) uplink.tell({ op: "open", object, isEnd: true, given: this.#holding === null }, [this.#words]);
    this.#made = null;
    return this.#holding = new RemoteHolding(uplink, object, this.#words);
  }
}

/** A ring's messages, which are elsewhere. */
class RemoteMessages implements MessagesLike {
  readonly maxsize: number;
  readonly mayBlock = false;
  readonly method: StartMethod;
  readonly missing: string;
  readonly #uplink: Uplink;
  readonly #holding: () => RemoteHolding;
  readonly #home: RemoteHome;
  readonly #puts: WaitScope = new Set();
  /** Errors of messages that came with others, and could not be read: each is what the next one to ask gets. */
  readonly #unreadable: unknown[] = [];
  readonly #gets: WaitScope = new Set();
  readonly #putting = new Set<Promise<void>>();
  /** Whether the program may end while puts wait. */
  #isLossy = false;
  #whenPut: (() => void)[] = [];

  constructor(home: RemoteHome, maxsize: number, holding: () => RemoteHolding) {
    this.#home = home;
    this.#uplink = home.uplink;
    this.#holding = holding;
    this.method = home.method;
    this.missing = home.missing;
    this.maxsize = maxsize;
  }

  get size(): number {
    return this.#refuse("tell how many items there are");
  }

  get isFull(): boolean {
    return this.#refuse("tell whether it is full");
  }

  put(value: unknown, name: string, options: WaitOptions | undefined, onFull: () => never): Promise<void> {
    return this.#put(() => encode(value, { path: name }), options, onFull);
  }

  send(message: Message, options: WaitOptions | undefined, onFull: () => never): Promise<void> {
    return this.#put(() => message, options, onFull);
  }

  #put(encoded: () => Message, options: WaitOptions | undefined, onFull: () => never, parts?: Question["parts"]): Promise<void> {
    let shared: readonly SharedObject[] = [];
    const promise = this.#ask("put", 0, options, this.#puts, onFull, () => {}, () => {
      const message = encoded();
      shared = message.shared;
      const handles = shared.map((object) => {
        const { words } = object[HANDLE]();
        if (words[0] !== this.#home.id) pin(object); // nobody there can hold it
        return words;
      });
      return { payload: message, handles };
    }, parts).then(() => pass(shared)).finally(() => {
      this.#putting.delete(promise);
      if (this.#putting.size === 0) { for (const run of this.#whenPut.splice(0)) run(); }
    });
    this.#putting.add(promise);
    if (this.#isLossy) promise.catch(() => {});
    return promise;
  }

  async putMany(values: readonly unknown[], name: string, options: WaitOptions | undefined, onFull: () => never): Promise<void> {
    const messages: Uint8Array[] = [], shared: SharedObject[] = [], parts: [number, number][] = [];
    for (const message of encodeEach(values, name)) {
      messages.push(message.copy());
      shared.push(...message.shared);
      parts.push([message.byteLength, message.shared.length]);
    }
    const payload = payloadOf(messages);
    if (payload !== undefined) await this.#put(() => ({ ...payload, shared }), options, onFull, parts);
  }

  putSync(): never {
    return this.#refuse("put without waiting");
  }

  async get(options: WaitOptions | undefined, onEmpty: () => never): Promise<unknown> {
    return (await this.getMany(1, options, onEmpty))[0];
  }

  getMany(max: number, options: WaitOptions | undefined, onEmpty: () => never): Promise<unknown[]> {
    if (this.#unreadable.length > 0) return Promise.reject(this.#unreadable.shift());
    return this.#ask("get", max, options, this.#gets, onEmpty, (answer, frame) => {
      const values: unknown[] = [];
      let at = frame.payloadAt;
      for (const length of answer.lengths!) {
        at = aligned(at);
        try {
          values.push(decode(frame.bytes, at, length, this.#home));
        } catch (error) {
          this.#unreadable.push(error); // the others arrive first
        }
        at += length;
      }
      if (values.length === 0) throw this.#unreadable.shift();
      return values;
    });
  }

  getSync(): never {
    return this.#refuse("get without waiting");
  }

  poll(options: WaitOptions | undefined): Promise<boolean> {
    if (this.#unreadable.length > 0) return Promise.resolve(true);
    return this.#ask("poll", 0, options, this.#gets, () => false, (answer) => answer.isReady!);
  }

  pollSync(): never {
    return this.#refuse("poll without waiting");
  }

  whenPut(run: () => void): void {
    if (this.#putting.size === 0) run();
    else this.#whenPut.push(run);
  }

  close(reason: Error, released: () => void): void {
    for (const cancel of [...this.#gets]) cancel(reason);
    this.whenPut(released);
  }

  letGo(): void {
    this.#isLossy = true;
    // Nobody has to have awaited them.
    for (const promise of this.#putting) promise.catch(() => {});
    const reason = new ProcessError("The item was dropped: cancelJoinThread() was called");
    for (const cancel of [...this.#puts]) cancel(reason);
  }

  shutdown(immediate: boolean): void {
    this.#command("shutdown", Number(immediate));
  }

  /** An error of it, which cannot come at once, is one that nobody handles. */
  taskDone(): void {
    this.#command("done", 0);
  }

  joinAll(options: WaitOptions | undefined): Promise<void> {
    return this.#ask("join", 0, options, this.#gets, () => notDone(options?.timeout), () => {});
  }

  joinAllSync(): never {
    return this.#refuse("join without waiting");
  }

  #ask<T>(
    op: Question["op"],
    count: number,
    options: WaitOptions | undefined,
    scope: WaitScope,
    onTimeout: () => T,
    read: (answer: Answer, frame: Frame) => T,
    cargo?: () => { payload: Payload; handles: (readonly number[])[] },
    parts?: Question["parts"],
  ): Promise<T> {
    const about = this.#holding(), isLossy = op === "put" && this.#isLossy, isGet = scope === this.#gets;
    return this.#uplink.ask({ op, object: about.object, count, parts }, { about, options, scope, isLossy, isGet, onTimeout, read, cargo });
  }

  #command(op: Question["op"], count: number): void {
    void this.#ask<void>(op, count, undefined, PATIENT, () => {}, () => {});
  }

  #refuse(action: string): never {
    throw notAtOnce(action, this.method, this.missing);
  }
}
