/**
 * Opens a directory's page in headless Chromium, and prints what its console is told until that is "over": `node scripts/open_page.ts [--apart] directory`.
 *
 * @module
 */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { ISOLATION } from "./demo_browser.ts";
import { launchChromium } from "./run_chromium.ts";
import { serve } from "./serve.ts";

const TIME_MS = 30_000;

async function main(directory: string, isApart: boolean): Promise<number> {
  const files: Record<string, string> = {};
  for (const path of readdirSync(directory, { recursive: true, encoding: "utf8" })) {
    if (/\.(html|js|mjs|css)$/.test(path) && !path.includes("node_modules")) {
      files[`/${path}`] = readFileSync(join(directory, path), "utf8");
    }
  }
  const { server, url } = await serve(files, isApart ? {} : ISOLATION);
  const browser = await launchChromium();
  try {
    const page = await browser.newPage();
    return await new Promise<number>((resolve) => {
      page.on("console", (message) => {
        if (message.text() === "over") resolve(0);
        else console.log(message.text());
      });
      page.on("pageerror", (error) => {
        console.log(error.stack);
        resolve(1);
      });
      const late = setTimeout(() => resolve(1), TIME_MS);
      page.on("close", () => clearTimeout(late));
      void page.goto(`${url}/index.html`);
    });
  } finally {
    await browser.close();
    server.close();
  }
}

const args = process.argv.slice(2);
process.exitCode = await main(args.filter((arg) => arg !== "--apart")[0], args.includes("--apart"));
