// run: on=servers from=sources
/** A function reaches a child: every form of function, from every runtime to every runtime. */

import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { assert } from "chai";
import { moduleExports } from "../src/module_exports.ts";
import { type Finder, loadTarget, resolveTarget, task } from "../src/target.ts";
import { findExport, type ModuleText } from "../src/target_search.ts";
import { test } from "./harness.ts";

const root = fileURLToPath(new URL("../", import.meta.url));
const fixtures = join(root, "tests/fixtures/target/");
const bin = (name: string) => join(root, "node_modules", name);

/** How each runtime is called. */
const runtimes: Record<string, string[]> = {
  node22: [bin("node22/bin/node")],
  node24: [bin("node24/bin/node")],
  node26: [bin("node26/bin/node")],
  deno: [bin(".bin/deno"), "run", "-A"],
  bun: [bin(".bin/bun")],
};
const parents: Record<string, string[]> = {
  ...runtimes,
  "node24 with tsx": [bin("node24/bin/node"), "--import", "tsx"],
  "node26 with tsx": [bin("node26/bin/node"), "--import", "tsx"],
};

// deno-lint-ignore no-explicit-any -- what a child answers is looked at by each test
type Answer = Record<string, any>;

function run([command, ...args]: string[], file: string, input = "", argument = "program", cwd = root): Answer {
  const { stdout, stderr, status } = spawnSync(command, [...args, file, argument], {
    input,
    cwd,
    encoding: "utf8",
    timeout: 15_000,
    env: { ...process.env, NO_COLOR: "1" },
  });
  const line = stdout?.split("\n").find((text) => text.startsWith("RESULTS "));
  if (line === undefined) throw new Error(`${command} ${file} gave no results (${status}): ${stdout}${stderr}`);
  assert.notInclude(stderr, "Warning", "the library makes the runtime warn");
  return JSON.parse(line.slice("RESULTS ".length));
}

/** What every function gives that can be sent. */
const EXPECTED: Record<string, unknown> = {
  "exported": "work count 2",
  "imported under another name": "work count 2",
  "renamed": "scaled 8",
  "default": "default 2",
  "static": "twice 4",
  "async": "later x",
  "non-Latin": "cba назад",
  "inner name": "named 1",
  "same name": "other count 1",
  "out of reach": "third count 1",
  "same name inside": "inner count 1",
  "re-exported": 2,
  "starred": "starred 1",
  "main": "main 1",
  "registered": "registered 1",
  "unexported": "hidden 1",
  "arrow": "arrow 1",
  "async arrow": "async arrow 1",
  "generator": {},
  "method": "method 1",
  "async method": "async method 1",
  "computed method": "computed 1",
  "import inside": 2,
  "meta inside": "parent.ts",
  "inner function": 2,
  "reference": "work count 2",
  "static reference": "twice 6",
  "typed reference": "work count 2",
};

/** The variable that each of these misses in the child. */
const MISSING: Record<string, string> = {
  "unexported with a free variable": "helper",
  "unexported in main": "helperOfMain",
  "arrow with a free variable": "times",
  "async arrow with a free variable": "times",
};

/** What is refused at the call. */
const REFUSED: Record<string, [string, RegExp]> = {
  "bound": ["TargetError", /built in, bound or a proxy.*Export a function/],
  "native": ["TargetError", /"max" as target: it is built in/],
  "class as target": ["TargetError", /class "Shape" as target/],
  "unexported class": ["TargetError", /class "Hidden": no module exports it \(searched: .*parent\.ts/],
  "getter": ["TargetError", /getter/],
  "nothing": ["TypeError", /undefined as target/],
  "relative reference": ["TypeError", /new URL\("\.\/work\.ts", import\.meta\.url\)/],
};

/** What must go by name: what closes over its module would not work by source. */
const BY_NAME = ["exported", "imported under another name", "renamed", "default", "static", "async", "non-Latin", "same name"]
  .concat("re-exported", "starred", "main", "registered", "reference", "class");

for (const [parent, command] of Object.entries(parents)) {
  let sent: Answer = {};
  let jobs = "";

  test(`${parent} resolves each function, or refuses it`, () => {
    const { specs, times } = run(command, join(fixtures, "parent.ts"));
    sent = specs;
    if (process.env.TARGET_TIMES) console.log(parent, times);
    for (const [name, [kind, message]] of Object.entries(REFUSED)) {
      assert.equal(sent[name].refused, kind, name + ": " + JSON.stringify(sent[name]));
      assert.match(sent[name].message, message);
    }
    for (const name of [...Object.keys(EXPECTED), ...Object.keys(MISSING)]) {
      assert.property(sent[name], "spec", name + ": " + sent[name].message);
    }
    for (const name of BY_NAME) assert.equal(sent[name].spec.kind, "export", name);
    jobs = JSON.stringify(Object.fromEntries(Object.entries(sent).filter(([, job]) => "spec" in job)));
  });

  for (const [child, childCommand] of Object.entries(runtimes)) {
    test(`${child} runs what ${parent} sent`, () => {
      assert.notEqual(jobs, "", "nothing was sent");
      const results = run(childCommand, join(fixtures, "child.ts"), jobs, "child");
      for (const [name, value] of Object.entries(EXPECTED)) assert.deepEqual(results[name], value, name);
      for (const [name, variable] of Object.entries(MISSING)) {
        assert.equal(results[name].error, "TargetError", name + ": " + JSON.stringify(results[name]));
        assert.include(results[name].message, `"${variable}" is not defined`);
        assert.include(results[name].message, "Export the function");
        assert.equal(results[name].cause, "ReferenceError");
      }
      assert.equal(results["error of its own"].error, "ReferenceError");
      assert.deepInclude(results["throws at import"], { error: "RangeError", message: "thrown while the module was imported" });
      assert.equal(results["missing export"].error, "TargetError");
      assert.match(results["missing export"].message, /work\.ts does not export a function "nope" \(it exports .*count/);
    });
  }
}

for (const name of ["node22", "node24", "node26"]) {
  test(`${name} tells modules apart that have the same text`, () => {
    const folder = mkdtempSync(join(tmpdir(), "target-")), write = (file: string, text: string) => writeFileSync(join(folder, file), text);
    try {
      // As packages, into which it does not look.
      const library = "@polyproc/multiprocessing", packages = join(folder, "node_modules");
      for (const name of [library, "twin"]) mkdirSync(join(packages, name), { recursive: true });
      for (const part of ["adapters", "src"]) symlinkSync(join(root, part), join(packages, library, part));
      for (const twin of ["a.mjs", "b.mjs", "c.mjs"]) write(twin, `export function same() { return import.meta.url; }\n`);
      write("barrel.mjs", `export { same as other } from "./b.mjs";\n`);
      write("late.mjs", `export const load = (name) => import("./" + name);\n`);
      write("node_modules/twin/package.json", `{ "exports": "./index.mjs" }`);
      write("node_modules/twin/index.mjs", `export function same() { return import.meta.url; }\n`);
      for (const twin of ["d.cjs", "e.cjs"]) write(twin, `exports.same = function same() { return __filename; };\n`);
      const find = `import { origin } from "${library}/adapters/origin_v8.ts";
        import { resolveTarget } from "${library}/src/target.ts";
        import { findExport } from "${library}/src/target_search.ts";
        const find = (fn) => resolveTarget(fn, { origin, search: findExport }, "target").module.split("/").pop();\n`;
      const say = (...found: string[]) => `console.log("RESULTS " + JSON.stringify([${found.join(", ")}]));\n`;
      write("one.mjs", `import { same } from "./a.mjs";\n` + find + say("find(same)"));
      write(
        "two.mjs",
        `import { same } from "./a.mjs";\nimport { other } from "./barrel.mjs";\n` + find + say("find(other)", "find(same)"),
      );
      write(
        "three.mjs",
        `import { same } from "./a.mjs";\nimport { load } from "./late.mjs";\n` + find +
          `const late = await load("c.mjs");\n` + say("find(late.same)", "find(same)"),
      );
      write(
        "four.mjs",
        `import { same } from "./a.mjs";\nimport { same as packed } from "twin";\n` + find + say("find(packed)", "find(same)"),
      );
      write(
        "five.mjs",
        `import { createRequire } from "node:module";\nimport * as e from "./e.cjs";\n` + find +
          `const load = createRequire(import.meta.url);\n` + say(`find(load("./d.cjs").same)`, `find(load("./e.cjs").same)`),
      );
      assert.deepEqual(run(runtimes[name], join(folder, "one.mjs")), ["a.mjs"]);
      assert.deepEqual(run(runtimes[name], join(folder, "two.mjs")), ["b.mjs", "a.mjs"]);
      assert.deepEqual(run(runtimes[name], join(folder, "three.mjs")), ["c.mjs", "a.mjs"]);
      assert.deepEqual(run(runtimes[name], join(folder, "four.mjs")), ["index.mjs", "a.mjs"]);
      assert.deepEqual(run(runtimes[name], join(folder, "five.mjs")), ["d.cjs", "e.cjs"]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
}

test("deno sends a function that was imported through the import map", () => {
  const folder = mkdtempSync(join(tmpdir(), "target-"));
  try {
    const library = new URL("../", import.meta.url).href;
    mkdirSync(join(folder, "lib"));
    writeFileSync(join(folder, "deno.json"), JSON.stringify({ imports: { "@work/": "./lib/", "work": "./lib/work.ts" } }));
    writeFileSync(
      join(folder, "lib/work.ts"),
      `const n = 5;\nexport function count(): number { return n; }\nexport function add() { return n + 1; }`,
    );
    writeFileSync(
      join(folder, "main.ts"),
      `import { count } from "work";
       import { add as plus } from "@work/work.ts";
       import { resolveTarget } from "${library}src/target.ts";
       import { findExport } from "${library}src/target_search.ts";
       import { origin } from "${library}adapters/origin_stack.ts";
       const finder = { origin, search: findExport };
       const jobs = {
         named: { spec: resolveTarget(count, finder, "target"), args: [] },
         renamed: { spec: resolveTarget(plus, finder, "target"), args: [] },
         bare: { spec: { kind: "export", module: "work", name: "count" }, args: [] },
       };
       console.log("RESULTS " + JSON.stringify(jobs));`,
    );
    const deno = [...runtimes.deno, "--config", join(folder, "deno.json")];
    const jobs = run(deno, join(folder, "main.ts"), "", "", folder);
    assert.equal(jobs.named.spec.kind, "export");
    assert.equal(jobs.renamed.spec.kind, "export");
    assert.deepEqual(run(deno, join(fixtures, "child.ts"), JSON.stringify(jobs), "child"), { named: 5, renamed: 6, bare: 5 });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("deno asks for no permission, and sends by source what it may not read", () => {
  const { specs } = run([bin(".bin/deno"), "run", "--no-prompt"], join(fixtures, "unread.ts"));
  assert.equal(specs.kind, "source");
  assert.include(specs.source, "unread");
});

// ---- without another process: what the search does with what an origin tells it ----

/** Finds functions in these modules. */
const from = (...modules: ModuleText[]): Finder => ({ origin: () => modules, search: findExport });
const text = (url: string, text: string, more: Partial<ModuleText> = {}): ModuleText => ({ url, text, ...more });

function count(to: number): number {
  return to + 1;
}

test("two modules that declare the same function are told to be ambiguous", () => {
  const body = "export function count(to: number): number {\n  return to + 1;\n}";
  assert.throws(
    () => resolveTarget(count, from(text("file:///a.ts", body), text("file:///b.ts", body + "//")), "initializer"),
    /Cannot tell which function is meant as initializer: the function "count" may be "count" of file:\/\/\/a\.ts, "count" of file:\/\/\/b\.ts/,
  );
});

test("a function of the same name that does something else is not taken", () => {
  const other = text("file:///a.ts", "export function count(to: number): number {\n  return to - 1;\n}");
  const longer = text("file:///b.ts", "export function count(to: number): number {\n  if (to) return 0;\n  return to + 1;\n}");
  function spare(to: number): number {
    return to + 1;
  }
  assert.equal(resolveTarget(Object.defineProperty(spare, "name", { value: "count" }), from(other, longer), "target").kind, "source");
});

test("an import of a module that cannot be read is believed by its name", () => {
  const importer = text("file:///main.ts", 'import { later } from "./far.ts";\nimport { gone as later2 } from "far";');
  const later = () => 1;
  assert.deepEqual(resolveTarget(later, from(importer), "target"), { kind: "export", module: "file:///far.ts", name: "later" });
});

test("a module that surely holds the function, but not at a known place, is taken only if one function there has its name", () => {
  const rewritten = (name: string) =>
    Object.defineProperty((to: number) => (globalThis as Answer).rewritten(to, 1, 2, 3), "name", { value: name });
  const body = "export function count(to: number): number {\n  return to + 1;\n}\n";
  assert.equal(resolveTarget(rewritten("count"), from(text("file:///a.ts", body, { sure: true })), "target").kind, "export");
  const twice = body + "export const make = () => function count() {};";
  assert.equal(resolveTarget(rewritten("count"), from(text("file:///a.ts", twice, { sure: true })), "target").kind, "source");
});

test("a place inside an exported function is not that function", () => {
  const body = "export function count() {\n  return function count() {};\n}\nexport const other = () => 1;";
  const fn = () => Object.defineProperty(() => 1, "name", { value: "count" });
  const at = (place: number) => resolveTarget(fn(), from(text("file:///a.ts", body, { sure: true, at: place })), "target");
  assert.deepEqual(at(body.indexOf("()")), { kind: "export", module: "file:///a.ts", name: "count" });
  assert.equal(at(body.lastIndexOf("() {")).kind, "source");
  assert.deepEqual(at(body.lastIndexOf("()")), { kind: "export", module: "file:///a.ts", name: "other" });
});

test("a task must have a name, and is looked for nowhere", () => {
  assert.throws(() => task(import.meta, (() => () => 1)()), TypeError, "has no name");
  const named = task(import.meta, function named() {});
  const origin = () => {
    throw new Error("asked");
  };
  assert.deepEqual(resolveTarget(named, { origin, search: findExport }, "target"), {
    kind: "export",
    module: import.meta.url,
    name: "named",
  });
});

test("a CommonJS function is found under the name that only running the module tells", async () => {
  const child = await loadTarget({
    kind: "export",
    module: new URL("fixtures/target/old/work.cjs", import.meta.url).href,
    name: "computed",
  });
  assert.equal(child(1), "cjs computed 1");
});

test("the text of a module tells what it imports and exports", () => {
  const source = String.raw`#!/usr/bin/env node
// export function commented() {}
/* export function commented2() {} */
import first, { a as b, type T, "x y" as z } from "./a.ts";
import * as all from './b.ts'
import type { Q } from "./q.ts";
import "./side.ts";
import data from "./d.json" with { type: "json" };
const s = "export function inString() {}", t = ${"`export function inTemplate() {} ${ `export const deeper = ${1}` } }`"};
const re = /export function inRegex() {/, q = 4 / 2 / 1;
if (s) /[/"'${"`"}]/.test(s);
export function over(a: string): void
export function over(a: number): { x: number }
export function over(a: any): { x: number } | void { return a! / 2 as never; }
export async function* gen<T extends { a: 1 }>(x: T): AsyncGenerator<{ v: T }> { yield { v: x }; }
export const arrow = <T,>(x: T): T => x, two = new Map<string, number>(), three = async (x: number) => {
  const y = { a: 1 } ;
  return y
}
export const noSemicolon = (x: number) => x * 2
export const four = function inner() {}
export const { d1, d2: [d3] } = thing;
export default class Foo<T> extends Bar<{ a: T }> implements Baz { static async twice(x: number): Promise<{}> { return x; } z() {} }
export { local as renamed, local, type TT };
export { p as passed } from "./p.ts"; export * from "./star.ts"
export * as named from "./named.ts";
export type Z = { a: 1 };
export interface I { a: 1 }
function local() { const x = /a}/; return ${"`}`"} }
export const имя = () => 1;
declare function ambient(): void;
const dynamic = await import("./x.ts"), meta = import.meta.url;
`;
  const { imports, exports, declarations } = moduleExports(source);
  assert.deepEqual(imports.map(({ local, imported, specifier }) => `${imported} as ${local} from ${specifier}`), [
    "default as first from ./a.ts",
    "a as b from ./a.ts",
    "x y as z from ./a.ts",
    "* as all from ./b.ts",
    "default as data from ./d.json",
  ]);
  assert.deepEqual(
    exports.map(({ exported }) => exported),
    "over gen arrow two three noSemicolon four d1 d2 d3 default renamed local passed * named имя".split(" "),
  );
  const body = (name: string) => {
    const found = declarations.find((declaration) => declaration.name === name)!;
    return source.slice(found.body, found.end).replaceAll(/\s+/g, " ");
  };
  assert.equal(body("over"), "{ return a! / 2 as never; }");
  assert.equal(body("gen"), "{ yield { v: x }; }");
  assert.equal(body("three"), " { const y = { a: 1 } ; return y }");
  assert.equal(body("noSemicolon"), " x * 2");
  assert.equal(body("local"), "{ const x = /a}/; return `}` }");
  assert.equal(declarations.find(({ name }) => name === "four")!.called, "inner");
  assert.deepEqual(declarations.find(({ name }) => name === "Foo")!.statics.map(({ name }) => name), ["twice"]);
});
