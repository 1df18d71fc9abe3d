/**
 * What a pool's owner and a worker of it say to each other, where no memory is shared: frames on the control channel between the two, which nobody passes on.
 *
 * ```text
 * mark kind what flags | which │ status │ µs │ KiB │ next │ payload …
 * ```
 *
 * All but the payload are words of 32 bits, little endian; each kind of words uses some of them. Which task is meant is told by a number that it has each time when it is sent: one that was given back and is sent again is another.
 *
 * @module
 */
import { setWord, wordAt } from "./pool_record.ts";
import { MARK, type Payload, roomFor, WORDS } from "./tree_frame.ts";

/** What the owner says: what a function is (by its own number), tasks, that one is given up, that all which are not begun are to be given back, that one may begin, that no more tasks come. */
export const LEARN = 1, TASKS = 2, CANCEL = 3, RECALL = 4, GO = 5, RETIRE = 6;
/** What a worker says: that it can begin, that it cannot, that it begins a task, what that says of itself, what became of it, that it gave it back. */
export const READY = 11, UNFIT = 12, BEGUN = 13, PROGRESS = 14, RESULT = 15, RETURNED = 16;

/** It imports what the task needs first, and says once more that it begins. */
export const IMPORTING = 1;
/** It waits for GO: what a thread said last is lost with it. */
export const AWAITED = 2;
/** It takes no more tasks. */
export const LAST = 4;
/** The value has shared objects in it, and is the next that comes through the pipe. */
export const APART = 8;
/** It can be given tasks ahead: when it has said that it begins one, it has heard all that was said before. */
export const ATTENTIVE = 16;

/** Words as they were read. */
export interface Words {
  readonly what: number;
  readonly flags: number;
  readonly which: number;
  readonly status: number;
  readonly micros: number;
  /** Memory that the worker uses. */
  readonly kib: number;
  /** The task that it begins now; 0: none. */
  readonly next: number;
}

/** Where the payload begins. */
export const PAYLOAD_AT = 24;

/** Writes some. @param numbers In their order; what is left out is 0. @throws {RangeError} The payload is too large. */
export function writeWords(what: number, flags: number, numbers: readonly number[] = [], payload?: Payload): Uint8Array {
  const bytes = roomFor(PAYLOAD_AT + (payload?.byteLength ?? 0), payload);
  bytes[0] = MARK;
  bytes[1] = WORDS;
  bytes[2] = what;
  bytes[3] = flags;
  for (let i = 0; i < numbers.length; i++) setWord(bytes, 4 + i * 4, numbers[i]);
  payload?.writeTo(bytes, PAYLOAD_AT);
  return bytes;
}

/** Reads some. */
export function readWords(bytes: Uint8Array): Words {
  return {
    what: bytes[2],
    flags: bytes[3],
    which: wordAt(bytes, 4),
    status: wordAt(bytes, 8),
    micros: wordAt(bytes, 12),
    kib: wordAt(bytes, 16),
    next: wordAt(bytes, 20),
  };
}
