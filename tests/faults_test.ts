/** Processes killed at random moments in the middle of queues that are busy: nobody hangs, nothing is lost or doubled, nothing is left. */
// run: on=node26,deno,bun
import { inject, SCENARIOS } from "./faults.ts";
import { eachMethod } from "./harness.ts";
import { answersAtOnce, RUNTIMES } from "./timing.ts";

/** Of each in each run; `scripts/soak.ts` goes on for as long as one likes. */
const TIMES = 5;
const needs = () => answersAtOnce("process");

for (const scenario of SCENARIOS) {
  eachMethod(`${scenario.name} is killed: ${TIMES} times`, (ctx) => inject(scenario, ctx, TIMES), {
    methods: ["process", "thread"],
    timeoutMs: 240_000,
    needs,
  });
}

for (const producer of RUNTIMES) {
  const consumer = RUNTIMES[(RUNTIMES.indexOf(producer) + 1) % RUNTIMES.length];
  for (const scenario of SCENARIOS.slice(0, 2)) {
    eachMethod(
      `${scenario.name} is killed, ${producer} to ${consumer}`,
      (ctx) => inject(scenario, ctx, 2, () => ({ producer, consumer })),
      {
        methods: ["process"],
        timeoutMs: 240_000,
        needs,
      },
    );
  }
}
