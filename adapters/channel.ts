/**
 * The control channel to another process: messages framed on a stream of bytes, each after its length (u32, little endian).
 *
 * ```
 * post ──▶ FramedPort ──▶ ByteStream ═══ socket pair ═══ ByteStream ──▶ FramedPort ──▶ onMessage
 * ```
 *
 * @module
 */

import type { Port } from "../src/adapter.ts";
import { throwAside } from "../src/throw_aside.ts";

/** A socket, as each runtime has it. */
export interface ByteStream {
  /** Starts reading. `onEnd` is called once, after the last bytes. */
  open(onBytes: (bytes: Uint8Array) => void, onEnd: () => void): void;
  /** Queues the chunks, which the stream may keep until they are gone; never blocks. After the other side is gone, does nothing. */
  write(chunks: readonly Uint8Array[]): void;
  /** Resolves when everything written was handed to the system, or can't be any more. */
  flushed(): Promise<void>;
  /** Resolves when all was read that the other side had handed to the system before the call. Null where nothing tells. */
  readonly caughtUp: (() => Promise<void>) | null;
  ref(): void;
  unref(): void;
  /** Closes once everything written is gone. */
  close(): void;
}

/** The runtime's own: between two rounds of what took its place nobody would look at sockets. */
const { setImmediate } = globalThis as unknown as { setImmediate(run: () => void): void };

/** {@linkcode ByteStream.caughtUp} where sockets are looked at, and read until they are empty, between any two rounds of immediates. */
export function afterNextPoll(): Promise<void> {
  return new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
}

/** Up to this many bytes a message is copied behind its header, so that it leaves in one piece. */
const SMALL = 16384;

/** Messages over a stream of bytes. */
export class FramedPort implements Port {
  readonly #stream: ByteStream;
  #onMessage: ((bytes: Uint8Array, extra: readonly unknown[]) => void) | null = null;
  /** The message being read: its header first (`#filling` is then `#header`), then its body. */
  readonly #header = new Uint8Array(4);
  #filling: Uint8Array = this.#header;
  #filled = 0;
  #closed = false;

  constructor(stream: ByteStream) {
    this.#stream = stream;
  }

  post(bytes: Uint8Array): void {
    if (this.#closed) return;
    const length = bytes.byteLength, whole = new Uint8Array(length <= SMALL ? 4 + length : 4);
    new DataView(whole.buffer).setUint32(0, length, true);
    if (length <= SMALL) {
      whole.set(bytes, 4);
      this.#stream.write([whole]);
    } else this.#stream.write([whole, bytes]);
  }

  open(onMessage: (bytes: Uint8Array, extra: readonly unknown[]) => void, onClose: () => void): void {
    this.#onMessage = onMessage;
    this.#stream.open((chunk) => this.#read(chunk), () => {
      this.#closed = true;
      onClose();
    });
  }

  #read(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length) {
      const body = this.#filling !== this.#header, need = this.#filling.length - this.#filled;
      const take = Math.min(need, chunk.length - at);
      this.#filling.set(at === 0 && take === chunk.length ? chunk : chunk.subarray(at, at + take), this.#filled);
      this.#filled += take;
      at += take;
      if (take < need) return;
      this.#filled = 0;
      if (body) {
        const message = this.#filling;
        this.#filling = this.#header;
        this.#hand(message);
        continue;
      }
      const length = new DataView(this.#header.buffer).getUint32(0, true);
      if (length <= chunk.length - at) { // all here, the empty message included
        at += length;
        this.#hand(chunk.slice(at - length, at));
      } else this.#filling = new Uint8Array(length);
    }
  }

  /** What its listener throws does not keep it from the messages that came along. */
  #hand(message: Uint8Array): void {
    try {
      this.#onMessage!(message, []);
    } catch (error) {
      throwAside(error);
    }
  }

  ref(): void {
    this.#stream.ref();
  }

  unref(): void {
    this.#stream.unref();
  }

  flushed(): Promise<void> {
    return this.#stream.flushed();
  }

  get caughtUp(): (() => Promise<void>) | null {
    return this.#stream.caughtUp;
  }

  close(): void {
    this.#closed = true;
    this.#stream.close();
  }
}
