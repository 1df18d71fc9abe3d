/**
 * Puts that wait for room, in order. However many wait, the participant waits once, for the first of them; whoever puts while it blocks the thread lets those before it in first.
 *
 * @module
 */
import { limit } from "./clock.ts";
import { Holding, pass } from "./holding.ts";
import { queueMicrotask } from "./host.ts";
import { type Attempt, PENDING, type WaitOptions, type WaitScope } from "./attempt.ts";
import type { Participant } from "./participant.ts";
import type { Outgoing, Ring } from "./ring.ts";

interface Waiting {
  /** What is put together gives up together: else one could get in after another before it was refused. */
  readonly many: readonly Outgoing[];
  /** How many of them are in. */
  count: number;
  /** What travels in each is held until then. */
  readonly kept: readonly (readonly Holding[])[];
  readonly promise: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
  isOver: boolean;
  /** Stops its clock and its listening to a signal. */
  readonly cleanUp: () => void;
}

/** What ends the wait of a backlog that has become empty. */
const NOTHING_LEFT: unique symbol = Symbol("nothing left");

/** The puts of one participant that wait for room in one ring. */
export class Backlog {
  /** Whose it is: what keeps the ring's memory as long as puts wait. */
  readonly #owner: { readonly me: Participant; readonly ring: Ring };
  readonly #refusePut: (flags: number) => void;
  #waiting: Waiting[] = [];
  #first = 0;
  #size = 0;
  #isAsleep = false;
  /** Whether the program may end while puts wait. */
  #isLossy = false;
  readonly #scope: WaitScope = new Set();
  #whenEmpty: (() => void)[] = [];

  constructor(owner: { readonly me: Participant; readonly ring: Ring }, refusePut: (flags: number) => void) {
    this.#owner = owner;
    this.#refusePut = refusePut;
  }

  get #me(): Participant {
    return this.#owner.me;
  }

  get #ring(): Ring {
    return this.#owner.ring;
  }

  /** How many puts wait. */
  get size(): number {
    return this.#size;
  }

  /** Runs `run` once no put waits any more. */
  whenEmpty(run: () => void): void {
    if (this.#size === 0) run();
    else this.#whenEmpty.push(run);
  }

  /** Lets in as many as there is room for, for somebody who blocks the thread. True if none waits any more. */
  advance(): boolean {
    const isEmpty = this.#advance();
    if (isEmpty) this.#stopSleeping();
    return isEmpty;
  }

  #advance(): boolean {
    while (this.#size > 0) {
      const one = this.#waiting[this.#first];
      if (one.isOver) {
        this.#first++;
        continue;
      }
      try {
        for (; one.count < one.many.length; one.count++) {
          const outgoing = one.many[one.count];
          if (this.#ring.tryPut(outgoing, this.#refusePut) === PENDING) {
            this.#shorten();
            return false;
          }
          pass(outgoing.shared);
          release(one.kept[one.count]);
        }
        this.#end(one, one.resolve);
      } catch (error) {
        this.#end(one, () => one.reject(error));
      }
    }
    return true;
  }

  /**
   * Adds a put, of several messages in order. It is the caller's to have tried it before, and to have copied what it is about.
   *
   * @param onFull Throws when the time is up.
   */
  add(many: readonly Outgoing[], options: WaitOptions | undefined, onFull: () => never): Promise<void> {
    const { timeout, signal } = options ?? {};
    if (signal?.aborted) {
      this.#drop(many);
      return Promise.reject(signal.reason);
    }
    if (timeout !== undefined && timeout <= 0) {
      this.#drop(many);
      return new Promise(onFull);
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const kept = many.map(({ passengers }) => passengers.map(({ block, holding }) => new Holding(this.#me, block, holding, 0)));
    const onTime = () => {
      try {
        // There may be room that this thread was too busy to see.
        this.advance();
        onFull();
      } catch (error) {
        this.#fail(one, error);
      }
    };
    const cleanUp = limit(options, onTime, (reason) => this.#fail(one, reason));
    const one: Waiting = { many, count: 0, kept, promise, resolve, reject, isOver: false, cleanUp };
    this.#waiting.push(one);
    this.#size++;
    if (this.#isLossy) promise.catch(() => {});
    else this.#me.backlogs.add(this);
    this.#sleep();
    return promise;
  }

  /** Gives up what waits, and lets the program end whatever waits later. Nobody has to have awaited those puts. */
  letGo(reason: unknown): void {
    this.#isLossy = true;
    this.#giveUp(reason);
  }

  #giveUp(reason: unknown): void {
    for (const one of this.#waiting.slice(this.#first)) {
      one.promise.catch(() => {});
      this.#fail(one, reason);
    }
  }

  #fail(one: Waiting, reason: unknown): void {
    if (one.isOver) return;
    this.#end(one, () => one.reject(reason));
    if (this.#size === 0) this.#stopSleeping();
  }

  #stopSleeping(): void {
    for (const cancel of [...this.#scope]) cancel(NOTHING_LEFT);
  }

  #end(one: Waiting, settle: () => void): void {
    one.isOver = true;
    this.#drop(one.many.slice(one.count));
    for (const kept of one.kept) release(kept);
    one.cleanUp();
    settle();
    if (--this.#size > 0) return;
    this.#waiting = [];
    this.#first = 0;
    this.#me.backlogs.delete(this);
    const runs = this.#whenEmpty;
    this.#whenEmpty = [];
    // Later: whoever looks after the ring just now is to be done with it before its memory may be given back.
    queueMicrotask(() => {
      for (const run of runs) run();
    });
  }

  #drop(many: readonly Outgoing[]): void {
    for (const outgoing of many) this.#ring.drop(outgoing);
  }

  #shorten(): void {
    if (this.#first < 1024 || this.#first * 2 < this.#waiting.length) return;
    this.#waiting.splice(0, this.#first);
    this.#first = 0;
  }

  #sleep(): void {
    if (this.#isAsleep) return;
    this.#isAsleep = true;
    this.#me.parker.tasks.sleep(this.#ring.notFull, this.#attempt, undefined, () => {}, this.#scope, !this.#isLossy).then(() => {
      this.#isAsleep = false;
      if (this.#size > 0) this.#sleep();
    }, (reason) => {
      this.#isAsleep = false;
      // The participant left, which is the end of all of them.
      if (reason !== NOTHING_LEFT) this.#giveUp(reason);
      else if (this.#size > 0) this.#sleep();
    });
  }

  readonly #attempt: Attempt<void> = { attempt: () => (this.#advance() ? undefined : PENDING), more: () => !this.#ring.isFull };
}

function release(holdings: readonly Holding[]): void {
  for (const holding of holdings) holding.close();
}
