/**
 * Room for what is received: new buffers that are filled at once.
 *
 * The system clears and maps a new buffer page by page while it is filled, which takes several times as long as the copy itself. By large pages it is as fast.
 *
 * @module
 */

/** From here on a buffer has large pages to gain, which are of 2 MiB. */
const LARGE_BYTES = 2 ** 22;

let prepare: (bytes: Uint8Array) => void = () => {};

/** @param run Tells the system of a large buffer, all of zeros, before it is filled. */
export function prepareRoom(run: (bytes: Uint8Array) => void): void {
  prepare = run;
}

/** A new buffer, which the caller fills. */
export function roomFor(byteLength: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(byteLength);
  if (byteLength >= LARGE_BYTES) prepare(bytes);
  return bytes;
}
