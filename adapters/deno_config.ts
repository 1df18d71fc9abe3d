/**
 * Which config file a child on Deno is told to use. Deno looks for it beside the main module, but a child's main module is the library's.
 *
 * @module
 */

/** The nearest `deno.json` or `deno.jsonc` upwards of the main module, or of the directory where there is none; null if there is none. */
export function denoConfig(main: string, cwd: string, exists: (path: string) => boolean): string | null {
  const path = main.startsWith("file:")
    ? decodeURIComponent(new URL(main).pathname)
    : /^(https?|jsr|npm|data|blob):/.test(main)
    ? ""
    : main;
  let directory = path.startsWith("/") || /^[A-Za-z]:/.test(path) ? path.replace(/[\\/][^\\/]*$/, "") : cwd;
  for (;;) {
    for (const name of ["deno.json", "deno.jsonc"]) {
      if (exists(`${directory}/${name}`)) return `${directory}/${name}`;
    }
    const up = directory.replace(/[\\/][^\\/]*$/, "");
    if (up === directory) return null;
    directory = up;
  }
}
