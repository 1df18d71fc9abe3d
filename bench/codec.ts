/**
 * The codec beside what else turns values into bytes. Prints one JSON line per contender and case: nanoseconds per operation, medians of
 * alternating rounds with their minimum and maximum. `encode` of the codec includes `writeTo` into shared memory, as a queue does it, and
 * its decode reads from there.
 *
 * Usage: `node|deno|bun bench/codec.ts [case…]`.
 */

import { Packr } from "msgpackr";
import process from "node:process";
import v8 from "node:v8";
import { decode, encode } from "../src/codec.ts";

interface Contender {
  readonly name: string;
  encode(value: unknown): unknown;
  decode(bytes: never): unknown;
  /** What it cannot carry as it is. */
  readonly lacks?: readonly string[];
}

const ring = new Uint8Array(new SharedArrayBuffer(4 << 20));
const packr = new Packr({ structuredClone: true, moreTypes: true, useRecords: true });

const contenders: readonly Contender[] = [
  {
    name: "codec",
    encode(value) {
      const message = encode(value);
      message.writeTo(ring, 0);
      return message.byteLength;
    },
    decode: (length: number) => decode(ring, 0, length),
  },
  { name: "msgpackr", encode: (value) => packr.pack(value), decode: (bytes: Uint8Array) => packr.unpack(bytes) },
  { name: "v8", encode: (value) => v8.serialize(value), decode: (bytes: Uint8Array) => v8.deserialize(bytes) },
  {
    name: "json",
    encode: (value) => JSON.stringify(value),
    decode: (text: string) => JSON.parse(text),
    lacks: ["bytes"],
  },
  // One step both ways: the whole is in `encode`.
  { name: "structuredClone", encode: (value) => structuredClone(value), decode: (value: unknown) => value },
];

const cases: Record<string, unknown[]> = {
  // Several of each, so that nothing is measured that knows its one input by heart.
  small: Array.from({ length: 64 }, (_, i) => ({ id: i * 37, name: `item ${i}`, values: [i, i + 0.5, -i] })),
  number: Array.from({ length: 64 }, (_, i) => i * 1234.5),
  string: Array.from({ length: 64 }, (_, i) => `short string ${i}`),
  floats: Array.from({ length: 4 }, (_, i) => Array.from({ length: 1000 }, (_, j) => i + j / 7)),
  records: Array.from(
    { length: 4 },
    (_, i) => Array.from({ length: 100 }, (_, j) => ({ id: i * j, name: `record ${j}`, score: j / 3, ok: j % 2 === 0 })),
  ),
  bytes: Array.from({ length: 4 }, (_, i) => new Uint8Array(1 << 20).fill(i + 1)),
};

const ROUNDS = 15;
const ROUND_MS = 25;

/** Nanoseconds per operation over about ROUND_MS. */
function measure(operation: (i: number) => void, batch: number): number {
  let done = 0;
  const start = performance.now();
  let now = start;
  do {
    for (let i = 0; i < batch; i++) operation(i);
    done += batch;
    now = performance.now();
  } while (now - start < ROUND_MS);
  return (now - start) * 1e6 / done;
}

function summary(samples: number[]): { median: number; min: number; max: number } {
  const sorted = samples.toSorted((a, b) => a - b);
  const round = (value: number) => Math.round(value * 10) / 10;
  return { median: round(sorted[sorted.length >> 1]), min: round(sorted[0]), max: round(sorted[sorted.length - 1]) };
}

const versions = process.versions as Record<string, string | undefined>;
const runtime = versions.bun ? `bun ${versions.bun}` : versions.deno ? `deno ${versions.deno}` : `node ${versions.node}`;
const wanted = process.argv.slice(2);
let sink: unknown;

for (const [name, values] of Object.entries(cases)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  const runs = contenders.filter((contender) => !contender.lacks?.includes(name)).map((contender) => {
    const mask = values.length - 1;
    const encoded = values.map((value) => contender.encode(value));
    // The ring has one message at a time, so the codec decodes the one written last.
    if (contender.name === "codec") encoded.fill(contender.encode(values[mask]));
    return {
      contender,
      writes: [] as number[],
      reads: [] as number[],
      batch: name === "bytes" ? 4 : name === "floats" || name === "records" ? 32 : 1024,
      write: (i: number) => sink = contender.encode(values[i & mask]),
      read: (i: number) => sink = contender.decode(encoded[i & mask] as never),
      prepare: () => contender.encode(values[mask]),
    };
  });
  for (let round = -3; round < ROUNDS; round++) {
    for (const run of runs) {
      const write = measure(run.write, run.batch);
      run.prepare();
      const read = measure(run.read, run.batch);
      if (round < 0) continue;
      run.writes.push(write);
      run.reads.push(read);
    }
  }
  for (const { contender, writes, reads } of runs) {
    console.log(
      JSON.stringify({ runtime, case: name, contender: contender.name, unit: "ns", encode: summary(writes), decode: summary(reads) }),
    );
  }
}
void sink;
