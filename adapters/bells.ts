/**
 * How an event loop is woken from another process.
 *
 * A participant publishes its *door*, two words that anyone needs to knock:
 *
 * | first word        | second word | the event loop reads                                        |
 * |-------------------|-------------|-------------------------------------------------------------|
 * | 0                 | 0           | nothing: it waits for the futex on a helper thread          |
 * | 1 + descriptor<<8 | inode       | a pipe; knockers open `/proc/<pid>/fd/<descriptor>`         |
 * | 2                 | key         | a datagram socket of the abstract name `\0polyproc-pid-key` |
 *
 * @module
 */

import type { Libc } from "./posix.ts";
import {
  AF_UNIX,
  cString,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  O_CLOEXEC,
  O_NONBLOCK,
  O_RDWR,
  O_WRONLY,
  readLink,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
} from "./posix.ts";

/** A participant's way of being woken while its event loop runs. */
export interface Bell {
  readonly door: readonly [number, number];
  /** Rings once the word at the address is not `seen` any more and was unparked; a bell with a door rings when it is knocked at. */
  listen(address: number, seen: number): void;
  close(): void;
}

const PIPE = 1, DATAGRAM = 2;
const KNOCK = new Uint8Array([1]);

/** Makes a pipe whose single descriptor both reads and writes: it never sees an end, and whoever adopts it for reading closes all there is. Null if none is free. */
export function makePipe(libc: Libc): { fd: number; door: readonly [number, number] } | null {
  const ends = new Int32Array(2);
  if (libc.pipe2(ends, O_CLOEXEC) !== 0) return null;
  const fd = libc.open(cString(`/proc/self/fd/${ends[0]}`), O_RDWR | O_NONBLOCK | O_CLOEXEC, 0);
  libc.close(ends[0]);
  libc.close(ends[1]);
  if (fd < 0) return null;
  const inode = Number(/^pipe:\[(\d+)\]$/.exec(readLink(libc, `/proc/self/fd/${fd}`) ?? "")?.[1] ?? 0) | 0;
  return { fd, door: [PIPE | fd << 8, inode] };
}

function abstractName(pid: number, key: number): Uint8Array {
  // sockaddr_un: family u16, then the name, whose first byte is 0 in the abstract name space
  const address = new TextEncoder().encode(`\0\0\0polyproc-${pid}-${key >>> 0}`);
  new DataView(address.buffer).setUint16(0, AF_UNIX, true);
  return address;
}

/** Makes a datagram socket with a name of its own. Null where that is refused. */
export function makeDatagramSocket(libc: Libc, pid: number): { fd: number; door: readonly [number, number] } | null {
  const fd = libc.socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return null;
  for (let attempt = 0; attempt < 4; attempt++) {
    const key = crypto.getRandomValues(new Int32Array(1))[0], address = abstractName(pid, key);
    if (libc.bind(fd, address, address.length) === 0) return { fd, door: [DATAGRAM, key] };
  }
  libc.close(fd);
  return null;
}

function keyOf([first, second]: readonly [number, number], pid: number): string {
  return `${pid} ${first} ${second}`;
}

/** Knocks at doors, and keeps what it opened for that: unless the thread may be terminated, when nobody would close it. */
export class Knocker {
  readonly #libc: Libc;
  readonly #keeps: boolean;
  /** Writing ends, by the door's words and process. */
  readonly #pipes = new Map<string, number>();
  readonly #names = new Map<string, Uint8Array>();
  #socket = -1;

  constructor(libc: Libc, keeps: boolean) {
    this.#libc = libc;
    this.#keeps = keeps;
  }

  /** False where there is no door, or nobody behind it. */
  knock(door: readonly [number, number], pid: number): boolean {
    switch (door[0] & 0xff) {
      case PIPE:
        return this.#knockAtPipe(door, pid);
      case DATAGRAM:
        return this.#knockAtName(door, pid);
      default:
        return false;
    }
  }

  /** Closes what was opened of a door: nobody is behind it any more. */
  forget(door: readonly [number, number], pid: number): void {
    const key = keyOf(door, pid), fd = this.#pipes.get(key);
    if (fd === undefined) return;
    this.#libc.close(fd);
    this.#pipes.delete(key);
  }

  #knockAtPipe(door: readonly [number, number], pid: number): boolean {
    const libc = this.#libc, key = keyOf(door, pid);
    const known = this.#pipes.get(key);
    if (known !== undefined) {
      if (libc.write(known, KNOCK, 1) === 1) return true;
      // Full (then it will ring anyway) or abandoned: look again which.
      libc.close(known);
      this.#pipes.delete(key);
    }
    // The inode tells our pipe from another file that got the same number since; so nothing is ever written into a stranger's.
    const path = `/proc/${pid}/fd/${door[0] >>> 8}`;
    const target = /^pipe:\[(\d+)\]$/.exec(readLink(libc, path) ?? "");
    if (target === null || (Number(target[1]) | 0) !== door[1]) return false;
    const fd = libc.open(cString(path), O_WRONLY | O_NONBLOCK | O_CLOEXEC, 0);
    if (fd < 0) return false;
    libc.write(fd, KNOCK, 1);
    if (this.#keeps) {
      this.#forgetTheDead();
      this.#pipes.set(key, fd);
    } else libc.close(fd);
    return true;
  }

  #knockAtName(door: readonly [number, number], pid: number): boolean {
    const key = `${pid} ${door[1]}`;
    let name = this.#names.get(key);
    if (name === undefined) {
      if (this.#names.size >= 256) this.#names.clear();
      this.#names.set(key, name = abstractName(pid, door[1]));
    }
    const socket = this.#socket < 0 ? this.#libc.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0) : this.#socket;
    // A refusal because its buffer is full is as good as a ring.
    this.#libc.sendto(socket, KNOCK, 1, MSG_DONTWAIT | MSG_NOSIGNAL, name, name.length);
    if (this.#keeps) this.#socket = socket;
    else this.#libc.close(socket);
    return true;
  }

  /** Called for each new door, so that there are never many more than there are processes. */
  #forgetTheDead(): void {
    for (const [key, fd] of this.#pipes) {
      if (this.#libc.access(cString(`/proc/${key.slice(0, key.indexOf(" "))}`), 0) === 0) continue;
      this.#libc.close(fd);
      this.#pipes.delete(key);
    }
  }
}
