import { isUtf8 } from 'node:buffer';

/** Bytes of a stream as they go into JSON: text where they are UTF-8, base64 where they are not. */
export type PieceContent = { readonly text: string } | { readonly base64: string };

/**
 * Makes JSON pieces of a stream. A character cut in two by the end of a piece is kept back and goes with the next, so
 * that text stays text wherever the stream was cut.
 */
export class Utf8Pieces {
  #kept: Buffer = Buffer.alloc(0);

  /** Nothing when all of the bytes are kept back. */
  next(bytes: Buffer): PieceContent | undefined {
    const all = this.#kept.length === 0 ? bytes : Buffer.concat([this.#kept, bytes]);
    const cut = all.length - unfinished(all);
    this.#kept = Buffer.from(all.subarray(cut));
    return content(all.subarray(0, cut));
  }

  /** What was kept back when the stream ended in the middle of a character. */
  end(): PieceContent | undefined {
    const kept = this.#kept;
    this.#kept = Buffer.alloc(0);
    return content(kept);
  }
}

function content(bytes: Buffer): PieceContent | undefined {
  if (bytes.length === 0) return undefined;
  return isUtf8(bytes) ? { text: bytes.toString('utf8') } : { base64: bytes.toString('base64') };
}

/** How many bytes at the end begin a character that is not complete: 0 to 3. */
function unfinished(bytes: Buffer): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back += 1) {
    const byte = bytes[bytes.length - back] ?? 0;
    if (byte < 0x80) return 0;
    if (byte >= 0xc0) return back < characterLength(byte) ? back : 0;
  }
  return 0;
}

function characterLength(lead: number): number {
  if (lead >= 0xf0) return 4;
  return lead >= 0xe0 ? 3 : 2;
}
