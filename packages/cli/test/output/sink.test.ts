import { describe, expect, it } from 'vitest';

import { JsonSink, RawSink } from '../../src/output/sink.ts';
import { attempt, recordingIo } from './kit.ts';

describe('RawSink', () => {
  it('keeps the bytes and the streams', async () => {
    const { io, out, err } = recordingIo();
    const sink = new RawSink(io, { merged: false });
    await sink.write(attempt('b1.1'), 'out', Buffer.from([0, 255, 10]));
    await sink.write(attempt('b1.1'), 'err', Buffer.from('x'));
    expect(out()).toEqual(Buffer.from([0, 255, 10]));
    expect(err().toString()).toBe('x');
    expect(sink.isAtLineStart).toBe(false);
  });

  it('prints both streams to stdout where asked', async () => {
    const { io, out, err } = recordingIo();
    await new RawSink(io, { merged: true }).write(attempt('b1.1'), 'err', Buffer.from('x'));
    expect(out().toString()).toBe('x');
    expect(err().length).toBe(0);
  });
});

describe('JsonSink', () => {
  it('prints an object a piece, characters whole', async () => {
    const { io, out } = recordingIo();
    const sink = new JsonSink(io, { array: false });
    const bytes = Buffer.from('é\n');
    await sink.write(attempt('b1.1'), 'out', bytes.subarray(0, 1));
    await sink.write(attempt('b1.2', 3), 'err', Buffer.from('x'));
    await sink.write(attempt('b1.1'), 'out', bytes.subarray(1));
    await sink.end(attempt('b1.1'), 'out');
    await sink.close();
    const lines = out().toString().trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
      { id: 'b1.2', attempt: 3, stream: 'stderr', node: 'n1', text: 'x' },
      { id: 'b1.1', attempt: 1, stream: 'stdout', node: 'n1', text: 'é\n' },
    ]);
  });

  it('prints one array where one value is wanted', async () => {
    for (const count of [0, 1, 2]) {
      const { io, out } = recordingIo();
      const sink = new JsonSink(io, { array: true });
      for (let at = 0; at < count; at += 1) await sink.write(attempt('b1.1'), 'out', Buffer.from('x'));
      await sink.close();
      expect(JSON.parse(out().toString())).toHaveLength(count);
    }
  });
});
