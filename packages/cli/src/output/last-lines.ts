const newline = 10;
const windowBytes = 64 * 1024;

/** Where the last lines of the bytes begin. A last line without a newline counts as one, as with `tail`. */
export function lastLinesStart(bytes: Buffer, lines: number): number {
  if (lines <= 0) return bytes.length;
  const end = bytes.at(-1) === newline ? bytes.length - 1 : bytes.length;
  return lineStart(bytes, end, lines).start ?? 0;
}

/** The same for a file of any size that is read from its end, a window at a time. */
export async function findLastLines(
  size: number,
  lines: number,
  read: (offset: number, length: number) => Promise<Buffer>,
): Promise<number> {
  if (lines <= 0) return size;
  let left = lines;
  for (let end = size; end > 0;) {
    const from = Math.max(0, end - windowBytes);
    const bytes = await read(from, end - from);
    const last = end === size && bytes.at(-1) === newline ? bytes.length - 1 : bytes.length;
    const found = lineStart(bytes, last, left);
    if (found.start !== undefined) return from + found.start;
    left = found.left;
    end = from;
  }
  return 0;
}

/** Goes back from `end` over so many newlines; says how many were missing where there are not enough. */
function lineStart(bytes: Buffer, end: number, lines: number): { readonly start?: number; readonly left: number } {
  let left = lines;
  // A negative offset would count from the buffer's end.
  for (let at = end; at > 0;) {
    at = bytes.lastIndexOf(newline, at - 1);
    if (at < 0) break;
    left -= 1;
    if (left === 0) return { start: at + 1, left };
  }
  return { left };
}
