/** Named blocks and lists, between processes of this library and with CPython. */

// run: on=servers with=off,no-ffi,no-koffi

import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, readlinkSync, statSync, unlinkSync, writeFileSync } from "node:fs";
import { assert } from "chai";
import * as mp from "../mod.ts";
import { needsMemory, runProgram, startProgram, thrown, until } from "./fixtures/process_program.ts";
import * as work from "./fixtures/shared_memory.ts";
import { test as add } from "./harness.ts";
import { collectGarbage, collects } from "./shared.ts";

const needs = needsMemory;
const test = (name: string, run: () => unknown) => add(name, run, { needs });

/** A name that no other run has. */
const fresh = () => `polyproc-test-${crypto.randomUUID()}`;
const isThere = (name: string) => existsSync(`/dev/shm/${name}`);

function remove(block: mp.SharedMemory): void {
  block.close();
  block.unlink();
  assert.isFalse(isThere(block.name));
}

function codeOf(run: () => unknown): string | undefined {
  try {
    run();
  } catch (error) {
    assert.instanceOf(error, mp.ProcessError);
    return (error as { code?: string }).code;
  }
  return undefined;
}

/** Runs a program of this library to its end. */
async function run(scenario: string, name: string): Promise<string> {
  const { out, err, code } = await startProgram(scenario, { script: "shared_memory.ts", args: [name] }).ended;
  assert.equal(code, 0, err);
  return out.trim();
}

const hasPython = (() => {
  try {
    execFileSync("python3", ["-c", "import multiprocessing.shared_memory"]);
    return true;
  } catch {
    return false;
  }
})();

/** CPython before 3.13 removes, when it ends, every block that it ever opened (gh-82300); this one does not. */
const PYTHON = `
import array, json, sys
from multiprocessing import shared_memory, resource_tracker
resource_tracker.register = resource_tracker.unregister = lambda *_: None
`;

function python(program: string): unknown {
  return JSON.parse(execFileSync("python3", ["-c", PYTHON + program], { encoding: "utf8" }) || "null");
}

const withPython = (name: string, run: () => unknown) =>
  add(name, run, { needs: (can) => needs(can) ?? (hasPython ? null : "python3 is not installed") });

// ---- blocks ----

test("a block is seen by whoever opens it by name, and by whoever is given it", async () => {
  const block = new mp.SharedMemory({ create: true, size: 100 }), other = new mp.SharedMemory({ create: true, size: 10 });
  assert.match(block.name, /^psm_\w+$/);
  assert.equal(block.size, 100);
  assert.instanceOf(block.buf, Uint8Array);
  assert.deepEqual([...block.buf], Array(100).fill(0));
  const child = new mp.Process({ target: work.write, args: [block, other.name] }).start();
  assert.equal(await child.join(), 0);
  assert.equal(new TextDecoder().decode(block.buf.slice(0, 5)), "HELLO");
  assert.equal(new TextDecoder().decode(other.buf.slice(0, 5)), "howdy");
  remove(block);
  remove(other);
});

test("threads and processes see it too", async () => {
  for (const method of ["thread", "process"] as const) {
    const ctx = mp.getContext(method);
    const block = new mp.SharedMemory({ create: true, size: 10 }), other = new mp.SharedMemory({ create: true, size: 10 });
    assert.equal(await new ctx.Process({ target: work.write, args: [block, other.name] }).start().join(), 0);
    assert.equal(new TextDecoder().decode(block.buf.slice(0, 5)), "HELLO");
    remove(block);
    remove(other);
  }
});

test("what is closed is empty for whoever has a view of it, and cannot be used", () => {
  const block = new mp.SharedMemory({ create: true, size: 16 });
  const numbers = new Float64Array(block.buf.buffer);
  block.close();
  block.close();
  assert.equal(numbers.length, 0);
  assert.throws(() => block.buf, mp.ProcessError, /closed/);
  block.unlink();
});

test("what was moved out of a block is seen where it went, though the block is closed", () => {
  const block = new mp.SharedMemory({ create: true, size: 16 }), same = new mp.SharedMemory({ name: block.name });
  const moved = new Uint8Array((block.buf.buffer as ArrayBuffer).transfer());
  block.close();
  same.buf[1] = 7;
  assert.equal(moved[1], 7);
  assert.throws(() => block.buf, mp.ProcessError, /closed/);
  same.close();
  same.unlink();
  assert.equal(descriptors(block.name), 0);
});

test("after unlink nobody finds it, and those who have it go on", () => {
  const name = fresh();
  const block = new mp.SharedMemory({ name, create: true, size: 4 }), same = new mp.SharedMemory({ name });
  block.unlink();
  assert.equal(codeOf(() => new mp.SharedMemory({ name })), "ENOENT");
  assert.equal(codeOf(() => block.unlink()), "ENOENT");
  block.buf[3] = 9;
  assert.equal(same.buf[3], 9);
  block.close();
  same.close();
});

/** How many descriptors here keep a block's memory. */
function descriptors(name: string): number {
  return readdirSync("/proc/self/fd").filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).includes(name);
    } catch {
      return false; // that of the directory
    }
  }).length;
}

test("a block that was closed, and its name removed, by whomever, keeps no memory", () => {
  const [a, b, c] = [1, 2, 3].map(() => new mp.SharedMemory({ create: true, size: 10 })), same = new mp.SharedMemory({ name: c.name });
  a.close();
  assert.equal(descriptors(a.name), 1);
  a.unlink();
  assert.equal(descriptors(a.name), 0);
  b.unlink();
  b.close();
  assert.equal(descriptors(b.name), 0);
  c.close();
  same.close();
  same.unlink();
  assert.equal(descriptors(c.name), 0);
});

add("blocks that were dropped are closed", async () => {
  const block = new mp.SharedMemory({ create: true, size: 10 });
  for (let i = 0; i < 20; i++) new mp.SharedMemory({ name: block.name }).buf[0]++;
  await until("closed", async () => {
    await collectGarbage();
    return descriptors(block.name) <= 2;
  });
  assert.equal(block.buf[0], 20);
  remove(block);
}, { needs: (can) => needs(can) ?? collects() });

test("its size is a number of bytes, for its maker as for others", () => {
  const block = new mp.SharedMemory({ create: true, size: 100 }), same = new mp.SharedMemory({ name: block.name });
  assert.strictEqual(block.size, 100);
  assert.strictEqual(same.size, 100);
  same.close();
  remove(block);
});

test("a name is made once, and is the one that was given", () => {
  const name = fresh();
  const block = new mp.SharedMemory({ name, create: true, size: 1 });
  assert.equal(codeOf(() => new mp.SharedMemory({ name, create: true, size: 1 })), "EEXIST");
  assert.equal(block.name, name);
  assert.include(String(block), name);
  remove(block);
});

test("one that was unlinked on its way arrives as the error that it is", async () => {
  const block = new mp.SharedMemory({ create: true, size: 4 }), queue = new mp.Queue<mp.SharedMemory>();
  await queue.put(block);
  remove(block);
  assert.equal((await thrown(() => queue.get()) as { code?: unknown }).code, "ENOENT");
  queue.close();
});

test("wrong arguments are refused by name", () => {
  const make = (options: unknown) => () => new mp.SharedMemory(options as mp.SharedMemoryOptions);
  for (const size of [0, -1, 1.5, NaN, undefined]) assert.throws(make({ create: true, size }), RangeError, /size/);
  for (const name of ["", "a/b", "a\0b", "..", "x".repeat(256)]) assert.throws(make({ name }), RangeError, /name/);
  assert.throws(make({ name: 3 }), TypeError, /name/);
  assert.throws(make({}), TypeError, /name/);
  assert.throws(make(null), TypeError);
  assert.throws(make({ name: "x", create: 1 }), TypeError, /create/);
  assert.throws(make({ name: "x", track: "no" }), TypeError, /track/);
  assert.throws(make({ create: true, size: 2 ** 50 }), RangeError, /no room/);
});

// ---- who removes what ----

test("a tracked block goes with the program that made it, at its end", async () => {
  for (const name of [fresh(), fresh().padEnd(255, "x")]) {
    assert.equal(await run("make", name), name);
    assert.isFalse(isThere(name));
  }
});

test("an untracked block stays", async () => {
  const name = fresh();
  await run("make untracked", name);
  assert.isTrue(isThere(name));
  remove(new mp.SharedMemory({ name }));
});

test("a program that only looked at a block does not take it along when it ends", async () => {
  for (const scenario of ["look", "look untracked"]) {
    const block = new mp.SharedMemory({ name: fresh(), create: true, size: 10 });
    block.buf[0] = 7;
    await run(scenario, block.name);
    assert.isTrue(isThere(block.name));
    // Also when its maker has closed it, and runs on.
    block.close();
    await run(scenario, block.name);
    assert.isTrue(isThere(block.name));
    block.unlink();
  }
});

test("a program that looked at a block of another kind of program never removes it", async () => {
  const name = fresh();
  writeFileSync(`/dev/shm/${name}`, new Uint8Array([7]), { mode: 0o600 });
  await run("look", name);
  assert.isTrue(isThere(name));
  new mp.SharedMemory({ create: true, size: 1 }).unlink();
  assert.isTrue(isThere(name));
  unlinkSync(`/dev/shm/${name}`);
});

test("a tracked block stays as long as another program of ours uses it", async () => {
  const name = fresh();
  const maker = startProgram("make and wait", { script: "shared_memory.ts", args: [name] });
  await until("made", () => maker.lines.includes("made"));
  const ready = new mp.Queue<null>(), word = new mp.Queue<null>();
  const user = new mp.Process({ target: work.attach, args: [name, ready, word] }).start();
  await ready.get();
  maker.child.kill("SIGKILL");
  await maker.ended;
  new mp.SharedMemory({ create: true, size: 1 }).unlink();
  assert.isTrue(isThere(name), "it was swept up under its user");
  await word.put(null);
  assert.equal(await user.join(), 0);
  new mp.SharedMemory({ create: true, size: 1 }).unlink();
  assert.isFalse(isThere(name), "nobody uses it any more");
});

test("what is left by programs that were all killed is removed when the next block is made", async () => {
  for (let times = 0; times < 5; times++) {
    const names = new mp.Queue<string[]>(), prefix = fresh();
    const child = new mp.Process({ target: work.hold, args: [names, prefix] }).start();
    const [auto, kept, tracked] = await names.get();
    for (const name of [auto, kept, tracked]) assert.isTrue(isThere(name));
    child.kill();
    await child.join();
    remove(new mp.SharedMemory({ create: true, size: 1 }));
    assert.isFalse(isThere(auto));
    assert.isFalse(isThere(tracked));
    assert.isTrue(isThere(kept), "an untracked one stays");
    unlinkSync(`/dev/shm/${kept}`);
  }
});

test("where files must not be long, memory is smaller, or refused", async () => {
  const { out, err, code } = await runProgram("limited", { limit: "-f 1000000" });
  assert.equal(out, "shared\nRangeError\n", err);
  assert.equal(code, 0);
});

test("nobody but its owner may open it", () => {
  const block = new mp.SharedMemory({ create: true, size: 1 });
  assert.equal(statSync(`/dev/shm/${block.name}`).mode & 0o777, 0o600);
  remove(block);
});

// ---- lists ----

const ITEMS = [
  1,
  -(2 ** 40),
  2n ** 62n,
  2.5,
  -0,
  Infinity,
  true,
  false,
  null,
  "",
  "three",
  "äöü€",
  "x".repeat(8),
  new Uint8Array([1, 2, 0, 0]),
];

test("a list holds what is stored in it, texts and bytes with NULs at their end too", () => {
  const list = new mp.ShareableList([...ITEMS, "nul\0", "12345678\0", new Uint8Array(8), new Uint8Array()]);
  assert.equal(list.length, ITEMS.length + 4);
  assert.deepEqual([...list], [...ITEMS, "nul\0", "12345678\0", new Uint8Array(8), new Uint8Array()]);
  assert.deepEqual(list.at(-2), new Uint8Array(8));
  assert.isUndefined(list.at(100));
  assert.isUndefined(list[100]);
  remove(list.shm);
});

test("an item may change its type, and a text may grow as far as its place", () => {
  const list = new mp.ShareableList(["hello", 1, 2.5, null]);
  list[0] = "HELLO!!!";
  assert.throws(() => list[0] = "HELLO!!!!", RangeError, /place of 8/);
  assert.throws(() => list[0] = "€€€", RangeError, /9 bytes/);
  list[1] = "7 bytes";
  list[2] = 3;
  list[3] = true;
  assert.deepEqual([...list], ["HELLO!!!", "7 bytes", 3, true]);
  assert.equal(list.format, "8s8sdxxxxxxx?");
  list[1] = null;
  list[0] = 2n ** 40n;
  assert.deepEqual([...list], [2 ** 40, null, 3, true]);
  assert.throws(() => list[4] = 1, RangeError, /4/);
  assert.throws(() => list.set(-5, 1), RangeError, /-5/);
  for (const wrong of [NaN, 0.5]) assert.throws(() => list.set(wrong, 1), RangeError, `Cannot store an item at ${wrong}`);
  assert.throws(() => list[0] = {} as never, TypeError);
  assert.throws(() => list[0] = 2n ** 63n, RangeError, /64 bits/);
  remove(list.shm);
});

test("items are counted and found", () => {
  const list = new mp.ShareableList([1, "a", 1, 1n, null, new Uint8Array([5])]);
  assert.equal(list.count(1), 3);
  assert.equal(list.count(null), 1);
  assert.equal(list.count(new Uint8Array([5])), 1);
  assert.equal(list.index("a"), 1);
  assert.throws(() => list.index("b"), RangeError, /b/);
  remove(list.shm);
});

test("a list is copied from another, empty too", () => {
  const list = new mp.ShareableList([1, "two"]), copy = new mp.ShareableList(list), empty = new mp.ShareableList();
  list[0] = 5;
  assert.deepEqual([...copy], [1, "two"]);
  assert.deepEqual([...empty], []);
  for (const one of [list, copy, empty]) remove(one.shm);
});

test("a child changes a list that it is given", async () => {
  const list = new mp.ShareableList([1, 2.5, "three", null]), seen = new mp.Queue<unknown[]>();
  const child = new mp.Process({ target: work.change, args: [list, seen] }).start();
  assert.deepEqual(await seen.get(), [2, 5, "three", null]);
  assert.equal(await child.join(), 0);
  assert.deepEqual([...list], [2, 5, "three", null]);
  remove(list.shm);
});

test("what is no list is not opened as one", () => {
  for (const size of [64, 4]) {
    const block = new mp.SharedMemory({ create: true, size }), { name } = block;
    block.buf.fill(255);
    assert.throws(() => new mp.ShareableList(null, { name }), RangeError, /no list/);
    remove(block);
    assert.notInclude(readFileSync("/proc/self/maps", "utf8"), name, "it was left open");
  }
  assert.equal(codeOf(() => new mp.ShareableList(null, { name: fresh() })), "ENOENT");
});

test("a manager removes all that it made", () => {
  const manager = new mp.SharedMemoryManager();
  assert.throws(() => manager.SharedMemory(10), mp.ProcessError, /start/);
  manager.start();
  const lists = [0, 1, 2, 3, 4].map((n) => manager.ShareableList(Array(n).fill(n)));
  const blocks = [1, 2, 3, 4, 5, 6].map((size) => manager.SharedMemory(size));
  const names = [...lists.map(({ shm }) => shm.name), ...blocks.map(({ name }) => name)];
  for (const name of names) assert.isTrue(isThere(name));
  blocks[0].unlink();
  manager.shutdown();
  manager.shutdown();
  for (const name of names) assert.isFalse(isThere(name));
  assert.throws(() => manager.ShareableList([]), mp.ProcessError, /shut down/);
  assert.throws(() => manager.start(), mp.ProcessError, /shut down/);
});

// ---- CPython ----

withPython("CPython reads and writes an array of doubles in our block", () => {
  const block = new mp.SharedMemory({ create: true, size: 80 });
  const numbers = new Float64Array(block.buf.buffer, 0, 10);
  for (let i = 0; i < 10; i++) numbers[i] = i / 4;
  const seen = python(`
block = shared_memory.SharedMemory("${block.name}")
numbers = block.buf.cast("d")
print(json.dumps([block.size, list(numbers)]))
for i in range(10): numbers[i] *= 2
numbers.release()
block.close()
`);
  assert.deepEqual(seen, [80, Array.from({ length: 10 }, (_, i) => i / 4)]);
  assert.deepEqual([...numbers], Array.from({ length: 10 }, (_, i) => i / 2));
  remove(block);
});

withPython("we read and write a block of CPython's, and remove it when told", () => {
  const name = fresh();
  python(`
block = shared_memory.SharedMemory("${name}", create=True, size=24)
block.buf[:] = array.array("d", [1.5, -2.5, 1e300]).tobytes()
block.close()
`);
  const block = new mp.SharedMemory({ name });
  const numbers = new Float64Array(block.buf.buffer, 0, 3);
  assert.deepEqual([...numbers], [1.5, -2.5, 1e300]);
  numbers[1] = 7;
  const seen = python(`
block = shared_memory.SharedMemory("${name}")
print(json.dumps(list(bytes(block.buf).hex() for _ in [0])))
`) as string[];
  assert.deepEqual(seen, [[...block.buf].map((byte) => byte.toString(16).padStart(2, "0")).join("")]);
  remove(block);
  assert.throws(() => python(`shared_memory.SharedMemory("${name}")`), /FileNotFoundError/);
});

withPython("CPython unlinks our block, and we see that it is gone", () => {
  const block = new mp.SharedMemory({ create: true, size: 1 });
  python(`shared_memory.SharedMemory("${block.name}").unlink()`);
  assert.equal(codeOf(() => new mp.SharedMemory({ name: block.name })), "ENOENT");
  block.close();
});

withPython("CPython reads and writes our list of mixed types", () => {
  const list = new mp.ShareableList([1, 2.5, "three", null, true, new Uint8Array([1, 2]), 2n ** 62n, "äöü", ""]);
  const seen = python(`
items = shared_memory.ShareableList(name="${list.shm.name}")
print(json.dumps([[i.hex() if isinstance(i, bytes) else i for i in items], items.format]))
items[0] = "text"; items[1] = 5.0; items[2] = None; items[3] = -1; items[4] = False; items[5] = b"bytes"; items[7] = "ÄÖÜ"
items.shm.close()
`) as unknown[];
  assert.deepEqual(seen, [[1, 2.5, "three", null, true, "0102", 2 ** 62, "äöü", ""], "qd8sxxxxxx?xxxxxxxx?8sq8s8s"]);
  const bytes = new TextEncoder().encode("bytes");
  assert.deepEqual([...list], ["text", 5, null, -1, false, bytes, 2n ** 62n, "ÄÖÜ", ""]);
  remove(list.shm);
});

withPython("we read and write a list of CPython's", () => {
  const name = fresh();
  python(`shared_memory.ShareableList([7, -2.5, "abc", b"xyz", None, False, -2**62], name="${name}").shm.close()`);
  const list = new mp.ShareableList(null, { name });
  assert.deepEqual([...list], [7, -2.5, "abc", new TextEncoder().encode("xyz"), null, false, -(2n ** 62n)]);
  list[0] = 8;
  list[1] = 3;
  list[2] = "ABCDEFG";
  list[5] = true;
  const seen = python(`print(json.dumps([i.hex() if isinstance(i, bytes) else i for i in shared_memory.ShareableList(name="${name}")]))`);
  assert.deepEqual(seen, [8, 3, "ABCDEFG", "78797a", null, true, -(2 ** 62)]);
  remove(list.shm);
});

// ---- where there is none ----

add("where there is no such memory, that is said, with the way out", () => {
  for (
    const run of [
      () => new mp.SharedMemory({ create: true, size: 1 }),
      () => new mp.SharedMemory({ name: "x" }),
      () => new mp.ShareableList([1]),
    ]
  ) {
    assert.throws(run, mp.UnsupportedError, mp.capabilities().reasons["sharedMemory.process"]);
  }
}, { needs: (can) => can.sharedMemory.process ? "it is there" : null });
