/**
 * An HTTP server that stays responsive while a pool computes: `node examples/server_node.ts`, then `curl localhost:8080/primes?below=1000000`.
 * It is written for `node:http`, which Deno and Bun have as well.
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import process from "node:process";
import * as mp from "@polyproc/multiprocessing";
import { answer, makePool, untilTold } from "./server_work.ts";

if (mp.isMain(import.meta)) {
  const pool = makePool();
  const server = createServer(async (request, response) => {
    const gone = new AbortController();
    response.once("close", () => gone.abort());
    const answered = await answer(pool, new URL(request.url ?? "/", "http://localhost"), gone.signal);
    response.writeHead(answered.status, Object.fromEntries(answered.headers)).end(await answered.text());
  });
  server.listen(Number(process.env.PORT ?? 8080), "127.0.0.1", () => {
    console.log(`listening on http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  });
  untilTold(pool, () => new Promise((resolve) => server.close(resolve)));
}
