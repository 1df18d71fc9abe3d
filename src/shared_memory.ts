/**
 * Named blocks of shared memory, which unrelated programs open by name: those of CPython's `multiprocessing.shared_memory` too.
 *
 * @module
 */
import type { NamedBlock } from "./adapter.ts";
import { LIBRARY, registerClass } from "./codec.ts";
import { ProcessError } from "./errors.ts";
import { randomWord, TextEncoder } from "./host.ts";
import { printAs } from "./printed.ts";
import { ANYTHING, BOOLEAN, check, type Checks, shown } from "./options.ts";
import { currentScene } from "./scene.ts";
import type { World } from "./world.ts";

/** What names of blocks that were given none begin with: as CPython's do. */
const PREFIX = "psm_";
const LONGEST_NAME = 255;

/** How a block is made, or opened. */
export interface SharedMemoryOptions {
  /** The name by which programs find it. A new block needs none: it gets one. */
  name?: string;
  /** Whether to make a new block, or to open one that is there. Default: false. */
  create?: boolean;
  /** Bytes of a new block. */
  size?: number;
  /**
   * Whether the block goes, name and all, with the last program of this library that uses it, however that ends. A block that another program made is never removed. Default: true.
   */
  track?: boolean;
}

/** Names and sizes are looked at apart. */
const OPTIONS: Checks = { name: ANYTHING, create: BOOLEAN, size: ANYTHING, track: BOOLEAN };

/** What each thread has open, until it ends. */
const OPEN = new WeakMap<World, Set<NamedBlock>>();

function blocksOf(world: World): Set<NamedBlock> {
  let open = OPEN.get(world);
  if (open === undefined) {
    const blocks = open = new Set();
    OPEN.set(world, open);
    world.adapter.onExit(() => {
      for (const block of blocks) block.end();
    });
  }
  return open;
}

/** Forgets the blocks of which nothing is left to do. */
function tidy(world: World): void {
  const open = OPEN.get(world);
  open?.forEach((block) => block.stays() || open.delete(block));
}

/**
 * A named block of memory. Python: `multiprocessing.shared_memory.SharedMemory`, whose blocks it opens, and the other way round.
 *
 * @example
 * ```ts
 * import { SharedMemory } from "@polyproc/multiprocessing";
 *
 * const block = new SharedMemory({ create: true, size: 16 });
 * const same = new SharedMemory({ name: block.name });
 * block.buf[0] = 42;
 * console.log(same.buf[0]); // 42
 * same.close();
 * block.close();
 * block.unlink();
 * ```
 */
export class SharedMemory {
  /** By which other programs find it. */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  readonly #track: boolean;
  readonly #block: NamedBlock;
  readonly #world: World;
  #buf: Uint8Array | null;

  /**
   * Makes a block, or opens one.
   *
   * @throws {ProcessError} There is one of that name already (`code` is `"EEXIST"`), or there is none (`"ENOENT"`).
   * @throws {TypeError} An option is wrong, or there is no such option; or neither a name is given nor a new block asked for.
   * @throws {RangeError} `size` is not a whole number from 1 on, or there is no room for so many bytes.
   * @throws {UnsupportedError} This runtime has no such memory, with the permissions that it has.
   */
  constructor(options: SharedMemoryOptions = {}) {
    const { name, create, size, track } = checked(options);
    this.#world = currentScene().world;
    this.#track = track;
    [this.name, this.#block] = create ? make(this.#world, name, size, track) : [name!, open(this.#world, name!, track)];
    this.size = this.#block.byteLength;
    this.#buf = new Uint8Array(this.#block.buffer);
    tidy(this.#world);
    if (track) blocksOf(this.#world).add(this.#block);
  }

  /** Its bytes. @throws {ProcessError} It was closed. */
  get buf(): Uint8Array {
    if (this.#buf === null) throw new ProcessError(`Cannot use the shared memory "${this.name}": it was closed here`);
    return this.#buf;
  }

  /** Lets go of the memory here: arrays over it are empty from now on. The block stays, until its name is removed and all have let go of it. */
  close(): void {
    this.#buf = null;
    this.#block.close();
    tidy(this.#world);
  }

  /** Closes it. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** Removes its name: nobody finds it any more; those who have it open go on. @throws {ProcessError} The name is not there (`code` is `"ENOENT"`). */
  unlink(): void {
    if (!this.#world.adapter.named.unlink(this.name)) throw noSuch("unlink", this.name);
    tidy(this.#world);
  }

  static {
    printAs(this.prototype, (memory) => `name='${memory.name}' size=${memory.size}${memory.#buf === null ? " closed" : ""}`);
    registerClass(LIBRARY, SharedMemory, {
      encode: (memory) => ({ name: memory.name, track: memory.#track }),
      decode: (options) => new SharedMemory(options as SharedMemoryOptions),
    });
  }
}

function open(world: World, name: string, track: boolean): NamedBlock {
  const block = world.adapter.named.open(name, track);
  if (block === null) throw noSuch("open", name);
  return block;
}

function make(world: World, wanted: string | undefined, size: number, track: boolean): [name: string, block: NamedBlock] {
  for (;;) {
    const name = wanted ?? PREFIX + Array.from({ length: 3 }, () => (randomWord() & 0xffff).toString(16).padStart(4, "0")).join("");
    const block = world.adapter.named.create(name, size, track);
    if (block !== null) return [name, block];
    if (wanted !== undefined) {
      throw coded(
        "EEXIST",
        `Cannot make the shared memory "${name}": there is one of that name; open it without create, or choose another`,
      );
    }
  }
}

function noSuch(action: string, name: string): ProcessError {
  return coded("ENOENT", `Cannot ${action} the shared memory "${name}": there is none of that name`);
}

function coded(code: string, message: string): ProcessError {
  return Object.assign(new ProcessError(message), { code });
}

function checked(options: SharedMemoryOptions): { name: string | undefined; create: boolean; size: number; track: boolean } {
  check(options, OPTIONS, "open shared memory");
  const { name, create = false, size = 0, track = true } = options;
  if (name === undefined && !create) {
    throw new TypeError("Cannot open shared memory without a name: give its name, or create: true to make a new block");
  }
  if (name !== undefined) checkName(name);
  if (create && (!Number.isSafeInteger(size) || size < 1)) {
    throw new RangeError(`Cannot make shared memory of ${shown(size)} bytes: size must be a whole number from 1 on`);
  }
  return { name, create, size, track };
}

function checkName(name: unknown): void {
  if (typeof name !== "string") throw new TypeError(`Cannot open shared memory: name must be a string, it is ${shown(name)}`);
  const length = new TextEncoder().encode(name).length;
  if (length === 0 || length > LONGEST_NAME || /[/\0]/.test(name) || name === "." || name === "..") {
    throw new RangeError(
      `Cannot open the shared memory ${JSON.stringify(name)}: a name has 1 to ${LONGEST_NAME} bytes, and no slash or NUL`,
    );
  }
}
