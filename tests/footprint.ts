/** What a program takes of the system. For tests of what is given back, and for scripts/soak.ts. */
import { readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";

/** How much memory the arena of this tree of processes takes, in MiB. */
export function arenaMib(): number {
  for (const fd of readdirSync("/proc/self/fd")) {
    try {
      if (readlinkSync(`/proc/self/fd/${fd}`).includes("memfd:polyproc")) return statSync(`/proc/self/fd/${fd}`).blocks / 2048;
    } catch {
      // closed meanwhile
    }
  }
  return 0;
}

/** What a process has open and uses, of what the system counts. */
export interface Footprint {
  readonly descriptors: number;
  readonly threads: number;
  readonly children: number;
  readonly residentMib: number;
  readonly arenaMib: number;
}

/** This process's. */
export function footprint(): Footprint {
  const status = readFileSync("/proc/self/status", "utf8");
  const number = (key: string) => Number(new RegExp(`^${key}:\\s+(\\d+)`, "m").exec(status)?.[1]);
  const children = readdirSync("/proc/self/task").map((task) => {
    try {
      return readFileSync(`/proc/self/task/${task}/children`, "utf8").trim();
    } catch {
      return ""; // a thread that ended meanwhile
    }
  });
  return {
    descriptors: readdirSync("/proc/self/fd").length,
    threads: number("Threads"),
    children: children.filter((ids) => ids !== "").flatMap((ids) => ids.split(" ")).length,
    residentMib: number("RssAnon") / 1024,
    arenaMib: arenaMib(),
  };
}
