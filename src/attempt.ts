/**
 * What waiting takes: an attempt that is made again and again, a deadline, a way to give up.
 *
 * @module
 */
import { check, checkArgument, type Checks, FUNCTION, NUMBER, SIGNAL } from "./options.ts";

/** What an attempt returns while there is nothing to be had. */
export const PENDING: unique symbol = Symbol("pending");

/** What is waited for. */
export interface Attempt<T> {
  /**
   * Takes what is waited for, if it is there; throws when it never will be. `lookHard`: called after a death, or because of the half second: look at the pulse of others too.
   */
  attempt(lookHard: boolean): T | typeof PENDING;
  /** Whether, after this attempt took something, there is more that another could take. */
  more(): boolean;
  /** Whether a task that waits behind this one may be done before it. By default those of one participant are served in order. */
  readonly isOutOfOrder?: boolean;
  /** How long to spin for it, in milliseconds. By default as long as most things take that come at once. */
  readonly spinMs?: number;
  /** Whether the next ring is for whoever waits for it last: while that one spins nobody needs to be woken, and later it is still warm. Those that sleep wait the longer. */
  readonly goesFirst?: boolean;
  /** Whether it is always there: not worth spinning for, and no reason for others not to spin. */
  readonly isBackground?: boolean;
}

/** A deadline and a way to give up. */
export interface WaitOptions {
  /** How long to wait, in milliseconds; 0 or less: do not. Without it: as long as it takes. */
  timeout?: number;
  /** Aborting it rejects the wait with its reason; nothing was taken then. */
  signal?: AbortSignal;
}

/** Waits that can be ended together: a call of each of these ends one, with that reason. */
export type WaitScope = Set<(reason: unknown) => void>;

const BLOCKING: Checks = { timeout: [NUMBER[0], "a number of milliseconds"] };
/** What {@linkcode WaitOptions} must be. */
export const WAIT: Checks = { ...BLOCKING, signal: SIGNAL };

/** Checks the options of a wait where it is asked for: one of a kind that nobody expects would else wait for ever, in silence. @throws {TypeError} They are wrong. */
export function checkWait(options: WaitOptions | undefined): void {
  if (options !== undefined) check(options, WAIT, "wait");
}

/** Checks what is asked whether to wait on. @throws {TypeError} It is no function. */
export function checkPredicate(predicate: unknown): void {
  checkArgument("predicate", predicate, FUNCTION, "wait");
}

/** What a predicate gave. @throws {TypeError} A promise, which would be taken for true whatever becomes of it. */
export function answerOf<T>(answer: T): T {
  if (typeof (answer as Partial<PromiseLike<unknown>> | null | undefined)?.then !== "function") return answer;
  throw new TypeError("Cannot wait: the predicate must answer at once, it gives a promise");
}

/** {@linkcode checkWait}, where there is no signal. @throws {TypeError} They are wrong. */
export function checkTimeout(options: { timeout?: number } | undefined): void {
  if (options !== undefined) check(options, BLOCKING, "wait");
}
