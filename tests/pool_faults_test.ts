/** A pool's workers are killed at random moments while they are busy: every result is right or tells of the death, the pool is whole in the end, nothing is left. */
// run: on=node26,deno,bun,chromium with=
import { existsSync } from "node:fs";
import { assert } from "chai";
import { footprint } from "./footprint.ts";
import { eachMethod, standardModules } from "./harness.ts";
import { injectPool } from "./pool_faults.ts";
import { answersAtOnce, until } from "./timing.ts";

/** `scripts/soak.ts` has many more. */
const TASKS = 600;

for (const method of ["process", "thread"] as const) {
  const options = { methods: [method], timeoutMs: 240_000, needs: () => answersAtOnce(method) };

  eachMethod("a pool whose workers are killed gives every result, or says that its worker died", async (ctx) => {
    await injectPool(ctx, TASKS, false);
  }, options);

  eachMethod("a pool whose workers are killed gives every result in the end, if tasks are tried again", async (ctx) => {
    await injectPool(ctx, TASKS, true);
  }, options);

  eachMethod("the dead of a pool leave nothing behind", async (ctx) => {
    await injectPool(ctx, TASKS / 4, false);
    // Not what is in /dev/shm, where other programs come and go: that is looked at once this one has ended (scripts/leaks.ts).
    const before = footprint();
    for (let i = 0; i < 3; i++) await injectPool(ctx, TASKS / 4, i % 2 === 0);
    const isDown = (now = footprint()) => now.children <= before.children && now.descriptors <= before.descriptors + 2;
    await until("given back", () => isDown());
    assert.isBelow(footprint().arenaMib, before.arenaMib + 8);
  }, { ...options, needs: () => standardModules() ?? (existsSync("/proc/self/task") ? options.needs() : "the system does not tell") });
}
