/**
 * Named blocks: files in `/dev/shm`, as `shm_open` makes them, which any program opens by name; CPython's `multiprocessing.shared_memory` among them.
 *
 * A tracked block goes with the last program of this library that uses it, however that ends. Each of them holds a shared lock on a byte of the file, through a description of its own, so the kernel lets go of it. Whoever
 * gets that lock alone is the last. Its maker holds the lock as long as it runs and the name is there, though it closed the block: others may come and go. What was left by programs that were all killed is known by its mark, the sticky
 * bit, which means nothing on a file; it is swept up when the next block is made.
 *
 * @module
 */

import type { NamedBlock, NamedBlocks } from "../src/adapter.ts";
import { ProcessError } from "../src/errors.ts";
import type { Foreign, Libc } from "./posix.ts";
import { ByteLocks, cString, lengthen, O_CLOEXEC, O_CREAT, O_EXCL, O_RDWR, readLink } from "./posix.ts";

const DIRECTORY = "/dev/shm";
const PROT_READ_WRITE = 3, MAP_SHARED = 1, SEEK_END = 2;
const OWNER_ONLY = 0o600, MARK = 0o1000;
/** Beyond any file's end. */
const LOCKED_BYTE = 2 ** 52;

const pathOf = (name: string) => `${DIRECTORY}/${name}`;

/** Closes what nobody can see any more. */
const COLLECTED = new FinalizationRegistry<PosixBlock>((block) => block.close());

class PosixBlock implements NamedBlock {
  readonly byteLength: number;
  /** Not held here, where it is known until the program ends. */
  readonly #buffer: WeakRef<ArrayBuffer>;
  readonly #libc: Libc;
  readonly #locks: ByteLocks;
  readonly #name: string;
  readonly #isTracked: boolean;
  readonly #isMaker: boolean;
  #fd: number;
  #unmap: (() => void) | null;

  constructor(foreign: Foreign, locks: ByteLocks, name: string, fd: number, isTracked: boolean, isMaker: boolean) {
    const libc = this.#libc = foreign.libc;
    this.#locks = locks;
    this.#name = name;
    this.#fd = fd;
    this.#isTracked = isTracked;
    this.#isMaker = isMaker;
    const byteLength = this.byteLength = libc.lseek(fd, 0, SEEK_END);
    const address = byteLength === 0 ? 0 : libc.mmap(0, byteLength, PROT_READ_WRITE, MAP_SHARED, fd, 0);
    if (address <= 0 || address >= 2 ** 53) {
      throw new ProcessError(
        `Cannot map the ${byteLength} bytes of the shared memory "${name}"${
          byteLength === 0 ? ": its maker has not given it a size yet" : ""
        }`,
      );
    }
    const buffer = foreign.view(address, byteLength);
    this.#buffer = new WeakRef(buffer);
    this.#unmap = () => void libc.munmap(address, byteLength);
    COLLECTED.register(buffer, this, this);
  }

  get buffer(): ArrayBuffer {
    return this.#buffer.deref() ?? new ArrayBuffer(0);
  }

  stays(): boolean {
    // A name that is gone is nobody's to remove, and the memory is to go with the last who use it.
    if (this.#fd >= 0 && this.#unmap === null && !(this.#isTracked && this.#isMaker && this.#isNamed)) this.#letGo();
    return this.#fd >= 0;
  }

  close(): void {
    if (this.#unmap === null) return;
    COLLECTED.unregister(this);
    const buffer = this.#buffer.deref();
    // Whoever still has a view of it sees it empty, not what comes to that address next. What was moved away is seen elsewhere, and stays.
    if (buffer?.detached !== true) {
      buffer?.transfer(0);
      this.#unmap();
    }
    this.#unmap = null;
    this.stays();
  }

  end(): void {
    if (this.#fd < 0) return;
    if (this.#isTracked && this.#isNamed && this.#locks.lock(this.#fd, LOCKED_BYTE)) this.#libc.unlink(cString(pathOf(this.#name)));
    this.#letGo();
  }

  /** Whether the name is still that of this block, and not of another by now. */
  get #isNamed(): boolean {
    return readLink(this.#libc, `/proc/self/fd/${this.#fd}`) === pathOf(this.#name);
  }

  #letGo(): void {
    this.#libc.close(this.#fd);
    this.#fd = -1;
  }
}

/** The named blocks of a system with `/dev/shm`. */
export class PosixBlocks implements NamedBlocks {
  readonly #foreign: Foreign;
  readonly #libc: Libc;
  readonly #locks: ByteLocks;
  readonly #files: (directory: string) => Iterable<{ readonly name: string; readonly mode: number }>;

  /** @param files The files in a directory. */
  constructor(foreign: Foreign, files: (directory: string) => Iterable<{ readonly name: string; readonly mode: number }>) {
    this.#foreign = foreign;
    this.#libc = foreign.libc;
    this.#locks = new ByteLocks(foreign.libc);
    this.#files = files;
  }

  create(name: string, byteLength: number, isTracked: boolean): PosixBlock | null {
    const libc = this.#libc;
    this.#sweep();
    const path = cString(pathOf(name));
    const fd = libc.open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, OWNER_ONLY);
    if (fd < 0) {
      if (libc.access(path, 0) === 0) return null;
      throw new ProcessError(`Cannot make the shared memory "${name}": ${DIRECTORY} is missing, full, or may not be written to`);
    }
    try {
      this.#locks.share(fd, LOCKED_BYTE);
      // From here on it may be swept up.
      if (isTracked) libc.fchmod(fd, OWNER_ONLY | MARK);
      // Room for all of it now: later, where there is none, touching it would kill the program.
      if (!lengthen(libc, fd, byteLength) || libc.fallocate(fd, 0, 0, byteLength) !== 0) {
        throw new RangeError(
          `Cannot make ${byteLength} bytes of shared memory: ${DIRECTORY} has no room for that, or files must not be that long (ulimit -f); make it larger, or use Array`,
        );
      }
      return new PosixBlock(this.#foreign, this.#locks, name, fd, isTracked, true);
    } catch (error) {
      libc.unlink(path);
      libc.close(fd);
      throw error;
    }
  }

  open(name: string, isTracked: boolean): PosixBlock | null {
    const path = cString(pathOf(name));
    const fd = this.#libc.open(path, O_RDWR | O_CLOEXEC, 0);
    if (fd < 0) {
      if (this.#libc.access(path, 0) !== 0) return null;
      throw new ProcessError(`Cannot open the shared memory "${name}": it belongs to somebody else, or no descriptor is free`);
    }
    try {
      if (isTracked) this.#locks.share(fd, LOCKED_BYTE);
      // Only a marked one is ours to remove.
      return new PosixBlock(this.#foreign, this.#locks, name, fd, isTracked && this.#isMarked(name), false);
    } catch (error) {
      this.#libc.close(fd);
      throw error;
    }
  }

  unlink(name: string): boolean {
    return this.#libc.unlink(cString(pathOf(name))) === 0;
  }

  #isMarked(name: string): boolean {
    for (const file of this.#files(DIRECTORY)) if (file.name === name) return (file.mode & MARK) !== 0;
    return false;
  }

  /** Removes what nobody uses any more. */
  #sweep(): void {
    if (this.#libc.access(cString(DIRECTORY), 0) !== 0) return;
    for (const { name, mode } of this.#files(DIRECTORY)) {
      if ((mode & MARK) === 0) continue;
      const path = cString(pathOf(name));
      const fd = this.#libc.open(path, O_RDWR | O_CLOEXEC, 0);
      if (fd < 0) continue;
      if (this.#locks.lock(fd, LOCKED_BYTE)) this.#libc.unlink(path);
      this.#libc.close(fd);
    }
  }
}
