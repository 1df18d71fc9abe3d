/** The server of `server_node.ts` for Bun: `bun examples/server_bun.ts`, then `curl localhost:8080/primes?below=1000000`. */
import * as mp from "@polyproc/multiprocessing";
import { answer, makePool, untilTold } from "./server_work.ts";

if (mp.isMain(import.meta)) {
  const pool = makePool();
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: Number(process.env.PORT ?? 8080),
    idleTimeout: 0, // it is the pool that says how long an answer may take
    fetch: (request) => answer(pool, new URL(request.url), request.signal),
  });
  console.log(`listening on http://127.0.0.1:${server.port}`);
  untilTold(pool, () => server.stop());
}
