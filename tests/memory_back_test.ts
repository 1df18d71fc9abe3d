/** Memory that the dead and the closed held is given back: all that is in use is counted, as only the sources tell. */
// run: on=node22,node26,deno,bun with= from=sources
import { existsSync } from "node:fs";
import { assert } from "chai";
import * as mp from "../mod.ts";
import type { ArenaHome } from "../src/arena_home.ts";
import { BLOCK_TAG, UNIT } from "../src/layout.ts";
import { currentScene } from "../src/scene.ts";
import { inject, SCENARIOS } from "./faults.ts";
import * as work from "./fixtures/pool.ts";
import { footprint } from "./footprint.ts";
import { eachMethod, test } from "./harness.ts";
import { answersAtOnce, until } from "./timing.ts";

/** How much of the shared memory is in use, in MiB: what is free and kept for quick use is as much as was needed once. */
function usedMib(): number {
  const { arena, heap } = (currentScene().home("process") as ArenaHome).me;
  let bytes = 0;
  for (const { offset } of heap.exclusively(() => heap.blocks())) {
    const header = offset - UNIT;
    bytes += 2 ** (arena.header(header)[arena.wordIndex(header) + BLOCK_TAG] >> 1);
  }
  return bytes / 2 ** 20;
}

test("the dead leave nothing behind", async () => {
  const ctx = mp.getContext("process");
  await inject(SCENARIOS[0], ctx, 1);
  // Not what is in /dev/shm, where other programs come and go: that is looked at once this one has ended (scripts/leaks.ts).
  const before = footprint(), used = usedMib();
  for (const scenario of SCENARIOS.slice(0, 3)) await inject(scenario, ctx, 3);
  await until("given back", () => footprint().children <= before.children && footprint().descriptors <= before.descriptors + 2);
  await until("its memory is given back", () => usedMib() <= used);
}, { needs: () => existsSync("/proc/self/task") ? answersAtOnce("process") : "the system does not tell", timeoutMs: 120_000 });

eachMethod("a pool that is closed gives its memory back, whether or not anybody joins it", async (ctx) => {
  const before = usedMib();
  for (let i = 0; i < 5; i++) {
    const pool = new ctx.Pool(1);
    assert.equal(await pool.apply(work.square, [3]), 9);
    pool.close();
    const executor = new mp.ProcessPoolExecutor({ maxWorkers: 1, startMethod: ctx.getStartMethod()! });
    assert.equal(await executor.submit(work.square, 3), 9);
    void executor.shutdown({ wait: false });
  }
  await until("given back", () => usedMib() <= before);
}, { methods: ["process"], needs: (can) => can.sharedMemory.process ? null : can.reasons["sharedMemory.process"] });
