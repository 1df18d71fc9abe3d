/** Chromium, for files whose tests share it: each has a context of its own there, in which it sees as little of the others as in a browser of its own. */
import { existsSync } from "node:fs";
import process from "node:process";
import type { Browser } from "playwright-core";
import { CHROMIUM, launchChromium } from "../scripts/run_chromium.ts";
import { afterAll } from "./harness.ts";

/** For tests that need it. */
export const OPTIONS = {
  timeoutMs: 120_000,
  needs: (): string | null => existsSync(CHROMIUM) || process.env.CI !== undefined ? null : `there is no ${CHROMIUM}`,
};

let shared: Promise<Browser> | null = null;

/** Starts it, unless it runs. */
export function chromium(): Promise<Browser> {
  return shared ??= (async () => {
    const browser = await launchChromium();
    // One that crashed fails the test in which it did, and no other.
    browser.on("disconnected", () => shared = null);
    return browser;
  })();
}

afterAll(async () => (await shared)?.close());
