/**
 * The runtimes that the tests run on, as `npm install` put them in `node_modules`, and how each is started.
 *
 * @module
 */

/** The checkout, with a slash at its end. */
export const ROOT: string = decodeURIComponent(new URL("../", import.meta.url).pathname);

/** A runtime and its arguments before the program. */
export interface Runtime {
  readonly name: string;
  readonly path: string;
  readonly args: readonly string[];
  /** Besides those of all. */
  readonly env?: Readonly<Record<string, string>>;
  /** What must be installed besides. */
  readonly needs?: string;
}

const STRIPPED_TYPES = `${ROOT}scripts/stripped_types.mjs`;

/** What {@linkcode stageTests} made. */
export const STAGE: string = `${ROOT}npm/stage/`;

/** The browser, as the distribution installs it; `POLYPROC_CHROMIUM` names another. */
export const CHROMIUM: string = Deno.env.get("POLYPROC_CHROMIUM") ?? "/usr/bin/chromium";

const ALL: readonly Runtime[] = [
  {
    name: "node22",
    path: `${ROOT}node_modules/node22/bin/node`,
    args: [],
    env: { NODE_OPTIONS: `--import ${new URL("stripped_types.mjs", import.meta.url).href}` },
  },
  { name: "node24", path: `${ROOT}node_modules/node24/bin/node`, args: [] },
  { name: "node26", path: `${ROOT}node_modules/node26/bin/node`, args: [] },
  { name: "deno", path: Deno.execPath(), args: ["run", "-A"] },
  { name: "bun", path: `${ROOT}node_modules/bun/bin/bun.exe`, args: [] },
];

const NODE = `${ROOT}node_modules/node26/bin/node`;

/** Runtimes without files and processes: a program on Node bundles a test file for them and says what it says. */
const WEB: readonly Runtime[] = [
  { name: "chromium", path: NODE, args: ["scripts/run_chromium.ts"], needs: CHROMIUM },
  { name: "chromium-apart", path: NODE, args: ["scripts/run_chromium.ts", "--apart"], needs: CHROMIUM },
  { name: "workerd", path: NODE, args: ["scripts/run_workerd.ts"] },
];

/** Names of the servers' runtimes, in the order in which they are tested. */
export const RUNTIME_NAMES: readonly string[] = ALL.map(({ name }) => name);

/** Those of the others: `chromium-apart` is a page that is not cross-origin isolated. */
export const WEB_NAMES: readonly string[] = WEB.map(({ name }) => name);

/** Those that are there, and why the others are not. */
export async function findRuntimes(names: readonly string[]): Promise<{ found: Runtime[]; missing: string[] }> {
  const found: Runtime[] = [], missing: string[] = [];
  for (const name of names) {
    const runtime = [...ALL, ...WEB].find((one) => one.name === name);
    if (runtime === undefined) throw new Error(`There is no runtime ${name}: they are ${[...RUNTIME_NAMES, ...WEB_NAMES].join(", ")}`);
    try {
      // What shows that Node 22 runs strips the types as well.
      const args = runtime.env === undefined ? ["--version"] : ["--no-warnings", STRIPPED_TYPES];
      const { success } = await new Deno.Command(runtime.needs ?? runtime.path, { args, stdout: "null", stderr: "null" }).output();
      if (success) found.push(runtime);
      else missing.push(`${name}: ${runtime.needs ?? runtime.path} does not run`);
    } catch (error) {
      missing.push(`${name}: ${(error as Error).message}`);
    }
  }
  return { found, missing };
}

/** The environment of every program: the runtimes of `node_modules` come first, for children on another runtime. */
export function environment(more: Readonly<Record<string, string>> = {}): Record<string, string> {
  return { PATH: `${ROOT}node_modules/.bin:${Deno.env.get("PATH") ?? ""}`, ...more };
}

/** Where the other runtimes are, for a program on this one. Its own children run on what it runs on, whichever Node that is. */
export function otherRuntimes(runtime: Runtime): Record<string, string> {
  const others = { NODE: "node26", DENO: "deno", BUN: "bun" };
  return Object.fromEntries(
    Object.entries(others).filter(([kind]) => !runtime.name.startsWith(kind.toLowerCase()))
      .map(([kind, name]) => [`POLYPROC_${kind}`, ALL.find((one) => one.name === name)!.path]),
  );
}
