/**
 * Deno: a pool whose workers may read some files, and do nothing else, in a program that may do little more than start them:
 *
 *     deno run --allow-run=$(command -v deno) --allow-env --allow-read=deno.json examples/least_permission.ts
 *
 * - `--allow-run`: the workers are processes of Deno.
 * - `--allow-env`: Deno looks at the environment when a program starts another. (Instead of it, `--allow-ffi` shares memory with the workers. But then they need it too, and with foreign functions anybody can do anything.)
 * - `--allow-read=deno.json`: where the workers learn what the names of packages mean.
 *
 * The workers cannot even read this file: so their functions are sent to them as source, and use nothing from around them.
 */
import * as mp from "@polyproc/multiprocessing";

const FILES = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md"];

/** What a worker is for. */
export function countLines(file: string): number {
  return Deno.readTextFileSync(file).split("\n").length - 1;
}

/** What a worker must not be able to do. */
export async function overstep(): Promise<string[]> {
  const misdeeds: Record<string, () => unknown> = {
    "read deno.json": () => Deno.readTextFile("deno.json"),
    "write README.md": () => Deno.writeTextFile("README.md", "", { append: true }),
    "see the environment": () => Deno.env.get("HOME"),
    "talk to other machines": () => Deno.connect({ hostname: "127.0.0.1", port: 80 }),
    "start programs": () => new Deno.Command(Deno.execPath()).output(),
    "call foreign functions": () => Deno.dlopen("libc.so.6", {}),
  };
  const refused: string[] = [];
  for (const [what, misdeed] of Object.entries(misdeeds)) {
    try {
      await misdeed();
    } catch (error) {
      if (error instanceof Deno.errors.NotCapable) refused.push(what);
    }
  }
  return refused;
}

if (mp.isMain(import.meta)) {
  const pool = new mp.Pool({ processes: 2, permissions: [`allow-read=${FILES.join(",")}`] });
  const lines = await pool.map(countLines, FILES);
  for (const [i, file] of FILES.entries()) console.log(`${file}: ${lines[i]} lines`);
  console.log(`the workers may not ${(await pool.apply(overstep)).join(", ")}`);
  pool.close();
  await pool.join();
}
