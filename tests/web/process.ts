/** What the tests use of `node:process`, where there is none. */
import { adapter } from "#adapter";

/** Whoever runs the tests says what to run, and hears of the end. */
interface Runner {
  readonly polyprocTests?: { readonly args: readonly string[]; readonly env: Record<string, string>; over(code: number): void };
}

type Listener = (error?: unknown) => void;

interface Process {
  readonly argv: string[];
  readonly env: Record<string, string>;
  readonly pid: number;
  exitCode: number;
  on(event: string, listen: Listener): void;
  listenerCount(event: string): number;
  exit(code?: number): void;
}

const runner = (globalThis as Runner).polyprocTests;
const listeners: Record<string, Listener[]> = {};

function tell(event: string, error?: unknown): void {
  for (const listen of listeners[event] ?? []) listen(error);
}

const process: Process = {
  argv: ["", "", ...runner?.args ?? []],
  env: runner?.env ?? {},
  pid: adapter.thread().pid,
  exitCode: 0,
  on: (event, listen) => void (listeners[event] ??= []).push(listen),
  listenerCount: (event) => listeners[event]?.length ?? 0,
  exit(code = process.exitCode) {
    if (adapter.birth !== null) adapter.exit(code);
    tell("exit");
    runner?.over(process.exitCode);
  },
};

if (runner !== undefined) {
  addEventListener("error", (event) => tell("uncaughtException", event.error));
  addEventListener("unhandledrejection", (event) => tell("unhandledRejection", event.reason));
}

export default process;
