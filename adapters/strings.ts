/**
 * Strings by Node's `Buffer`, which Bun has as well. Deno loads it when it is first asked for, for 13 ms, and writes slowly by it.
 *
 * @module
 */
import type { Buffer as NodeBuffer } from "node:buffer";
import { useStrings } from "../src/host.ts";

const { Buffer } = globalThis as unknown as { Buffer: typeof NodeBuffer };

function bufferOf(bytes: Uint8Array, at: number, byteLength: number): NodeBuffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset + at, byteLength);
}

useStrings({
  readLatin1: (bytes, at, byteLength) => bufferOf(bytes, at, byteLength).toString("latin1"),
  readUtf16: (bytes, at, byteLength) => bufferOf(bytes, at, byteLength).toString("utf16le"),
  writeUtf16: (text, into, at) => void bufferOf(into, at, text.length * 2).write(text, "utf16le"),
});
