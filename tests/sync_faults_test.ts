/** One of four participants is killed at random moments while all use a lock, a semaphore, a condition and so on: the others go on, and what must hold does. */
// run: on=node26,deno,bun,chromium with=
import { type Cast, inject } from "./faults.ts";
import { eachMethod } from "./harness.ts";
import { SYNC_SCENARIOS } from "./sync_faults.ts";
import { answersAtOnce, RUNTIMES } from "./timing.ts";

const TIMES = 2;

/** Other runtimes by turns. */
let turn = 0;
const castOf = (): Cast => ({ producer: RUNTIMES[turn % 3], consumer: RUNTIMES[++turn % 3] });

for (const scenario of SYNC_SCENARIOS) {
  for (const method of ["process", "thread"] as const) {
    eachMethod(`${scenario.name} is killed`, (ctx) => inject(scenario, ctx, TIMES), {
      methods: [method],
      timeoutMs: 120_000,
      needs: () => answersAtOnce(method),
    });
  }
}

for (const scenario of SYNC_SCENARIOS) {
  eachMethod(`${scenario.name} is killed, on different runtimes`, (ctx) => inject(scenario, ctx, 1, castOf), {
    methods: ["process"],
    timeoutMs: 120_000,
    needs: () => answersAtOnce("process"),
  });
}
