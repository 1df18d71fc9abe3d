/**
 * Loops over what comes in.
 *
 * @module
 */

import { keepHere } from "./codec.ts";

function given<T>(value: T): IteratorYieldResult<T> {
  return { done: false, value };
}

function end(): IteratorReturnResult<void> {
  return { done: true, value: undefined };
}

/** What all asynchronous iterators of the language have: where it is new enough, `Symbol.asyncDispose`. */
const ASYNC_ITERATOR: object = Object.getPrototypeOf(Object.getPrototypeOf((async function* () {}).prototype));

/** What is received one after another, until one who receives is told that there is no more. A generator does the same with two more turns of the microtask queue for each. */
export class Received<T> implements AsyncIterableIterator<T, void, void> {
  readonly #receive: () => Promise<T>;
  readonly #isEnd: (error: unknown) => boolean;
  #isOver = false;

  static {
    Object.setPrototypeOf(this.prototype, ASYNC_ITERATOR);
    keepHere(this.prototype, "an iterator", "send the queue or connection");
  }

  /** @param isEnd Whether what `receive` rejects with says that there is no more. */
  constructor(receive: () => Promise<T>, isEnd: (error: unknown) => boolean) {
    this.#receive = receive;
    this.#isEnd = isEnd;
  }

  next(): Promise<IteratorResult<T, void>> {
    return this.#isOver ? Promise.resolve(end()) : this.#receive().then(given, this.#end);
  }

  return(): Promise<IteratorResult<T, void>> {
    this.#isOver = true;
    return Promise.resolve(end());
  }

  throw(error: unknown): Promise<IteratorResult<T, void>> {
    this.#isOver = true;
    return Promise.reject(error);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  readonly #end = (error: unknown): IteratorResult<T, void> => {
    this.#isOver = true;
    if (this.#isEnd(error)) return end();
    throw error;
  };
}
