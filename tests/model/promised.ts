/**
 * Promises on the simulated event loop of an actor: so that what waits for one runs when the model says so, and can be run again.
 *
 * @module
 */
import { Run } from "./program.ts";

function schedule(task: () => void): void {
  Run.active!.microtasks.push(task);
}

/** A promise on the simulated event loop of the actor. */
export class Promised<T> {
  #state: "pending" | "resolved" | "rejected" = "pending";
  #value: unknown;
  #reactions: (() => void)[] = [];

  constructor(start: (resolve: (value: T) => void, reject: (error: unknown) => void) => void) {
    const settle = (state: "resolved" | "rejected") => (value: unknown) => {
      if (this.#state !== "pending") return;
      if (value instanceof Promised && state === "resolved") {
        value.then(settle("resolved"), settle("rejected"));
        return;
      }
      this.#state = state;
      this.#value = value;
      for (const reaction of this.#reactions) schedule(reaction);
    };
    try {
      start(settle("resolved"), settle("rejected"));
    } catch (error) {
      settle("rejected")(error);
    }
  }

  static resolve(value?: unknown): Promised<unknown> {
    return value instanceof Promised ? value : new Promised((resolve) => resolve(value));
  }

  static reject(error: unknown): Promised<never> {
    return new Promised((_, reject) => reject(error));
  }

  static withResolvers<T>(): { promise: Promised<T>; resolve: (value: T) => void; reject: (error: unknown) => void } {
    let resolve!: (value: T) => void;
    let reject!: (error: unknown) => void;
    const promise = new Promised<T>((one, other) => [resolve, reject] = [one, other]);
    return { promise, resolve, reject };
  }

  get isSettled(): boolean {
    return this.#state !== "pending";
  }

  outcome(): unknown {
    if (this.#state === "rejected") throw this.#value;
    return this.#value;
  }

  then(onResolved?: ((value: T) => unknown) | null, onRejected?: ((error: unknown) => unknown) | null): Promised<unknown> {
    return new Promised((resolve, reject) => {
      const react = () => {
        const handler = this.#state === "resolved" ? onResolved as (value: unknown) => unknown : onRejected;
        if (typeof handler !== "function") return this.#state === "resolved" ? resolve(this.#value) : reject(this.#value);
        try {
          resolve(handler(this.#value));
        } catch (error) {
          reject(error);
        }
      };
      if (this.#state === "pending") this.#reactions.push(react);
      else schedule(react);
    });
  }

  catch(onRejected: (error: unknown) => unknown): Promised<unknown> {
    return this.then(null, onRejected);
  }

  finally(run: () => void): Promised<unknown> {
    return this.then(
      (value) => {
        run();
        return value;
      },
      (error) => {
        run();
        throw error;
      },
    );
  }
}
