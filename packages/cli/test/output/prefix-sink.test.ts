import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { PrefixSink } from '../../src/output/prefix-sink.ts';
import { attempt, recordingIo } from './kit.ts';

const one = attempt('b7.1');
const two = attempt('b7.2');

describe('PrefixSink', () => {
  it('puts the job before every line and never mixes two lines', async () => {
    const { io, out, err } = recordingIo();
    const sink = new PrefixSink(io);
    await sink.write(one, 'out', Buffer.from('a\nb'));
    await sink.write(two, 'out', Buffer.from('x'));
    await sink.write(one, 'err', Buffer.from('oops\n'));
    await sink.write(one, 'out', Buffer.from('c\n\n'));
    await sink.write(two, 'out', Buffer.from('y\nz'));
    await sink.end(two, 'out');
    await sink.end(one, 'out');
    expect(out().toString()).toBe('b7.1| a\nb7.1| bc\nb7.1| \nb7.2| xy\nb7.2| z\n');
    expect(err().toString()).toBe('b7.1| oops\n');
  });

  it('prints an endless line in parts, and gives way to others with a line end', async () => {
    const { io, out } = recordingIo();
    const sink = new PrefixSink(io);
    const long = 'x'.repeat(70_000);
    await sink.write(one, 'out', Buffer.from(long));
    await sink.write(one, 'out', Buffer.from(`${long}y\n`));
    expect(out().toString()).toBe(`b7.1| ${long}${long}y\n`);
    await sink.write(one, 'out', Buffer.from(long));
    await sink.write(two, 'out', Buffer.from('z\n'));
    await sink.write(one, 'out', Buffer.from('end\n'));
    expect(out().toString()).toBe(`b7.1| ${long}${long}y\nb7.1| ${long}\nb7.2| z\nb7.1| end\n`);
  });

  describe('on a terminal', () => {
    beforeEach(() => {
      vi.useFakeTimers();
    });
    afterEach(() => {
      vi.useRealTimers();
    });

    it('shows a line that is not complete when nothing follows', async () => {
      const { io, out } = recordingIo({ tty: true });
      const sink = new PrefixSink(io);
      await sink.write(one, 'out', Buffer.from('Password: '));
      expect(out().toString()).toBe('');
      await vi.advanceTimersByTimeAsync(300);
      expect(out().toString()).toBe('b7.1| Password: ');
      await sink.write(one, 'out', Buffer.from('ok\n'));
      sink.close();
      expect(out().toString()).toBe('b7.1| Password: ok\n');
    });
  });
});
