// run: on=node22,node26,deno,bun
/** Trees of processes: what happens to children at their parent's end, whatever that is. */
import { spawnSync } from "node:child_process";
import process from "node:process";
import { readdirSync, readFileSync } from "node:fs";
import { assert } from "chai";
import * as mp from "../mod.ts";
import * as work from "./fixtures/process.ts";
import { needsMemory, runProgram, runs, sleep, startProgram, until } from "./fixtures/process_program.ts";
import { eachMethod, test } from "./harness.ts";

const needsProcesses = (can: mp.Capabilities) => can.startMethods.includes("process") ? needsMemory(can) : "no processes";
const pidOf = (lines: string[], label: string) => Number(lines.find((line) => new RegExp(`^${label} \\d+`).test(line))?.split(" ")[1] ?? 0);

for (const method of ["process", "thread"] as const) {
  test(`a natural end waits for children, and ends the daemonic (${method})`, async () => {
    const { out, err, code } = await runProgram("natural", { args: [method] });
    assert.equal(code, 0, err);
    assert.include(out, "plain done");
    assert.notInclude(out, "daemon done");
    const daemon = pidOf(out.split("\n"), "daemon");
    if (method === "process" && daemon !== 0) await until("gone", () => !runs(daemon));
  });

  for (const [how, expected] of [["exit", 3], ["throw", 1], ["reject", 1]] as const) {
    test(`an end by ${how} ends all children (${method})`, async () => {
      const program = startProgram("ending", { args: [method, how] });
      const { out, code, err } = await program.ended;
      assert.equal(code, expected, err);
      assert.notInclude(out, "done");
      if (method === "process") {
        for (const label of ["plain", "daemon", "child", "grandchild", "late"]) {
          const pid = pidOf(program.lines, label);
          if (label !== "late") assert.isAbove(pid, 0, `${label} of ${out}`);
          await until(`${label} was ended`, () => !runs(pid));
        }
      }
    });
  }
}

for (const method of ["process", "thread"] as const) {
  test(`a wait for a daemonic child, or its sentinel, keeps the program alive (${method})`, async () => {
    const { out, err, code } = await runProgram("waiting", { args: [method] });
    assert.equal(code, 0, err);
    assert.equal(out, "1\n1\n");
  });

  test(`output of children that is piped or ignored is none of the program's (${method})`, async () => {
    const { out, err, code } = await runProgram("quiet", { args: [method] });
    assert.equal(code, 0, err);
    assert.equal(out, "ours\n");
    assert.notMatch(err, /theirs|later/);
  });
}

test("the death of a parent ends its daemonic children, even computing ones, and the others see it", async () => {
  const program = startProgram("killed");
  const labels = ["busy", "idle", "watcher", "child", "grandchild"];
  await until("all started", () => labels.every((label) => pidOf(program.lines, label) > 0));
  const [busy, idle, watcher, , grandchild] = labels.map((label) => pidOf(program.lines, label));
  assert.match(program.lines.find((line) => line.startsWith("watcher"))!, /true false$/);
  program.child.kill("SIGKILL");
  for (const pid of [busy, idle, grandchild]) await until(`${pid} died with its parent`, () => !runs(pid));
  await until("the watcher saw it", () => program.lines.includes("watcher done"));
  assert.include(program.lines, "joined true false");
  await until("the watcher ended by itself", () => !runs(watcher));
  await program.ended;
}, { needs: needsProcesses });

test("terminate and kill take all descendants along", async () => {
  const ctx = mp.getContext("process");
  for (const daemon of [false, true]) {
    for (const end of ["terminate", "kill"] as const) {
      const queue = new ctx.Queue<number>();
      const child = new ctx.Process({ target: work.descend, args: [queue, 2, daemon] }).start();
      const pids = [await queue.get(), await queue.get(), await queue.get()];
      child[end]();
      assert.equal(await child.join(), end === "kill" ? -9 : -15);
      for (const pid of pids) await until(`${pid} ended`, () => !runs(pid));
    }
  }
}, { needs: needsProcesses });

test("terminate in the middle of a descendant's start leaves nobody", async () => {
  const ctx = mp.getContext("process");
  for (let times = 0; times < 6; times++) {
    const queue = new ctx.Queue<number>();
    const child = new ctx.Process({ target: work.descend, args: [queue, 2, false], stdio: "ignore" }).start();
    await sleep(60 + 40 * times);
    child.terminate();
    await child.join();
    await until("no descendant is left", () => descendantsOf(child.pid!).length === 0 && strays().length === 0);
  }
}, { needs: needsProcesses, timeoutMs: 60_000 });

/** Processes of the library that nobody of this program's children is. */
function strays(): number[] {
  const known = new Set(mp.activeChildren().map((child) => child.pid));
  return descendantsOf(1).filter((pid) => !known.has(pid) && commandOf(pid).includes(`polyproc:`) && commandOf(pid).includes("tree_test"));
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return "";
  }
}

function descendantsOf(parent: number): number[] {
  return readdirSync("/proc").filter((name) => /^\d+$/.test(name)).map(Number).filter((pid) => {
    try {
      const status = readFileSync(`/proc/${pid}/status`, "utf8");
      return new RegExp(`^PPid:\\s*${parent}$`, "m").test(status) && !/^State:\s*Z/m.test(status);
    } catch {
      return false;
    }
  });
}

test("terminating a thread takes the processes that it started along", async () => {
  const ctx = mp.getContext("thread");
  const queue = new (mp.getContext("process").Queue)<number>();
  const child = new ctx.Process({ target: work.startProcess, args: [queue] }).start();
  const pid = await queue.get();
  assert.isTrue(runs(pid));
  child.terminate();
  await child.join();
  await until("its child ended", () => !runs(pid));
}, { needs: needsProcesses });

eachMethod("a child starts children of its own by every method", async (ctx) => {
  const queue = new ctx.Queue();
  const child = new ctx.Process({ target: work.nest, args: [queue, mp.getAllStartMethods()], name: "Nest-7" }).start();
  const seen = await queue.get({ timeout: 25_000 }) as { method: string; name: string; code: number; active: boolean; left: number }[];
  assert.equal(await child.join(), 0);
  assert.deepEqual(seen.map(({ method }) => method), mp.getAllStartMethods());
  for (const [i, { name, code, active, left }] of seen.entries()) {
    assert.deepEqual([name, code, active, left], [`Process-7:${i + 1}`, 0, true, 0]);
  }
}, { timeoutMs: 60_000 });

eachMethod("a daemonic process may not have children", async (ctx) => {
  const queue = new ctx.Queue();
  const child = new ctx.Process({ target: work.tryChild, args: [queue], daemon: true }).start();
  const error = await queue.get() as Error;
  assert.instanceOf(error, mp.ProcessError);
  assert.include(error.message, "daemonic processes are not allowed to have children");
  assert.equal(await child.join(), 0);
  const free = new ctx.Process({ target: work.tryChild, args: [queue] }).start();
  assert.equal(await queue.get(), "started");
  assert.equal(await free.join(), 0);
});

eachMethod("the end of a child waits for its own children", async (ctx) => {
  const queue = new ctx.Queue();
  const child = new ctx.Process({ target: work.leaveChildren, args: [queue] }).start();
  assert.equal(await child.join(), 0);
  assert.equal(queue.qsize(), 1);
  assert.equal(await queue.get(), "grandchild done");
});

for (const method of ["default", "process", "thread"] as const) {
  test(`a program without a main guard fails at once (${method})`, async () => {
    const { out, err, code } = await runProgram("", {
      script: "process_unguarded.ts",
      env: method === "default" ? {} : { POLYPROC_TEST_METHOD: method },
    });
    assert.equal(out, "");
    assert.equal(code, 1);
    assert.include(err, "main guard");
    assert.include(err, "isMain(import.meta)");
  });
}

test("a program that starts processes some time after its import, without a main guard, fails too", async () => {
  const { out, err, code } = await runProgram("", { script: "process_unguarded.ts", env: { POLYPROC_TEST_MAIN: "later" } });
  assert.equal(out, "");
  assert.equal(code, 1);
  assert.include(err, "main guard");
});

test("where descriptors are missing a child is not started, which is told, or runs", async () => {
  const { out, err, code } = await runProgram("scarce", { limit: "-n 200" });
  assert.equal(code, 0, err);
  const starts = out.trim().split(/\n?free \d+\n/).slice(1);
  for (const start of starts) assert.match(start, /^failed ProcessError$|^child \d+\nchild done\njoined 0$/);
  assert.match(starts[0], /^failed/);
  assert.match(starts.at(-1)!, /joined 0$/);
}, { needs: (can) => process.platform === "linux" ? needsProcesses(can) : "there is no ulimit" });

test("where /proc tells of other processes than those here, threads live on", async () => {
  const { out, err, code } = await runProgram("slow", { under: ["unshare", "-rpf"] });
  assert.equal(out, "alive 0\n", err);
  assert.equal(code, 0);
}, { needs: () => spawnSync("unshare", ["-rpf", "true"]).status === 0 ? null : "no namespaces can be made here" });

test("a target that starts itself again is no mistake", async () => {
  const { out, err, code } = await runProgram("recursion");
  assert.equal(code, 0, err);
  assert.deepEqual(out.trim().split("\n"), ["0", "1", "2", "3"]);
});

eachMethod("children one after another leave descriptors, threads and memory as they were", async (ctx) => {
  const usage = () => ({
    fds: readdirSync("/proc/self/fd").length,
    threads: Number(/^Threads:\s*(\d+)/m.exec(readFileSync("/proc/self/status", "utf8"))![1]),
    rss: Number(/^VmRSS:\s*(\d+)/m.exec(readFileSync("/proc/self/status", "utf8"))![1]) / 1024,
  });
  const run = async (count: number) => {
    for (let i = 0; i < count; i++) assert.equal(await new ctx.Process({ target: work.nothing }).start().join(), 0);
  };
  await run(10);
  const before = usage();
  await run(ctx.getStartMethod() === "process" ? 30 : 50);
  await until("descriptors are as before", () => usage().fds <= before.fds + 2);
  await until("threads are as before", () => usage().threads <= before.threads + 4);
  assert.isBelow(usage().rss, before.rss + 50);
}, { timeoutMs: 120_000, needs: () => process.platform === "linux" ? null : "there is no /proc" });

test("threads that exit when they were terminated already do not run on", async () => {
  const ctx = mp.getContext("thread"), threads = () => readdirSync("/proc/self/task").length;
  const run = async (count: number) => {
    for (let i = 0; i < count; i++) {
      const queue = new ctx.Queue<string>(), child = new ctx.Process({ target: work.exitLater, args: [queue] }).start();
      assert.equal(await queue.get(), "up");
      child.kill();
      assert.equal(await child.join(), -9);
      queue.close();
    }
  };
  await run(1);
  const before = threads();
  await run(8);
  await until("threads are as before", () => threads() <= before + 4);
}, {
  timeoutMs: 60_000,
  needs: (can) => process.platform === "linux" ? (can.startMethods.includes("thread") ? null : "no threads") : "there is no /proc",
});

test("threads that had a process each leave no descriptor behind", async () => {
  const ctx = mp.getContext("thread"), fds = () => readdirSync("/proc/self/fd").length;
  const run = async (count: number) => {
    for (let i = 0; i < count; i++) assert.equal(await new ctx.Process({ target: work.joinProcess }).start().join(), 0);
  };
  await run(4);
  const before = fds();
  await run(12);
  await until("descriptors are as before", () => fds() <= before + 2);
}, { timeoutMs: 60_000, needs: (can) => process.platform === "linux" ? needsProcesses(can) : "there is no /proc" });
