import { lstatSync, mkdirSync } from 'node:fs';
import { geteuid } from 'node:process';

/**
 * For criu: without a folder on a tmpfs where it may keep what it found out about the kernel, it finds that out again each
 * time, for 10 to 60 ms. Root's is /run.
 */
export function criuEnv(): Readonly<Record<string, string>> {
  if (process.env['XDG_RUNTIME_DIR'] !== undefined) return {};
  const folder = ownFolder();
  return folder === undefined ? {} : { XDG_RUNTIME_DIR: folder };
}

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
