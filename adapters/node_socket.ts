/**
 * The control channel as a `net.Socket`: on Node always, on Deno where there is no foreign-function interface.
 *
 * @module
 */

import type { Socket } from "node:net";
import type { ByteStream } from "./channel.ts";

type Written = (error?: Error | null) => void;

/** A {@linkcode ByteStream} over a connected socket. */
export class NodeSocketStream implements ByteStream {
  readonly caughtUp: ByteStream["caughtUp"];
  readonly #socket: Socket;
  #pending = 0;
  #idle: (() => void)[] = [];
  #broken = false;

  /** @param caughtUp See {@linkcode ByteStream.caughtUp}: it differs between the runtimes. */
  constructor(socket: Socket, caughtUp: ByteStream["caughtUp"]) {
    this.#socket = socket;
    this.caughtUp = caughtUp;
    // A failed write would destroy the socket, and with it what the other side wrote before it went: so failures stop here, and the end is found by reading.
    const raw = socket as unknown as {
      _write(data: unknown, encoding: string, done: Written): void;
      _writev(chunks: unknown, done: Written): void;
    };
    const write = raw._write, writev = raw._writev;
    const settle = (done: Written): Written => (error) => {
      if (error) this.#broken = true;
      done();
    };
    raw._write = (data, encoding, done) => this.#broken ? done() : write.call(socket, data, encoding, settle(done));
    raw._writev = (chunks, done) => this.#broken ? done() : writev.call(socket, chunks, settle(done));
    socket.on("error", () => {});
  }

  open(onBytes: (bytes: Uint8Array) => void, onEnd: () => void): void {
    if (this.#socket.destroyed) return queueMicrotask(onEnd);
    this.#socket.on("data", onBytes);
    this.#socket.once("end", () => this.#socket.destroy());
    this.#socket.once("close", () => {
      this.#broken = true;
      onEnd();
    });
  }

  write(chunks: readonly Uint8Array[]): void {
    if (this.#broken || this.#socket.destroyed) return;
    if (chunks.length > 1) this.#socket.cork();
    for (const chunk of chunks) {
      this.#pending++;
      this.#socket.write(chunk, () => {
        if (--this.#pending > 0) return;
        for (const resolve of this.#idle.splice(0)) resolve();
      });
    }
    if (chunks.length > 1) this.#socket.uncork();
  }

  flushed(): Promise<void> {
    if (this.#pending === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  ref(): void {
    this.#socket.ref();
  }

  unref(): void {
    this.#socket.unref();
  }

  close(): void {
    this.#socket.destroySoon();
  }
}
