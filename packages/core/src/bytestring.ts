import { Buffer } from 'node:buffer';

/**
 * A string of bytes: each UTF-16 unit holds one byte (0…255), as in Node's `latin1` encoding.
 * Program arguments, paths and environment values are byte strings everywhere inside omx, because Linux promises no
 * encoding for them; they become text only where they are shown. ASCII operations (search, split, concatenate) are safe.
 */
export type Bytes = string & { readonly __bytes: unique symbol };

/** The UTF-8 bytes of a text. */
export function bytesOf(text: string): Bytes {
  // Plain ASCII is its own byte string; the check is far cheaper than a round trip through a buffer.
  // oxlint-disable-next-line no-control-regex
  if (/^[\u0000-\u007f]*$/.test(text)) return text as Bytes;
  return Buffer.from(text, 'utf8').toString('latin1') as Bytes;
}

export function bytesFromBuffer(buffer: Uint8Array): Bytes {
  return Buffer.from(buffer.buffer, buffer.byteOffset, buffer.byteLength).toString('latin1') as Bytes;
}

export function bufferOf(bytes: Bytes): Buffer {
  return Buffer.from(bytes, 'latin1');
}

/** The bytes read as UTF-8; ill-formed sequences become U+FFFD, so the text is for people, never for programs. */
export function textOf(bytes: Bytes): string {
  return bufferOf(bytes).toString('utf8');
}

/** Whether the bytes are well-formed UTF-8. */
export function isUtf8(bytes: Bytes): boolean {
  return bytesOf(textOf(bytes)) === bytes;
}

/** For JSON: text where the bytes are UTF-8, else `{"base64": …}` so that nothing is lost. */
export function jsonOf(bytes: Bytes): string | { readonly base64: string } {
  return isUtf8(bytes) ? textOf(bytes) : { base64: bufferOf(bytes).toString('base64') };
}
