/**
 * Runs a test file in a page of headless Chromium: `node scripts/run_chromium.ts [--apart] [--worker] tests/….ts [filter…]`.
 *
 * @module
 */

import { basename } from "node:path";
import process from "node:process";
import { type Browser, chromium } from "playwright-core";
import { ISOLATION } from "./demo_browser.ts";
import { serve } from "./serve.ts";
import { bundleTests } from "./web_bundle.ts";

/** Where it is. */
export const CHROMIUM: string = process.env.POLYPROC_CHROMIUM ?? "/usr/bin/chromium";

/** Starts the browser that is installed. */
export function launchChromium(): Promise<Browser> {
  return chromium.launch({
    executablePath: CHROMIUM,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      "--js-flags=--expose-gc",
    ],
  });
}

/** Where the tests run, besides a page that is isolated. */
interface Mode {
  /** Without cross-origin isolation. */
  readonly apart: boolean;
  /** In a worker, which may block. */
  readonly worker: boolean;
}

async function main([file, ...filters]: string[], { apart, worker }: Mode): Promise<number> {
  const bundle = await bundleTests(file, ["browser"]), name = `/${basename(file, ".ts")}.js`;
  const env = { POLYPROC_TEST_STARTS: process.env.POLYPROC_TEST_STARTS ?? "" };
  const start = `
    globalThis.polyprocTests = { args: ${JSON.stringify(filters)}, env: ${JSON.stringify(env)}, over: (code) => console.log("over", code) };
    await import("${name}");`;
  const script = worker ? 'new Worker("/start.js", { type: "module" });' : 'import "/start.js";';
  const html = `<!doctype html><title>${file}</title><link rel="icon" href="data:,"><script type="module">${script}</script>`;
  const { server, url } = await serve(
    { "/": html, "/start.js": start, [name]: bundle.program, "/worker.js": bundle.worker },
    apart ? {} : ISOLATION,
  );
  const browser = await launchChromium();
  try {
    const page = await browser.newPage();
    let hasBegun = false;
    return await new Promise<number>((resolve, reject) => {
      page.on("console", (message) => {
        const [, code] = /^over (\d+)$/.exec(message.text()) ?? [];
        if (code !== undefined) resolve(Number(code));
        else console.log(message.text());
        hasBegun ||= code === undefined;
      });
      page.on("crash", () => reject(new Error("The page has crashed")));
      page.on("pageerror", (error) => {
        console.log(error.stack);
        if (!hasBegun) reject(new Error("The page could not be run"));
      });
      page.goto(url).catch(reject);
    });
  } finally {
    await browser.close();
    server.close();
  }
}

if (import.meta.main) {
  const args = process.argv.slice(2);
  const rest = args.filter((arg) => !arg.startsWith("--"));
  process.exitCode = await main(rest, { apart: args.includes("--apart"), worker: args.includes("--worker") });
}
