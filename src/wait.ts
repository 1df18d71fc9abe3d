/**
 * Waiting for several things at once.
 *
 * @module
 */
import { startClock } from "./clock.ts";
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
  const ready = new Set<T>();
  const over = new AbortController();
  const outside = signal === undefined ? over.signal : AbortSignal.any([signal, over.signal]);
  const { promise: first, resolve, reject } = Promise.withResolvers<void>();
  const releases: (() => void)[] = [];
  let failure: { error: unknown } | null = null;
  const fail = (error: unknown) => {
    if (over.signal.aborted) return;
    failure ??= { error: signal?.aborted ? signal.reason : error };
    reject(failure.error);
  };
  first.catch(() => {});
  try {
    for (const thing of new Set(list)) {
      const done = () => {
        ready.add(thing);
        resolve();
      };
      if (isPollable(thing)) thing.poll({ timeout: Infinity, signal: outside }).then(done, fail);
      else {
        const end = thing instanceof Process ? thing.sentinel : thing;
        if (typeof (end as Partial<PromiseLike<unknown>> | null)?.then !== "function") {
          throw new TypeError(`Cannot wait for ${shown(thing)}: it is no connection, queue, process or promise`);
        }
        const release = (thing as Partial<Process>)[AWAITED]?.();
        if (release !== undefined) releases.push(release);
        Promise.resolve(end).then(done, done);
      }
    }
    signal?.addEventListener("abort", () => fail(signal.reason), { signal: over.signal });
    if (timeout !== undefined && timeout > 0 && timeout !== Infinity) {
      const clock = startClock(timeout, resolve);
      over.signal.addEventListener("abort", () => clock.stop());
    }
    // Settled promises tell after a turn; so do the others that are ready at the same time.
    await turn();
    if (ready.size === 0 && !(timeout !== undefined && timeout <= 0)) {
      await first;
      await turn();
    }
    // What is in another process's memory does not tell within a turn.
    await Promise.all(list.map(async (thing) => {
      if (isPollable(thing) && !ready.has(thing) && await thing.poll({ timeout: 0 }).catch(() => false)) ready.add(thing);
    }));
    if (failure !== null) throw (failure as { error: unknown }).error;
    return list.filter((thing) => ready.has(thing));
  } finally {
    over.abort();
    for (const release of releases) release();
  }
}

interface Pollable {
  poll(options?: WaitOptions): Promise<boolean>;
}

function isPollable(thing: unknown): thing is Pollable {
  return typeof (thing as Partial<Pollable & Shareable> | null)?.[HANDLE] === "function" && "poll" in (thing as object);
}

function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}
