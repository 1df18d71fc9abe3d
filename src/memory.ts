/**
 * The two kinds of memory that need no foreign functions: a `SharedArrayBuffer` for threads, and plain memory for one thread alone.
 *
 * @module
 */
import type { Memory, ThreadId } from "./adapter.ts";
import { queueMicrotask } from "./host.ts";
import { PAGE, WINDOW_BYTES } from "./layout.ts";

/** The largest that is tried first; untouched memory costs nothing. */
export const SHARED_BYTES: number = 2 ** 32;
const SMALLEST_SHARED_BYTES = 2 ** 26;
const LOCAL_BYTES = 2 ** 36;

/** Makes the memory of a `thread` arena, as large as the device allows. */
export function sharedBuffer(): SharedArrayBuffer {
  for (let size = SHARED_BYTES;; size /= 2) {
    try {
      return new SharedArrayBuffer(size);
    } catch (error) {
      if (size <= SMALLEST_SHARED_BYTES) throw error;
    }
  }
}

/** Memory shared by the threads of one process. */
export class SharedBufferMemory implements Memory {
  readonly kind = "shared";
  readonly buffer: SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #isAlive: (at: ThreadId) => boolean;
  readonly #giveWay: () => boolean;
  readonly #attached = new Map<number, () => void>();
  readonly #listening = new Set<number>();

  /** @param isAlive The kernel's answer about a thread. @param giveWay See {@linkcode Memory.giveWay}. */
  constructor(buffer: SharedArrayBuffer, isAlive: (at: ThreadId) => boolean, giveWay: () => boolean) {
    this.buffer = buffer;
    this.#giveWay = giveWay;
    this.#words = new Int32Array(buffer);
    this.#isAlive = isAlive;
  }

  get byteLength(): number {
    return this.buffer.byteLength;
  }

  view(offset: number): { buffer: ArrayBufferLike; start: number } {
    return { buffer: this.buffer, start: offset };
  }

  discard(): void {}

  attach(slot: number, onRing: () => void): readonly [number, number] {
    this.#attached.set(slot, onRing);
    return [0, 0];
  }

  detach(slot: number): void {
    this.#attached.delete(slot);
  }

  alive(_slot: number, at: ThreadId): boolean {
    return this.#isAlive(at);
  }

  park(offset: number, expected: number, timeoutMs: number): void {
    Atomics.wait(this.#words, offset / 4, expected, timeoutMs);
  }

  giveWay(): boolean {
    return this.#giveWay();
  }

  unpark(offset: number): void {
    Atomics.notify(this.#words, offset / 4);
  }

  listen(slot: number, offset: number, seen: number): void {
    if (this.#listening.has(slot)) return;
    const onRing = () => {
      this.#listening.delete(slot);
      this.#attached.get(slot)?.();
    };
    const { async, value } = Atomics.waitAsync(this.#words, offset / 4, seen);
    this.#listening.add(slot);
    if (async) value.then(onRing);
    else queueMicrotask(onRing);
  }

  rouse(): boolean {
    return false;
  }
}

/** Memory of one thread, whose participants are tasks interleaved on it. It lies in buffers made as they are looked at. */
export class LocalMemory implements Memory {
  readonly kind = "local";
  readonly byteLength: number = LOCAL_BYTES;
  readonly #buffers = new Map<number, ArrayBuffer>();
  readonly #attached = new Map<number, () => void>();
  readonly #listening = new Map<number, number>();

  view(offset: number, length: number): { buffer: ArrayBufferLike; start: number } {
    let buffer = this.#buffers.get(offset);
    if (buffer === undefined || buffer.byteLength < length) this.#buffers.set(offset, buffer = new ArrayBuffer(length));
    return { buffer, start: 0 };
  }

  discard(offset: number, length: number): void {
    // Whole windows, or what was looked at on its own, as large blocks are: their payload begins a unit after the block, of which the first page is kept.
    const isWhole = offset % WINDOW_BYTES === 0;
    for (const [start, buffer] of this.#buffers) {
      if (start <= offset - PAGE || start >= offset + length || !isWhole && start % WINDOW_BYTES === 0) continue;
      this.#buffers.delete(start);
      // At once, and for whoever remembers a piece of it.
      buffer.transfer?.(0);
    }
  }

  attach(slot: number, onRing: () => void): readonly [number, number] {
    this.#attached.set(slot, onRing);
    return [0, 0];
  }

  detach(slot: number): void {
    this.#attached.delete(slot);
  }

  alive(slot: number): boolean {
    return this.#attached.has(slot);
  }

  park(): void {
    throw new Error("unreachable: nothing parks on local memory, its participants share one thread");
  }

  giveWay(): boolean {
    return false;
  }

  unpark(offset: number): void {
    const slot = this.#listening.get(offset);
    if (slot === undefined) return;
    this.#listening.delete(offset);
    queueMicrotask(() => this.#attached.get(slot)?.());
  }

  listen(slot: number, offset: number, _seen: number): void {
    // One thread: the bell cannot have rung between the caller's last look and now.
    this.#listening.set(offset, slot);
  }

  rouse(): boolean {
    return false;
  }
}
