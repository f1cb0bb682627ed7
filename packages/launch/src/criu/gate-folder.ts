import { mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readProcessStat } from '../host/process.ts';

/** `sun_path` holds 108 bytes with the NUL. */
const longest = 107;
const socketName = 's';
let isSwept = false;

/** A new folder for a gate's socket, which nobody else may enter; those that killed processes have left are removed. */
export function makeGateFolder(): { readonly folder: string; readonly path: string } {
  const prefix = `omx-gate-${pidSpace()}-${process.pid}-${startOf(process.pid)}-`;
  const isLong = Buffer.byteLength(join(tmpdir(), `${prefix}XXXXXX`, socketName)) > longest;
  const top = isLong ? '/tmp' : tmpdir();
  if (!isSwept) sweep(top);
  isSwept = true;
  const folder = mkdtempSync(join(top, prefix));
  return { folder, path: join(folder, socketName) };
}

/** Others who share the folder may have numbers of their own: what they left is theirs to remove. */
function sweep(top: string): void {
  for (const name of readdirSync(top)) {
    const [, space, pid, start] = /^omx-gate-(\d+)-(\d+)-(\d+)-/.exec(name) ?? [];
    if (space !== pidSpace() || String(startOf(Number(pid))) === start) continue;
    try {
      rmSync(join(top, name), { recursive: true, force: true });
    } catch {
      // Another user's.
    }
  }
}

function startOf(pid: number): number {
  return readProcessStat(pid)?.startTicks ?? 0;
}

function pidSpace(): string {
  return /\d+/.exec(readlinkSync('/proc/self/ns/pid'))?.[0] ?? '0';
}
