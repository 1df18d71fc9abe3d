/** Processes killed at random moments in the middle of queues that are busy: nobody hangs, nothing is lost or doubled, nothing is left. */
// run: on=node26,deno,bun from=sources
import { existsSync } from "node:fs";
import * as mp from "../mod.ts";
import { footprint, inject, SCENARIOS, usedMib } from "./faults.ts";
import { eachMethod, test } from "./harness.ts";
import { answersAtOnce, RUNTIMES, until } from "./timing.ts";

const TIMES = 10;
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
      (ctx) => inject(scenario, ctx, 4, () => ({ producer, consumer })),
      {
        methods: ["process"],
        timeoutMs: 240_000,
        needs,
      },
    );
  }
}

test("the dead leave nothing behind", async () => {
  const ctx = mp.getContext("process");
  await inject(SCENARIOS[0], ctx, 1);
  // Not what is in /dev/shm, where other programs come and go: that is looked at once this one has ended (scripts/leaks.ts).
  const before = footprint(), used = usedMib();
  for (const scenario of SCENARIOS.slice(0, 3)) await inject(scenario, ctx, 3);
  await until("given back", () => footprint().children <= before.children && footprint().descriptors <= before.descriptors + 2);
  await until("its memory is given back", () => usedMib() <= used);
}, { needs: () => existsSync("/proc/self/task") ? needs() : "the system does not tell", timeoutMs: 120_000 });
