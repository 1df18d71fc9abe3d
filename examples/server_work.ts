/** What `server_node.ts` and `server_bun.ts` have in common: a pool, the heavy work that it does, and answers to requests for it. */
import process from "node:process";
import * as mp from "@polyproc/multiprocessing";

/** How long a request may compute, and how many may wait for their turn. */
const TIMEOUT_MS = Number(process.env.TIMEOUT_MS ?? 5_000), MAX_QUEUE = Number(process.env.MAX_QUEUE ?? 100);

/** Counts the primes below a number, which may take long. */
export function countPrimes(below: number): number {
  let count = 0;
  for (let n = 2; n < below; n++) {
    // Now and then: does anybody still want to know?
    if (n % 10_000 === 0) mp.currentTask().signal.throwIfAborted();
    if (isPrime(n)) count++;
  }
  return count;
}

function isPrime(n: number): boolean {
  for (let divisor = 2; divisor * divisor <= n; divisor++) if (n % divisor === 0) return false;
  return true;
}

/** A pool that leaves the processors to the server whenever that has something to do. */
export function makePool(): mp.Pool {
  return new mp.Pool({ nice: 5, maxQueue: MAX_QUEUE });
}

/**
 * Answers a request.
 *
 * @param signal Aborted when the client goes away: then the work for it ends, too.
 */
export async function answer(pool: mp.Pool, url: URL, signal: AbortSignal): Promise<Response> {
  switch (url.pathname) {
    case "/health":
      return new Response("well\n");
    case "/stats":
      return Response.json(pool.stats());
    case "/primes": {
      const below = Number(url.searchParams.get("below") ?? NaN);
      if (!Number.isSafeInteger(below)) return new Response("primes below what? /primes?below=1000\n", { status: 400 });
      try {
        return new Response(`${await pool.apply(countPrimes, [below], { signal, timeout: TIMEOUT_MS })}\n`);
      } catch (error) {
        return refusal(error);
      }
    }
    default:
      return new Response("there are /primes?below=1000, /stats and /health\n", { status: 404 });
  }
}

function refusal(error: unknown): Response {
  const text = `${(error as Error).message}\n`;
  if (error instanceof mp.Full) return new Response(text, { status: 503, headers: { "retry-after": "1" } });
  if (error instanceof mp.TimeoutError) return new Response(text, { status: 504 });
  return new Response(text, { status: 500 }); // WorkerDiedError among them: the pool has another worker already
}

/** Has `stop` called when the program is told to end, and ends the pool after it. */
export function untilTold(pool: mp.Pool, stop: () => unknown): void {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, async () => {
      await stop();
      pool.close();
      await pool.join();
    });
  }
}
