/**
 * Where a shared object lies that is a single block: a lock, a value, an array. And what becomes of it when nobody has it any more.
 *
 * @module
 */
import { ProcessError } from "./errors.ts";
import type { Block } from "./heap.ts";
import { Holding } from "./holding.ts";
import { checkHome, type Home, partIn, receive } from "./home.ts";
import * as L from "./layout.ts";
import type { WaitScope } from "./attempt.ts";
import type { WaitSet } from "./wait_set.ts";
import type { Participant } from "./participant.ts";

/** What to make. */
export interface Plan {
  /** What messages call it: `"the lock"`. */
  readonly what: string;
  /** Its kind in the arena. */
  readonly kind: number;
  /** How many words at its start are zeros; the rest is of any content. */
  readonly words: number;
  /** Of all of it; by default that of these words. */
  readonly byteLength?: number;
}

/** An object's block, as one participant sees it. */
export class Place {
  readonly home: Home;
  readonly me: Participant;
  readonly block: Block;
  /** The window that it begins in, and the index of its first word there. */
  readonly words: Int32Array;
  readonly at: number;
  readonly what: string;
  readonly #holding: Holding;
  /** What here waits for it. */
  readonly scope: WaitScope = new Set();
  /** Takes out of it, before it is let go of, what those who wait here have written into it. */
  readonly undoing: Set<() => void> = new Set();
  isClosed = false;

  private constructor(home: Home, block: Block, what: string) {
    this.home = home;
    const me = this.me = partIn(home, what);
    this.block = block;
    this.words = me.arena.window(block.offset).words;
    this.at = me.arena.wordIndex(block.offset);
    this.what = what;
    this.#holding = new Holding(me, block, 0);
  }

  /**
   * Makes a new one.
   *
   * @param initialise Fills what is not to be zero. It is nobody's but this participant's until that is done, and dies with it.
   * @throws {UnsupportedError} There is no memory to make it in.
   * @throws {RangeError} There is no room.
   * @throws {TypeError} It is no home.
   */
  static make(
    home: Home,
    { what, kind, words: count, byteLength = count * 4 }: Plan,
    initialise: (place: Place) => void = () => {},
  ): Place {
    checkHome(home, `make ${what}`);
    const me = partIn(home, what);
    const block = me.heap.allocate(byteLength, L.KIND_RAW, me.ident);
    const place = new Place(home, block, what);
    const { words, at } = place;
    try {
      words.fill(0, at, at + count);
      initialise(place);
    } catch (error) {
      place.close();
      me.heap.free(block);
      throw error;
    }
    me.heap.exclusively(() => {
      me.holdInside(block.offset);
      // From here on it is repaired, and goes when nobody holds it.
      Atomics.store(words, at - L.UNIT / 4 + L.BLOCK_KIND, kind);
      me.heap.own(block, 0);
    });
    return place;
  }

  /** Sees one that came in a message. @throws {ProcessError} It is gone. */
  static receive(handle: readonly number[], context: unknown, what: string): Place {
    const { home, block } = receive(handle, context, what);
    return new Place(home, block, what);
  }

  /** The same once more, to be let go of by itself. */
  again(): Place {
    return new Place(this.home, this.block, this.what);
  }

  /** The words that travel. */
  handle(): readonly number[] {
    this.check("send");
    return this.#holding.words();
  }

  /** A wait set in it. @param word Index of its first word in the object. */
  waitSet(word: number): WaitSet {
    return { words: this.words, at: this.at + word, key: this.block.offset + word * 4 };
  }

  /** Throws unless it may be used. @param action What for, in the message: `"acquire"`. */
  check(action: string): void {
    if (this.isClosed) throw new ProcessError(`Cannot ${action} ${this.what}: it was disposed of here`);
    if (this.me.isGone) throw new ProcessError(`Cannot ${action} ${this.what}: this process has ended`);
  }

  /** What a console says of its object. */
  looks(details: () => string): string {
    return this.isClosed ? "disposed" : this.me.isGone ? "gone" : details();
  }

  /** Does something to it even if it was let go of here; nothing if it is gone. */
  evenIfClosed(run: () => void): void {
    if (this.me.isGone) return;
    if (!this.isClosed) return run();
    if (!this.me.hold(this.block, 0)) return;
    const holding = new Holding(this.me, this.block, 0);
    try {
      run();
    } finally {
      holding.close();
    }
  }

  /** Lets go of it here; what waits is rejected. The memory goes with the last who has it. */
  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    for (const undo of [...this.undoing]) undo();
    const reason = new ProcessError(`Cannot wait for ${this.what} any longer: it was disposed of here meanwhile`);
    for (const cancel of [...this.scope]) cancel(reason);
    this.#holding.close();
  }
}
