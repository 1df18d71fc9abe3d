/**
 * Where everything lies in an arena. Words are 32 bits; a *unit* is 64 bytes, so that the offset of any object fits in one word as units.
 *
 * ```text
 * byte 0        4 KiB                68 KiB      128 KiB                                             end
 *   ├─ header ──┼─ 1024 slots of 64 B ─┼─ (unused) ─┼─ buddy heap: blocks of 2^n bytes, aligned to their size ─┤
 * ```
 *
 * A block is a header of one unit and its payload. A shared object is a block whose payload begins with its holders.
 *
 * @module
 */

/** Bytes in a unit. */
export const UNIT = 64;
/** What the system gives memory out in. */
export const PAGE = 4096;
/**
 * Views are made of 32 MiB at a time: one view of everything would make V8 collect garbage as if all of it were used. Blocks are aligned to their size, so none but the larger
 * ones straddles two.
 */
export const WINDOW_BYTES: number = 2 ** 25;

// Header of the arena, in words.
export const MAGIC_WORD = 0;
export const VERSION_WORD = 1;
/** Counts deaths: whoever sees it change looks at everything that it waits for again. */
export const EPOCH = 3;
/** Random, so that a handle of one arena is not taken for that of another. */
export const ARENA_ID = 4;
/** One more than the highest slot that was ever taken. */
export const SLOTS_USED = 5;
/** The heap's monitor. */
export const HEAP_LOCK = 16;
export const NEXT_SERIAL = 64;
/** Bytes of free blocks that were written to since they were last given back, in units. */
export const DIRTY_UNITS = 65;
/** Where the last block ends that was ever given out: beyond, all bytes but block headers are zeros. In units. */
export const TOUCHED_UNITS = 66;
/** Changes whenever a block is freed while more of them is dirty than may stay so. */
export const SURPLUS_TURN = 67;
/** Heads of the free lists by order, in units; 0 is none. */
export const FREE_HEADS = 80;

export const MAGIC = 0x706f6c79;
export const VERSION = 2;

// Slots, one a participant.
export const SLOT_COUNT = 1024;
export const SLOTS_OFFSET = 4096;
export const SLOT_BYTES = 64;
/** Generation and slot of the participant: its owner word in locks. 0: the slot is free. */
export const SLOT_IDENT = 0;
export const SLOT_PHASE = 1;
/** Changes at each ring; what its participant sleeps on. */
export const SLOT_BELL = 2;
/** What of the participant is asleep: {@linkcode ASLEEP_THREAD}, {@linkcode ASLEEP_LOOP}. */
export const SLOT_ASLEEP = 3;
export const SLOT_PID = 4;
export const SLOT_TID = 5;
/** Ident of the participant that started this one. */
export const SLOT_PARENT = 6;
/** Two words that `Memory.rouse` needs. */
export const SLOT_DOOR = 7;
export const SLOT_GENERATION = 10;
/** Threads: the generation, and below it the `GATE_` bits. In one word, so that a thread that runs on after its end was told changes nothing for the next one there. */
export const SLOT_GATE = 11;

/** It is using the memory now. */
export const GATE_INSIDE = 1;
/** It was terminated, and may not begin to any more. */
export const GATE_STOP = 2;
/** The module of its target is being imported. */
export const GATE_LOADING = 4;
export const GATE_BITS = 3;

export const PHASE_FREE = 0;
/** A parent made it for a child that it is about to start. */
export const PHASE_RESERVED = 1;
export const PHASE_ATTACHED = 2;
/** Its participant is gone and what it held is being given back. */
export const PHASE_DEAD = 3;

export const ASLEEP_THREAD = 1;
export const ASLEEP_LOOP = 2;

/** An ident is slot + generation; generations begin at 1, so an ident is never 0, nor negative. */
export const IDENT_SLOT_BITS = 10;
export const IDENT_SLOT_MASK: number = SLOT_COUNT - 1;
export const GENERATION_LIMIT: number = 1 << 20;

/** Who waits for a word to change: a summary of 32 groups, their masks of 32 slots each, and a cursor for fairness. */
export const WAITSET_SUMMARY = 0;
export const WAITSET_MASKS = 1;
export const WAITSET_CURSOR = 33;
export const WAITSET_WORDS = 34;

/** A monitor: the word that names its owner, then those who wait for it. */
export const MONITOR_OWNER = 0;
export const MONITOR_WAITERS = 1;
export const MONITOR_WORDS = 36;

// The heap.
export const HEAP_OFFSET: number = 1 << 17;
export const HEAP_ORDER = 17;
export const MIN_ORDER = 7;
export const MAX_ORDER = 40;

// Header of a block, in words.
/** `order << 1 | used`: the only truth about a block; lists are derived from it. */
export const BLOCK_TAG = 0;
/** Used: number of this allocation, so that freeing twice does nothing. Free: next in the list, in units. */
export const BLOCK_SERIAL = 1;
export const BLOCK_NEXT = 1;
/** Used: ident of the participant with which it dies, or 0. Free: previous in the list, in units. */
export const BLOCK_OWNER = 2;
export const BLOCK_PREVIOUS = 2;
/** Used: what it is. Free: how many units of it were written to since they were given back. */
export const BLOCK_KIND = 3;
export const BLOCK_DIRTY = 3;

/** What a block holds. */
export const KIND_RAW = 0;
export const KIND_RING = 1;
export const KIND_PIPE = 2;
/** A ring that belongs to a pipe, and has no holders of its own. */
export const KIND_DIRECTION = 3;
export const KIND_LOCK = 4;
export const KIND_SEMAPHORE = 5;
export const KIND_BOUNDED = 6;
export const KIND_CONDITION = 7;
export const KIND_EVENT = 8;
export const KIND_BARRIER = 9;
/** A value or an array: a lock, those who wait for a change, the data. */
export const KIND_VALUE = 10;
/** Words of any meaning, which need no repair. */
export const KIND_PLAIN = 11;

// The holders of a shared object: a bit a slot, then the messages in which it travels.
export const HOLDERS = 0;
export const TICKETS = 32;
export const TICKET_COUNT = 8;
/** Ring (units), its serial, sequence number: live while that record is unread. */
export const TICKET_WORDS = 4;
export const HOLDING_WORDS = 64;

// A ring: who holds it, two sides, each on cache lines of its own, and those who wait.
export const RING_PUT = 64;
export const RING_GET = 160;
export const RING_NOT_EMPTY = 256;
export const RING_NOT_FULL = 292;
export const RING_MAXSIZE = 328;
export const RING_CAPACITY = 329;
export const RING_FLAGS = 330;
/** JoinableQueue: how many items are done, and how many were lost with their consumers. */
export const RING_DONE = 331;
export const RING_ABANDONED = 332;
export const RING_ALL_DONE = 336;
export const RING_WORDS = 372;
/** JoinableQueue: for each slot, how many items it took and has not said to be done. */
export const RING_TAKEN: number = RING_WORDS;

export const FLAG_SHUTDOWN = 1;
export const FLAG_JOINABLE = 2;

// One side of a ring, in words from its start: a monitor, the committed sequence number, and two states of which the number's lowest bit chooses one.
export const SIDE_MONITOR = 0;
export const SIDE_SEQUENCE = 40;
export const SIDE_STATES = 48;
export const STATE_WORDS = 16;
export const STATE_SEGMENT = 0;
export const STATE_OFFSET = 1;
/** Bytes that went through this side so far, modulo 2^32. */
export const STATE_BYTES = 2;
/** The sequence number that this state belongs to, written last. */
export const STATE_SEQUENCE = 3;
/** A block that is this side's to give back if its owner dies here: units and serial. Put: not yet committed. Get: no longer needed. */
export const STATE_BLOCK = 4;
export const STATE_BLOCK_SERIAL = 5;
/** The same for a segment. */
export const STATE_SPARE = 6;
export const STATE_SPARE_SERIAL = 7;
/** Get, joinable: the ident of whom the record is to be counted for, until it was; and how many that one has then. */
export const STATE_TAKER = 8;
export const STATE_TAKEN = 9;

// A segment of a ring, in words of its payload; records follow at byte SEGMENT_DATA.
export const SEGMENT_NEXT = 0;
export const SEGMENT_END = 2;
export const SEGMENT_DATA = 64;

// A record: a word of length and flags, a word for the number of handles, the handles, the bytes; a multiple of 8 long.
export const RECORD_HEADER = 8;
/** The bytes are in a block of its own: the record holds its units, serial and length (low, high). */
export const RECORD_BLOCK = 0x40000000;
export const RECORD_LENGTH = 0x3fffffff;
/** In place of a record's length: the next record is at the start of the next segment. */
export const RECORD_SKIP = -1;

// A pipe, in words: two holdings, one an end, then its rings. Direction d goes from end d to the other; a simplex pipe has only direction 1.
export const PIPE_DIRECTIONS = 128;
export const PIPE_WORDS = 132;

// What is one holding and some words. Each begins with who holds it, so its own words begin at 64.

// A lock, in words; see `lock.ts` for the owner's.
export const LOCK_OWNER = 64;
/** Changes each time that somebody takes it. */
export const LOCK_TURN = 65;
/** RLock: how often its owner has taken it. */
export const LOCK_DEPTH = 66;
export const LOCK_WAITERS = 68;
export const LOCK_WORDS = 104;

// A semaphore, in words.
export const SEMAPHORE_VALUE = 64;
/** Changes each time that somebody takes a permit. */
export const SEMAPHORE_TURN = 65;
export const SEMAPHORE_WAITERS = 68;
export const SEMAPHORE_WORDS = 104;
/** Bounded: how many permits there are in all; the monitor; how many each slot has. */
export const BOUNDED_LIMIT = 104;
export const BOUNDED_MONITOR = 106;
export const BOUNDED_TAKEN = 144;
export const BOUNDED_WORDS: number = BOUNDED_TAKEN + SLOT_COUNT;

// An event, in words: twice the number of times that it was set, less 1 while it is.
export const EVENT_STATE = 64;
export const EVENT_WAITERS = 66;
export const EVENT_WORDS = 100;

// A condition, in words: its monitor, those who wait, and for each slot how many wait, how many of them were notified, and since when the first of the others waits.
export const CONDITION_CLOCK = 64;
export const CONDITION_MONITOR = 66;
export const CONDITION_WAITERS = 104;
export const CONDITION_WAITING = 140;
export const CONDITION_NOTIFIED: number = CONDITION_WAITING + SLOT_COUNT;
export const CONDITION_SINCE: number = CONDITION_NOTIFIED + SLOT_COUNT;
export const CONDITION_WORDS: number = CONDITION_SINCE + SLOT_COUNT;

// A barrier, in words; see `barrier.ts`.
export const BARRIER_PARTIES = 64;
export const BARRIER_STATE = 65;
/** Counts the times that it was passed or reset. */
export const BARRIER_ROUND = 66;
/** Which round the parties below wait in. */
export const BARRIER_COUNTED = 67;
export const BARRIER_ARRIVED = 68;
export const BARRIER_MONITOR = 70;
export const BARRIER_WAITERS = 108;
/** For each slot: how many of its tasks wait in this round, and the mark of the last round that ended badly for them. */
export const BARRIER_WAITING = 144;
export const BARRIER_BROKEN: number = BARRIER_WAITING + SLOT_COUNT;
export const BARRIER_WORDS: number = BARRIER_BROKEN + SLOT_COUNT;

// A value or an array, in words: a lock, those who wait for a change, and the data from byte VALUE_DATA on.
export const VALUE_WATCHERS = 104;
export const VALUE_DATA = 576;
