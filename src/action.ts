/**
 * A function that goes along with a shared object, so that whoever has the object can call it: a child gets it as it gets its target.
 *
 * @module
 */
import { UnsupportedError } from "./errors.ts";
import { currentScene } from "./scene.ts";
import { loadTarget, resolveTarget, type TargetSpec, type TaskReference } from "./target.ts";

type AnyFunction = (...args: unknown[]) => unknown;

/** Those that are being loaded. */
const LOADING = new Set<Promise<unknown>>();

/** Resolves once all actions that have come so far are loaded, or have failed to. */
export async function actionsLoaded(): Promise<void> {
  await Promise.allSettled(LOADING);
}

/** See above. */
export class Action {
  readonly #what: string;
  readonly #given: AnyFunction | TaskReference | null;
  readonly #spec: TargetSpec | null;
  #fn: AnyFunction | null = null;
  #loading: Promise<AnyFunction> | null = null;

  private constructor(what: string, given: AnyFunction | TaskReference | null, spec: TargetSpec | null) {
    this.#what = what;
    this.#given = given;
    this.#spec = spec;
    if (typeof given === "function") this.#fn = given;
    else this.#load(spec ?? this.toSpec());
  }

  /** @param what What it is for, in messages: `"action"`. @throws {TypeError} It is neither a function nor a reference to one. */
  static of(given: AnyFunction | TaskReference, what: string): Action {
    return new Action(what, given, null);
  }

  /** @param spec What came of it. */
  static receive(spec: TargetSpec, what: string): Action {
    return new Action(what, null, spec);
  }

  /** What travels of it. @throws {TargetError} A child could not find it. */
  toSpec(): TargetSpec {
    return this.#spec ?? resolveTarget(this.#given, currentScene().world.adapter, this.#what);
  }

  /** The function; a promise while it is being loaded. */
  get fn(): AnyFunction | Promise<AnyFunction> {
    return this.#fn ?? this.#loading!;
  }

  /** The function. @throws {UnsupportedError} It is not loaded yet. */
  get fnNow(): AnyFunction {
    if (this.#fn !== null) return this.#fn;
    throw new UnsupportedError(
      `Cannot call the ${this.#what} in a blocking call: it came in a message, and its module is not loaded yet. Ways out: the asynchronous form; or give it along in the arguments of the process`,
    );
  }

  #load(spec: TargetSpec): void {
    const loading: Promise<AnyFunction> = loadTarget(spec).then((fn) => this.#fn = fn as AnyFunction);
    this.#loading = loading;
    LOADING.add(loading);
    loading.catch(() => {}).finally(() => LOADING.delete(loading));
  }
}
