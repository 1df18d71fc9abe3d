/** Kills processes at random moments in the middle of queues that are busy, and looks what became of everything. For tests/faults_test.ts and scripts/soak.ts. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { assert } from "chai";
import * as mp from "../mod.ts";
import * as work from "./fixtures/faults.ts";
import { sleep } from "./timing.ts";

type Item = work.Item;
type Child = mp.Process;

/** How many items a producer puts, and how long a survivor may take. */
const ITEMS = 200;
const SURVIVOR_MS = 20_000;

/** Which runtimes take part: producers, consumers, whoever is in the middle; by default this one. */
export interface Cast {
  readonly producer?: mp.RuntimeName;
  readonly consumer?: mp.RuntimeName;
}

/** One kind of death, as often as asked. */
export interface Scenario {
  readonly name: string;
  /** @param delayMs When to kill, after everything has begun. */
  run(ctx: mp.Context, delayMs: number, cast: Cast): Promise<void>;
}

/** One whose children write down what they do, in files of a directory. */
function scenario(name: string, run: (ctx: mp.Context, directory: string, delayMs: number, cast: Cast) => Promise<void>): Scenario {
  return {
    name,
    async run(ctx, delayMs, cast) {
      const directory = mkdtempSync(join(tmpdir(), "polyproc-faults-"));
      try {
        await run(ctx, directory, delayMs, cast);
      } finally {
        rmSync(directory, { recursive: true, force: true });
      }
    },
  };
}

/** Blocking and asynchronous children by turns. */
const isSync = (ctx: mp.Context, delayMs: number) => ctx.getStartMethod() !== "inline" && Math.floor(delayMs * 1000) % 2 === 0;

function lines(path: string): string[] {
  try {
    const text = readFileSync(path, "utf8");
    // A last line that is not whole was being written.
    return text.split("\n").slice(0, -1);
  } catch {
    return [];
  }
}

function unique(all: readonly string[], what: string): Set<string> {
  const set = new Set(all);
  if (set.size !== all.length) {
    const twice = all.filter((line, i) => all.indexOf(line) !== i);
    assert.fail(`${what} twice: ${twice.slice(0, 5).join(", ")}`);
  }
  return set;
}

async function joined(children: readonly Child[]): Promise<void> {
  for (const child of children) {
    const code = await child.join({ timeout: SURVIVOR_MS });
    if (code === null) {
      child.kill();
      await child.join();
      assert.fail(`${child.name} hangs`);
    }
    assert.equal(code, 0, `${child.name} failed: ${child.error}`);
  }
}

/** Kills a child: of every three, one at some moment of its start, the others in full swing, as its file shows. */
async function killed(child: Child, delayMs: number, path: string): Promise<void> {
  // (If others leave something for it to do.)
  const end = performance.now() + (Math.floor(delayMs * 1000) % 3 > 0 ? 1_500 : 0);
  while (performance.now() < end && child.isAlive() && lines(path).length === 0) await sleep(2);
  await sleep(delayMs);
  child.kill();
  assert.isNotNull(await child.join({ timeout: SURVIVOR_MS }), `${child.name} cannot be killed`);
}

function producer(ctx: mp.Context, queue: mp.Queue<Item>, number: number, path: string, delayMs: number, cast: Cast, count = ITEMS): Child {
  const target = isSync(ctx, delayMs) ? work.produceSync : work.produce;
  return new ctx.Process({ target, args: [queue, number, count, path], ...runtime(cast.producer) }).start();
}

function consumer(ctx: mp.Context, queue: mp.Queue<Item>, path: string, delayMs: number, cast: Cast): Child {
  const target = isSync(ctx, delayMs) ? work.consumeSync : work.consume;
  return new ctx.Process({ target, args: [queue, path], ...runtime(cast.consumer) }).start();
}

function runtime(name: mp.RuntimeName | undefined): { runtime?: mp.RuntimeName } {
  return name === undefined ? {} : { runtime: name };
}

/** All that was accepted was received, once; at most one more than is known of each of the dead. */
function compare(accepted: readonly string[], received: readonly string[], heldByDead = 0): void {
  const put = unique(accepted, "accepted"), got = unique(received, "received");
  const lost = [...put].filter((item) => !got.has(item)), unexpected = [...got].filter((item) => !put.has(item));
  assert.isAtMost(lost.length, heldByDead, `lost: ${lost.slice(0, 5).join(", ")}`);
  // Accepted, and then killed before that was written down.
  assert.isAtMost(unexpected.length, 1, `nobody put: ${unexpected.slice(0, 5).join(", ")}`);
}

export const SCENARIOS: readonly Scenario[] = [
  scenario("a producer", async (ctx, directory, delayMs, cast) => {
    const path = (name: string) => join(directory, name);
    const queue = new ctx.Queue<Item>(delayMs % 2 < 1 ? 0 : 10);
    const consumers = [0, 1].map((n) => consumer(ctx, queue, path(`received${n}`), delayMs, cast));
    const victim = producer(ctx, queue, 0, path("accepted0"), delayMs, cast, 1e9);
    const survivor = producer(ctx, queue, 1, path("accepted1"), delayMs, cast);
    await killed(victim, delayMs, path("accepted0"));
    await joined([survivor]);
    queue.shutdown();
    await joined(consumers);
    compare([0, 1].flatMap((n) => lines(path(`accepted${n}`))), [0, 1].flatMap((n) => lines(path(`received${n}`))));
    queue.close();
  }),
  scenario("a consumer", async (ctx, directory, delayMs, cast) => {
    const path = (name: string) => join(directory, name);
    const queue = new ctx.Queue<Item>(delayMs % 2 < 1 ? 0 : 10);
    const victim = consumer(ctx, queue, path("received0"), delayMs, cast),
      survivor = consumer(ctx, queue, path("received1"), delayMs, cast);
    const producers = [0, 1].map((n) => producer(ctx, queue, n, path(`accepted${n}`), delayMs, cast));
    await killed(victim, delayMs, path("received0"));
    await joined(producers);
    queue.shutdown();
    await joined([survivor]);
    compare([0, 1].flatMap((n) => lines(path(`accepted${n}`))), [0, 1].flatMap((n) => lines(path(`received${n}`))), 1);
    queue.close();
  }),
  scenario("a process in the middle", async (ctx, directory, delayMs, cast) => {
    const path = (name: string) => join(directory, name);
    const first = new ctx.Queue<Item>({ capacity: 40_000 }), second = new ctx.Queue<Item>(5);
    const relays = [0, 1].map((n) =>
      new ctx.Process({ target: work.relay, args: [first, second, path(`relay${n}`)], ...runtime(cast.consumer) }).start()
    );
    const end = consumer(ctx, second, path("received"), delayMs, cast);
    const start = producer(ctx, first, 0, path("accepted"), delayMs, cast);
    await killed(relays[0], delayMs, path("relay0"));
    await joined([start]);
    first.shutdown();
    await joined([relays[1]]);
    second.shutdown();
    await joined([end]);
    const received = lines(path("received"));
    compare(lines(path("accepted")), received, 1);
    const got = new Set(received);
    for (const n of [0, 1]) {
      for (const line of lines(path(`relay${n}`))) {
        if (line.startsWith("put ")) assert.isTrue(got.has(line.slice(4)), `${line} was lost`);
      }
    }
    first.close();
    second.close();
  }),
  scenario("a consumer of a joinable queue", async (ctx, directory, delayMs, cast) => {
    const path = (name: string) => join(directory, name);
    const queue = new ctx.JoinableQueue<Item>();
    const consumers = [0, 1].map((n) =>
      new ctx.Process({ target: work.consumeJoinable, args: [queue, path(`received${n}`)], ...runtime(cast.consumer) }).start()
    );
    const start = producer(ctx, queue, 0, path("accepted"), delayMs, cast);
    await killed(consumers[0], delayMs, path("received0"));
    await joined([start]);
    const isAbandoned = await queue.join({ timeout: SURVIVOR_MS }).then(() => false, (error) => {
      assert.instanceOf(error, mp.AbandonedError);
      return true;
    });
    queue.shutdown();
    await joined([consumers[1]]);
    compare(lines(path("accepted")), [0, 1].flatMap((n) => lines(path(`received${n}`))), isAbandoned ? 1 : 0);
    queue.close();
  }),
  scenario("who asks and who answers through pipes in a queue", async (ctx, directory, delayMs) => {
    const path = (name: string) => join(directory, name);
    const requests = new ctx.Queue<mp.Connection>();
    const askers = [0, 1].map((n) => new ctx.Process({ target: work.ask, args: [requests, path(`asked${n}`)] }).start());
    const answerers = [0, 1].map(() => new ctx.Process({ target: work.answer, args: [requests] }).start());
    await killed(askers[0], delayMs, path("asked0"));
    await killed(answerers[0], delayMs / 2, path("asked1"));
    const before = lines(path("asked1")).length;
    const end = performance.now() + SURVIVOR_MS;
    while (lines(path("asked1")).length < before + 5) {
      assert.isBelow(performance.now(), end, "the survivors hang");
      await sleep(5);
    }
    for (const child of [askers[1], answerers[1]]) child.kill();
    for (const child of [askers[1], answerers[1]]) assert.isNotNull(await child.join({ timeout: SURVIVOR_MS }));
    requests.close();
  }),
];

/** Runs a scenario some times, at moments from "while it starts" to "in full swing". */
export async function inject(
  scenario: Scenario,
  ctx: mp.Context,
  times: number,
  castOf: () => Cast = () => ({}),
): Promise<void> {
  for (let n = 0; n < times; n++) {
    const delayMs = Math.random() ** 2 * 100;
    try {
      await scenario.run(ctx, delayMs, castOf());
    } catch (error) {
      throw new Error(`${scenario.name}, killed after ${delayMs} ms: ${(error as Error).message}`, { cause: error });
    }
  }
}
