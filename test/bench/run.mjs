/**
 * `npm run bench`: every question once, as a ratio against a named peer in the same run.
 * `npm run bench -- --short` asks small forms of them, to see that they can be asked; names choose some: `many-slots`;
 * `--list` prints them.
 */
import { cpus, loadavg } from 'node:os';

import { balancing } from './balancing.mjs';
import { growth } from './growth.mjs';
import { largeOutput } from './large-output.mjs';
import { manyJobs } from './many-jobs.mjs';
import { migrationQuestions } from './migration.mjs';
import { nothingStarted } from './nothing-started.mjs';
import { questions } from './questions.mjs';
import { shortJobs } from './short-jobs.mjs';
import { waiting } from './waiting.mjs';

const args = process.argv.slice(2);
const short = args.includes('--short');
const chosen = args.filter((arg) => !arg.startsWith('--'));
const slug = (name) => name.toLowerCase().replaceAll(' ', '-');

const all = [
  ...[
    questions,
    shortJobs,
    nothingStarted,
    manyJobs,
    waiting,
    largeOutput,
    balancing,
    growth,
    migrationQuestions,
  ].flat(),
];
if (args.includes('--list')) {
  console.log(all.map(({ name }) => slug(name)).join('\n'));
  process.exit();
}
console.log(
  `${cpus().length} CPUs (${cpus()[0]?.model}), load ${loadavg()[0]?.toFixed(2)}, node ${process.version}${short ? ', short form' : ''}`,
);
let missed = 0;
for (const question of all) {
  if (chosen.length > 0 && !chosen.includes(slug(question.name))) continue;
  console.log(`\n${question.name}, against ${question.against}`);
  const missing = question.missing?.();
  if (missing !== undefined) {
    console.log(`  not measured: ${missing}`);
    continue;
  }
  for (const { what, value, unit, reach, atLeast, note } of await question.answer(short)) {
    const isReached = (reach === undefined || value <= reach) && (atLeast === undefined || value >= atLeast);
    const limit = reach === undefined ? (atLeast === undefined ? undefined : `≥ ${atLeast}`) : `≤ ${reach}`;
    const verdict = limit === undefined ? '' : `  (reach ${limit}: ${isReached ? 'yes' : 'NO'})`;
    if (!isReached) missed += 1;
    console.log(
      `  ${what.padEnd(48)} ${value.toFixed(2).padStart(8)} ${unit}${verdict}${note === undefined ? '' : `  ${note}`}`,
    );
  }
}
console.log(missed === 0 ? '\nall reached' : `\n${missed} not reached`);
process.exitCode = missed === 0 ? 0 : 1;
