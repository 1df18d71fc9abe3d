/**
 * The system calls that the adapters need, declared once. A runtime's foreign-function interface binds {@linkcode CALLS}; everything above speaks {@linkcode Libc}.
 *
 * Nothing here reads `errno`: an engine may make system calls of its own between the foreign call and the look at it. Where the reason matters, `poll` tells.
 *
 * @module
 */

import { UnsupportedError } from "../src/errors.ts";

/** A parameter or a result: integers, an address as a plain number (user space ends below 2^53), or memory of this program (null allowed). */
export type CType = "i32" | "u32" | "i64" | "address" | "bytes";

/** Name, parameters and result of a C function. */
export type Signature = readonly [parameters: readonly CType[], result: "i32" | "address"];

/** What `bytes` may be. */
export type Bytes = Uint8Array | Int32Array;

/** The C library. Every function returns what C returns, as a plain number; −1 on failure. */
export interface Libc {
  open(path: Bytes, flags: number, mode: number): number;
  close(fd: number): number;
  write(fd: number, bytes: Bytes, length: number): number;
  readlink(path: Bytes, into: Bytes, length: number): number;
  unlink(path: Bytes): number;
  fchmod(fd: number, mode: number): number;
  lseek(fd: number, offset: number, from: number): number;
  access(path: Bytes, mode: number): number;
  ioctl(fd: number, request: number): number;
  fcntl(fd: number, command: number, lock: Bytes): number;
  pipe2(ends: Bytes, flags: number): number;
  socketpair(domain: number, type: number, protocol: number, ends: Bytes): number;
  socket(domain: number, type: number, protocol: number): number;
  bind(fd: number, address: Bytes, length: number): number;
  sendto(fd: number, bytes: Bytes, length: number, flags: number, address: Bytes | null, addressLength: number): number;
  recv(fd: number, into: Bytes, length: number, flags: number): number;
  shutdown(fd: number, how: number): number;
  poll(fds: Bytes, count: number, timeoutMs: number): number;
  memfd_create(name: Bytes, flags: number): number;
  ftruncate(fd: number, length: number): number;
  getrlimit(resource: number, limits: Bytes): number;
  fallocate(fd: number, mode: number, offset: number, length: number): number;
  mmap(at: number, length: number, protection: number, flags: number, fd: number, offset: number): number;
  munmap(at: number, length: number): number;
  prctl(option: number, a: number, b: number, c: number, d: number): number;
  getppid(): number;
  sched_yield(): number;
  kill(pid: number, signal: number): number;
  waitid(kind: number, id: number, into: Bytes, options: number): number;
  syscall(number: number, a: number, b: number, c: number, d: Bytes | null, e: number, f: number): number;
}

/** The signatures of {@linkcode Libc}. Lengths come back as 32 bits: none here is longer, and wider ones are a slow `bigint` to some runtimes. */
export const CALLS: Readonly<Record<keyof Libc, Signature>> = {
  open: [["bytes", "i32", "i32"], "i32"],
  close: [["i32"], "i32"],
  write: [["i32", "bytes", "i64"], "i32"],
  readlink: [["bytes", "bytes", "i64"], "i32"],
  unlink: [["bytes"], "i32"],
  fchmod: [["i32", "u32"], "i32"],
  lseek: [["i32", "i64", "i32"], "address"],
  access: [["bytes", "i32"], "i32"],
  ioctl: [["i32", "i64"], "i32"],
  fcntl: [["i32", "i32", "bytes"], "i32"],
  pipe2: [["bytes", "i32"], "i32"],
  socketpair: [["i32", "i32", "i32", "bytes"], "i32"],
  socket: [["i32", "i32", "i32"], "i32"],
  bind: [["i32", "bytes", "u32"], "i32"],
  sendto: [["i32", "bytes", "i64", "i32", "bytes", "u32"], "i32"],
  recv: [["i32", "bytes", "i64", "i32"], "i32"],
  shutdown: [["i32", "i32"], "i32"],
  poll: [["bytes", "i64", "i32"], "i32"],
  memfd_create: [["bytes", "u32"], "i32"],
  ftruncate: [["i32", "i64"], "i32"],
  getrlimit: [["i32", "bytes"], "i32"],
  fallocate: [["i32", "i32", "i64", "i64"], "i32"],
  mmap: [["address", "i64", "i32", "i32", "i32", "i64"], "address"],
  munmap: [["address", "i64"], "i32"],
  prctl: [["i32", "i64", "i64", "i64", "i64"], "i32"],
  getppid: [[], "i32"],
  sched_yield: [[], "i32"],
  kill: [["i32", "i32"], "i32"],
  waitid: [["i32", "i32", "bytes", "i32"], "i32"],
  syscall: [["i64", "address", "i32", "i32", "bytes", "address", "i32"], "i32"],
};

/** A runtime's foreign-function interface. */
export interface Foreign {
  readonly libc: Libc;
  /** The memory at an address, as a buffer of exactly that length. */
  view(address: number, length: number): ArrayBuffer;
}

/** System calls that libc has no function for everywhere; x64 and arm64 differ. */
export interface SyscallNumbers {
  readonly futex: number;
  readonly gettid: number;
  readonly pidfdOpen: number;
}

/** The numbers for a machine, by either of its usual names; null where they are not known. */
export function syscallNumbers(machine: string): SyscallNumbers | null {
  if (machine === "x64" || machine === "x86_64") return { futex: 202, gettid: 186, pidfdOpen: 434 };
  if (machine === "arm64" || machine === "aarch64") return { futex: 98, gettid: 178, pidfdOpen: 434 };
  return null;
}

/** Binds the C library by the first of its names that loads: glibc's, then musl's. */
export function loadLibc<T>(machine: string, load: (library: string) => T): T {
  const musl = machine === "arm64" || machine === "aarch64" ? "libc.musl-aarch64.so.1" : "libc.musl-x86_64.so.1";
  let first: unknown;
  for (const name of ["libc.so.6", musl]) {
    try {
      return load(name);
    } catch (error) {
      first ??= error;
    }
  }
  throw new UnsupportedError("Cannot load the C library", { cause: first });
}

/** `open` flags. */
export const O_WRONLY = 1, O_RDWR = 2, O_CREAT = 0o100, O_EXCL = 0o200, O_NONBLOCK = 0o4000, O_CLOEXEC = 0o2000000;
/** `ioctl` requests that set and clear close-on-exec: unlike `fcntl` they need no third argument. */
export const FIOCLEX = 0x5451, FIONCLEX = 0x5450;
/** Sockets. */
export const AF_UNIX = 1, SOCK_STREAM = 1, SOCK_DGRAM = 2, SOCK_NONBLOCK: number = O_NONBLOCK, SOCK_CLOEXEC: number = O_CLOEXEC;
export const MSG_DONTWAIT = 0x40, MSG_NOSIGNAL = 0x4000, SHUT_RDWR = 2;
export const POLLIN = 1, POLLOUT = 4, POLLERR = 8, POLLHUP = 16;
export const PR_SET_PDEATHSIG = 1, SIGKILL = 9;

/** A C string. */
export function cString(text: string): Uint8Array {
  return new TextEncoder().encode(text + "\0");
}

/** The target of a symbolic link, null where there is none. */
export function readLink(libc: Libc, path: string): string | null {
  const into = new Uint8Array(512);
  const length = libc.readlink(cString(path), into, into.length);
  return length < 0 ? null : new TextDecoder().decode(into.subarray(0, length));
}

const RLIMIT_FSIZE = 1;

/** Makes a new file that long. False if the system refuses. */
export function lengthen(libc: Libc, fd: number, byteLength: number): boolean {
  // Beyond what `ulimit -f` allows, asking alone would kill the program. `struct rlimit`: the limit, u64, and how far it may be raised.
  const limits = new Int32Array(4);
  libc.getrlimit(RLIMIT_FSIZE, limits);
  const isLow = limits[1] >= 0 && limits[1] * 2 ** 32 + (limits[0] >>> 0) < byteLength;
  return !isLow && libc.ftruncate(fd, byteLength) === 0;
}

const F_OFD_GETLK = 36, F_OFD_SETLK = 37, F_RDLCK = 0, F_WRLCK = 1, F_UNLCK = 2;

/**
 * Locks on single bytes of a file, held by an open file description: the kernel drops them with its last descriptor, however that is closed.
 * `struct flock` on 64-bit Linux: type i16, whence i16, (4 bytes), start i64, length i64, pid i32.
 */
export class ByteLocks {
  readonly #libc: Libc;
  readonly #flock = new Int32Array(8);

  constructor(libc: Libc) {
    this.#libc = libc;
  }

  #call(fd: number, command: number, type: number, byte: number): number {
    const words = this.#flock.fill(0);
    words[0] = type; // whence 0 in the upper half: from the start of the file
    words[2] = byte;
    words[3] = Math.floor(byte / 2 ** 32);
    words[4] = 1;
    return this.#libc.fcntl(fd, command, words);
  }

  /** False if another description holds it. Locking again is a no-op. */
  lock(fd: number, byte: number): boolean {
    return this.#call(fd, F_OFD_SETLK, F_WRLCK, byte) === 0;
  }

  /** Holds it together with others, none of whom has it alone. False if somebody has. */
  share(fd: number, byte: number): boolean {
    return this.#call(fd, F_OFD_SETLK, F_RDLCK, byte) === 0;
  }

  unlock(fd: number, byte: number): void {
    this.#call(fd, F_OFD_SETLK, F_UNLCK, byte);
  }

  /** Whether another description than that of `fd` holds it. */
  heldElsewhere(fd: number, byte: number): boolean {
    return this.#call(fd, F_OFD_GETLK, F_WRLCK, byte) === 0 && (this.#flock[0] & 0xffff) !== F_UNLCK;
  }
}

const P_PID = 1, WNOHANG = 1, WEXITED = 4, WNOWAIT = 0x01000000, CLD_EXITED = 1;
/** How often a process is looked at whose end cannot be waited for. */
const BLIND_MS = 5;

/** Blocks until the child process has ended, and leaves reaping it to the runtime. Null when the time is up; both null if somebody reaped it before. */
export function waitForProcess(
  libc: Libc,
  numbers: SyscallNumbers,
  pid: number,
  timeoutMs: number,
): { code: number | null; signal: number | null } | null {
  const deadline = performance.now() + timeoutMs;
  // Where that is not to be had (Linux before 5.3, a sandbox) it is looked at now and then. It is close-on-exec by nature.
  const fd = libc.syscall(numbers.pidfdOpen, pid, 0, 0, null, 0, 0), isBlind = fd < 0;
  // siginfo_t: signal, errno, code, (4 bytes), pid, uid, status
  const info = new Int32Array(32), fds = new Int32Array([fd, POLLIN]);
  try {
    for (;;) {
      if (libc.waitid(P_PID, pid, info, WEXITED | WNOWAIT | WNOHANG) !== 0) return { code: null, signal: null };
      if (info[4] !== 0) return info[2] === CLD_EXITED ? { code: info[6], signal: null } : { code: null, signal: info[6] };
      const left = deadline - performance.now();
      if (!(left > 0)) return null;
      // A signal handler cuts it short.
      libc.poll(fds, isBlind ? 0 : 1, Math.min(Math.ceil(left), isBlind ? BLIND_MS : 2 ** 31 - 1));
    }
  } finally {
    if (!isBlind) libc.close(fd);
  }
}

const SIGNALS =
  "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS"
    .split(" ");

/** The number of a signal on Linux by its name, e.g. `"SIGTERM"`; elsewhere those that every program uses have the same numbers. */
export function signalNumber(name: string): number {
  return SIGNALS.indexOf(name.slice(3)) + 1;
}

/** The name of a signal, e.g. `"SIGTERM"`. */
export function signalName(number: number): string {
  return "SIG" + (SIGNALS[number - 1] ?? `RT${number}`);
}
