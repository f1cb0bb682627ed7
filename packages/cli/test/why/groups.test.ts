import { freshJob, type Job } from '@omx/core';
import { expect, test } from 'vitest';

import { groupSelector, JobGroups } from '../../src/why/groups.ts';
import { endedJob, submittedAt } from '../watching-kit.ts';

test('jobs with the same end are one group, failures first', () => {
  const groups = new JobGroups({ indexOf: (ordinal) => ordinal + 1, nodeName: (node) => `n${node}`, now: submittedAt });
  const jobs: Job[] = [
    endedJob({ kind: 'succeeded' }),
    endedJob({ kind: 'exited', code: 3 }),
    endedJob({ kind: 'exited', code: 3 }),
    freshJob('queued', submittedAt),
    endedJob({ kind: 'exited', code: 3 }),
    freshJob('queued', submittedAt + 1),
  ];
  for (const [ordinal, job] of jobs.entries()) groups.add({ ordinal, job, pack: undefined, record: Buffer.alloc(0) });
  expect(groups.all().map((group) => [group.title, group.count, groupSelector('b7', group)])).toEqual([
    ['exited with code 3', 3, 'b7.2-3,5'],
    ['queued', 1, 'b7.4'],
    ['queued for a retry', 1, 'b7.6'],
    ['succeeded', 1, 'b7.1'],
  ]);
});

test('scattered jobs are not all listed', () => {
  const groups = new JobGroups({ indexOf: (ordinal) => ordinal * 2, nodeName: String, now: 0 });
  for (let ordinal = 1; ordinal <= 1000; ordinal += 1)
    groups.add({ ordinal, job: endedJob({ kind: 'lost' }), pack: undefined, record: Buffer.alloc(0) });
  const [group] = groups.all();
  expect(group?.count).toBe(1000);
  expect(group === undefined ? '' : groupSelector('b7', group)).toBe('b7.2,4,6,8,10,12,…');
});
