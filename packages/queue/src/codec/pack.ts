import { deflateRawSync, inflateRawSync } from 'node:zlib';

/** The output of one attempt on its way into the queue. */
export interface PackedOutput {
  readonly ordinal: number;
  readonly attempt: number;
  readonly out: Buffer;
  readonly err: Buffer;
}

/**
 * Small outputs of jobs that ended together, in one compressed block: for each the ordinal (u32), attempt (u16),
 * lengths of stdout and stderr (u32 each), then the bytes.
 */
export function encodePack(outputs: readonly PackedOutput[]): Buffer {
  const pieces: Buffer[] = [];
  for (const { ordinal, attempt, out, err } of outputs) {
    const head = Buffer.alloc(14);
    head.writeUInt32LE(ordinal, 0);
    head.writeUInt16LE(attempt, 4);
    head.writeUInt32LE(out.length, 6);
    head.writeUInt32LE(err.length, 10);
    pieces.push(head, out, err);
  }
  return deflateRawSync(Buffer.concat(pieces), { level: 1 });
}

export function decodePack(pack: Buffer): PackedOutput[] {
  const bytes = inflateRawSync(pack);
  const outputs: PackedOutput[] = [];
  for (let at = 0; at + 14 <= bytes.length;) {
    const outEnd = at + 14 + bytes.readUInt32LE(at + 6);
    const errEnd = outEnd + bytes.readUInt32LE(at + 10);
    outputs.push({
      ordinal: bytes.readUInt32LE(at),
      attempt: bytes.readUInt16LE(at + 4),
      out: bytes.subarray(at + 14, outEnd),
      err: bytes.subarray(outEnd, errEnd),
    });
    at = errEnd;
  }
  return outputs;
}

/** Rows a parser found in the output of one attempt, or why there are none. */
export interface JobRows {
  readonly ordinal: number;
  readonly attempt: number;
  readonly rows?: readonly Readonly<Record<string, unknown>>[];
  readonly error?: string;
}

export function encodeRows(jobs: readonly JobRows[]): Buffer {
  return deflateRawSync(Buffer.from(JSON.stringify(jobs), 'utf8'), { level: 1 });
}

export function decodeRows(pack: Buffer): JobRows[] {
  return JSON.parse(inflateRawSync(pack).toString('utf8')) as JobRows[];
}
