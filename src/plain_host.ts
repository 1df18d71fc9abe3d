/**
 * What stands in for the classes of a host where there are none, in a plain ECMAScript context: the fewest words that it takes.
 *
 * @module
 */
import { UnsupportedError } from "./errors.ts";
import { DOMException, type Host, standIn } from "./host.ts";
import { throwAside } from "./throw_aside.ts";

type Listener = (event: { readonly type: string; readonly target: unknown }) => void;

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
        throwAside(error);
      }
    }
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

standIn({
  TextEncoder: PlainEncoder,
  TextDecoder: PlainDecoder,
  AbortController: PlainController,
  AbortSignal: PlainSignal as unknown as Host["AbortSignal"],
  URL: NoUrl as unknown as Host["URL"],
});
