/**
 * The adapter of browsers: pages, and workers of all kinds.
 *
 * @module
 */

import type { Adapter, Capabilities, Child, StartMethod } from "../src/adapter.ts";
import { Stopped } from "../src/gate.ts";
import { stillborn } from "./stillborn.ts";
import { bare, follows, noBlocks } from "./web.ts";
import { startThread, threadBirth } from "./web_threads.ts";

interface Scope {
  readonly name?: string;
  readonly crossOriginIsolated?: boolean;
  readonly location?: { readonly href: string };
  readonly Worker?: unknown;
  importScripts?(): void;
  readonly document?: { readonly baseURI: string; readonly scripts: Iterable<{ readonly type: string; readonly src: string }> };
  close(): void;
}

const scope = globalThis as unknown as Scope;
const isPage = scope.document !== undefined;
/** The name of a worker says that it is a child: nothing else is known of it before its first message. */
const thread = !isPage && scope.name === "polyproc" ? threadBirth() : null;

const NOT_ISOLATED =
  "the page is not cross-origin isolated: have its server send the headers Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp";

function capabilities(): Capabilities {
  const reasons: Record<string, string> = {
    "startMethods.process": "browsers have no processes",
    "sharedMemory.process": "browsers have no processes",
  };
  const startMethods: StartMethod[] = ["inline"];
  if (scope.Worker !== undefined) startMethods.unshift("thread");
  else reasons["startMethods.thread"] = "there are no workers in this kind of worker";
  if (scope.crossOriginIsolated !== true) reasons["sharedMemory.thread"] = NOT_ISOLATED;
  else if (!("waitAsync" in Atomics)) reasons["sharedMemory.thread"] = "this browser does not know Atomics.waitAsync";
  const isShared = !("sharedMemory.thread" in reasons);
  if (isPage) reasons.blocking = "a page may not block";
  else if (!isShared) reasons.blocking = reasons["sharedMemory.thread"];
  reasons.memoryUsed = "browsers do not tell how much memory is used";
  if (!follows) reasons.follow = "after an await, inline tasks do not know who they are";
  return { runtime: browser(), startMethods, sharedMemory: { thread: isShared, process: false }, blocking: isShared && !isPage, reasons };
}

/** Name and version, as far as it says. */
function browser(): string {
  const [, name, version] = /(Firefox|Chrome|Chromium|Version)\/([\d.]+)/.exec(navigator.userAgent) ?? [];
  return name === undefined ? "browser" : `${name === "Version" ? "safari" : name.toLowerCase()} ${version}`;
}

/** What kind of script this worker's is: in a module there is nothing to import that way. */
function scriptType(): "classic" | "module" {
  try {
    scope.importScripts!();
    return "classic";
  } catch {
    return "module";
  }
}

function start(_kind: "process" | "thread", plan: Parameters<Adapter["start"]>[1]): Child {
  try {
    return startThread(plan, () =>
      // In a child, what it was made from: a bundler may have put that anywhere.
      thread !== null
        ? new Worker(scope.location!.href, { type: scriptType(), name: "polyproc" })
        : new Worker(new URL("./worker.ts", import.meta.url), { type: "module", name: "polyproc" }));
  } catch (error) {
    return stillborn(error);
  }
}

const exitHooks: ((code: number) => void)[] = [];
let isEnding = false;

function exit(code: number): never {
  if (!isEnding) {
    isEnding = true;
    for (const run of exitHooks) run(code);
    thread?.end(code);
    scope.close();
  }
  // Closing alone lets the present turn go on: it is to end here. Where a thread cannot stand still until it is terminated, nobody listens to it any more.
  if (adapter.can.blocking) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  throw new Stopped();
}

const crashHearers: ((error: unknown) => void)[] = [];

/** In a child: an error that nobody caught ends it. */
function onUncaught(event: Event): void {
  const error = event instanceof ErrorEvent ? event.error : (event as PromiseRejectionEvent).reason;
  if (event.defaultPrevented) return;
  event.preventDefault();
  if (isEnding || error instanceof Stopped) return;
  for (const hear of crashHearers) hear(error);
  try {
    exit(1);
  } catch {
    // It is over.
  }
}

let can: Capabilities | null = null;

/** The adapter. */
export const adapter: Adapter = {
  ...bare,
  get named() {
    return noBlocks();
  },
  get can() {
    return can ??= capabilities();
  },
  birth: thread?.birth ?? null,
  cores: { all: navigator.hardwareConcurrency, available: navigator.hardwareConcurrency },
  start,
  // A page takes its workers along.
  onExit: (run) => void exitHooks.push(run),
  onCrash(hear) {
    if (crashHearers.push(hear) > 1) return;
    addEventListener("error", onUncaught);
    addEventListener("unhandledrejection", onUncaught);
  },
  isMain(url) {
    const { document, location } = scope;
    if (document === undefined) return url === location?.href;
    return Array.from(document.scripts, ({ type, src }) => type === "module" ? src || document.baseURI : "").includes(url);
  },
  endsByItself: false,
  exit,
  complain(line) {
    if (thread === null || thread.isHeard()) console.error(line);
    else thread.complain(`${line}\n`);
  },
};
