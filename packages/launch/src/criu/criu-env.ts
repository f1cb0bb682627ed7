import { mkdirSync } from 'node:fs';
import { geteuid } from 'node:process';

/**
 * For criu: without a folder on a tmpfs where it may keep what it found out about the kernel, it finds that out again each
 * time, for 10 to 60 ms. Root's is /run.
 */
export function criuEnv(): Readonly<Record<string, string>> {
  if (process.env['XDG_RUNTIME_DIR'] !== undefined) return {};
  const folder = `/dev/shm/omx-criu-${geteuid?.() ?? 0}`;
  try {
    mkdirSync(folder, { mode: 0o700, recursive: true });
    return { XDG_RUNTIME_DIR: folder };
  } catch {
    return {};
  }
}
