/**
 * P1: round trip of a number through a pipe, both sides blocking, both asynchronous. Microseconds.
 *
 * @module
 */
import * as mp from "@polyproc/multiprocessing";
import { type Contender, measure, size } from "./measure.ts";
import { limit, python } from "./peers.ts";

const COUNT = size(5_000, 20);

export async function echo(connection: mp.Connection, isSync: boolean): Promise<void> {
  if (isSync) {
    for (let value; (value = connection.recvSync()) !== null;) connection.sendSync(value);
  } else {
    for (let value; (value = await connection.recv()) !== null;) await connection.send(value);
  }
}

function ours(method: mp.StartMethod, isSync: boolean): Contender {
  const context = mp.getContext(method);
  const [here, there] = context.Pipe();
  const child = new context.Process({ target: echo, args: [there, isSync] }).start();
  return {
    name: `polyproc ${method}, ${isSync ? "both sync" : "both async"}`,
    async round() {
      await here.send(-1);
      await here.recv();
      const begin = performance.now();
      for (let i = 0; i < COUNT; i++) {
        if (isSync) {
          here.sendSync(i);
          here.recvSync();
        } else {
          await here.send(i);
          await here.recv();
        }
      }
      return (performance.now() - begin) / COUNT * 1000;
    },
    async end() {
      await here.send(null);
      await child.join();
    },
  };
}

if (mp.isMain(import.meta)) {
  await measure("P1", "µs", [
    ours("process", true),
    ours("process", false),
    ours("thread", true),
    ours("thread", false),
    python("p1_pipe", COUNT),
    limit("round_trip", [COUNT]),
    limit("round_trip", [COUNT, 0], ", asleep at once"),
  ]);
}
