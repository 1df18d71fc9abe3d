/**
 * Results of one worker on their way to the pool's owner: bytes in a circle that one writes and one reads.
 *
 * ```text
 *          read ▼            written ▼
 *   │ … free …  │ result │ result │  … free …  │ gap to the end │
 * ```
 *
 * Each result is there from the store of `written` on, so the death of its worker loses none that was ready. The reader is rung if it sleeps; that costs a look at a word if it does not.
 *
 * @module
 */
import type { Message } from "./codec.ts";
import type { Home } from "./home.ts";
import { HOLDING_WORDS, WAITSET_WORDS } from "./layout.ts";
import { PENDING } from "./attempt.ts";
import type { WaitSet } from "./wait_set.ts";
import { setWord, wordAt } from "./pool_record.ts";
import { SharedBlock } from "./shared_block.ts";

const WRITTEN = HOLDING_WORDS, READ = HOLDING_WORDS + 16, NOT_FULL = HOLDING_WORDS + 32;
const DATA = (NOT_FULL + WAITSET_WORDS + 15 & -16) * 4;
const SIZE = 2 ** 17, MASK = SIZE - 1;
/** Entry, generation, status, µs, length; a multiple of 8. */
const HEADER = 24;
/** In place of an entry: the next result is at the start. */
const GAP = -1;
/** Larger results go another way. */
export const LARGEST_STREAMED: number = SIZE / 8;

/** What is done with a result: where its value is, and how many bytes it has. */
export type OnResult = (
  entry: number,
  generation: number,
  status: number,
  micros: number,
  bytes: Uint8Array,
  at: number,
  byteLength: number,
) => void;

/** A stream, as its writer and its reader see it. */
export class Stream {
  readonly block: SharedBlock;
  readonly #words: Int32Array;
  readonly #at: number;
  readonly #bytes: Uint8Array;
  readonly #data: number;
  readonly #notFull: WaitSet;

  constructor(block: SharedBlock) {
    this.block = block;
    this.#words = block.place.words;
    this.#at = block.place.at;
    const { bytes, byteAt } = block.bytes;
    this.#bytes = bytes;
    this.#data = byteAt + DATA;
    this.#notFull = block.place.waitSet(NOT_FULL);
  }

  static make(home: Home): Stream {
    return new Stream(SharedBlock.make(home, "a stream of the pool", (DATA + SIZE) / 4));
  }

  /** Writes a result. False if there is no room for it now. */
  write(entry: number, generation: number, status: number, micros: number, value: Message): boolean {
    const words = this.#words, bytes = this.#bytes;
    const { byteLength } = value;
    const length = HEADER + byteLength + 7 & -8;
    let written = words[this.#at + WRITTEN];
    const toEnd = SIZE - (written & MASK), needed = toEnd < length ? toEnd + length : length;
    if ((written - Atomics.load(words, this.#at + READ) | 0) + needed > SIZE) return false;
    if (toEnd < length) {
      setWord(bytes, this.#data + (written & MASK), GAP);
      written += toEnd;
    }
    const at = this.#data + (written & MASK);
    setWord(bytes, at, entry);
    setWord(bytes, at + 4, generation);
    setWord(bytes, at + 8, status);
    setWord(bytes, at + 12, micros);
    setWord(bytes, at + 16, byteLength);
    value.writeTo(bytes, at + HEADER);
    Atomics.store(words, this.#at + WRITTEN, written + length | 0);
    return true;
  }

  /** Waits until a result can be written. @param write Writes it, if there is room. Each attempt is one to write: the reader may have read all before this began to wait, and then reads no more. */
  async whenRoom(write: () => boolean): Promise<void> {
    const what = { attempt: () => write() || PENDING, more: () => false };
    const { me, scope } = this.block.place;
    await me.parker.tasks.sleep<boolean>(this.#notFull, what, undefined, () => false, scope);
  }

  /** How far it is written. */
  get end(): number {
    return Atomics.load(this.#words, this.#at + WRITTEN);
  }

  /** Reads what there is. @param written How far that goes. */
  read(written: number, onResult: OnResult): void {
    const words = this.#words, bytes = this.#bytes;
    let read = words[this.#at + READ];
    if (read === written) return;
    while (read !== written) {
      const at = this.#data + (read & MASK);
      const entry = wordAt(bytes, at);
      if (entry === GAP) {
        read = read + SIZE - (read & MASK) | 0;
        continue;
      }
      const byteLength = wordAt(bytes, at + 16);
      onResult(entry, wordAt(bytes, at + 4), wordAt(bytes, at + 8), wordAt(bytes, at + 12), bytes, at + HEADER, byteLength);
      read = read + (HEADER + byteLength + 7 & -8) | 0;
    }
    Atomics.store(words, this.#at + READ, read);
    this.block.place.me.parker.wakeAll(words, this.#notFull.at);
  }

  close(): void {
    this.block.close();
  }
}
