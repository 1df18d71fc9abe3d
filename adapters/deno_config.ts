/**
 * Which file tells a child on Deno what bare imports mean. Deno looks for it beside the main module, but a child's main module is the library's.
 *
 * @module
 */

/**
 * The nearest `deno.json`, `deno.jsonc` or `package.json` upwards of the main module, or of the directory where there is no such module;
 * null if there is none.
 */
export function denoConfig(main: string, cwd: string, exists: (path: string) => boolean): string | null {
  const path = main.startsWith("file:")
    ? decodeURIComponent(new URL(main).pathname)
    : /^(https?|jsr|npm|data|blob):/.test(main)
    ? ""
    : main;
  let directory = path.startsWith("/") || /^[A-Za-z]:/.test(path) ? path.replace(/[\\/][^\\/]*$/, "") : cwd;
  for (;;) {
    for (const name of ["deno.json", "deno.jsonc", "package.json"]) {
      if (exists(`${directory}/${name}`)) return `${directory}/${name}`;
    }
    const up = directory.replace(/[\\/][^\\/]*$/, "");
    if (up === directory) return null;
    directory = up;
  }
}

/**
 * The flags by which Deno uses that file. Beside a `package.json` alone, packages are looked for in `node_modules`, as on Node. So they are where no file can be read,
 * but the library itself lies there: its own imports must be found.
 *
 * @param library A URL in it.
 */
export function configFlags(config: string | null, library: string): string[] {
  const isInstalled = config === null ? library.includes("/node_modules/") : config.endsWith("/package.json");
  if (isInstalled) return ["--no-config", "--node-modules-dir=manual"];
  return config === null ? ["--no-config"] : [`--config=${config}`];
}
