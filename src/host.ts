/**
 * All that the library uses besides the language itself, and what takes its place where a host lacks it. A plain ECMAScript context has none of it: there, promise jobs are the only turns, and the
 * classes are those of `plain_host.ts`.
 *
 * @module
 */
import { UnsupportedError } from "./errors.ts";

type Timer = number | object;

/** What a host may offer. */
export interface Host {
  readonly queueMicrotask: (run: () => void) => void;
  readonly setTimeout: (run: () => void, ms: number) => Timer;
  readonly clearTimeout: (timer: Timer | undefined) => void;
  readonly performance: { now(): number; readonly timeOrigin: number };
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

class PlainException extends Error {
  constructor(message?: string, name = "Error") {
    super(message);
    this.name = name;
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

/** A random word, to tell things apart. Not from `crypto`, which takes Node 8 ms to load. */
export function randomWord(): number {
  return Math.random() * 2 ** 32 | 0;
}

/** Whether it is an `AbortSignal`, as the host has it now. */
export function isSignal(value: unknown): boolean {
  return value instanceof (host.AbortSignal ?? AbortSignal);
}

/** As everywhere, and so are these. */
export const queueMicrotask: Host["queueMicrotask"] = host.queueMicrotask ?? ((run) => void Promise.resolve().then(run));
export const performance: Host["performance"] = {
  now: () => (host.performance === undefined ? Date.now() : host.performance.now()),
  get timeOrigin() {
    return host.performance?.timeOrigin ?? 0;
  },
};
export let TextEncoder: Host["TextEncoder"] = host.TextEncoder!;
export let TextDecoder: Host["TextDecoder"] = host.TextDecoder!;
export let AbortController: Host["AbortController"] = host.AbortController!;
export let AbortSignal: Host["AbortSignal"] = host.AbortSignal!;
export const DOMException: Host["DOMException"] = host.DOMException ?? PlainException as unknown as Host["DOMException"];
export let URL: Host["URL"] = host.URL!;
/** Null where there is none. */
export const structuredClone: Host["structuredClone"] | null = host.structuredClone ?? null;

/** Strings from memory and to it as engines keep them, where a runtime does that at once. */
export interface Strings {
  /** The string of these bytes, each a unit. */
  readLatin1(bytes: Uint8Array, at: number, byteLength: number): string;
  /** The string of these bytes, two for each unit. */
  readUtf16(bytes: Uint8Array, at: number, byteLength: number): string;
  /** Writes two bytes for each unit; room must be there. */
  writeUtf16(text: string, into: Uint8Array, at: number): void;
}

/** Null where the runtime has them not: five to ten times faster than UTF-8, of what is not ASCII. */
export let strings: Strings | null = null;

/** Tells of them. */
export function useStrings(methods: Strings): void {
  strings = methods;
}

/** Has these stand in for the classes that the host lacks, before any of them is needed: nothing is made of them while modules are loaded. */
export function standIn(classes: Pick<Host, "TextEncoder" | "TextDecoder" | "AbortController" | "AbortSignal" | "URL">): void {
  TextEncoder ??= classes.TextEncoder;
  TextDecoder ??= classes.TextDecoder;
  AbortController ??= classes.AbortController;
  AbortSignal ??= classes.AbortSignal;
  URL ??= classes.URL;
}
