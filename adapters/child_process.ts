/**
 * A child that is an OS process, over what the runtimes' spawn functions return.
 *
 * @module
 */

import type { Child, Ending, Port, StartPlan } from "../src/adapter.ts";
import { UnsupportedError } from "../src/errors.ts";
import { cannotStart, command, type ParentFacts, writeBirth } from "./command.ts";
import type { Mapped } from "./mapped_memory.ts";
import { type Foreign, type SyscallNumbers, waitForProcess } from "./posix.ts";
import type { Sharing } from "./sharing.ts";
import { stillborn } from "./stillborn.ts";

/** What starting one takes from the runtime. */
export interface ProcessHost {
  readonly pid: number;
  readonly sharing: Sharing;
  readonly facts: ParentFacts;
  /** The user's main module. */
  readonly main: string;
}

/**
 * Starts a child, which finds its channel at descriptor 3 and its memory at 4.
 *
 * @param spawn Does that. It is given the descriptor of the memory too, −1 where there is none, which is closed afterwards.
 */
export function startProcess(
  plan: StartPlan,
  { pid, sharing, facts, main }: ProcessHost,
  spawn: (path: string, args: string[], fd: number) => Child,
): Child {
  const { memory } = plan;
  let fd = -1, path = "";
  try {
    if (memory !== null) fd = (memory.memory as Mapped).inherit(memory.slot);
    const birth = writeBirth({
      channelFd: 3,
      memory: memory === null ? null : { fd: 4, byteLength: memory.memory.byteLength },
      parentPid: pid,
      daemon: plan.daemon,
      config: (plan.runtime ?? facts.runtime) === "deno" ? facts.config() : null,
      main,
    });
    const started = command(plan, facts, birth);
    path = started.path;
    return spawn(path, started.args, fd);
  } catch (error) {
    return stillborn(path === "" ? error : cannotStart(plan, path, error));
  } finally {
    if (fd >= 0) sharing.parts!.foreign.libc.close(fd);
  }
}

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
