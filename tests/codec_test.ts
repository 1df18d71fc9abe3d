/** Values arrive as structuredClone would make them, and garbage does no harm. */
// run: from=sources

import { Buffer } from "node:buffer";
import process from "node:process";
import { assert, expect } from "chai";
import fc from "fast-check";
import type * as mp from "../mod.ts";
import { decode, encode, HANDLE, move, registerClass, registerHandle, type Shareable } from "../src/codec.ts";
import * as errors from "../src/errors.ts";
import { standardModules, test } from "./harness.ts";

// deno-lint-ignore no-explicit-any -- what is encoded may be anything
type Any = any;

const round = <T>(value: T): T => decode(encode(value).copy()) as T;
const meta = { url: "test:codec" };

/** Fails unless two values are alike in all that structuredClone keeps: prototypes, holes, order of keys, -0, who is the same object as whom. */
function same(a: Any, b: Any, path = "value", pairs: Map<object, object> = new Map(), back: Map<object, object> = new Map()): void {
  if (typeof a !== "object" || a === null) {
    assert(Object.is(a, b), `${path}: ${String(a)} is not ${String(b)}`);
    return;
  }
  assert(typeof b === "object" && b !== null, `${path}: not an object`);
  if (pairs.has(a) || back.has(b)) {
    assert(pairs.get(a) === b && back.get(b) === a, `${path}: other objects are the same`);
    return;
  }
  pairs.set(a, b);
  back.set(b, a);
  const inside = (x: Any, y: Any, step: string) => same(x, y, path + step, pairs, back);
  assert(Object.getPrototypeOf(a) === Object.getPrototypeOf(b), `${path}: another prototype`);
  if (a instanceof Date) inside(a.getTime(), (b as Date).getTime(), ".time");
  else if (a instanceof RegExp) inside(`${a}${a.lastIndex}`, `${b}${(b as RegExp).lastIndex}`, ".text");
  else if (a instanceof Map || a instanceof Set) {
    const [left, right] = [[...a], [...b as Set<unknown>]];
    inside(left, right, ".entries");
    return;
  } else if (a instanceof ArrayBuffer) {
    const other = b as ArrayBuffer;
    inside(a.resizable, other.resizable, ".resizable");
    inside(a.maxByteLength, other.maxByteLength, ".max");
    inside(Array.from(new Uint8Array(a)).join(), Array.from(new Uint8Array(other)).join(), ".bytes");
  } else if (ArrayBuffer.isView(a)) {
    const other = b as Uint8Array;
    inside(a.byteOffset, other.byteOffset, ".byteOffset");
    inside(a.byteLength, other.byteLength, ".byteLength");
    inside(a.buffer, other.buffer, ".buffer");
    return;
  } else if (a instanceof Number || a instanceof String || a instanceof Boolean || a instanceof BigInt) {
    inside(a.valueOf(), b.valueOf(), ".valueOf()");
  }
  if (Array.isArray(a)) inside(a.length, b.length, ".length");
  const keys = Object.keys(a);
  expect(Object.keys(b), path).to.deep.equal(keys);
  for (const key of keys) inside(a[key], b[key], `[${JSON.stringify(key)}]`);
}

const text = fc.oneof(
  fc.string(),
  fc.string({ unit: "grapheme" }),
  fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 60 }).map((units) => String.fromCharCode(...units)),
  fc.string({ minLength: 20, maxLength: 300 }),
);
const key = fc.oneof(fc.constantFrom("__proto__", "constructor", "id", "name", "0", "17", "4294967295", "-1", ""), fc.string(), text);
const bytes = fc.uint8Array({ maxLength: 80 });
const leaf = fc.oneof(
  fc.integer(),
  fc.double(),
  fc.constantFrom(undefined, null, true, false, -0, 0, 1n, 2 ** 31),
  text,
  fc.bigInt(),
  fc.bigInt({ min: -(2n ** 200n), max: 2n ** 200n }),
  fc.date({ noInvalidDate: false }),
  fc.constantFrom(/a/, /[\n/]b/giy),
  bytes,
  bytes.map((array) => array.buffer),
  bytes.map((array) => new DataView(array.buffer as ArrayBuffer, array.length >> 1)),
  fc.float64Array(),
  fc.int32Array(),
  fc.bigInt64Array(),
  fc.constantFrom<Any>(1, "text", true, 5n).map(Object),
  fc.array(fc.integer(), { minLength: 10, maxLength: 40 }),
  fc.array(fc.double(), { minLength: 10, maxLength: 40 }),
  fc.array(fc.oneof(fc.integer(), fc.double(), fc.string({ maxLength: 1 })), { minLength: 16, maxLength: 30 }),
);
const entries = (value: fc.Arbitrary<Any>) => fc.array(fc.tuple(key, value), { maxLength: 6 });
const own = (target: object, pairs: [string, unknown][]) => {
  for (const [name, value] of pairs) {
    if (Array.isArray(target) && name === "length") continue;
    Object.defineProperty(target, name, { value, writable: true, enumerable: true, configurable: true });
  }
  return target;
};
const { value: anything } = fc.letrec<{ value: Any }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    leaf,
    entries(tie("value")).map((pairs) => own({}, pairs)),
    fc.array(tie("value"), { maxLength: 20 }),
    fc.sparseArray(tie("value"), { maxLength: 40, maxNumElements: 5 }),
    fc.tuple(fc.array(tie("value"), { maxLength: 4 }), entries(tie("value"))).map(([array, pairs]) => own(array, pairs)),
    fc.array(fc.tuple(tie("value"), tie("value")), { maxLength: 5 }).map((pairs) => new Map(pairs)),
    fc.array(tie("value"), { maxLength: 5 }).map((values) => new Set(values)),
    fc.array(fc.record({ id: fc.integer(), name: text, more: tie("value") }), { maxLength: 4 }),
    // The same object in several places, and cycles.
    fc.array(tie("value"), { maxLength: 4 }).map((values) => {
      const array: unknown[] = [...values, ...values];
      array.push(array, { up: array });
      return array;
    }),
  ),
}));

const sharedBuffers = (can: mp.Capabilities) => "SharedArrayBuffer" in globalThis ? null : can.reasons["sharedMemory.thread"];

test("a value arrives as structuredClone would make it", () => {
  fc.assert(fc.property(anything, (value) => same(structuredClone(value), round(value))), { numRuns: 600 });
});

test("strings of every length arrive", () => {
  for (const character of ["a", "é", "日", "😀", "\ud800"]) {
    for (const length of [...Array(150).keys(), 4094, 4095, 4096, 4097, 5461, 5462, 8191, 8192, 16383, 16384, 70_000]) {
      const value = [character.repeat(length), "end"];
      same(value, round(value));
      const mixed = ["a".repeat(length) + character, 1];
      same(mixed, round(mixed));
    }
  }
});

test("objects of every number of keys arrive, whatever their names, and so do instances", () => {
  class Guarded {
    set key1(_value: unknown) {
      throw new Error("A setter was called");
    }
  }
  registerClass(meta, Guarded);
  for (let length = 0; length < 140; length++) {
    const names = Array.from({ length }, (_, i) => `key${i}`);
    const pairs = (...more: string[]) => [...names, ...more].map((name): [string, unknown] => [name, [name]]);
    for (const more of [[], ["toString", "__proto__", "constructor"], ["17", "4294967295", ""]]) {
      const value = own({}, pairs(...more));
      same([value, value, { ...value }], round([value, value, { ...value }]));
    }
    const instance: Any = round(own(new Guarded(), pairs()));
    assert(Object.getPrototypeOf(instance) === Guarded.prototype);
    expect(Object.entries(instance)).to.deep.equal(pairs());
  }
});

test("a value decodes out of shared memory between other bytes", () => {
  fc.assert(
    fc.property(anything, fc.integer({ min: 0, max: 9 }), (value, offset) => {
      const message = encode(value);
      const memory = new Uint8Array(new SharedArrayBuffer(message.byteLength + 20), 3).fill(0xff);
      message.writeTo(memory, offset);
      message.writeTo(memory, offset);
      const { byteLength } = message;
      expect([...memory.slice(0, offset), ...memory.slice(offset + byteLength)].every((byte) => byte === 0xff)).to.equal(true);
      const decoded = decode(memory, offset, byteLength);
      memory.fill(0);
      same(structuredClone(value), decoded);
    }),
    { numRuns: 300 },
  );
}, { needs: sharedBuffers });

test("large binary is in the message when it is written, wherever it is in the value", () => {
  const marks = new Uint8Array(100_000).fill(1);
  marks.set([251, 252, 253, 254]);
  const value = [
    1,
    marks,
    "between",
    { x: new Float64Array(20_000).fill(0.5) },
    new ArrayBuffer(65_536),
    new ArrayBuffer(70_000, { maxByteLength: 80_000 }),
    2,
  ];
  const message = encode(value);
  const target = new Uint8Array(message.byteLength + 5);
  message.writeTo(target, 5);
  same(value, decode(target, 5));
  // Aligned, since shared memory is copied several times faster then.
  expect((target.indexOf(251) - 5) % 8).to.equal(0);
  same(value, round(value));
  expect(() => message.writeTo(new Uint8Array(10), 0)).to.throw();
});

test("a message that another encode has overtaken refuses to be written", () => {
  const message = encode(1);
  const snapshot = message.copy();
  encode(2);
  expect(() => message.writeTo(new Uint8Array(9), 0)).to.throw("another was encoded");
  expect(decode(snapshot)).to.equal(1);
});

test("views of one buffer share it on the other side", () => {
  const buffer = new ArrayBuffer(64);
  const { a, b, c } = round({ a: new Uint8Array(buffer, 8, 8), b: new Float64Array(buffer), c: buffer });
  assert(a.buffer === b.buffer && b.buffer === c);
  a[0] = 1;
  expect(b[1]).to.equal(5e-324);
});

test("of a small view of a large buffer, and of a Node Buffer, only what views show travels", () => {
  const large = new ArrayBuffer(1 << 20);
  const small = new Uint8Array(large, 1003, 3);
  small.set([1, 2, 3]);
  expect(encode(small).byteLength).to.be.below(40);
  expect([...round(small)]).to.deep.equal([1, 2, 3]);
  const { later, floats, first } = round({ first: small, floats: new Float64Array(large, 1008, 2), later: new Uint8Array(large, 900, 2) });
  assert(later.buffer === floats.buffer && first.buffer === floats.buffer && floats.buffer.byteLength < 200);
  expect([...first]).to.deep.equal([1, 2, 3]);
  expect(first.byteOffset - later.byteOffset).to.equal(103);
  const whole = round([small, large]);
  assert((whole[0] as Uint8Array).buffer === whole[1] && whole[1].byteLength === 1 << 20);
  expect([...whole[0] as Uint8Array]).to.deep.equal([1, 2, 3]);
  const parts = [0, 1].map((i) => new Uint8Array(new ArrayBuffer(1 << 18), 5, 70_000).fill(i + 1));
  same(parts.map((part) => [...part]), round(parts).map((part) => [...part]));
  const pooled = [Buffer.from("ab"), Buffer.from("cd")];
  expect(encode(pooled).byteLength).to.be.below(100);
  expect(round(pooled).map((part) => String.fromCharCode(...part))).to.deep.equal(["ab", "cd"]);
}, { needs: standardModules });

test("resizable buffers and views that follow their length stay so", () => {
  for (const max of [16, 32]) {
    const buffer = new ArrayBuffer(16, { maxByteLength: max });
    new Uint8Array(buffer).set([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]);
    const value = [new Uint16Array(buffer, 2), new Uint16Array(buffer, 2, 7), new DataView(buffer, 15), new DataView(buffer, 15, 1)];
    const before = [...new Uint8Array(buffer)];
    const [tracking, fixed, trackingData, fixedData] = round(value);
    expect([...new Uint8Array(buffer)]).to.deep.equal(before);
    expect([...new Uint8Array(tracking.buffer)]).to.deep.equal(before);
    (tracking.buffer as ArrayBuffer).resize(15);
    expect(tracking.byteLength).to.equal(12);
    expect(trackingData.byteLength).to.equal(0);
    expect(fixed.byteLength).to.equal(0);
    expect(() => fixedData.byteLength).to.throw();
  }
});

test("errors keep class, message, stack, cause, code and fields", () => {
  const all = [Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError, ...Object.values(errors)] as Any[];
  for (const type of all) {
    const error: Any = type === errors.BufferTooShort ? new type("text", new Uint8Array([1])) : new type("text", { cause: { error: 1 } });
    error.code = "E_CODE";
    const copy = round(error);
    assert(copy instanceof Error && Object.getPrototypeOf(copy) === type.prototype && copy !== error, type.name);
    for (const field of ["name", "message", "stack", "code"]) expect((copy as Any)[field], field).to.equal(error[field]);
    expect(Object.keys(copy)).to.deep.equal(Object.keys(error));
    expect(Object.hasOwn(copy, "cause")).to.equal(Object.hasOwn(error, "cause"));
    expect(copy.cause).to.deep.equal(error.cause);
    for (const hidden of ["message", "stack", "cause"]) expect(Object.prototype.propertyIsEnumerable.call(copy, hidden)).to.equal(false);
  }
  expect(Object.hasOwn(round(new Error("x", { cause: undefined })), "cause")).to.equal(true);
  expect(Object.hasOwn(round(new Error()), "message")).to.equal(false);
  const aggregate = round(new AggregateError([new TypeError("in")], "out"));
  assert(aggregate instanceof AggregateError && aggregate.errors[0] instanceof TypeError);
  const SuppressedError: Any = (globalThis as Any).SuppressedError;
  if (SuppressedError !== undefined) {
    const error = new SuppressedError(new TypeError("at the end"), new RangeError("before"), "text"), copy: Any = round(error);
    assert(Object.getPrototypeOf(copy) === SuppressedError.prototype && copy.message === "text");
    assert(copy.error instanceof TypeError && copy.suppressed instanceof RangeError && copy.suppressed.message === "before");
    expect(Object.keys(copy)).to.deep.equal([]);
    expect(() => encode(new SuppressedError(null, { fn() {} }))).to.throw(errors.DataCloneError, "value.suppressed.fn");
  }
  const nameless: Any = new Error("text");
  Object.setPrototypeOf(nameless, null);
  expect(round(nameless).name).to.equal("Error");
  const dom = round(new DOMException("gone", "AbortError"));
  assert(dom instanceof DOMException && dom.name === "AbortError" && dom.code === 20 && dom.message === "gone");
  const loop: Any = new Error("loop");
  loop.cause = loop;
  loop.self = loop;
  const looped = round(loop);
  assert(looped.cause === looped && looped.self === looped);
});

test("an error of an unknown class becomes its nearest known ancestor and keeps its name", () => {
  class HttpError extends TypeError {
    status = 404;
    override get name() {
      return "HttpError";
    }
    get code() {
      return "E_HTTP";
    }
  }
  const copy: Any = round(new HttpError("no"));
  assert(Object.getPrototypeOf(copy) === TypeError.prototype);
  expect([copy.name, copy.status, copy.code, copy.message]).to.deep.equal(["HttpError", 404, "E_HTTP", "no"]);
});

test("what cannot travel is refused with the path to it", () => {
  const refuse = (value: unknown, path: string, reason: string) => {
    try {
      encode(value, { path: "item" });
    } catch (error) {
      assert(error instanceof errors.DataCloneError, String(error));
      expect(error.message).to.satisfy((message: string) => message.startsWith(`Cannot send ${path}: `), error.message);
      expect(error.message).to.include(reason);
      return;
    }
    assert.fail(`${path} was not refused`);
  };
  const f = () => {};
  refuse(f, "item", "function");
  refuse({ onDone: f }, "item.onDone", "a function cannot travel to another process");
  refuse([0, { "a b": [f] }], 'item[1]["a b"][0]', "function");
  refuse(new Map([["k", { f }]]), 'item.get("k").f', "function");
  refuse(new Map([[{}, f]]), "[...item.values()][0]", "function");
  refuse({ m: new Map([[Symbol("s"), 1]]) }, "[...item.m.keys()][0]", "symbol");
  refuse({ s: new Set<unknown>([1, { f }]) }, "[...item.s][1].f", "function");
  refuse(
    {
      get made() {
        return () => {};
      },
    },
    "item.made",
    "function",
  );
  refuse(new Error("x", { cause: [f] }), "item.cause[0]", "function");
  refuse({ p: Promise.resolve() }, "item.p", "await");
  refuse([new WeakMap()], "item[0]", "WeakMap");
  refuse([new WeakRef({})], "item[0]", "WeakRef");
  refuse((function* () {})(), "item", "Generator");
  refuse({ b: new SharedArrayBuffer(1) }, "item.b", "mp.Array");
  refuse({ b: new Uint8Array(new SharedArrayBuffer(1)) }, "item.b", "mp.Array");
  refuse(Object(Symbol("s")), "item", "symbol");
  const { port1, port2 } = new MessageChannel();
  refuse({ port1 }, "item.port1", "mp.Pipe");
  port1.close();
  port2.close();
  const gone = new Uint8Array(3);
  structuredClone(gone, { transfer: [gone.buffer] });
  refuse({ gone }, "item.gone", "detached");
  let deep: unknown = f;
  for (let i = 0; i < 300; i++) deep = [deep];
  refuse(deep, `item${"[0]".repeat(300)}`, "function");
  // What was refused leaves nothing behind.
  same([1], round([1]));
}, { needs: sharedBuffers });

test("getters and codecs throw their own errors", () => {
  const own = new Error("own");
  const value = {
    get x() {
      throw own;
    },
  };
  let caught: unknown;
  try {
    encode([value]);
  } catch (error) {
    caught = error;
  }
  assert(caught === own);
  same({ a: 1 }, round({ a: 1 }));
});

test("of an element that is read again otherwise, the first reading arrives", () => {
  for (const length of [10, 20, 400]) {
    const elements: unknown[] = Array(length).fill(7), given = [1, 2, 3, 4];
    Object.defineProperty(elements, 3, { enumerable: true, get: () => given.shift() });
    same([7, 7, 7, 1, ...Array(length - 4).fill(7)], round(elements));
    // As many values as elements, and yet one of them is missing.
    const gapped: Any = Array(length).fill(7);
    delete gapped[5];
    gapped.note = "n";
    same(gapped, round(gapped));
  }
});

test("arrays of every length keep their holes, and what has a name", () => {
  const kinds: ((i: number) => unknown)[] = [(i) => i, (i) => i + 0.5, (i) => `text ${i % 9}`, (i) => ({ i }), () => undefined];
  for (const length of [0, 1, 5, 17, 100, 9_000]) {
    for (const kind of kinds) {
      const whole = Array.from({ length }, (_, i) => kind(i));
      const named = Object.assign([...whole], { unit: "ms" });
      const holed = [...whole];
      delete holed[length >> 1];
      // As many names as elements.
      const both = Object.assign([...holed], { unit: "ms" });
      for (const array of [whole, named, holed, both, Object.freeze([...whole])]) same(array, round(array));
      same(whole, round(new Proxy(whole, {})));
    }
  }
});

test("values as deep as memory allows arrive", () => {
  for (
    const wrap of [
      (x: unknown) => [x],
      (x: unknown) => ({ x }),
      (x: unknown) => new Map([["x", x]]),
      (x: unknown) => new Error("e", { cause: x }),
    ]
  ) {
    let value: Any = "bottom";
    for (let i = 0; i < 20_000; i++) value = wrap(value);
    let copy: Any = round(value);
    let depth = 0;
    for (; typeof copy === "object"; depth++) {
      copy = Array.isArray(copy) ? copy[0] : copy instanceof Map ? copy.get("x") : copy instanceof Error ? copy.cause : copy.x;
    }
    expect([copy, depth]).to.deep.equal(["bottom", 20_000]);
  }
});

test("a class's codec that is given what it lies in has an object of that class", () => {
  class Owner {}
  class Owned {
    readonly owner: object;
    readonly seen: unknown[];
    constructor(owner: object) {
      this.owner = owner;
      this.seen = [owner instanceof Owner, owner instanceof Object, String(owner)];
    }
  }
  registerClass(meta, Owner);
  registerClass(meta, Owned, { encode: ({ owner }) => owner, decode: (owner) => new Owned(owner as object) });
  // Records and dictionaries.
  for (const count of [1, 64, 65, 1000]) {
    for (const owner of [new Owner(), {}] as Record<string, unknown>[]) {
      Object.defineProperty(owner, "__proto__", { value: 1, enumerable: true, configurable: true, writable: true });
      for (let i = 0; i < count; i++) owner[`key ${i}`] = i;
      owner.owned = new Owned(owner);
      const copy = round(owner), { owned } = copy as { owned: Owned };
      assert(owned.owner === copy);
      assert.deepEqual(owned.seen, [owner instanceof Owner, true, "[object Object]"], `${count} keys`);
      assert.deepEqual(Object.keys(copy), Object.keys(owner));
    }
  }
});

test("a text that is too long for the engine is a DataCloneError", () => {
  const bytes = new Uint8Array(2 ** 29 + 7);
  bytes.set([0xb0, 0x8a, 0x80, 0x80, 0x80, 0x80, 0x02]); // 2 ** 29 zeros
  expect(() => decode(bytes)).to.throw(errors.DataCloneError, "longer than this engine's");
}, { needs: () => standardModules() ?? (process.versions.bun || process.versions.deno ? "of Node, where that takes no memory" : null) });

test("what the stack does not take is a DataCloneError on both sides", () => {
  class Link {
    next: unknown;
  }
  registerClass(meta, Link, { encode: (link) => link.next, decode: (next) => Object.assign(new Link(), { next }) });
  let link: unknown = null;
  for (let i = 0; i < 5000; i++) link = Object.assign(new Link(), { next: link });
  expect(() => encode(link)).to.throw(errors.DataCloneError, "too deeply");
  const nested = new Uint8Array(100_000).fill(0x61);
  nested[0] = 0xb0;
  expect(() => decode(nested)).to.throw(errors.DataCloneError, "too deeply");
  const nearTheEnd = (depth: number): unknown => {
    try {
      return nearTheEnd(depth + 1);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      let value: unknown = 1;
      for (let i = 0; i < 100; i++) value = [value];
      try {
        encode(value);
        return true;
      } catch (inner) {
        // Where even the catch has no room the engine speaks for itself; a few frames up it must not.
        if (inner instanceof RangeError) throw inner;
        return inner;
      }
    }
  };
  const result = nearTheEnd(0);
  assert(result === true || result instanceof errors.DataCloneError, String(result));
});

test("registered classes arrive as themselves", () => {
  class Vector {
    x = 0;
    y = 0;
    get length() {
      return Math.hypot(this.x, this.y);
    }
  }
  class Secret {
    readonly #value: unknown;
    constructor(value: unknown) {
      this.#value = value;
    }
    static encode(secret: Secret): unknown {
      return secret.#value;
    }
    get value() {
      return this.#value;
    }
  }
  class Failure extends RangeError {
    detail: unknown;
  }
  class Unregistered {
    z = 1;
  }
  registerClass(meta, Vector);
  registerClass(meta, Vector);
  registerClass(meta, Secret, { encode: Secret.encode, decode: (value) => new Secret(value) });
  registerClass(meta, Failure);
  const vector = Object.assign(new Vector(), { x: 3, y: 4 });
  const failure = Object.assign(new Failure("f"), { detail: vector });
  const copy = round({ vectors: [vector, vector, new Vector()], secret: new Secret({ vector }), failure, other: new Unregistered() });
  assert(copy.vectors[0] instanceof Vector && copy.vectors[0] === copy.vectors[1] && copy.vectors[2] !== copy.vectors[0]);
  expect(copy.vectors[0].length).to.equal(5);
  assert(copy.secret instanceof Secret && (copy.secret.value as Any).vector === copy.vectors[0]);
  assert(copy.failure instanceof Failure && copy.failure.detail === copy.vectors[0] && copy.failure.stack === failure.stack);
  same({ z: 1 }, copy.other);
  // A codec's decode gets its data whole, however deep it is.
  let deep: unknown = 1;
  for (let i = 0; i < 1000; i++) deep = [deep];
  class Counter {
    depth = 0;
  }
  registerClass(meta, Counter, {
    encode: () => deep,
    decode: (value) => {
      const counter = new Counter();
      for (let at = value; Array.isArray(at); at = at[0]) counter.depth++;
      return counter;
    },
  });
  let wrapped: Any = new Counter();
  for (let i = 0; i < 120; i++) wrapped = [wrapped];
  for (wrapped = round(wrapped); Array.isArray(wrapped);) wrapped = wrapped[0];
  expect(wrapped.depth).to.equal(1000);
});

test("registering what cannot work is refused, and so is what is not registered", () => {
  class Twice {}
  registerClass(meta, Twice);
  const first = Twice;
  {
    class Twice {}
    expect(() => registerClass(meta, Twice)).to.throw(TypeError, "another class");
    assert(first !== Twice);
  }
  expect(() => registerClass(meta, class {})).to.throw(TypeError, "without a name");
  expect(() => registerClass(meta, class Table extends Map {})).to.throw(TypeError, "extends Map");
  const bytes = encode(new Twice()).copy();
  const id = "test:codec#Twice";
  const at = String.fromCharCode(...bytes).indexOf(id);
  bytes[at + id.length - 1] = "f".charCodeAt(0);
  expect(() => decode(bytes)).to.throw(/Twicf.*test:codec.*registerClass\(import\.meta, Twicf\)/);
});

test("an encode or decode within another leaves the outer one alone", () => {
  class Nested {
    inner: unknown;
    constructor(inner: unknown) {
      this.inner = inner;
    }
  }
  registerClass(meta, Nested, {
    encode: (nested) => encode(nested.inner).copy(),
    decode: (value) => new Nested(decode(value as Uint8Array)),
  });
  fc.assert(
    fc.property(anything, anything, (outer, inner) => {
      const value = {
        outer,
        nested: new Nested([new Nested(inner), inner]),
        again: [outer],
        get made() {
          encode([inner, outer]).copy();
          try {
            encode([outer, () => {}]);
          } catch { /* refused in the middle */ }
          return 1;
        },
        last: { outer },
      };
      const copy = round(value);
      same(structuredClone({ outer, again: [outer], made: 1, last: { outer } }), {
        outer: copy.outer,
        again: copy.again,
        made: copy.made,
        last: copy.last,
      });
      const [deeper, innerCopy] = copy.nested.inner as [Nested, unknown];
      same(structuredClone(inner), innerCopy);
      same(structuredClone(inner), deeper.inner);
    }),
    { numRuns: 100 },
  );
});

test("shared objects travel as handles, in the order of their appearance", () => {
  class Cell implements Shareable {
    readonly address: number;
    constructor(address: number) {
      this.address = address;
    }
    [HANDLE]() {
      return { kind: 200, words: [this.address, 0xffffffff] };
    }
  }
  const contexts: unknown[] = [];
  registerHandle(200, (words, context) => {
    contexts.push(context);
    expect(words[1]).to.equal(0xffffffff);
    return new Cell(words[0]);
  });
  const [a, b] = [new Cell(0x80000001), new Cell(2)];
  const message = encode({ a, list: [b, a] });
  expect(message.shared).to.deep.equal([a, b]);
  assert(message.shared[0] === a);
  const copy = decode(message.copy(), 0, message.byteLength, "context") as { a: Cell; list: Cell[] };
  expect([copy.a.address, copy.list[0].address]).to.deep.equal([0x80000001, 2]);
  assert(copy.list[1] === copy.a);
  expect(contexts).to.deep.equal(["context", "context"]);
  expect(encode(1).shared).to.have.length(0);
});

test("marked buffers are moved where the way allows it and copied elsewhere", () => {
  const marked = new Uint8Array([1, 2, 3, 4]);
  const value = move({ part: new Uint8Array(marked.buffer, 1, 2), marked, other: new Uint8Array([5]) }, [marked.buffer]);
  same(structuredClone(value), round(value));
  expect(encode(value).moved).to.have.length(0);
  const message = encode(value, { move: true });
  assert(message.moved.length === 1 && message.moved[0] === marked.buffer);
  const bytes = message.copy();
  const moved = message.moved.map((buffer) => structuredClone(buffer, { transfer: [buffer] }));
  const copy = decode(bytes, 0, bytes.length, undefined, moved) as typeof value;
  assert(copy.marked.buffer === moved[0] && copy.part.buffer === moved[0]);
  expect([[...copy.part], [...copy.marked], [...copy.other]]).to.deep.equal([[2, 3], [1, 2, 3, 4], [5]]);
  expect(() => decode(bytes)).to.throw(errors.DataCloneError, "moved");
  expect(() => move({}, [marked as Any])).to.throw(TypeError);
});

test("proxies are read like the objects they stand for", () => {
  same({ a: 1, b: [1, 2] }, round(new Proxy({ a: 1, b: new Proxy([1, 2], {}) }, {})));
});

test("an object that changes while it is read arrives without what went away", () => {
  const value: Any = {
    get a() {
      delete value.b;
      value.late = 1;
      return 1;
    },
    b: 2,
    c: 3,
  };
  same({ a: 1, c: 3 }, round(value));
});

test("arrays in arrays that all claim what is there take no memory for it", () => {
  const bytes = new Uint8Array(2 ** 20);
  bytes[0] = 0xb0;
  for (let at = 1; at < 8000; at += 4) {
    const length = bytes.length - 10_000;
    bytes.set([0x90, length & 0x7f | 0x80, length >> 7 & 0x7f | 0x80, length >> 14], at);
  }
  expect(() => decode(bytes)).to.throw(errors.DataCloneError, "too deeply");
}, { timeoutMs: 10_000 });

test("garbage gives a value or an Error, soon, and touches nothing", () => {
  const check = (bytes: Uint8Array) => {
    try {
      decode(bytes);
    } catch (error) {
      assert(error instanceof Error, "not an Error");
      assert(error instanceof errors.DataCloneError || !(error instanceof RangeError), String(error));
    }
  };
  const before = Reflect.ownKeys(Object.prototype).join();
  const tags = fc.array(
    fc.oneof(fc.integer({ min: 0x60, max: 0xab }), fc.integer({ min: 0, max: 255 }), fc.constantFrom(0xff, 0xff, 1, 2)),
    { maxLength: 60 },
  );
  fc.assert(fc.property(tags, fc.integer({ min: 0xb0, max: 0xb3 }), (body, header) => check(Uint8Array.from([header, ...body]))), {
    numRuns: 8_000,
  });
  fc.assert(
    fc.property(anything, fc.nat(), fc.integer({ min: 0, max: 7 }), (value, at, bit) => {
      const bytes = encode(value).copy();
      const flipped = bytes.slice();
      flipped[at % bytes.length] ^= 1 << bit;
      check(flipped);
      const cut = bytes.slice(0, at % bytes.length);
      expect(() => decode(cut)).to.throw(errors.DataCloneError);
      expect(() => decode(Uint8Array.from([...bytes, 0]))).to.throw(errors.DataCloneError);
    }),
    { numRuns: 400 },
  );
  expect(Reflect.ownKeys(Object.prototype).join()).to.equal(before);
  expect(({} as Any).x).to.equal(undefined);
});

test("a length larger than the message allocates nothing of that size", () => {
  const huge = [0xff, 0xff, 0xff, 0xff, 0x0f];
  for (const tag of [0x8a, 0x8b, 0x8c, 0x8e, 0x90, 0xa1, 0xa2]) {
    expect(() => decode(Uint8Array.from([0xb0, tag, ...huge, ...huge])), tag.toString(16)).to.throw(errors.DataCloneError);
  }
  for (const tag of [0x92, 0x93]) {
    expect(() => decode(Uint8Array.from([0xb0, 0x61, tag, 0xff, 0xff, 0xff, 0xff]))).to.throw(errors.DataCloneError);
  }
  // 60 sparse arrays of 30 million in a few bytes each.
  const one = encode(new Array(30_000_000)).copy().subarray(1);
  const before = process.memoryUsage().rss;
  const copies = decode(Uint8Array.from([0xb0, 0x90, 60, ...Array.from({ length: 60 }, () => [...one]).flat()])) as unknown[][];
  expect(copies[59].length).to.equal(30_000_000);
  expect(process.memoryUsage().rss - before).to.be.below(1e9);
  expect(() => decode(new Uint8Array(4), 2, 3)).to.throw(RangeError);
}, { needs: standardModules });
