/** Pipes and their ends: messages, bytes, waiting, ends that close, die, or travel. */
// run: with=off,no-ffi,no-koffi
import { assert } from "chai";
import * as mp from "../mod.ts";
import * as work from "./fixtures/pipe.ts";
import { eachMethod, test } from "./harness.ts";
import { answersAtOnce, blocking, fails, isPending, RUNTIMES, sleep, took } from "./timing.ts";

const SOON = 2_000;
const T = 100;
const MIB = 2 ** 20;

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

function pattern(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = i * 2654435761 >>> 24;
  return bytes;
}

eachMethod("values and bytes go there and back", async (ctx) => {
  const [here, there] = ctx.Pipe();
  const child = new ctx.Process({ target: work.echo, args: [there] }).start();
  for (const value of [[1, 2.25, null], undefined, { a: new Map([[1, 2]]) }, "", "text"]) {
    await here.send(value);
    assert.deepEqual(await here.recv(), value);
  }
  const message = bytes("hello, world");
  await here.sendBytes(message);
  assert.deepEqual(await here.recvBytes(), message);
  assert.isFalse(await here.poll());
  assert.isFalse(await here.poll({ timeout: -1 }));
  assert.isAtLeast(await took(async () => assert.isFalse(await here.poll({ timeout: T }))), T);
  await here.send(1);
  assert.isTrue(await here.poll({ timeout: 10_000 }));
  assert.equal(await here.recv(), 1);
  await here.send(null);
  assert.equal(await child.join(), 0);
});

eachMethod("bytes are received into a buffer", async (ctx) => {
  const [here, there] = ctx.Pipe();
  const child = new ctx.Process({ target: work.echo, args: [there] }).start();
  const message = new Int32Array([1, 2, 3]);
  const buffer = new Int32Array(10);
  await here.sendBytes(message);
  assert.equal(await here.recvBytesInto(buffer), 12);
  assert.deepEqual([...buffer], [1, 2, 3, 0, 0, 0, 0, 0, 0, 0]);
  buffer.fill(0);
  await here.sendBytes(message);
  assert.equal(await here.recvBytesInto(buffer.buffer, 12), 12);
  assert.deepEqual([...buffer], [0, 0, 0, 1, 2, 3, 0, 0, 0, 0]);
  const long = pattern(100);
  await here.sendBytes(long);
  const error = await fails(() => here.recvBytesInto(buffer), mp.BufferTooShort) as InstanceType<typeof mp.BufferTooShort>;
  assert.deepEqual(error.data, long);
  await fails(() => here.recvBytesInto(buffer, 41), RangeError);
  await fails(() => here.recvBytesInto("no buffer" as unknown as Uint8Array), TypeError);
  await here.send("value");
  await fails(() => here.recvBytes(), TypeError);
  await here.send(null);
  assert.equal(await child.join(), 0);
});

eachMethod("16 MiB go both ways, and then the end is seen", async (ctx) => {
  const [here, there] = ctx.Pipe();
  const child = new ctx.Process({ target: work.echo, args: [there] }).start();
  const message = pattern(16 * MIB);
  const sent = here.sendBytes(message);
  const received = await here.recvBytes();
  await sent;
  assert.isTrue(received.length === message.length && received.every((byte, i) => byte === message[i]), "the same bytes come back");
  await here.send(null);
  await fails(() => here.recv(), mp.EOFError);
  await fails(() => here.recvBytes(), mp.EOFError);
  assert.equal(await child.join(), 0);
});

eachMethod("of a simplex pipe one end receives and the other sends", async (ctx) => {
  const [reader, writer] = ctx.Pipe({ duplex: false });
  await writer.send(1);
  assert.equal(await reader.recv(), 1);
  assert.deepEqual([reader.readable, reader.writable, writer.readable, writer.writable], [true, false, false, true]);
  await fails(() => reader.send(2), mp.ProcessError);
  await fails(() => writer.recv(), mp.ProcessError);
  await fails(() => writer.poll(), mp.ProcessError);
});

eachMethod("parts of a buffer are sent exactly, or refused", async (ctx) => {
  const [here, there] = ctx.Pipe();
  const letters = bytes("abcdefghijklmnopqrstuvwxyz");
  for (const [offset, size] of [[0, undefined], [5, undefined], [7, 8], [26, undefined], [26, 0]] as const) {
    await here.sendBytes(letters, offset, size);
    assert.equal(text(await there.recvBytes()), text(letters.subarray(offset, size === undefined ? undefined : offset + size)));
  }
  for (const [offset, size] of [[27], [22, 5], [26, 1], [-1], [4, -1], [1.5]]) {
    await fails(() => here.sendBytes(letters, offset, size), RangeError);
  }
  const words = new Uint16Array([0x6161, 0x6262]);
  await here.sendBytes(new DataView(words.buffer, 2));
  assert.equal(text(await there.recvBytes()), "bb");
});

eachMethod("a closed end is not used any more", async (ctx) => {
  const [here, there] = ctx.Pipe();
  await here.send(1);
  assert.equal(await there.recv(), 1);
  assert.isFalse(here.closed);
  here[Symbol.dispose]();
  assert.isTrue(here.closed);
  for (const use of [() => here.send(1), () => here.recv(), () => here.poll(), () => here.recvBytes(), () => here.sendBytes(bytes("a"))]) {
    await fails(use, mp.ProcessError);
  }
  await fails(() => new ctx.Queue<unknown>().put(here), mp.ProcessError);
  here.close();
});

eachMethod("looking whether there is a message takes none", async (ctx) => {
  const [here, there] = ctx.Pipe();
  assert.isFalse(await here.poll());
  await there.sendBytes(new Uint8Array());
  assert.isTrue(await here.poll());
  assert.isTrue(await here.poll({ timeout: 10 }));
  assert.equal((await here.recvBytes()).length, 0);
  assert.isFalse(await here.poll());
});

eachMethod("messages stay apart and in order", async (ctx) => {
  const [here, there] = ctx.Pipe();
  const values = ["hello", "", "a", "b", "", "bye", "", "lop"];
  const child = new ctx.Process({ target: work.sendAll, args: [there, values] }).start();
  for (const value of values) {
    assert.isTrue(await here.poll({ timeout: 10_000 }));
    assert.isTrue(await here.poll());
    assert.equal(await here.recv(), value);
  }
  assert.equal(await child.join(), 0);
});

eachMethod("times and signals end a wait that then took nothing", async (ctx) => {
  const [here, there] = ctx.Pipe({ capacity: 100 });
  await fails(() => here.recv({ timeout: 0 }), mp.TimeoutError, [0, SOON]);
  await fails(() => here.recv({ timeout: T }), mp.TimeoutError, [T, T + SOON]);
  const abort = new AbortController();
  const aborted = fails(() => here.recv({ signal: abort.signal }), RangeError);
  abort.abort(new RangeError("enough"));
  await aborted;
  await there.send("x".repeat(60));
  await fails(() => there.send("y".repeat(60), { timeout: T }), mp.TimeoutError, [T, T + SOON]);
  await fails(() => there.send("y".repeat(60), { timeout: 0 }), mp.TimeoutError, [0, SOON]);
  await fails(() => there.sendBytes(new Uint8Array(80), 10, 60, { timeout: T }), mp.TimeoutError, [T, T + SOON]);
  await fails(() => there.sendBytes(new Uint8Array(60), 0, undefined, { signal: abort.signal }), RangeError);
  assert.equal(await here.recv(), "x".repeat(60));
  assert.isFalse(await here.poll({ timeout: 20 }));
});

eachMethod("a pipe holds its sender back", async (ctx) => {
  const [here, there] = ctx.Pipe({ capacity: 10_000 });
  const child = new ctx.Process({ target: work.sendAndClose, args: [there, 200, 1000] }).start();
  await sleep(100);
  assert.isTrue(child.isAlive(), "it ends only when all that it sent has been accepted");
  for (let i = 0; i < 200; i++) assert.deepEqual(await here.recv(), [i, "x".repeat(1000)]);
  await fails(() => here.recv(), mp.EOFError);
  assert.equal(await child.join(), 0);
});

eachMethod("a capacity is a number of bytes", async (ctx) => {
  for (const capacity of [0, -1, 1.5, 2 ** 31, NaN]) await fails(() => ctx.Pipe({ capacity }), RangeError);
  await fails(() => ctx.Pipe({ duplex: 1 as unknown as boolean }), TypeError);
  await fails(() => new mp.Connection(undefined as never), TypeError);
});

eachMethod("ends of pipes travel through a pipe, and are the receiver's then", async (ctx) => {
  const [here, there] = ctx.Pipe();
  const child = new ctx.Process({ target: work.useEnds, args: [there] }).start();
  const [reader, theirWriter] = ctx.Pipe({ duplex: false });
  const [theirReader, writer] = ctx.Pipe({ duplex: false });
  await here.send([theirWriter, theirReader]);
  assert.equal(await reader.recv(), "all is well");
  // Neither of us holds the other end any more.
  await fails(() => reader.recv(), mp.EOFError);
  await writer.send("foobar");
  assert.equal(await here.recv(), "foobarfoobar");
  assert.equal(await child.join(), 0);
  await fails(() => writer.send("too late"), mp.BrokenPipeError);
});

eachMethod("an end travels through a queue, also before anybody receives it", async (ctx) => {
  const queue = new ctx.Queue<mp.Connection>();
  const [here, there] = ctx.Pipe();
  await queue.put(there);
  assert.isTrue(await isPending(here.recv({ timeout: 10_000 }).then((value) => assert.equal(value, "from the queue"))));
  const child = new ctx.Process({ target: work.fromQueue, args: [queue] }).start();
  assert.equal(await child.join(), 0);
  await fails(() => here.recv({ timeout: 10_000 }), mp.EOFError);
});

eachMethod("an end that was passed on is its sender's again once that uses it", async (ctx) => {
  const [here, there] = ctx.Pipe();
  const child = new ctx.Process({ target: work.sendAll, args: [there, ["from the child"]] }).start();
  assert.equal(await child.join(), 0);
  assert.equal(await here.recv(), "from the child");
  await fails(() => here.recv(), mp.EOFError);
  await there.send("from the parent");
  assert.equal(await here.recv(), "from the parent");
  assert.isTrue(await isPending(here.recv({ timeout: 60 }).catch(() => {}).then(() => {})));
  there.close();
  await fails(() => here.recv(), mp.EOFError);
});

eachMethod("a wait at an end that is passed on, or closed, is over", async (ctx) => {
  const [here, there] = ctx.Pipe();
  const queue = new ctx.Queue<mp.Connection>();
  const waits = [fails(() => there.recv(), mp.ProcessError), fails(() => there.poll({ timeout: 10_000 }), mp.ProcessError)];
  await queue.put(there);
  await Promise.all(waits);
  const closed = fails(() => here.recv(), mp.ProcessError);
  here.close();
  await closed;
  const received = await queue.get();
  await fails(() => received.recv(), mp.EOFError);
});

eachMethod("after the other end is closed what it sent is received, then the end is seen", async (ctx) => {
  const [here, there] = ctx.Pipe();
  await there.send(1);
  await there.send(2);
  there.close();
  assert.equal(await here.recv(), 1);
  const values: unknown[] = [];
  for await (const value of here) values.push(value);
  assert.deepEqual(values, [2]);
  await fails(() => here.recv(), mp.EOFError);
  assert.isTrue(await here.poll());
  await fails(() => here.send(3), mp.BrokenPipeError);
  await fails(() => here.send(3, { timeout: 0 }), mp.BrokenPipeError);
});

eachMethod("who waits when the other end closes is told", async (ctx) => {
  const [here, there] = ctx.Pipe({ capacity: 10 });
  await here.send("12");
  const waits = [fails(() => here.recv(), mp.EOFError), fails(() => here.send("12345678"), mp.BrokenPipeError)];
  await sleep(10);
  there.close();
  await Promise.all(waits);
});

eachMethod("who is killed has closed its end", async (ctx) => {
  const [here, there] = ctx.Pipe();
  const child = new ctx.Process({ target: work.linger, args: [there] }).start();
  assert.equal(await here.recv(), "up");
  const waiting = fails(() => here.recv(), mp.EOFError, [0, 10_000]);
  await sleep(20);
  child.kill();
  await waiting;
  await fails(() => here.send(1), mp.BrokenPipeError);
  await child.join();
});

eachMethod("what was accepted of a killed sender is received, then the end is seen", async (ctx) => {
  const [here, there] = ctx.Pipe();
  const child = new ctx.Process({ target: work.flood, args: [there] }).start();
  await here.recv();
  await sleep(20);
  child.kill();
  let last = 0;
  await fails(
    async () => {
      for (;;) {
        const [i, text] = await here.recv() as [number, string];
        assert.equal(i, ++last);
        assert.equal(text.length, 1000);
      }
    },
    mp.EOFError,
    [0, 15_000],
  );
  await child.join();
});

eachMethod("two children are told of each other's end", async (ctx) => {
  const [one, two] = ctx.Pipe();
  const result = new ctx.Queue<string>();
  const receiver = new ctx.Process({ target: work.untilEnd, args: [one, result] }).start();
  assert.equal(await result.get(), "up");
  const sender = new ctx.Process({ target: work.linger, args: [two] }).start();
  await sleep(100);
  sender.kill();
  assert.equal(await result.get({ timeout: 10_000 }), "EOFError");
  assert.equal(await receiver.join(), 0);
  await sender.join();
});

eachMethod("what was sent survives the sender's exit", async (ctx) => {
  const [here, there] = ctx.Pipe();
  const child = new ctx.Process({ target: work.sendThenExit, args: [there, [1, 2, 3]] }).start();
  assert.equal(await child.join(), 3);
  assert.deepEqual([await here.recv(), await here.recv(), await here.recv()], [1, 2, 3]);
  await fails(() => here.recv(), mp.EOFError);
}, { methods: ["process", "thread"] });

eachMethod("a longer message than asked for ends receiving, not sending", async (ctx) => {
  const [here, there] = ctx.Pipe();
  await there.sendBytes(pattern(10));
  await fails(() => here.recvBytes(5), mp.ProcessError);
  await fails(() => here.recv(), mp.ProcessError);
  assert.isFalse(here.readable);
  await here.send("still");
  assert.equal(await there.recv(), "still");
  await fails(() => there.recvBytes(-1), RangeError);
  const [reader, writer] = ctx.Pipe({ duplex: false });
  await writer.sendBytes(pattern(10));
  assert.deepEqual(await reader.recvBytes(10), pattern(10));
  await writer.sendBytes(pattern(10));
  await fails(() => reader.recvBytes(9), mp.ProcessError);
  assert.isTrue(reader.closed);
});

eachMethod("what cannot travel is refused at the call, and the other side sees nothing", async (ctx) => {
  const [here, there] = ctx.Pipe();
  await fails(() => here.send(() => {}), mp.DataCloneError);
  assert.isFalse(await there.poll({ timeout: 20 }));
  await here.send("usable");
  assert.equal(await there.recv(), "usable");
});

for (const method of ["process", "thread"] as const) {
  eachMethod("both sides may block", async (ctx) => {
    const [here, there] = ctx.Pipe();
    const child = new ctx.Process({ target: work.echoSync, args: [there] }).start();
    for (let i = 0; i < 300; i++) {
      here.sendSync(i);
      assert.equal(here.recvSync(), i);
    }
    const message = pattern(3 * MIB);
    here.sendBytesSync(message, 1, 3 * MIB - 1);
    assert.deepEqual(here.recvBytesSync(), message.subarray(1));
    here.sendBytesSync(bytes("into"));
    const buffer = new Uint8Array(6);
    assert.equal(here.recvBytesIntoSync(buffer, 1), 4);
    assert.equal(text(buffer), "\0into\0");
    assert.isFalse(here.pollSync());
    assert.isAtLeast(await took(() => assert.isFalse(here.pollSync({ timeout: T }))), T);
    await fails(() => here.recvSync({ timeout: T }), mp.TimeoutError, [T, T + SOON]);
    here.sendSync("x");
    assert.isTrue(here.pollSync({ timeout: 10_000 }));
    assert.equal(here.recvSync(), "x");
    here.sendSync(null);
    await fails(() => here.recvSync(), mp.EOFError);
    await fails(() => here.sendSync(1), mp.BrokenPipeError);
    assert.equal(await child.join(), 0);
  }, blocking(method));

  eachMethod("a blocked receiver is told that the other side was killed", async (ctx) => {
    const [one, two] = ctx.Pipe();
    const result = new ctx.Queue<string>();
    const receiver = new ctx.Process({ target: work.untilEndSync, args: [one, result] }).start();
    assert.equal(await result.get(), "up");
    const sender = new ctx.Process({ target: work.linger, args: [two] }).start();
    await sleep(100);
    sender.kill();
    assert.equal(await result.get({ timeout: 10_000 }), "EOFError");
    assert.equal(await receiver.join(), 0);
    await sender.join();
  }, blocking(method));

  eachMethod("a parent that blocks sees that its child was killed", async (ctx) => {
    const [here, there] = ctx.Pipe();
    const child = new ctx.Process({ target: work.linger, args: [there] }).start();
    assert.equal(here.recvSync(), "up");
    child.kill();
    await fails(() => here.recvSync({ timeout: 20_000 }), mp.EOFError, [0, 10_000]);
    await child.join();
  }, blocking(method));
}

for (const runtime of RUNTIMES) {
  eachMethod(`a pipe reaches ${runtime}, with ends and queues in it`, async (ctx) => {
    const [here, there] = ctx.Pipe();
    const child = new ctx.Process({ target: work.upper, args: [there], runtime }).start();
    for (const word of ["hello", "Grüße", "x".repeat(100_000)]) {
      await here.send(word);
      assert.equal(await here.recv(), word.toUpperCase());
    }
    here.close();
    assert.equal(await child.join(), 0);
    const [link, theirs] = ctx.Pipe(), [reader, theirWriter] = ctx.Pipe({ duplex: false }), [theirReader, writer] = ctx.Pipe();
    const other = new ctx.Process({ target: work.useEnds, args: [theirs], runtime }).start();
    await link.send([theirWriter, theirReader]);
    assert.equal(await reader.recv(), "all is well");
    await writer.send("ab");
    assert.equal(await link.recv(), "abab");
    assert.equal(await other.join(), 0);
    await fails(() => writer.send(1), mp.BrokenPipeError);
  }, { methods: ["process"], timeoutMs: 60_000 });
}

test("an end of a pipe in one kind of memory reaches those who share that too", async () => {
  const thread = mp.getContext("thread"), process = mp.getContext("process");
  const [here, there] = process.Pipe();
  const queue = new thread.Queue<mp.Connection>();
  const child = new thread.Process({ target: work.fromQueue, args: [queue] }).start();
  await queue.put(there);
  assert.equal(await here.recv(), "from the queue");
  assert.equal(await child.join(), 0);
}, { needs: (can) => can.sharedMemory.thread ? answersAtOnce("process") : "threads share no memory" });
