/** A subclass of `Process` with a `run()` of its own. Its fields travel with it; the class must be exported. */
import * as mp from "@polyproc/multiprocessing";

export class PrimeCounter extends mp.Process {
  // No type-only or private (#) fields here: what the child needs are plain fields.
  from: number;
  to: number;
  results: mp.Queue<[name: string, primes: number]>;

  constructor(from: number, to: number, results: mp.Queue<[string, number]>) {
    super({ name: `primes from ${from}` });
    this.from = from;
    this.to = to;
    this.results = results;
  }

  override async run(): Promise<void> {
    let primes = 0;
    for (let n = this.from; n < this.to; n++) if (this.isPrime(n)) primes++;
    await this.results.put([mp.currentProcess().name, primes]);
  }

  isPrime(n: number): boolean {
    if (n < 2) return false;
    for (let divisor = 2; divisor * divisor <= n; divisor++) if (n % divisor === 0) return false;
    return true;
  }
}

if (mp.isMain(import.meta)) {
  const results = new mp.Queue<[string, number]>();
  const counters = [0, 50_000, 100_000, 150_000].map((from) => new PrimeCounter(from, from + 50_000, results).start());
  let total = 0;
  for (const _ of counters) {
    const [name, primes] = await results.get();
    console.log(`${name}: ${primes}`);
    total += primes;
  }
  for (const counter of counters) await counter.join();
  console.log(`primes below 200000: ${total}`);
}
