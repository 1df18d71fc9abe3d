/**
 * Builds the npm package: `deno run -A scripts/build_npm.ts [directory, by default npm]`. Prints the tarball's path.
 *
 * `deno pack` makes JavaScript and declarations of the sources, in a copy that holds nothing else: in the checkout it would take tests,
 * benchmarks and examples along, and its `package.json` for the package's. What it cannot say is added to its result:
 * a description, keywords, engines and the optional dependency on `koffi` (it knows only dependencies that are imported by `npm:`). And its many modules become a few.
 *
 * @module
 */

import { parseAst } from "rollup/parseAst";
import { ROOT } from "./runtimes.ts";

/** What `deno.json` says of the library. */
interface Manifest {
  name: string;
  version: string;
  license: string;
}

/** Each has the library in a directory of its own, in as few files as can be, since a file takes up to some milliseconds of each start; and entries besides those that all have. */
const SERVERS: Readonly<Record<string, readonly string[]>> = {
  node: ["adapters/node_worker.js"],
  // So that no file has 300 kB: Deno takes longer for one than for its halves.
  deno: ["src/codec.js"],
  bun: [],
};

/**
 * What the condition `node` stands for. Deno says that too where something is required, and `deno` only where it is imported: so this imports it. Node itself is spared
 * one more file, since Node alone says `node-addons`.
 */
const REQUIRED = "node/required.js";

/** Modules that no other imports by its path, so that `deno pack` must be told of them: the entries of children, and what `#adapter` stands for. No exports of the package. */
const INSIDE = ["worker", "node_worker", ...Object.keys(SERVERS), "browser", "edge"].map((name) => `./adapters/${name}.ts`);

const DESCRIPTION =
  "Python's multiprocessing for JavaScript: pools, processes, queues and shared memory on Node.js, Deno and Bun, in browsers and on edge runtimes";

const KEYWORDS = [
  "multiprocessing",
  "process",
  "child-process",
  "worker",
  "worker-threads",
  "web-worker",
  "pool",
  "parallel",
  "concurrency",
  "queue",
  "pipe",
  "ipc",
  "shared-memory",
  "node",
  "deno",
  "bun",
  "browser",
  "edge",
];

/**
 * Modules that a bundler may leave out where they are not used, with those that only they need: nobody gets anything of theirs from elsewhere, but for named blocks, and browsers have none of these.
 */
const APART = ["pool", "executor", "pool_core", "shared_memory_manager"].map((name) => `src/${name}.js`);
/** A class in each of the files that come of them. */
const APART_CLASSES = ["Pool", "ProcessPoolExecutor", "ImapIterator", "PoolCore", "PoolWorker", "SharedMemoryManager"];

/** Where the classes stand whose names are seen. */
const SEEN = ["mod.ts", "src/errors.ts", "src/codec_classes.ts"];

/** What the README leads to: the package has no other place for it. */
const PAGES = ["docs", "examples", "bench/RESULTS.md", "bench/charts"];

/** Node shows the whole line that an uncaught error was thrown from. */
const LINE_LIMIT = "--line-limit=160";

const ENGINES = { node: ">=22.18.0", deno: ">=2.9.0", bun: ">=1.4.0" };

/** Builds the package into a directory, and returns the tarball's path. */
export async function buildNpm(directory: string): Promise<string> {
  const manifest = JSON.parse(await Deno.readTextFile(`${ROOT}deno.json`)) as Manifest;
  const work = await Deno.makeTempDir({ prefix: "polyproc-npm-" });
  try {
    await stage(`${work}/source`, manifest);
    await run([Deno.execPath(), "pack", "--allow-dirty", "--no-source-maps", "--output", `${work}/packed.tgz`], `${work}/source`);
    await run(["tar", "-xzf", "packed.tgz"], work);
    await bundle(`${work}/package`, `${work}/bundled`);
    await complete(`${work}/package`);
    await resolve(`${work}/package`);
    await addPages(`${work}/package`, manifest.name);
    await Deno.mkdir(directory, { recursive: true });
    // npm writes the file that it would publish, and names it.
    const out = await run(
      ["npm", "pack", "--ignore-scripts", "--json", "--pack-destination", await Deno.realPath(directory)],
      `${work}/package`,
    );
    const [{ filename }] = Object.values(JSON.parse(out) as Record<string, { filename: string }>);
    return `${await Deno.realPath(directory)}/${filename}`;
  } finally {
    await Deno.remove(work, { recursive: true });
  }
}

/** Builds the package, and makes a directory what npm would install. */
export async function unpackNpm(directory: string): Promise<void> {
  const work = await Deno.makeTempDir({ prefix: "polyproc-npm-" });
  try {
    const tarball = await buildNpm(work);
    await Deno.remove(directory, { recursive: true }).catch(() => {});
    await Deno.mkdir(directory, { recursive: true });
    await run(["tar", "-xzf", tarball, "--strip-components=1"], directory);
  } finally {
    await Deno.remove(work, { recursive: true });
  }
}

/** Copies what the package is made of. */
async function stage(source: string, { name, version, license }: Manifest): Promise<void> {
  await Deno.mkdir(source);
  await Deno.copyFile(`${ROOT}mod.ts`, `${source}/mod.ts`);
  for (const file of ["README.md", "LICENSE", "CHANGELOG.md"]) {
    await Deno.copyFile(`${ROOT}${file}`, `${source}/${file}`).catch((error) => {
      if (file !== "CHANGELOG.md" || !(error instanceof Deno.errors.NotFound)) throw error;
    });
  }
  for (const directory of ["src", "adapters"]) {
    await Deno.mkdir(`${source}/${directory}`);
    for await (const { name } of Deno.readDir(`${ROOT}${directory}`)) {
      if (name.endsWith(".ts")) await Deno.copyFile(`${ROOT}${directory}/${name}`, `${source}/${directory}/${name}`);
    }
  }
  const { imports } = JSON.parse(await Deno.readTextFile(`${ROOT}deno.json`)) as { imports: Record<string, string> };
  const exports = { ".": "./mod.ts", ...Object.fromEntries(INSIDE.map((path) => [path, path])) };
  const config = { name, version, license, imports, exports };
  await Deno.writeTextFile(`${source}/deno.json`, JSON.stringify(config));
}

/**
 * Puts the modules into a few files: every child loads them, and one by one that takes longer than the runtime's own start. They stay where modules find each other by
 * their URL: a directory holds `mod.js`, and `adapters` all else. That of the package itself is for bundlers.
 */
async function bundle(directory: string, bundled: string): Promise<void> {
  for (const [server, more] of Object.entries(SERVERS)) {
    const adapter = `--alias:#adapter=${directory}/adapters/${server}.js`;
    await esbuild(directory, ["mod.js", "adapters/worker.js", ...more], `${bundled}/${server}`, [...READABLE, "--external:bun:*", adapter]);
  }
  const entries = ["mod.js", ...APART, ...["worker", "browser", "edge"].map((name) => `adapters/${name}.js`)];
  await esbuild(directory, entries, bundled, [...READABLE, "--external:#adapter"]);
  // Of entries that nobody imports by their path.
  for (const place of [bundled, `${bundled}/deno`]) await Deno.remove(`${place}/src`, { recursive: true });
  for (const inside of [".", "src", "adapters"]) {
    for await (const { name } of Deno.readDir(`${directory}/${inside}`)) {
      if (name.endsWith(".js")) await Deno.remove(`${directory}/${inside}/${name}`);
    }
  }
  await run(["cp", "-r", `${bundled}/.`, directory], directory);
  for (const root of ["", ...Object.keys(SERVERS).map((server) => `/${server}`)]) {
    await nameFewer(directory + root);
    await leaveImports(directory + root);
  }
  await Deno.writeTextFile(`${directory}/${REQUIRED}`, 'export * from "#library";\n');
  // Bundlers look for the worker's URL in the text, so it is written there as it is.
  const browser = `${directory}/adapters/browser.js`, text = await Deno.readTextFile(browser);
  await Deno.writeTextFile(browser, text.replace("./worker.ts", "./worker.js"));
}

const READABLE = [
  "--platform=node",
  // Names are seen: of processes, of errors.
  "--keep-names",
  // Bun reads all of it at each start, at some 10 MB/s.
  "--minify-syntax",
  "--minify-whitespace",
  "--packages=external",
];

async function esbuild(directory: string, entries: readonly string[], into: string, flags: readonly string[]): Promise<void> {
  await run([
    `${ROOT}node_modules/esbuild/bin/esbuild`,
    ...entries,
    "--bundle",
    "--splitting",
    "--format=esm",
    "--target=esnext",
    LINE_LIMIT,
    // The library knows its own modules, on a call stack, by the directory.
    "--chunk-names=adapters/[name]-[hash]",
    "--log-override:unsupported-dynamic-import=silent",
    "--outbase=.",
    `--outdir=${into}`,
    ...flags,
  ], directory);
}

/**
 * Has only those named that have another name by now, and no closures: to define a name takes longer than most of these live. Classes that speak of themselves
 * get their own name back, which engines show; whoever bundles the package has the names of those that users see.
 */
async function nameFewer(directory: string): Promise<void> {
  const sources = await Promise.all(SEEN.map((path) => Deno.readTextFile(`${ROOT}${path}`))), seen = new Set(sources.join().match(/\w+/g));
  for (const inside of [directory, `${directory}/adapters`]) {
    for await (const { name } of Deno.readDir(inside)) {
      if (!name.endsWith(".js")) continue;
      let text = await Deno.readTextFile(`${inside}/${name}`);
      for (const [, own] of text.matchAll(/\b(\w+)=\s*class _\1\b/g)) text = text.replaceAll(new RegExp(`\\b_${own}\\b`, "g"), own);
      // Of declared functions, by themselves, or before or after others in a list.
      const declared = /__name\(\s*(\w+),\s*"\1"\),|,\s*__name\(\s*(\w+),\s*"\2"\)|__name\(\s*(\w+),\s*"\3"\);?/g;
      await Deno.writeTextFile(`${inside}/${name}`, unnamed(text.replace(declared, ""), seen));
    }
  }
}

/** What is looked at in a program's tree. */
interface TreeNode {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly name?: string;
  readonly value?: string;
  readonly callee?: TreeNode;
  readonly arguments?: readonly TreeNode[];
  readonly body?: readonly { readonly expression?: TreeNode }[];
}

/** A text without the names of closures, and of classes that are not seen. */
function unnamed(text: string, seen: ReadonlySet<string>): string {
  const cuts: [start: number, end: number][] = [];
  const walk = (tree: unknown) => {
    if (typeof tree !== "object" || tree === null) return;
    const node = tree as TreeNode, call = node.type === "StaticBlock" ? node.body![0]?.expression : node;
    if (call?.callee?.name !== "__name") return Object.values(node).forEach(walk);
    const [named, name] = call.arguments!;
    if (call === node) walk(named);
    if (call !== node && !seen.has(name.value!)) cuts.push([node.start, node.end]);
    else if (named.type === "ArrowFunctionExpression") cuts.push([node.start, named.start], [named.end, node.end]);
  };
  walk(parseAst(text));
  // From the end on, so that the places of the others stay.
  for (const [start, end] of cuts.sort(([a], [b]) => b - a)) text = text.slice(0, start) + text.slice(end);
  return text;
}

/** Tells bundlers again, since comments are gone, that what is imported by a name known only then is no module of theirs. */
async function leaveImports(directory: string): Promise<void> {
  for await (const { name } of Deno.readDir(`${directory}/adapters`)) {
    if (!name.endsWith(".js")) continue;
    const path = `${directory}/adapters/${name}`, text = await Deno.readTextFile(path);
    await Deno.writeTextFile(
      path,
      text.replaceAll(/\bawait import\((?!["'`])/g, "await import(/* webpackIgnore: true */ /* @vite-ignore */ "),
    );
  }
}

/** Completes the `package.json` that `deno pack` wrote. */
async function complete(directory: string): Promise<void> {
  const development = JSON.parse(await Deno.readTextFile(`${ROOT}package.json`)) as {
    imports: { "#adapter": Record<string, string> };
    devDependencies: Record<string, string>;
  };
  const written = JSON.parse(await Deno.readTextFile(`${directory}/package.json`)) as Record<string, unknown>;
  const { name, version, type, license, exports: _exports, ...others } = written;
  const adapters = Object.entries(development.imports["#adapter"]).map(([condition, path]) => ({
    condition,
    name: /(\w+)\.ts$/.exec(path)![1],
  }));
  const byCondition = (file: string): Record<string, string> => ({
    types: `./${file}.d.ts`,
    ...Object.fromEntries(adapters.map(({ condition, name }) => [condition, name in SERVERS ? `./${name}/${file}.js` : `./${file}.js`])),
  });
  const { node, default: other, ...main } = byCondition("mod");
  const complete = {
    name,
    version,
    description: DESCRIPTION,
    keywords: KEYWORDS,
    license,
    type,
    engines: ENGINES,
    // Importing it starts the library, and its modules make themselves known to each other.
    sideEffects: await withEffects(directory),
    ...others,
    exports: {
      ".": { ...main, "node-addons": node, node: `./${REQUIRED}`, default: other },
      "./worker": byCondition("adapters/worker"),
      "./package.json": "./package.json",
    },
    imports: {
      "#adapter": Object.fromEntries(
        adapters.filter(({ name }) => !(name in SERVERS)).map(({ condition, name }) => [condition, `./adapters/${name}.js`]),
      ),
      "#library": { deno: main.deno, default: node },
    },
    optionalDependencies: { koffi: development.devDependencies.koffi },
    publishConfig: { access: "public" },
  };
  await Deno.writeTextFile(`${directory}/package.json`, `${JSON.stringify(complete, null, 2)}\n`);
}

/** Its files but for those of {@linkcode APART}. */
async function withEffects(directory: string): Promise<string[]> {
  const files = ["./mod.js", ...[...Object.keys(SERVERS), "browser"].map((name) => `./${name}/**`)], apart: string[] = [];
  for await (const { name } of Deno.readDir(`${directory}/adapters`)) {
    if (!name.endsWith(".js")) continue;
    const text = await Deno.readTextFile(`${directory}/adapters/${name}`);
    (APART_CLASSES.some((one) => new RegExp(`\\b${one}=class`).test(text)) ? apart : files).push(`./adapters/${name}`);
  }
  if (apart.length !== APART_CLASSES.length) {
    throw new Error(`Not each of ${APART_CLASSES.join(", ")} is in a file of its own: ${apart.join(", ")}`);
  }
  return files.sort();
}

/** Makes what a page can import as it is, with nothing in it that a bundler or an import map would have to resolve: in a worker there are none. */
async function resolve(directory: string): Promise<void> {
  await esbuild(directory, ["mod.js", "adapters/worker.js"], `${directory}/browser`, ["--conditions=browser", "--minify"]);
  await Deno.writeTextFile(`${directory}/browser/mod.d.ts`, 'export * from "../mod.js";\n');
}

/** Adds what is to be read. Examples that name the sources name the package there. */
async function addPages(directory: string, name: string): Promise<void> {
  await Deno.mkdir(`${directory}/bench`);
  for (const page of PAGES) await run(["cp", "-r", `${ROOT}${page}`, `${directory}/${page}`], ROOT);
  for (const inside of ["browser", "edge-batch"]) {
    for await (const { name: file } of Deno.readDir(`${directory}/examples/${inside}`)) {
      const path = `${directory}/examples/${inside}/${file}`, text = await Deno.readTextFile(path);
      await Deno.writeTextFile(path, text.replaceAll("../../mod.ts", name).replaceAll("../../adapters/worker.ts", `${name}/worker`));
    }
  }
}

async function run([command, ...args]: string[], cwd: string): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(command, { args, cwd, stdin: "null" }).output();
  if (success) return new TextDecoder().decode(stdout);
  throw new Error(`${[command, ...args].join(" ")} failed:\n${new TextDecoder().decode(stderr)}`);
}

if (import.meta.main) console.log(await buildNpm(Deno.args[0] ?? `${ROOT}npm`));
