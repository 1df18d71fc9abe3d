/**
 * Where shared objects of a start method live, and what queues and pipes need of their rings. Behind it is shared memory, or, where there is none, the root process at the other end of the control channel.
 *
 * @module
 */
import type { StartMethod } from "./adapter.ts";
import type { Message } from "./codec.ts";
import { ProcessError, UnsupportedError } from "./errors.ts";
import type { Block } from "./heap.ts";
import { UNIT } from "./layout.ts";
import { shown } from "./options.ts";
import type { WaitOptions } from "./attempt.ts";
import type { Participant } from "./participant.ts";
import type { RingOptions } from "./ring.ts";

/** Throws if nothing may be put, or nothing will come any more. Called inside monitors, often: keep it quick. */
export interface Rules {
  /** Before each put. */
  refusePut(flags: number): void;
  /** When there is nothing to get. */
  refuseGet(flags: number, lookHard: boolean): void;
}

/** A ring's messages, as one participant uses them. What fails at once throws, also where there is a promise for the rest. */
export interface MessagesLike {
  readonly size: number;
  readonly isFull: boolean;
  readonly maxsize: number;
  /** Whether this thread may block for them. */
  readonly mayBlock: boolean;
  readonly method: StartMethod;
  /** Where the memory is not shared with those that the messages are for: what is missing. */
  readonly missing: string | null;
  /** Puts a value, which is encoded at once. `name` is what errors call it. */
  put(value: unknown, name: string, options: WaitOptions | undefined, onFull: () => never): Promise<void>;
  /** Puts what is encoded already, and stays as it is. */
  send(message: Message, options: WaitOptions | undefined, onFull: () => never): Promise<void>;
  /** Puts several values, in order. None is put if one of them cannot travel. */
  putMany(values: readonly unknown[], name: string, options: WaitOptions | undefined, onFull: () => never): Promise<void>;
  putSync(value: unknown, name: string, timeout: number | undefined, onFull: () => never): void;
  get(options: WaitOptions | undefined, onEmpty: () => never): Promise<unknown>;
  getSync(timeout: number | undefined, onEmpty: () => never): unknown;
  /** Waits for one, and gets as many more as are there, up to `max` together. */
  getMany(max: number, options: WaitOptions | undefined, onEmpty: () => never): Promise<unknown[]>;
  /** Whether there is something to get, or never will be; waits for that. */
  poll(options: WaitOptions | undefined): Promise<boolean>;
  pollSync(timeout: number | undefined): boolean;
  /** Runs `run` once no put of this process waits for room any more. */
  whenPut(run: () => void): void;
  /** Closes this end: what waits to receive is rejected with `reason`; `released` is called when nothing here uses the ring any more. */
  close(reason: Error, released: () => void): void;
  /** Gives up the puts that wait for room. */
  letGo(): void;
  shutdown(immediate: boolean): void;
  taskDone(): void;
  joinAll(options: WaitOptions | undefined): Promise<void>;
  joinAllSync(timeout: number | undefined): void;
}

/** This program's part in a shared object. */
export interface HoldingLike {
  /** What travels of it. */
  words(): readonly number[];
  close(): void;
}

/** A ring to build a queue on. */
export interface RingBacking {
  readonly messages: MessagesLike;
  readonly holding: HoldingLike;
}

/** A pipe's end to build a connection on. */
export interface EndBacking {
  readonly sending: MessagesLike | null;
  readonly receiving: MessagesLike | null;
  /** Takes part anew after the end was passed on. */
  hold(): HoldingLike;
}

/** Closes both directions of an end, which may be one: what waits to receive is rejected with `reason`, what waits for room is sent still. `released` is called when nothing here uses them any more. */
export function closeBoth({ sending, receiving }: Pick<EndBacking, "sending" | "receiving">, reason: Error, released: () => void): void {
  const closeSending = () => (sending === null ? released() : sending.close(reason, released));
  if (receiving === null) closeSending();
  else receiving.close(reason, closeSending);
}

/** A start method's shared objects. */
export interface Home {
  readonly method: StartMethod;
  /** What tells its memory from any other: the first word of all handles in it. */
  readonly id: number;
  /** Where its memory is not shared with those that the objects are for: what is missing. */
  readonly missing: string | null;
  /** This thread's part in the memory; null where that is elsewhere. */
  readonly me: Participant | null;
  /** Resolves once nothing that this thread put, or told those above, waits any more. */
  settled(): Promise<void>;
  makeRing(options: RingOptions, rules: Rules): RingBacking;
  makePipe(options: { duplex: boolean; capacity: number }): [EndBacking, EndBacking];
  /** For what came in a message. @throws {Error} It is gone. */
  reviveRing(words: readonly number[], rules: Rules): RingBacking;
  reviveEnd(words: readonly number[]): EndBacking;
}

/** Sends through a connection what is encoded already, for the library's own use. */
export const SEND_ENCODED: unique symbol = Symbol("send encoded");

/** What a queue is built on, for the library's own use. */
export const BACKING: unique symbol = Symbol("backing");

const HOMES = new Map<number, Home>();
const LATER = new Map<number, () => Home>();

/** Makes a home known, so that handles in it can be revived. */
export function registerHome(home: Home): void {
  HOMES.set(home.id, home);
}

/** Makes a home known that is opened only when the first handle in it comes. */
export function registerHomeLater(id: number, open: () => Home): void {
  LATER.set(id, open);
}

/**
 * The home of a handle that came in a message.
 *
 * @param context The home of the ring that it came through, which comes first: inline tasks share one memory.
 * @throws {Error} That memory is not shared with this process or thread.
 */
export function homeOf(words: readonly number[], context: unknown, what: string): Home {
  const home = (context as Home | undefined)?.id === words[0] ? (context as Home) : HOMES.get(words[0]) ?? LATER.get(words[0])?.();
  if (home === undefined) {
    throw new Error(
      `Cannot receive ${what}: it lives in memory that this process or thread does not share; make it with getContext() of its receiver`,
    );
  }
  return home;
}

let findDefault: () => Home = () => {
  throw new Error("unreachable: the library was not started");
};

/** The home of the default context. */
export function defaultHome(): Home {
  return findDefault();
}

/** Says how to find the default home. */
export function setDefaultHome(find: () => Home): void {
  findDefault = find;
}

/** An object that its maker named, because it is made elsewhere: its handle is arena, 0, the maker's number for it, index, trait, and the maker's path. */
export function isName(words: readonly number[]): boolean {
  return words[1] === 0;
}

/** That name as a key. */
export function nameOf(words: readonly number[]): string {
  return `${words[2]}@${words.slice(5).join(".")}`;
}

/** What to do where memory is not shared, beside what the reason for that says. */
function waysOut(method: StartMethod): string {
  return method === "thread"
    ? ""
    : '; start method "thread"; or foreign functions, which are --allow-ffi on Deno, the package koffi or Node 26.1 and later';
}

const KIN = { process: "processes", thread: "threads", inline: "inline tasks" } as const;

/** What is thrown where an answer is needed at once and memory is not shared. */
export function notAtOnce(action: string, method: StartMethod, missing: string): UnsupportedError {
  return new UnsupportedError(
    `Cannot ${action} here: that needs an answer at once, from memory shared with ${
      KIN[method]
    }, and there is none: ${missing}. Ways out: the asynchronous form, which never blocks${waysOut(method)}`,
  );
}

/** Throws unless what a constructor got behind its arguments is the library's own. @throws {TypeError} It is the user's, who means something by it. */
export function checkHome(home: unknown, action: string, wayOut = "leave it out"): void {
  if (typeof (home as Home | null)?.makeRing === "function") return;
  throw new TypeError(`Cannot ${action}: ${shown(home)} is one argument too many; ${wayOut}`);
}

/**
 * This thread's part in the memory of a home, for objects that live in it and nowhere else.
 *
 * @param what What it is for, in messages: `"a Lock"`.
 * @throws {UnsupportedError} The memory is not shared with those that the object is for.
 */
export function partIn(home: Home, what: string): Participant {
  if (home.me !== null && home.missing === null) return home.me;
  throw new UnsupportedError(
    `Cannot have ${what} here: it lives in memory shared with ${
      KIN[home.method]
    }, and there is none: ${home.missing}. Ways out: a queue or a pipe, which work without${waysOut(home.method)}`,
  );
}

/** Throws unless a participant may block its thread. */
export function checkMayBlock({ parker }: Participant, action: string): void {
  if (!parker.mayBlock) throw mayNotBlock(action);
}

function mayNotBlock(action: string): UnsupportedError {
  return new UnsupportedError(`Cannot block in ${action}(): this thread may not block; use the asynchronous form`);
}

/** Finds what a handle stands for, in memory that this thread shares, and makes it a holder. @throws {ProcessError} It is gone. */
export function receive(words: readonly number[], context: unknown, what: string): { home: Home; block: Block } {
  const home = homeOf(words, context, what), me = partIn(home, what);
  const block = { offset: words[1] * UNIT, serial: words[2] };
  // Whoever received it holds it already, unless it came through another memory.
  if (!me.hold(block, words[3])) throw new ProcessError(`Cannot receive ${what}: nobody held it any more, so it is gone`);
  return { home, block };
}

/** Throws unless the thread may block. */
export function mayBlock(messages: MessagesLike, action: string): void {
  if (messages.mayBlock) return;
  throw messages.missing === null ? mayNotBlock(action) : notAtOnce(`call ${action}()`, messages.method, messages.missing);
}
