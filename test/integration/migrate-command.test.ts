import type { NodeInfo } from '@omx/core';
import { type CheckpointRequest, type MigrateRequest, MoveLog, type Redis } from '@omx/queue';
import { describe, expect, test } from 'vitest';

import { main } from '../../packages/cli/src/main.ts';
import { recordingIo } from '../../packages/cli/test/output/kit.ts';
import { until } from '../kit/until.ts';
import { ends, useRecordedJobs } from './recorded-jobs.ts';

const recorded = useRecordedJobs();
const { submit, happens, runs, join, omx } = recorded;

describe('omx migrate', () => {
  test('asks the node that has the job, and says what that cost', async () => {
    await Promise.all(['n1', 'n2'].map(async (name) => join(name)));
    const batch = await submit(3);
    await runs(batch, 2, 'n1');
    expect(await omx('migrate', `${batch.id}.3`, '--to', 'n2')).toEqual({
      code: 0,
      stdout: `${batch.id}.3 moved from n1 to n2: stood still for 0.12 s, 5.2 MB\n`,
      stderr: '',
    });
    const request = { type: 'migrate', batch: batch.id, ordinal: 2, attempt: 1, to: 'n2', why: 'omx migrate' };
    expect(recorded.asked).toEqual([request]);
    const { stdout } = await omx('migrate', `${batch.id}.3`, '--to', 'n2', '--json');
    expect(JSON.parse(stdout)).toEqual({ id: `${batch.id}.3`, from: 'n1', to: 'n2', pause: 0.123, bytes: 5_240_000 });
  });

  test('of one node moves one job after the other, of several at the same time', async () => {
    const atWork: string[] = [];
    let most = 0;
    let bothAtWork = (): void => {};
    const together = new Promise<void>((resolve) => (bothAtWork = resolve));
    const migrate = (node: string) => async () => {
      atWork.push(node);
      most = Math.max(most, atWork.filter((each) => each === node).length);
      if (new Set(atWork).size === 2) bothAtWork();
      await together;
      atWork.splice(atWork.indexOf(node), 1);
      return { pauseMs: 1, bytes: 1 };
    };
    for (const name of ['n1', 'n2']) await join(name, {}, { migrate: migrate(name) });
    await join('n3');
    const batch = await submit(6);
    for (const ordinal of [0, 1, 2]) await runs(batch, ordinal, 'n1');
    for (const ordinal of [3, 4]) await runs(batch, ordinal, 'n2');
    await runs(batch, 5, 'n3');
    const { code, stdout } = await omx('migrate', batch.id, '--to', 'n3');
    expect(code).toBe(0);
    expect(stdout.trim().split('\n')).toHaveLength(5);
    expect(most).toBe(1);
  });

  test('of a whole batch moves what runs, and says what its nodes refuse', async () => {
    const refused = { refused: 'n2 has no room: 4 of 4 slots are taken', hint: 'omx nodes shows the others' };
    await join('n1', {}, { migrate: async ({ ordinal }) => (ordinal === 0 ? refused : { pauseMs: 10, bytes: 1e6 }) });
    await join('n2');
    const batch = await submit(4);
    for (const ordinal of [0, 1, 2]) await runs(batch, ordinal, 'n1');
    await happens(batch, 2, ends);
    expect(await omx('migrate', batch.id, '--to', 'n2')).toEqual({
      code: 1,
      stdout: `${batch.id}.2 moved from n1 to n2: stood still for 0.01 s, 1.0 MB\n`,
      stderr: `error: ${batch.id}.1 was not moved: ${refused.refused}\nhint:  ${refused.hint}\n`,
    });
    const { stdout } = await omx('migrate', batch.id, '--to', 'n2', '--json');
    expect(
      stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual([
      { id: `${batch.id}.1`, error: { code: 'MOVE_REFUSED', message: refused.refused, hint: refused.hint } },
      { id: `${batch.id}.2`, from: 'n1', to: 'n2', pause: 0.01, bytes: 1e6 },
    ]);
  });

  test('refuses each job that is named and does not run, with its state', async () => {
    await Promise.all(['n1', 'n2'].map(async (name) => join(name)));
    const batch = await submit(5);
    await runs(batch, 1, 'n1');
    await happens(batch, 1, ends);
    await happens(batch, 2, { type: 'hold' });
    await happens(batch, 3, { type: 'lease', node: await recorded.batches.nodeNumber(batch.id, 'n1') });
    await runs(batch, 4, 'n2');
    const { code, stdout, stderr } = await omx('migrate', `${batch.id}.1-5`, '--to', 'n2');
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(
      /\.1 was not moved: it does not run: it waits in the queue\n.*\n.*\.2 .*any more: exited with code 3\n.*omx rerun.*\n.*\.3 .*held back\n.*omx release.*\n.*\.4 .*n1 is about to start it\n.*\n.*\.5 .*n2 is the same node\n/,
    );
    expect(recorded.asked).toEqual([]);
    expect(await omx('migrate', batch.id, '--to', 'n2')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^nothing to move/) as string,
    });
  });

  test('of jobs that omx cannot move says who could', async () => {
    await Promise.all(['n1', 'n2'].map(async (name) => join(name)));
    const batch = await submit(2);
    await runs(batch, 0, 'n1', 'plain');
    await runs(batch, 1, 'n1', 'mosrun');
    const { code, stderr } = await omx('migrate', batch.id, '--to', 'n2');
    expect(code).toBe(1);
    expect(stderr).toMatch(/\.1 was not moved: .*launcher plain.*\nhint: .*--launcher criu.*omx rerun b\d+\.1/);
    expect(stderr).toMatch(
      /\.2 was not moved: .*the cluster’s kernel moves it.*\nhint: .*migrate PID NODE.*mosmigrate/,
    );
    expect(recorded.asked).toEqual([]);
  });

  test.each<[Partial<NodeInfo>, RegExp]>([
    [{ state: 'down' }, /no job can move to n2: it is down\nhint: .*omx worker --name n2/],
    [{ state: 'draining', reason: 'disk' }, /it is being drained \(disk\)\nhint: .*omx undrain n2/],
    [{ state: 'drained' }, /it is drained\nhint: .*omx undrain n2/],
    [{ state: 'quarantined', reason: 'EIO' }, /it is in quarantine \(EIO\)\nhint: .*omx undrain n2/],
    [{ role: 'home' }, /it is a home node, which takes no jobs\nhint: .*omx nodes/],
    [{ launchers: ['plain'] }, /it has no CRIU that works\nhint: .*omx doctor/],
    [
      { launchers: ['plain'], trying: ['criu'] },
      /n2: its worker .* still tries out whether CRIU works.*\nhint: .*again/,
    ],
  ])('does not ask for a target that is %j', async (info, message) => {
    await join('n1');
    await join('n2', info);
    const batch = await submit(1);
    await runs(batch, 0, 'n1');
    const { code, stderr } = await omx('migrate', batch.id, '--to', 'n2');
    expect(stderr).toMatch(message);
    expect({ code, asked: recorded.asked }).toEqual({ code: 1, asked: [] });
  });

  test('does not ask for a target of another architecture, and says which one it is', async () => {
    await join('n1', { arch: 'x64' });
    await join('n2', { arch: 'arm64' });
    await join('n3', { arch: 'x64' });
    const batch = await submit(1);
    await runs(batch, 0, 'n1');
    const { code, stderr } = await omx('migrate', batch.id, '--to', 'n2');
    expect(stderr).toMatch(/\.1 was not moved: .*of the kind x64, and that of n2 is arm64\nhint: .*a node that is x64/);
    expect({ code, asked: recorded.asked }).toEqual({ code: 1, asked: [] });
    expect(await omx('migrate', batch.id, '--to', 'n3')).toMatchObject({ code: 0 });
  });

  test('keeps to the nodes and labels that the batch asks for', async () => {
    await Promise.all(['n1', 'n2'].map(async (name) => join(name)));
    const placed = await submit(1, { nodes: ['n1', 'n3'] });
    await runs(placed, 0, 'n1');
    const labelled = await submit(1, { labels: { gpu: 'yes' } });
    await runs(labelled, 0, 'n1');
    expect((await omx('migrate', placed.id, '--to', 'n2')).stderr).toMatch(/asks for --node n1,n3\nhint: /);
    expect((await omx('migrate', labelled.id, '--to', 'n2')).stderr).toMatch(/asks for --label gpu=yes\nhint: /);
    expect(recorded.asked).toEqual([]);
  });

  test('what is not there has exit code 4, a missing --to 2', async () => {
    await join('n1');
    const batch = await submit(1);
    await runs(batch, 0, 'n1');
    expect(await omx('migrate', batch.id, '--to', 'n9')).toMatchObject({ code: 4 });
    expect(await omx('migrate', `${batch.id}.7`, '--to', 'n1')).toMatchObject({ code: 4 });
    expect(await omx('migrate', 'b99', '--to', 'n1')).toMatchObject({ code: 4 });
    expect(await omx('migrate', batch.id)).toMatchObject({ code: 2, stderr: expect.stringMatching(/--to/) as string });
  });

  test('a node that ends before it answers: the log of moves knows whether the job moved', async () => {
    await join('n2');
    const ears: Redis[] = [];
    const migrate = async ({ batch, ordinal, attempt, to, why }: MigrateRequest): Promise<never> => {
      if (ordinal === 0)
        await new MoveLog(recorded.redis).append(batch, {
          ordinal,
          attempt,
          at: 1,
          from: 'n1',
          to,
          why,
          pauseMs: 70,
          bytes: 2e6,
        });
      for (const ear of ears) ear.disconnect();
      return new Promise(() => {});
    };
    const batch = await submit(2);
    for (const ordinal of [0, 1]) {
      await runs(batch, ordinal, 'n1');
      ears.push(await join('n1', {}, { migrate }));
      const { code, stdout, stderr } = await omx('migrate', `${batch.id}.${ordinal + 1}`, '--to', 'n2');
      if (ordinal === 0)
        expect({ code, stdout }).toMatchObject({
          code: 0,
          stdout: expect.stringMatching(/stood still for 0.07 s, 2.0 MB/) as string,
        });
      else
        expect({ code, stderr }).toMatchObject({
          code: 1,
          stderr: expect.stringMatching(/node n1 does not answer: its worker has ended/) as string,
        });
    }
  });

  test('Ctrl-C stops waiting, not the move', async () => {
    await join('n1', {}, { migrate: async (request) => new Promise(() => recorded.asked.push(request)) });
    await join('n2');
    const batch = await submit(1);
    await runs(batch, 0, 'n1');
    const { io, err, interrupt } = recordingIo();
    const code = main(['migrate', batch.id, '--to', 'n2', '--redis', `unix://${recorded.socket}`], io);
    await until(() => recorded.asked.length === 1);
    interrupt();
    expect(await code).toBe(130);
    expect(err().toString()).toMatch(/no longer waiting/);
  });
});

describe('omx checkpoint', () => {
  test('says where the image is', async () => {
    const checkpoint = async (request: CheckpointRequest) => {
      recorded.asked.push(request);
      if (request.ordinal === 1) return { refused: 'there is no other node that could keep it', hint: 'omx nodes' };
      return { node: 'n2', pauseMs: 40, bytes: 5_240_000 };
    };
    await join('n1', {}, { checkpoint });
    const batch = await submit(3);
    for (const ordinal of [0, 1]) await runs(batch, ordinal, 'n1');
    expect(await omx('checkpoint', `${batch.id}.1`)).toEqual({
      code: 0,
      stdout: `${batch.id}.1: image of 5.2 MB kept on n2; stood still for 0.04 s\n`,
      stderr: '',
    });
    expect(recorded.asked).toEqual([{ type: 'checkpoint', batch: batch.id, ordinal: 0, attempt: 1 }]);
    const { code, stdout } = await omx('checkpoint', batch.id, '--json');
    expect(code).toBe(1);
    expect(
      stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual([
      { id: `${batch.id}.1`, node: 'n1', keeper: 'n2', pause: 0.04, bytes: 5_240_000 },
      {
        id: `${batch.id}.2`,
        error: { code: 'CHECKPOINT_REFUSED', message: 'there is no other node that could keep it', hint: 'omx nodes' },
      },
    ]);
  });
});
