/**
 * Queues.
 *
 * @module
 */
import { HANDLE, registerHandle } from "./codec.ts";
import { Empty, Full, ProcessError, ShutDown } from "./errors.ts";
import type { SharedObject } from "./holding.ts";
import { BACKING, checkHome, defaultHome, type Home, homeOf, mayBlock, type MessagesLike, type RingBacking, type Rules } from "./home.ts";
import * as L from "./layout.ts";
import { printAs } from "./printed.ts";
import { checkTimeout, checkWait, type WaitOptions } from "./attempt.ts";
import { BOOLEAN, check, checkArgument, type Checks, ITERABLE, NUMBER, shown } from "./options.ts";
import { Received } from "./received.ts";

/** Codec numbers of the queues. */
const QUEUE = 1, SIMPLE_QUEUE = 2, JOINABLE_QUEUE = 3;
const LIMIT = 2 ** 31 - 1;

/** Limits of a queue. */
export interface QueueOptions {
  /** Most items in it; 0 or less (the default): no limit. */
  maxsize?: number;
  /** Most bytes of messages in it. A larger item passes when the queue is empty. Default: no limit. */
  capacity?: number;
}

const LIMITS: Checks = { maxsize: NUMBER, capacity: NUMBER }, SHUTDOWN: Checks = { immediate: BOOLEAN };

/** When queues refuse. */
export const QUEUE_RULES: Rules = {
  refusePut(flags: number): void {
    if ((flags & L.FLAG_SHUTDOWN) !== 0) throw new ShutDown("Cannot put: the queue was shut down");
  },
  refuseGet(flags: number): void {
    if ((flags & L.FLAG_SHUTDOWN) !== 0) throw new ShutDown("Cannot get: the queue was shut down, and all its items were taken");
  },
};

/** What all queues have in common. */
abstract class AnyQueue<T> implements SharedObject {
  readonly #backing: RingBacking;
  #closed = false;
  #isUsed = false;

  protected constructor(options: number | QueueOptions | undefined, home: Home | RingBacking) {
    const limits = limitsOf(options);
    if (isBacking(home)) this.#backing = home;
    else {
      checkHome(home, "make a queue", this.kind === SIMPLE_QUEUE ? "a SimpleQueue has no limits, use a Queue" : undefined);
      this.#backing = home.makeRing({ ...limits, joinable: this.kind === JOINABLE_QUEUE }, QUEUE_RULES);
    }
  }

  /** Its number in the codec. */
  protected get kind(): number {
    return QUEUE;
  }

  /** Whether the queue holds no item now. One that was closed before it was used is empty. */
  empty(): boolean {
    if (this.#closed && !this.#isUsed) return true;
    return this.state.size === 0;
  }

  /**
   * Closes it here: this process puts and gets no more. Items that wait for room still get in. Others are not concerned.
   */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.messages.close(this.#closedError("wait for"), () => this.#backing.holding.close());
  }

  /** Closes it here. */
  [Symbol.dispose](): void {
    this.close();
  }

  /**
   * Whether there is something to get, or, after a shutdown, never will be. Takes nothing.
   *
   * @param options `timeout` in milliseconds, 0 by default.
   * @throws {TypeError} The options are wrong.
   */
  poll(options?: WaitOptions): Promise<boolean> {
    try {
      checkWait(options);
      return this.use("poll").poll({ ...options, timeout: options?.timeout ?? 0 });
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** What travels of it. @internal */
  [HANDLE](): { kind: number; words: readonly number[] } {
    this.#checkOpen("send");
    return { kind: this.kind, words: this.#backing.holding.words() };
  }

  /** What it is built on. @internal */
  get [BACKING](): RingBacking {
    return this.#backing;
  }

  protected get messages(): MessagesLike {
    return this.#backing.messages;
  }

  protected get isClosed(): boolean {
    return this.#closed;
  }

  protected use(action: string): MessagesLike {
    this.#checkOpen(action);
    this.#isUsed = true;
    return this.messages;
  }

  /** For those who only look. @internal */
  protected get state(): MessagesLike {
    this.#checkOpen("look at");
    return this.messages;
  }

  protected putItem(item: T, options?: WaitOptions): Promise<void> {
    try {
      checkWait(options);
      return this.use("put to").put(item, "item", options, full(options?.timeout));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  protected getItem(options?: WaitOptions): Promise<T> {
    try {
      checkWait(options);
      return this.use("get from").get(options, empty(options?.timeout)) as Promise<T>;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  protected putItemSync(item: T, timeout: number | undefined): void {
    const messages = this.use("put to");
    if (timeout === undefined || timeout > 0) mayBlock(this.messages, "putSync");
    messages.putSync(item, "item", timeout, full(timeout));
  }

  protected getItemSync(timeout: number | undefined): T {
    const messages = this.use("get from");
    if (timeout === undefined || timeout > 0) mayBlock(this.messages, "getSync");
    return messages.getSync(timeout, empty(timeout)) as T;
  }

  static {
    printAs(this.prototype, (queue) => {
      if (queue.#closed) return "closed";
      const { maxsize, size } = queue.messages;
      return `size=${size}${maxsize > 0 ? ` maxsize=${maxsize}` : ""}`;
    });
  }

  #checkOpen(action: string): void {
    if (this.#closed) throw this.#closedError(action);
  }

  #closedError(action: string): ProcessError {
    return new ProcessError(`Cannot ${action} the queue: it was closed in this process`);
  }
}

/**
 * A queue for any number of producers and consumers in any processes. What `put` accepted is in shared memory: it is visible to all at once, and survives its producer.
 *
 * @example
 * ```ts
 * import { Queue } from "@polyproc/multiprocessing";
 *
 * const queue = new Queue<string>();
 * await queue.put("hello");
 * console.log(queue.qsize(), await queue.get()); // 1 hello
 * ```
 */
export class Queue<T = unknown> extends AnyQueue<T> {
  /** Most items that it holds; 0 where there is no such limit. */
  readonly maxsize: number;
  #joinThreadCancelled = false;

  /**
   * Makes a queue.
   *
   * @param options Most items in it, or limits by items and bytes. Without any it grows with what is in it.
   * @param home The memory to make it in, by default that of the default context. A context's own classes give theirs.
   * @throws {TypeError} A limit is not a number, or there is no such option.
   * @throws {RangeError} A limit is not a whole number.
   */
  constructor(options?: number | QueueOptions, home: Home | RingBacking = defaultHome()) {
    super(options, home);
    this.maxsize = this.messages.maxsize;
  }

  /** How many items it holds now: exact, everywhere. */
  qsize(): number {
    return this.state.size;
  }

  /** Whether an item could not be put now. */
  full(): boolean {
    return this.state.isFull;
  }

  /**
   * Puts an item; resolves once it is accepted. The item is copied at the call.
   *
   * @throws {Full} There was no room in time.
   * @throws {ShutDown} The queue was shut down.
   * @throws {DataCloneError} The item cannot travel.
   * @throws {TypeError} The options are wrong.
   */
  put(item: T, options?: WaitOptions): Promise<void> {
    return this.putItem(item, options);
  }

  /**
   * {@linkcode Queue.put} without waiting.
   *
   * @throws {Full} There is no room now.
   * @throws {ShutDown} The queue was shut down.
   * @throws {DataCloneError} The item cannot travel.
   * @throws {UnsupportedError} The queue is not in this process's memory: it cannot answer at once.
   */
  putNowait(item: T): void {
    this.putItemSync(item, 0);
  }

  /**
   * {@linkcode Queue.put}, blocking.
   *
   * @throws {Full} There was no room in time.
   * @throws {ShutDown} The queue was shut down.
   * @throws {DataCloneError} The item cannot travel.
   * @throws {UnsupportedError} This thread may not block, or the queue is not in this process's memory.
   */
  putSync(item: T, options?: { timeout?: number }): void {
    checkTimeout(options);
    this.putItemSync(item, options?.timeout);
  }

  /**
   * Gets an item.
   *
   * @throws {Empty} None came in time; none was taken.
   * @throws {ShutDown} The queue was shut down and is empty.
   * @throws {TypeError} The options are wrong.
   */
  get(options?: WaitOptions): Promise<T> {
    return this.getItem(options);
  }

  /**
   * {@linkcode Queue.get} without waiting.
   *
   * @throws {Empty} There is no item now.
   * @throws {ShutDown} The queue was shut down and is empty.
   * @throws {UnsupportedError} The queue is not in this process's memory: it cannot answer at once.
   */
  getNowait(): T {
    return this.getItemSync(0);
  }

  /**
   * {@linkcode Queue.get}, blocking.
   *
   * @throws {Empty} None came in time; none was taken.
   * @throws {ShutDown} The queue was shut down and is empty.
   * @throws {UnsupportedError} This thread may not block, or the queue is not in this process's memory.
   */
  getSync(options?: { timeout?: number }): T {
    checkTimeout(options);
    return this.getItemSync(options?.timeout);
  }

  /**
   * Puts several items, in order; resolves once all are accepted. They are copied at the call.
   *
   * @throws {Full} There was no room in time for those from some item on.
   * @throws {ShutDown} The queue was shut down.
   * @throws {DataCloneError} An item cannot travel; none was put.
   * @throws {TypeError} `items` is no iterable, or the options are wrong; none was put.
   */
  putMany(items: Iterable<T>, options?: WaitOptions): Promise<void> {
    try {
      checkWait(options);
      checkArgument("items", items, ITERABLE, "put items");
      return this.use("put to").putMany([...items], "item", options, full(options?.timeout));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Gets at least one item, and as many more as are there, up to `max`.
   *
   * @throws {Empty} None came in time.
   * @throws {ShutDown} The queue was shut down and is empty.
   * @throws {RangeError} `max` is not a whole number from 1 on.
   * @throws {TypeError} The options are wrong.
   */
  async getMany(max: number, options?: WaitOptions): Promise<T[]> {
    checkWait(options);
    if (!Number.isInteger(max) || max < 1) {
      throw new RangeError(`Cannot get items: max must be a whole number from 1 on, it is ${shown(max)}`);
    }
    return await this.use("get from").getMany(max, options, empty(options?.timeout)) as T[];
  }

  /**
   * Shuts the queue, for everybody: from now on puts throw `ShutDown`, and gets do once it is empty.
   *
   * @param options `immediate`: also drops the items in it.
   * @throws {TypeError} The options are wrong.
   */
  shutdown(options?: { immediate?: boolean }): void {
    if (options !== undefined) check(options, SHUTDOWN, "shut down the queue");
    this.use("shut down").shutdown(options?.immediate ?? false);
  }

  /**
   * Resolves once all that this process put was accepted. Needed only by those who want to know: a program that ends naturally waits for it anyway.
   *
   * @throws {ProcessError} The queue was not closed before.
   */
  joinThread(): Promise<void> {
    if (!this.isClosed) return Promise.reject(new ProcessError("Cannot join the queue's puts: close() it first"));
    if (this.#joinThreadCancelled) return Promise.resolve();
    return new Promise((resolve) => this.messages.whenPut(resolve));
  }

  /** Lets this process end although items still wait for room; those are lost then. */
  cancelJoinThread(): void {
    this.#joinThreadCancelled = true;
    this.messages.letGo();
  }

  /** The items, until the queue is shut down and empty. */
  [Symbol.asyncIterator](): AsyncIterableIterator<T, void, void> {
    return new Received(() => this.get(), (error) => error instanceof ShutDown);
  }
}

/** A queue whose consumers say when an item is done, so that others can wait until all are. */
export class JoinableQueue<T = unknown> extends Queue<T> {
  /** What it is when it travels. @internal */
  protected override get kind(): number {
    return JOINABLE_QUEUE;
  }

  /**
   * Says that an item is done: one that this process took, or else one that another took and handed on.
   *
   * @throws {RangeError} More often than items were put.
   */
  taskDone(): void {
    this.use("mark a task of").taskDone();
  }

  /**
   * Resolves once every item that was put is done.
   *
   * @throws {AbandonedError} A consumer died, or ended, between taking an item and saying that it was done.
   * @throws {TimeoutError} They were not done in time.
   * @throws {TypeError} The options are wrong.
   */
  join(options?: WaitOptions): Promise<void> {
    try {
      checkWait(options);
      return this.use("join").joinAll(options);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** {@linkcode JoinableQueue.join}, blocking. @throws {UnsupportedError} This thread may not block, or the queue is not in this process's memory. */
  joinSync(options?: { timeout?: number }): void {
    checkTimeout(options);
    const messages = this.use("join");
    mayBlock(messages, "joinSync");
    messages.joinAllSync(options?.timeout);
  }
}

/** The simplest queue: without limits, `put` and `get` alone. */
export class SimpleQueue<T = unknown> extends AnyQueue<T> {
  /**
   * Makes a queue.
   *
   * @param home The memory to make it in, by default that of the default context. A context's own classes give theirs.
   * @throws {TypeError} It is given a limit: a simple queue has none.
   */
  constructor(home: Home | RingBacking = defaultHome()) {
    super(undefined, home);
  }

  /** What it is when it travels. @internal */
  protected override get kind(): number {
    return SIMPLE_QUEUE;
  }

  /** Puts an item; resolves once it is accepted. @throws {DataCloneError} The item cannot travel. */
  put(item: T): Promise<void> {
    return this.putItem(item);
  }

  /** {@linkcode SimpleQueue.put}, blocking. @throws {UnsupportedError} This thread may not block, or the queue is not in this process's memory. */
  putSync(item: T): void {
    this.putItemSync(item, undefined);
  }

  /** Gets an item. @throws {TypeError} It is given something: a simple queue's `get` has no options. */
  get(): Promise<T> {
    try {
      noOptions(arguments);
      return this.getItem();
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** {@linkcode SimpleQueue.get}, blocking. @throws {UnsupportedError} This thread may not block, or the queue is not in this process's memory. */
  getSync(): T {
    noOptions(arguments);
    return this.getItemSync(undefined);
  }
}

registerHandle(QUEUE, (words, context) => new Queue(undefined, homeOf(words, context, "the queue").reviveRing(words, QUEUE_RULES)));
registerHandle(SIMPLE_QUEUE, (words, context) => new SimpleQueue(homeOf(words, context, "the queue").reviveRing(words, QUEUE_RULES)));
registerHandle(
  JOINABLE_QUEUE,
  (words, context) => new JoinableQueue(undefined, homeOf(words, context, "the queue").reviveRing(words, QUEUE_RULES)),
);

function isBacking(home: Home | RingBacking): home is RingBacking {
  return home instanceof Object && "messages" in home;
}

function limitsOf(options: number | QueueOptions | undefined): { maxsize: number; capacity: number } {
  const given = typeof options === "object" ? options : { maxsize: options };
  check(given, LIMITS, "make a queue");
  const { maxsize = 0, capacity = 0 } = given;
  for (const [name, limit] of Object.entries({ maxsize, capacity })) {
    if (limit > 0 && limit !== Infinity && !Number.isInteger(limit)) {
      throw new RangeError(`Cannot make a queue: ${name} must be a whole number, it is ${limit}`);
    }
  }
  // Beyond what a word holds, a limit is none.
  return { maxsize: maxsize > 0 && maxsize <= LIMIT ? maxsize : 0, capacity: capacity > 0 && capacity <= LIMIT ? capacity : 0 };
}

/** One who gives a time would wait for ever. */
function noOptions([first]: ArrayLike<unknown> & Iterable<unknown>): void {
  if (first !== undefined) {
    throw new TypeError("Cannot wait: get() of a SimpleQueue takes no options; use a Queue, whose get() takes { timeout, signal }");
  }
}

function full(timeout: number | undefined): () => never {
  return () => {
    throw new Full(timeout === undefined || timeout <= 0 ? "The queue is full" : `The queue stayed full for ${timeout} ms`);
  };
}

function empty(timeout: number | undefined): () => never {
  return () => {
    throw new Empty(timeout === undefined || timeout <= 0 ? "The queue is empty" : `The queue stayed empty for ${timeout} ms`);
  };
}
