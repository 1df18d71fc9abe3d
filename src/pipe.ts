/**
 * Pipes and their ends.
 *
 * @module
 */
import { HANDLE, type Message, registerHandle } from "./codec.ts";
import { BufferTooShort, EOFError, ProcessError, TimeoutError } from "./errors.ts";
import { PASSED, type SharedObject } from "./holding.ts";
import {
  closeBoth,
  defaultHome,
  type EndBacking,
  type HoldingLike,
  type Home,
  homeOf,
  mayBlock,
  type MessagesLike,
  SEND_ENCODED,
} from "./home.ts";
import { printAs } from "./printed.ts";
import { checkTimeout, checkWait, type WaitOptions } from "./attempt.ts";
import { BOOLEAN, BYTES, check, checkArgument, type Checks, shown } from "./options.ts";
import { Received } from "./received.ts";

/** How many bytes of messages a pipe takes before its sender waits. */
const DEFAULT_CAPACITY = 2 ** 20;
/** Codec number of connections. */
const CONNECTION = 4;

/** How a pipe is made. */
export interface PipeOptions {
  /** Whether both ends send and receive; otherwise the first receives and the second sends. Default: true. */
  duplex?: boolean;
  /** Bytes of messages in each direction that are accepted before anybody receives. Default: 1 MiB. A larger message passes when nothing else is on its way. */
  capacity?: number;
}

const PIPE: Checks = { duplex: BOOLEAN, capacity: BYTES };

/**
 * One end of a {@linkcode Pipe}. It belongs to whoever uses it; once sent to another process, it is that one's.
 *
 * @example
 * ```ts
 * import { Pipe } from "@polyproc/multiprocessing";
 *
 * const [here, there] = Pipe();
 * await here.send({ n: 1 });
 * console.log(await there.recv()); // { n: 1 }
 * here.close();
 * there.close();
 * ```
 */
export class Connection implements SharedObject {
  readonly #backing: EndBacking;
  #holding: HoldingLike | null;
  #closed = false;
  #unreadable = false;

  /** Connections are made by {@linkcode Pipe}. */
  constructor(backing: EndBacking) {
    if (typeof backing?.hold !== "function") throw new TypeError("Cannot make a Connection by hand: Pipe() gives both ends of a new pipe");
    this.#backing = backing;
    this.#holding = backing.hold();
  }

  /** Whether this end was closed here. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Whether this end receives. */
  get readable(): boolean {
    return this.#backing.receiving !== null && !this.#unreadable;
  }

  /** Whether this end sends. */
  get writable(): boolean {
    return this.#backing.sending !== null;
  }

  /**
   * Sends a value; resolves once it is accepted. The value is copied at the call.
   *
   * @throws {DataCloneError} The value cannot travel.
   * @throws {BrokenPipeError} The other end is gone.
   * @throws {TimeoutError} It was not accepted in time.
   * @throws {TypeError} The options are wrong.
   */
  send(value: unknown, options?: WaitOptions): Promise<void> {
    try {
      checkWait(options);
      return this.#sender("send").put(value, "value", options, () => tooLate("sent", options?.timeout));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** {@linkcode Connection.send}, of what is encoded already, and stays as it is. @internal */
  [SEND_ENCODED](message: Message): Promise<void> {
    try {
      return this.#sender("send").send(message, undefined, () => tooLate("sent", undefined));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** {@linkcode Connection.send}, blocking. @throws {UnsupportedError} This thread may not block, or the pipe is not in this process's memory. */
  sendSync(value: unknown, options?: { timeout?: number }): void {
    checkTimeout(options);
    const sender = this.#sender("send");
    mayBlock(sender, "sendSync");
    sender.putSync(value, "value", options?.timeout, () => tooLate("sent", options?.timeout));
  }

  /**
   * Receives the next value.
   *
   * @throws {EOFError} The other end is gone, and all that it sent was received.
   * @throws {TimeoutError} Nothing came in time; nothing was taken.
   * @throws {TypeError} The options are wrong.
   */
  recv(options?: WaitOptions): Promise<unknown> {
    try {
      checkWait(options);
      return this.#receiver("receive").get(options, () => tooLate("received", options?.timeout));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** {@linkcode Connection.recv}, blocking. @throws {UnsupportedError} This thread may not block, or the pipe is not in this process's memory. */
  recvSync(options?: { timeout?: number }): unknown {
    checkTimeout(options);
    const receiver = this.#receiver("receive");
    mayBlock(receiver, "recvSync");
    return receiver.getSync(options?.timeout, () => tooLate("received", options?.timeout));
  }

  /**
   * Whether a message is there to be received, or the end of them. Takes nothing.
   *
   * @param options `timeout` in milliseconds, 0 by default.
   * @throws {TypeError} The options are wrong.
   */
  poll(options?: WaitOptions): Promise<boolean> {
    try {
      checkWait(options);
      return this.#receiver("poll").poll({ ...options, timeout: options?.timeout ?? 0 });
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** {@linkcode Connection.poll}, blocking. @throws {UnsupportedError} This thread may not block, or the pipe is not in this process's memory. */
  pollSync(options?: { timeout?: number }): boolean {
    checkTimeout(options);
    const receiver = this.#receiver("poll");
    const timeout = options?.timeout ?? 0;
    if (timeout > 0) mayBlock(receiver, "pollSync");
    return receiver.pollSync(timeout);
  }

  /**
   * Sends bytes as one message.
   *
   * @param buffer Bytes, or any typed array, whose bytes are sent.
   * @param offset First byte to send.
   * @param size How many; to the end by default.
   * @param options As of {@linkcode Connection.send}.
   * @throws {RangeError} The range is not within the buffer.
   * @throws {TypeError} That is no buffer, `offset` or `size` is no number, or the options are wrong.
   * @throws What {@linkcode Connection.send} throws.
   */
  sendBytes(buffer: ArrayBufferView | ArrayBuffer, offset = 0, size?: number, options?: WaitOptions): Promise<void> {
    try {
      return this.send(range(buffer, offset, size), options);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** {@linkcode Connection.sendBytes}, blocking. @throws {UnsupportedError} This thread may not block, or the pipe is not in this process's memory. */
  sendBytesSync(buffer: ArrayBufferView | ArrayBuffer, offset = 0, size?: number, options?: { timeout?: number }): void {
    this.sendSync(range(buffer, offset, size), options);
  }

  /**
   * Receives a message of bytes.
   *
   * @param maxLength Longest message that is accepted. After a longer one, this end receives nothing more.
   * @throws {ProcessError} The message is longer.
   * @throws {TypeError} The message is a value that was sent with `send`; or an argument is wrong, and nothing was taken.
   * @throws {RangeError} `maxLength` is negative; nothing was taken.
   */
  async recvBytes(maxLength?: number, options?: WaitOptions): Promise<Uint8Array> {
    checkLength(maxLength);
    return this.#bytes(await this.recv(options), maxLength);
  }

  /** {@linkcode Connection.recvBytes}, blocking. @throws {UnsupportedError} This thread may not block, or the pipe is not in this process's memory. */
  recvBytesSync(maxLength?: number, options?: { timeout?: number }): Uint8Array {
    checkLength(maxLength);
    return this.#bytes(this.recvSync(options), maxLength);
  }

  /**
   * Receives a message of bytes into a buffer.
   *
   * @param offset Byte of the buffer at which the message is to begin.
   * @return How many bytes the message has.
   * @throws {BufferTooShort} The message does not fit; it is in the error.
   * @throws {RangeError} `offset` is not within the buffer; nothing was taken.
   * @throws {TypeError} That is no buffer, or as {@linkcode Connection.recvBytes}.
   */
  async recvBytesInto(buffer: ArrayBufferView | ArrayBuffer, offset = 0, options?: WaitOptions): Promise<number> {
    const target = range(buffer, offset);
    return fill(target, await this.recvBytes(undefined, options));
  }

  /** {@linkcode Connection.recvBytesInto}, blocking. @throws {UnsupportedError} This thread may not block, or the pipe is not in this process's memory. */
  recvBytesIntoSync(buffer: ArrayBufferView | ArrayBuffer, offset = 0, options?: { timeout?: number }): number {
    const target = range(buffer, offset);
    return fill(target, this.recvBytesSync(undefined, options));
  }

  /** Closes this end. Sends that were not accepted yet go on. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#release("closed");
  }

  /** Closes this end. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** The messages, until the other end closes. */
  [Symbol.asyncIterator](): AsyncIterableIterator<unknown, void, void> {
    return new Received(() => this.recv(), (error) => error instanceof EOFError);
  }

  static {
    printAs(this.prototype, (end) => {
      if (end.closed) return "closed";
      return [end.readable && "readable", end.writable && "writable"].filter(Boolean).join(" ");
    });
  }

  /** What travels of it. @internal */
  [HANDLE](): { kind: number; words: readonly number[] } {
    if (this.#closed) throw new ProcessError("Cannot send this connection: it is closed");
    return { kind: CONNECTION, words: this.#hold().words() };
  }

  /** It was sent on: it is the receiver's now, until it is used here again. @internal */
  [PASSED](): void {
    this.#release("sent to another process");
  }

  /** What waits to receive is rejected; what waits for room to be sent still is. */
  #release(what: string): void {
    const holding = this.#holding;
    if (holding === null) return;
    this.#holding = null;
    closeBoth(this.#backing, new ProcessError(`Nothing was received: the connection was ${what} meanwhile`), () => holding.close());
  }

  #hold(): HoldingLike {
    return this.#holding ??= this.#backing.hold();
  }

  #check(action: string): void {
    if (this.#closed) throw new ProcessError(`Cannot ${action}: the connection is closed`);
    this.#hold();
  }

  #sender(action: string): MessagesLike {
    this.#check(action);
    const { sending } = this.#backing;
    if (sending === null) throw new ProcessError("Cannot send: this end of a simplex pipe only receives");
    return sending;
  }

  #receiver(action: string): MessagesLike {
    this.#check(action);
    const { receiving } = this.#backing;
    if (receiving === null) throw new ProcessError(`Cannot ${action}: this end of a simplex pipe only sends`);
    if (this.#unreadable) {
      throw new ProcessError(`Cannot ${action}: a message longer than asked for came before, so this end receives nothing more`);
    }
    return receiving;
  }

  #bytes(value: unknown, maxLength: number | undefined): Uint8Array {
    if (!(value instanceof Uint8Array)) {
      throw new TypeError("Cannot receive bytes: the message is a value, sent with send(); receive it with recv()");
    }
    if (maxLength !== undefined && value.byteLength > maxLength) {
      this.#unreadable = true;
      if (this.#backing.sending === null) this.close();
      throw new ProcessError(`Cannot receive bytes: bad message length, ${value.byteLength} where at most ${maxLength} were asked for`);
    }
    return value;
  }
}

/**
 * Makes a pipe.
 *
 * @param options `duplex`: whether both ends send and receive, true by default; `capacity`: bytes of messages in each direction that are accepted before anybody receives, 1 MiB by default.
 * @return Its ends. Of a simplex pipe the first receives and the second sends.
 * @throws {TypeError} An option is wrong, or there is no such option.
 * @throws {RangeError} `capacity` is not a whole number from 1 to 2^30.
 */
export function Pipe(options?: PipeOptions): [Connection, Connection] {
  return makePipe(defaultHome(), options);
}

/** {@linkcode Pipe} of a certain start method. */
export function makePipe(home: Home, options: PipeOptions = {}): [Connection, Connection] {
  check(options, PIPE, "make a pipe");
  const { duplex = true, capacity = DEFAULT_CAPACITY } = options;
  if (!Number.isInteger(capacity) || capacity < 1 || capacity > 2 ** 30) {
    throw new RangeError(`Cannot make a pipe: capacity must be 1 to 2^30 bytes, it is ${capacity}`);
  }
  const [first, second] = home.makePipe({ duplex, capacity });
  return [new Connection(first), new Connection(second)];
}

registerHandle(CONNECTION, (words, context) => new Connection(homeOf(words, context, "the connection").reviveEnd(words)));

function tooLate(what: string, timeout: number | undefined): never {
  throw new TimeoutError(`Nothing was ${what} within ${timeout} ms`);
}

function checkLength(maxLength: number | undefined): void {
  if (maxLength === undefined) return;
  if (typeof maxLength !== "number") {
    throw new TypeError(
      `Cannot receive bytes: maxLength must be a number of bytes, it is ${
        shown(maxLength)
      }; options come behind it, recvBytes(undefined, { timeout })`,
    );
  }
  if (!(maxLength >= 0)) {
    throw new RangeError(`Cannot receive bytes: maxLength must not be negative, it is ${maxLength}`);
  }
}

/** The bytes of a buffer from `offset` on. */
function range(buffer: ArrayBufferView | ArrayBuffer, offset: number, size?: number): Uint8Array {
  let bytes: Uint8Array;
  if (ArrayBuffer.isView(buffer)) bytes = new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
  else if (buffer instanceof ArrayBuffer) bytes = new Uint8Array(buffer);
  else throw new TypeError("Cannot use this as a buffer: a typed array, a DataView or an ArrayBuffer is needed");
  checkArgument("offset", offset, BYTES, "use a buffer");
  if (size !== undefined) checkArgument("size", size, BYTES, "use a buffer");
  const end = offset + (size ?? bytes.length - offset);
  if (!Number.isInteger(offset) || offset < 0 || offset > bytes.length) {
    throw new RangeError(`Cannot use byte ${offset} of a buffer of ${bytes.length}`);
  }
  if (size !== undefined && (!Number.isInteger(size) || size < 0 || end > bytes.length)) {
    throw new RangeError(`Cannot use ${size} bytes from byte ${offset} on of a buffer of ${bytes.length}`);
  }
  return bytes.subarray(offset, end);
}

function fill(target: Uint8Array, message: Uint8Array): number {
  if (message.length > target.length) {
    throw new BufferTooShort(
      `The message has ${message.length} bytes, the buffer has room for ${target.length}; the message is in the error's data`,
      message,
    );
  }
  target.set(message);
  return message.length;
}
