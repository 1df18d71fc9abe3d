/**
 * A server of files that are in memory.
 *
 * @module
 */

import { createServer, type Server } from "node:http";

/** Serves texts by their paths. */
export async function serve(
  files: Record<string, string>,
  headers: Record<string, string>,
  port = 0,
): Promise<{ server: Server; url: string }> {
  const server = createServer((request, response) => {
    const path = new URL(request.url!, "http://localhost").pathname, text = files[path];
    const type = /\.m?js$/.test(path) ? "text/javascript" : "text/html; charset=utf-8";
    response.writeHead(text !== undefined ? 200 : path === "/favicon.ico" ? 204 : 404, { "content-type": type, ...headers });
    response.end(text);
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  return { server, url: `http://127.0.0.1:${(server.address() as { port: number }).port}` };
}
