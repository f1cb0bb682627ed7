import { bytesFromBuffer, type Bytes } from '../bytestring.ts';

/**
 * The values of a list file, one a line, byte for byte: empty lines are empty values and a carriage return stays.
 * The last line may lack its newline. With `separator: 'nul'` (`-0`) values end in NUL bytes and may hold newlines.
 */
export function splitLines(content: Uint8Array, separator: 'newline' | 'nul' = 'newline'): Bytes[] {
  const text: string = bytesFromBuffer(content);
  if (text === '') return [];
  const end = separator === 'nul' ? '\0' : '\n';
  const values = text.split(end);
  if (text.endsWith(end)) values.pop();
  return values as Bytes[];
}
