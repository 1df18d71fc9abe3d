/**
 * The command line of a child process: how each runtime is told to run the entry of children, and what the entry learns from its arguments.
 *
 * @module
 */

import type { RuntimeName, StartPlan } from "../src/adapter.ts";
import { ProcessError, UnsupportedError } from "../src/errors.ts";
import { configFlags } from "./deno_config.ts";

/** What a child process learns from its first argument. */
export interface BirthArgument {
  readonly channelFd: number;
  readonly memory: { readonly fd: number; readonly byteLength: number } | null;
  readonly parentPid: number;
  readonly daemon: boolean;
  /** Deno's config file, or a `package.json`, found once by the root: a child's own main module lies elsewhere. Null: none was found. */
  readonly config: string | null;
  /** The user's main module, as a path or URL; empty if there is none. */
  readonly main: string;
}

const MARK = "polyproc:";

/** Writes a {@linkcode BirthArgument}. */
export function writeBirth(birth: BirthArgument): string {
  const memory = birth.memory === null ? "-:0" : `${birth.memory.fd}:${birth.memory.byteLength}`;
  const texts = [birth.config ?? "", birth.main].map(encodeURIComponent).join(":");
  return `${MARK}${birth.channelFd}:${memory}:${birth.parentPid}:${birth.daemon ? "d" : "-"}:${texts}`;
}

/** Reads a {@linkcode BirthArgument}; null if the text is none. */
export function readBirth(text: string | undefined): BirthArgument | null {
  const parts = text?.startsWith(MARK) ? text.slice(MARK.length).split(":") : [];
  if (parts.length !== 7) return null;
  const [channel, memory, size, parent, flags, config, main] = parts;
  return {
    channelFd: Number(channel),
    memory: memory === "-" ? null : { fd: Number(memory), byteLength: Number(size) },
    parentPid: Number(parent),
    daemon: flags === "d",
    config: decodeURIComponent(config) || null,
    main: decodeURIComponent(main),
  };
}

/** What the parent's runtime says about itself. */
export interface ParentFacts {
  readonly runtime: RuntimeName;
  /** The executable of this runtime. */
  readonly execPath: string;
  /** Its own flags. */
  readonly execArgv: readonly string[];
  /** The permission flags of a child on Deno that inherits. */
  permissions(): readonly string[];
  /** The Deno config file for a child, or else a `package.json`; null where there is neither. */
  config(): string | null;
  env(name: string): string | undefined;
}

let entryUrl = "";

/** The entry of every child on a runtime, as a URL: `worker.ts` or `node_worker.ts` beside this file; `.js` in the built package, which has a directory for each runtime. */
export function entry(runtime: RuntimeName): string {
  // `import.meta` as a whole is what bundlers do not replace, and a URL of its own beside it what they would bring along.
  const url = import.meta.url, { pathname } = new URL(url), type = /\.\w+$/.exec(pathname)?.[0] ?? ".js";
  const directory = /\/(node|deno|bun)\/adapters\/[^/]*\.js$/.test(pathname) ? `../../${runtime}/adapters/` : "./";
  return entryUrl || new URL(`${directory}${runtime === "node" ? "node_worker" : "worker"}${type}`, url).href;
}

/** Starts children from another entry. For the tests of the adapters. */
export function startWith(url: string | URL): void {
  entryUrl = String(url);
}

/** The entry as an argument: a path where it is a file. */
function entryArgument(runtime: RuntimeName): string {
  const url = entry(runtime);
  if (url.startsWith("file:")) return decodeURIComponent(new URL(url).pathname).replace(/^\/(?=[A-Za-z]:)/, "");
  if (runtime === "deno") return url;
  throw new ProcessError(`Cannot start a child on ${runtime}: the library was loaded from ${url}, and only Deno runs remote modules`);
}

/** Options that belong to the parent's own start and not to a child: they evaluate, test, watch, change the directory, or take the one port of a debugger. */
const OWN: Readonly<Record<"node" | "bun", RegExp>> = {
  node:
    /^(-[epci]|-pe|--(eval|print|check|interactive|input-type|test|watch|inspect|debug|run|prof|cpu-prof|heap-prof|build-snapshot|report)([-=].*)?)$/,
  // A dash alone: the program comes from standard input.
  bun: /^(-[ep]?|--(eval|print|check|interactive|cwd|watch|hot|inspect|cpu-prof|heap-prof)([-=].*)?)$/,
};

/** A runtime's own flags as a child gets them. */
export function ownFlags(runtime: "node" | "bun", execArgv: readonly string[]): string[] {
  const kept: string[] = [];
  for (let i = 0; i < execArgv.length; i++) {
    if (!OWN[runtime].test(execArgv[i])) kept.push(execArgv[i]);
    // What is no option is the value of the one before.
    else if (i + 1 < execArgv.length && !execArgv[i + 1].startsWith("-")) i++;
  }
  return kept;
}

/** The executable and its arguments that start a child by the plan. Throws what makes `ended` reject. */
export function command(plan: StartPlan, facts: ParentFacts, birth: string): { path: string; args: string[] } {
  const runtime = plan.runtime ?? facts.runtime, same = runtime === facts.runtime;
  const path = facts.env(`POLYPROC_${runtime.toUpperCase()}`) || (same ? facts.execPath : runtime);
  const heapMb = plan.resourceLimits?.maxOldSpaceMb, extra = plan.execArgv ?? [];
  if (runtime !== "deno" && plan.permissions !== "inherit") {
    throw new UnsupportedError(
      `Cannot give permissions to a child on ${runtime}: only Deno has them; use runtime: "deno", or leave permissions out`,
    );
  }
  const args: string[] = [];
  if (runtime === "deno") {
    args.push("run", "--no-prompt", ...configFlags(facts.config(), entry(runtime)));
    const { permissions, memory } = plan, listed = permissions === "none" || permissions === "inherit" ? [] : permissions;
    const given = listed.map((flag) => flag.startsWith("-") ? flag : `--${flag}`);
    if (permissions === "inherit") args.push(...facts.permissions());
    else if (memory?.isNeeded && !given.some((flag) => /^(--allow-(ffi|all)|-A)$/.test(flag))) {
      throw new UnsupportedError(
        `Cannot give ${plan.name} these permissions: it shares memory with this program, which takes "allow-ffi"; add that, or run the program itself without --allow-ffi`,
      );
    }
    args.push(...given);
    if (heapMb !== undefined) args.push(`--v8-flags=--max-old-space-size=${heapMb}`);
  } else if (runtime === "node") {
    if (same) args.push(...ownFlags(runtime, facts.execArgv));
    if (heapMb !== undefined) args.push(`--max-old-space-size=${heapMb}`);
  } else {
    if (heapMb !== undefined) {
      throw new UnsupportedError("Cannot limit the memory of a child on Bun: it has no such option; leave resourceLimits out");
    }
    if (same) args.push(...ownFlags(runtime, facts.execArgv));
  }
  args.push(...extra, entryArgument(runtime), birth);
  return { path, args };
}

/** Why a child could not be started. */
export function cannotStart(plan: StartPlan, path: string, cause: unknown): ProcessError {
  const where = plan.cwd === undefined ? "" : ` in ${plan.cwd}`, runtime = plan.runtime;
  const way = runtime === undefined
    ? "see its cause"
    : `install it, put it on the PATH, or name its executable in the environment variable POLYPROC_${runtime.toUpperCase()}`;
  return new ProcessError(`Cannot start ${plan.name}: ${path} could not be executed${where}; ${way}`, { cause });
}
