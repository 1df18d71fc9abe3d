/**
 * What `src/` may use beside the language itself: names that every runtime has, browsers and edge runtimes included.
 * Nothing of Node, Deno or Bun, no `Worker`, and nothing that one of them lacks. Checked by `deno task ok`.
 */

interface ImportMeta {
  readonly url: string;
}

declare function queueMicrotask(run: () => void): void;
declare function setTimeout(run: () => void, ms?: number): number | object;
declare function clearTimeout(timer: number | object | undefined): void;
declare function structuredClone<T>(value: T, options?: { transfer?: readonly ArrayBuffer[] }): T;

declare const performance: { now(): number; readonly timeOrigin: number };
declare const crypto: { getRandomValues<T extends ArrayBufferView<ArrayBuffer>>(into: T): T; randomUUID(): string };
declare const console: { error(...data: unknown[]): void };

declare class TextEncoder {
  encode(text?: string): Uint8Array<ArrayBuffer>;
  encodeInto(text: string, into: Uint8Array): { read: number; written: number };
}

declare class TextDecoder {
  constructor(label?: string, options?: { fatal?: boolean; ignoreBOM?: boolean });
  decode(bytes?: ArrayBufferView | ArrayBufferLike, options?: { stream?: boolean }): string;
}

declare class Event {
  readonly type: string;
}

declare class EventTarget {
  addEventListener(type: string, run: (event: Event) => void, options?: { once?: boolean; signal?: AbortSignal }): void;
  removeEventListener(type: string, run: (event: Event) => void): void;
}

declare class AbortSignal extends EventTarget {
  readonly aborted: boolean;
  // deno-lint-ignore no-explicit-any -- as in every runtime's own types
  readonly reason: any;
  throwIfAborted(): void;
  static abort(reason?: unknown): AbortSignal;
  static any(signals: Iterable<AbortSignal>): AbortSignal;
}

declare class AbortController {
  readonly signal: AbortSignal;
  abort(reason?: unknown): void;
}

declare class DOMException extends Error {
  constructor(message?: string, name?: string);
  readonly code: number;
}

declare class URL {
  constructor(url: string | URL, base?: string | URL);
  readonly href: string;
  readonly protocol: string;
  readonly pathname: string;
  readonly origin: string;
  search: string;
  hash: string;
}

// deno-lint-ignore no-explicit-any -- as in every runtime's own types
interface ReadableStream<R = any> {
  readonly locked: boolean;
  cancel(reason?: unknown): Promise<void>;
  [Symbol.asyncIterator](): AsyncIterator<R>;
}
