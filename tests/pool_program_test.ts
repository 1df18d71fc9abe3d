// run: on=servers
/** Programs with pools, as a whole: how they end. */
import process from "node:process";
import { assert } from "chai";
import * as mp from "../mod.ts";
import { runProgram, runs, startProgram } from "./fixtures/process_program.ts";
import { test } from "./harness.ts";
import { until } from "./timing.ts";

const SCRIPT = "pool_program.ts";
const methods = mp.getAllStartMethods();
const processes = { needs: (can: mp.Capabilities) => can.startMethods.includes("process") ? null : "there are no processes" };

for (const method of methods) {
  test(`a pool left open is named, with its line, and does not keep the program alive (${method})`, async () => {
    const { out, err, code } = await runProgram("left_open", { script: SCRIPT, args: [method] });
    assert.deepEqual([out, code], ["9\n", 0], err);
    const lines = err.split("\n").filter((line) => line.includes("left open"));
    assert.lengthOf(lines, 1, err);
    assert.match(
      lines[0],
      /^Pool was left open, made .*pool_program\.ts:\d+:\d+.*close\(\) and join\(\) it, or make it with `await using`$/,
    );
  });

  test(`a pool that is never used does not keep the program alive (${method})`, async () => {
    const { err, code } = await runProgram("unused", { script: SCRIPT, args: [method] });
    assert.equal(code, 0);
    assert.include(err, "left open");
  });

  test(`an executor need not be closed (${method})`, async () => {
    assert.deepEqual(await runProgram("executor", { script: SCRIPT, args: [method] }), { out: "9\n", err: "", code: 0, signal: null });
  });

  for (const memory of ["", "off"]) {
    test(`the program waits for workers to be replaced, with shared memory and without (${method}${memory && `, ${memory}`})`, async () => {
      const ended = await runProgram("worn_out", { script: SCRIPT, args: [method], env: { POLYPROC_SHARED_MEMORY: memory } });
      assert.deepEqual(ended, { out: "1,4,9\n", err: "", code: 0, signal: null });
    });
  }

  test(`the grace of a task that is over keeps no program alive (${method})`, async () => {
    const ended = await runProgram("obedient", { script: SCRIPT, args: [method] });
    assert.deepEqual(ended, { out: "AbortError\n", err: "", code: 0, signal: null });
  });

  test(`the program goes on as long as somebody waits for a map that has a timeout (${method})`, async () => {
    const ended = await runProgram("asked_in_vain", { script: SCRIPT, args: [method] });
    assert.deepEqual(ended, { out: "TimeoutError\n", err: "", code: 0, signal: null });
  });

  test(`the program waits for what was submitted (${method})`, async () => {
    assert.deepEqual(await runProgram("pending", { script: SCRIPT, args: [method] }), { out: "9\n", err: "", code: 0, signal: null });
  });
}

test("Ctrl-C ends everything at once, with one line at most", async () => {
  const program = startProgram("interrupted", { script: SCRIPT, args: ["process"], group: true });
  await until("ran", () => program.lines.length === 2);
  // As a terminal does it: to all.
  process.kill(-program.child.pid!, "SIGINT");
  const { err, code, signal } = await program.ended;
  assert.isTrue(signal === "SIGINT" || code === 130, `${code} ${signal}`);
  assert.include(["", "Interrupted: 5 tasks were not done\n"], err);
  const pids = program.lines.map((line) => Number(line.split(" ")[1]));
  await until("ended", () => !pids.some(runs));
}, processes);

test("who listens for Ctrl-C decides what happens", async () => {
  const program = startProgram("handled", { script: SCRIPT, args: ["process"], group: true });
  await until("ran", () => program.lines.length === 1);
  process.kill(-program.child.pid!, "SIGINT");
  const { out, err, code } = await program.ended;
  assert.deepEqual([out.split("\n").slice(1), err, code], [["interrupted", "CancelledError", "over", ""], "", 0]);
}, processes);

test("workers do not outlive a killed owner", async () => {
  const program = startProgram("killed", { script: SCRIPT, args: ["process"] });
  await until("ran", () => program.lines.length === 2);
  program.child.kill("SIGKILL");
  await program.ended;
  const pids = program.lines.map((line) => Number(line.split(" ")[1]));
  await until("ended", () => !pids.some(runs));
}, processes);

test("without a main guard, a pool is refused in its workers, and the program is told why", async () => {
  const { out, err, code } = await runProgram("", { script: "pool_unguarded.ts" });
  assert.equal(out, "");
  assert.notEqual(code, 0);
  assert.match(err, /isMain\(import\.meta\)/);
}, processes);
