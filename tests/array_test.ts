/** Arrays in shared memory: what they hold, that they are typed arrays, how long their memory lives, records by columns. */
// run: with=off,no-ffi,no-koffi,worker
import { readFileSync } from "node:fs";
import { assert } from "chai";
import * as mp from "../mod.ts";
import { arenaMib } from "./footprint.ts";
import * as work from "./fixtures/array.ts";
import { test } from "./harness.ts";
import { another, CODES, collectGarbage, collects, eachShared, testRefusals } from "./shared.ts";
import { fails } from "./timing.ts";

const GIB = 2 ** 30, MIB = 2 ** 20;

const isInline = (ctx: mp.Context) => ctx.getStartMethod() === "inline";
/** Whether each object has a buffer of its own, which can be emptied. */
const hasOwnBuffers = (ctx: mp.Context) => ctx.getStartMethod() === "process";

const CLASSES = {
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
  float32: Float32Array,
  float64: Float64Array,
  bool: Uint8Array,
  char: Uint8Array,
} as const;

const Particle = mp.Struct({ x: "float64", id: "int32", on: "bool", weight: "int64" });

testRefusals("Array", "RawArray");

// ---- what they are ---------------------------------------------------------------

eachShared("an array is a typed array of its type, by name or by Python's code", (ctx) => {
  for (const [type, cls] of Object.entries(CLASSES)) {
    for (const make of [ctx.Array, ctx.RawArray as unknown as mp.ArrayMaker]) {
      for (const array of [make(type as mp.ElementType, 3), new make(type as mp.ElementType, 3)]) {
        assert.isTrue(array instanceof cls, type);
        assert.equal(array.length, 3);
        assert.equal(array.byteLength, 3 * cls.BYTES_PER_ELEMENT);
        assert.isTrue(ArrayBuffer.isView(array));
        assert.equal(Object.prototype.toString.call(array), `[object ${cls.name}]`);
        assert.isTrue([...array as Iterable<unknown>].every((element) => element == 0));
      }
    }
  }
  for (const [code, type] of Object.entries(CODES)) assert.isTrue(ctx.Array(code as mp.ElementType, 1) instanceof CLASSES[type], code);
});

eachShared("an array begins with the elements that it is given, whatever holds them", (ctx) => {
  assert.deepEqual([...ctx.Array("int32", [3, 1, 2])], [3, 1, 2]);
  assert.deepEqual([...ctx.Array("int32", new Set([3, 1]))], [3, 1]);
  assert.deepEqual([...ctx.Array("int32", new Int32Array([5, -6]))], [5, -6]);
  assert.deepEqual([...ctx.Array("int32", new Uint8Array([5, 250]))], [5, 250]);
  assert.deepEqual([...ctx.Array("float64", ctx.Array("int32", [1, 2]))], [1, 2]);
  assert.deepEqual([...ctx.Array("int64", [2n ** 62n + 1n, -(2n ** 63n)])], [2n ** 62n + 1n, -(2n ** 63n)]);
  assert.deepEqual([...ctx.Array("float64", [0.1, NaN, -0])], [0.1, NaN, -0]);
  assert.deepEqual([...ctx.Array("bool", [true, false, true])], [1, 0, 1]);
  assert.deepEqual([...ctx.Array("char", ["a", "\xff"])], [97, 255]);
  assert.deepEqual([...ctx.Array("int8", [300, -129])], [44, 127]);
  assert.deepEqual([...ctx.Array("uint64", [-1n])], [2n ** 64n - 1n]);
  assert.deepEqual([...ctx.Array("i", [2 ** 31])], [-(2 ** 31)]);
  for (const none of [0, [], new Set<number>()]) assert.equal(ctx.Array("int32", none).length, 0);
});

eachShared("elements, lengths and types that are none are refused, by name", async (ctx) => {
  const make = (type: unknown, items: unknown, options?: unknown) => () =>
    ctx.Array(type as "int32", items as number, options as mp.ValueOptions);
  const wrongElements: [string, unknown, RegExp][] = [
    ["int32", [1, "2"], /^Cannot store "2": a whole number, for type "int32", is needed$/],
    ["int32", [1.5], /^Cannot store 1\.5: /],
    ["uint8", [null], /^Cannot store null: /],
    ["int32", new Float64Array([1.5]), /^Cannot store 1\.5: /],
    ["int64", [1.5], /^Cannot store 1\.5: a bigint or a safe integer, for type "int64", is needed$/],
    ["float32", [1n], /^Cannot store 1: a number, for type "float32", is needed$/],
    ["bool", [2], /^Cannot store 2: true or false, for type "bool", is needed$/],
    ["char", ["ab"], /^Cannot store "ab": one character/],
  ];
  for (const [type, items, pattern] of wrongElements) assert.match((await fails(make(type, items), TypeError)).message, pattern);
  for (const length of [-1, 1.5, NaN, Infinity, 2 ** 53]) {
    assert.match((await fails(make("int32", length), RangeError)).message, /^Cannot make an array of .* elements: the length must be/);
  }
  for (const items of ["12", null, undefined, {}, 5n, true]) {
    assert.match(
      (await fails(make("int32", items), TypeError)).message,
      /^Cannot make an array of .*: its length is needed, or its elements$/,
    );
  }
  for (const type of ["int", "", null, undefined, 5]) assert.match((await fails(make(type, 1), TypeError)).message, /^There is no type /);
  for (const lock of ["x", 5, {}]) {
    assert.match((await fails(make("int32", 1, { lock }), TypeError)).message, /^Cannot make the array: lock must be /);
  }
});

eachShared("more than there is room for is refused, with how much that is", async (ctx) => {
  for (const length of [2 ** 45, 2 ** 50]) {
    const error = await fails(() => ctx.Array("int8", length), RangeError);
    assert.match(error.message, new RegExp(`^Cannot allocate ${length + 576} bytes of shared memory: .* smaller objects$`));
  }
  await fails(() => ctx.Array("float64", 2 ** 45), RangeError);
  await fails(() => ctx.Array(Particle, 2 ** 45), RangeError);
  assert.equal(ctx.Array("int8", 1).length, 1);
});

eachShared("what is outside of an array is as with any typed array", (ctx) => {
  const array = ctx.Array("int32", [1, 2, 3, 4]);
  assert.isUndefined(array[9]);
  assert.isUndefined(array[-1]);
  assert.equal(array.at(-1), 4);
  array[9] = 5;
  assert.equal(array.length, 4);
  assert.isUndefined(array[9]);
  assert.throws(() => array.set([1, 2], 3), RangeError);
  array[0] = 2 ** 31;
  assert.equal(array[0], -(2 ** 31));
});

eachShared("all methods of typed arrays work, and what they make is plain", async (ctx) => {
  const array = ctx.Array("int32", [3, 1, 2]);
  const made: [Int32Array, number[]][] = [
    [array.map((n) => n * 2), [6, 2, 4]],
    [array.filter((n) => n > 1), [3, 2]],
    [array.slice(1), [1, 2]],
    [array.toSorted(), [1, 2, 3]],
    [array.toReversed(), [2, 1, 3]],
    [array.with(0, 9), [9, 1, 2]],
  ];
  for (const [plain, elements] of made) {
    assert.deepEqual([...plain], elements);
    assert.strictEqual(Object.getPrototypeOf(plain), Int32Array.prototype);
    assert.strictEqual(Object.getPrototypeOf(plain.buffer), ArrayBuffer.prototype);
    assert.equal(plain.byteOffset + plain.buffer.byteLength, plain.byteLength);
    assert.notProperty(plain, "getLock");
    plain[0] = 100;
  }
  assert.deepEqual([...array], [3, 1, 2], "what was made shares memory with the array");
  assert.strictEqual(array.sort(), array);
  assert.strictEqual(array.reverse(), array);
  assert.deepEqual([...array.entries()], [[0, 3], [1, 2], [2, 1]]);
  array.copyWithin(0, 1);
  assert.equal(array.join(), "2,1,1");
  array.set([7, 8], 1);
  assert.equal(array.reduce((a, b) => a + b), 17);
  assert.equal(array.fill(4, 0, 2).indexOf(8), 2);
  assert.isTrue(array.includes(8));
  assert.equal(array.findLast((n) => n === 4), 4);
  assert.equal(JSON.stringify(array), '{"0":4,"1":4,"2":8}');
  assert.equal(String(array), "4,4,8");
  assert.equal(Atomics.add(array, 0, 5), 4);
  const part = array.subarray(1);
  assert.strictEqual(Object.getPrototypeOf(part), Int32Array.prototype);
  part[0] = -1;
  assert.deepEqual([...array], [9, -1, 8]);
  // A part is no shared object: a copy of it travels, or nothing.
  if (ctx.getStartMethod() === "thread") {
    assert.match((await fails(() => another(ctx, part), mp.DataCloneError)).message, /SharedArrayBuffer .* use mp\.Array.* or send a copy/);
  } else {
    const copy = await another(ctx, part);
    copy[1] = 0;
    assert.deepEqual([...array], [9, -1, 8]);
  }
});

eachShared("text is what comes before the first NUL, in UTF-8; the bytes can be had as they are", async (ctx) => {
  const text = ctx.Array("char", 10);
  assert.equal(text.value, "");
  text.value = "héllo";
  assert.equal(text.value, "héllo");
  assert.deepEqual([...text.raw], [104, 195, 169, 108, 108, 111, 0, 0, 0, 0]);
  text.value = "hi";
  assert.equal(text.value, "hi");
  assert.deepEqual([...text.raw], [104, 105, 0, 108, 108, 111, 0, 0, 0, 0]);
  text.value = "0123456789";
  assert.equal(text.value, "0123456789");
  const error = await fails(() => text.value = "0123456789x", RangeError);
  assert.match(error.message, /^Cannot store a text of 11 bytes: the array has 10$/);
  await fails(() => text.value = "éééééé", RangeError);
  for (const wrong of [5, null, undefined, new Uint8Array(1)]) await fails(() => text.value = wrong as unknown as string, TypeError);
  assert.equal(text.value, "0123456789");
  const { raw } = text;
  assert.strictEqual(Object.getPrototypeOf(raw), Uint8Array.prototype);
  raw[0] = 0;
  assert.equal(text.value, "0123456789", "the bytes are not a copy");
  text.raw = raw;
  assert.equal(text.value, "");
  assert.match((await fails(() => text.raw = new Uint8Array(9), RangeError)).message, /^Cannot store 9 bytes: the array has 10$/);
  await fails(() => text.raw = "0123456789" as unknown as Uint8Array, TypeError);
  assert.equal(ctx.Array("char", "héllo").length, 6);
  assert.equal(ctx.Array("c", new Uint8Array([104, 105, 0, 104])).value, "hi");
  assert.equal(ctx.Array("char", "").value, "");
  assert.equal(ctx.RawArray("char", "raw").value, "raw");
  assert.equal(ctx.Array("char", "text").slice(1, 3).length, 2);
});

eachShared("an array has a lock of its own, another, or none", async (ctx) => {
  for (const options of [undefined, { lock: true }, { lock: null }]) {
    const array = ctx.Array("int32", 1, options), lock = array.getLock();
    assert.isTrue(lock instanceof mp.Lock);
    assert.strictEqual(array.getLock(), lock);
    assert.strictEqual(array.getObj(), array);
    await lock.withLock(() => {
      assert.isNull(array.getLock().tryAcquire());
      array[0] = 1;
    });
  }
  for (const lock of [new ctx.Lock(), new ctx.RLock()]) {
    assert.strictEqual(ctx.Array("int32", 1, { lock }).getLock(), lock);
    const records = ctx.Array(Particle, 1, { lock });
    assert.strictEqual(records.getLock(), lock);
    assert.strictEqual(records.getObj(), records);
  }
  for (
    const array of [ctx.RawArray("int32", 1), ctx.Array("int32", 1, { lock: false }), ctx.RawArray(Particle, 1), ctx.RawArray("char", 1)]
  ) {
    assert.isUndefined(Reflect.get(array, "getLock"));
  }
});

// ---- between processes -----------------------------------------------------------

eachShared("what a child stores is what its parent finds", async (ctx) => {
  const arrays: work.Arrays = {
    ints: ctx.Array("i", [1, -2, 2 ** 30]),
    longs: ctx.Array("int64", [2n ** 33n, -1n]),
    doubles: ctx.RawArray("d", [0.1, -Infinity]),
    flags: ctx.Array("bool", [true, false]),
    text: ctx.Array("char", 20),
  };
  arrays.text.value = "hello";
  assert.equal(await new ctx.Process({ target: work.double, args: [arrays] }).start().join(), 0);
  const { ints, longs, doubles, flags, text } = arrays;
  assert.deepEqual([...ints], [2, -4, -(2 ** 31)]);
  assert.deepEqual([...longs], [2n ** 34n, -2n]);
  assert.deepEqual([...doubles], [0.2, -Infinity]);
  assert.deepEqual([...flags], [0, 1]);
  assert.equal(text.value, "hellohello");
});

eachShared("an array behaves as a list with which the same is done", async (ctx) => {
  const list = [680, 626, 934, 821, 150, 233, 548, 982, 714, 831], array = ctx.Array("i", list);
  assert.equal(array.length, list.length);
  assert.deepEqual([...array.slice(2, 7)], list.slice(2, 7));
  array.set([1, 2, 3, 4], 4);
  list.splice(4, 4, 1, 2, 3, 4);
  assert.deepEqual([...array], list);
  assert.equal(await new ctx.Process({ target: work.runningSum, args: [array] }).start().join(), 0);
  for (let i = 1; i < list.length; i++) list[i] += list[i - 1];
  assert.deepEqual([...array], list);
});

eachShared("processes that add atomically, or under the lock, lose nothing", async (ctx) => {
  const array = ctx.Array("int32", 4);
  const children = [1, 2].map(() => new ctx.Process({ target: work.addToAll, args: [array, 300] }).start());
  await work.addToAll(array, 200);
  for (const child of children) assert.equal(await child.join(), 0);
  assert.deepEqual([...array], [800, 800, 800, 800]);
});

eachShared("an array travels with its lock, is one wherever it comes twice, and is the same memory", async (ctx) => {
  const lock = new ctx.Lock(), said = new ctx.Queue();
  const array = ctx.Array("int32", [1, 2], { lock }), raw = ctx.RawArray("int32", 2), empty = ctx.Array("float64", 0);
  const child = new ctx.Process({ target: work.compare, args: [{ array, list: [array, array], raw, empty }, lock, said] }).start();
  assert.deepEqual(await said.get(), [true, true, "undefined", 0, "SharedInt32Array", true]);
  assert.equal(await child.join(), 0);
  assert.deepEqual([array[0], raw[0]], [2, 1]);
  const [here, there] = ctx.Pipe(), queue = new ctx.Queue<mp.Array<"int32">>();
  await here.send([array, { array }]);
  const [first, { array: second }] = await there.recv() as [typeof array, { array: typeof array }];
  assert.strictEqual(first, second);
  first[1] = 77;
  assert.equal(array[1], 77);
  const own = ctx.Array("int32", [5]), guard = await own.getLock().acquire();
  await queue.put(own);
  const received = await queue.get();
  assert.isTrue(received.getLock().locked());
  guard.release();
  received.fill(6);
  assert.equal(own[0], 6);
});

// ---- records -----------------------------------------------------------------------

eachShared("an array of records has its elements by index, and each field as one column", (ctx) => {
  const particles = ctx.Array(Particle, 1000);
  assert.instanceOf(particles, mp.RecordArray);
  assert.equal(particles.length, 1000);
  assert.deepEqual({ ...particles[3] } as unknown, { x: 0, id: 0, on: false, weight: 0n });
  particles[3].x = 1.5;
  particles[3].weight = 2n ** 62n;
  particles[999] = { x: 0, id: 7, on: true, weight: 0n };
  const { columns } = particles;
  assert.isTrue(Object.isFrozen(columns));
  assert.deepEqual(Object.keys(columns), ["x", "id", "on", "weight"]);
  for (const [name, cls] of [["x", Float64Array], ["id", Int32Array], ["on", Uint8Array], ["weight", BigInt64Array]] as const) {
    assert.strictEqual(Object.getPrototypeOf(columns[name]), cls.prototype);
    assert.equal(columns[name].length, 1000);
    assert.equal(columns[name].byteLength, 1000 * cls.BYTES_PER_ELEMENT);
  }
  assert.deepEqual([columns.x[3], columns.weight[3], columns.id[999], columns.on[999]], [1.5, 2n ** 62n, 7, 1]);
  columns.id[5] = 55;
  assert.equal(particles[5].id, 55);
  assert.deepEqual({ ...particles.at(-1) } as unknown, { x: 0, id: 7, on: true, weight: 0n });
  assert.equal(particles.at(-995)!.id, 55);
  assert.isUndefined(particles[1000]);
  assert.isUndefined(particles.at(1000));
  assert.isUndefined(particles.at(-1001));
  assert.equal([...particles].filter(({ id }) => id > 0).length, 2);
  // Columns do not lie in each other's way.
  columns.x.fill(1);
  columns.id.fill(2);
  columns.on.fill(1);
  columns.weight.fill(4n);
  assert.isTrue([...particles].every(({ x, id, on, weight }) => x === 1 && id === 2 && on && weight === 4n));
});

eachShared("records are stored whole or not at all, and nowhere that is none", async (ctx) => {
  const particles = ctx.Array(Particle, [{ x: 1 }, { id: 2, weight: 3n }, {}]);
  assert.deepEqual([...particles].map((one) => ({ ...one })) as unknown, [
    { x: 1, id: 0, on: false, weight: 0n },
    { x: 0, id: 2, on: false, weight: 3n },
    { x: 0, id: 0, on: false, weight: 0n },
  ]);
  particles.set(2, { x: 5, id: 6, on: true, weight: 7n });
  const before = { ...particles[2] };
  assert.match((await fails(() => particles[2] = { ...before, x: 9, id: "1" as unknown as number }, TypeError)).message, /"int32"/);
  assert.match((await fails(() => particles.set(2, { x: 9, z: 1 } as never), TypeError)).message, /field "z" .* it has x, id, on, weight/);
  for (const wrong of [5, null, "x"]) await fails(() => particles.set(2, wrong as never), TypeError);
  assert.deepEqual({ ...particles[2] }, before);
  for (const index of [3, -1, 1.5, NaN]) {
    assert.match((await fails(() => particles.set(index, { x: 1 }), RangeError)).message, /^Cannot store a record at .*: the array has 3$/);
  }
  await fails(() => particles[3] = { x: 1 } as never, RangeError);
  await fails(() => (particles as unknown as { other: number }).other = 5, TypeError);
  await fails(() => (particles[0] as unknown as { z: number }).z = 1, TypeError);
  await fails(() => ctx.Array(Particle, [{ z: 1 } as never]), TypeError);
  await fails(() => ctx.Array(Particle, [5 as never]), TypeError);
  assert.equal(ctx.Array(Particle, 0).length, 0);
  assert.equal(ctx.RawArray(Particle, []).length, 0);
});

eachShared("records are the same in all processes, by index and by column", async (ctx) => {
  const said = new ctx.Queue();
  for (const make of [ctx.Array, ctx.RawArray as unknown as mp.ArrayMaker]) {
    const particles = make(Particle, Array.from({ length: 20 }, (_, id) => ({ x: id / 2, id, weight: 2n ** 40n + BigInt(id) })));
    const child = new ctx.Process({ target: work.moveAll, args: [particles, said] }).start();
    assert.deepEqual(await said.get(), [20, 19, ["x", "id", "on", "weight"], make === ctx.Array ? "function" : "undefined"]);
    assert.equal(await child.join(), 0);
    for (const [i, { x, weight }] of [...particles].entries()) {
      assert.equal(x, i / 2 + 1);
      assert.equal(weight, 2n ** 41n + 2n * BigInt(i));
    }
  }
});

// ---- memory ------------------------------------------------------------------------

/** What shows some of an array's memory, and nothing else of it. */
const VIEWS: Readonly<Record<string, (ctx: mp.Context) => Uint8Array | Float64Array>> = {
  "a subarray": (ctx) => ctx.Array("uint8", 5000).subarray(1000, 2000),
  "a subarray of a subarray": (ctx) => ctx.Array("uint8", 5000).subarray(1000, 3000).subarray(500, 1500),
  "a view of its buffer": (ctx) => {
    const array = ctx.Array("uint8", 5000);
    return new Uint8Array(array.buffer, array.byteOffset + 1000, 1000);
  },
  "a view of a subarray's buffer": (ctx) => {
    const array = ctx.Array("uint8", 5000), part = array.subarray(1000, 3000);
    return new Uint8Array(part.buffer, part.byteOffset, 1000);
  },
  "a column": (ctx) => ctx.Array(Particle, 1000).columns.x,
  "a part of a column": (ctx) => ctx.Array(Particle, 2000).columns.x.subarray(500, 1500),
};

eachShared("the memory of an array is there as long as anything shows it", async (ctx) => {
  for (const [name, make] of Object.entries(VIEWS)) {
    const view = make(ctx);
    view.forEach((_, i) => view[i] = i % 251);
    await collectGarbage();
    await collectGarbage();
    // What was given back would be used for these.
    const others = Array.from({ length: 40 }, (_, i) => ctx.Array("uint8", new Uint8Array(i % 2 === 0 ? 5000 : 40_000).fill(255)));
    assert.isTrue(view.every((element, i) => element === i % 251), `${name} was another's`);
    assert.equal(others.length, 40);
  }
  const record = (() => ctx.Array(Particle, [{ x: 1 }, { x: 2, id: 3 }])[1])();
  await collectGarbage();
  await collectGarbage();
  const others = Array.from({ length: 50 }, () => ctx.Array(Particle, [{ x: 9 }, { x: 9, id: 9 }]));
  assert.deepEqual([record.x, record.id, others.length], [2, 3, 50]);
}, { needs: collects });

eachShared("an array that is not used any more is given back", async (ctx) => {
  // They do not all fit; four do, in the 1 GiB of a browser. (An inline one takes memory of its own, which is touched.)
  const { byteLength, count } = isInline(ctx)
    ? { byteLength: 64 * MIB, count: 20 }
    : hasOwnBuffers(ctx)
    ? { byteLength: 7 * GIB / 2, count: 40 }
    : { byteLength: 100 * MIB, count: 40 };
  for (let i = 0; i < count; i++) {
    const array = ctx.Array("uint8", byteLength);
    array[byteLength - 1] = array.subarray(5, 9)[0] + 1;
    if (i % 4 === 3) await collectGarbage();
  }
}, { timeoutMs: 60_000, needs: collects });

eachShared("an array that was disposed of is empty here, and as it was elsewhere", async (ctx) => {
  const array = ctx.Array("int32", [1, 2]), same = await another(ctx, array), part = array.subarray(1);
  const particles = ctx.Array(Particle, [{ x: 1 }]), record = particles[0], sameParticles = await another(ctx, particles);
  for (const one of [array, particles]) {
    one[Symbol.dispose]();
    one[Symbol.dispose]();
  }
  assert.deepEqual([array.length, part.length, particles.columns.x.length], [0, 0, 0]);
  assert.isUndefined(array[0]);
  for (const use of [() => array.getLock(), () => particles.getLock(), () => record.x, () => record.x = 1]) {
    assert.match((await fails(use, mp.ProcessError)).message, /^Cannot use the array: it was disposed of here$/);
  }
  for (const one of [array, particles]) {
    assert.match((await fails(() => new ctx.Queue().put(one), mp.ProcessError)).message, /^Cannot send the array: /);
  }
  assert.deepEqual([...same], [1, 2]);
  assert.equal(sameParticles[0].x, 1);
}, { methods: ["process"] });

eachShared("an array that comes several times is in one buffer, which is empty when all of them were disposed of", async (ctx) => {
  for (const make of [() => ctx.Array("int32", [1, 2]), () => ctx.Array(Particle, [{ x: 1 }, { x: 2 }])]) {
    const sent = make();
    const bufferOf = (array: unknown) => (array instanceof mp.RecordArray ? array.columns.x : array as Int32Array).buffer;
    const one = await another(ctx, sent), two = await another(ctx, sent);
    assert.strictEqual(bufferOf(one), bufferOf(two));
    assert.notStrictEqual(bufferOf(one), bufferOf(sent));
    const part = new Uint8Array(bufferOf(two));
    one[Symbol.dispose]();
    one[Symbol.dispose]();
    await fails(() => one.getLock(), mp.ProcessError);
    two.getLock().acquireSync().release();
    assert.isAbove(part.length, 0);
    two[Symbol.dispose]();
    assert.equal(part.length, 0);
    // A program may move a buffer away: the next time it comes in another.
    const three = await another(ctx, sent);
    (bufferOf(three) as ArrayBuffer).transfer(0);
    const four = await another(ctx, sent);
    assert.equal(bufferOf(three).byteLength, 0);
    assert.isAbove(bufferOf(four).byteLength, 0);
    three[Symbol.dispose]();
    assert.equal(sent.length, 2);
  }
}, { methods: ["process"] });

/** Ways to move a buffer. */
const MOVES: Readonly<Record<string, (buffer: ArrayBuffer) => ArrayBuffer>> = {
  "moved by transfer": (buffer) => buffer.transfer(),
  "moved by transferToFixedLength": (buffer) => buffer.transferToFixedLength(),
  "moved by the engine": (buffer) => structuredClone(buffer, { transfer: [buffer] }),
};

eachShared("the memory of a buffer that was moved away is never another's, whatever becomes of its array", async (ctx) => {
  const size = 50_000;
  for (const [name, move] of Object.entries(MOVES)) {
    // What the engine moves is not seen.
    for (const end of name === "moved by the engine" ? ["disposed of"] : ["disposed of", "dropped"]) {
      for (const isReceived of [false, true]) {
        const made = ctx.Array("uint8", size);
        const moved = await (async () => {
          const array = isReceived ? await another(ctx, made) : ctx.Array("uint8", size);
          try {
            return new Uint8Array(move(array.buffer as ArrayBuffer));
          } catch {
            return null; // this engine refuses to
          } finally {
            if (end === "disposed of") array[Symbol.dispose]();
          }
        })();
        made[Symbol.dispose]();
        for (let i = 0; i < 3; i++) await collectGarbage();
        const others = Array.from({ length: 10 }, () => ctx.Array("uint8", size));
        moved?.fill(255);
        assert.isTrue(others.every((other) => other.every((byte) => byte === 0)), `${name}, then ${end}${isReceived ? ", received" : ""}`);
        for (const other of others) other[Symbol.dispose]();
      }
    }
  }
}, { methods: ["process"], needs: collects });

eachShared("an array that came twice is empty when one of them was disposed of and the other one is collected", async (ctx) => {
  const sent = ctx.Array("int32", [1, 2]);
  const [array, part] = await (async () => {
    const shown = await another(ctx, sent), part = shown.subarray(1);
    await another(ctx, sent);
    return [await another(ctx, sent), part] as const;
  })();
  for (let i = 0; i < 3; i++) await collectGarbage();
  array[Symbol.dispose]();
  assert.deepEqual([[...part], array.length], [[2], 2], "a part of what was dropped is still there");
  const other = ctx.Array("int32", [1, 2]);
  const again = await (async () => {
    await another(ctx, other);
    return another(ctx, other);
  })();
  for (let i = 0; i < 3; i++) await collectGarbage();
  again[Symbol.dispose]();
  assert.equal(again.length, 0);
}, { methods: ["process"], needs: collects });

eachShared("disposing of an array in memory that all share leaves it to the collector", async (ctx) => {
  const array = ctx.Array("int32", [1, 2]);
  array[Symbol.dispose]();
  await collectGarbage();
  assert.deepEqual([...array], [1, 2]);
}, { methods: ["thread", "inline"], needs: collects });

eachShared("an array is zeros although its memory was another's before", async (ctx) => {
  const sizes = [1, 63, 64, 1000, 4096, 65_535, 65_536, 65_537, MIB - 577, MIB - 1, MIB + 5000];
  for (let round = 0; round < 3; round++) {
    for (const size of sizes) {
      const used = ctx.Array("uint8", size);
      used.fill(255);
      used[Symbol.dispose]();
    }
    await collectGarbage();
    for (const size of sizes) {
      const array = ctx.Array("uint8", size);
      assert.isTrue(array.every((byte) => byte === 0), `${size} bytes were not zeros`);
      array.fill(255);
      array[Symbol.dispose]();
    }
    const particles = ctx.Array(Particle, 3000);
    assert.isTrue(Object.values(particles.columns).every((column) => (column as Uint8Array).every((element) => Number(element) === 0)));
    Object.values(particles.columns).forEach((column) => new Uint8Array(column.buffer, column.byteOffset, column.byteLength).fill(255));
    particles[Symbol.dispose]();
    await collectGarbage();
  }
}, { needs: collects });

/** What the system could still give, in bytes. */
function available(): number {
  try {
    return Number(/^MemAvailable:\s*(\d+) kB$/m.exec(readFileSync("/proc/meminfo", "utf8"))?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

eachShared("an array of 3 GiB is shared from end to end", async (ctx) => {
  const array = ctx.Array("uint8", 3 * GIB), said = new ctx.Queue();
  assert.equal(array.length, 3 * GIB);
  array[0] = 1;
  array[3 * GIB - 1] = 2;
  const child = new ctx.Process({ target: work.swapEnds, args: [array, said] }).start();
  assert.deepEqual(await said.get(), [3 * GIB, 1, 2]);
  assert.equal(await child.join(), 0);
  assert.deepEqual([array[0], array[GIB], array.at(-1)], [2, 0, 1]);
  array[Symbol.dispose]();
}, { methods: ["process"], needs: () => available() > 6 * GIB ? null : "there is not so much memory" });

/** Whether it can be told how much of the shared memory is used. */
const isMeasured = (can: mp.Capabilities) => {
  if (!can.sharedMemory.process) return can.reasons["sharedMemory.process"];
  mp.getContext("process").Array("int8", 1);
  return arenaMib() > 0 ? null : "the system does not tell";
};

test("50,000 locks, each disposed of, take no more memory than a few", () => {
  const ctx = mp.getContext("process"), before = arenaMib();
  // All of them would take more than 3 MiB.
  for (let i = 0; i < 50_000; i++) new ctx.Lock()[Symbol.dispose]();
  assert.isBelow(arenaMib(), before + 1);
}, { needs: isMeasured });

test("20,000 values and locks that are just dropped are given back", async () => {
  const ctx = mp.getContext("process");
  await collectGarbage();
  const before = arenaMib();
  for (let i = 0; i < 20_000; i++) {
    if (i % 2 === 0) new ctx.Lock();
    else ctx.Value("int32", i).getLock();
    if (i % 1000 === 999) await collectGarbage();
  }
  // All of them would take more than 10 MiB.
  assert.isBelow(arenaMib(), before + 5);
}, { needs: isMeasured });
