/**
 * Puts a copy of the tests, and of the examples and measurements that they run, beside the built package, for which they ask by its name there, as its users do: its children start in about two thirds of the processor's time that they take from the sources.
 *
 * @module
 */

import { unpackNpm } from "./build_npm.ts";
import { ROOT, STAGE } from "./runtimes.ts";

const NAME = "@polyproc/multiprocessing";
const DIRECTORIES = ["tests", "examples", "bench"];

/** Builds the package, and makes {@linkcode STAGE}. */
export async function stageTests(): Promise<void> {
  await unpackNpm(`${STAGE}node_modules/${NAME}`);
  // Else it would be the checkout that is meant by its name.
  await Deno.writeTextFile(`${STAGE}package.json`, '{ "type": "module" }\n');
  for (const directory of DIRECTORIES) {
    await Deno.remove(STAGE + directory, { recursive: true }).catch(() => {});
    await stage(directory);
  }
}

async function stage(path: string): Promise<void> {
  await Deno.mkdir(`${STAGE}${path}`);
  for await (const { name, isDirectory } of Deno.readDir(`${ROOT}${path}`)) {
    const inside = `${path}/${name}`;
    if (isDirectory) await stage(inside);
    else if (!name.endsWith(".ts")) await Deno.copyFile(`${ROOT}${inside}`, `${STAGE}${inside}`);
    else {
      const text = await Deno.readTextFile(`${ROOT}${inside}`);
      await Deno.writeTextFile(`${STAGE}${inside}`, text.replaceAll(/"(\.\.\/)+mod\.ts"/g, `"${NAME}"`));
    }
  }
}
