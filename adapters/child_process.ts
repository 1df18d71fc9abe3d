/**
 * A child that is an OS process, over what the runtimes' spawn functions return.
 *
 * @module
 */

import type { Child, Ending, Port } from "../src/adapter.ts";
import { UnsupportedError } from "../src/errors.ts";
import { type Foreign, type SyscallNumbers, waitForProcess } from "./posix.ts";

/** What a runtime's spawn gives. */
export interface Spawned {
  readonly pid: number;
  readonly port: Port;
  readonly ended: Promise<Ending>;
  readonly stdout: ReadableStream<Uint8Array> | null;
  readonly stderr: ReadableStream<Uint8Array> | null;
  signal(number: number): void;
  ref(): void;
  unref(): void;
}

/** See {@linkcode Child}. */
export class ChildProcess implements Child {
  readonly pid: number | null;
  readonly port: Port;
  readonly ended: Promise<Ending>;
  readonly stdout: ReadableStream<Uint8Array> | null;
  readonly stderr: ReadableStream<Uint8Array> | null;
  readonly #spawned: Spawned;
  readonly #waiting: { foreign: Foreign; numbers: SyscallNumbers } | null;
  #ending: Ending | null = null;

  /** `waiting` is null where there is no way to call the system. */
  constructor(spawned: Spawned, waiting: { foreign: Foreign; numbers: SyscallNumbers } | null) {
    this.#spawned = spawned;
    this.#waiting = waiting;
    this.pid = spawned.pid;
    this.port = spawned.port;
    this.stdout = spawned.stdout;
    this.stderr = spawned.stderr;
    this.ended = spawned.ended.then((ending) => this.#ending = ending);
  }

  signal(number: number): void {
    // After its end the number may be another's.
    if (this.#ending === null && number !== 0) this.#spawned.signal(number);
  }

  waitSync(timeoutMs: number): Ending | null {
    if (this.#ending !== null) return this.#ending;
    if (this.#waiting === null) {
      throw new UnsupportedError(
        "Cannot block until a process ends: this runtime has no foreign-function interface here; await join() instead",
      );
    }
    return waitForProcess(this.#waiting.foreign.libc, this.#waiting.numbers, this.pid!, timeoutMs);
  }

  ref(): void {
    this.#spawned.ref();
  }

  unref(): void {
    this.#spawned.unref();
  }
}
