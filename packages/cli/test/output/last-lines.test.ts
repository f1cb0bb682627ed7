import { describe, expect, it } from 'vitest';

import { findLastLines, lastLinesStart } from '../../src/output/last-lines.ts';

const last = (text: string, lines: number): string => {
  const bytes = Buffer.from(text);
  return bytes.subarray(lastLinesStart(bytes, lines)).toString();
};

describe('lastLinesStart', () => {
  it.each([
    ['a\nb\nc\n', 2, 'b\nc\n'],
    ['a\nb\nc', 2, 'b\nc'],
    ['a\nb\nc\n', 3, 'a\nb\nc\n'],
    ['a\nb\nc\n', 9, 'a\nb\nc\n'],
    ['a\nb\n', 0, ''],
    ['', 3, ''],
    ['\n\n\n', 2, '\n\n'],
    ['\n', 1, '\n'],
    ['\na', 1, 'a'],
    ['one', 1, 'one'],
  ])('%j, last %i', (text, lines, expected) => {
    expect(last(text, lines)).toBe(expected);
  });
});

describe('findLastLines', () => {
  const find = async (bytes: Buffer, lines: number): Promise<{ start: number; read: number }> => {
    let read = 0;
    const start = await findLastLines(bytes.length, lines, async (offset, length) => {
      read += length;
      return bytes.subarray(offset, offset + length);
    });
    return { start, read };
  };

  it('finds what the plain search finds, over any window borders', async () => {
    const long = Buffer.from(`${'x'.repeat(65_535)}\n${'y'.repeat(65_536)}\n\n${'z'.repeat(200_000)}\nend\n`);
    for (const bytes of [long, long.subarray(0, -1), Buffer.from('a\n'), Buffer.from('')]) {
      for (const lines of [0, 1, 2, 3, 4, 5, 6])
        expect((await find(bytes, lines)).start).toBe(lastLinesStart(bytes, lines));
    }
  });

  it('reads no more of a large file than it needs', async () => {
    const bytes = Buffer.from('line\n'.repeat(1_000_000));
    const { start, read } = await find(bytes, 10);
    expect(start).toBe(bytes.length - 50);
    expect(read).toBe(65_536);
  });
});
