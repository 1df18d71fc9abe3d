/**
 * Tells how it came to a failure, for people.
 *
 * @module
 */
import type { Failure } from "./explore.ts";
import { ARENA_WORDS } from "./library.ts";
import * as M from "./machine.ts";
import { type Actor, Run } from "./program.ts";
import type { Stage } from "./scenario.ts";

/** The trace as text: who did what to which word, and where in the sources. */
export function tell({ error, trace }: Failure, stage: Stage, actors: readonly Actor[]): string {
  const lines: string[] = [];
  const name = namer(stage, actors);
  const users = new Map<number, Set<string>>();
  const written = new Set<number>();
  for (const { actor, node } of trace) {
    if (node.op > M.READ_BYTE || actor.name === "last") continue;
    users.set(node.address, (users.get(node.address) ?? new Set()).add(actor.name));
    if (node.op > M.LOAD && node.op !== M.READ_BYTE) written.add(node.address);
  }
  const width = Math.max(...actors.map((actor) => actor.name.length));
  let before = "";
  for (const { actor, kind, node, gave } of trace) {
    const who = (actor.name === before ? "" : actor.name).padEnd(width);
    if (kind !== "step") {
      lines.push(`${actor.name.padEnd(width)}  ${kind === "dies" ? "DIES" : "STOPS for good, and will die"}`);
      before = "";
      continue;
    }
    const isDull = node.op <= M.READ_BYTE &&
      (actor.name === "last" || (users.get(node.address)?.size ?? 0) < 2 || !written.has(node.address));
    if (isDull) continue;
    if (node.site === undefined && node.op !== M.BEGIN) Run.locate(stage.machine, actor, node);
    lines.push(`${who}  ${describe(node, gave, actor, name).padEnd(64)} ${node.site ?? ""}`.trimEnd());
    before = actor.name;
  }
  const message = error instanceof Error ? error.message : String(error);
  const stack = error instanceof Error && error.name !== "AssertionError" ? "\n" + error.stack : "";
  return `${message}${stack}\nThis is how it came to that (of the words, only those that one wrote and another used):\n${lines.join("\n")}`;
}

function describe(node: M.Step, gave: number, actor: Actor, name: Naming): string {
  const { op, address, a, b } = node;
  const word = op <= M.CAS || op === M.ENTER ? name.word(address) : "";
  const value = (v: number) => name.value(address, v);
  switch (op) {
    case M.READ:
    case M.LOAD:
      return `${M.OP_NAMES[op]} ${word} = ${value(gave)}`;
    case M.WRITE:
    case M.STORE:
      return `${M.OP_NAMES[op]} ${word} := ${value(a)}`;
    case M.WRITE_BYTE:
      return `write byte ${b} of ${word} := ${a}`;
    case M.CAS:
      return `compareExchange ${word}: ${value(a)} → ${value(b)}${gave === a ? "" : `, but it is ${value(gave)}`}`;
    case M.ENTER:
      return `enter ${word}${gave === 0 ? "" : gave === 1 ? ", taking it over" : ", in vain"}`;
    case M.ALIVE:
      return `is ${name.actor(address)} alive? ${gave === 1 ? "yes" : "no"}`;
    case M.PARK:
      return gave === M.BLOCKED ? "falls asleep" : gave === M.TIME_PASSED ? "its time is up" : "awake";
    case M.IDLE:
      return gave === M.TIME_PASSED ? "its timer fires" : "its event loop is rung";
    case M.UNPARK:
      return `unpark ${name.word(address)}`;
    case M.ROUSE:
      return `knock at the door of actor ${address}`;
    case M.BEGIN:
      return `—— ${actor.operations[address].name}`;
    case M.LISTEN:
    case M.DETACH:
      return M.OP_NAMES[op];
    default:
      return `${M.OP_NAMES[op]} ${word} ${op === M.AND || op === M.OR ? `0x${(a >>> 0).toString(16)}` : a}${
        b === 1 || M.EXCHANGE === op ? "" : `, was ${gave}`
      }`;
  }
}

interface Naming {
  word(address: number): string;
  value(address: number, value: number): string;
  actor(ghost: number): string;
}

function namer({ library: { layout: L }, names, idents, monitors }: Stage, actors: readonly Actor[]): Naming {
  const slotWords = SLOT_WORDS;
  const byIdent = new Map([...idents].map(([name, ident]) => [ident, name]));
  const word = (address: number): string => {
    const found = names.find(([first, count]) => address >= first && address < first + count);
    if (found !== undefined) return found[1] === 1 ? found[2] : `${found[2]}[${address - found[0]}]`;
    if (address === L.EPOCH) return "epoch";
    if (address === L.HEAP_LOCK) return "heap.owner";
    if (address >= L.HEAP_LOCK && address < L.NEXT_SERIAL) return `heap.waiters[${address - L.HEAP_LOCK - 1}]`;
    const slots = L.SLOTS_OFFSET / 4;
    if (address >= slots && address < slots + L.SLOT_COUNT * 16) {
      const slot = (address - slots) >> 4;
      const field = (address - slots) & 15;
      return `${actors.find((actor) => actor.slot === slot)?.name ?? `slot ${slot}`}.${slotWords[field] ?? field}`;
    }
    if (address < slots) return `head[${address}]`;
    return `heap[0x${(address * 4).toString(16)}]`;
  };
  return {
    word,
    value: (address, value) =>
      (monitors.includes(address) || word(address).endsWith(".ident")) && byIdent.has(value) ? byIdent.get(value)! : String(value),
    actor: (ghost) => actors[Math.floor((ghost - ARENA_WORDS) / M.GHOSTS_PER_ACTOR)].name,
  };
}

const SLOT_WORDS = ["ident", "phase", "bell", "asleep", "pid", "tid", "parent", "door", "door+1", "exit", "generation"];
