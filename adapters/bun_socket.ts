/**
 * Sockets on Bun: its `net.Socket` does not read from a descriptor that it is given, `Bun.connect` does.
 *
 * @module
 */

import { afterNextPoll, type ByteStream } from "./channel.ts";

/** What is used of Bun's sockets. */
export interface BunSocket {
  /** Returns how many bytes were taken, −1 once closed. */
  write(bytes: Uint8Array): number;
  end(): void;
  terminate(): void;
  ref(): void;
  unref(): void;
}

/** What is used of `Bun.connect`. */
export type Connect = (options: {
  fd: number;
  socket: {
    open?(socket: BunSocket): void;
    data?(socket: BunSocket, bytes: Uint8Array): void;
    drain?(socket: BunSocket): void;
    close?(socket: BunSocket): void;
    error?(socket: BunSocket, error: Error): void;
  };
}) => Promise<BunSocket>;

/** A {@linkcode ByteStream} over a descriptor. */
export class BunSocketStream implements ByteStream {
  readonly caughtUp: ByteStream["caughtUp"] = afterNextPoll;
  readonly #connect: () => void;
  #socket: BunSocket | null = null;
  #connecting = false;
  #onBytes: ((bytes: Uint8Array) => void) | null = null;
  #onEnd: (() => void) | null = null;
  /** What came before it was opened. */
  #early: Uint8Array[] = [];
  /** What the system has not taken yet. */
  #queue: Uint8Array[] = [];
  #idle: (() => void)[] = [];
  #isRef = true;
  #closing = false;
  #ended = false;

  constructor(connect: Connect, fd: number) {
    this.#connect = () => {
      if (this.#connecting) return;
      this.#connecting = true;
      const end = () => this.#end();
      connect({
        fd,
        socket: {
          open: (socket) => {
            this.#socket = socket;
            if (!this.#isRef) socket.unref();
            this.#pump();
          },
          data: (_, bytes) => this.#onBytes === null ? void this.#early.push(bytes.slice()) : this.#onBytes(bytes),
          drain: () => this.#pump(),
          close: end,
          error: () => {},
        },
      }).catch(end);
    };
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#queue = [];
    this.#settle();
    this.#onEnd?.();
  }

  #settle(): void {
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  #pump(): void {
    const socket = this.#socket;
    if (socket === null || this.#ended) return;
    let sent = 0;
    for (; sent < this.#queue.length; sent++) {
      const chunk = this.#queue[sent], taken = socket.write(chunk);
      if (taken < 0) { // nobody reads any more; what the other side wrote before still comes
        sent = this.#queue.length;
        break;
      }
      if (taken < chunk.length) {
        this.#queue[sent] = chunk.subarray(taken);
        break;
      }
    }
    this.#queue.splice(0, sent);
    if (this.#queue.length > 0) return;
    this.#settle();
    if (this.#closing) socket.end();
  }

  open(onBytes: (bytes: Uint8Array) => void, onEnd: () => void): void {
    this.#onBytes = onBytes;
    this.#onEnd = onEnd;
    for (const bytes of this.#early.splice(0)) onBytes(bytes);
    if (this.#ended) queueMicrotask(onEnd);
    else this.#connect();
  }

  write(chunks: readonly Uint8Array[]): void {
    if (this.#ended || this.#closing) return;
    this.#connect();
    const waits = this.#queue.length > 0;
    for (const chunk of chunks) if (chunk.length > 0) this.#queue.push(chunk);
    if (!waits) this.#pump();
  }

  flushed(): Promise<void> {
    if (this.#queue.length === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  ref(): void {
    this.#isRef = true;
    this.#socket?.ref();
  }

  unref(): void {
    this.#isRef = false;
    this.#socket?.unref();
  }

  close(): void {
    this.#closing = true;
    this.#connect(); // a descriptor that was never connected would stay open
    this.#pump();
  }
}
