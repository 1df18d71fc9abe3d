/**
 * Where in the user's program something of a pool was made or submitted.
 *
 * @module
 */

/** The message of an error that only notes where a task is submitted. */
export const SUBMITTED = "submitted here";

/** A line of a stack that is the runtime's own: in a bundle all others may be the library's, and then it would be taken for the program's. */
const RUNTIME = /[( ](?:node|ext|native):\S*$/;

/** Lets the stack of an error go on with that of the call that submitted the task. */
export function sited<T>(error: T, site: Error | null): T {
  if (site === null || !(error instanceof Error) || typeof site.stack !== "string") return error;
  const all = site.stack.split("\n").filter((line) => !line.includes(SUBMITTED) && !RUNTIME.test(line));
  const others = all.filter((line) => !isOwn(line)), lines = others.length > 0 ? others : all; // in a bundle all are in one file
  try {
    error.stack = `${error.stack}\n    --- the task was submitted ---\n${lines.join("\n")}`;
  } catch {
    // It is frozen.
  }
  return error;
}

/** Where the library is: in a package, in one folder and its entry. Bundles may not know, and would take `new URL` for a file to bring along. */
const OWN = ownPlaces();

function ownPlaces(): string[] {
  const url: string | undefined = import.meta.url;
  const folder = url?.replace(/[^/]*$/, ""), root = folder?.replace(/[^/]*\/$/, "");
  return folder === undefined ? [] : [folder, `${root}adapters/`, `${root}mod.`];
}

/** Whether a line of a stack is the library's own. */
function isOwn(line: string): boolean {
  const path = /[( ](\/[^)]*)/.exec(line)?.[1];
  return OWN.some((place) => line.includes(place) || path !== undefined && `file://${encodeURI(path)}`.startsWith(place));
}

/** Where somebody called the library, as a line of the stack has it. */
export function callerOf(site: Error): string | null {
  const line = site.stack?.split("\n").slice(1).find((line) => /\d:\d/.test(line) && !RUNTIME.test(line) && !isOwn(line));
  return line?.trim() ?? null;
}
