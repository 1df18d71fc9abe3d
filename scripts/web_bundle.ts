/**
 * Bundles a test file for a browser or an edge runtime, with all that its children run.
 *
 * @module
 */

import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build, type Plugin } from "esbuild";

const ROOT = fileURLToPath(new URL("../", import.meta.url));

/** Standard modules of Node's: those that the tests have a replacement for, and others, which fail when they are used. */
const standard: Plugin = {
  name: "standard modules",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^node:/ }, ({ path }) => {
      const replacement = `${ROOT}tests/web/${path.slice(5)}.ts`;
      return existsSync(replacement) ? { path: replacement } : { path, namespace: "missing" };
    });
    onLoad({ filter: /./, namespace: "missing" }, ({ path }) => ({
      contents: `module.exports = new Proxy({}, { get: (_, name) => name === "__esModule" ? undefined : () => {
        throw new Error("there is no ${path} here");
      } })`,
    }));
  },
};

/** Modules of the tests keep the URLs that they have: in a bundle all would have that of the bundle. */
const urls: Plugin = {
  name: "URLs",
  setup({ onLoad }) {
    onLoad({ filter: /\/tests\/.*\.ts$/ }, ({ path }) => ({
      contents: readFileSync(path, "utf8").replaceAll("import.meta", `({ url: "file://${path}" })`),
      loader: "ts",
    }));
  },
};

/** The modules of the tests that one imports, and those that these import. */
function modulesOf(path: string, found: Set<string> = new Set()): Set<string> {
  if (found.has(path)) return found;
  found.add(path);
  for (
    const [, specifier] of readFileSync(path, "utf8").matchAll(/^(?:import|export)\b[^"']*?from "(\.[^"]*)";$|^\} from "(\.[^"]*)";$/gm)
  ) {
    const target = specifier === undefined ? null : fileURLToPath(new URL(specifier, `file://${path}`));
    if (target?.startsWith(`${ROOT}tests/`) && existsSync(target)) modulesOf(target, found);
  }
  return found;
}

/** Bundles `tests/….ts`. @return Texts of the program; of its children's entry; and of a module whose `run` starts the program. */
export async function bundleTests(file: string, conditions: string[]): Promise<{ program: string; worker: string; late: string }> {
  const modules = [...modulesOf(`${ROOT}${file}`)].map((path, i) => ({ path, name: `m${i}` }));
  const known = `import { registerModule } from "${ROOT}mod.ts";\n` +
    modules.map(({ path, name }) => `import * as ${name} from "${path}";\nregisterModule("file://${path}", ${name});`).join("\n");
  const program =
    `import { setExecutable } from "${ROOT}mod.ts";\nsetExecutable(() => new Worker("/worker.js", { type: "module", name: "polyproc" }));\n${known}`;
  const late = `import { registerModule } from "${ROOT}mod.ts";\n` +
    modules.map(({ path }) => `registerModule("file://${path}", () => import("${path}"));`).join("\n");
  const text = async (contents: string) => {
    const { outputFiles } = await build({
      stdin: { contents, resolveDir: ROOT, sourcefile: "tests.ts", loader: "ts" },
      bundle: true,
      write: false,
      format: "esm",
      target: "esnext",
      keepNames: true,
      conditions,
      plugins: [standard, urls, parts({ program })],
      logLevel: "error",
      logOverride: { "unsupported-dynamic-import": "silent" },
    });
    return outputFiles[0].text;
  };
  return {
    program: await text(program),
    worker: await text(`import "${ROOT}adapters/worker.ts";\n${late}`),
    late: await text('export const run = () => import("part:program");'),
  };
}

/** Modules made here. */
function parts(texts: Record<string, string>): Plugin {
  return {
    name: "parts",
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /^part:/ }, ({ path }) => ({ path, namespace: "part" }));
      onLoad({ filter: /./, namespace: "part" }, ({ path }) => ({ contents: texts[path.slice(5)], resolveDir: ROOT, loader: "ts" }));
    },
  };
}
