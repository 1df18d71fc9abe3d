// run: on=deno with= from=sources
/** Applications that bundle the package, each with its bundler, and one without any: built as their users build them, and run in Chromium, with and without isolation. */

import process from "node:process";
import { assert } from "chai";
import { buildNpm } from "../scripts/build_npm.ts";
import { CHROMIUM, environment, findRuntimes, ROOT } from "../scripts/runtimes.ts";
import { test } from "./harness.ts";

const BUNDLERS = ["vite", "esbuild", "webpack", "rollup", "bun", "deno"];
const LONG = { timeoutMs: 120_000, needs: () => hasBrowser ? null : `there is no ${CHROMIUM}` };
/** What is imported and all that it needs, the code of what may arrive included. */
const MOST_BYTES = { "Pool, Process, Queue": 83 * 1024, "Process, Queue": 65 * 1024 };

const hasBrowser = (await findRuntimes(["chromium"])).found.length > 0;
const place = await Deno.makeTempDir({ prefix: "polyproc-consumers-" });
process.on("exit", () => Deno.removeSync(place, { recursive: true }));

async function run(command: readonly string[], cwd: string): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(command[0], {
    args: command.slice(1),
    cwd,
    env: environment({ NO_COLOR: "1" }),
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  const text = decoder.decode(stdout);
  if (!success) throw new Error(`${command.join(" ")}:\n${text}${decoder.decode(stderr)}`);
  return text;
}

let building: Promise<string> | null = null;
/** A directory of modules with the package in it, and all that a bundler needs. */
function modules(): Promise<string> {
  return building ??= (async () => {
    const directory = `${place}/node_modules`;
    await Deno.mkdir(`${directory}/@polyproc/multiprocessing`, { recursive: true });
    await run(
      ["tar", "-xzf", await buildNpm(`${place}/npm`), "--strip-components=1", "-C", `${directory}/@polyproc/multiprocessing`],
      place,
    );
    for await (const { name } of Deno.readDir(`${ROOT}node_modules`)) {
      if (name !== "@polyproc") await Deno.symlink(`${ROOT}node_modules/${name}`, `${directory}/${name}`);
    }
    return directory;
  })();
}

/** Builds an application. @return Where its page is. */
async function built(bundler: string): Promise<string> {
  await modules();
  const directory = `${place}/${bundler}`;
  await run(["cp", "-r", `${ROOT}tests/consumers/${bundler}`, directory], place);
  await run(["npm", "run", "build"], directory);
  return bundler === "vite" ? `${directory}/dist` : directory;
}

async function* scripts(directory: string): AsyncGenerator<string> {
  for await (const { name, isDirectory } of Deno.readDir(directory)) {
    if (isDirectory && name !== "node_modules") yield* scripts(`${directory}/${name}`);
    else if (/\.m?js$/.test(name)) yield `${directory}/${name}`;
  }
}

async function gzipped(path: string): Promise<number> {
  const stream = (await Deno.open(path)).readable.pipeThrough(new CompressionStream("gzip"));
  return (await new Response(stream).arrayBuffer()).byteLength;
}

/** A page runs, isolated and not. @return What else it says. */
async function runs(page: string): Promise<string[]> {
  const rest: string[] = [];
  for (const apart of [[], ["--apart"]]) {
    const said = await run([`${ROOT}node_modules/node26/bin/node`, `${ROOT}scripts/open_page.ts`, ...apart, page], place);
    const [first, second, ...others] = said.trim().split("\n");
    assert.deepEqual([first, second], ["hello bundle 0", "1 4 9"], apart.join());
    rest.push(...others);
  }
  return rest;
}

/** The scripts of a directory have no code of other runtimes. */
async function isPure(directory: string): Promise<void> {
  for await (const path of scripts(directory)) {
    assert.notMatch(
      await Deno.readTextFile(path),
      /(?:from|import\(|require\()\s*["'](?:node:|bun:|koffi)|worker_threads|child_process|memfd|Deno\.Command|Bun\.spawn/,
      path,
    );
  }
}

for (const bundler of BUNDLERS) {
  test(`an application built by ${bundler} runs in a browser, isolated or not, and holds no other runtime's code`, async () => {
    const page = await built(bundler);
    assert.deepEqual(await runs(page), []);
    await isPure(bundler === "vite" ? page : `${page}/dist`);
  }, LONG);
}

test("an application without a bundler runs in a browser, isolated or not, and holds no other runtime's code", async () => {
  const page = await built("none");
  const said = await runs(page);
  assert.lengthOf(said, 2);
  // Where a function was passed on is the page, not the library.
  for (const message of said) assert.match(message, /^"missing" is not defined in an anonymous function \(from [^)]*\/index\.html\)/);
  await isPure(page);
}, LONG);

test("bundles with processes, queues and pools are not larger than they are meant to be", async () => {
  await modules();
  const directory = `${place}/size`;
  await Deno.mkdir(directory);
  for (const [names, most] of Object.entries(MOST_BYTES)) {
    await Deno.writeTextFile(`${directory}/main.js`, `export { ${names} } from "@polyproc/multiprocessing";`);
    await run(["esbuild", "main.js", "--bundle", "--minify", "--format=esm", "--outfile=out.js"], directory);
    assert.isBelow(await gzipped(`${directory}/out.js`), most, names);
  }
}, LONG);
