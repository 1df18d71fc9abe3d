/** Children on other runtimes than their parent: the same queues, in the same memory, for Node, Deno and Bun at once. */
import * as mp from "@polyproc/multiprocessing";

interface Share {
  runtime: string;
  pid: number;
  ranges: number;
  primes: number;
}

/** Counts the primes of one range after the other, until there are no more ranges. */
export async function count(ranges: mp.Queue<[from: number, to: number] | null>, shares: mp.Queue<Share | "ready">): Promise<void> {
  const share: Share = { runtime: mp.capabilities().runtime, pid: mp.currentProcess().pid, ranges: 0, primes: 0 };
  await shares.put("ready");
  for (let range = await ranges.get(); range !== null; range = await ranges.get()) {
    share.ranges++;
    for (let n = range[0]; n < range[1]; n++) if (isPrime(n)) share.primes++;
  }
  await shares.put(share);
}

function isPrime(n: number): boolean {
  for (let divisor = 2; divisor * divisor <= n; divisor++) if (n % divisor === 0) return false;
  return n > 1;
}

if (mp.isMain(import.meta)) {
  console.log(`parent: ${mp.capabilities().runtime}`);
  const ranges = new mp.Queue<[number, number] | null>();
  const shares = new mp.Queue<Share | "ready">();
  const runtimes = ["node", "deno", "bun"] as const;
  const children = runtimes.map((runtime) => new mp.Process({ target: count, args: [ranges, shares], runtime }).start());

  // A runtime that is not installed, or not found on the PATH, rejects its join.
  const broken = Promise.all(children.map((child) => child.join()));
  for (const _ of children) await Promise.race([shares.get(), broken]);

  for (let from = 0; from < 500_000; from += 5_000) await ranges.put([from, from + 5_000]);
  for (const _ of children) await ranges.put(null);

  let total = 0;
  for (const _ of children) {
    const share = await shares.get();
    if (share === "ready") continue;
    console.log(`child: ${share.runtime}, process ${share.pid}: ${share.primes} primes in ${share.ranges} ranges`);
    total += share.primes;
  }
  await broken;
  console.log(`primes below 500000: ${total}`);
}
