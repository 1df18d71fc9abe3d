/**
 * A plain piece of shared memory, for the library's own use.
 *
 * @module
 */
import { HANDLE, type Handle, registerHandle } from "./codec.ts";
import type { SharedObject } from "./holding.ts";
import type { Home } from "./home.ts";
import { HOLDING_WORDS, KIND_PLAIN } from "./layout.ts";
import { registerKind } from "./participant.ts";
import { Place } from "./place.ts";

/** Codec number. */
const BLOCK = 16;

/** Words and bytes that all who have the object see. They begin with who that is: {@linkcode HOLDING_WORDS}. */
export class SharedBlock implements SharedObject {
  readonly place: Place;

  private constructor(place: Place) {
    this.place = place;
  }

  /** Makes one of zeros. @param words How many, those for its holders included; less than a window's. */
  static make(home: Home, what: string, words: number): SharedBlock {
    return new SharedBlock(
      Place.make(home, { what, kind: KIND_PLAIN, byteLength: words * 4, words: HOLDING_WORDS }, ({ me, block }) => {
        const from = block.offset + HOLDING_WORDS * 4;
        if (block.isFresh !== true) me.arena.clear(from, words * 4 - HOLDING_WORDS * 4);
      }),
    );
  }

  /** Sees one that came in a message. */
  static receive(words: readonly number[], context: unknown): SharedBlock {
    return new SharedBlock(Place.receive(words, context, "a block of the pool"));
  }

  /** The window that it is in, as bytes, and where in it. */
  get bytes(): { readonly bytes: Uint8Array; readonly byteAt: number } {
    const { me: { arena }, block: { offset } } = this.place;
    return { bytes: arena.window(offset).bytes, byteAt: arena.byteIndex(offset) };
  }

  /** What travels of it. @internal */
  [HANDLE](): Handle {
    return { kind: BLOCK, words: this.place.handle() };
  }

  close(): void {
    this.place.close();
  }
}

registerHandle(BLOCK, (words, context) => SharedBlock.receive(words, context));
registerKind(KIND_PLAIN, {});
