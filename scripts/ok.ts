/**
 * Every check that runs nothing: format, lint, types against each runtime's own, the fence round `src/`, documentation, rules of the house. `deno task ok`.
 *
 * @module
 */

import { environment, ROOT } from "./runtimes.ts";

interface Check {
  readonly name: string;
  /** What is wrong; empty if nothing is. */
  run(): Promise<string>;
}

const SOURCES = ["mod.ts", "src", "adapters", "tests", "scripts", "examples", "bench"];
const AT_ONCE = 2;

/** A command that is content when its exit code is 0. */
function command(name: string, path: string, ...args: string[]): Check {
  return {
    name,
    run: async () => {
      const { success, text } = await output(path, args);
      return success ? "" : text;
    },
  };
}

async function output(path: string, args: readonly string[]): Promise<{ success: boolean; text: string }> {
  const { success, stdout, stderr } = await new Deno.Command(path, { args: [...args], cwd: ROOT, env: environment({ NO_COLOR: "1" }) })
    .output();
  const decoder = new TextDecoder();
  return { success, text: decoder.decode(stdout) + decoder.decode(stderr) };
}

function tsc(name: string, config: string): Check {
  return command(name, `${ROOT}node_modules/.bin/tsc`, "-p", `scripts/types/${config}.json`);
}

/** Deno's own check of the documentation. A public class may rest on a private one. */
const documentation: Check = {
  name: "documentation",
  run: async () => {
    const { success, text } = await output(Deno.execPath(), ["doc", "--lint", "mod.ts"]);
    const findings = text.split(/^(?=error)/m).filter((finding) => finding.startsWith("error["));
    if (!success && findings.length === 0) return text;
    return findings.filter((finding) => !finding.startsWith("error[private-type-ref]")).join("");
  },
};

/** What no file of ours may hold. Written in parts, for this file is looked at too. */
const FORBIDDEN: readonly (readonly [RegExp, string])[] = [
  [new RegExp(`\\b(${"TO"}DO|${"FIX"}ME)\\b`), "a note of what is left to do: do it, or say in an issue what is missing"],
  [new RegExp(`\\b${"as"} any\\b`), "a cast that switches the types off"],
  [new RegExp(`@ts-(${"ignore"}|${"nocheck"}|${"expect"}-error)`), "a comment that switches the types off"],
  [new RegExp(`\\.(${"skip"}|${"only"})\\(`), "a test that is left out"],
  [/^\s*(await )?using \w+ = /, "a declaration that Node 22 cannot read: dispose in a finally"],
];

const house: Check = {
  name: "rules of the house",
  run: async () => {
    const findings: string[] = [];
    for (const source of SOURCES) {
      for await (const file of typescript(source)) {
        const lines = (await Deno.readTextFile(ROOT + file)).split("\n");
        for (const [at, line] of lines.entries()) {
          for (const [pattern, what] of FORBIDDEN) if (pattern.test(line)) findings.push(`${file}:${at + 1}: ${what}: ${line.trim()}`);
        }
      }
    }
    return findings.join("\n");
  },
};

/** The TypeScript files at a path or below it. */
async function* typescript(path: string): AsyncGenerator<string> {
  if (path.endsWith(".ts")) return yield path;
  try {
    for await (const entry of Deno.readDir(ROOT + path)) {
      if (entry.isDirectory || entry.name.endsWith(".ts")) yield* typescript(`${path}/${entry.name}`);
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/**
 * Deno's types, of everything that it runs. So not of the example for Bun, which is checked with Bun's; of the declarations of the fence, which contradict every runtime's; and of what tsd checks, which is wrong on purpose.
 */
const typesOnDeno: Check = {
  name: "types on Deno",
  run: async () => {
    const files = (await Promise.all(SOURCES.map((source) => Array.fromAsync(typescript(source))))).flat();
    const { success, text } = await output(Deno.execPath(), [
      "check",
      "--quiet",
      ...files.filter((file) => !/[.-]d\.ts$|^examples\/\w+_bun\.ts$/.test(file)),
    ]);
    return success ? "" : text;
  },
};

const checks: Check[] = [
  typesOnDeno,
  tsc("types on Node", "node"),
  tsc("types on Bun", "bun"),
  tsc("types in browsers", "browser"),
  tsc("fence: src/ knows no runtime", "fence"),
  documentation,
  command("lint", Deno.execPath(), "lint", "--quiet"),
  command("format", Deno.execPath(), "fmt", "--check"),
  house,
];

let failed = 0, passed = 0;
const queue = [...checks];
await Promise.all(Array.from({ length: AT_ONCE }, async () => {
  for (let check = queue.shift(); check !== undefined; check = queue.shift()) {
    const start = performance.now();
    const wrong = await check.run();
    console.log(`${wrong === "" ? "ok" : "FAIL"} - ${check.name} (${Math.round(performance.now() - start)} ms)`);
    if (wrong === "") passed++;
    else {
      failed++;
      console.log(wrong.trimEnd().replace(/^/gm, "  "));
    }
  }
}));
console.log(`${passed} passed, ${failed} failed`);
Deno.exit(failed > 0 ? 1 : 0);
