/**
 * Asking those above for what is not in this process's memory.
 *
 * @module
 */
import { limit } from "./clock.ts";
import { ProcessError } from "./errors.ts";
import type { Answer, Request, Wait } from "./hub.ts";
import type { WaitOptions, WaitScope } from "./attempt.ts";
import type { Client, Tree } from "./tree.ts";
import { type Frame, type Payload, REQUEST, seal, writeFrame } from "./tree_frame.ts";

type Handles = readonly (readonly number[])[];

/** What is done with the answer to one request. */
interface Pending {
  answered(answer: Answer, frame: Frame): void;
  lost(error: Error): void;
  readonly about: object;
}

/** How something is asked. */
export interface Asking<T> {
  /** What is asked about, which stays as long as nothing is answered. */
  readonly about: object;
  readonly options: WaitOptions | undefined;
  /** Those with which it can be given up. */
  readonly scope: WaitScope;
  /** Whether the program may end before it is answered. */
  readonly isLossy: boolean;
  /** Whether somebody waits to get something, who is gone once the program has nothing else to do. */
  readonly isGet: boolean;
  /** Gives the result, or throws, when the time is up. */
  onTimeout(): T;
  /** Makes the result of the answer. */
  read(answer: Answer, frame: Frame): T;
  /** Gives the payload and its handles; called at once. */
  cargo?(): { payload: Payload; handles: Handles };
}

/** What is asked, without its number. */
export type Question = Omit<Wait, "number" | "now">;

/** The requests of this thread and their answers. As long as one is open, the program goes on. */
export class Uplink implements Client {
  readonly #tree: Tree;
  readonly #hold: () => void;
  readonly #letGo: () => void;
  readonly #flushed: () => Promise<void>;
  readonly #pending = new Map<number, Pending>();
  #open = 0;
  readonly #whenSettled: (() => void)[] = [];
  #last = 0;
  #objects = 0;
  #names = 0;

  /**
   * @param hold Keeps the program alive.
   * @param letGo Does so no more; as often as the other was called.
   * @param flushed Resolves when what was said is on its way.
   */
  constructor(tree: Tree, hold: () => void, letGo: () => void, flushed: () => Promise<void>) {
    this.#tree = tree;
    this.#flushed = flushed;
    this.#hold = hold;
    this.#letGo = letGo;
    tree.client = this;
  }

  /** Where this thread is in the tree. */
  get path(): readonly number[] {
    return this.#tree.path;
  }

  /** A number for another object here. */
  nextObject(): number {
    return ++this.#objects;
  }

  /** A number for an object that is made here. */
  nextName(): number {
    return ++this.#names;
  }

  /** Says something that is not answered. */
  tell(request: Request, handles?: Handles): void {
    this.#tree.sendUp(writeFrame(REQUEST, this.#tree.path, seal(request), handles));
  }

  /**
   * Asks something. Whether it was too late is decided where it is done: a request that was given up, but done before that was heard there, gives its result all the same.
   *
   * @throws {ProcessError} Those above cannot be reached any more.
   */
  ask<T>(question: Question, { about, options, scope, isLossy, isGet, onTimeout, read, cargo }: Asking<T>): Promise<T> {
    const { timeout, signal } = options ?? {};
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (this.#tree.isLost) throw lostError(); // which those who wait for nothing hear too
    const now = timeout !== undefined && timeout <= 0;
    const number = ++this.#last, isOpen = !isLossy && !isGet;
    // Before the payload is encoded, which an encoding would overwrite.
    const envelope = seal({ ...question, number, now } satisfies Request);
    try {
      const { payload, handles } = cargo?.() ?? {};
      signal?.throwIfAborted(); // by a getter, say
      this.#tree.sendUp(writeFrame(REQUEST, this.#tree.path, envelope, handles, payload));
    } catch (error) {
      return Promise.reject(error);
    }
    return new Promise<T>((resolve, reject) => {
      let giveUp = onTimeout;
      const cancel = (reason: unknown) => {
        giveUp = () => {
          throw reason;
        };
        this.tell({ op: "cancel", number });
      };
      const lift = limit(now ? { signal } : options, () => this.tell({ op: "cancel", number }), cancel);
      scope.add(cancel);
      const finish = () => {
        scope.delete(cancel);
        lift();
        this.#pending.delete(number);
        if (isOpen && --this.#open === 0) { for (const settle of this.#whenSettled.splice(0)) settle(); }
        if (!isLossy) this.#letGo();
      };
      this.#hold();
      if (isOpen) this.#open++;
      if (isLossy) this.#flushed().then(this.#letGo);
      this.#pending.set(number, {
        about,
        answered(answer, frame) {
          finish();
          try {
            if (answer.error !== undefined) throw answer.error;
            resolve(answer.isOver === true ? giveUp() : read(answer, frame));
          } catch (error) {
            reject(error);
          }
        },
        lost(error) {
          finish();
          reject(error);
        },
      });
    });
  }

  /** Resolves once all is done that was asked for, but for what somebody waits to get. */
  async settled(): Promise<void> {
    while (this.#open > 0) await new Promise<void>((resolve) => this.#whenSettled.push(resolve));
    await this.#flushed();
  }

  answered(frame: Frame): void {
    const answer = frame.envelope as Answer;
    this.#pending.get(answer.number)?.answered(answer, frame);
  }

  lost(): void {
    for (const pending of [...this.#pending.values()]) pending.lost(lostError());
  }
}

function lostError(): ProcessError {
  return new ProcessError(
    "Cannot use queues and pipes any more: no memory is shared with processes here, and the process that kept them, or one on the way to it, has ended",
  );
}
