/**
 * What a program left behind on the machine.
 *
 * @module
 */

const SETTLE_MS = 3_000, LOOK_EVERY_MS = 50;
/** What others than the library keep in the temporary directory: caches of tsx, of Node and of npm. */
const CACHES = /^(tsx-|node-compile-cache|node-jiti|npm-|bun-|\.npm)/;

/** The processes that carry a mark in their environment or belong to a session, zombies aside: a container's first process may never reap those. */
export function processesOf(mark: string, session: number): { pid: number; command: string }[] {
  const found: { pid: number; command: string }[] = [];
  for (const { name } of Deno.readDirSync("/proc")) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === Deno.pid) continue;
    try {
      const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
      // After the name, which may hold anything: state, parent, group, session.
      const [state, , , itsSession] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      if (state === "Z" || state === "X") continue;
      if (Number(itsSession) !== session && !Deno.readTextFileSync(`/proc/${pid}/environ`).split("\0").includes(mark)) continue;
      found.push({ pid, command: Deno.readTextFileSync(`/proc/${pid}/cmdline`).replaceAll("\0", " ").trim() });
    } catch {
      // It is gone, or somebody else's.
    }
  }
  return found;
}

/** What is in `/dev/shm`. */
export function sharedMemoryFiles(): Set<string> {
  try {
    return new Set([...Deno.readDirSync("/dev/shm")].map(({ name }) => name));
  } catch {
    return new Set();
  }
}

/** Whether some process has it open or mapped: another program's tests run meanwhile. */
function isUsed(name: string): boolean {
  const path = `/dev/shm/${name}`;
  for (const { name: pid } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(pid)) continue;
    try {
      if (Deno.readTextFileSync(`/proc/${pid}/maps`).includes(` ${path}\n`)) return true;
      for (const { name: fd } of Deno.readDirSync(`/proc/${pid}/fd`)) if (Deno.readLinkSync(`/proc/${pid}/fd/${fd}`) === path) return true;
    } catch {
      // It is gone, or somebody else's.
    }
  }
  return false;
}

/** Everything that a program left, a little after its end; what still runs is killed. */
export async function leaks(mark: string, session: number, temporary: string, before: ReadonlySet<string>): Promise<string[]> {
  const look = () => [
    ...processesOf(mark, session).map(({ pid, command }) => `process ${pid} still runs: ${command}`),
    ...[...sharedMemoryFiles()].filter((name) => !before.has(name) && !isUsed(name)).map((name) => `/dev/shm/${name}`),
    ...[...Deno.readDirSync(temporary)].filter(({ name }) => !CACHES.test(name)).map(({ name }) => `in the temporary directory: ${name}`),
  ];
  const end = performance.now() + SETTLE_MS;
  let left = look();
  while (left.length > 0 && performance.now() < end) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    left = look();
  }
  killAll(mark, session);
  return left;
}

/** Ends all of a program's processes. */
export function killAll(mark: string, session: number): void {
  for (const { pid } of processesOf(mark, session)) {
    try {
      Deno.kill(pid, "SIGKILL");
    } catch {
      // It was faster.
    }
  }
}
