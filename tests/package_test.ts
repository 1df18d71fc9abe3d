// run: on=deno with= from=sources
/** The npm package as its users have it: built, packed, installed in an empty project, and run from there on every runtime. */

import process from "node:process";
import { assert } from "chai";
import { buildNpm } from "../scripts/build_npm.ts";
import { environment, findRuntimes, ROOT, type Runtime, RUNTIME_NAMES } from "../scripts/runtimes.ts";
import { test } from "./harness.ts";

const NAME = "@polyproc/multiprocessing";
const LONG = { timeoutMs: 120_000 };
const COMPILER_OPTIONS = {
  module: "nodenext",
  moduleResolution: "nodenext",
  target: "esnext",
  lib: ["esnext", "dom", "dom.iterable", "dom.asynciterable"],
  strict: true,
};

/** A program of the README or another page, and what that says that it prints. */
interface Program {
  file: string;
  text: string;
  output: string[] | null;
}

const { found } = await findRuntimes(RUNTIME_NAMES);
const place = await Deno.makeTempDir({ prefix: "polyproc-package-" });
process.on("exit", () => Deno.removeSync(place, { recursive: true }));

const readme = await Deno.readTextFile(`${ROOT}README.md`);
const programs: Program[] = programsOf("readme", readme);
for (const page of ["from-python", "from-piscina-tinypool-workerpool"]) {
  programs.push(...programsOf(page, await Deno.readTextFile(`${ROOT}docs/${page}.md`)));
}
/** Which of them tells what the runtime offers. */
const CAPABILITIES = programs.find(({ text }) => text.includes("capabilities()"))!.file;

/** The programs of a page. Those in other people's languages, and for other people's libraries, are marked otherwise. */
function programsOf(page: string, text: string): Program[] {
  return [...text.matchAll(/^```(ts|js)\n([^]*?)^```\n(?:\s*```text\n([^]*?)^```)?/gm)].map(([, kind, text, output], i) => ({
    file: `${page}_${i + 1}.${kind === "ts" ? "ts" : "mjs"}`,
    text,
    output: output?.trimEnd().split("\n") ?? null,
  }));
}

async function run(command: readonly string[], cwd: string): Promise<{ code: number; stdout: string; text: string }> {
  const { code, stdout, stderr } = await new Deno.Command(command[0], {
    args: command.slice(1),
    cwd,
    env: environment({ NO_COLOR: "1", POLYPROC_NODE: "", POLYPROC_DENO: "", POLYPROC_BUN: "" }),
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), text: decoder.decode(stdout) + decoder.decode(stderr) };
}

/** Runs a command that must succeed; returns its standard output. */
async function succeed(command: readonly string[], cwd: string): Promise<string> {
  const { code, stdout, text } = await run(command, cwd);
  assert.equal(code, 0, `${command.join(" ")}:\n${text}`);
  return stdout;
}

let building: Promise<string> | null = null;
/** The tarball, built once. */
function tarball(): Promise<string> {
  return building ??= buildNpm(`${place}/npm`);
}

/** An empty project with the documentation's programs and the examples in it. */
async function project(name: string, manifest: Record<string, unknown> | null): Promise<string> {
  const directory = `${place}/${name}`;
  await Deno.mkdir(directory);
  if (manifest !== null) await Deno.writeTextFile(`${directory}/package.json`, JSON.stringify(manifest));
  for (const { file, text } of programs) await Deno.writeTextFile(`${directory}/${file}`, text);
  for await (const { name, isFile } of Deno.readDir(`${ROOT}examples`)) {
    if (isFile) await Deno.copyFile(`${ROOT}examples/${name}`, `${directory}/${name}`);
  }
  return directory;
}

let installing: Promise<string> | null = null;
/** A project in which npm installed the tarball. */
function installed(): Promise<string> {
  return installing ??= (async () => {
    const directory = await project("user", { private: true, type: "module", tsd: { compilerOptions: COMPILER_OPTIONS } });
    await succeed(["npm", "install", "--no-audit", "--no-fund", await tarball()], directory);
    return directory;
  })();
}

/** Runs the documentation's programs and the shorter examples in a project, and compares what they print. */
async function runPrograms({ name, path, args }: Runtime, directory: string, sharesMemory = true): Promise<void> {
  for (const { file, text: program, output } of programs) {
    if (!sharesMemory && /\b(Value|Array)\(/.test(program)) continue;
    // Node 22 does not know such declarations.
    if (name === "node22" && /^\s*(await )?using /m.test(program)) continue;
    const { code, stdout, text } = await run([path, ...args, file], directory);
    assert.equal(code, 0, `${file}:\n${text}`);
    // Processes print in any order.
    if (output !== null) assert.sameMembers(stdout.trimEnd().split("\n"), output, `${file}:\n${text}`);
  }
  assert.include(await succeed([path, ...args, "workers.ts"], directory), "exit codes: 0 0 0 0 0");
  assert.include(await succeed([path, ...args, "producer_consumer.ts"], directory), "sum: 55");
}

test("the tarball holds what a user needs, and nothing else", async () => {
  const files = (await succeed(["tar", "-tzf", await tarball()], place)).trimEnd().split("\n").map((file) => file.replace("package/", ""));
  assert.includeMembers(files, [
    "package.json",
    "README.md",
    "LICENSE",
    "mod.js",
    "mod.d.ts",
    "adapters/worker.js",
    "node/mod.js",
    "node/required.js",
    "node/adapters/node_worker.js",
    "deno/adapters/worker.js",
    "bun/adapters/worker.js",
    "browser/mod.js",
    "src/process.d.ts",
  ]);
  for (const file of files) {
    assert.match(
      file,
      /^([^/]+\.(md|json)|LICENSE|mod\.(js|d\.ts)|(src|adapters|browser)\/\w+\.d\.ts|((node|deno|bun|browser)\/)?adapters\/[\w-]+\.js|(node|deno|bun|browser)\/mod\.js|node\/required\.js|(docs|examples|bench)\/.+)$/,
    );
  }
  const manifest = JSON.parse(await succeed(["tar", "-xzOf", await tarball(), "package/package.json"], place));
  assert.deepInclude(manifest, { name: NAME, license: "MIT", type: "module", types: "./mod.d.ts" });
  const entries = JSON.stringify([manifest.exports, manifest.imports]).matchAll(/"\.\/([^"]+\.\w+)"/g);
  assert.includeMembers(files, [...entries].map(([, path]) => path));
  assert.deepEqual(Object.keys(manifest.optionalDependencies), ["koffi"]);
  assert.isUndefined(manifest.dependencies);
}, LONG);

test("its pages lead nowhere that is not in it", async () => {
  const tar = await tarball(), files = (await succeed(["tar", "-tzf", tar], place)).trimEnd().split("\n");
  let count = 0;
  for (const page of files.filter((file) => file.endsWith(".md"))) {
    const text = await succeed(["tar", "-xzOf", tar, page], place);
    for (const [, link] of text.matchAll(/\]\((?!https?:|#)([^)#]+)[^)]*\)/g)) {
      const path = new URL(link, `file:///${page}`).pathname.slice(1);
      assert.isTrue(files.some((file) => file === path || file.startsWith(`${path}/`)), `${page} leads to ${link}`);
      count++;
    }
  }
  assert.isAtLeast(count, 10);
}, LONG);

test("no line of it is so long that an uncaught error fills the screen", async () => {
  const tar = await tarball(), files = await succeed(["tar", "-tzf", tar], place);
  const scripts = files.trimEnd().split("\n").filter((file) => file.endsWith(".js"));
  assert.isNotEmpty(scripts);
  for (const line of (await succeed(["tar", "-xzOf", tar, ...scripts], place)).split("\n")) assert.isBelow(line.length, 800, line);
}, LONG);

const ENVIRONMENTS: readonly (readonly [conditions: string, adapter: string])[] = [
  ["node", "node"],
  ["deno,node", "deno"],
  ["bun,node", "bun"],
  ["browser", "browser"],
  ["worker,browser", "browser"],
  ["workerd,worker,browser", "edge"],
  ["edge-light,worker,browser", "edge"],
  ["neutral", "edge"],
];

for (const [conditions, adapter] of ENVIRONMENTS) {
  test(`with the conditions ${conditions} the adapter is ${adapter}, and no other`, async () => {
    const directory = await installed(), file = `conditions_${conditions.replace(/\W/g, "_")}`;
    await Deno.writeTextFile(`${directory}/${file}.js`, `export * from "${NAME}";`);
    const flags = ["--bundle", "--format=esm", "--platform=neutral", "--external:node:*", "--external:bun:*", "--external:koffi"];
    await succeed(
      ["esbuild", `${file}.js`, ...flags, `--conditions=${conditions}`, `--metafile=${file}.json`, `--outfile=${file}.out.js`],
      directory,
    );
    const { inputs } = JSON.parse(await Deno.readTextFile(`${directory}/${file}.json`)) as { inputs: Record<string, unknown> };
    const of = /(node|deno|bun)\/mod\.js$|\/adapters\/(browser|edge)\.js$/;
    const adapters = Object.keys(inputs).flatMap((path) => of.exec(path)?.slice(1).find((name) => name !== undefined) ?? []);
    assert.deepEqual(adapters, [adapter]);
  }, LONG);
}

for (const runtime of found) {
  test(`a program that requires it has the adapter of ${runtime.name}`, async () => {
    const directory = await installed();
    await Deno.writeTextFile(`${directory}/requires.cjs`, `console.log(require("${NAME}").capabilities().runtime);\n`);
    const output = await succeed([runtime.path, ...runtime.args, "requires.cjs"], directory);
    assert.match(output, new RegExp(`^${runtime.name.replace(/\d+/, " $&")}\\b`));
  }, LONG);
}

test(
  "a program for Node that is bundled as CommonJS, with the entry of its children, starts them, and knows where it submitted a task",
  async () => {
    const directory = await installed(), node = found.find(({ name }) => name === "node24")!;
    await Deno.writeTextFile(
      `${directory}/bundled.mjs`,
      `import { Pool, ThreadPool } from "${NAME}";
async function main() {
  for (const One of [Pool, ThreadPool]) {
    const pool = new One(1);
    console.log(await pool.apply(() => 7));
    await pool.apply(() => { throw new Error(); }).catch(({ stack }) => console.log(/submitted ---\\n[^]*main[^]*bundled.cjs/.test(stack)));
    await pool.terminate();
  }
}
main();
`,
    );
    await Deno.writeTextFile(`${directory}/node_worker.mjs`, `import "${NAME}/worker";\n`);
    // As such bundles are made: a module of that kind has no `import.meta`, and `__filename` instead.
    const here = ["--define:import.meta.url=here", "--banner:js=const here = require('node:url').pathToFileURL(__filename).href;"];
    const flags = ["--bundle", "--format=cjs", "--platform=node", "--external:koffi", "--out-extension:.js=.cjs", "--outdir=bundled"];
    await succeed(["esbuild", "bundled.mjs", "node_worker.mjs", ...flags, ...here], directory);
    assert.equal(await succeed([node.path, "bundled/bundled.cjs"], directory), "7\ntrue\n7\ntrue\n");
  },
  { ...LONG, needs: () => found.some(({ name }) => name === "node24") ? null : "Node 24 is not installed" },
);

test("publint and are-the-types-wrong find nothing", async () => {
  const lint = await run(["publint", "--strict", await tarball()], place);
  assert.equal(lint.code, 0, lint.text);
  assert.include(lint.text, "All good!");
  const types = await run(["attw", "--profile", "esm-only", await tarball()], place);
  assert.equal(types.code, 0, types.text);
}, LONG);

test("the types are those that the documentation promises", async () => {
  const directory = await installed();
  // tsd looks for itself beside the tests.
  await Deno.symlink(`${ROOT}node_modules/tsd`, `${directory}/node_modules/tsd`);
  const files = [...Deno.readDirSync(`${ROOT}tests/types`)].map(({ name }) => name);
  for (const file of files) await Deno.copyFile(`${ROOT}tests/types/${file}`, `${directory}/${file}`);
  await succeed(["tsd", "--typings", `node_modules/${NAME}/mod.d.ts`, ...files.flatMap((file) => ["--files", file])], directory);
  await Deno.remove(`${directory}/node_modules/tsd`);
}, LONG);

test("the documentation's programs pass the type checker", async () => {
  const directory = await installed();
  const files = programs.map(({ file }) => file).filter((file) => file.endsWith(".ts"));
  await Deno.writeTextFile(
    `${directory}/tsconfig.json`,
    JSON.stringify({ compilerOptions: { ...COMPILER_OPTIONS, noEmit: true, types: [] }, files }),
  );
  await succeed(["tsc", "-p", "."], directory);
}, LONG);

test("the documentation's programs are there to be run", () => {
  assert.isAtLeast(programs.length, 5);
  assert.isAtLeast(programs.filter(({ output }) => output !== null).length, 4);
});

for (const runtime of found) {
  test(
    `the documentation's programs run from the package on ${runtime.name}`,
    async () => await runPrograms(runtime, await installed()),
    LONG,
  );
}

for (const runtime of found) {
  test(`a pool left open is named with the line of the program that made it on ${runtime.name}`, async () => {
    const directory = await installed();
    await Deno.writeTextFile(`${directory}/left_open.mjs`, `import { ThreadPool } from "${NAME}";\n\nnew ThreadPool(1);\n`);
    const { code, text } = await run([runtime.path, ...runtime.args, "left_open.mjs"], directory);
    assert.equal(code, 0, text);
    assert.match(text, /left open, made .*left_open\.mjs:3:/);
  }, LONG);
}

for (const runtime of found) {
  test(`a console prints what objects are on ${runtime.name}`, async () => {
    const directory = await installed();
    await Deno.writeTextFile(
      `${directory}/printed.mjs`,
      `import * as mp from "${NAME}";\nclass Mine extends mp.Queue { toString() { return "mine"; } }\n` +
        'console.log(new mp.Process({ name: "bob" }), { queue: new mp.Queue() }, new Mine());\n',
    );
    const output = (await succeed([runtime.path, ...runtime.args, "printed.mjs"], directory)).replace(/\s+/g, " ").replace(",", "");
    assert.match(output, /^<Process name='bob' parent=\d+ initial> { queue: <Queue size=0> } mine $/);
  }, LONG);
}

for (const runtime of found.filter(({ name }) => ["node26", "deno", "bun"].includes(name))) {
  test(`a child on each other runtime finds the package, from ${runtime.name}`, async () => {
    const output = await succeed([runtime.path, ...runtime.args, "cross_runtime.ts"], await installed());
    for (const name of ["node", "deno", "bun"]) assert.match(output, new RegExp(`^child: ${name} `, "m"));
    assert.include(output, "primes below 500000: 41538");
  }, LONG);
}

test("a child on each other runtime finds the package where a loader marks the modules of it", async () => {
  const directory = await installed(), node = found.find(({ name }) => name === "node24")!;
  await Deno.writeTextFile(
    `${directory}/marking.mjs`,
    'import { registerHooks } from "node:module";\n' +
      "registerHooks({ resolve(name, from, next) { const { url, ...more } = next(name, from); return { ...more, url: `${url}?marked` }; } });\n",
  );
  await Deno.writeTextFile(
    `${directory}/runtime.mjs`,
    `import { capabilities } from "${NAME}";\nexport const runtime = () => capabilities().runtime;\n`,
  );
  await Deno.writeTextFile(
    `${directory}/marked.mjs`,
    `import { Pool } from "${NAME}";\nconst target = { module: process.cwd() + "/runtime.mjs", name: "runtime" };\n` +
      'for (const runtime of ["deno", "bun"]) { const pool = new Pool({ processes: 1, runtime }); console.log(await pool.apply(target)); await pool.terminate(); }\n',
  );
  assert.match(await succeed([node.path, "--import", "./marking.mjs", "marked.mjs"], directory), /^deno .*\nbun .*\n$/);
}, { ...LONG, needs: () => found.some(({ name }) => name === "node24") ? null : "Node 24 is not installed" });

test("threads run on Node where its permission model lets the program read nothing but itself", async () => {
  const directory = await installed();
  await Deno.writeTextFile(
    `${directory}/permitted.mjs`,
    `import { ThreadPool } from "${NAME}";\n` +
      "for (let i = 0; i < 5; i++) { const pool = new ThreadPool(2); console.log((await pool.map((n) => n + 1, [1, 2, 3])).join()); await pool.terminate(); }\n",
  );
  for (const { name, path } of found.filter(({ name }) => name.startsWith("node"))) {
    const output = await succeed([path, "--permission", `--allow-fs-read=${directory}`, "--allow-worker", "permitted.mjs"], directory);
    assert.equal(output, "2,3,4\n".repeat(5), name);
  }
}, LONG);

test("children on Node keep what they compile for the next ones, unless the user says no", async () => {
  const directory = await installed();
  for (const { name, path, args } of found.filter(({ name }) => name.startsWith("node"))) {
    const kept = async (...variables: string[]) => {
      const temporary = await Deno.makeTempDir({ dir: place });
      const clean = ["env", "-u", "NODE_COMPILE_CACHE", `TMPDIR=${temporary}`, ...variables];
      await succeed([...clean, path, ...args, "workers.ts"], directory);
      return [...Deno.readDirSync(temporary)].map(({ name }) => name);
    };
    assert.deepEqual(await kept(), ["node-compile-cache"], name);
    assert.deepEqual(await kept("NODE_DISABLE_COMPILE_CACHE=1"), [], name);
    assert.deepEqual(await kept(`NODE_V8_COVERAGE=${place}/coverage`), [], name);
  }
}, LONG);

test("without koffi, and so without shared memory, they run on Node all the same", async () => {
  const directory = await project("without_koffi", { private: true, type: "module" });
  await succeed(["npm", "install", "--no-audit", "--no-fund", "--omit=optional", await tarball()], directory);
  const node = found.find(({ name }) => name === "node24")!;
  const what = await succeed([node.path, CAPABILITIES], directory);
  assert.include(what, "memory between processes: false\nno sharedMemory.process: ");
  await runPrograms(node, directory, false);
}, { ...LONG, needs: () => found.some(({ name }) => name === "node24") ? null : "Node 24 is not installed" });

test("deno add npm:… and no node_modules is enough on Deno", async () => {
  const file = await tarball(), bytes = await Deno.readFile(file);
  const manifest = JSON.parse(await succeed(["tar", "-xzOf", file, "package/package.json"], place));
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-512", bytes)).toBase64();
  // A registry that has this one package. The others come from the usual one.
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, ({ url }) => {
    const { pathname, origin } = new URL(url);
    if (pathname.endsWith(".tgz")) return new Response(bytes);
    const dist = { tarball: `${origin}/package.tgz`, integrity: `sha512-${digest}` };
    const { name, version } = manifest;
    return Response.json({ name, "dist-tags": { latest: version }, versions: { [version]: { ...manifest, dist } } });
  });
  try {
    const directory = await project("deno_user", null);
    await Deno.writeTextFile(`${directory}/deno.json`, "{}");
    await Deno.writeTextFile(`${directory}/.npmrc`, `@polyproc:registry=http://127.0.0.1:${server.addr.port}/\n`);
    // A cache of its own: the usual one may hold another build of the same version.
    const runtime = { name: "deno", path: "env", args: [`DENO_DIR=${directory}/.deno`, Deno.execPath(), "run", "-A"] };
    await succeed(["env", `DENO_DIR=${directory}/.deno`, Deno.execPath(), "add", `npm:${NAME}`], directory);
    await runPrograms(runtime, directory);
  } finally {
    await server.shutdown();
  }
}, LONG);

test("a child finds the package on Deno where its parent may read nothing", async () => {
  const directory = await installed();
  await Deno.writeTextFile(
    `${directory}/unread.mjs`,
    `import { Process } from "${NAME}";\nconsole.log("exit code", await new Process({ target: () => 1 }).start().join());\n`,
  );
  const command = [Deno.execPath(), "run", "--no-prompt", "--allow-run", "--allow-ffi", "unread.mjs"];
  assert.include(await succeed(command, directory), "exit code 0");
}, LONG);

test("the README's table of runtimes is true", async () => {
  const directory = await installed();
  const rows = [...readme.matchAll(/^\| (Node|Bun|Deno)([^|]*) \| ((?:process|thread|inline)[^|]*) \| (yes|no) \| ([^|]*)\|$/gm)];
  const seen = new Set<string>();
  for (const [row, name, which, methods, memory, needs] of rows) {
    if (which.includes("without")) continue; // a test of its own
    const flags = [...needs.matchAll(/--allow-\w+/g)].map(([flag]) => flag);
    for (const runtime of found.filter((one) => one.name.startsWith(name.toLowerCase()))) {
      if (name === "Node" && !which.includes(runtime.name.slice(4))) continue;
      const args = name === "Deno" ? ["run", "--no-prompt", ...flags] : runtime.args;
      const output = await succeed([runtime.path, ...args, CAPABILITIES], directory);
      assert.include(output, ` starts ${methods}; memory between processes: ${memory === "yes"}\n`, `${row}\n${output}`);
      seen.add(runtime.name + flags);
    }
  }
  assert.isAtLeast(seen.size, found.length + 4, "every runtime, and Deno with several permissions");
}, LONG);
