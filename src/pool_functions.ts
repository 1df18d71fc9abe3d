/**
 * The numbers of the functions that a pool's tasks call.
 *
 * @module
 */
import type { TaskFunction } from "./pool_call.ts";
import type { Route } from "./pool_shared.ts";
import type { Target } from "./process.ts";
import type { Scene } from "./scene.ts";
import { keyOf, resolveTarget } from "./target.ts";

/** Inline, functions are kept as long as tasks call them, and so many more. */
const MOST_KEPT = 256;

/** See above. */
export class FunctionNumbers {
  readonly #scene: Scene;
  readonly #route: Route;
  readonly #isInline: boolean;
  readonly #byFunction = new WeakMap<object, number>();
  readonly #byKey = new Map<string, number>();
  /** Inline: the functions themselves, by their numbers. */
  readonly local: TaskFunction[] = [];
  /** Inline: how many tasks call each. */
  readonly #uses: number[] = [];
  readonly #unused: number[] = [];
  /** Inline: numbers that stand for nothing. */
  readonly #free: number[] = [];
  /** How long a call takes, in microseconds, as far as that is known. */
  readonly #micros: number[] = [];
  #next = 0;

  constructor(scene: Scene, route: Route, isInline: boolean) {
    this.#scene = scene;
    this.#route = route;
    this.#isInline = isInline;
  }

  /** A function's number. @throws {TargetError} No worker could find it. */
  numberOf(fn: Target): number {
    const known = this.#byFunction.get(fn as object);
    if (known !== undefined && (!this.#isInline || typeof fn !== "function" || this.local[known] === fn)) return known;
    const number = this.#isInline && typeof fn === "function" ? this.#keep(fn as TaskFunction) : this.#describe(fn);
    this.#byFunction.set(fn as object, number);
    return number;
  }

  /** A task calls it, from now on until {@linkcode FunctionNumbers.unuse}. */
  use(number: number): void {
    this.#uses[number] = (this.#uses[number] ?? 0) + 1;
  }

  unuse(number: number): void {
    if (--this.#uses[number] > 0 || !this.#isInline || this.local[number] === undefined) return;
    this.#unused.push(number);
  }

  /** How long a call takes, in microseconds; 0 while that is not known. */
  microsOf(number: number): number {
    return this.#micros[number] ?? 0;
  }

  /** Some calls took so long. */
  took(number: number, micros: number, calls: number): void {
    const each = micros / calls, before = this.#micros[number];
    this.#micros[number] = before === undefined ? each : before + (each - before) * Math.min(0.5, calls / 8);
  }

  #describe(fn: Target): number {
    const spec = resolveTarget(fn, this.#scene.world.adapter, "task");
    const key = `${spec.kind} ${keyOf(spec)} ${spec.kind === "source" ? spec.source : ""}`;
    let number = this.#byKey.get(key);
    if (number === undefined) {
      number = this.#next++;
      this.#route.describe(number, spec);
      this.#byKey.set(key, number);
    }
    return number;
  }

  #keep(fn: TaskFunction): number {
    while (this.#unused.length > MOST_KEPT) {
      const number = this.#unused.shift()!;
      if (this.#uses[number] > 0 || this.local[number] === undefined) continue;
      delete this.local[number];
      delete this.#micros[number];
      this.#free.push(number);
    }
    const number = this.#free.pop() ?? this.#next++;
    this.local[number] = fn;
    return number;
  }
}
