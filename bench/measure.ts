/**
 * What all cases share: contenders measured in alternating rounds, one JSON line each.
 *
 * @module
 */
import process from "node:process";

/** One way of doing the work. */
export interface Contender {
  /** Who: `"polyproc process, sync"`, `"CPython"`. */
  readonly name: string;
  /** How many take part, where that is what a case is about. */
  readonly participants?: number;
  /** Does the work once; gives the figure of this round, or null where it cannot. */
  round(): Promise<number | null> | number | null;
  /** Ends what it started. */
  end?(): Promise<void> | void;
}

/** A line of output. */
export interface Line {
  readonly case: string;
  readonly unit: string;
  readonly runtime: string;
  readonly contender: string;
  readonly participants?: number;
  readonly median: number | null;
  readonly min: number | null;
  readonly max: number | null;
  /** Why there is no figure. */
  readonly reason?: string;
}

/** Name and version of this runtime. */
export const runtime: string = process.versions.bun !== undefined
  ? `bun ${process.versions.bun}`
  : process.versions.deno !== undefined
  ? `deno ${process.versions.deno}`
  : `node ${process.versions.node}`;

/** How much is asked for: `--tiny` for correctness alone, `--quick` for a glance, or all. Children do not know it. */
export const effort: "tiny" | "quick" | "full" = process.argv.includes("--tiny")
  ? "tiny"
  : process.argv.includes("--quick")
  ? "quick"
  : "full";

/** With `--ours`, nobody else takes part. */
const isOursAlone: boolean = process.argv.includes("--ours");

const ROUNDS = { tiny: 1, quick: 3, full: 7 }[effort];

/** How many of something, by how much is asked for. */
export function size(full: number, tiny: number): number {
  return { tiny, quick: Math.ceil(full / 10), full }[effort];
}

/** Figures that were found along with others, one in each round. */
export function noted(name: string, figures: number[]): Contender {
  return { name, round: () => figures.shift() ?? null };
}

/** Measures contenders in alternating rounds and prints a line for each. @param name Of the case. @param unit Of the figures. @param warmUp How many rounds come before those that count. */
export async function measure(name: string, unit: string, all: readonly Contender[], warmUp = 1): Promise<void> {
  const { true: contenders = [], false: others = [] } = Object.groupBy(all, ({ name }) => `${!isOursAlone || name.startsWith("polyproc")}`);
  for (const other of others) await other.end?.();
  const samples = new Map<Contender, number[]>(contenders.map((contender) => [contender, []]));
  const reasons = new Map<Contender, string>();
  // At once: what it started and does not work may still take its part of the processors.
  const giveUp = async (contender: Contender, reason: string) => {
    reasons.set(contender, reason);
    await contender.end?.();
  };
  for (let round = effort === "tiny" ? 0 : -warmUp; round < ROUNDS; round++) {
    for (const contender of contenders) {
      if (reasons.has(contender)) continue;
      try {
        const figure = await contender.round();
        if (figure === null) await giveUp(contender, "not here");
        else if (round >= 0) samples.get(contender)!.push(figure);
      } catch (error) {
        await giveUp(contender, error instanceof Error ? error.message : String(error));
      }
    }
  }
  for (const contender of contenders) {
    if (!reasons.has(contender)) await contender.end?.();
    const sorted = samples.get(contender)!.sort((a, b) => a - b);
    const of = (index: number) => (sorted.length === 0 ? null : Number(sorted[index].toPrecision(4)));
    const line: Line = {
      case: name,
      unit,
      runtime,
      contender: contender.name,
      ...(contender.participants === undefined ? {} : { participants: contender.participants }),
      median: of(sorted.length >> 1),
      min: of(0),
      max: of(sorted.length - 1),
      ...(sorted.length === 0 ? { reason: reasons.get(contender) ?? "no figure" } : {}),
    };
    console.log(JSON.stringify(line));
  }
}
