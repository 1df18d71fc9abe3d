/** Events: a flag that is waited for, by whoever and however, and that nobody who ends keeps from being set. */
// run: with=off,no-ffi
import { assert } from "chai";
import * as mp from "../mod.ts";
import * as work from "./fixtures/event.ts";
import { another, collectGarbage, collects, eachBlocking, eachShared, testRefusals } from "./shared.ts";
import { fails, isPending, took } from "./timing.ts";

/** Shorter than this is "at once", on a busy machine. */
const SOON = 2_000;
const T = 50;

const isInline = (ctx: mp.Context) => ctx.getStartMethod() === "inline";

/** Starts children that wait for the event, asynchronously and blocked by turns, and comes back when all do. */
async function waiters(ctx: mp.Context, event: mp.Event, said: mp.Queue, count: number, times = 1): Promise<mp.Process[]> {
  const children = Array.from(
    { length: count },
    (_, i) => new ctx.Process({ target: i % 2 === 1 && !isInline(ctx) ? work.waitSync : work.wait, args: [event, said, times] }).start(),
  );
  for (const _ of children) assert.equal(await said.get(), "waits");
  assert.isFalse(await said.poll({ timeout: 30 }), "nobody set it");
  return children;
}

testRefusals("Event");

eachShared("an event is waited for until it is set, and then no more", async (ctx) => {
  const event = new ctx.Event();
  assert.instanceOf(event, mp.Event);
  assert.isFalse(event.isSet());
  for (const timeout of [0, -1, T]) {
    const start = performance.now();
    assert.isFalse(await event.wait({ timeout }));
    assert.isAtLeast(performance.now() - start, timeout);
    assert.isBelow(performance.now() - start, timeout + SOON);
  }
  event.set();
  event.set();
  assert.isTrue(event.isSet());
  const ms = await took(async () => {
    assert.isTrue(await event.wait());
    assert.isTrue(await event.wait({ timeout: 20_000 }));
    assert.isTrue(await event.wait({ timeout: 0 }));
    assert.isTrue(await event.wait({ timeout: -1 }));
  });
  assert.isBelow(ms, SOON);
  event.clear();
  event.clear();
  assert.isFalse(event.isSet());
  assert.isFalse(await event.wait({ timeout: 0 }));
  const waiting = event.wait({ timeout: Infinity });
  assert.isTrue(await isPending(waiting));
  event.set();
  assert.isTrue(await waiting);
});

eachBlocking("an event is waited for, blocking", async (ctx) => {
  const event = new ctx.Event(), words = new ctx.Queue<"set" | "clear" | "look" | "end">(), said = new ctx.Queue<boolean>();
  for (const timeout of [0, -1, T]) {
    const start = performance.now();
    assert.isFalse(event.waitSync({ timeout }));
    assert.isAtLeast(performance.now() - start, timeout);
  }
  event.set();
  assert.isTrue(event.waitSync());
  assert.isTrue(event.waitSync({ timeout: 0 }));
  event.clear();
  const child = new ctx.Process({ target: work.obey, args: [event, words, said] }).start();
  words.putSync("set");
  assert.isTrue(event.waitSync());
  words.putSync("end");
  assert.equal(await child.join(), 0);
});

eachShared("the blocking form is refused where a thread may not block", async (ctx) => {
  const event = new ctx.Event();
  event.set();
  await fails(() => event.waitSync(), mp.UnsupportedError);
}, { methods: ["inline"] });

eachShared("an event is set, cleared and looked at by all processes alike", async (ctx) => {
  const event = new ctx.Event(), words = new ctx.Queue<"set" | "clear" | "look" | "end">(), said = new ctx.Queue<boolean>();
  const child = new ctx.Process({ target: work.obey, args: [event, words, said] }).start();
  const say = async (word: "set" | "clear" | "look") => {
    await words.put(word);
    return await said.get();
  };
  assert.isFalse(await say("look"));
  event.set();
  assert.isTrue(await say("look"));
  assert.isFalse(await say("clear"));
  assert.isFalse(event.isSet());
  const waiting = event.wait({ timeout: 20_000 });
  assert.isTrue(await isPending(waiting));
  assert.isTrue(await say("set"));
  assert.isTrue(await waiting);
  assert.isTrue(event.isSet());
  await words.put("end");
  assert.equal(await child.join(), 0);
});

eachShared("an event that is set wakes all who wait, wherever and however they do", async (ctx) => {
  const event = new ctx.Event(), said = new ctx.Queue();
  const own = [1, 2, 3].map(() => event.wait());
  const children = await waiters(ctx, event, said, 3);
  event.set();
  assert.deepEqual(await Promise.all(own), [true, true, true]);
  for (const _ of children) assert.isTrue(await said.get());
  for (const child of children) assert.equal(await child.join(), 0);
});

eachShared("an event that is set and cleared at once wakes those who waited, and none after", async (ctx) => {
  const event = new ctx.Event(), said = new ctx.Queue();
  const own = [event.wait(), event.wait({ timeout: 20_000 })];
  const pulse = () => {
    event.set();
    event.clear();
  };
  const asynchronous = new ctx.Process({ target: work.wait, args: [event, said] }).start();
  assert.equal(await said.get(), "waits");
  pulse();
  const late = event.wait({ timeout: T });
  assert.isTrue(await said.get());
  assert.deepEqual(await Promise.all(own), [true, true]);
  assert.isFalse(await late);
  assert.isFalse(event.isSet());
  assert.equal(await asynchronous.join(), 0);
  if (isInline(ctx)) return;
  const blocked = new ctx.Process({ target: work.waitSync, args: [event, said] }).start();
  assert.equal(await said.get(), "waits");
  // It says so a moment before.
  do pulse(); while (!await said.poll({ timeout: 20 }));
  assert.isTrue(await said.get());
  assert.equal(await blocked.join(), 0);
});

eachShared("a wait that is too late, or aborted, is over, and the others go on", async (ctx) => {
  const event = new ctx.Event(), abort = new AbortController();
  const aborted = event.wait({ signal: abort.signal }), late = event.wait({ timeout: T }), kept = event.wait();
  const failed = fails(() => aborted, RangeError);
  assert.isTrue(await isPending(aborted));
  abort.abort(new RangeError("enough"));
  assert.equal((await failed).message, "enough");
  assert.isFalse(await late);
  assert.isTrue(await isPending(kept));
  event.set();
  assert.isTrue(await kept);
  await fails(() => event.wait({ signal: abort.signal }), RangeError);
  assert.isTrue(await event.wait({ signal: new AbortController().signal }));
});

eachShared("setting an event does not wait for those who were killed while they waited for it", async (ctx) => {
  const event = new ctx.Event(), said = new ctx.Queue();
  const doomed = await waiters(ctx, event, said, 2);
  const survived = new ctx.Queue(), survivors = await waiters(ctx, event, survived, 1);
  const own = event.wait();
  for (const child of doomed) child.kill();
  const ms = await took(() => event.set());
  assert.isBelow(ms, SOON);
  assert.isTrue(await own);
  assert.isTrue(await survived.get());
  for (const child of doomed) await child.join();
  event.clear();
  assert.isFalse(await event.wait({ timeout: 0 }));
  event.set();
  assert.isTrue(await event.wait());
  for (const child of survivors) assert.equal(await child.join(), 0);
});

eachShared("no set is lost between two who answer each other", async (ctx) => {
  for (const isSync of isInline(ctx) ? [false] : [false, true]) {
    const ping = new ctx.Event(), pong = new ctx.Event(), times = 300;
    const child = new ctx.Process({ target: work.returnBall, args: [ping, pong, times, isSync] }).start();
    for (let i = 0; i < times; i++) {
      ping.set();
      assert.isTrue(await pong.wait({ timeout: 20_000 }));
      pong.clear();
    }
    assert.equal(await child.join(), 0);
  }
});

eachShared("disposing of an event ends the waits here, and concerns nobody else", async (ctx) => {
  const event = new ctx.Event(), same = await another(ctx, event), said = new ctx.Queue();
  const children = await waiters(ctx, event, said, 1);
  const here = event.wait(), elsewhere = same.wait();
  const failed = fails(() => here, mp.ProcessError);
  event[Symbol.dispose]();
  event[Symbol.dispose]();
  assert.match((await failed).message, /disposed of here/);
  const uses: [string, () => unknown][] = [
    ["wait for", () => event.wait()],
    ["set", () => event.set()],
    ["clear", () => event.clear()],
    ["look at", () => event.isSet()],
    ["send", () => new ctx.Queue().put(event)],
  ];
  for (const [action, use] of uses) assert.include((await fails(use, mp.ProcessError)).message, `Cannot ${action} the event`);
  assert.isTrue(await isPending(elsewhere));
  same.set();
  assert.isTrue(await elsewhere);
  assert.isTrue(await said.get());
  for (const child of children) assert.equal(await child.join(), 0);
});

eachShared("an event travels deep in objects, through queues and pipes, and is one wherever it comes twice", async (ctx) => {
  const event = new ctx.Event(), said = new ctx.Queue();
  const child = new ctx.Process({
    target: work.setAll,
    args: [{ list: [event, event], map: new Map([["event", event]]) }, event, said],
  }).start();
  assert.isTrue(await said.get());
  assert.isTrue(await event.wait());
  assert.equal(await child.join(), 0);
  const [here, there] = ctx.Pipe(), queue = new ctx.Queue<mp.Event>();
  await here.send([event, { event }]);
  const [first, { event: second }] = await there.recv() as [mp.Event, { event: mp.Event }];
  assert.strictEqual(first, second);
  first.clear();
  assert.isFalse(event.isSet());
  // It lives as long as a message that holds it.
  await queue.put(event);
  for (const one of [event, first]) one[Symbol.dispose]();
  const others = Array.from({ length: 20 }, () => new ctx.Event());
  const received = await queue.get(), waiting = received.wait();
  for (const other of others) other.set();
  assert.isTrue(await isPending(waiting));
  received.set();
  assert.isTrue(await waiting);
});

eachShared("an event is kept by whoever waits for it", async (ctx) => {
  const queue = new ctx.Queue<mp.Event>();
  const waiting = await (async () => {
    const event = new ctx.Event();
    await queue.put(event);
    return [event.wait()];
  })();
  await collectGarbage();
  (await queue.get()).set();
  assert.isTrue(await waiting[0]);
}, { needs: collects });
