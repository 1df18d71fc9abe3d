/**
 * All that the library uses besides the language itself, and what takes its place where a host lacks it: the fewest words that a plain ECMAScript context needs. There, promise jobs are the only turns.
 *
 * @module
 */
import { UnsupportedError } from "./errors.ts";

type Timer = number | object;
type Listener = (event: { readonly type: string; readonly target: unknown }) => void;

/** What a host may offer. */
interface Host {
  readonly queueMicrotask: (run: () => void) => void;
  readonly setTimeout: (run: () => void, ms: number) => Timer;
  readonly clearTimeout: (timer: Timer | undefined) => void;
  readonly performance: { now(): number; readonly timeOrigin: number };
  readonly crypto: { getRandomValues(into: Int32Array<ArrayBuffer>): Int32Array };
  readonly TextEncoder: new () => {
    encode(text: string): Uint8Array<ArrayBuffer>;
    encodeInto(text: string, into: Uint8Array): { written: number };
  };
  readonly TextDecoder: new (label?: string, options?: { fatal?: boolean; ignoreBOM?: boolean }) => { decode(bytes: Uint8Array): string };
  readonly AbortController: new () => AbortController;
  readonly AbortSignal: (new () => AbortSignal) & { any(signals: Iterable<AbortSignal>): AbortSignal };
  readonly DOMException: new (message?: string, name?: string) => DOMException;
  readonly URL: new (url: string, base?: string | URL) => URL;
  structuredClone<T>(value: T): T;
}

const host = globalThis as unknown as Partial<Host>;

/** Calls back once promises that are settled have told. */
async function afterJobs(timer: { run: (() => void) | null }): Promise<void> {
  for (let n = 0; n < 16; n++) await null;
  timer.run?.();
}

class PlainSignal {
  aborted = false;
  reason: unknown = undefined;
  readonly listeners: Set<Listener> = new Set();

  static any(signals: Iterable<AbortSignal>): AbortSignal {
    const all = new PlainController();
    for (const signal of signals) {
      if (signal.aborted) all.abort(signal.reason);
      else signal.addEventListener("abort", () => all.abort(signal.reason), { signal: all.signal });
    }
    return all.signal;
  }

  throwIfAborted(): void {
    if (this.aborted) throw this.reason;
  }

  addEventListener(_type: string, run: Listener, options?: { signal?: AbortSignal }): void {
    if (options?.signal?.aborted === true) return;
    this.listeners.add(run);
    options?.signal?.addEventListener("abort", () => this.listeners.delete(run));
  }

  removeEventListener(_type: string, run: Listener): void {
    this.listeners.delete(run);
  }
}

class PlainController {
  readonly signal = new PlainSignal() as unknown as AbortSignal;

  abort(reason: unknown = new DOMException("This operation was aborted", "AbortError")): void {
    const signal = this.signal as unknown as PlainSignal;
    if (signal.aborted) return;
    signal.aborted = true;
    signal.reason = reason;
    for (const run of [...signal.listeners]) {
      try {
        run({ type: "abort", target: signal });
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}

class PlainException extends Error {
  constructor(message?: string, name = "Error") {
    super(message);
    this.name = name;
  }
}

class PlainEncoder {
  encode(text: string): Uint8Array<ArrayBuffer> {
    const parts = encodeURIComponent(text.toWellFormed()).match(/%..|./g) ?? [];
    return Uint8Array.from(parts, (part) => part.length > 1 ? parseInt(part.slice(1), 16) : part.charCodeAt(0));
  }

  encodeInto(text: string, into: Uint8Array): { written: number } {
    const bytes = this.encode(text);
    into.set(bytes);
    return { written: bytes.length };
  }
}

class PlainDecoder {
  readonly #isFatal: boolean;
  readonly #keepsMark: boolean;

  constructor(_label?: string, { fatal = false, ignoreBOM = false }: { fatal?: boolean; ignoreBOM?: boolean } = {}) {
    this.#isFatal = fatal;
    this.#keepsMark = ignoreBOM;
  }

  decode(bytes: Uint8Array): string {
    let text = "";
    for (let at = 0; at < bytes.length;) {
      const lead = bytes[at], length = lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
      const piece = Array.from(bytes.subarray(at, at + length), (byte) => `%${byte.toString(16).padStart(2, "0")}`).join("");
      try {
        text += decodeURIComponent(piece);
        at += length;
      } catch {
        if (this.#isFatal) throw new TypeError("The encoded data was not valid UTF-8");
        text += "\ufffd";
        at++;
      }
    }
    return this.#keepsMark ? text : text.replace(/^\ufeff/, "");
  }
}

class NoUrl {
  constructor() {
    throw new UnsupportedError("Cannot resolve a URL: this runtime has no URL");
  }
}

/** Whether the host has timers. Where it has none, one of {@linkcode setTimeout} is over after some promise jobs, whatever its time. */
export const hasTimers: boolean = host.setTimeout !== undefined;

/** @throws {UnsupportedError} There are none. */
export function checkTimers(): void {
  if (!hasTimers) throw new UnsupportedError("Cannot wait for a time: this runtime has no timers");
}

/** As everywhere: looked up at each call, so that whoever replaces the host's is heard. */
export function setTimeout(run: () => void, ms: number): Timer {
  if (host.setTimeout !== undefined) return host.setTimeout(run, ms);
  const timer = { run };
  void afterJobs(timer);
  return timer;
}

/** As everywhere. */
export function clearTimeout(timer: Timer | undefined): void {
  if (host.clearTimeout !== undefined) host.clearTimeout(timer);
  else if (timer !== undefined) (timer as { run: null }).run = null;
}

/** A random word. */
export function randomWord(): number {
  return host.crypto?.getRandomValues(new Int32Array(1))[0] ?? Math.random() * 2 ** 32 | 0;
}

/** Whether it is an `AbortSignal`, as the host has it now. */
export function isSignal(value: unknown): boolean {
  return value instanceof (host.AbortSignal ?? PlainSignal);
}

/** As everywhere, and so are these. */
export const queueMicrotask: Host["queueMicrotask"] = host.queueMicrotask ?? ((run) => void Promise.resolve().then(run));
export const performance: Host["performance"] = {
  now: () => (host.performance === undefined ? Date.now() : host.performance.now()),
  get timeOrigin() {
    return host.performance?.timeOrigin ?? 0;
  },
};
export const TextEncoder: Host["TextEncoder"] = host.TextEncoder ?? PlainEncoder;
export const TextDecoder: Host["TextDecoder"] = host.TextDecoder ?? PlainDecoder;
export const AbortController: Host["AbortController"] = host.AbortController ?? PlainController;
export const AbortSignal: Host["AbortSignal"] = host.AbortSignal ?? PlainSignal as unknown as Host["AbortSignal"];
export const DOMException: Host["DOMException"] = host.DOMException ?? PlainException as unknown as Host["DOMException"];
export const URL: Host["URL"] = host.URL ?? NoUrl as unknown as Host["URL"];
/** Null where there is none. */
export const structuredClone: Host["structuredClone"] | null = host.structuredClone ?? null;
