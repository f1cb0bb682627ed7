import { lstatSync, mkdirSync } from 'node:fs';
import { geteuid } from 'node:process';

/**
 * For criu: a folder on a tmpfs where it may keep what it found out about the kernel; without one it finds that out again each time,
 * for 10 to 60 ms. Root's is /run. And it leaves the job's code at a system call, not at a breakpoint of the processor: for the first of
 * those within a second the kernel waits until all processors have noticed, which takes some 9 ms of the job's pause at either node.
 */
export function criuEnv(): Readonly<Record<string, string>> {
  const folder = process.env['XDG_RUNTIME_DIR'] === undefined ? ownFolder() : undefined;
  return { CRIU_FAULT: noBreakpoints, ...(folder === undefined ? {} : { XDG_RUNTIME_DIR: folder }) };
}

/** FI_NO_BREAKPOINTS of criu's fault-injection.h. */
const noBreakpoints = '130';

/** A folder of this user's that is empty after each boot; undefined where there is none. */
export function runtimeFolder(): string | undefined {
  return process.env['XDG_RUNTIME_DIR'] ?? ownFolder();
}

function ownFolder(): string | undefined {
  const uid = geteuid?.() ?? 0;
  const folder = `/dev/shm/omx-criu-${uid}`;
  try {
    mkdirSync(folder, { mode: 0o700, recursive: true });
    // Everybody may make it under this name, and what is in it is believed.
    const facts = lstatSync(folder);
    return facts.isDirectory() && facts.uid === uid && (facts.mode & 0o022) === 0 ? folder : undefined;
  } catch {
    return undefined;
  }
}
