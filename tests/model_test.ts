/**
 * Every interleaving of the real code of sleeping and waking (`src/park.ts`, `waiting_tasks.ts`, …), `monitor.ts`, `heap.ts`, `participant.ts`, the ring, and locks, semaphores, conditions, events and barriers, for small numbers of participants that may die at any
 * step, over simulated memory (tests/model/).
 * And the same with bugs put in on purpose, which must be found. What checks each state takes Node's `assert`, a quarter faster in all than chai's.
 *
 * `--soak` explores the large scenarios too, some of them not to their end. `--traces` tells how it came to each bug.
 */

// The algorithm is the same everywhere.
// run: on=node26 from=sources

import process from "node:process";
import { assert } from "chai";
import { test } from "./harness.ts";
import { BUGS } from "./model/bugs.ts";
import { CASES } from "./model/catalogue.ts";
import { type Library, load } from "./model/library.ts";
import { play } from "./model/scenario.ts";
import { tell } from "./model/trace.ts";

const isSoak = process.argv.includes("--soak");
const withTraces = process.argv.includes("--traces");
const timeoutMs = isSoak ? 7_200_000 : 180_000;

let library: Promise<Library> | undefined;

for (const { name, write, roles, options, edits, least, isLarge } of CASES) {
  if (isLarge && !isSoak) continue;
  test(`model: ${name}`, async () => {
    const { outcome, stage, actors } = play(await (edits === undefined ? library ??= load() : load(edits)), write, roles, options);
    console.log(`  ${outcome.states} states, ${outcome.executions} ends${outcome.isComplete ? "" : ", and there are more"}`);
    if (outcome.failure !== null) assert.fail(tell(outcome.failure, stage, actors));
    assert(outcome.isComplete || isLarge, "not all states were looked at");
    assert.isAtLeast(outcome.states, least, "states");
  }, { timeoutMs });
}

for (const bug of BUGS) {
  test(`model finds a bug put in: ${bug.name}`, async () => {
    const { write, roles, options, edits = [] } = CASES.find(({ name }) => name === bug.in)!;
    const { outcome, stage, actors } = play(await load([...edits, ...bug.edits]), write, roles, options);
    assert(outcome.failure !== null, `${outcome.states} states were looked at, and the bug was not found`);
    const [what, ...trace] = tell(outcome.failure, stage, actors).split("\n");
    console.log([`  found in state ${outcome.states}: ${what}`, ...(withTraces ? trace : [])].join("\n  "));
    assert.isAbove(trace.length, 3, "the trace tells something");
  }, { timeoutMs });
}
