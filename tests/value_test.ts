/** Values in shared memory: their types, what is exact, waiting for them, their locks, records. */
// run: with=off,no-ffi
import { assert } from "chai";
import * as mp from "../mod.ts";
import * as work from "./fixtures/value.ts";
import { another, CODES, collectGarbage, collects, eachBlocking, eachShared, testRefusals } from "./shared.ts";
import { fails, isPending, sleep, until } from "./timing.ts";

/** Shorter than this is "at once", on a busy machine. */
const SOON = 2_000;
const T = 50;

const isInline = (ctx: mp.Context) => ctx.getStartMethod() === "inline";

const INTEGERS = ["int8", "uint8", "int16", "uint16", "int32", "uint32"] as const;
const BIG_INTEGERS = ["int64", "uint64"] as const;

const bitsOf = (type: string) => Number(/\d+$/.exec(type)![0]);

/** A whole number as C has it in a type. */
function wrapped(type: string, n: bigint): bigint {
  return type.startsWith("u") ? BigInt.asUintN(bitsOf(type), n) : BigInt.asIntN(bitsOf(type), n);
}

/** The least and the greatest of a type of integers. */
function limits(type: string): [bigint, bigint] {
  const bits = BigInt(bitsOf(type));
  return type.startsWith("u") ? [0n, 2n ** bits - 1n] : [-(2n ** (bits - 1n)), 2n ** (bits - 1n) - 1n];
}

const Point = mp.Struct({ x: "float64", y: "d", id: "q", open: "?" });

testRefusals("Value", "RawValue");

// ---- types ---------------------------------------------------------------------

eachShared("a value is zero until it is given another, and keeps what its type can hold", (ctx) => {
  for (const type of INTEGERS) {
    const value = ctx.Value(type), [least, greatest] = limits(type).map(Number);
    assert.strictEqual(value.value, 0);
    for (const n of [1, least, greatest]) {
      value.value = n;
      assert.strictEqual(value.value, n, type);
      assert.strictEqual(ctx.Value(type, n).value, n);
    }
  }
  for (const type of BIG_INTEGERS) {
    const value = ctx.Value(type);
    assert.strictEqual(value.value, 0n);
    for (const n of [2n ** 33n, 2n ** 53n + 1n, ...limits(type)]) {
      value.value = n;
      assert.strictEqual(value.value, n, type);
    }
    // Safe integers will do.
    (value as { value: unknown }).value = 5;
    assert.strictEqual(value.value, 5n);
  }
  const float = ctx.Value("float32", 1.1), double = ctx.Value("float64", 0.1), flag = ctx.Value("bool"), letter = ctx.Value("char");
  assert.strictEqual(float.value, Math.fround(1.1));
  for (const n of [0.1, -0, NaN, Infinity, Number.MIN_VALUE, Number.MAX_VALUE]) {
    double.value = n;
    assert.isTrue(Object.is(double.value, n), String(n));
  }
  assert.strictEqual(flag.value, false);
  flag.value = true;
  assert.strictEqual(flag.value, true);
  assert.strictEqual(letter.value, "\0");
  for (const text of ["a", "\xff", "\0"]) {
    letter.value = text;
    assert.strictEqual(letter.value, text);
  }
});

eachShared("Python's codes name the same types", (ctx) => {
  for (const [code, type] of Object.entries(CODES)) {
    const [coded, named] = [code, type].map((name) => ctx.Value(name as mp.ElementType));
    assert.strictEqual(coded.value, named.value);
    if (type === "bool" || type === "char" || type.startsWith("float")) continue;
    for (const value of [coded, named]) value.value = (bitsOf(type) === 64 ? -1n : -1) as never;
    assert.strictEqual(coded.value, named.value);
    assert.equal(BigInt(coded.value as number), wrapped(type, -1n));
  }
  assert.strictEqual(ctx.Value("f", 0.1).value, Math.fround(0.1));
  assert.strictEqual(ctx.Value("d", 0.1).value, 0.1);
  assert.strictEqual(ctx.Value("?", true).value, true);
  assert.strictEqual(ctx.Value("c", "x").value, "x");
});

eachShared("integers that are too large wrap, as in C", (ctx) => {
  for (const type of INTEGERS) {
    const value = ctx.Value(type), [least, greatest] = limits(type);
    for (const n of [greatest + 1n, least - 1n, 2n ** 40n + 3n, -(2n ** 40n) - 3n]) {
      value.value = Number(n);
      assert.strictEqual(value.value, Number(wrapped(type, n)), `${n} as ${type}`);
    }
  }
  assert.strictEqual(ctx.Value("i", 2 ** 31).value, -(2 ** 31));
  for (const type of BIG_INTEGERS) {
    const value = ctx.Value(type), [least, greatest] = limits(type);
    for (const n of [greatest + 1n, least - 1n, 2n ** 70n + 3n]) {
      value.value = n;
      assert.strictEqual(value.value, wrapped(type, n), `${n} as ${type}`);
    }
  }
});

eachShared("what is no value of a type is refused, by name, and changes nothing", async (ctx) => {
  const wrong: [mp.ElementType, unknown, unknown[]][] = [
    ...INTEGERS.map((type): [mp.ElementType, unknown, unknown[]] => [type, 7, ["7", 1.5, NaN, Infinity, null, 7n, true, {}, []]]),
    ...BIG_INTEGERS.map((type): [mp.ElementType, unknown, unknown[]] => [type, 7n, ["7", 1.5, 2 ** 53, NaN, null, true, {}]]),
    ["float32", 0.5, ["7", null, 7n, true, {}]],
    ["float64", 0.5, ["7", null, 7n, undefined, Symbol("x")]],
    ["bool", true, ["true", 2, null, 1n]],
    ["char", "x", ["xy", "", "€", 120, null]],
  ];
  for (const [type, good, bad] of wrong) {
    const value = ctx.Value(type, good as never);
    for (const one of bad) {
      const error = await fails(() => value.value = one as never, TypeError);
      assert.match(error.message, new RegExp(`^Cannot store .+ for type "${type}", is needed$`), String(one));
      assert.strictEqual(value.value, good);
      if (one !== undefined) await fails(() => ctx.RawValue(type, one as never), TypeError);
      if (type.includes("int")) {
        for (const step of ["add", "sub", "and", "or", "xor", "exchange"] as const) await fails(() => value[step](one as never), TypeError);
        await fails(() => value.compareExchange(good as never, one as never), TypeError);
        await fails(() => value.compareExchange(one as never, good as never), TypeError);
        assert.strictEqual(value.value, good);
      }
    }
  }
  for (const type of ["int", "int128", "", "toString", 5, null, undefined, {}]) {
    assert.match((await fails(() => ctx.Value(type as mp.ElementType), TypeError)).message, /^There is no type .*: there are int8, /);
  }
});

eachShared("values are made with new and without", (ctx) => {
  assert.strictEqual(new ctx.Value("int32", 5).value, 5);
  assert.strictEqual(new ctx.RawValue("int32", 5).value, 5);
  for (const value of [ctx.Value("int32"), new ctx.Value("int32")]) assert.instanceOf(value, mp.LockedValue);
  for (const value of [ctx.RawValue("int32"), new ctx.RawValue("int32")]) {
    assert.instanceOf(value, mp.SharedValue);
    assert.notInstanceOf(value, mp.LockedValue);
  }
});

// ---- between processes ---------------------------------------------------------

eachShared("what a child stores is what its parent finds, to the last bit", async (ctx) => {
  for (const make of [ctx.Value, ctx.RawValue as unknown as mp.ValueMaker]) {
    const numbers: work.Numbers = {
      int: make("i", 7),
      double: make("d", 1 / 3),
      long: make("q", 2n ** 33n + 1n),
      byte: make("b", 100),
      flag: make("?", true),
      letter: make("c", "\xe4"),
    };
    assert.equal(await new ctx.Process({ target: work.double, args: [numbers] }).start().join(), 0);
    const { int, double, long, byte, flag, letter } = numbers;
    assert.deepEqual(
      [int.value, double.value, long.value, byte.value, flag.value, letter.value],
      [14, 2 / 3, 2n ** 34n + 2n, -56, false, "\xc4"],
    );
  }
});

eachShared("steps that nobody comes between give what was there before", async (ctx) => {
  for (const type of [...INTEGERS, ...BIG_INTEGERS]) {
    const isBig = bitsOf(type) === 64, value = ctx.Value(type);
    let now = 0n;
    const as = (n: bigint) => (isBig ? n : Number(n)) as never;
    const steps: [string, bigint, bigint][] = [
      ["add", 100n, now += 100n],
      ["sub", 130n, now = wrapped(type, now - 130n)],
      ["add", 2n ** 31n, now = wrapped(type, now + 2n ** 31n)],
      ["or", 9n, now |= 9n],
      ["and", -4n, now = wrapped(type, now & wrapped(type, -4n))],
      ["xor", 5n, now = wrapped(type, now ^ 5n)],
      ["exchange", 300n, wrapped(type, 300n)],
    ];
    let before = 0n;
    for (const [step, operand, after] of steps) {
      const seen = value[step as "add"](as(operand));
      assert.strictEqual(seen, as(before), `${type} ${step}`);
      assert.strictEqual(value.value, as(after), `${type} ${step}`);
      before = after;
    }
    assert.strictEqual(value.compareExchange(as(before + 1n), as(1n)), as(before));
    assert.strictEqual(value.value, as(before));
    assert.strictEqual(value.compareExchange(as(before), as(1n)), as(before));
    assert.strictEqual(value.value, as(1n));
  }
  for (const type of ["float32", "float64", "bool", "char"] as const) {
    const value = ctx.Value(type), before = value.value;
    for (const step of ["add", "sub", "and", "or", "xor", "exchange"] as const) {
      const error = await fails(() => value[step](1 as never), mp.ProcessError);
      assert.match(error.message, new RegExp(`^Cannot change a value of type "${type}" in one step, only integers`));
    }
    await fails(() => value.compareExchange(before as never, before as never), mp.ProcessError);
    assert.strictEqual(value.value, before);
  }
});

eachShared("counting by several processes without a lock is exact", async (ctx) => {
  const total = ctx.Value("int32"), wide = ctx.Value("int64", 2n ** 40n), small = ctx.RawValue("uint8"), times = 20_000;
  const children = [1, 2].map(() => new ctx.Process({ target: work.count, args: [total, wide, small, times] }).start());
  await sleep(1);
  work.count(total, wide, small, times);
  for (const child of children) assert.equal(await child.join(), 0);
  assert.equal(total.value, 3 * times * 2);
  assert.equal(wide.value, 2n ** 40n + BigInt(3 * times));
  assert.equal(small.value, 3 * times % 256);
});

eachShared("what takes two steps is exact with the value's lock", async (ctx) => {
  const value = ctx.Value("int32");
  const children = [1, 2].map(() => new ctx.Process({ target: work.countLocked, args: [value, 300] }).start());
  await Promise.all([1, 2].map(() => work.countLocked(value, 100)));
  for (const child of children) assert.equal(await child.join(), 0);
  assert.equal(value.value, 800);
});

// ---- locks ---------------------------------------------------------------------

eachShared("a value has a lock of its own, another, or none", async (ctx) => {
  for (const options of [undefined, {}, { lock: true }, { lock: null }, { lock: undefined }]) {
    const value = ctx.Value("int32", 1, options), lock = value.getLock();
    assert.isTrue(lock instanceof mp.Lock);
    assert.strictEqual(value.getLock(), lock);
    assert.isFalse(lock.locked());
    const guard = await lock.acquire();
    assert.isNull(value.getLock().tryAcquire());
    // The lock keeps nobody from the value itself.
    value.value = 2;
    guard.release();
  }
  assert.notStrictEqual(ctx.Value("int32").getLock(), ctx.Value("int32").getLock());
  for (const lock of [new ctx.Lock(), new ctx.RLock()]) {
    const values = [ctx.Value("int32", 1, { lock }), ctx.Value(Point, {}, { lock })];
    for (const value of values) assert.strictEqual(value.getLock(), lock);
    values[0][Symbol.dispose]();
    assert.isFalse(lock.locked(), "disposing of a value did so of a lock that it was given");
  }
  for (const none of [ctx.Value("int32", 1, { lock: false }), ctx.RawValue("int32", 1), ctx.RawValue(Point)]) {
    assert.notProperty(none, "getLock");
    assert.notProperty(none, "getObj");
  }
  for (const lock of ["x", 5, {}, new ctx.Semaphore()]) {
    const error = await fails(() => ctx.Value("int32", 1, { lock: lock as unknown as mp.Lock }), TypeError);
    assert.match(error.message, /^Cannot make the value: lock must be a Lock, an RLock, true or false, it is /);
  }
});

eachShared("without its lock a value is the same value", (ctx) => {
  const value = ctx.Value("int32", 5), plain = value.getObj();
  assert.notProperty(plain, "getLock");
  plain.value = 6;
  assert.equal(value.value, 6);
  value[Symbol.dispose]();
  assert.equal(plain.add(1), 6);
  const point = ctx.Value(Point, { x: 1 }), bare = point.getObj();
  bare.x = 2;
  assert.equal(point.x, 2);
  assert.notProperty(bare, "getLock");
});

eachShared("the lock of a value holds it", async (ctx) => {
  const lock = ctx.Value("int32", 5).getLock(), kept = await another(ctx, ctx.Value("int32", 6));
  await collectGarbage();
  const others = Array.from({ length: 50 }, () => ctx.Value("int32", -1));
  assert.isFalse(lock.locked());
  (await lock.acquire()).release();
  assert.equal(kept.value, 6);
  assert.isTrue(others.every((value) => value.value === -1));
}, { needs: collects });

// ---- waiting -------------------------------------------------------------------

eachShared("a value is waited for until a writer makes it so, here or elsewhere, by whatever way", async (ctx) => {
  const value = ctx.Value("int32"), words = new ctx.Queue<number>(), said = new ctx.Queue<number>();
  assert.isTrue(await value.waitFor((n) => n === 0));
  const child = new ctx.Process({ target: work.setAll, args: [value, words, said, 6] }).start();
  for (let n = 1; n <= 6; n++) {
    const waiting = value.waitFor((now) => now === n);
    if (n < 3) assert.isTrue(await isPending(waiting));
    await words.put(n);
    assert.isTrue(await waiting);
    assert.equal(await said.get(), n);
  }
  assert.equal(await child.join(), 0);
  const ways = [
    () => void (value.value = 100),
    () => void value.add(100),
    () => void value.exchange(300),
    () => void value.compareExchange(300, 400),
    () => void value.or(1024),
    () => void value.and(1024),
    () => void value.xor(1),
    () => void value.sub(1),
  ];
  for (const way of ways) {
    const before = value.value, waiting = value.waitFor((n) => n !== before, { timeout: 20_000 });
    assert.isTrue(await isPending(waiting));
    way();
    assert.isTrue(await waiting);
  }
});

eachShared("several wait for different things, and each is done when its own is so", async (ctx) => {
  const value = ctx.Value("int32"), same = await another(ctx, value), over: number[] = [];
  const waits = [30, 10, 20].map((least, i) =>
    (i === 1 ? same : value).waitFor((n) => n >= least).then((wasSo) => {
      assert.isTrue(wasSo);
      over.push(least);
    })
  );
  for (const n of [5, 10, 25, 30]) {
    value.value = n;
    await until("over", () => over.length === [10, 20, 30].filter((least) => least <= n).length);
  }
  await Promise.all(waits);
  assert.deepEqual(over, [10, 20, 30]);
});

eachShared("a wait for a value gives false when its time is up, and is rejected by its signal or its predicate", async (ctx) => {
  const value = ctx.Value("int32", 1), never = () => false, abort = new AbortController();
  for (const timeout of [0, -1, T]) {
    const start = performance.now();
    assert.isFalse(await value.waitFor(never, { timeout }));
    assert.isAtLeast(performance.now() - start, timeout);
    assert.isBelow(performance.now() - start, timeout + SOON);
  }
  assert.isTrue(await value.waitFor((n) => n === 1, { timeout: 0 }));
  let asked = 0;
  assert.isFalse(await value.waitFor(() => asked++ > 0, { timeout: 0 }));
  assert.equal(asked, 1);
  const aborted = fails(() => value.waitFor(never, { signal: abort.signal }), RangeError);
  const other = value.waitFor((n) => n === 3, { timeout: 20_000 });
  abort.abort(new RangeError("enough"));
  assert.equal((await aborted).message, "enough");
  await fails(() => value.waitFor(() => true, { signal: abort.signal }), RangeError);
  const throws = (n: number) => {
    if (n === 2) throw new RangeError("from the predicate");
    return false;
  };
  const failed = fails(() => value.waitFor(throws), RangeError);
  value.value = 2;
  assert.equal((await failed).message, "from the predicate");
  await fails(() => value.waitFor(throws), RangeError);
  // A promise is true whatever it promises.
  assert.match((await fails(() => value.waitFor(() => Promise.resolve(false)), TypeError)).message, /the predicate must answer at once/);
  value.value = 3;
  assert.isTrue(await other);
});

eachBlocking("a value is waited for, blocking", async (ctx) => {
  const value = ctx.Value("int32"), words = new ctx.Queue<number>(), said = new ctx.Queue();
  for (const timeout of [0, -1, T]) {
    const start = performance.now();
    assert.isFalse(value.waitForSync(() => false, { timeout }));
    assert.isAtLeast(performance.now() - start, timeout);
  }
  const setter = new ctx.Process({ target: work.setAll, args: [value, words, said, 3] }).start();
  for (let n = 1; n <= 3; n++) {
    words.putSync(n);
    assert.isTrue(value.waitForSync((now) => now === n));
    assert.equal(said.getSync(), n);
  }
  assert.equal(await setter.join(), 0);
  await fails(() =>
    value.waitForSync(() => {
      throw new RangeError("from the predicate");
    }), RangeError);
  const waiter = new ctx.Process({ target: work.waitForSync, args: [value, 10, said] }).start();
  assert.equal(await said.get(), "waits");
  assert.isFalse(await said.poll({ timeout: 30 }));
  value.add(7);
  assert.isTrue(await said.get());
  assert.equal(await waiter.join(), 0);
});

eachShared("the blocking form is refused where a thread may not block", async (ctx) => {
  await fails(() => ctx.Value("int32").waitForSync(() => true), mp.UnsupportedError);
}, { methods: ["inline"] });

eachShared("a writer does not wait for those who were killed while they waited", async (ctx) => {
  const value = ctx.Value("int32"), said = new ctx.Queue();
  const doomed = [work.waitFor, isInline(ctx) ? work.waitFor : work.waitForSync].map((target) =>
    new ctx.Process({ target, args: [value, 10, said] }).start()
  );
  assert.deepEqual([await said.get(), await said.get()], ["waits", "waits"]);
  const own = value.waitFor((n) => n >= 10);
  for (const child of doomed) child.kill();
  value.value = 10;
  assert.isTrue(await own);
  for (const child of doomed) await child.join();
  value.value = 11;
  assert.isTrue(await value.waitFor((n) => n === 11));
});

eachShared("a change by two steps is not missed by who waits for both", async (ctx) => {
  // A predicate may look at more than the one value; it is asked when that one changes.
  const first = ctx.Value("int32"), second = ctx.RawValue("int32");
  const waiting = first.waitFor(() => first.value + second.value === 3, { timeout: 20_000 });
  second.value = 2;
  first.value = 1;
  assert.isTrue(await waiting);
});

// ---- records -------------------------------------------------------------------

eachShared("a record has its fields as properties, each of its type", async (ctx) => {
  const point = ctx.Value(Point, { x: 1.5, id: 2n ** 60n });
  assert.instanceOf(point, mp.LockedRecord);
  assert.deepEqual({ ...point }, { x: 1.5, y: 0, id: 2n ** 60n, open: false });
  assert.deepEqual(Object.keys(point), ["x", "y", "id", "open"]);
  point.open = true;
  point.y -= 2;
  point.id = 2n ** 63n;
  assert.deepEqual({ ...point }, { x: 1.5, y: -2, id: -(2n ** 63n), open: true });
  assert.match((await fails(() => point.x = "1" as unknown as number, TypeError)).message, /"float64"/);
  assert.equal(point.x, 1.5);
  assert.instanceOf(ctx.RawValue(Point), mp.SharedRecord);
  assert.deepEqual({ ...new ctx.Value(Point) }, { x: 0, y: 0, id: 0n, open: false });
  await fails(() => ctx.Value(Point, { z: 1 } as unknown as Partial<{ x: number }>), TypeError);
  await fails(() => ctx.Value(Point, 5 as unknown as { x: number }), TypeError);
  await fails(() => ctx.Value(Point, { x: 1, y: "2" as unknown as number }), TypeError);
  // A name that is mistyped does not go nowhere.
  await fails(() => (point as unknown as { z: number }).z = 1, TypeError);
  assert.notProperty(point, "z");
});

eachShared("a record is the same in all processes, with its lock, and can be waited for", async (ctx) => {
  const point = ctx.Value(Point, { x: 0.1, y: -3, id: 2n ** 40n + 1n }), said = new ctx.Queue<string[]>();
  const waiting = point.waitFor((now) => now.open, { timeout: 20_000 });
  assert.isTrue(await isPending(waiting));
  const child = new ctx.Process({ target: work.doublePoint, args: [point, said] }).start();
  assert.isTrue(await waiting);
  assert.deepEqual(await said.get(), ["x", "y", "id", "open"]);
  assert.deepEqual({ ...point }, { x: 0.2, y: -6, id: 2n ** 41n + 2n, open: true });
  assert.equal(await child.join(), 0);
  const same = await another(ctx, point);
  same.x = 5;
  assert.equal(point.x, 5);
});

eachShared("a type of records takes names and types, and refuses names that are taken", async (ctx) => {
  assert.deepEqual(Point.fields, { x: "float64", y: "float64", id: "int64", open: "bool" });
  assert.isTrue(Object.isFrozen(Point.fields));
  assert.instanceOf(Point, mp.StructType);
  for (const name of ["getLock", "getObj", "waitFor", "waitForSync", "toString", "constructor", "then"]) {
    assert.match((await fails(() => mp.Struct({ [name]: "int8" }), TypeError)).message, new RegExp(`"${name}": that name is taken`));
  }
  for (const wrong of [{}, null, 5, undefined]) {
    assert.match((await fails(() => mp.Struct(wrong as mp.Fields), TypeError)).message, /^Cannot make a type of records: /);
  }
  for (const type of ["int", null, Point]) await fails(() => mp.Struct({ x: type as mp.ElementType }), TypeError);
  // On its way it stays one.
  const queue = new ctx.Queue<typeof Point>();
  await queue.put(Point);
  assert.equal(ctx.Value(await queue.get(), { x: 1 }).x, 1);
  // Names that are none of these are free.
  const odd = ctx.Value(mp.Struct({ value: "int8", length: "int16", "with space": "char", at: "bool" }), { value: 3 });
  odd.length = 500;
  odd["with space"] = "x";
  assert.deepEqual({ ...odd } as unknown, { value: 3, length: 500, "with space": "x", at: false });
});

// ---- on the way, and the end ------------------------------------------------------

eachShared("a value travels with its lock, is one wherever it comes twice, and without a lock has none there either", async (ctx) => {
  const lock = new ctx.Lock(), value = ctx.Value("int32", 1, { lock }), raw = ctx.RawValue("int32", 1), said = new ctx.Queue();
  const child = new ctx.Process({ target: work.compare, args: [{ value, list: [value, value], lock, raw }, lock, said] }).start();
  assert.deepEqual(await said.get(), [true, true, true, false]);
  assert.equal(await child.join(), 0);
  assert.deepEqual([value.value, raw.value], [2, 2]);
  const own = ctx.Value("int32", 1), same = await another(ctx, own);
  const guard = await own.getLock().acquire();
  assert.isTrue(same.getLock().locked());
  assert.isNull(same.getLock().tryAcquire());
  guard.release();
  const [here, there] = ctx.Pipe();
  await here.send([value, { value }]);
  const [first, { value: second }] = await there.recv() as [typeof value, { value: typeof value }];
  assert.strictEqual(first, second);
  first.value = 9;
  assert.equal(value.value, 9);
});

eachShared("a value lives as long as somebody has it, or a message", async (ctx) => {
  const queue = new ctx.Queue<mp.Value<"int64">>();
  for (let i = 0; i < 20; i++) {
    const value = ctx.Value("int64", BigInt(i));
    await queue.put(value);
    value[Symbol.dispose]();
  }
  const others = Array.from({ length: 50 }, () => ctx.Value("int64", -1n));
  for (let i = 0; i < 20; i++) assert.equal((await queue.get()).value, BigInt(i));
  assert.isTrue(others.every((value) => value.value === -1n));
});

eachShared("a value that was disposed of is not used any more here, and is as it was elsewhere", async (ctx) => {
  const value = ctx.Value("int32", 5), same = await another(ctx, value), lock = value.getLock();
  const waiting = fails(() => value.waitFor((n) => n === 6), mp.ProcessError), elsewhere = same.waitFor((n) => n === 6);
  value[Symbol.dispose]();
  value[Symbol.dispose]();
  assert.match((await waiting).message, /disposed of here/);
  const uses: [string, () => unknown][] = [
    ["read", () => value.value],
    ["write to", () => value.value = 1],
    ["change", () => value.add(1)],
    ["change", () => value.compareExchange(5, 6)],
    ["wait for", () => value.waitFor(() => true)],
    ["use", () => value.getLock()],
    ["use", () => value.getObj()],
    ["send", () => new ctx.Queue().put(value)],
  ];
  for (const [action, use] of uses) {
    assert.match((await fails(use, mp.ProcessError)).message, new RegExp(`^Cannot ${action} the value: it was disposed of here`));
  }
  await fails(() => lock.acquire(), mp.ProcessError);
  assert.equal(same.value, 5);
  same.value = 6;
  assert.isTrue(await elsewhere);
  const point = ctx.Value(Point, { x: 1 });
  point[Symbol.dispose]();
  await fails(() => point.x, mp.ProcessError);
  await fails(() => point.x = 2, mp.ProcessError);
  await fails(() => point.getObj(), mp.ProcessError);
});

eachShared("a value is zero although its memory was another's before", async (ctx) => {
  for (let round = 0; round < 3; round++) {
    const used = Array.from({ length: 100 }, () => ctx.Value("int64", -1n));
    const points = Array.from({ length: 100 }, () => ctx.Value(Point, { x: 1, y: 1, id: -1n, open: true }));
    for (const one of [...used, ...points]) one[Symbol.dispose]();
    for (let i = 0; i < 100; i++) {
      const value = ctx.Value("int64"), point = ctx.RawValue(Point);
      assert.equal(value.value, 0n);
      assert.deepEqual({ ...point }, { x: 0, y: 0, id: 0n, open: false });
      assert.isFalse(value.getLock().locked());
    }
    await collectGarbage();
  }
}, { needs: collects });

eachBlocking("a loop that computes until a value changes sees that", async (ctx) => {
  const number = ctx.Value("int32", 0),
    float = ctx.RawValue("float64", 0),
    point = ctx.Value(Point, { x: 0 }),
    seen = ctx.Value("int32", 0);
  const child = new ctx.Process({ target: work.changeEach, args: [number, float, point, seen] }).start();
  const end = performance.now() + 20_000;
  for (const read of [() => number.value, () => float.value, () => point.x]) {
    while (read() === 0) if (performance.now() > end) throw new Error(`it was never seen to change: ${read}`);
    seen.value++;
  }
  assert.equal(await child.join(), 0);
});
