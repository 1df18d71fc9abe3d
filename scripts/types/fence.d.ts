/**
 * The types that `src/` may use beside the language's own: those of what every runtime has, browsers and edge runtimes included, and of no value:
 * what it needs of a host it has from `src/host.ts`. Checked by `deno task ok`.
 */

interface ImportMeta {
  readonly url: string;
}

interface Event {
  readonly type: string;
}

interface EventTarget {
  addEventListener(type: string, run: (event: Event) => void, options?: { once?: boolean; signal?: AbortSignal }): void;
  removeEventListener(type: string, run: (event: Event) => void): void;
}

interface AbortSignal extends EventTarget {
  readonly aborted: boolean;
  // deno-lint-ignore no-explicit-any -- as in every runtime's own types
  readonly reason: any;
  throwIfAborted(): void;
}

interface AbortController {
  readonly signal: AbortSignal;
  abort(reason?: unknown): void;
}

interface DOMException extends Error {
  readonly code: number;
}

interface URL {
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
