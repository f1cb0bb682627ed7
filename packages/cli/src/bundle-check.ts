import { statSync } from 'node:fs';

/** What the bundle was made of; the compiler touches these files whenever it changes something of theirs. */
const sources = [
  ...['cli', 'core', 'queue', 'launch', 'balance', 'monitor'].map((name) => `../../${name}/dist/.tsbuildinfo`),
  ...['node', 'results'].map((name) => `../../../workers/${name}/dist/.tsbuildinfo`),
];

/** Whether the bundle is there and no older than the code: who compiles and forgets to bundle must not run old code. */
export function isCurrent(bundle: URL): boolean {
  const made = changedAt(bundle);
  return made !== undefined && sources.every((source) => (changedAt(new URL(source, import.meta.url)) ?? 0) <= made);
}

function changedAt(file: URL): number | undefined {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs;
}
