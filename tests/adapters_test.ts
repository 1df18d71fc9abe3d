/** The adapters alone: each runtime starts children on each runtime, and everything that `src/adapter.ts` promises of them is tried. */
// run: on=servers with=no-koffi from=sources

import process from "node:process";
import { assert } from "chai";
import { ownFlags, startWith } from "../adapters/command.ts";
import { type Libc, syscallNumbers, waitForProcess } from "../adapters/posix.ts";
import { adapter } from "#adapter";
import type { Child, Ending, MappedMemory, RuntimeName, StartPlan } from "../src/adapter.ts";
import { ProcessError, UnsupportedError } from "../src/errors.ts";
import { test } from "./harness.ts";

startWith(new URL("./fixtures/adapters/child.ts", import.meta.url));

const fs = process.getBuiltinModule("node:fs");
const RUNTIMES: RuntimeName[] = ["node", "bun", "deno"];
const shares = adapter.can.sharedMemory.process;
const memory: MappedMemory | null = shares ? adapter.memory(2 ** 30) : null;
const NOBODY = { pid: 0, tid: 0 };
let slots = 1, offsets = 65536;

const plan = (more: Partial<StartPlan> = {}): StartPlan => ({
  name: "child",
  memory: null,
  daemon: true,
  stdio: "inherit",
  permissions: "inherit",
  executable: null,
  ...more,
});
const text = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));

/** A child with its answers, one after another. */
class Talk {
  readonly child: Child;
  readonly slot: number = slots++;
  readonly #answers: Uint8Array[] = [];
  #wake: () => void = () => {};
  closed = false;

  constructor(kind: "process" | "thread", more: Partial<StartPlan> = {}) {
    const shared = kind === "process" && memory !== null ? { memory, slot: this.slot, isNeeded: false } : null;
    this.child = adapter.start(kind, plan({ memory: shared, ...more }));
    this.child.port.open((bytes) => {
      this.#answers.push(bytes);
      this.#wake();
    }, () => {
      this.closed = true;
      this.#wake();
    });
  }

  say(...command: unknown[]): this {
    this.child.port.post(text(command));
    return this;
  }

  async raw(): Promise<Uint8Array> {
    while (this.#answers.length === 0) {
      if (this.closed) throw new Error("the child is gone");
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    return this.#answers.shift()!;
  }

  // deno-lint-ignore no-explicit-any -- whatever the other end said
  async hear(): Promise<any> {
    return JSON.parse(new TextDecoder().decode(await this.raw()));
  }

  async end(): Promise<Ending> {
    this.say("end");
    const ending = await this.child.ended;
    while (!this.closed) await new Promise<void>((resolve) => this.#wake = resolve);
    return ending;
  }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
}

const word = (offset: number) => new Int32Array(memory!.view(offset, 64).buffer, 0, 16);
const openFds = () => fs.readdirSync("/proc/self/fd").length;

function everyStart(name: string, run: (start: (more?: Partial<StartPlan>) => Talk, kind: "process" | "thread") => Promise<void>): void {
  for (const runtime of RUNTIMES) {
    test(`${name} (process on ${runtime})`, () => run((more) => new Talk("process", { runtime, ...more }), "process"));
  }
  test(`${name} (thread)`, () => run((more) => new Talk("thread", more), "thread"));
}

everyStart("a child echoes frames of all sizes, and what is posted before its end arrives", async (start) => {
  const talk = start().say("ping");
  assert.equal(await talk.hear(), "pong");
  talk.say("echo");
  const sizes = [0, 1, 2, 3, 5, 65531, 65532, 65533, 65536, 2 ** 20, 0, 2 ** 23];
  for (const size of sizes) talk.child.port.post(new Uint8Array(size).fill(size % 251));
  for (const size of sizes) {
    const got = await talk.raw();
    assert.equal(got.length, size);
    assert.isTrue(got.every((byte) => byte === size % 251));
  }
  talk.child.signal(9);
  await talk.child.ended;
});

everyStart("more than any buffer holds goes there and back", async (start, kind) => {
  // What goes through a thread's port is what it is born with, and Deno copies that at some 40 MiB a second.
  const talk = start().say("echo"), chunk = 2 ** 20, count = kind === "thread" ? 40 : 100;
  const body = new Uint8Array(chunk).map((_, i) => i * 7);
  let sent = 0;
  for (let got = 0; got < count; got++) {
    for (; sent < count && sent < got + 32; sent++) talk.child.port.post(body.slice());
    const back = await talk.raw();
    if (back.length !== chunk || back[12345] !== body[12345] || back[chunk - 1] !== body[chunk - 1]) assert.fail("a wrong frame");
  }
  await talk.child.port.flushed();
  talk.child.signal(9);
  await talk.child.ended;
});

everyStart("a child tells where it runs, and is seen to run until it ends", async (start) => {
  const talk = start().say("facts");
  const facts = await talk.hear();
  assert.isAbove(facts.at.tid, 0);
  assert.isTrue(facts.alive);
  assert.isTrue(adapter.threadAlive(facts.at));
  assert.deepEqual(await talk.end(), { code: 0, signal: null });
  await until(() => !adapter.threadAlive(facts.at));
});

everyStart("the exit code arrives", async (start) => {
  const { code, signal } = await start().say("exit", 7).child.ended;
  assert.deepEqual({ code, signal }, { code: 7, signal: null });
});

everyStart("an uncaught error ends a child with 1", async (start) => {
  const { code } = await start({ stdio: "ignore" }).say("throw").child.ended;
  assert.equal(code, 1);
});

everyStart("a rejection that nobody handles is heard, then ends a child with 1", async (start) => {
  const talk = start({ stdio: "ignore" }).say("crash");
  assert.deepEqual(await talk.hear(), { crash: "nobody handles this" });
  assert.deepEqual(await talk.hear(), { exit: 1 });
  assert.equal((await talk.child.ended).code, 1);
});

everyStart("an exit code set beforehand counts at the natural end", async (start) => {
  const talk = start().say("exitcode", 6);
  assert.deepEqual(await talk.hear(), { exit: 6 });
  assert.equal((await talk.child.ended).code, 6);
});

everyStart("piped output can be read", async (start) => {
  const talk = start({ stdio: "pipe" }).say("print", "to out", "to err");
  const out = new Response(talk.child.stdout).text(), err = new Response(talk.child.stderr).text();
  await talk.end();
  assert.equal(await out, "to out\n");
  assert.equal(await err, "to err\n");
});

everyStart("environment is passed on", async (start) => {
  const talk = start({ env: { POLYPROC_TEST: "yes" } }).say("env", "POLYPROC_TEST").say("env", "PATH");
  assert.equal(await talk.hear(), "yes");
  assert.equal(await talk.hear(), process.env.PATH);
  await talk.end();
});

for (const runtime of RUNTIMES) {
  const start = (more: Partial<StartPlan> = {}) => new Talk("process", { runtime, ...more });

  test(`a killed child reports the signal (${runtime})`, async () => {
    for (const signal of [9, 15, 12]) { // not SIGUSR1, at which Node starts its debugger
      const talk = start().say("busy");
      await talk.hear();
      talk.child.signal(0);
      talk.child.signal(signal);
      assert.deepEqual(await talk.child.ended, { code: null, signal });
    }
  });

  test(`what was sent before the end arrives though nobody read it, and we wrote meanwhile (${runtime})`, async () => {
    const talk = start().say("flood", 150_000);
    talk.child.port.post(new Uint8Array(0)); // never read: this makes the end a reset
    const bytes = await talk.raw();
    assert.equal(bytes.length, 150_000);
    for (let i = 0; i < 100 && !talk.closed; i++) {
      talk.child.port.post(new Uint8Array(1000));
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    assert.equal((await talk.child.ended).code, 0);
  });

  test(`arguments are the program's (${runtime})`, async () => {
    const talk = start().say("args", "one", "--two");
    const [args, isMain, argv] = await talk.hear();
    assert.deepEqual(args, ["one", "--two"]);
    assert.isTrue(isMain);
    assert.deepEqual(argv, [new URL(import.meta.url).pathname, "one", "--two"]);
    await talk.end();
  });

  if (shares) {
    test(`blocking until a child ends (${runtime})`, async () => {
      const talk = start().say("exit", 5);
      assert.isNull(talk.child.waitSync(0));
      assert.deepEqual(talk.child.waitSync(10_000), { code: 5, signal: null });
      assert.deepEqual(await talk.child.ended, { code: 5, signal: null });
    });

    test(`a child is alive from its start until SIGKILL (${runtime})`, async () => {
      const talk = start();
      assert.isTrue(memory!.alive(talk.slot, NOBODY));
      talk.say("attach", talk.slot, offsets += 64);
      const { at } = await talk.hear();
      assert.isTrue(memory!.alive(talk.slot, at));
      assert.throws(() => memory!.attach(talk.slot, () => {}), ProcessError);
      talk.child.signal(9);
      await talk.child.ended;
      assert.isFalse(memory!.alive(talk.slot, at));
      assert.isFalse(memory!.alive(talk.slot, NOBODY));
    });

    test(`a daemonic child dies with its killed parent though it computes, another goes on (${runtime})`, async () => {
      for (const daemon of [true, false]) {
        const parent = start({ daemon: false });
        parent.say("beget", plan({ daemon }), [["busy"]]);
        const { pid, says } = await parent.hear();
        assert.equal(says, "busy");
        parent.child.signal(9);
        await parent.child.ended;
        if (daemon) await until(() => !adapter.threadAlive({ pid, tid: 0 }) || isZombie(pid));
        else {
          await new Promise((resolve) => setTimeout(resolve, 50));
          assert.isFalse(isZombie(pid));
          assert.isTrue(adapter.kill(pid, 9));
        }
      }
    });

    test(`a daemonic child lives as long as its parent, whatever thread started it (${runtime})`, async () => {
      const parent = start().say("beget", plan({ daemon: true }), [["tick"]]);
      assert.equal((await parent.hear()).says, "started");
      assert.equal((await parent.hear()).says, "ticked");
      parent.child.signal(9);
      await parent.child.ended;
    });
  }
}

function isZombie(pid: number): boolean {
  try {
    return /^State:\s*Z/m.test(fs.readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return true;
  }
}

test("a runtime that cannot be executed rejects", async () => {
  process.env.POLYPROC_NODE = "/nonexistent/node";
  try {
    const child = adapter.start("process", plan({ runtime: "node" }));
    assert.isNull(child.pid);
    const error = await child.ended.then(() => null, (error) => error);
    assert.instanceOf(error, ProcessError);
    assert.include(error.message, "/nonexistent/node");
  } finally {
    delete process.env.POLYPROC_NODE;
  }
});

test("what a thread cannot have is refused", () => {
  for (const more of [{ permissions: "none" as const }, { runtime: "bun" as const }, { cwd: "/" }]) {
    assert.throws(() => adapter.start("thread", plan(more)), UnsupportedError);
  }
});

test("a process is waited for where the system does not tell of its end", () => {
  let looks = 0;
  const waitid: Libc["waitid"] = (_kind, pid, into) => {
    if (++looks === 3) into.set([17, 0, 1, 0, pid, 0, 7]);
    return 0;
  };
  const libc = { syscall: () => -1, poll: () => 0, waitid } as unknown as Libc;
  assert.deepEqual(waitForProcess(libc, syscallNumbers("x64")!, 5, Infinity), { code: 7, signal: null });
});

test("signalling nobody says so", () => {
  assert.isFalse(adapter.kill(2 ** 22 + 1, 0));
  assert.isTrue(adapter.kill(process.pid, 0));
});

test("a value follows a task through its awaits", async () => {
  const followed = adapter.follow<number>();
  assert.isUndefined(followed.get());
  const wait = () => new Promise((resolve) => setTimeout(resolve, 1));
  await Promise.all([1, 2, 3].map((n) =>
    followed.run(n, async () => {
      await wait();
      assert.equal(followed.get(), n);
    })
  ));
});

if (memory !== null) {
  const mapped = memory;

  test("views are exact and discarding returns pages", () => {
    const offset = 2 ** 20, { buffer, start } = mapped.view(offset, 8 * 4096);
    assert.equal(buffer.byteLength, 8 * 4096);
    const bytes = new Uint8Array(buffer, start).fill(9);
    mapped.discard(offset + 100, 3 * 4096);
    assert.equal(bytes[100], 9);
    assert.equal(bytes[4095], 9);
    assert.equal(bytes[4096], 0);
    assert.equal(bytes[3 * 4096 - 1], 0);
    assert.equal(bytes[3 * 4096 + 50], 9);
  });

  test("processes on all runtimes and a thread add to one word", async () => {
    const offset = offsets += 64;
    const talks = [...RUNTIMES.map((runtime) => new Talk("process", { runtime })), new Talk("thread").say("map", mapped.handle)];
    assert.equal(await talks[3].hear(), "mapped");
    for (const talk of talks) talk.say("add", offset, 200_000);
    await Promise.all(talks.map((talk) => talk.hear()));
    assert.equal(word(offset)[0], 200_000 * talks.length);
    await Promise.all(talks.map((talk) => talk.end()));
  });

  test("everybody wakes everybody's event loop, and everybody's parked thread", async () => {
    const talks = [...RUNTIMES.map((runtime) => new Talk("process", { runtime })), new Talk("thread").say("map", mapped.handle)];
    assert.equal(await talks[3].hear(), "mapped");
    const loops = talks.map(() => offsets += 64), doors: { door: [number, number]; at: { pid: number; tid: number } }[] = [];
    for (const [i, talk] of talks.entries()) {
      talk.say("attach", talk.slot, loops[i]);
      doors.push(await talk.hear());
      assert.isTrue(mapped.alive(talk.slot, doors[i].at));
    }
    for (const [i, waiter] of talks.entries()) {
      for (const ringer of talks) {
        if (ringer === waiter) continue;
        for (let again = 0; again < 5; again++) {
          const before = word(loops[i])[0];
          ringer.say("rouse", doors[i].door, doors[i].at, loops[i]);
          assert.equal(await ringer.hear(), doors[i].door[0] !== 0);
          while ((await waiter.hear()).rung <= before);
        }
        const own = doors[i], before = word(loops[i])[0];
        Atomics.add(word(loops[i]), 0, 1);
        mapped.unpark(loops[i]);
        mapped.rouse(own.door, own.at);
        while ((await waiter.hear()).rung <= before);
      }
    }
    for (const talk of talks) {
      talk.say("detach", talk.slot);
      while (await talk.hear() !== "detached");
    }
    const offset = offsets += 64;
    for (const waiter of talks) {
      for (const ringer of talks) {
        if (ringer === waiter) continue;
        Atomics.store(word(offset), 0, 0);
        waiter.say("park", offset, 0);
        assert.equal(await waiter.hear(), "parking");
        await new Promise((resolve) => setTimeout(resolve, 2));
        ringer.say("rouse", [0, 0], NOBODY, offset);
        assert.isFalse(await ringer.hear());
        assert.deepEqual(await waiter.hear(), { parked: 1 });
      }
    }
    await Promise.all(talks.map((talk) => talk.end()));
  });

  test("an event loop here is woken, does not keep the program alive, and can give its slot up", async () => {
    const offset = offsets += 64, slot = slots++;
    let rings = 0;
    const door = mapped.attach(slot, () => rings++);
    assert.isTrue(mapped.alive(slot, adapter.thread()));
    for (let i = 0; i < 3; i++) {
      const before = rings;
      mapped.listen(slot, offset, Atomics.load(word(offset), 0));
      Atomics.add(word(offset), 0, 1);
      mapped.unpark(offset);
      mapped.rouse(door, adapter.thread());
      await until(() => rings > before);
    }
    const start = performance.now();
    mapped.park(offset, Atomics.load(word(offset), 0), 20);
    assert.isAtLeast(performance.now() - start, 19);
    mapped.detach(slot);
    assert.isFalse(mapped.alive(slot, NOBODY));
  });

  test("a terminated thread is not alive", async () => {
    const talk = new Talk("thread").say("map", mapped.handle);
    await talk.hear();
    const { at } = await talk.say("attach", talk.slot, offsets += 64).hear();
    assert.isTrue(mapped.alive(talk.slot, at));
    talk.child.signal(15);
    await talk.child.ended;
    await until(() => !mapped.alive(talk.slot, at));
  });
}

test("a child gets its runtime's flags, but for those of the parent's own start, with their values", () => {
  const node = ["--cpu-prof", "--cpu-prof-interval", "200", "-e", "1 + 1", "--test-only", "--watch-path=src", "--inspect-port", "9229"];
  const kept = ["--import", "tsx", "--no-warnings"];
  assert.deepEqual(ownFlags("node", ["--import", "tsx", "--input-type=module", ...node, "--no-warnings"]), kept);
  const bun = ["--smol", "--watch", "--hot", "--cwd", "sub", "--inspect-wait=9229", "-e", "1 + 1", "--cpu-prof", "--conditions=dev", "-"];
  assert.deepEqual(ownFlags("bun", bun), ["--smol", "--conditions=dev"]);
});

test("children leave no descriptor behind", async () => {
  const start = async (count: number) => {
    for (let i = 0; i < count; i += 8) {
      const talks = Array.from({ length: 8 }, () => new Talk("process", { runtime: "bun" }).say("ping"));
      await Promise.all(talks.map((talk) => talk.hear()));
      await Promise.all(talks.map((talk) => talk.end()));
    }
  };
  await start(8);
  const before = openFds();
  await start(24);
  await until(() => openFds() <= before);
});
