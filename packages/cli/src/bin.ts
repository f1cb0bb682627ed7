#!/usr/bin/env node
import { isCurrent } from './bundle-check.ts';
import { version } from './installation.ts';

const [first, second] = process.argv.slice(2);
// Asked most often by scripts; it needs nothing of the rest.
if (second === undefined && (first === '--version' || first === '-V')) {
  process.stdout.write(`${version()}\n`);
} else {
  const bundle = new URL('bundle/entry.js', import.meta.url);
  // Stack traces name real places in the unbundled code.
  const useBundle = process.env['OMX_DEBUG'] !== '1' && isCurrent(bundle);
  const entry = useBundle ? ((await import(bundle.href)) as typeof import('./entry.ts')) : await import('./entry.ts');
  const { main, workingDirectory } = entry;
  process.exitCode = await main(process.argv.slice(2), {
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    get cwd() {
      return workingDirectory();
    },
    onInterrupt: (listener) => {
      process.on('SIGINT', listener);
      return () => process.off('SIGINT', listener);
    },
  });
}
