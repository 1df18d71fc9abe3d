/** Processes as their parent sees them: life, endings, errors, streams, options. */
import process from "node:process";
import { assert } from "chai";
import * as mp from "../mod.ts";
import * as work from "./fixtures/process.ts";
import * as awaiting from "./fixtures/process_awaits.ts";
import { needsMemory, sleep, text, thrown } from "./fixtures/process_program.ts";
import { eachMethod, endings, modules, standardModules, test } from "./harness.ts";

type Child = mp.Process;

const TERM = -15, KILL = -9, INT = -2;
const OWN_THREAD: mp.StartMethod[] = ["process", "thread"];

/** How a process stands, apart from its name. */
function state(child: Child) {
  return { alive: child.isAlive(), exitcode: child.exitcode, pid: child.pid, ident: child.ident, error: child.error, daemon: child.daemon };
}

const UNSTARTED = { alive: false, exitcode: null, pid: null, ident: null, error: null, daemon: false };

eachMethod("a process runs its target with its arguments, name and id, and then has ended", async (ctx) => {
  const queue = new ctx.Queue();
  const child = new ctx.Process({ target: work.report, args: [queue, 1, { deep: [2] }], name: "SomeProcess", daemon: true });
  assert.deepEqual(state(child), { ...UNSTARTED, daemon: true });
  assert.notInclude(mp.activeChildren(), child);
  assert.isTrue(Array.isArray(mp.activeChildren()));
  assert.strictEqual(child.start(), child);
  assert.isTrue(child.isAlive());
  assert.isNull(child.exitcode);
  assert.include(mp.activeChildren(), child);
  const seen = await queue.get() as Record<string, unknown>;
  assert.deepEqual(seen.args, [1, { deep: [2] }]);
  assert.equal(seen.name, "SomeProcess");
  assert.equal(seen.pid, child.pid);
  assert.equal(seen.ident, child.ident);
  assert.isTrue(seen.daemon);
  assert.isNull(seen.exitcode);
  assert.isTrue(seen.alive);
  assert.equal(await child.join(), 0);
  assert.equal(await child.join(), 0);
  assert.equal(await child.join({ timeout: 0 }), 0);
  assert.equal(child.exitcode, 0);
  assert.isFalse(child.isAlive());
  assert.notInclude(mp.activeChildren(), child);
});

eachMethod("the parent's name and id are known in the child", async (ctx) => {
  const queue = new ctx.Queue();
  const child = new ctx.Process({ target: work.reportParent, args: [queue] }).start();
  assert.deepEqual(await queue.get(), { pid: process.pid, name: "MainProcess", alive: true });
  assert.equal(await child.join(), 0);
});

eachMethod("a process without a target ends at once", async (ctx) => {
  assert.equal(await new ctx.Process().start().join(), 0);
});

eachMethod("names count the children, unless they are given", (ctx) => {
  const number = (child: Child) => Number(/^Process-(\d+)$/.exec(child.name)?.[1]);
  const first = new ctx.Process(), second = new ctx.Process();
  assert.equal(number(second), number(first) + 1);
  assert.equal(new ctx.Process({ name: "Bob" }).name, "Bob");
  class Special extends ctx.Process {}
  assert.match(new Special().name, /^Special-\d+$/);
  first.name = "renamed";
  assert.equal(first.name, "renamed");
  assert.match(String(first), /^<Process name='renamed' parent=\d+ initial>$/);
});

test("wrong options are refused by name", async () => {
  const refused: [unknown, RegExp][] = [
    [5, /object/],
    [null, /object/],
    [{ target: "run" }, /target/],
    [{ target: work.nothing, args: "abc" }, /args/],
    [{ name: 5 }, /name/],
    [{ daemon: "yes" }, /daemon/],
    [{ stdio: "shout" }, /stdio/],
    [{ runtime: "perl" }, /runtime/],
    [{ cwd: 5 }, /cwd/],
    [{ env: "A=B" }, /env/],
    [{ execArgv: "--flag" }, /execArgv/],
    [{ resourceLimits: { maxOldSpaceMb: "50" } }, /resourceLimits must be an object { maxOldSpaceMb } with a positive number/],
    [{ resourceLimits: { maxOldGenerationSizeMb: 50 } }, /maxOldSpaceMb/],
  ];
  for (const [options, pattern] of refused) {
    const error = await thrown(() => new mp.Process(options as mp.ProcessOptions));
    assert.instanceOf(error, TypeError, JSON.stringify(options));
    assert.match(error.message, pattern);
  }
  const second = /^Cannot make a process: it takes one object { target, args }; its second argument is an array$/;
  for (const { Process } of [mp, mp.getContext("inline")]) {
    assert.throws(() => new Process({ target: work.nothing }, [20] as never), TypeError, second);
  }
});

eachMethod("misuse is refused, and changes nothing", async (ctx) => {
  const child = new ctx.Process({ target: work.nap, args: [20] });
  for (const action of ["join", "terminate", "kill", "interrupt", "joinSync"] as const) {
    const error = await thrown(() => child[action]());
    assert.instanceOf(error, mp.ProcessError, action);
    assert.match(error.message, /not started/);
    assert.deepEqual(state(child), UNSTARTED);
  }
  assert.instanceOf(await thrown(() => child.sentinel), mp.ProcessError);
  child.daemon = true;
  assert.isTrue(child.daemon);
  child.daemon = false;
  child.start();
  const before = state(child);
  assert.match((await thrown(() => child.start())).message, /twice/);
  assert.match((await thrown(() => child.daemon = true)).message, /started already/);
  assert.instanceOf(await thrown(() => (child as { name: unknown }).name = 5), TypeError);
  assert.deepEqual(state(child), before);
  assert.equal(await child.join(), 0);
  const after = state(child);
  assert.instanceOf(await thrown(() => child.start()), mp.ProcessError);
  child.terminate();
  child.kill();
  child.interrupt();
  assert.deepEqual(state(child), after);
});

eachMethod("a run that was assigned is none that a child could find", async (ctx) => {
  const child = Object.assign(new ctx.Process(), { run: () => {} });
  const error = await thrown(() => child.start());
  assert.instanceOf(error, mp.TargetError);
  assert.match(error.message, /^Cannot start Process-\S+: its run was assigned, .*exported class; or pass a target$/);
  assert.deepEqual(state(child), UNSTARTED);
}, { methods: ["process", "thread"] });

eachMethod("what cannot travel fails the start and leaves the process as it was", async (ctx) => {
  const args: unknown[] = [{ list: [1, () => {}] }];
  const child = new ctx.Process({ target: work.nothing as (...args: unknown[]) => void, args });
  const active = mp.activeChildren();
  for (let times = 0; times < 2; times++) {
    const error = await thrown(() => child.start());
    assert.instanceOf(error, mp.DataCloneError);
    assert.include(error.message, "args[0].list[1]");
    assert.deepEqual(state(child), UNSTARTED);
    assert.sameMembers(mp.activeChildren(), active);
  }
  args[0] = 1;
  assert.equal(await child.start().join(), 0);
}, { methods: ["process", "thread", "inline"] });

// Its worker would keep the program alive.
eachMethod("a buffer that cannot be moved fails the start, and no thread is left", async (ctx) => {
  const { buffer } = new WebAssembly.Memory({ initial: 1 });
  const target = work.nothing as (...args: unknown[]) => void;
  const child = new ctx.Process({ target, args: [buffer], transfer: [buffer as ArrayBuffer] });
  assert.instanceOf(await thrown(() => child.start()), mp.DataCloneError);
  assert.deepEqual(state(child), UNSTARTED);
}, { methods: ["thread"] });

eachMethod("a target that no child could find fails the start", async (ctx) => {
  const child = new ctx.Process({ target: Math.max.bind(null, 1) });
  const error = await thrown(() => child.start());
  assert.instanceOf(error, mp.TargetError);
  assert.deepEqual(state(child), UNSTARTED);
}, { methods: OWN_THREAD });

eachMethod("a module or a name that is not there ends the child with the reason", async (ctx) => {
  const there = new URL("./fixtures/process.ts", import.meta.url);
  for (
    const [module, name, pattern] of [
      [there, "nowhere", /nowhere/],
      [new URL("./fixtures/process_missing.ts", import.meta.url), "any", /process_missing/],
      [new URL("./fixtures/process_throws.ts", import.meta.url), "any", /thrown while importing/],
    ] as const
  ) {
    const child = new ctx.Process({ target: { module, name }, stdio: ctx.getStartMethod() === "inline" ? undefined : "pipe" }).start();
    const output = text(child.stderr);
    assert.equal(await child.join(), 1);
    assert.match((child.error as Error).message, pattern);
    if (ctx.getStartMethod() !== "inline") assert.match(await output, pattern);
  }
}, { needs: modules });

eachMethod("joins with a timeout give null while it runs, whatever the timeout; then it is ended", async (ctx) => {
  for (const [end, code] of [["terminate", TERM], ["kill", KILL]] as const) {
    const queue = new ctx.Queue();
    const child = new ctx.Process({ target: work.linger, args: [queue], daemon: true }).start();
    for (const timeout of [0, -1, 20]) {
      const start = performance.now();
      assert.isNull(await child.join({ timeout }));
      assert.isAtLeast(performance.now() - start, timeout - 1);
      assert.isTrue(child.isAlive());
      assert.isNull(child.exitcode);
    }
    await queue.get();
    child[end]();
    assert.equal(await child.join(), code);
    assert.equal(await child.join({ timeout: 1000 }), code);
    assert.isFalse(child.isAlive());
    assert.equal(child.exitcode, code);
    assert.isNull(child.error);
    assert.notInclude(mp.activeChildren(), child);
  }
});

eachMethod("a child that computes without a pause can be ended", async (ctx) => {
  const queue = new ctx.Queue();
  const child = new ctx.Process({ target: work.spin, args: [queue] }).start();
  await queue.get();
  child.terminate();
  assert.equal(await child.join(), TERM);
}, { methods: OWN_THREAD });

eachMethod("a child that blocks in a wait can be ended", async (ctx) => {
  const queue = new ctx.Queue();
  const child = new ctx.Process({ target: work.block, args: [queue] }).start();
  assert.equal(await queue.get(), "up");
  await sleep(30);
  child.terminate();
  assert.equal(await child.join(), TERM);
}, { methods: OWN_THREAD, needs: (can) => needsMemory(can) });

test("interrupt ends a process as Ctrl-C does, or calls its handler", async () => {
  const ctx = mp.getContext("process");
  const queue = new ctx.Queue();
  const plain = new ctx.Process({ target: work.linger, args: [queue] }).start();
  await queue.get();
  plain.interrupt();
  assert.equal(await plain.join(), INT);
  const handling = new ctx.Process({ target: work.lingerInFinally, args: [queue] }).start();
  await queue.get();
  handling.interrupt();
  assert.equal(await handling.join(), 1);
  assert.equal(await queue.get(), "handled");
}, { needs: (can) => can.startMethods.includes("process") ? needsMemory(can) : "no processes" });

eachMethod("the sentinel settles with the end", async (ctx) => {
  const [here, there] = ctx.Pipe();
  const child = new ctx.Process({ target: work.waitFor, args: [there] });
  assert.instanceOf(await thrown(() => child.sentinel), mp.ProcessError);
  child.start();
  assert.deepEqual(await mp.wait([child.sentinel], { timeout: 0 }), []);
  assert.deepEqual(await mp.wait([child], { timeout: 10 }), []);
  await here.send(1);
  assert.equal(await child.sentinel, 0);
  assert.equal((await mp.wait([child, child.sentinel], { timeout: 1000 })).length, 2);
});

eachMethod("a running process cannot be closed, and a closed one only be named", async (ctx) => {
  const [here, there] = ctx.Pipe();
  const child = new ctx.Process({ target: work.waitFor, args: [there], name: "shut" }).start();
  assert.match((await thrown(() => child.close())).message, /still running/);
  assert.isTrue(child.isAlive());
  await here.send(1);
  await child.join();
  child.close();
  child.close();
  for (
    const use of [
      () => child.isAlive(),
      () => child.join(),
      () => child.joinSync(),
      () => child.terminate(),
      () => child.kill(),
      () => child.exitcode,
      () => child.pid,
      () => child.ident,
      () => child.sentinel,
      () => child.error,
      () => child.daemon,
      () => child.start(),
    ]
  ) {
    const error = await thrown(use);
    assert.instanceOf(error, mp.ProcessError);
    assert.match(error.message, /closed/);
  }
  assert.equal(child.name, "shut");
  assert.match(String(child), /closed/);
  const unstarted = new ctx.Process();
  unstarted.close();
  assert.instanceOf(await thrown(() => unstarted.start()), mp.ProcessError);
});

eachMethod("leaving the scope of `await using` ends the process", async (ctx) => {
  const queue = new ctx.Queue();
  // Called as the statement does it, which not every runtime can parse.
  const child = new ctx.Process({ target: work.linger, args: [queue] }).start();
  await queue.get();
  await child[Symbol.asyncDispose]();
  assert.equal(child.exitcode, TERM);
  await child[Symbol.asyncDispose]();
  await new ctx.Process()[Symbol.asyncDispose]();
});

eachMethod("aborting its signal terminates a process; an aborted one refuses the start", async (ctx) => {
  const queue = new ctx.Queue(), controller = new AbortController();
  const child = new ctx.Process({ target: work.linger, args: [queue], signal: controller.signal }).start();
  await queue.get();
  controller.abort();
  assert.equal(await child.join(), TERM);
  const late = new ctx.Process({ signal: AbortSignal.abort(new RangeError("too late")) });
  assert.equal((await thrown(() => late.start())).message, "too late");
  assert.deepEqual(state(late), UNSTARTED);
});

// ---- endings ----

eachMethod("an exit code is what the child exits with", async (ctx) => {
  for (const exit of [work.exitWith, work.denoExit]) {
    for (const code of [0, 1, 7]) {
      const child = new ctx.Process({ target: exit as (code?: number) => void, args: [code] }).start();
      assert.equal(await child.join(), code, exit.name);
      assert.isNull(child.error);
    }
  }
  // Of threads as well; below zero would be a signal.
  for (const [code, seen] of [[-9, 247], [256, 0]]) {
    const child = new ctx.Process({ target: work.exitWith as (code?: number) => void, args: [code] }).start();
    assert.equal(await child.join(), seen);
  }
  assert.equal(await new ctx.Process({ target: work.exitWith }).start().join(), 0);
  assert.equal(await new ctx.Process({ target: work.setExitCode, args: [3] }).start().join(), 3);
}, { methods: OWN_THREAD, needs: endings });

eachMethod("an uncaught error ends with 1, is printed there, and arrives here", async (ctx) => {
  const piped = ctx.getStartMethod() !== "inline";
  const run = async (kind: string, target: (kind: string) => unknown = work.fail) => {
    const child = new ctx.Process({ target, args: [kind], stdio: piped ? "pipe" : undefined, name: "Broken" }).start();
    const output = text(child.stderr);
    assert.equal(await child.join(), 1, kind);
    assert.equal(child.exitcode, 1);
    return { error: child.error as Error & Record<string, unknown>, printed: piped ? await output : null };
  };
  for (const target of [work.fail, work.failAsync]) {
    const { error, printed } = await run("range", target);
    assert.instanceOf(error, RangeError);
    assert.equal(error.message, "out of range");
    assert.equal(error.code, "ERANGE");
    assert.deepEqual(error.details, { n: 1 });
    assert.match(error.stack ?? "", /fixtures\/process\.ts/);
    if (printed !== null) {
      assert.match(printed, /^Process Broken:\n/m);
      assert.match(printed, /RangeError: out of range/);
      assert.match(printed, /fixtures\/process\.ts/);
    }
  }
  const { error: outer, printed } = await run("cause");
  assert.equal(outer.message, "outer");
  assert.instanceOf(outer.cause, TypeError);
  assert.equal((outer.cause as Error).message, "inner");
  assert.equal((outer.cause as Error).cause, "root");
  if (printed !== null) assert.match(printed, /inner/);

  const registered = (await run("registered")).error;
  assert.instanceOf(registered, work.Teapot);
  assert.equal(registered.litres, 2);
  assert.equal(registered.code, "ETEA");

  const unregistered = (await run("unregistered")).error;
  assert.instanceOf(unregistered, Error);
  assert.equal(unregistered.name, "Cup");
  assert.equal(unregistered.code, 418);

  const several = (await run("aggregate")).error as unknown as AggregateError;
  assert.instanceOf(several, AggregateError);
  assert.instanceOf(several.errors[0], RangeError);
}, { timeoutMs: 60_000, needs: modules });

eachMethod("odd things that are thrown end the child all the same", async (ctx) => {
  const run = async (kind: string) => {
    const child = new ctx.Process({ target: work.fail, args: [kind], stdio: ctx.getStartMethod() === "inline" ? undefined : "ignore" })
      .start();
    assert.equal(await child.join(), 1, kind);
    assert.instanceOf(child.error, Error, kind);
    return child.error as Error & Record<string, unknown>;
  };
  for (const [kind, value] of [["text", "just text"], ["undefined", undefined], ["null", null], ["object", { not: "an error" }]] as const) {
    const error = await run(kind);
    assert.instanceOf(error, mp.RemoteError);
    assert.deepEqual(error.cause, value);
  }
  const cyclic = await run("cyclic");
  assert.equal(cyclic.message, "cyclic");
  assert.strictEqual(cyclic.cause, cyclic);
  assert.strictEqual(cyclic.self, cyclic);
  const unsendable = await run("unsendable");
  assert.include(unsendable.message, "with a function");
  assert.equal((await run("large")).message.length, 2 ** 20);
  if (ctx.getStartMethod() !== "inline") await run("proxy");
}, { timeoutMs: 60_000 });

eachMethod("an error after the target returned ends the child too", async (ctx) => {
  for (const how of ["throw", "reject"] as const) {
    const child = new ctx.Process({ target: work.failLater, args: [how], stdio: "pipe", name: "Late" }).start();
    const output = text(child.stderr);
    assert.equal(await child.join(), 1, how);
    assert.instanceOf(child.error, RangeError, how);
    assert.equal((child.error as Error).message, "later");
    assert.equal((child.error as { code?: string }).code, "ELATER");
    assert.match(await output, /^Process Late:\n/m);
    assert.match(await output, /later/);
  }
}, { methods: OWN_THREAD, needs: endings });

eachMethod("an error that the child's own handler takes is none", async (ctx) => {
  const child = new ctx.Process({ target: work.handleLater }).start();
  assert.equal(await child.join(), 5);
  assert.isNull(child.error);
}, { methods: OWN_THREAD, needs: endings });

eachMethod("work in the background is waited for, unless it was let go", async (ctx) => {
  const queue = new ctx.Queue();
  const child = new ctx.Process({ target: work.background, args: [queue] }).start();
  assert.equal(await child.join(), 0);
  assert.deepEqual([await queue.get(), await queue.get()], ["returned", "done"]);
  assert.isTrue(queue.empty());
}, { methods: OWN_THREAD, needs: endings });

eachMethod("exit handlers of the child run", async (ctx) => {
  const queue = new ctx.Queue();
  assert.equal(await new ctx.Process({ target: work.atExit, args: [queue] }).start().join(), 0);
  const seen: unknown[] = [];
  while (!queue.empty()) seen.push(queue.getNowait());
  assert.include(seen, "exit 0");
}, { methods: OWN_THREAD, needs: needsMemory });

test("running out of memory ends a process, and no other", async () => {
  const child = new (mp.getContext("process").Process)({
    target: work.eatMemory,
    stdio: "ignore",
    resourceLimits: { maxOldSpaceMb: 32 },
    runtime: mp.capabilities().runtime.startsWith("deno") ? "deno" : "node",
  }).start();
  const code = await child.join();
  assert.notEqual(code, 0);
  assert.isNumber(code);
}, { timeoutMs: 60_000, needs: (can) => can.startMethods.includes("process") ? null : "no processes" });

// ---- streams ----

eachMethod("output goes where stdio says", async (ctx) => {
  const child = new ctx.Process({ target: work.say, args: ["to out", "to err"], stdio: "pipe" }).start();
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr), child.join()]);
  assert.equal(out, "to out\n");
  assert.equal(err, "to err\n");
  for (const stdio of ["ignore", "inherit"] as const) {
    const other = new ctx.Process({ target: work.say, args: ["", ""], stdio }).start();
    assert.isNull(other.stdout);
    assert.isNull(other.stderr);
    assert.equal(await other.join(), 0, `${stdio}: ${other.error}`);
  }
}, { methods: OWN_THREAD });

eachMethod("a child ends whose output nobody reads any further", async (ctx) => {
  const queue = new ctx.Queue();
  const child = new ctx.Process({ target: work.sayTwice, args: [queue], stdio: "pipe" }).start();
  for await (const _ of child.stdout!) break;
  await queue.put("go on");
  const code = await child.join();
  // A process may die of it: its pipe is broken.
  if (ctx.getStartMethod() === "thread") assert.equal(code, 0, String(child.error));
  else assert.isNumber(code);
}, { methods: OWN_THREAD });

eachMethod("300 MB of output pass", async (ctx) => {
  const child = new ctx.Process({ target: work.flood, args: [300], stdio: "pipe" }).start();
  let length = 0;
  for await (const chunk of child.stdout!) length += chunk.length;
  assert.equal(await child.join(), 0);
  assert.equal(length, 300 * 2 ** 20);
}, { methods: OWN_THREAD, timeoutMs: 90_000, needs: standardModules });

test("standard input of a child is empty", async () => {
  const ctx = mp.getContext("process");
  const queue = new ctx.Queue();
  const child = new ctx.Process({ target: work.readInput, args: [queue] }).start();
  assert.equal(await queue.get(), 0);
  assert.equal(await child.join(), 0);
}, { needs: (can) => can.startMethods.includes("process") ? needsMemory(can) : "no processes" });

// ---- options ----

test("environment, directory and arguments of the runtime are the child's own", async () => {
  const ctx = mp.getContext("process");
  const queue = new ctx.Queue();
  const child = new ctx.Process({ target: work.surroundings, args: [queue, "POLYPROC_TESTED"], env: { POLYPROC_TESTED: "yes" }, cwd: "/" })
    .start();
  const [value, cwd, , hasPath] = await queue.get() as [string, string, string[], boolean];
  assert.deepEqual([value, cwd, hasPath], ["yes", "/", true]);
  assert.equal(await child.join(), 0);
  assert.isUndefined(process.env.POLYPROC_TESTED);
}, { needs: (can) => can.startMethods.includes("process") ? needsMemory(can) : "no processes" });

test("a runtime that cannot be executed rejects the join", async () => {
  for (const join of ["join", "joinSync"] as const) {
    process.env.POLYPROC_BUN = "/nonexistent/bun";
    const child = new (mp.getContext("process").Process)({ target: work.nothing, runtime: "bun" });
    try {
      child.start();
    } finally {
      delete process.env.POLYPROC_BUN;
    }
    const error = await thrown(() => child[join]());
    assert.instanceOf(error, mp.ProcessError);
    assert.include(error.message, "/nonexistent/bun");
    await thrown(() => child.join());
    assert.isFalse(child.isAlive());
    assert.isNull(child.exitcode);
    assert.notInclude(mp.activeChildren(), child);
    child.terminate();
    child.close();
  }
}, { needs: (can) => can.startMethods.includes("process") ? needsMemory(can) : "no processes" });

test("what a start method cannot give is refused at the start", async () => {
  const options: [mp.StartMethod, mp.ProcessOptions][] = [
    ["thread", { runtime: "node" }],
    ["thread", { cwd: "/" }],
    ["thread", { permissions: "none" }],
    ["inline", { runtime: "node" }],
    ["inline", { cwd: "/" }],
    ["inline", { stdio: "pipe" }],
    ["inline", { env: {} }],
    ["process", { permissions: "none", runtime: "node" }],
  ];
  for (const [method, option] of options) {
    if (!mp.getAllStartMethods().includes(method)) continue;
    const child = new (mp.getContext(method).Process)({ target: work.nothing, ...option });
    assert.instanceOf(await thrown(() => child.start()), mp.UnsupportedError, JSON.stringify([method, option]));
    assert.deepEqual(state(child), UNSTARTED);
  }
});

// ---- blocking ----

eachMethod("joinSync blocks until the end, or the timeout", (ctx) => {
  const child = new ctx.Process({ target: work.nap, args: [100] }).start();
  const start = performance.now();
  assert.isNull(child.joinSync({ timeout: 0 }));
  assert.isNull(child.joinSync({ timeout: -5 }));
  assert.isNull(child.joinSync({ timeout: 10 }));
  assert.isAtLeast(performance.now() - start, 9);
  assert.equal(child.joinSync(), 0);
  assert.isFalse(child.isAlive());
  for (const [code, seen] of [[4, 4], [-9, 247]]) {
    const failing = new ctx.Process({ target: work.exitWith as (code?: number) => void, args: [code] }).start();
    assert.equal(failing.joinSync(), seen);
  }
  const terminated = new ctx.Process({ target: work.nap, args: [100_000] }).start();
  terminated.terminate();
  assert.equal(terminated.joinSync(), TERM);
}, { methods: OWN_THREAD, needs: (can) => needsMemory(can) });

eachMethod("joinSync knows how a thread ended whose place another has taken", (ctx) => {
  const said = new ctx.Queue<string>();
  const first = new ctx.Process({ target: work.nothing }).start();
  const second = new ctx.Process({ target: work.takePlaces, args: [said] }).start();
  assert.equal(said.getSync(), "taken");
  assert.equal(first.joinSync(), 0);
  second.terminate();
  assert.equal(second.joinSync(), TERM);
}, { methods: ["thread"], needs: (can) => needsMemory(can) });

test("joinSync of an inline task is refused", async () => {
  const child = new (mp.getContext("inline").Process)({ target: work.nothing }).start();
  assert.instanceOf(await thrown(() => child.joinSync()), mp.UnsupportedError);
  assert.equal(await child.join(), 0);
});

// ---- subclasses ----

eachMethod("a subclass runs its own run() with its own fields", async (ctx) => {
  const [here, there] = ctx.Pipe();
  const child = new (ctx.getStartMethod() === "process" ? work.Shouter : methodical(ctx))(there, { name: "Shouting" });
  child.prefix = "! ";
  child.start();
  for (const word of ["hello", "world"]) {
    await here.send(word);
    assert.equal(await here.recv(), "! " + word.toUpperCase());
  }
  await here.send(null);
  assert.deepEqual(await here.recv(), ["Shouting", 2, true, "Shouting"]);
  assert.equal(await child.join(), 0);
}, { follows: true });

eachMethod("a subclass's run() may go on to the target that it was given", async (ctx) => {
  const queue = new ctx.Queue<unknown>();
  const child = new work.Announcer(queue, { target: work.report, args: [queue, 7] }, ctx.getStartMethod()!).start();
  assert.equal(await child.join(), 0);
  assert.equal(queue.qsize(), 2);
  assert.equal(await queue.get(), "announced");
  assert.deepEqual((await queue.get() as { args: unknown[] }).args, [7]);
});

eachMethod("a subclass's run() goes on to a target in a module, with the arguments of its start", async (ctx) => {
  const queue = new ctx.Queue<unknown>(), list = [7];
  const target = { module: new URL("./fixtures/process.ts", import.meta.url), name: "report" };
  const child = new work.Announcer(queue, { target, args: [queue, list] }, ctx.getStartMethod()!).start();
  list.push(8);
  assert.equal(await child.join(), 0);
  assert.equal(queue.qsize(), 2);
  assert.equal(await queue.get(), "announced");
  assert.deepEqual((await queue.get() as { args: unknown[] }).args, [[7]]);
}, { needs: modules });

/** The subclass for another start method than the default. */
function methodical(ctx: mp.Context): typeof work.Shouter {
  const method = ctx.getStartMethod()!;
  return { thread: work.ThreadShouter, inline: work.InlineShouter, process: work.Shouter }[method] as unknown as typeof work.Shouter;
}

// ---- many ----

eachMethod("many children end with 0, and many more can be ended while they start", async (ctx) => {
  const count = ctx.getStartMethod() === "process" ? 12 : 25;
  const naps = Array.from({ length: count }, () => new ctx.Process({ target: work.nap, args: [10] }).start());
  assert.deepEqual(await Promise.all(naps.map((child) => child.join())), naps.map(() => 0));
  const sleepers = Array.from({ length: count }, () => new ctx.Process({ target: work.forever }).start());
  await sleep(1);
  for (const child of sleepers) child.terminate();
  assert.deepEqual(await Promise.all(sleepers.map((child) => child.join())), sleepers.map(() => TERM));
  assert.deepEqual(mp.activeChildren(), []);
}, { timeoutMs: 120_000 });

eachMethod("files are read while many children run", async (ctx) => {
  const queue = new ctx.Queue<string>();
  // More than there are threads for what blocks: Deno has 32, Node four.
  const children = Array.from(
    { length: "Deno" in globalThis ? 40 : 12 },
    () => new ctx.Process({ target: work.linger, args: [queue] }).start(),
  );
  for (const _ of children) assert.equal(await queue.get(), "up");
  const { readFile } = await import("node:fs/promises");
  assert.include(await readFile(new URL(import.meta.url), "utf8"), "files are read");
  for (const child of children) child.kill();
  for (const child of children) assert.equal(await child.join(), KILL);
}, { methods: ["process"], timeoutMs: 120_000 });

eachMethod("children killed at any moment of their start are joined", async (ctx) => {
  for (let times = 0; times < 15; times++) {
    const child = new ctx.Process({ target: work.nap, args: [30], stdio: "ignore" }).start();
    await sleep(Math.random() * 150);
    child.kill();
    assert.include([0, KILL], await child.join());
  }
}, { methods: OWN_THREAD, timeoutMs: 120_000 });

eachMethod("children can be killed while their module waits for another that awaits something", async (ctx) => {
  const start = () => new ctx.Process({ target: awaiting.finish, stdio: "ignore" }).start();
  const begin = performance.now();
  assert.equal(await start().join(), 0);
  const usualMs = performance.now() - begin;
  for (let times = 0; times < 8; times++) {
    const child = start();
    await sleep(usualMs * (0.4 + 0.6 * Math.random()));
    child.kill();
    assert.include([0, KILL], await child.join(), String(child.error));
  }
}, { methods: ["thread"], timeoutMs: 120_000 });

eachMethod("children that exit in the middle of things are joined", async (ctx) => {
  const queue = new ctx.Queue({ capacity: 4096 });
  for (const when of ["put", "get", "import", "microtask", "spawn"]) {
    const child = new ctx.Process({ target: work.exitDuring, args: [queue, when] }).start();
    assert.equal(await child.join(), 6, when);
  }
  while (!queue.empty()) queue.getNowait();
  await queue.put("still works");
  assert.equal(await queue.get(), "still works");
}, { methods: OWN_THREAD });
