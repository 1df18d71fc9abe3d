// Checked by tsd against the built package: see tests/package_test.ts.
import { expectAssignable, expectError, expectNotAssignable, expectType } from "tsd";
import * as mp from "@polyproc/multiprocessing";

async function add(a: number, b: number, results: mp.Queue<number>): Promise<void> {
  await results.put(a + b);
}

// Processes: the arguments are the target's.
const results = new mp.Queue<number>();
const child = new mp.Process({ target: add, args: [1, 2, results] });
expectType<mp.Process<[a: number, b: number, results: mp.Queue<number>]>>(child.start());
expectType<Promise<number | null>>(child.join({ timeout: 10 }));
expectType<number | null>(child.exitcode);
expectType<Promise<number>>(child.sentinel);
expectType<unknown>(child.error);
expectError(new mp.Process({ target: add, args: [1, "2", results] }));
expectError(new mp.Process({ target: add, args: [1, 2] }));
expectError(new mp.Process({ target: add }));
new mp.Process({ target: (a?: number, ...more: string[]) => `${a}${more}` });
new mp.Process({ target: { module: "file:///work.ts", name: "add" } });
expectError(new mp.Process({ target: add, args: [1, 2, new mp.Queue<string>()] }));
expectError(new mp.Process({ target: "add" }));
expectError(new mp.Process(add, [1, 2]));
expectError(new mp.Process({ target: add, args: [1, 2, results], runtime: "python" }));
expectError(child.join(1000));
expectError(child.start().exitcode = 1);

// One array holds processes with different arguments.
const children: mp.Process[] = [child, new mp.Process({ target: () => {} })];
const inferred = [child];
inferred.push(child);
expectType<mp.Process[]>(mp.activeChildren());
expectAssignable<readonly mp.Process[]>(children);

// Targets by name.
expectAssignable<mp.Target>({ module: new URL("file:///work.ts"), name: "count" });
const work = mp.module<{ count: (to: number) => number; text: string }>("file:///work.ts");
new mp.Process({ target: work.count, args: [10] });
expectError(work.text);
expectType<(n: number) => string>(mp.task(import.meta, (n: number): string => String(n)));

// Subclasses.
class Counter extends mp.Process {
  to: number;
  constructor(to: number) {
    super({ name: "counter" });
    this.to = to;
  }
  override async run(): Promise<void> {
    await results.put(this.to);
  }
}
expectType<Counter>(new Counter(3).start());

// Queues.
expectType<number>(await results.get());
expectType<number>(results.getSync({ timeout: 10 }));
expectType<number>(results.getNowait());
expectType<number[]>(await results.getMany(3));
expectType<Promise<void>>(results.put(1, { timeout: 10, signal: AbortSignal.timeout(10) }));
expectType<number>(results.qsize());
expectError(results.put("1"));
expectError(results.getSync({ signal: AbortSignal.timeout(10) }));
expectError(new mp.Queue<number>({ size: 3 }));
for await (const item of results) expectType<number>(item);
expectAssignable<mp.Queue<number>>(new mp.JoinableQueue<number>(3));
expectNotAssignable<mp.JoinableQueue<number>>(results);
expectNotAssignable<mp.Queue<string>>(results);
expectType<unknown>(await new mp.Queue().get());
const simple = new mp.SimpleQueue<{ id: bigint }>();
expectType<{ id: bigint }>(await simple.get());
expectError(simple.qsize());

// Pipes.
const [here, there] = mp.Pipe({ duplex: false });
expectType<mp.Connection>(there);
expectType<Promise<unknown>>(here.recv());
expectType<Promise<Uint8Array>>(here.recvBytes(10));
expectType<Promise<boolean>>(here.poll({ timeout: 10 }));
expectType<Promise<void>>(there.sendBytes(new Uint8Array(3), 0, 3, { timeout: 10, signal: AbortSignal.timeout(10) }));
expectError(there.sendBytesSync(new Uint8Array(3), 0, 3, { signal: AbortSignal.timeout(10) }));
for await (const message of here) expectType<unknown>(message);

// Waiting for several things gives those that are ready.
expectType<(mp.Connection | mp.Queue<number>)[]>(await mp.wait([here, results], { timeout: 10 }));

// Contexts and capabilities.
const threads = mp.getContext("thread");
expectType<mp.Context>(threads);
expectType<mp.Queue<string>>(new threads.Queue<string>());
expectError(mp.getContext("fork"));
expectType<mp.StartMethod[]>(mp.getAllStartMethods());
expectType<mp.StartMethod | null>(mp.getStartMethod());
expectType<boolean>(mp.isMain(import.meta));
expectType<boolean>(mp.capabilities().sharedMemory.process);

// Errors.
expectAssignable<Error>(new mp.Empty("x"));
expectAssignable<mp.ProcessError>(new mp.TargetError("x"));
