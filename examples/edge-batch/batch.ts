/**
 * A service that is sent a batch of JSON lines, and streams an answer for each, in order, while it still reads. On an edge runtime (`worker.ts`, `wrangler.json`) a few tasks at a time are interleaved on its
 * one thread; run as a program, the same module answers a batch of its own with processes:
 *
 *     node batch.ts    deno run -A batch.ts    bun batch.ts
 */
import * as mp from "../../mod.ts";

/** A line of the batch. */
interface Question {
  id: number;
  text: string;
}

/** A line of the answer. */
interface Answer {
  id: number;
  words: number;
  longest: string;
  by: string;
}

/** What is done for each line, in whatever process. A line that cannot be read is answered, too. */
export function analyse(line: string): Answer | { error: string } {
  let question: Question;
  try {
    question = JSON.parse(line);
  } catch (error) {
    return { error: (error as Error).message };
  }
  const { id, text } = question;
  const words = text.match(/[\p{L}\p{N}]+/gu) ?? [];
  return {
    id,
    words: words.length,
    longest: words.reduce((longest, word) => word.length > longest.length ? word : longest, ""),
    by: mp.currentProcess().name,
  };
}

/** The lines of a text that comes in pieces. */
async function* linesOf(body: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<string> {
  let rest = "";
  for await (const piece of body.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + piece).split("\n");
    rest = lines.pop()!;
    yield* lines;
  }
  if (rest !== "") yield rest;
}

async function* answers(body: ReadableStream<Uint8Array<ArrayBuffer>>, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  // On an edge runtime what belongs to a request ends with it; so has each its own pool.
  const pool = new mp.Pool(4), utf8 = new TextEncoder();
  try {
    // It reads no more than 64 lines ahead of whoever reads the answers.
    for await (const answer of pool.imap(analyse, linesOf(body), { buffersize: 64, signal })) {
      yield utf8.encode(`${JSON.stringify(answer)}\n`);
    }
  } finally {
    pool.terminate();
    await pool.join();
  }
}

/** As edge runtimes, `deno serve` and Bun want it. */
export const service: { fetch(request: Request): Response } = {
  fetch(request) {
    if (request.method !== "POST" || request.body === null) return new Response("POST some JSON lines: { id, text }\n", { status: 405 });
    const source = answers(request.body, request.signal);
    const stream = new ReadableStream<Uint8Array>({
      async pull(controller) {
        try {
          const { done, value } = await source.next();
          if (done) controller.close();
          else controller.enqueue(value);
        } catch (error) {
          controller.error(error);
        }
      },
      cancel: async () => void await source.return(undefined),
    });
    return new Response(stream, { headers: { "content-type": "application/jsonl" } });
  },
};

if (mp.isMain(import.meta)) {
  const texts = ["the quick brown fox", "jumps over", "the lazy dog", "and nothing happens"];
  const batch = Array.from({ length: 40 }, (_, id) => JSON.stringify({ id, text: texts[id % texts.length] }));
  const response = service.fetch(new Request("http://localhost/", { method: "POST", body: batch.join("\n") }));
  const all = (await response.text()).trimEnd().split("\n").map((line) => JSON.parse(line) as Answer);
  console.log(`${all.length} answers; the words of all: ${all.reduce((sum, { words }) => sum + words, 0)}`);
  console.log(`the longest: ${[...new Set(all.map(({ longest }) => longest))].join(" ")}`);
}
