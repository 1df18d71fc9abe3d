/**
 * Memory that processes share: a `memfd`, mapped by everyone who inherits it.
 *
 * Liveness: the participant in slot n holds a lock on byte n of the file through its process's open file description. A parent opens a new description for each child,
 * locks the child's slot through it and hands it over, so that the lock lives exactly as long as the child: there is no moment at which the child runs without it.
 * A thread holds no lock, since its process would still hold that after the thread was terminated: for it `/proc/<pid>/task/<tid>` tells.
 *
 * @module
 */

import type { MappedHandle, MappedMemory, ThreadId } from "../src/adapter.ts";
import { ProcessError, UnsupportedError } from "../src/errors.ts";
import type { Bytes, Foreign, Libc, SyscallNumbers } from "./posix.ts";
import { ByteLocks, cString, lengthen, O_CLOEXEC, O_RDWR } from "./posix.ts";
import type { Bell, Knocker } from "./bells.ts";

const FUTEX_WAIT = 0, FUTEX_WAKE = 1, EVERYBODY = 2 ** 31 - 1;
const MFD_CLOEXEC = 1, PROT_READ_WRITE = 3, MAP_SHARED = 1, MAP_NORESERVE = 0x4000;
const FALLOC_FL_KEEP_SIZE = 1, FALLOC_FL_PUNCH_HOLE = 2, PAGE = 4096;
/** Longer than this is for ever, to a futex. */
const LONGEST_MS = 1e9;

/** What mapped memory needs from its runtime. */
export interface MappedHost {
  readonly foreign: Foreign;
  readonly numbers: SyscallNumbers;
  readonly pid: number;
  readonly knocker: Knocker;
  thread(): ThreadId;
  /** Makes the bell of a participant of this thread. */
  bell(onRing: () => void): Bell;
}

/** Whether a thread exists. */
export function threadExists(libc: Libc, at: ThreadId): boolean {
  return libc.access(cString(at.tid === 0 ? `/proc/${at.pid}` : `/proc/${at.pid}/task/${at.tid}`), 0) === 0;
}

/** See {@linkcode MappedMemory}. */
export class Mapped implements MappedMemory {
  readonly kind = "mapped" as const;
  readonly byteLength: number;
  readonly handle: MappedHandle;
  readonly #host: MappedHost;
  readonly #libc: Libc;
  readonly #locks: ByteLocks;
  readonly #address: number;
  readonly #fd: number;
  readonly #bells = new Map<number, Bell>();
  readonly #timespec: Bytes = new Int32Array(4);

  constructor(host: MappedHost, from: MappedHandle) {
    this.#host = host;
    this.#libc = host.foreign.libc;
    this.#locks = new ByteLocks(this.#libc);
    this.#fd = from.fd;
    this.byteLength = from.byteLength;
    this.#address = from.address ||
      this.#libc.mmap(0, from.byteLength, PROT_READ_WRITE, MAP_SHARED | MAP_NORESERVE, from.fd, 0);
    // MAP_FAILED is −1, whatever integer the runtime makes of it.
    if (this.#address <= 0 || this.#address >= 2 ** 53) {
      throw new UnsupportedError(
        `Cannot map ${from.byteLength} bytes of shared memory: the system refuses (ulimit -v, or too little address space)`,
      );
    }
    this.handle = { fd: from.fd, byteLength: from.byteLength, address: this.#address };
  }

  /** Makes new memory. */
  static create(host: MappedHost, byteLength: number): Mapped {
    const libc = host.foreign.libc;
    const fd = libc.memfd_create(cString("polyproc"), MFD_CLOEXEC);
    if (fd < 0) {
      throw new UnsupportedError(
        "Cannot make shared memory: no descriptor is free (ulimit -n), or a sandbox forbids memfd_create; the environment variable POLYPROC_SHARED_MEMORY=off does without",
      );
    }
    try {
      if (!lengthen(libc, fd, byteLength)) {
        throw new UnsupportedError(`Cannot make ${byteLength} bytes of shared memory: files must not be that long here (ulimit -f)`);
      }
      return new Mapped(host, { fd, byteLength, address: 0 });
    } catch (error) {
      libc.close(fd);
      throw error;
    }
  }

  view(offset: number, length: number): { buffer: ArrayBuffer; start: number } {
    if (!(offset >= 0 && length >= 0 && offset + length <= this.byteLength)) {
      throw new RangeError(`Cannot view ${length} bytes at ${offset}: the memory has ${this.byteLength}`);
    }
    return { buffer: this.#host.foreign.view(this.#address + offset, length), start: 0 };
  }

  discard(offset: number, length: number): void {
    const from = Math.ceil(offset / PAGE) * PAGE, to = Math.floor((offset + length) / PAGE) * PAGE;
    if (to > from) this.#libc.fallocate(this.#fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, from, to - from);
  }

  attach(slot: number, onRing: () => void): readonly [number, number] {
    const { pid, tid } = this.#host.thread();
    if (tid === pid && !this.#locks.lock(this.#fd, slot)) throw new ProcessError(`Cannot attach to slot ${slot}: another process holds it`);
    this.#bells.get(slot)?.close();
    const bell = this.#host.bell(onRing);
    this.#bells.set(slot, bell);
    return bell.door;
  }

  detach(slot: number, door?: readonly [number, number], pid?: number): void {
    if (door !== undefined && pid !== undefined) this.#host.knocker.forget(door, pid);
    const bell = this.#bells.get(slot);
    this.#bells.delete(slot);
    bell?.close();
    this.#locks.unlock(this.#fd, slot);
  }

  alive(slot: number, at: ThreadId): boolean {
    if (this.#bells.has(slot)) return true;
    // The locks of one description don't conflict with each other, so within this process the kernel's list of threads decides.
    if (at.tid !== 0 && (at.tid !== at.pid || at.pid === this.#host.pid)) return threadExists(this.#libc, at);
    return this.#locks.heldElsewhere(this.#fd, slot);
  }

  park(offset: number, expected: number, timeoutMs: number): void {
    let timeout: Bytes | null = null;
    if (timeoutMs < LONGEST_MS) {
      timeout = this.#timespec;
      const ms = Math.max(timeoutMs, 0);
      timeout[0] = Math.floor(ms / 1000);
      timeout[2] = Math.floor((ms % 1000) * 1e6);
    }
    this.#libc.syscall(this.#host.numbers.futex, this.#address + offset, FUTEX_WAIT, expected | 0, timeout, 0, 0);
  }

  unpark(offset: number): void {
    this.#libc.syscall(this.#host.numbers.futex, this.#address + offset, FUTEX_WAKE, EVERYBODY, null, 0, 0);
  }

  giveWay(): boolean {
    return this.#libc.sched_yield() === 0;
  }

  listen(slot: number, offset: number, seen: number): void {
    this.#bells.get(slot)?.listen(this.#address + offset, seen);
  }

  rouse(door: readonly [number, number], at: ThreadId): boolean {
    return this.#host.knocker.knock(door, at.pid);
  }

  /** A descriptor for a child: of a description of its own, which holds the lock on the child's slot. The caller closes it after the start. */
  inherit(slot: number): number {
    const fd = this.#libc.open(cString(`/proc/self/fd/${this.#fd}`), O_RDWR | O_CLOEXEC, 0);
    if (fd < 0) throw new ProcessError("Cannot open the shared memory for a child: no descriptor is free, or /proc is missing");
    if (!this.#locks.lock(fd, slot)) {
      this.#libc.close(fd);
      throw new ProcessError(`Cannot give slot ${slot} to a child: another process holds it`);
    }
    return fd;
  }
}
