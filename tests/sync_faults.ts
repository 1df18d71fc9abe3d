/** Kills one of four participants that all use a shared object, at random moments, and looks what became of the others. For tests/sync_faults_test.ts and scripts/soak.ts. */
import { assert } from "chai";
import type * as mp from "../mod.ts";
import type { Cast, Scenario } from "./faults.ts";
import * as work from "./fixtures/sync_faults.ts";
import { sleep, until } from "./timing.ts";

const { APART, BOARD_LENGTH, COUNT, MINE, PARTICIPANTS, PROGRESS, STOP, VICTIM, WRONG } = work;

/** How long the survivors may take for their next steps. */
const SURVIVOR_MS = 20_000;
/** How many steps more each survivor has to make. */
const STEPS = 20;
const LONGEST_WAIT_MS = 1_500;

const EVERYBODY = Array.from({ length: PARTICIPANTS }, (_, n) => n);
const SURVIVORS = EVERYBODY.filter((n) => n !== VICTIM);

/** What the participants are given before their board and number, what after, and what must be so in the end. */
interface Play {
  readonly target: (...args: never[]) => unknown;
  readonly before: readonly unknown[];
  readonly after?: readonly unknown[];
  /** Whether the survivors end by themselves. */
  readonly endsByItself?: boolean;
  /** Called when the survivors are told to stop. */
  stop?(): void;
  check(board: work.Board): void;
}

const mine = (board: work.Board, n: number) => board[MINE + n * APART];
const progress = (board: work.Board, n: number) => Atomics.load(board, PROGRESS + n * APART);
const sum = (board: work.Board) => EVERYBODY.reduce((all, n) => all + mine(board, n), 0);

async function joined(child: mp.Process): Promise<void> {
  const code = await child.join({ timeout: SURVIVOR_MS });
  if (code === null) {
    child.kill();
    await child.join();
    assert.fail(`${child.name} hangs`);
  }
  assert.equal(code, 0, `${child.name} failed: ${child.error}`);
}

/** @param castOf Runtimes, by turns. */
async function play(ctx: mp.Context, delayMs: number, cast: Cast, write: (ctx: mp.Context) => Play): Promise<void> {
  const { target, before, after = [], endsByItself = false, stop, check } = write(ctx);
  const board = ctx.RawArray("int32", BOARD_LENGTH);
  const isSync = Math.floor(delayMs * 1000) % 2 === 0;
  const runtimes = [cast.producer, cast.consumer];
  const children = EVERYBODY.map((n) => {
    const runtime = runtimes[n % 2];
    const args = [...before, board, n, isSync, ...after] as never[];
    return new ctx.Process({ target: target as (...args: never[]) => unknown, args, ...(runtime === undefined ? {} : { runtime }) })
      .start();
  });
  try {
    const victim = children[VICTIM];
    // Of every three, one is killed at some moment of its start, the others in full swing.
    const end = performance.now() + (Math.floor(delayMs * 1000) % 3 > 0 ? LONGEST_WAIT_MS : 0);
    while (performance.now() < end && victim.isAlive() && progress(board, VICTIM) === 0) await sleep(2);
    await sleep(delayMs);
    victim.kill();
    assert.isNotNull(await victim.join({ timeout: SURVIVOR_MS }), `${victim.name} cannot be killed`);
    if (!endsByItself) {
      const steps = EVERYBODY.map((n) => progress(board, n));
      for (const n of SURVIVORS) {
        await until(
          `survivor ${n} makes ${STEPS} more steps`,
          () => progress(board, n) >= steps[n] + STEPS || !children[n].isAlive(),
          SURVIVOR_MS,
        );
      }
    }
    Atomics.store(board, STOP, 1);
    stop?.();
    for (const n of SURVIVORS) await joined(children[n]);
    assert.equal(board[WRONG], 0, "what must not be was seen");
    check(board);
  } finally {
    for (const child of children) if (child.isAlive()) child.kill();
    for (const child of children) await child.join();
  }
}

function scenario(what: string, write: (ctx: mp.Context) => Play): Scenario {
  return { name: `one of four with ${what}`, run: (ctx, delayMs, cast) => play(ctx, delayMs, cast, write) };
}

/** What was counted under the lock is what each did, but for one who died in between. */
function checkCount(board: work.Board): void {
  assert.include([0, 1], board[COUNT] - sum(board), `${board[COUNT]} were counted, ${sum(board)} done`);
}

export const SYNC_SCENARIOS: readonly Scenario[] = [
  scenario("a lock", (ctx) => {
    const lock = new ctx.Lock();
    return {
      target: work.withLock,
      before: [lock],
      check(board) {
        checkCount(board);
        assert.isFalse(lock.locked());
      },
    };
  }),
  scenario("a reentrant lock", (ctx) => {
    const lock = new ctx.RLock();
    return {
      target: work.withRLock,
      before: [lock],
      check(board) {
        checkCount(board);
        assert.isFalse(lock.locked());
      },
    };
  }),
  scenario("a semaphore", (ctx) => {
    const semaphore = new ctx.Semaphore(2);
    return {
      target: work.withPermits,
      before: [semaphore],
      after: [2],
      // Nobody has the dead one's permit.
      check: () => assert.include([1, 2], semaphore.value),
    };
  }),
  scenario("a bounded semaphore", (ctx) => {
    const semaphore = new ctx.BoundedSemaphore(2);
    return {
      target: work.withPermits,
      before: [semaphore],
      after: [2],
      check() {
        assert.equal(semaphore.value, 2, "permits");
        assert.throws(() => semaphore.release(), RangeError);
      },
    };
  }),
  scenario("conditions", (ctx) => {
    const lock = new ctx.Lock(), notFull = new ctx.Condition(lock), notEmpty = new ctx.Condition(lock);
    return {
      target: work.withConditions,
      before: [lock, notFull, notEmpty],
      check(board) {
        const made = mine(board, 0) + mine(board, 2), taken = mine(board, 1) + mine(board, 3);
        assert.include([0, 1], board[work.ITEMS] - (made - taken), `${made} were made, ${taken} taken, ${board[work.ITEMS]} are left`);
        assert.isFalse(lock.locked());
      },
    };
  }),
  scenario("events", (ctx) => {
    const event = new ctx.Event(), finish = new ctx.Event();
    return { target: work.withEvents, before: [event, finish], stop: () => finish.set(), check: () => assert.isTrue(finish.isSet()) };
  }),
  scenario("a barrier", (ctx) => {
    // Whoever dies before it waits is missed only after a while.
    const barrier = new ctx.Barrier(PARTICIPANTS, { timeout: LONGEST_WAIT_MS });
    return {
      target: work.withBarrier,
      before: [barrier],
      endsByItself: true,
      check(board) {
        const passed = SURVIVORS.map((n) => mine(board, n));
        assert.deepEqual(passed, passed.map(() => passed[0]), "all or none pass");
        assert.include([0, 1], passed[0] - mine(board, VICTIM));
        assert.isTrue(barrier.broken);
        barrier.reset();
        assert.isFalse(barrier.broken);
        assert.equal(barrier.nWaiting, 0);
      },
    };
  }),
  scenario("a value that others wait for", (ctx) => {
    const value = ctx.Value("int64");
    return {
      target: work.withValue,
      before: [value],
      stop: () => void value.add(1n),
      check: (board) => assert.include([1, 2], Number(value.value) - sum(board)),
    };
  }),
];
