/**
 * Waiting for several things at once.
 *
 * @module
 */
import { nextTurn, startClock } from "./clock.ts";
import { HANDLE, type Shareable } from "./codec.ts";
import { AbortController, AbortSignal, setTimeout } from "./host.ts";
import type { Connection } from "./pipe.ts";
import { AWAITED, Process } from "./process.ts";
import type { JoinableQueue, Queue, SimpleQueue } from "./queue.ts";
import { checkWait, type WaitOptions } from "./attempt.ts";
import { shown } from "./options.ts";

/** What can be waited for: connections and queues to receive from, processes and their sentinels to end, any promises to settle. */
// deno-lint-ignore no-explicit-any -- whatever is in them
export type Waitable = Connection | Queue<any> | JoinableQueue<any> | SimpleQueue<any> | Process<any> | PromiseLike<unknown>;

/** Of so many waits, one gives the event loop a turn: who waits again and again for what is always ready would else never see a timer's promise settle. */
const WAITS_A_TURN = 64;
let waits = 0;

/**
 * Waits until at least one of these is ready. Takes nothing from any of them.
 *
 * @param things A connection or queue is ready when something is there, or nothing will ever be; a process when it ended; a promise when it is settled.
 * @param options `timeout` in milliseconds; 0 or less: only looks.
 * @return All that are ready, in the order given; `[]` when the time is up, and at once if there are none to wait for.
 * @throws {TypeError} `things` is no iterable, something among them cannot be waited for, or the options are wrong.
 * @throws {ProcessError} A connection or queue was closed here, or a process was not started.
 */
export async function wait<T extends Waitable>(things: Iterable<T>, options: WaitOptions = {}): Promise<T[]> {
  checkWait(options);
  if (typeof (things as Partial<Iterable<T>> | null)?.[Symbol.iterator] !== "function") {
    throw new TypeError(`Cannot wait: things must be an iterable of what is waited for, such as an array; it is ${shown(things)}`);
  }
  const list = [...things];
  const { timeout, signal } = options;
  signal?.throwIfAborted();
  if (list.length === 0) return list;
  const pollable: (T & Pollable)[] = [];
  const ends = new Map<T, PromiseLike<unknown>>();
  for (const thing of new Set(list)) {
    const end = thing instanceof Process ? thing.sentinel : thing;
    if (isPollable(thing)) pollable.push(thing);
    else if (typeof (end as Partial<PromiseLike<unknown>> | null)?.then === "function") ends.set(thing, end as PromiseLike<unknown>);
    else throw new TypeError(`Cannot wait for ${shown(thing)}: it is no connection, queue, process or promise`);
  }
  const ready = new Set<T>();
  const first = Promise.withResolvers<void>();
  const tell = (thing: T) => {
    ready.add(thing);
    first.resolve();
  };
  const releases: (() => void)[] = [];
  // What lies in another process may not answer for long: that is not waited for when the time is up, or the signal aborted.
  const over = Promise.withResolvers<void>();
  over.promise.catch(() => {});
  const look = async () => {
    const polls = pollable.map(async (thing) => await thing.poll({ timeout: 0 }) && tell(thing));
    await Promise.race([Promise.all(polls), over.promise]);
    await settledTell();
  };
  try {
    for (const [thing, end] of ends) {
      // A process has it, and its sentinel.
      const release = (thing as Partial<Process>)[AWAITED]?.();
      if (release !== undefined) releases.push(release);
      Promise.resolve(end).then(() => tell(thing), () => tell(thing));
    }
    if (signal !== undefined) {
      const abort = () => over.reject(signal.reason);
      signal.addEventListener("abort", abort);
      releases.push(() => signal.removeEventListener("abort", abort));
    }
    if (timeout !== undefined && timeout > 0 && timeout !== Infinity) {
      const clock = startClock(timeout, over.resolve);
      releases.push(() => clock.stop());
    }
    if (++waits % WAITS_A_TURN === 0) await nextTurn();
    await look();
    signal?.throwIfAborted();
    if (ready.size === 0) {
      if (timeout !== undefined && timeout <= 0) await turn();
      else {
        const done = new AbortController();
        releases.push(() => done.abort());
        const outside = signal === undefined ? done.signal : AbortSignal.any([signal, done.signal]);
        for (const thing of pollable) thing.poll({ timeout: Infinity, signal: outside }).then(() => tell(thing), first.reject);
        await Promise.race([first.promise, over.promise]);
      }
      // Others may be ready meanwhile.
      await look();
    }
    return list.filter((thing) => ready.has(thing));
  } finally {
    for (const release of releases) release();
  }
}

interface Pollable {
  poll(options?: WaitOptions): Promise<boolean>;
}

function isPollable(thing: unknown): thing is Pollable {
  return typeof (thing as Partial<Pollable & Shareable> | null)?.[HANDLE] === "function" && "poll" in (thing as object);
}

/** Promises that are settled have told after this, whosever they are. */
async function settledTell(): Promise<void> {
  for (let n = 0; n < 4; n++) await null;
}

/** For those who look again and again: what comes from outside comes between turns. */
function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}
