// Checked by tsd against the built package: see tests/package_test.ts.
import { expectAssignable, expectError, expectNotAssignable, expectType } from "tsd";
import * as mp from "@polyproc/multiprocessing";

const Point = mp.Struct({ x: "float64", id: "int32" });
const lock = new mp.Lock(), context = mp.getContext("thread");

// Values, with or without new, have a lock unless they are made without.
for (const value of [mp.Value("i", 0), new mp.Value("i", 0), new context.Value("i", 0), mp.Value("i", 0, { lock })]) {
  expectType<mp.Lock | mp.RLock>(value.getLock());
  expectType<number>(value.value);
}
for (
  const value of [
    mp.RawValue("i", 0),
    new mp.RawValue("i", 0),
    mp.Value("i", 0, { lock: false }),
    new mp.Value("i", 0, { lock: false }),
    new context.Value("i", undefined, { lock: false }),
  ]
) {
  expectError(value.getLock());
  expectType<number>(value.value);
}
expectType<number>(mp.Value(Point, { x: 1 }).x);
expectType<mp.Lock | mp.RLock>(new mp.Value(Point, { x: 1 }, { lock }).getLock());
for (
  const point of [
    mp.RawValue(Point),
    new mp.RawValue(Point),
    mp.Value(Point, { x: 1 }, { lock: false }),
    new mp.Value(Point, { x: 1 }, { lock: false }),
    context.Value(Point, undefined, { lock: false }),
  ]
) {
  expectError(point.getLock());
  expectType<number>(point.x);
  expectError(point.y);
}
expectError(mp.Value("i", "0"));
expectError(mp.Value(Point, { y: 1 }));
expectError(mp.Value("i", 0, { lock: 1 }));

// So do arrays.
for (const array of [mp.Array("i", 3), new mp.Array("i", [1]), new context.Array("i", 3), mp.Array("i", 3, { lock })]) {
  expectType<mp.Lock | mp.RLock>(array.getLock());
  expectAssignable<Int32Array>(array);
  expectType<number>(array[0]);
}
for (
  const array of [
    mp.RawArray("i", 3),
    new mp.RawArray("i", [1]),
    mp.Array("i", 3, { lock: false }),
    new mp.Array("i", 3, { lock: false }),
    new context.Array("i", 3, { lock: false }),
  ]
) {
  expectError(array.getLock());
  expectAssignable<Int32Array>(array);
}
expectType<mp.Lock | mp.RLock>(mp.Array(Point, 3).getLock());
expectType<number>(new mp.Array(Point, [{ x: 1 }], { lock })[0].id);
for (
  const points of [
    mp.RawArray(Point, 3),
    new mp.RawArray(Point, 3),
    mp.Array(Point, 3, { lock: false }),
    new mp.Array(Point, 3, { lock: false }),
    context.Array(Point, 3, { lock: false }),
  ]
) {
  expectError(points.getLock());
  expectType<number>(points[0].x);
  expectType<number | undefined>(points.at(-1)?.id);
  expectAssignable<Int32Array>(points.columns.id);
  for (const { x } of points) expectType<number>(x);
  points[Symbol.dispose]();
}
expectType<string>(mp.Array("c", "text").value);
expectType<bigint>(mp.RawArray("int64", 3)[0]);
expectError(mp.Array("i", ["a"]));
expectError(mp.Array(Point, [{ y: 1 }]));

// Their types, by name or by Python's code. What has a lock does where none is needed.
expectAssignable<mp.Value<"int32">>(mp.Value("i"));
expectAssignable<mp.Value<"i">>(mp.Value("int32"));
expectAssignable<mp.RawValue<"i">>(mp.Value("i"));
expectAssignable<mp.Value>(mp.Value("i"));
expectType<mp.LockedValue<"int32">>(mp.Value("i"));
expectNotAssignable<mp.Value<"i">>(mp.Value("int64"));
expectNotAssignable<mp.Value<"i">>(mp.Value("bool"));
expectNotAssignable<mp.RawValue<"i">>(mp.RawValue("int8"));
expectNotAssignable<mp.Value<"i">>(mp.RawValue("i"));
expectAssignable<mp.Array<"float64">>(mp.Array("d", 3));
expectAssignable<mp.Array<"d">>(mp.Array("float64", 3));
expectAssignable<mp.RawArray<"d">>(mp.Array("d", 3));
expectAssignable<mp.Array>(mp.Array("i", 3));
expectAssignable<mp.RawArray>(mp.RawArray("i", 3));
expectNotAssignable<mp.Array<"d">>(mp.RawArray("d", 3));
expectNotAssignable<mp.Array<"d">>(mp.Array("f", 3));

// Those of records, by the type that Struct() gave.
function move(points: mp.Array<typeof Point>, copy: mp.RawArray<typeof Point>, by: mp.Value<typeof Point>, raw: mp.RawValue<typeof Point>) {
  expectType<number>(points[0].x);
  expectType<number>(copy[0].id);
  expectType<number>(by.x);
  expectType<number>(raw.id);
  expectAssignable<Float64Array>(points.columns.x);
  expectType<mp.Lock | mp.RLock>(points.getLock());
  expectType<mp.Lock | mp.RLock>(by.getLock());
  expectType<Promise<boolean>>(by.waitFor(({ x }) => x > 1));
  expectError(copy.getLock());
  expectError(raw.getLock());
  expectError(points[0].y);
  expectError(by.y);
  expectError(by.x = "1");
}
const Size = mp.Struct({ x: "int64" });
new mp.Process({ target: move, args: [mp.Array(Point, 3), mp.RawArray(Point, 3), mp.Value(Point), mp.RawValue(Point)] });
new mp.Process({ target: move, args: [mp.Array(Point, 3), mp.Array(Point, 3), mp.Value(Point), mp.Value(Point)] });
expectError(new mp.Process({ target: move, args: [mp.RawArray(Point, 3), mp.RawArray(Point, 3), mp.Value(Point), mp.RawValue(Point)] }));
expectError(new mp.Process({ target: move, args: [mp.Array(Point, 3), mp.RawArray(Point, 3), mp.RawValue(Point), mp.RawValue(Point)] }));
expectAssignable<mp.Array<typeof Point>>(context.Array(Point, 3));
expectAssignable<mp.Value<typeof Point>>(new context.Value(Point));
expectNotAssignable<mp.Array<typeof Point>>(mp.Array(Size, 3));
expectNotAssignable<mp.Value<typeof Point>>(mp.Value(Size));
expectError<mp.Array<{ x: "float64" }> | null>(null);

// Functions for any type.
function first<T extends mp.ElementType>(array: mp.Array<T>, value: mp.Value<T>): mp.ElementOf<T> {
  array.getLock();
  return array.length > 0 ? value.value : value.getObj().value;
}
expectType<bigint>(first(mp.Array("q", 3), mp.Value("q")));
function twice<N extends mp.ElementName>(value: mp.LockedValue<N>): void {
  value.add(value.value);
}
twice(mp.Value("i"));
declare function count(counter: mp.Value<"int32">): void;
new mp.Process({ target: count, args: [mp.Value("i")] });
expectError(new mp.Process({ target: count, args: [mp.Value("int64")] }));
expectError(new mp.Pool().apply(count, [mp.Value("int64")]));
