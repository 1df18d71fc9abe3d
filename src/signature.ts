/**
 * What a target takes and gives, for the types of pools and executors.
 *
 * Their methods have two signatures each. The first is for functions alone, since only so do generic ones and those without types of their own take them from what
 * they are given. The second is for every target: a function named by `module()` is checked as itself, one of which no more is known than its name takes anything.
 *
 * @module
 */
import type { TaskOptions } from "./pool_options.ts";

// deno-lint-ignore no-explicit-any -- any function, and what it is given
type AnyArguments = any[];

/** What a target gives once it is done. */
export type ResultOf<F> = F extends (...args: AnyArguments) => infer R ? Awaited<R> : unknown;

/** What a target takes. */
export type ArgumentsOf<F> = F extends (...args: infer A) => unknown ? A : AnyArguments;

/** What a target takes that is called with one item; never if that is not enough for it. */
export type ItemOf<F> = F extends (item: infer T) => unknown ? T : F extends (...args: AnyArguments) => unknown ? never : unknown;

/** What `apply` takes after the function: its arguments, which may be left out if it needs none, and options. */
export type ApplyArguments<A extends AnyArguments> = [] extends A ? [args?: Readonly<A>, options?: TaskOptions]
  : [args: Readonly<A>, options?: TaskOptions];

/** What items are taken from, now or as they come. */
export type Source<T> = Iterable<T> | AsyncIterable<T>;

/** A source for each argument. Where one may be left out, `Options` may come in its place. */
export type Sources<A extends AnyArguments, Options> = {
  [K in keyof A]: Source<A[K]> | (undefined extends A[K] ? Options : never);
};
