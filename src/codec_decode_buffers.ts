/**
 * Bytes to buffers and their views.
 *
 * @module
 */

import * as tag from "./codec_tags.ts";
import {
  align,
  fulfil,
  malformed,
  number,
  position,
  rareOf,
  readBuffer,
  readBufferAt,
  readByte,
  readFloat,
  readLength,
  readValue,
  reserve,
  seek,
} from "./codec_decode.ts";

/** A buffer of which only a part was sent. */
export interface TrimmedBuffer {
  readonly from: number;
  readonly padding: number;
  readonly byteLength: number;
  readonly at: number;
  buffer: ArrayBuffer | null;
}

function readSigned(): number {
  const value = readLength();
  return value % 2 === 1 ? -(value + 1) / 2 : value / 2;
}

/** Reads the trailer's table, its bytes aside; gives where the trailer begins. */
export function readTrailer(start: number, end: number): number {
  const messageStart = start - 1;
  if (end - start < 8) throw malformed("it ends too early");
  seek(end - 8);
  const at = messageStart + readFloat();
  if (!(Number.isInteger(at) && at >= start && at <= end - 8)) throw malformed("its trailer is missing");
  seek(at);
  const trimmed: TrimmedBuffer[] = [];
  while (position() < end - 8) {
    const from = readSigned();
    const padding = readByte();
    const byteLength = readLength();
    align(byteLength);
    if (padding > 7 || byteLength > end - 8 - position()) throw malformed("its trailer is damaged");
    trimmed.push({ from, padding, byteLength, at: position(), buffer: null });
    seek(position() + byteLength);
  }
  rareOf().trimmed = trimmed;
  seek(start);
  return at;
}

function readBytes(byteLength: number): ArrayBuffer {
  align(byteLength);
  return readBuffer(byteLength);
}

function readTrimmed(): TrimmedBuffer & { buffer: ArrayBuffer } {
  const trimmed = rareOf().trimmed[readLength()];
  if (trimmed === undefined) throw malformed("a buffer is missing");
  trimmed.buffer ??= readBufferAt(trimmed.at, trimmed.byteLength, trimmed.padding);
  return trimmed as TrimmedBuffer & { buffer: ArrayBuffer };
}

/** Reads a buffer or view; undefined if the tag is not one of theirs. */
export function readBinary(byte: number): object | undefined {
  switch (byte) {
    case tag.BUFFER:
      return number(readBytes(readLength()));
    case tag.RESIZABLE_BUFFER: {
      const byteLength = readLength();
      const maxByteLength = readLength();
      const bytes = new Uint8Array(readBytes(byteLength));
      try {
        // The maximum is address space, not memory.
        const buffer = new ArrayBuffer(byteLength, { maxByteLength });
        new Uint8Array(buffer).set(bytes);
        return number(buffer);
      } catch {
        throw malformed("a resizable buffer cannot be made");
      }
    }
    case tag.MOVED_BUFFER: {
      const buffer = rareOf().moved[readLength()];
      if (buffer === undefined) throw malformed("a moved buffer did not come along");
      return number(buffer);
    }
    case tag.TRIMMED_BUFFER:
      return number(readTrimmed().buffer);
    case tag.WHOLE_VIEW: {
      const kind = readByte();
      const index = reserve();
      const buffer = number(readBytes(readLength()));
      return fulfil(index, makeView(kind, buffer, 0));
    }
    case tag.VIEW:
    case tag.TRACKING_VIEW: {
      const kind = readByte();
      const index = reserve();
      const byteOffset = readLength();
      const count = byte === tag.VIEW ? readLength() : undefined;
      const buffer = readValue();
      if (!(buffer instanceof ArrayBuffer)) throw malformed("a view has no buffer");
      return fulfil(index, makeView(kind, buffer, byteOffset, count));
    }
    case tag.TRIMMED_VIEW: {
      const kind = readByte();
      const count = readLength();
      const trimmed = readTrimmed();
      return number(makeView(kind, trimmed.buffer, readSigned() - trimmed.from + trimmed.padding, count));
    }
  }
  return undefined;
}

function makeView(kind: number, buffer: ArrayBuffer, byteOffset: number, count?: number): ArrayBufferView {
  const type = tag.VIEW_TYPES[kind];
  if (type === undefined) throw malformed(`this runtime has no ${tag.VIEW_NAMES[kind] ?? "view of that type"}`);
  try {
    return new type(buffer, byteOffset, count);
  } catch {
    throw malformed("a view does not fit its buffer");
  }
}
