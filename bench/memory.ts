/**
 * What the system says of memory, in MiB.
 *
 * @module
 */
import { readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";

/** A process's part of memory: what it shares with others counts in parts. */
export function partMib(pid: number | "self"): number {
  return Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))?.[1]) / 1024;
}

/** The memory that this program and its child processes share, as much of it as is in use. */
export function sharedMib(): number {
  for (const fd of readdirSync("/proc/self/fd")) {
    try {
      if (readlinkSync(`/proc/self/fd/${fd}`).includes("memfd:polyproc")) return statSync(`/proc/self/fd/${fd}`).blocks / 2048;
    } catch {
      // It was closed meanwhile.
    }
  }
  throw new Error("no memory is shared");
}
