/**
 * Whether this program may share memory with processes, and the parts that do, made when first needed.
 *
 * @module
 */

import type { MappedHandle, ThreadId } from "../src/adapter.ts";
import { UnsupportedError } from "../src/errors.ts";
import type { Bell } from "./bells.ts";
import { Knocker } from "./bells.ts";
import { Mapped, type MappedHost } from "./mapped_memory.ts";
import { PosixBlocks } from "./named_memory.ts";
import type { BirthArgument } from "./command.ts";
import { FIOCLEX, type Foreign, PR_SET_PDEATHSIG, readLink, SIGKILL, syscallNumbers } from "./posix.ts";

/** What a runtime says for it. */
export interface SharingHost {
  /** `"linux"` and so on, and `"x64"` and so on. */
  readonly platform: string;
  readonly machine: string;
  readonly pid: number;
  /** Whether this is the thread that goes when the process goes: what it keeps open needs no care. */
  readonly isMainThread: boolean;
  env(name: string): string | undefined;
  /** Loads foreign functions; throws an error that says why not. */
  loadForeign(): Foreign;
  bell(foreign: Foreign, onRing: () => void): Bell;
  /** The files in a directory, with their modes; none where it may not be read. */
  files(directory: string): Iterable<{ readonly name: string; readonly mode: number }>;
}

/** The parts that call the system directly. */
export class Sharing {
  readonly #host: SharingHost;
  #mapped: MappedHost | null = null;
  #named: PosixBlocks | null = null;
  /** Why not; null before anybody looked, empty if there is nothing in the way. */
  #reason: string | null = null;

  constructor(host: SharingHost) {
    this.#host = host;
  }

  /** Why memory cannot be shared with processes; null where it can. */
  get reason(): string | null {
    if (this.#reason === null) {
      try {
        this.#load();
        this.#reason = "";
      } catch (error) {
        this.#reason = (error as Error).message;
      }
    }
    return this.#reason || null;
  }

  #load(): void {
    const host = this.#host;
    if (host.env("POLYPROC_SHARED_MEMORY") === "off") {
      throw new UnsupportedError("switched off by the environment variable POLYPROC_SHARED_MEMORY=off");
    }
    if (host.platform !== "linux") {
      throw new UnsupportedError(`not on ${host.platform} yet, only on Linux; threads share memory everywhere`);
    }
    const numbers = syscallNumbers(host.machine);
    if (numbers === null) {
      throw new UnsupportedError(`not on ${host.machine} machines, only on x64 and arm64; threads share memory everywhere`);
    }
    const foreign = host.loadForeign();
    if (readLink(foreign.libc, "/proc/self") !== String(host.pid)) {
      throw new UnsupportedError("/proc is missing, or that of other processes than those here: mount -t proc proc /proc");
    }
    let thread: ThreadId | null = null;
    this.#mapped = {
      foreign,
      numbers,
      pid: host.pid,
      knocker: new Knocker(foreign.libc, host.isMainThread),
      thread: () => thread ??= { pid: host.pid, tid: foreign.libc.syscall(numbers.gettid, 0, 0, 0, null, 0, 0) },
      bell: (onRing) => host.bell(foreign, onRing),
    };
  }

  /** The parts; null where they are missing. */
  get parts(): MappedHost | null {
    return this.reason === null ? this.#mapped : null;
  }

  /** The parts, if they were needed before. */
  get loaded(): MappedHost | null {
    return this.#mapped;
  }

  /** {@linkcode Adapter.memory} */
  memory(from: number | MappedHandle): Mapped {
    const parts = this.parts;
    if (parts === null) throw new UnsupportedError(`Cannot share memory with processes: ${this.reason}`);
    return typeof from === "number" ? Mapped.create(parts, from) : new Mapped(parts, from);
  }

  /** {@linkcode Adapter.named} */
  get named(): PosixBlocks {
    const parts = this.parts;
    if (parts === null) throw new UnsupportedError(`Cannot share memory with other programs: ${this.reason}`);
    return this.#named ??= new PosixBlocks(parts.foreign, (directory) => this.#host.files(directory));
  }

  /** In a new child process, before anything else: ties its life to its parent's, if it is daemonic, and maps what it inherited. */
  born(birth: BirthArgument): Mapped | null {
    // Without an inherited memory the foreign functions are still worth loading for a daemon: a busy one would outlive its parent.
    if (birth.memory === null && !birth.daemon) return null;
    const parts = this.parts;
    if (parts === null) return null;
    const libc = parts.foreign.libc;
    if (birth.daemon) {
      libc.prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
      // It may have died before that call.
      if (libc.getppid() !== birth.parentPid) libc.kill(this.#host.pid, SIGKILL);
    }
    // So that what this child starts does not inherit them: a lock lives as long as its last holder.
    for (const fd of [birth.channelFd, birth.memory?.fd ?? -1]) if (fd >= 0) libc.ioctl(fd, FIOCLEX);
    return birth.memory === null ? null : new Mapped(parts, { ...birth.memory, address: 0 });
  }
}
