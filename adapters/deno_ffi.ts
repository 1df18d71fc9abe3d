/**
 * Foreign functions on Deno, and what it alone has: calls that block on a helper thread while the event loop goes on.
 *
 * @module
 */

import type { Bell } from "./bells.ts";
import type { ByteStream } from "./channel.ts";
import {
  type Bytes,
  CALLS,
  type CType,
  type Foreign,
  type Libc,
  loadLibc,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  POLLIN,
  POLLOUT,
  SHUT_RDWR,
  type SyscallNumbers,
  syscallNumbers,
} from "./posix.ts";

const FFI_TYPES = { i32: "i32", u32: "u32", i64: "i64", address: "u64", bytes: "buffer" } as const satisfies Record<CType, string>;

/** The C library, with calls that do not hold up the event loop. */
export interface DenoForeign extends Foreign {
  readonly numbers: SyscallNumbers;
  pollLater(fds: Bytes, count: number, timeoutMs: number): Promise<number>;
  syscallLater(...args: Parameters<Libc["syscall"]>): Promise<number>;
}

interface Core {
  refOpPromise(promise: Promise<unknown>): void;
  unrefOpPromise(promise: Promise<unknown>): void;
}

/** Deno's own core; not public, so each use copes with its absence. */
const core: Core | undefined = (Deno as unknown as Record<symbol, { core?: Core }>)[(Deno as unknown as { internal: symbol }).internal]
  ?.core;

/** Whether a waiting call can be kept from keeping the program alive. */
export const canUnref: boolean = typeof core?.unrefOpPromise === "function" && typeof core.refOpPromise === "function";

/** Loads foreign functions. */
export function loadForeign(): DenoForeign {
  const machine = Deno.build.arch, numbers = syscallNumbers(machine)!;
  return loadLibc(machine, (name) => {
    const symbols: Record<string, Deno.ForeignFunction> = {};
    const types = (parameters: readonly CType[]) => parameters.map((type) => FFI_TYPES[type]);
    for (const [name, [parameters, result]] of Object.entries(CALLS)) {
      symbols[name] = { parameters: types(parameters), result: FFI_TYPES[result] };
    }
    symbols.pollLater = { name: "poll", parameters: types(CALLS.poll[0]), result: "i32", nonblocking: true };
    symbols.syscallLater = { name: "syscall", parameters: types(CALLS.syscall[0]), result: "i32", nonblocking: true };
    const bound = Deno.dlopen(name, symbols).symbols as unknown as Libc & Pick<DenoForeign, "pollLater" | "syscallLater">;
    const { mmap, pollLater, syscallLater } = bound;
    const libc: Libc = { ...bound, mmap: (...args) => Number(mmap(...args)) };
    const view = (address: number, length: number) =>
      length === 0 ? new ArrayBuffer(0) : Deno.UnsafePointerView.getArrayBuffer(Deno.UnsafePointer.create(BigInt(address))!, length);
    return { libc, numbers, view, pollLater, syscallLater };
  });
}

const FUTEX_WAIT = 0, FUTEX_WAKE = 1;

/** Waits for the futex itself on a helper thread, so that nobody needs to knock. */
export function futexBell(foreign: DenoForeign, onRing: () => void): Bell {
  let waitingAt = 0, closed = false;
  return {
    door: [0, 0],
    listen(address, seen) {
      if (waitingAt !== 0 || closed) return;
      waitingAt = address;
      const waiting = foreign.syscallLater(foreign.numbers.futex, address, FUTEX_WAIT, seen | 0, null, 0, 0);
      core?.unrefOpPromise(waiting);
      void waiting.then(() => {
        waitingAt = 0;
        if (!closed) onRing();
      });
    },
    close() {
      closed = true;
      // The helper thread would wait for ever.
      if (waitingAt !== 0) foreign.libc.syscall(foreign.numbers.futex, waitingAt, FUTEX_WAKE, 2 ** 31 - 1, null, 0, 0);
    },
  };
}

const CHUNK = 65536;

/** A {@linkcode ByteStream} over a descriptor, without `node:net`, which costs 24 ms at the start. */
export class DenoSocketStream implements ByteStream {
  readonly #foreign: DenoForeign;
  readonly #fd: number;
  /** Waiting calls, for `ref` and `unref`. */
  readonly #waiting = new Set<Promise<unknown>>();
  #queue: Uint8Array[] = [];
  #idle: (() => void)[] = [];
  #isRef = true;
  #writing = false;
  #reading = false;
  #broken = false;
  #closing = false;
  #closed = false;

  constructor(foreign: DenoForeign, fd: number) {
    this.#foreign = foreign;
    this.#fd = fd;
  }

  async #ready(events: number): Promise<void> {
    // Polled even where the descriptor itself blocks: a parent may have made it either way.
    const waiting = this.#foreign.pollLater(new Int32Array([this.#fd, events]), 1, -1);
    this.#waiting.add(waiting);
    if (!this.#isRef) core?.unrefOpPromise(waiting);
    await waiting;
    this.#waiting.delete(waiting);
  }

  async #read(onBytes: (bytes: Uint8Array) => void): Promise<void> {
    const buffer = new Uint8Array(CHUNK);
    for (;;) {
      await this.#ready(POLLIN);
      // A few at a time, so that a flood does not starve the event loop.
      for (let times = 0; times < 16; times++) {
        const length = this.#foreign.libc.recv(this.#fd, buffer, CHUNK, MSG_DONTWAIT);
        if (length > 0) onBytes(buffer.slice(0, length));
        else if (length === 0 || times === 0) return; // the end, or an error: there was something to read
        if (length < CHUNK) break;
      }
    }
  }

  open(onBytes: (bytes: Uint8Array) => void, onEnd: () => void): void {
    this.#reading = true;
    void this.#read(onBytes).finally(() => {
      this.#reading = false;
      this.#broken = this.#closing = true;
      this.#queue = [];
      this.#settle();
      onEnd();
    });
  }

  write(chunks: readonly Uint8Array[]): void {
    if (this.#broken || this.#closing) return;
    this.#queue.push(...chunks);
    if (!this.#writing) void this.#pump();
  }

  async #pump(): Promise<void> {
    this.#writing = true;
    for (let wasReady = false; this.#queue.length > 0;) {
      const chunk = this.#queue[0];
      const taken = chunk.length === 0 ? 0 : this.#foreign.libc.sendto(this.#fd, chunk, chunk.length, MSG_DONTWAIT | MSG_NOSIGNAL, null, 0);
      if (taken === chunk.length) this.#queue.shift();
      else if (taken > 0) this.#queue[0] = chunk.subarray(taken);
      else if (wasReady) { // writable and yet not taken: nobody reads any more
        this.#broken = true;
        this.#queue = [];
      }
      wasReady = false;
      if (taken === chunk.length || this.#broken) continue;
      await this.#ready(POLLOUT);
      wasReady = true;
    }
    this.#writing = false;
    this.#settle();
  }

  #settle(): void {
    for (const resolve of this.#idle.splice(0)) resolve();
    if (!this.#closing || this.#closed || this.#writing) return;
    if (this.#reading) return void this.#foreign.libc.shutdown(this.#fd, SHUT_RDWR); // ends the reading
    this.#closed = true;
    this.#foreign.libc.close(this.#fd);
  }

  flushed(): Promise<void> {
    if (this.#queue.length === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  ref(): void {
    this.#isRef = true;
    for (const waiting of this.#waiting) core?.refOpPromise(waiting);
  }

  unref(): void {
    this.#isRef = false;
    for (const waiting of this.#waiting) core?.unrefOpPromise(waiting);
  }

  close(): void {
    this.#closing = true;
    this.#settle();
  }
}
