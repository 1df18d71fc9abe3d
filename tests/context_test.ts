// run: on=servers
/** Contexts, the current process, the log, the errors. */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath, pathToFileURL } from "node:url";
import { assert } from "chai";
import * as mp from "../mod.ts";
import * as work from "./fixtures/process.ts";
import { eachMethod, test } from "./harness.ts";
import { runProgram, text } from "./fixtures/process_program.ts";

const METHODS: mp.StartMethod[] = ["process", "thread", "inline"];

test("the main process knows itself", () => {
  const me = mp.currentProcess();
  assert.deepEqual([me.name, me.pid, me.ident, me.daemon, me.exitcode, me.isAlive()], [
    "MainProcess",
    process.pid,
    process.pid,
    false,
    null,
    true,
  ]);
  assert.isNull(mp.parentProcess());
  assert.deepEqual(mp.activeChildren(), []);
  assert.isTrue(mp.isMain(import.meta));
  assert.isFalse(mp.isMain({ url: "file:///elsewhere.ts" } as ImportMeta));
  for (const wrong of [undefined, true]) {
    assert.match(caught(() => mp.isMain(wrong as never)).message, /: pass import\.meta, not (undefined|true)$/);
  }
});

test("what is offered is reported, and what is missing with its reason", () => {
  const can = mp.capabilities();
  assert.match(can.runtime, /^(node|deno|bun) \d/);
  assert.deepEqual(mp.getAllStartMethods(), [...can.startMethods]);
  assert.include(can.startMethods, "inline");
  for (const method of METHODS.filter((method) => !can.startMethods.includes(method))) {
    const error = caught(() => mp.getContext(method));
    assert.instanceOf(error, RangeError);
    assert.include(error.message, method);
  }
  if (!can.sharedMemory.process) assert.isString(can.reasons["sharedMemory.process"]);
  assert.isAtLeast(mp.cpuCount(), 1);
  assert.isAtLeast(mp.availableParallelism(), 1);
  assert.isAtMost(mp.availableParallelism(), Math.max(mp.cpuCount(), navigator.hardwareConcurrency));
});

function caught(run: () => unknown): Error {
  try {
    run();
  } catch (error) {
    return error as Error;
  }
  throw new Error("nothing was thrown");
}

test("a start method that there is not is refused", () => {
  for (const name of ["nope", "fork", "", null, 5]) {
    assert.instanceOf(caught(() => mp.getContext(name as mp.StartMethod ?? "null" as mp.StartMethod)), RangeError);
    assert.instanceOf(caught(() => mp.setStartMethod(name as mp.StartMethod, { force: true })), RangeError);
  }
});

eachMethod("a context is bound to its method, and so are its children", async (ctx) => {
  const method = ctx.getStartMethod()!;
  assert.strictEqual(ctx.getContext(), ctx);
  assert.strictEqual(mp.getContext(method), ctx);
  for (const other of mp.getAllStartMethods()) assert.equal(ctx.getContext(other).getStartMethod(), other);
  assert.instanceOf(caught(() => ctx.setStartMethod("inline")), mp.ProcessError);
  assert.deepEqual(ctx.getAllStartMethods(), mp.getAllStartMethods());
  assert.strictEqual(ctx.currentProcess(), mp.currentProcess());
  assert.isNull(ctx.parentProcess());
  assert.equal(ctx.cpuCount(), mp.cpuCount());
  const queue = new ctx.Queue();
  const child = new ctx.Process({ target: work.reportMethod, args: [queue] });
  assert.instanceOf(child, mp.Process);
  child.start();
  const [seen, isMain] = await queue.get() as [string, boolean];
  assert.deepEqual([seen, isMain], [method, false]);
  assert.equal(await child.join(), 0);
});

test("the start method is set once, unless by force", async () => {
  const { out, code } = await runProgram("set_method");
  assert.equal(code, 0, out);
  const lines = out.trim().split("\n").map((line) => JSON.parse(line));
  assert.deepEqual(lines, [null, null, "inline", "ProcessError", "thread", "thread", "process first"].slice(0, lines.length));
  assert.isAtLeast(lines.length, 6);
});

eachMethod("an object of one start method in a child of another works, or is refused at the start", async (ctx) => {
  for (const method of mp.getAllStartMethods()) {
    const queue = new (mp.getContext(method).Queue)();
    const child = new ctx.Process({ target: work.report, args: [queue, method] });
    try {
      child.start();
    } catch (error) {
      assert.instanceOf(error, mp.DataCloneError);
      assert.include((error as Error).message, `getContext("${ctx.getStartMethod()}")`);
      assert.isNull(child.pid);
      continue;
    }
    assert.deepEqual((await queue.get({ timeout: 20_000 }) as { args: unknown[] }).args, [method]);
    assert.equal(await child.join(), 0);
  }
});

// ---- the log ----

test("a logger writes what passes its level, in Python's format", () => {
  const logger = mp.getLogger();
  assert.strictEqual(mp.getLogger(), logger);
  assert.equal(logger.name, "multiprocessing");
  const lines: string[] = [];
  const handler: mp.LogHandler = (line) => lines.push(line);
  for (const _ of [1, 2]) logger.addHandler(handler);
  try {
    assert.equal(logger.level, 0);
    assert.isFalse(logger.isEnabledFor("INFO"));
    assert.isTrue(logger.isEnabledFor("WARNING"));
    for (const [level, written] of [["DEBUG", 5], ["INFO", 4], ["WARNING", 3], ["ERROR", 2], ["CRITICAL", 1]] as const) {
      logger.setLevel(level);
      lines.length = 0;
      logger.debug("d");
      logger.info("i");
      logger.warning("w");
      logger.error("e");
      logger.critical("c");
      assert.equal(lines.length, written, level);
    }
    assert.equal(lines[0], "[CRITICAL/MainProcess] c");
    logger.setLevel(5);
    logger.log("SUBDEBUG", "s");
    logger.log(7, "seven");
    assert.deepEqual(lines.slice(1), ["[SUBDEBUG/MainProcess] s", "[Level 7/MainProcess] seven"]);
    assert.instanceOf(caught(() => logger.setLevel("LOUD" as mp.LevelName)), RangeError);
    assert.instanceOf(caught(() => logger.setLevel(-1)), RangeError);
  } finally {
    logger.removeHandler(handler);
    logger.setLevel("NOTSET");
  }
  logger.setLevel("DEBUG");
  assert.deepEqual([logger.isEnabledFor("INFO"), logger.isEnabledFor("WARNING")], [false, true]);
  logger.setLevel("NOTSET");
});

test("a logger arrives as the logger that is there", async () => {
  const queue = new mp.Queue<mp.Logger>();
  await queue.put(mp.getLogger());
  assert.strictEqual(await queue.get(), mp.getLogger());
});

eachMethod("a child inherits the level, without the handlers", async (ctx) => {
  const logger = mp.getLogger();
  const queue = new ctx.Queue();
  logger.setLevel(32);
  try {
    const child = new ctx.Process({ target: work.logSomething, args: [queue], stdio: "pipe" }).start();
    const output = text(child.stderr);
    assert.deepEqual(await queue.get(), [32, false]);
    assert.equal(await child.join(), 0);
    assert.notInclude(await output, "heard");
  } finally {
    logger.setLevel("NOTSET");
  }
}, { methods: ["process", "thread"] });

test("the log goes to standard error, of children too", async () => {
  const { out, err, code } = await runProgram("log");
  assert.equal(code, 0, err);
  assert.equal(out, "");
  assert.match(err, /^handled by nobody$/m);
  assert.match(err, /^\[INFO\/MainProcess\] start name=Logged /m);
  assert.match(err, /^\[WARNING\/Logged\] heard$/m);
  assert.match(err, /^\[INFO\/Logged\] run name=Logged/m);
  assert.match(err, /^\[INFO\/MainProcess\] exit name=Logged exitcode=0$/m);
  assert.notInclude(err, "not heard");
});

eachMethod("what happens is published on diagnostics channels", async (ctx) => {
  const channels = process.getBuiltinModule("node:diagnostics_channel");
  const seen: unknown[] = [];
  const hear = (message: unknown, name: string | symbol) => seen.push([name, (message as { name: string }).name]);
  // Held, since Bun forgets the subscribers of a channel that was collected.
  const watched = ["start", "exit"].map((event) => channels.channel(`polyproc:${event}`));
  for (const channel of watched) channel.subscribe(hear);
  try {
    const child = new ctx.Process({ target: work.nothing, name: "Watched" }).start();
    await child.join();
    assert.deepEqual(seen, [["polyproc:start", "Watched"], ["polyproc:exit", "Watched"]]);
  } finally {
    for (const channel of watched) channel.unsubscribe(hear);
  }
});

// ---- errors ----

test("every error class has its name and its place", () => {
  const processErrors = [
    "BufferTooShort",
    "AuthenticationError",
    "TargetError",
    "RemoteError",
    "WorkerDiedError",
    "UnsupportedError",
    "AbandonedError",
  ] as const;
  const others = [
    "TimeoutError",
    "CancelledError",
    "Empty",
    "Full",
    "ShutDown",
    "EOFError",
    "BrokenPipeError",
    "BrokenBarrierError",
    "DataCloneError",
  ] as const;
  for (const name of ["ProcessError", ...processErrors, ...others] as const) {
    const error = new (mp[name] as new (message: string, data: Uint8Array) => Error)("text", new Uint8Array());
    assert.equal(error.name, name);
    assert.equal(error.message, "text");
    assert.instanceOf(error, Error);
    assert.equal(error instanceof mp.ProcessError, !(others as readonly string[]).includes(name));
    assert.match(String(error), new RegExp(`^${name}: text$`));
  }
});

// ---- loaders, import maps ----

/** Runs a program of two modules in a folder of its own; the second reaches the first only as a loader, or an import map, resolves it. */
async function runModules(specifier: string, files: Record<string, string>, flags: string[], options = ""): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "polyproc-test-"));
  const library = import.meta.resolve("../mod.ts");
  const all: Record<string, string> = {
    "package.json": `{ "type": "module" }`,
    "work.ts": `import * as mp from "${library}";
      export async function work(queue: mp.Queue) { await queue.put("worked"); }`,
    "main.ts": `import * as mp from "${library}";
      import { work } from "${specifier}";
      if (mp.isMain(import.meta)) {
        for (const method of mp.getAllStartMethods().filter((method) => method !== "inline" || ${options === ""})) {
          const context = mp.getContext(method), queue = new context.Queue();
          const child = new context.Process({ target: work, args: [queue], ${options} }).start();
          console.log(await child.join(), queue.empty() ? child.error : await queue.get());
        }
      }`,
    ...files,
  };
  try {
    for (const [name, text] of Object.entries(all)) writeFileSync(join(folder, name), text);
    const script = pathToFileURL(join(folder, "main.ts")).href;
    const { out, err, code } = await runProgram("", { script, cwd: folder, flags: flags.map((flag) => flag.replace("FOLDER", folder)) });
    assert.equal(code, 0, err);
    return out;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("children run with the loader that the program runs with", async () => {
  const loader = import.meta.resolve("tsx");
  assert.equal(await runModules("./work", {}, ["--import", loader]), "0 worked\n".repeat(mp.getAllStartMethods().length));
}, { needs: ({ runtime }) => runtime.startsWith("node") ? null : "tsx is a loader for Node.js" });

test("a thread with flags of its own has its program's loader too", async () => {
  // Threads are refused what is the whole process's, and nothing else for it: one of these has the name of another in it.
  const flags = ["-r", "node:util", "--random-seed=1", "--import", import.meta.resolve("tsx")];
  // Node by itself reads no enums.
  const files = {
    "work.ts": `enum Word { Done = "worked" }
      export async function work(queue: { put(word: Word): Promise<void> }) { await queue.put(Word.Done); }`,
  };
  const out = await runModules("./work", files, flags, `execArgv: ["--no-warnings"]`);
  assert.equal(out, "0 worked\n".repeat(mp.getAllStartMethods().length - 1));
}, { needs: ({ runtime }) => runtime.startsWith("node") ? null : "tsx is a loader for Node.js" });

for (const how of ["an argument", "standard input"]) {
  test(`a program that is given as text, by ${how}, starts children`, async () => {
    const program = `import * as mp from "${import.meta.resolve("../mod.ts")}";
      for (const method of mp.getAllStartMethods()) {
        const child = new (mp.getContext(method).Process)({ target: (n) => console.log(n), args: [method] }).start();
        console.log(await child.join());
      }`;
    const isArgument = how === "an argument", given = isArgument ? ["-e", program] : ["-"];
    const flags = "Bun" in globalThis ? given : "Deno" in globalThis ? ["run", "-A", "-"] : ["--input-type=module", ...given];
    const child = spawn(process.execPath, "Deno" in globalThis && isArgument ? ["eval", program] : flags, {
      stdio: ["pipe", "pipe", "inherit"],
      cwd: fileURLToPath(new URL("..", import.meta.url)),
    });
    child.stdin!.end(isArgument ? "" : program);
    const out = await new Promise<string>((resolve) => {
      let all = "";
      child.stdout!.setEncoding("utf8").on("data", (part: string) => all += part).once("close", () => resolve(all));
    });
    assert.equal(out, mp.getAllStartMethods().map((method) => `${method}\n0\n`).join(""));
  });
}

test("children see the names for modules that the program sees", async () => {
  const maps = {
    "deno.json": `{ "imports": { "#here/": "./" } }`,
    "package.json": `{ "type": "module", "imports": { "#here/*": "./*" } }`,
  };
  assert.equal(await runModules("#here/work.ts", maps, []), "0 worked\n".repeat(mp.getAllStartMethods().length));
});

test("children see the names that the program was told on its command line", async () => {
  const files = {
    // The sources ask for `#adapter`; the built package does not.
    "names.json": `{ "imports": { "#here/": "./", "#adapter": "${new URL("../adapters/deno.ts", import.meta.url)}" } }`,
    "work.ts": `import { word } from "#here/word.ts";
      Deno.chdir("/");
      export async function work(queue: { put(word: string): Promise<void> }) { await queue.put(word); }`,
    "word.ts": `export const word = "worked";`,
  };
  for (const path of ["FOLDER/names.json", "names.json"]) {
    const out = await runModules("#here/work.ts", files, ["--config", path]);
    assert.equal(out, "0 worked\n".repeat(mp.getAllStartMethods().length));
  }
}, { needs: ({ runtime }) => runtime.startsWith("deno") ? null : "Deno alone has such a file" });
