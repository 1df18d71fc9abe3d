/**
 * Node 22 takes the types out of every module anew in every process, for longer than most tests take; later ones keep what they made of it in the compile cache. This keeps it for Node 22:
 * run as a program it strips the modules of the checkout, and loaded with `--import` it has Node take them from there. It changes nothing else: the very same text is run.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { existsSync, globSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { registerHooks, stripTypeScriptTypes } from "node:module";
import process from "node:process";
import { fileURLToPath } from "node:url";

const root = new URL("../", import.meta.url);
const cache = new URL("node_modules/.cache/stripped/", root);

function strippedFile(text) {
  return new URL(`${createHash("sha1").update(text).digest("hex")}.js`, cache);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  mkdirSync(cache, { recursive: true });
  for (const path of globSync(["mod.ts", "{src,adapters,tests,examples,npm/stage/{tests,examples,bench}}/**/*.ts"], { cwd: root })) {
    const text = readFileSync(new URL(path, root), "utf8"), file = strippedFile(text);
    try {
      if (!existsSync(file)) writeFileSync(file, stripTypeScriptTypes(text));
    } catch {
      // What has more than types to take out fails in the tests as it would without this.
    }
  }
} else {
  registerHooks({
    load(url, context, next) {
      if (url.startsWith(root.href) && url.endsWith(".ts") && !url.includes("/node_modules/")) {
        try {
          return { format: "module", source: readFileSync(strippedFile(readFileSync(new URL(url))), "utf8"), shortCircuit: true };
        } catch {
          // It was not stripped.
        }
      }
      return next(url, context);
    },
  });
}
