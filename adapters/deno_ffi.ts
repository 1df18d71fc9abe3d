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
  O_CLOEXEC,
  POLLERR,
  POLLHUP,
  POLLIN,
  POLLOUT,
  SHUT_RDWR,
  type SyscallNumbers,
  syscallNumbers,
} from "./posix.ts";

const FFI_TYPES = { i32: "i32", u32: "u32", i64: "i64", address: "u64", bytes: "buffer" } as const satisfies Record<CType, string>;

/** The C library, with calls that do not hold up the event loop. Each of these takes a helper thread, of which Deno has 32 for all that blocks, also for reading a file. */
export interface DenoForeign extends Foreign {
  readonly numbers: SyscallNumbers;
  readonly readiness: Readiness;
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
    const types = (parameters: readonly CType[]) => parameters.map((type) => FFI_TYPES[type]);
    const symbols: Record<string, Deno.ForeignFunction> = {
      epollCreate: { name: "epoll_create1", parameters: ["i32"], result: "i32" },
      epollControl: { name: "epoll_ctl", parameters: ["i32", "i32", "i32", "buffer"], result: "i32" },
      epollWaitLater: { name: "epoll_wait", parameters: ["i32", "buffer", "i32", "i32"], result: "i32", nonblocking: true },
      syscallLater: { name: "syscall", parameters: types(CALLS.syscall[0]), result: "i32", nonblocking: true },
    };
    for (const [name, [parameters, result]] of Object.entries(CALLS)) {
      symbols[name] = { parameters: types(parameters), result: FFI_TYPES[result] };
    }
    const libc = bind(name, symbols) as unknown as Libc & Epoll & Pick<DenoForeign, "syscallLater">;
    const view = (address: number, length: number) =>
      length === 0 ? new ArrayBuffer(0) : Deno.UnsafePointerView.getArrayBuffer(Deno.UnsafePointer.create(BigInt(address))!, length);
    return { libc, numbers, view, readiness: new Readiness(libc, machine), syscallLater: (...args) => libc.syscallLater(...args) };
  });
}

type Call = (...args: unknown[]) => unknown;

/** Functions of a library. Each is bound when it is first called: that takes Deno a quarter of a millisecond, and most programs call few. */
function bind(library: string, symbols: Readonly<Record<string, Deno.ForeignFunction>>): Record<string, Call> {
  Deno.dlopen(library, {}); // throws if there is none
  const calls: Record<string, Call> = {};
  for (const [name, symbol] of Object.entries(symbols)) {
    calls[name] = (...args) => {
      const bound = Deno.dlopen(library, { [name]: symbol }).symbols[name] as Call;
      // 64-bit results are `bigint` there.
      calls[name] = symbol.result === "u64" ? (...args) => Number(bound(...args)) : bound;
      return calls[name](...args);
    };
  }
  return calls;
}

/** What waits for many descriptors at a time. */
interface Epoll extends Pick<Libc, "pipe2" | "close"> {
  epollCreate(flags: number): number;
  epollControl(epoll: number, action: number, fd: number, event: Bytes): number;
  epollWaitLater(epoll: number, events: Bytes, most: number, timeoutMs: number): Promise<number>;
}

const EPOLL_CTL_ADD = 1, EPOLL_CTL_MOD = 3, EPOLLONESHOT = 1 << 30, MOST_EVENTS = 64;

/** Who waits for a descriptor. */
interface Awaited {
  reader: (() => void) | null;
  writer: (() => void) | null;
  /** Which of all armings its last was: events tell it back. */
  serial: number;
}

/** Tells when descriptors are ready, all of them by one call on a helper thread. */
export class Readiness {
  readonly #calls: Epoll;
  /** `struct epoll_event`: 32 bits of events, then 64 of the caller's; x64 leaves no gap between them. */
  readonly #dataAt: number;
  readonly #awaited = new Map<number, Awaited>();
  /** Of what was armed last. */
  #serial = 0;
  /** How many streams there are, and for how many waits the program goes on. */
  #streams = 0;
  #held = 0;
  /** While there are streams. Closing the stopper ends the call. */
  #epoll = -1;
  #stopper = -1;
  #call: Promise<number> | null = null;

  constructor(calls: Epoll, machine: string) {
    this.#calls = calls;
    this.#dataAt = machine === "x86_64" ? 1 : 2;
  }

  /** There is a stream more. */
  enter(): void {
    if (this.#streams === 0) this.#open();
    this.#streams++;
  }

  /** One is closed. */
  leave(): void {
    if (--this.#streams > 0) return;
    this.#epoll = -1;
    this.#calls.close(this.#stopper);
    // A thread that ended before the call returns would leave its descriptors behind.
    if (this.#call !== null) core?.refOpPromise(this.#call);
  }

  /** So many waits more are to keep the program alive, or fewer. */
  hold(waits: number): void {
    this.#held += waits;
    if (this.#call !== null) this.#keep(this.#call);
  }

  /** Resolves once a descriptor of a stream can be read, `POLLIN`, or written, `POLLOUT`, or is broken. */
  ready(fd: number, events: number): Promise<void> {
    return new Promise((resolve) => {
      let awaited = this.#awaited.get(fd);
      if (awaited === undefined) this.#awaited.set(fd, awaited = { reader: null, writer: null, serial: 0 });
      if (events === POLLIN) awaited.reader = resolve;
      else awaited.writer = resolve;
      this.#arm(fd, awaited);
    });
  }

  #open(): void {
    const calls = this.#calls, ends = new Int32Array(2), epoll = calls.epollCreate(O_CLOEXEC);
    if (epoll < 0 || calls.pipe2(ends, O_CLOEXEC) !== 0) {
      if (epoll >= 0) calls.close(epoll);
      throw new Error("Cannot wait for a child: no descriptor is free");
    }
    const [stopped, stopper] = ends;
    calls.epollControl(epoll, EPOLL_CTL_ADD, stopped, this.#event(stopped, 0, 0));
    this.#epoll = epoll;
    this.#stopper = stopper;
    void this.#run(epoll, stopped);
  }

  async #run(epoll: number, stopped: number): Promise<void> {
    const stride = this.#dataAt + 2, events = new Int32Array(MOST_EVENTS * stride);
    while (this.#epoll === epoll) {
      const call = this.#call = this.#calls.epollWaitLater(epoll, events, MOST_EVENTS, -1);
      this.#keep(call);
      const count = await call;
      if (this.#call === call) this.#call = null;
      for (let at = 0; at < count * stride && this.#epoll === epoll; at += stride) {
        const fd = events[at + this.#dataAt];
        // Another serial: it was armed anew since, which tells again what still holds, or is another file by now.
        if (this.#awaited.get(fd)?.serial === events[at + this.#dataAt + 1]) this.#tell(fd, events[at]);
      }
    }
    this.#calls.close(stopped);
    this.#calls.close(epoll);
  }

  #tell(fd: number, events: number): void {
    const awaited = this.#awaited.get(fd);
    if (awaited === undefined) return;
    const { reader, writer } = awaited, isBroken = (events & (POLLERR | POLLHUP)) !== 0;
    if (isBroken || (events & POLLIN) !== 0) awaited.reader = null;
    if (isBroken || (events & POLLOUT) !== 0) awaited.writer = null;
    if (awaited.reader === null && awaited.writer === null) this.#awaited.delete(fd);
    else this.#arm(fd, awaited);
    if (awaited.reader === null) reader?.();
    if (awaited.writer === null) writer?.();
  }

  /** Has the next event of a descriptor told, once. */
  #arm(fd: number, awaited: Awaited): void {
    const { reader, writer } = awaited;
    this.#serial = awaited.serial = this.#serial + 1 | 0;
    const event = this.#event(fd, (reader === null ? 0 : POLLIN) | (writer === null ? 0 : POLLOUT) | EPOLLONESHOT, awaited.serial);
    const control = (action: number) => this.#calls.epollControl(this.#epoll, action, fd, event) === 0;
    // It is known from before, or it is not; a descriptor that cannot be waited for is its user's to look at.
    if (!control(EPOLL_CTL_MOD) && !control(EPOLL_CTL_ADD)) this.#tell(fd, POLLERR);
  }

  #event(fd: number, events: number, serial: number): Int32Array {
    const words = new Int32Array(this.#dataAt + 2);
    words[0] = events;
    words[this.#dataAt] = fd;
    words[this.#dataAt + 1] = serial;
    return words;
  }

  #keep(call: Promise<number>): void {
    if (this.#held > 0) core?.refOpPromise(call);
    else core?.unrefOpPromise(call);
  }
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
  readonly caughtUp = null;
  readonly #foreign: DenoForeign;
  readonly #fd: number;
  /** How many waits for the descriptor there are. */
  #waits = 0;
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
    foreign.readiness.enter();
  }

  async #ready(events: number): Promise<void> {
    const { readiness } = this.#foreign;
    this.#waits++;
    if (this.#isRef) readiness.hold(1);
    // Also where the descriptor itself blocks: a parent may have made it either way.
    await readiness.ready(this.#fd, events);
    this.#waits--;
    if (this.#isRef) readiness.hold(-1);
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
    this.#foreign.readiness.leave();
  }

  flushed(): Promise<void> {
    if (this.#queue.length === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  ref(): void {
    if (!this.#isRef) this.#foreign.readiness.hold(this.#waits);
    this.#isRef = true;
  }

  unref(): void {
    if (this.#isRef) this.#foreign.readiness.hold(-this.#waits);
    this.#isRef = false;
  }

  close(): void {
    this.#closing = true;
    this.#settle();
  }
}
