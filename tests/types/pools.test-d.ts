// Checked by tsd against the built package: see tests/package_test.ts.
import { expectAssignable, expectError, expectType } from "tsd";
import * as mp from "@polyproc/multiprocessing";

declare function square(n: number): number;
declare function add(a: number, b: number, comment?: string): Promise<number>;
declare function hello(name?: string): string;
declare function same<T>(value: T): T;
declare function choose(way: "up" | "down", point: [x: number, y: number]): string;
declare function join(...parts: string[]): string;
declare function later<T>(...items: T[]): AsyncGenerator<T>;
declare const reference: mp.TaskReference;
declare const target: mp.Target;
const work = mp.module<{ square: typeof square; add: typeof add; hello: typeof hello; text: string }>("file:///work.ts");
const pool = new mp.Pool(2);

// One call: its arguments are the function's, and may be left out if it needs none.
expectType<mp.AsyncResult<number>>(pool.apply(add, [1, 2]));
expectType<mp.AsyncResult<number>>(pool.apply(add, [1, 2, "three"], { timeout: 10 }));
expectType<mp.AsyncResult<string>>(pool.apply(hello));
expectType<mp.AsyncResult<string>>(pool.apply(hello, [], { priority: 1 }));
expectType<mp.AsyncResult<string>>(pool.apply(join, ["a", "b", "c"]));
expectType<mp.AsyncResult<string>>(pool.apply(choose, ["up", [1, 2]]));
expectType<mp.AsyncResult<string>>(pool.apply(same, ["a"]));
expectType<mp.AsyncResult<string>>(pool.apply((n: number, unit: string) => `${n} ${unit}`, [1, "m"]));
expectError(pool.apply(add, ["1", 2]));
expectError(pool.apply(add, [1]));
expectError(pool.apply(add, [1, 2, "three", 4]));
expectError(pool.apply(square));
expectError(pool.apply(square, []));
expectError(pool.apply(square, 1));
expectError(pool.apply(square, [1], { timeut: 10 }));
expectError(pool.apply("square", [1]));

// Tuples that were made before, also ones that nobody may change.
const pair: [number, number] = [1, 2], fixed = [1, 2] as const;
expectType<mp.AsyncResult<number>>(pool.apply(add, pair));
expectType<mp.AsyncResult<number>>(pool.apply(add, fixed));

// A call for each item.
expectType<mp.AsyncResult<number[]>>(pool.map(square, [1, 2], { chunksize: 2 }));
expectType<mp.AsyncResult<number[]>>(pool.map(square, new Set([1])));
expectType<mp.AsyncResult<string[]>>(pool.map(same, ["a"]));
expectType<mp.AsyncResult<string[]>>(pool.map((n) => String(n + 1), [1]));
expectType<mp.AsyncResult<number[]>>(pool.map(({ n }) => Promise.resolve(n), [{ n: 1 }]));
expectType<mp.AsyncResult<(string | number)[]>>(pool.map((item: string | number) => item, ["a"]));
expectType<mp.AsyncResult<string[]>>(pool.map(([name]: [string, number]) => name, new Map([["a", 1]])));
expectType<mp.AsyncResult<string[]>>(pool.map(hello, ["bob", undefined]));
expectError(pool.map(square, ["a"]));
expectError(pool.map(add, [1]));
expectError(pool.map(square, 1));
expectError(pool.map(square, later(1)));

// A call for each list of arguments.
expectType<mp.AsyncResult<number[]>>(pool.starmap(add, [[1, 2], [3, 4, "five"]]));
expectType<mp.AsyncResult<number[]>>(pool.starmap(add, [pair]));
expectType<mp.AsyncResult<number[]>>(pool.starmap(add, [1, 2].map((n) => [n, n + 1])));
expectType<mp.AsyncResult<number[]>>(pool.starmap((a: number, b: number) => a + b, new Map([[1, 2]])));
expectError(pool.starmap(add, [["a", 2]]));
expectError(pool.starmap(add, [[1]]));
expectError(pool.starmap(add, [1]));

// Lazily.
expectType<AsyncIterableIterator<number>>(pool.imap(square, [1], { buffersize: 3 }));
expectType<AsyncIterableIterator<number>>(pool.imap((n) => n + 1, later(1)));
expectType<AsyncIterableIterator<string>>(pool.imapUnordered(same, later("a")));
expectError(pool.imap(square, ["a"]));
expectError(pool.imap(square, later("a")));
expectError(pool.imapUnordered(square, ["a"]));
expectError(pool.imapUnordered(add, [1]));

// References with types are checked as the functions themselves.
expectType<mp.AsyncResult<number>>(pool.apply(work.add, [1, 2]));
expectType<mp.AsyncResult<string>>(pool.apply(work.hello));
expectType<mp.AsyncResult<number[]>>(pool.map(work.square, [1]));
expectType<mp.AsyncResult<number[]>>(pool.starmap(work.add, [[1, 2]]));
expectType<AsyncIterableIterator<number>>(pool.imap(work.square, [1]));
expectError(pool.apply(work.add, ["1", 2]));
expectError(pool.apply(work.add));
expectError(pool.map(work.square, ["a"]));
expectError(pool.starmap(work.add, [["a", 2]]));
expectError(pool.imap(work.square, ["a"]));
expectError(pool.apply(work.text));

// Those without take anything, and nothing is known of their results.
expectType<mp.AsyncResult>(pool.apply({ module: "file:///work.ts", name: "add" }));
expectType<mp.AsyncResult>(pool.apply(reference, [1, "two"], { retries: 1 }));
expectType<mp.AsyncResult<unknown[]>>(pool.map(reference, [1]));
expectType<mp.AsyncResult<unknown[]>>(pool.starmap(target, [[1], ["two"]]));
expectType<AsyncIterableIterator<unknown>>(pool.imap(reference, later("a")));
expectType<AsyncIterableIterator<unknown>>(pool.imapUnordered(target, ["a"]));
expectError<number>(await pool.apply(reference, [1]));

// Registered functions are themselves.
expectType<mp.AsyncResult<number[]>>(pool.map(mp.task(import.meta, square), [1]));
expectError(pool.map(mp.task(import.meta, square), ["a"]));

// Functions that hand others on.
async function each<T, R>(fn: (item: T) => R, items: readonly T[]): Promise<Awaited<R>[]> {
  return await pool.map(fn, items);
}
// deno-lint-ignore no-explicit-any -- any function
async function once<A extends any[], R>(fn: (...args: A) => R, ...args: A): Promise<Awaited<R>> {
  return await pool.apply(fn, args);
}
expectType<Promise<number[]>>(each(square, [1]));
expectType<Promise<number>>(once(add, 1, 2));
for (const fn of [square, String]) expectType<number | string>(await pool.apply(fn, [1]));

// Pools of contexts, and of threads, are pools.
const context = mp.getContext("thread");
for (const one of [new context.Pool(2), new mp.ThreadPool(2)]) {
  expectType<mp.AsyncResult<number[]>>(one.map(square, [1]));
  expectError(one.map(square, ["a"]));
}

// Initializers.
declare function prepare(directory: string, level?: number): void;
expectType<mp.Pool>(new mp.Pool());
expectAssignable<mp.Pool>(new mp.Pool({ initializer: prepare, initargs: ["/tmp"] }));
expectAssignable<mp.Pool>(new mp.Pool({ processes: 2, initializer: prepare, initargs: ["/tmp", 1] }));
expectAssignable<mp.Pool>(new mp.ThreadPool({ initializer: prepare, initargs: ["/tmp"] }));
expectAssignable<mp.Pool>(new context.Pool({ initializer: prepare, initargs: ["/tmp"] }));
expectAssignable<mp.ProcessPoolExecutor>(new mp.ProcessPoolExecutor({ initializer: prepare, initargs: ["/tmp"] }));
expectAssignable<mp.Pool>(new mp.Pool({ initializer: work.square, initargs: [1] }));
expectAssignable<mp.Pool>(new mp.Pool({ initializer: reference, initargs: [1, "two"] }));
expectAssignable<mp.Pool>(new mp.Pool({ initializer: target, initargs: [1, "two"] }));
expectAssignable<mp.Pool>(new mp.Pool({ initializer: () => {} }));
const given: mp.PoolOptions = { initializer: prepare, initargs: ["/tmp"] };
expectType<mp.Pool>(new mp.Pool(given));
expectError(new mp.Pool({ initializer: prepare, initargs: [1] }));
expectError(new mp.Pool({ initializer: prepare, initargs: [] }));
expectError(new mp.Pool({ initializer: work.square, initargs: ["a"] }));
expectError(new mp.ThreadPool({ initializer: prepare, initargs: [1] }));
expectError(new context.Pool({ initializer: prepare, initargs: [1] }));
expectError(new mp.ProcessPoolExecutor({ initializer: prepare, initargs: [1] }));
expectError(new mp.ThreadPool({ startMethod: "process" }));
class Prepared extends mp.Pool {
  constructor() {
    super({ initializer: prepare, initargs: ["/tmp"] });
  }
}
const pools: mp.Pool[] = [new mp.Pool(2), new Prepared(), new mp.Pool({ initializer: prepare, initargs: ["/tmp"] })];
expectType<mp.AsyncResult<number[]>>(pools[0].map(square, [1]));

// Executors.
const executor = new mp.ProcessPoolExecutor({ maxWorkers: 2 });
expectType<mp.Future<number>>(executor.submit(add, 1, 2));
expectType<mp.Future<string>>(executor.submit(hello));
expectType<mp.Future<string>>(executor.submit(choose, "up", [1, 2]));
expectType<mp.Future<string>>(executor.submit(same, "a"));
expectType<mp.Future<number>>(executor.submit((a, b) => a + b, 1, 2));
expectType<mp.Future<number>>(executor.submit(add, ...pair));
expectType<mp.Future<number>>(executor.submit(work.add, 1, 2));
expectType<mp.Future>(executor.submit(reference, 1, "two"));
expectError(executor.submit(add, "1"));
expectError(executor.submit(add));
expectError(executor.submit(square, 1, 2));
expectError(executor.submit(work.add, "1", 2));

// Their maps take an iterable for each argument, and options last.
expectType<AsyncIterableIterator<number>>(executor.map(add, [1], later(2)));
expectType<AsyncIterableIterator<number>>(executor.map(add, [1], [2], ["three"]));
expectType<AsyncIterableIterator<number>>(executor.map(add, [1], [2], { chunksize: 2 }));
expectType<AsyncIterableIterator<number>>(executor.map(square, [1], { timeout: 10 }));
expectType<AsyncIterableIterator<number>>(executor.map((a, b) => a + b, [1], [2]));
expectType<AsyncIterableIterator<string>>(executor.map(same, ["a"]));
expectType<AsyncIterableIterator<string>>(executor.map(join, ["a"], ["b"], { buffersize: 2 }));
expectType<AsyncIterableIterator<number>>(executor.map(work.add, [1], [2], { timeout: 10 }));
expectType<AsyncIterableIterator<unknown>>(executor.map(reference, [1], ["two"], { timeout: 10 }));
expectError(executor.map(add, ["a"], ["b"]));
expectError(executor.map(add, [1]));
expectError(executor.map(square, [1], [2]));
expectError(executor.map(square, [1], { chunksiz: 2 }));
expectError(executor.map(work.add, ["a"], ["b"], { timeout: 10 }));
