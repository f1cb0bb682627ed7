#!/usr/bin/env node
import { version } from './version.ts';

const [first, second] = process.argv.slice(2);
// Asked most often by scripts; it needs nothing of the rest.
if (second === undefined && (first === '--version' || first === '-V')) {
  process.stdout.write(`${version()}\n`);
} else {
  const [{ main }, { workingDirectory }] = await Promise.all([import('./main.ts'), import('./raw-args.ts')]);
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
