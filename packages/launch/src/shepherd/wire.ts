import { Buffer } from 'node:buffer';

/**
 * Frames between worker and shepherd, as `native/protocol.h` lays them down: u32 length, u8 type, fields, little-endian.
 * A text is u32 length, its bytes and one NUL that the length does not count.
 */
export const protocolVersion = 5;

export const Request = {
  environment: 1,
  forget: 2,
  start: 3,
  end: 4,
  pause: 5,
  resume: 6,
  acknowledge: 7,
  quit: 8,
  lease: 9,
  recall: 10,
} as const;

export const Answer = { hello: 64, started: 65, refused: 66, ended: 67, busy: 68, replaced: 69, alive: 70 } as const;

/** Gathers frames until they are sent in one write. */
export class FrameWriter {
  #buffer = Buffer.allocUnsafe(16 * 1024);
  #length = 0;
  #frame = 0;

  begin(type: number): void {
    this.#frame = this.#length;
    this.u32(0);
    this.u8(type);
  }

  end(): void {
    this.#buffer.writeUInt32LE(this.#length - this.#frame - 4, this.#frame);
  }

  u8(value: number): void {
    this.#reserve(1);
    this.#buffer[this.#length++] = value;
  }

  u32(value: number): void {
    this.#reserve(4);
    this.#length = this.#buffer.writeUInt32LE(value, this.#length);
  }

  f64(value: number): void {
    this.#reserve(8);
    this.#length = this.#buffer.writeDoubleLE(value, this.#length);
  }

  text(bytes: string): void {
    this.u32(bytes.length);
    this.#reserve(bytes.length + 1);
    this.#buffer.write(bytes, this.#length, 'latin1');
    this.#length += bytes.length;
    this.#buffer[this.#length++] = 0;
  }

  texts(list: readonly string[]): void {
    this.u32(list.length);
    for (const bytes of list) this.text(bytes);
  }

  get empty(): boolean {
    return this.#length === 0;
  }

  /** A copy of what was gathered; the writer starts again. */
  take(): Buffer {
    const taken = Buffer.from(this.#buffer.subarray(0, this.#length));
    this.#length = 0;
    return taken;
  }

  #reserve(extra: number): void {
    if (this.#buffer.length - this.#length >= extra) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#length + extra));
    this.#buffer.copy(larger, 0, 0, this.#length);
    this.#buffer = larger;
  }
}

/** Reads fields where they lie; `bytes` gives views, not copies. */
export class FrameReader {
  #buffer: Buffer = Buffer.alloc(0);
  #at = 0;
  #frameEnd = 0;

  push(chunk: Buffer): void {
    const rest = this.#buffer.subarray(Math.max(this.#at, this.#frameEnd));
    this.#buffer = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    this.#at = 0;
    this.#frameEnd = 0;
  }

  /** Goes to the next whole frame and returns its type; undefined when more must come first. */
  next(): number | undefined {
    this.#at = Math.max(this.#at, this.#frameEnd);
    if (this.#buffer.length - this.#at < 4) return undefined;
    const end = this.#at + 4 + this.#buffer.readUInt32LE(this.#at);
    if (end > this.#buffer.length) return undefined;
    this.#frameEnd = end;
    this.#at += 4;
    return this.u8();
  }

  u8(): number {
    return this.#buffer.readUInt8(this.#at++);
  }

  u32(): number {
    const value = this.#buffer.readUInt32LE(this.#at);
    this.#at += 4;
    return value;
  }

  f64(): number {
    const value = this.#buffer.readDoubleLE(this.#at);
    this.#at += 8;
    return value;
  }

  bytes(): Buffer {
    const length = this.u32();
    const value = this.#buffer.subarray(this.#at, this.#at + length);
    this.#at += length + 1;
    return value;
  }

  text(): string {
    const length = this.u32();
    const value = this.#buffer.toString('latin1', this.#at, this.#at + length);
    this.#at += length + 1;
    return value;
  }
}
