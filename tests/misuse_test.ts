// run: with=off,no-ffi
/** Wrong arguments: each is refused at the call, with its name and the way out. */
import { assert } from "chai";
import * as mp from "../mod.ts";
import * as work from "./fixtures/pool.ts";
import { joinParent } from "./fixtures/process.ts";
import { eachMethod, test } from "./harness.ts";
import { gather, withPool } from "./pools.ts";
import { eachBlocking, eachShared } from "./shared.ts";
import { fails, forever } from "./timing.ts";

/** Whatever is no time to wait, and what is said of it. */
const NO_TIMES: [unknown, RegExp][] = [
  [100, /^Cannot wait: options must be an object { timeout.* }, they are 100$/],
  [0.1, /they are 0\.1$/],
  [true, /they are true$/],
  [false, /they are false$/],
  [null, /they are null$/],
  ["10", /they are "10"$/],
  [[10], /they are an array$/],
  [() => {}, /they are a function$/],
  [new AbortController().signal, /they are an AbortSignal$/],
  [{ timeOut: 10 }, /^Cannot wait: there is no option "timeOut"; it is timeout$/],
  [{ block: false }, /^Cannot wait: there is no option "block"; there (is|are) .*timeout/],
  [{ timeout: "x" }, /^Cannot wait: timeout must be a number of milliseconds, it is "x"$/],
  [{ timeout: NaN }, /timeout must be a number of milliseconds, it is NaN$/],
  [{ timeout: null }, /timeout must be a number of milliseconds, it is null$/],
];
const NO_SIGNALS: [unknown, RegExp][] = [
  [{ signal: new AbortController() }, /^Cannot wait: signal must be an AbortSignal, it is an AbortController$/],
  [{ signal: true }, /signal must be an AbortSignal, it is true$/],
];
const NO_SIGNAL_TAKEN: [unknown, RegExp] = [
  { signal: new AbortController().signal },
  /^Cannot wait: there is no option "signal"; there is timeout$/,
];

type Wait = (options: never) => unknown;

/** Each of these waits refuses all of those options: asynchronous ones with what they return, blocking ones by throwing. */
async function refuse(waits: Record<string, Wait>, wrong = [...NO_TIMES, ...NO_SIGNALS]): Promise<void> {
  for (const [name, wait] of Object.entries(waits)) {
    for (const [options, message] of wrong) {
      const refusal = name.endsWith("Sync") ? null : wait(options as never);
      if (refusal !== null) assert.instanceOf(refusal, Promise, name);
      const error = await fails(() => refusal ?? wait(options as never), TypeError);
      assert.match(error.message, message, name);
      if (name.endsWith("Sync")) assert.throws(() => wait(options as never), TypeError);
    }
  }
}

eachMethod("what is no time to wait is refused by queues and pipes, and nothing is put or taken", async (ctx) => {
  const queue = new ctx.Queue<number>(2), joinable = new ctx.JoinableQueue<number>(), simple = new ctx.SimpleQueue<number>();
  const [here, there] = ctx.Pipe();
  await refuse({
    get: (options) => queue.get(options),
    getMany: (options) => queue.getMany(1, options),
    put: (options) => queue.put(1, options),
    putMany: (options) => queue.putMany([1], options),
    poll: (options) => queue.poll(options),
    "simple poll": (options) => simple.poll(options),
    join: (options) => joinable.join(options),
    recv: (options) => here.recv(options),
    recvBytes: (options) => here.recvBytes(100, options),
    recvBytesInto: (options) => here.recvBytesInto(new Uint8Array(8), 0, options),
    "pipe poll": (options) => here.poll(options),
    send: (options) => here.send(1, options),
    wait: (options) => mp.wait([queue, here], options),
  });
  const get = simple.get.bind(simple) as (options: unknown) => Promise<number>;
  assert.match((await fails(() => get({ timeout: 10 }), TypeError)).message, /SimpleQueue takes no options; use a Queue/);
  // Nor has one of them gone on in silence.
  await queue.putMany([2, 3], { timeout: 0 });
  assert.deepEqual(await queue.getMany(9), [2, 3]);
  await here.send(4);
  assert.equal(await there.recv(), 4);
  assert.isFalse(await queue.poll({ timeout: undefined }));
  assert.isFalse(await here.poll({ timeout: undefined }));
});

eachMethod("what is no time to wait is refused by the join of a process, whether it runs or has ended", async (ctx) => {
  const child = new ctx.Process({ target: forever }).start();
  try {
    await refuse({ join: (options) => child.join(options) }, [...NO_TIMES, NO_SIGNAL_TAKEN]);
    await refuse({ wait: (options) => mp.wait([child], options) });
  } finally {
    child.terminate();
  }
  assert.equal(await child.join({ timeout: 20_000 }), -15);
  await refuse({ join: (options) => child.join(options) }, [...NO_TIMES, NO_SIGNAL_TAKEN]);
});

eachMethod("what is no time to wait is refused by the join of a parent", async (ctx) => {
  const queue = new ctx.Queue<unknown>();
  const child = new ctx.Process({ target: joinParent, args: [queue] }).start();
  assert.equal(await child.join({ timeout: 20_000 }), 0);
  assert.deepEqual(await queue.getMany(9), [
    false,
    false,
    false,
    "TypeError Cannot wait: options must be an object { timeout }, they are 20",
    'TypeError Cannot wait: there is no option "timeOut"; it is timeout',
    'TypeError Cannot wait: timeout must be a number of milliseconds, it is "20"',
    "TypeError Cannot wait: options must be an object { timeout }, they are null",
  ]);
}, { follows: true });

eachShared("what is no time to wait is refused by all that is waited for in shared memory, be it to be had or not", async (ctx) => {
  const condition = new ctx.Condition(), event = new ctx.Event(), barrier = new ctx.Barrier(2), value = new ctx.Value("int32");
  for (const lock of [new ctx.Lock(), new ctx.RLock(), new ctx.Semaphore(1), new ctx.BoundedSemaphore(1)]) {
    await refuse({
      acquire: (options) => lock.acquire(options),
      withLock: (options) => lock.withLock(() => assert.fail("it was taken"), options),
    });
    assert.isFalse(lock.locked());
    const guard = await lock.acquire({ timeout: 0 });
    await refuse({ acquire: (options) => lock.acquire(options) });
    guard.release();
  }
  await refuse({
    "acquire of a condition": (options) => condition.acquire(options),
    "withLock of a condition": (options) => condition.withLock(() => {}, options),
    "wait for an event": (options) => event.wait(options),
    "wait at a barrier": (options) => barrier.wait(options),
    "waitFor of a value": (options) => value.waitFor(() => false, options),
  });
  const guard = await condition.acquire();
  await refuse({
    "wait for a condition": (options) => condition.wait(options),
    "waitFor of a condition": (options) => condition.waitFor(() => false, options),
  });
  assert.isTrue(condition.locked());
  guard.release();
  assert.equal(barrier.nWaiting, 0);
  assert.isFalse(barrier.broken);
  event.set();
  await refuse({ "wait for an event that is set": (options) => event.wait(options) });
});

eachBlocking("what is no time to wait is refused by all that blocks", async (ctx) => {
  const queue = new ctx.JoinableQueue<number>(), lock = new ctx.Lock(), condition = new ctx.Condition(), event = new ctx.Event();
  const barrier = new ctx.Barrier(2), value = new ctx.Value("int32"), [here, there] = ctx.Pipe();
  const child = new ctx.Process({ target: forever }).start();
  const guard = await condition.acquire();
  const waits: Record<string, Wait> = {
    getSync: (options) => queue.getSync(options),
    putSync: (options) => queue.putSync(1, options),
    "queue's joinSync": (options) => queue.joinSync(options),
    recvSync: (options) => here.recvSync(options),
    recvBytesSync: (options) => here.recvBytesSync(100, options),
    recvBytesIntoSync: (options) => here.recvBytesIntoSync(new Uint8Array(8), 0, options),
    pollSync: (options) => here.pollSync(options),
    sendSync: (options) => there.sendSync(1, options),
    acquireSync: (options) => lock.acquireSync(options),
    withLockSync: (options) => lock.withLockSync(() => assert.fail("it was taken"), options),
    "condition's waitSync": (options) => condition.waitSync(options),
    waitForSync: (options) => condition.waitForSync(() => false, options),
    "event's waitSync": (options) => event.waitSync(options),
    "barrier's waitSync": (options) => barrier.waitSync(options),
    "value's waitForSync": (options) => value.waitForSync(() => false, options),
    joinSync: (options) => child.joinSync(options),
  };
  await refuse(waits, [...NO_TIMES, NO_SIGNAL_TAKEN]);
  guard.release();
  assert.equal(queue.qsize(), 0);
  assert.isFalse(lock.locked());
  child.terminate();
  assert.equal(await child.join(), -15);
});

eachMethod("what is no time to wait is refused by results and futures, whether they are there or not", async (ctx) => {
  const begun = new ctx.Queue<string>(), gate = new ctx.Queue<unknown>();
  const executor = new mp.ProcessPoolExecutor({ maxWorkers: 1, startMethod: ctx.getStartMethod()! });
  await withPool(ctx, 1, async (pool) => {
    const result = pool.apply(work.hold, [begun, gate]), future = executor.submit(work.hold, begun, gate);
    const bad = executor.submit(work.failIfOdd, 1);
    const waits: Record<string, Wait> = {
      get: (options) => result.get(options),
      wait: (options) => result.wait(options),
      result: (options) => future.result(options),
      exception: (options) => future.exception(options),
      "exception of one that failed": (options) => bad.exception(options),
      waitFutures: (options) => mp.waitFutures([future], options),
      asCompleted: async (options) => await mp.asCompleted([future], options).next(),
    };
    await refuse(waits);
    await fails(() => mp.waitFutures([future], { return_when: "FIRST_COMPLETED" } as never), TypeError);
    await gate.putMany([1, 2]);
    await result;
    await future;
    await bad.catch(() => {});
    await refuse(waits);
  });
  await executor.shutdown();
});

/** Each of these makes nothing, and says why. */
async function refuseAll(cases: [make: () => unknown, message: RegExp, type?: new (message?: string) => Error][]): Promise<void> {
  for (const [make, message, type = TypeError] of cases) {
    const error = await fails(make, type);
    assert.match(error.message, message);
  }
}

// deno-lint-ignore no-explicit-any -- wrong on purpose, as a program that nobody checked may be
type Anything = any;

eachMethod("an option that there is not is refused, with the one that is meant", async (ctx) => {
  const { Process, Queue, JoinableQueue, Pipe, Pool } = ctx as Anything;
  const executor = (options: Anything) => () => new mp.ProcessPoolExecutor(options);
  await refuseAll([
    [() => new Process({ target: work.same, arg: [1] }), /^Cannot make a process: there is no option "arg"; there are target, args, /],
    [() => new Process({ target: work.same, Target: 1 }), /there is no option "Target"; it is target$/],
    [() => new Process({ target: work.same, kwargs: {} }), /there is no option "kwargs"; pass an object as the last of args$/],
    [() => new Process({ target: work.same, exec_argv: [] }), /it is execArgv$/],
    [() => new Process({ target: work.same, constructor: 1 }), /there is no option "constructor"/],
    [() => new Process({ target: work.same, daemon: 1 }), /^Cannot make a process: daemon must be a boolean, it is 1$/],
    [() => new Process(work.same), /^Cannot make a process: options must be an object { target, args, .* }, they are a function$/],
    [() => new Process(null), /they are null$/],
    [() => new Queue({ maxSize: 3 }), /^Cannot make a queue: there is no option "maxSize"; it is maxsize$/],
    [() => new JoinableQueue({ size: 3 }), /there is no option "size"; there are maxsize, capacity$/],
    [() => new Queue("3"), /maxsize must be a number, it is "3"$/],
    [() => new Queue(null), /options must be an object { maxsize, capacity }, they are null$/],
    [() => new Queue().shutdown(true), /^Cannot shut down the queue: options must be an object { immediate }, they are true$/],
    [() => Pipe(false), /^Cannot make a pipe: options must be an object { duplex, capacity }, they are false$/],
    [() => Pipe({ duplx: false }), /there is no option "duplx"; there are duplex, capacity$/],
    [() => Pipe({ duplex: 0 }), /duplex must be a boolean, it is 0$/],
    [() => new Pool({ max_workers: 2 }), /^Cannot make a pool: there is no option "max_workers"; there are processes, /],
    [() => new Pool({ maxWorkers: 2 }), /there is no option "maxWorkers"; it is processes$/],
    [() => new Pool({ maxtasksperchild: 2 }), /it is maxTasksPerChild$/],
    [() => new Pool({ initArgs: [] }), /it is initargs$/],
    [() => new Pool({ toString: 1 }), /there is no option "toString"/],
    [executor({ max_workers: 2 }), /^Cannot make an executor: there is no option "max_workers"; it is maxWorkers$/],
    [executor({ processes: 2 }), /^Cannot make an executor: there is no option "processes"; it is maxWorkers$/],
    [executor({ workers: 2 }), /there is no option "workers"; there are maxWorkers, initializer, [^"]*$/],
    [executor({ mp_context: ctx }), /it is startMethod$/],
    [
      executor({ maxWorkers: 2, minProcesses: 3 }),
      /^Cannot make an executor: .* must not be more than maxWorkers, which is 2$/,
      RangeError,
    ],
    [executor(4), /^Cannot make an executor: options must be an object { maxWorkers, .* }, they are 4$/],
  ]);
  // What an option says that is not given is nothing.
  const [here] = Pipe({ duplex: undefined, duplx: undefined });
  assert.isTrue(here.writable);
});

eachMethod("what is given where nothing is taken, or something else, is refused by its name", async (ctx) => {
  const { Queue, JoinableQueue, SimpleQueue, Pipe } = ctx as Anything, [here, there] = Pipe();
  await there.sendBytes(new Uint8Array(3));
  await refuseAll([
    [() => new SimpleQueue(5), /^Cannot make a queue: 5 is one argument too many; a SimpleQueue has no limits, use a Queue$/],
    [() => new SimpleQueue({ maxsize: 5 }), /^Cannot make a queue: an object is one argument too many; /],
    [() => new Queue(5, 6), /^Cannot make a queue: 6 is one argument too many; leave it out$/],
    [() => new JoinableQueue(5, "6"), /^Cannot make a queue: "6" is one argument too many/],
    [
      () => here.recvBytes({ timeout: 0 }),
      /^Cannot receive bytes: maxLength must be a number of bytes, it is an object; options come behind it, recvBytes\(undefined, { timeout }\)$/,
    ],
    [() => here.recvBytes("3"), /maxLength must be a number of bytes, it is "3"/],
    [
      () => here.recvBytesInto(new Uint8Array(3), { timeout: 0 }),
      /^Cannot use a buffer: offset must be a number of bytes, it is an object$/,
    ],
    [() => here.sendBytes(new Uint8Array(3), { timeout: 0 }), /offset must be a number of bytes, it is an object$/],
    [() => here.sendBytes(new Uint8Array(3), Symbol("x")), /offset must be a number of bytes, it is Symbol\(x\)$/],
    [() => here.sendBytes(new Uint8Array(3), 0, { timeout: 0 }), /^Cannot use a buffer: size must be a number of bytes, it is an object$/],
    [() => here.sendBytes(new Uint8Array(3), 0, 3, 5), /^Cannot wait: options must be an object { timeout.* }, they are 5$/],
  ]);
  assert.throws(() => here.recvBytesSync({ timeout: 0 }), TypeError, "maxLength must be a number");
  assert.lengthOf(await here.recvBytes(3, { timeout: 20_000 }), 3);
});

eachShared("what is given where nothing is taken is refused by what is made in shared memory", async (ctx) => {
  const { RawValue, RawArray, ...made } = ctx as Anything;
  for (const maker of [made, mp as Anything]) {
    for (const name of ["Lock", "RLock", "Event"]) {
      const said = new RegExp(`^Cannot make the ${name === "Event" ? "event" : "lock"}: 5 is one argument too many; leave it out$`);
      await refuseAll([[() => new maker[name](5), said], [() => new maker[name]({ timeout: 5 }), /an object is one argument too many/]]);
    }
    await refuseAll([
      [() => new maker.Semaphore(1, 2), /^Cannot make the semaphore: 2 is one argument too many/],
      [() => new maker.BoundedSemaphore(1, 2), /2 is one argument too many/],
      [() => new maker.Condition(null, 2), /2 is one argument too many/],
      [() => new maker.Barrier(2, {}, 3), /^Cannot make the barrier: 3 is one argument too many/],
    ]);
  }
  await refuseAll([
    [
      () => RawValue("i", 0, { lock: false }),
      /^Cannot make a RawValue: it takes no options, they are an object; Value\(\) takes { lock }$/,
    ],
    [() => new RawArray("i", 3, true), /^Cannot make a RawArray: it takes no options, they are true; Array\(\) takes { lock }$/],
  ]);
});

eachShared("an option that there is not is refused by what is made in shared memory", async (ctx) => {
  const { Value, Array: Numbers, Barrier } = ctx as Anything, point = mp.Struct({ x: "float64" });
  await refuseAll([
    [() => Value("i", 0, { lok: false }), /^Cannot make the value: there is no option "lok"; there is lock$/],
    [() => Value("i", 0, false), /^Cannot make the value: options must be an object { lock }, they are false$/],
    [() => Value(point, {}, { Lock: false }), /there is no option "Lock"; it is lock$/],
    [() => Numbers("i", 3, { lok: false }), /^Cannot make the array: there is no option "lok"; there is lock$/],
    [() => new Numbers(point, 3, { lok: false }), /there is no option "lok"/],
    [() => new Barrier(2, () => {}), /^Cannot make a barrier: options must be an object { action, timeout }, they are a function$/],
    [() => new Barrier(2, { timeOut: 5 }), /it is timeout$/],
    [() => new Barrier(2, { timeout: NaN }), /timeout must be a number of milliseconds, it is NaN$/],
  ]);
});

test("what takes few options refuses others as well", () => {
  const { SharedMemory, ShareableList, getStartMethod, setStartMethod } = mp as Anything;
  return refuseAll([
    [
      () => new SharedMemory("psm_1"),
      /^Cannot open shared memory: options must be an object { name, create, size, track }, they are "psm_1"$/,
    ],
    [() => new SharedMemory({ name: "psm_1", creat: true, size: 8 }), /there is no option "creat"; there are name, create, size, track$/],
    [() => new SharedMemory({ create: 1, size: 8 }), /create must be a boolean, it is 1$/],
    [() => new ShareableList([1], "psm_1"), /^Cannot make a list: options must be an object { name }, they are "psm_1"$/],
    [() => getStartMethod(true), /^Cannot get the start method: options must be an object { allowNone }, they are true$/],
    [() => getStartMethod({ allow_none: true }), /there is no option "allow_none"; it is allowNone$/],
    [() => setStartMethod("inline", true), /^Cannot set the start method: options must be an object { force }, they are true$/],
  ]);
});

eachShared("a body that is no function is refused before the lock is taken", async (ctx) => {
  const things: Anything[] = [new ctx.Lock(), new ctx.RLock(), new ctx.Semaphore(1), new ctx.BoundedSemaphore(1), new ctx.Condition()];
  for (const lock of things) {
    const guard = await lock.acquire();
    // Were it not refused first, it would wait for the lock.
    if (!(lock instanceof mp.RLock)) await refuseAll([[() => lock.withLock(5), /body must be a function, it is 5$/]]);
    guard.release();
    await refuseAll([
      [() => lock.withLock(undefined), /body must be a function, it is undefined$/],
      [() => lock.withLockSync({}), /body must be a function, it is an object$/],
    ]);
    assert.isFalse(lock.locked());
  }
});

eachMethod(
  "a pool, a process or what gives a result is refused where it is sent, and no empty object arrives",
  (ctx) =>
    withPool(ctx, 1, async (pool) => {
      const queue = new ctx.Queue<unknown>(), executor = new mp.ProcessPoolExecutor({ maxWorkers: 1, startMethod: ctx.getStartMethod()! });
      const result = pool.apply(work.same, [1]), future = executor.submit(work.same, 2);
      await refuseAll([
        [() => queue.put({ pool }), /^Cannot send item\.pool: a pool cannot travel to another process; make one there$/, mp.DataCloneError],
        [() => pool.apply(work.same, [pool]), /^Cannot send args\[0\]: a pool cannot travel/, mp.DataCloneError],
        [() => queue.put([result]), /^Cannot send item\[0\]: a result of a pool cannot travel .*; await it/, mp.DataCloneError],
        [() => queue.put(future), /^Cannot send item: a future cannot travel .*; await it/, mp.DataCloneError],
        [() => queue.put(executor), /an executor cannot travel .*; make one there$/, mp.DataCloneError],
        [() => queue.put(new ctx.Process()), /a process cannot travel .*; send its pid/, mp.DataCloneError],
        [() => queue.put([new mp.SharedMemoryManager()]), /item\[0\]: a manager cannot travel .*; send what it made$/, mp.DataCloneError],
      ]);
      assert.deepEqual([await result, await future], [1, 2]);
      await executor.shutdown();
      await queue.put(3);
      assert.equal(await queue.get({ timeout: 20_000 }), 3);
    }),
);

eachShared("a guard is refused where it is sent", async (ctx) => {
  const queue = new ctx.Queue<unknown>(), lock = new ctx.Lock(), guard = await lock.acquire();
  await refuseAll([[() => queue.put({ guard }), /item\.guard: a guard cannot travel .*; send the lock$/, mp.DataCloneError]]);
  guard.release();
  assert.isFalse(lock.locked());
});

eachMethod("what cannot be waited for is refused by its name", async (ctx) => {
  const queue = new ctx.Queue<number>(), { wait, waitFutures, asCompleted } = mp as Anything;
  await refuseAll([
    [() => wait(queue), /^Cannot wait: things must be an iterable .*; it is a Queue$/],
    [() => wait(), /things must be an iterable .*; it is undefined$/],
    [() => waitFutures(5), /^Cannot wait: futures must be an iterable .*; it is 5$/],
    [() => waitFutures(undefined), /futures must be an iterable/],
    [() => asCompleted(null), /^Cannot wait: futures must be an iterable .*; it is null$/],
    [() => waitFutures([], { return_when: "x" }), /there is no option "return_when"; it is returnWhen$/],
  ]);
});

eachMethod("pools say what they take, before a worker is started", async (ctx) => {
  const { Pool } = ctx as Anything, startMethod = ctx.getStartMethod()!;
  const before = mp.activeChildren().length;
  const positional =
    /^Cannot make a pool: it takes a number, or one object { processes, initializer, initargs }; its second argument is a function$/;
  await refuseAll([
    [() => new Pool(4, work.initialize, [1]), positional],
    [() => new (mp.Pool as Anything)(4, work.initialize, [1]), positional],
    [() => new (mp.ThreadPool as Anything)(4, work.initialize, [1]), positional],
    [() => new Pool(513), /^Cannot make a pool: processes must be a whole number from 1 to 512, it is 513$/, RangeError],
    [() => new Pool({ processes: 600 }), /processes must be a whole number from 1 to 512, it is 600$/, RangeError],
    [() => new mp.ProcessPoolExecutor({ maxWorkers: 600, startMethod }), /maxWorkers must be .* 512, it is 600$/, RangeError],
  ]);
  assert.equal(mp.activeChildren().length, before);
  await withPool(ctx, 1, async (pool) => {
    await refuseAll([
      [() => pool.resize(600), /^Cannot resize the pool: size must be a whole number from 1 to 512, it is 600$/, RangeError],
      [() => pool.resize("2" as Anything), /size must be .*, it is "2"$/],
      [() => pool.map(work.same, [1], { chunkSize: 2 } as Anything), /there is no option "chunkSize"; it is chunksize$/],
      [() => pool.map(work.same, [1], 5 as Anything), /^Cannot submit a task: options must be an object { .*chunksize.* }, they are 5$/],
      [
        () => pool.starmap(work.add, [[1, 2], 1] as Anything),
        /^Cannot starmap: item 1 must be a list of arguments, it is 1; map\(\) calls with single items$/,
      ],
      [() => pool.starmap(work.add, [undefined] as Anything), /item 0 must be a list of arguments, it is undefined/],
      [() => pool.starmap(work.add, [{}] as Anything), /item 0 must be a list of arguments, it is an object/],
      [() => pool.map(work.same, 5 as Anything), /^Cannot map over 5: an iterable is needed/],
    ]);
    assert.equal(pool.size, 1);
    assert.deepEqual(await pool.starmap(work.add, [[1, 2], new Set([3, 4])] as Anything), [3, 7]);
  });
});

eachMethod("the last argument of an executor's map is options only if it can be meant so", async (ctx) => {
  const executor = new mp.ProcessPoolExecutor({ maxWorkers: 1, startMethod: ctx.getStartMethod()! });
  const map = (...args: Anything[]) => gather((executor as Anything).map(work.same, ...args) as AsyncIterable<unknown>);
  try {
    await refuseAll([
      [() => map(), /^Cannot map: an iterable is needed/],
      [() => map({ chunksize: 2 }), /^Cannot map: an iterable is needed/],
      [() => map(undefined), /^Cannot map over undefined: iterables are needed/],
      [() => map(undefined, undefined), /^Cannot map over undefined/],
      [() => map(null), /^Cannot map over null/],
      [() => map(5), /^Cannot map over 5/],
      [() => map(Promise.resolve([1])), /^Cannot map over a Promise/],
      [() => map([1, 2], 5), /^Cannot map over 5: iterables are needed, and options after them$/],
      [() => map([1, 2], null), /^Cannot map over null/],
      [() => map([1, 2], work.same), /^Cannot map over a function/],
      [() => map([1, 2], Promise.resolve([1])), /^Cannot map over a Promise/],
      [() => map([1, 2], undefined, [1]), /^Cannot map over undefined/],
      [() => map([1, 2], { chunkSize: 2 }), /^Cannot map: there is no option "chunkSize"; it is chunksize$/],
    ]);
    await refuseAll([
      [() => executor.shutdown(false as Anything), /^Cannot shut the executor down: options must be an object/],
      [() => executor.shutdown({ cancel_futures: true } as Anything), /there is no option "cancel_futures"; it is cancelFutures$/],
    ]);
    assert.deepEqual(await map([1, 2], { chunksize: 2 }), [1, 2]);
    assert.deepEqual(await map([1, 2], undefined), [1, 2]);
    assert.deepEqual(await map("ab", [1, 2]), ["a", "b"]);
  } finally {
    await executor.shutdown();
  }
});

test("what a module does not export is refused where the module is registered", () => {
  const register = mp.registerModule as (name: string, exports: unknown) => void;
  for (
    const [exports, said] of [[Promise.resolve({}), "a promise"], [undefined, "undefined"], [null, "null"], [
      "./work.ts",
      "string",
    ]] as const
  ) {
    assert.throws(
      () => register("wrong", exports),
      TypeError,
      new RegExp(`^Cannot register the module "wrong": this is ${said}, .* pass \\(\\) => import\\(…\\)$`),
    );
  }
});

eachMethod("a module that is registered here alone is named by the child that needs it", async (ctx) => {
  const exports = { own: (n: number) => n };
  mp.registerModule("known here alone", exports);
  const told = /^Cannot find the module "known here alone": if registerModule\(\) has named it, it must be registered in the child too/;
  await withPool(ctx, 1, async (pool) => {
    const error = await fails(() => pool.apply(exports.own, [1]), mp.TargetError);
    assert.match(error.message, told);
  });
}, { methods: ["process", "thread"] });

eachMethod("what is no iterable is refused by its name, and nothing is put or moved", async (ctx) => {
  const queue = new ctx.Queue<number>(), { ShareableList, move } = mp as Anything, buffer = new ArrayBuffer(8);
  const later = (async function* () {})();
  await refuseAll([
    [() => queue.putMany(5 as Anything), /^Cannot put items: items must be an iterable, it is 5$/],
    [() => queue.putMany(undefined as Anything), /items must be an iterable, it is undefined$/],
    [() => queue.putMany(later as Anything), /items must be an iterable, it is an AsyncGenerator$/],
    [() => new ShareableList(5), /^Cannot make a list: sequence must be an iterable, it is 5$/],
    [() => new ShareableList({ name: "psm_1" }), /sequence must be an iterable, it is an object$/],
    [() => move({}, buffer), /^Cannot move: buffers must be an array of ArrayBuffers: .*, it is an ArrayBuffer$/],
    [() => move({}, [buffer, new Uint8Array(8)]), /buffers must be an array of ArrayBuffers: that of a typed array is its \.buffer/],
  ]);
  assert.equal(queue.qsize(), 0);
  for (const max of ["2", Symbol("x"), null, 0, 1.5]) {
    const error = await fails(() => queue.getMany(max as Anything), RangeError);
    assert.match(error.message, /^Cannot get items: max must be a whole number from 1 on, it is ("2"|Symbol\(x\)|null|0|1\.5)$/);
  }
});

eachShared("what is no function is refused where it is given, not where it would be called", async (ctx) => {
  const condition = new ctx.Condition() as Anything, value = new ctx.Value("int32") as Anything;
  const predicate = /^Cannot wait: predicate must be a function, it is 5$/;
  await condition.withLock(async () => {
    await refuseAll([
      [() => condition.waitFor(5), predicate],
      [() => condition.waitForSync(5), predicate],
      [() => condition.waitFor(), /predicate must be a function, it is undefined$/],
    ]);
    for (const n of ["1", [], null, 1n, Symbol("x")]) {
      assert.match((await fails(() => condition.notify(n), RangeError)).message, /: n must be a number from 0 on$/);
    }
    assert.isTrue(condition.locked());
  });
  await refuseAll([[() => value.waitFor(5), predicate]]);
});

eachMethod("a listener, a callback or a handler that is no function is refused", async (ctx) => {
  const executor = new mp.ProcessPoolExecutor({ maxWorkers: 1, startMethod: ctx.getStartMethod()! });
  await withPool(ctx, 1, async (pool) => {
    const future = executor.submit(work.same, 1) as Anything, callback = /^Cannot add a callback: callback must be a function, it is null$/;
    await refuseAll([
      [() => pool.on("workerexit", 5 as Anything), /^Cannot listen to a pool: listener must be a function, it is 5$/],
      [() => pool.on("workerexi" as Anything, 5 as Anything), /^A pool has no event "workerexi"/],
      [() => future.addDoneCallback(null), callback],
      [() => mp.getLogger().addHandler({} as Anything), /^Cannot add a handler: handler must be a function, it is an object$/],
    ]);
    await future;
    await refuseAll([[() => future.addDoneCallback(null), callback]]);
  });
  await executor.shutdown();
});

eachMethod(
  "an iterator, or what stands for a module, is refused where it is sent, and no empty object arrives",
  (ctx) =>
    withPool(ctx, 1, async (pool) => {
      const queue = new ctx.Queue<unknown>(), [here] = ctx.Pipe();
      const reference = { module: "work", name: "same" };
      await refuseAll([
        [
          () => queue.put({ all: queue[Symbol.asyncIterator]() }),
          /^Cannot send item\.all: an iterator cannot travel to another process; send the queue or connection$/,
          mp.DataCloneError,
        ],
        [() => queue.put(here[Symbol.asyncIterator]()), /an iterator cannot travel .*; send the queue or connection$/, mp.DataCloneError],
        [
          () => queue.put(pool.imap(reference, [1])),
          /item: an iterator cannot travel .*; send an array of what it yields/,
          mp.DataCloneError,
        ],
        [() => queue.put(mp.asCompleted([])), /an iterator cannot travel .*; await its futures/, mp.DataCloneError],
        [() => queue.put([mp.module("work")]), /item\[0\]: what stands for a module cannot travel .*; send one of/, mp.DataCloneError],
      ]);
      assert.equal(queue.qsize(), 0);
    }),
);

eachMethod("an option of another method, or class, is refused", (ctx) =>
  withPool(ctx, 1, async (pool) => {
    const { ThreadPool, ProcessPoolExecutor } = mp as Anything;
    await refuseAll([
      [() => pool.apply(work.same, [1], { chunksize: 2 } as Anything), /^Cannot submit a task: there is no option "chunksize"; there are/],
      [() => pool.map(work.same, [1], { buffersize: 2 } as Anything), /there is no option "buffersize"; there are .*, chunksize$/],
      [() => new ThreadPool({ processes: 1, startMethod: "inline" }), /^Cannot make a pool of threads: .* "startMethod"; use a Pool$/],
      [
        () => new ProcessPoolExecutor({ maxWorkers: 1 }, work.initialize),
        /^Cannot make an executor: it takes one object { maxWorkers, .* }; its second argument is a function$/,
      ],
    ]);
    assert.deepEqual(await gather(pool.imap(work.same, [1, 2], { chunksize: 1, buffersize: 2 })), [1, 2]);
    assert.deepEqual(await pool.map(work.same, [1, 2], { chunksize: 2 }), [1, 2]);
  }));

test("a codec that cannot encode and decode is refused where its class is registered", () => {
  class Point {}
  const { registerClass, isMain } = mp as Anything;
  const said = /^Cannot register class Point: codec must be an object { encode, decode } of functions, it is (null|5|an object)$/;
  for (const codec of [null, 5, {}, { encode: () => 1 }, { encode: () => 1, decod: () => new Point() }]) {
    assert.throws(() => registerClass(import.meta, Point, codec), TypeError, said);
  }
  registerClass(import.meta, Point, { encode: () => 1, decode: () => new Point() });
  assert.throws(() => isMain(null), TypeError, /pass import\.meta, not null/);
});

eachMethod("to wait for nothing gives nothing at once, and what has a poll of its own is not asked", async () => {
  assert.deepEqual(await mp.wait([]), []);
  assert.deepEqual(await mp.wait([], { timeout: 60_000 }), []);
  let asked = 0;
  await refuseAll([[() => mp.wait([{ poll: () => asked++ }] as Anything), /^Cannot wait for an object: it is no connection, /]]);
  assert.equal(asked, 0);
}, { methods: ["inline"] });

eachShared("what is wrong is shown in a few words, whatever it is", async (ctx) => {
  const { Value, Array: Numbers, Semaphore, Barrier } = ctx as Anything, point = mp.Struct({ x: "float64" }), points = Numbers(point, 1);
  await refuseAll([
    [() => Value("i", []), /^Cannot store an array: a whole number, for type "int32", is needed$/],
    [() => Value(Int32Array), /^There is no type a function: there are int8, /],
    [() => Numbers("i", {}), /^Cannot make an array of an object: its length is needed, or its elements$/],
    [() => Value(point, new Map([["x", 1]])), /^Cannot store a Map as a record: an object with x is needed$/],
    [() => points.set(0, []), /^Cannot store an array as a record/],
    [() => points.set("0", { x: 1 }), /^Cannot store a record at "0": the array has 1$/, RangeError],
    [() => mp.Struct(["i"] as Anything), /^Cannot make a type of records: it takes an object of names and types/],
    [() => new Semaphore([]), /value must be a number, it is an array$/],
    [() => new Barrier({}), /parties must be a number, it is an object$/],
  ]);
});

eachMethod("lists of arguments may be of any kind, and what theirs throws is what comes", (ctx) =>
  withPool(ctx, 1, async (pool) => {
    const pair = new Map([[5, 0], [6, 0]]).keys(), error = new Error("mine");
    const broken = {
      [Symbol.iterator]() {
        throw error;
      },
    };
    assert.deepEqual(await pool.starmap(work.add, [pair, [1, 2].values(), [3, 4]] as Anything), [11, 3, 7]);
    assert.equal(await fails(() => pool.starmap(work.add, [broken] as Anything), Error), error);
    pool.close();
    await refuseAll([[() => pool.resize(2), /^Cannot resize the pool: the pool is not running, it was closed$/, mp.ProcessError]]);
  }));

test("a start method that there is not is refused with those that there are", () => {
  const { Process, Pool } = mp as Anything, said = /^Cannot start .*: start method "threads" is not offered here: there are .*inline$/;
  return refuseAll([
    [() => new Process({ target: work.same }, "threads").start(), said, mp.UnsupportedError],
    [() => new Pool(1, "threads"), said, mp.UnsupportedError],
  ]);
});
