/**
 * The codec: values to bytes and back, with the fidelity of `structuredClone`. Every runtime reads what any wrote, and all write the same bytes, but for long texts that are not ASCII: as UTF-16 where that
 * is fast, as UTF-8 elsewhere.
 *
 * `codec_tags.ts` says what the bytes are; `codec_encode*.ts` write them, `codec_decode*.ts` read them, `codec_shapes.ts` remembers the
 * keys of records, `codec_classes.ts` the classes that travel as themselves.
 *
 * @module
 */

export { encode, type EncodeOptions } from "./codec_encode.ts";
export { KeptMessages, type Message, messageFrom } from "./codec_message.ts";
export { decode } from "./codec_decode.ts";
export { move, takeBuffers } from "./codec_encode_buffers.ts";
export { keepHere } from "./codec_refusal.ts";
export {
  type ClassCodec,
  HANDLE,
  type Handle,
  LIBRARY,
  registerClass,
  registerHandle,
  type Revive,
  type Shareable,
} from "./codec_classes.ts";
