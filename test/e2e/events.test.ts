import { beforeAll, beforeEach, describe, expect, test } from 'vitest';

import {
  finish,
  killNow,
  linesOf,
  open,
  serverPid,
  shepherdPid,
  startNode,
  submit,
  traces,
  waitFor,
} from '../kit/batches.ts';
import { type RunningOmx, type TestHome, useHome } from '../kit/home.ts';
import { fixture } from '../kit/ran.ts';
import { until } from '../kit/until.ts';

interface EventJson {
  readonly at: string;
  readonly type: string;
  readonly id?: string;
  readonly node?: string;
  readonly [field: string]: unknown;
}

async function eventsOf(home: TestHome, ...args: string[]): Promise<EventJson[]> {
  const { code, stderr, jsonLines } = await home.omx(['events', ...args]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return jsonLines<EventJson>();
}

function parsed(text: string): EventJson[] {
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as EventJson);
}

/** `b1.2 job-started` */
function brief(events: readonly EventJson[]): string[] {
  return events.map(({ type, id, node }) => `${id ?? node} ${type}`);
}

/** In order of time; what happened in the same millisecond is in some order. */
function isInOrder(events: readonly EventJson[]): boolean {
  return events.every(({ at }, place) => place === 0 || at >= (events[place - 1]?.at ?? ''));
}

function following(home: TestHome, ...args: string[]): { readonly run: RunningOmx; readonly seen: () => EventJson[] } {
  const run = home.omxSpawn(['events', '-f', ...args]);
  return { run, seen: () => parsed(run.stdout()) };
}

describe('omx events', () => {
  const home = useHome({ shared: true });
  beforeAll(async () => {
    await startNode(home, { name: 'n1', slots: 2 });
  });

  test('tells the life of a batch: its jobs, retries and reruns, in order of time', async () => {
    const dir = traces(home, 'life');
    const id = await submit(home, [
      ...['--name', 'life', '--retries', '1', '--backoff', '10ms..20ms', '--array', '1-2'],
      ...['--', 'sh', '-c', 'test "$OMX_JOB" = 1 || { echo x >>"$1/tries"; test -e "$1/well"; }', '-', dir],
    ]);
    expect(await waitFor(home, id)).toBe(1);
    open(`${dir}/well`);
    expect((await home.omx(['rerun', id])).code).toBe(0);
    expect(await waitFor(home, id)).toBe(0);
    const events = await eventsOf(home, id);
    expect(isInOrder(events)).toBe(true);
    const of = (name: string): string[] => events.filter((event) => event.id === name).map(({ type }) => type);
    expect(of(id)).toEqual(['batch-submitted', 'batch-started', 'batch-note', 'batch-ended']);
    expect(of(`${id}.1`)).toEqual(['job-started', 'job-ended']);
    expect(of(`${id}.2`)).toEqual([
      ...['job-started', 'job-retried', 'job-started', 'job-ended', 'job-rerun', 'job-started', 'job-ended'],
    ]);
    expect(events.filter((event) => event.id === `${id}.2`)).toMatchObject([
      { attempt: 1, node: 'n1', launcher: 'plain' },
      { attempt: 1, node: 'n1', outcome: 'exited', exitCode: 1, signal: null, notBefore: expect.any(String) },
      { attempt: 2 },
      { attempt: 2, outcome: 'exited', exitCode: 1 },
      { attempt: 2 },
      { attempt: 3 },
      { attempt: 3, outcome: 'succeeded', exitCode: 0 },
    ]);
    expect(events[0]).toMatchObject({ type: 'batch-submitted', id, name: 'life', total: 2 });
    expect(events.at(-1)).toMatchObject({ type: 'batch-ended', id, state: 'succeeded', counts: { succeeded: 2 } });
    expect(brief(await eventsOf(home, `${id}.1`))).toEqual([`${id}.1 job-started`, `${id}.1 job-ended`]);
    expect(await eventsOf(home, `${id}.1`, `${id}.1`)).toHaveLength(2);
    expect((await home.omx(['events', '--json', id])).stdout).toBe((await home.omx(['events', id])).stdout);
  });

  test('of a batch cancelled while it waits end each of its jobs', async () => {
    const id = await submit(home, ['--hold', '--array', '1-3', '--', 'true']);
    expect((await home.omx(['cancel', id, '--reason', 'no need'])).code).toBe(0);
    const events = await eventsOf(home, id);
    expect(events.filter(({ type }) => type === 'job-ended').map((event) => [event.id, event['outcome']])).toEqual(
      [1, 2, 3].map((index) => [`${id}.${index}`, 'cancelled']),
    );
    expect(events.find(({ type }) => type === 'batch-note')?.['text']).toMatch(/no need/);
    const types = events.map(({ type }) => type);
    expect(types.lastIndexOf('job-ended')).toBeLessThan(types.indexOf('batch-ended'));
    expect(isInOrder(events)).toBe(true);
  });

  test('are one sequence over many batches, with those of nodes, and only what --since asks for', async () => {
    const ids = await Promise.all(
      Array.from({ length: 12 }, async () => submit(home, ['--array', '1-20', '--', 'true'])),
    );
    await waitFor(home, ...ids);
    const all = await eventsOf(home);
    expect(isInOrder(all)).toBe(true);
    for (const id of ids) {
      const own = all.filter((event) => event.id?.startsWith(`${id}.`) === true);
      expect(own.filter(({ type }) => type === 'job-ended')).toHaveLength(20);
    }
    expect(all.find(({ type }) => type === 'node-up')).toMatchObject({ node: 'n1' });
    const selected = await eventsOf(home, ...ids);
    expect(selected.some(({ node, id }) => node !== undefined && id === undefined)).toBe(false);
    const from = selected[100]?.at ?? '';
    expect((await eventsOf(home, '--since', from, ...ids)).length).toBe(selected.filter(({ at }) => at >= from).length);
    expect(await eventsOf(home, '--since', 'now')).toEqual([]);
    expect((await eventsOf(home, '--since', '1h')).length).toBe(all.length);
  });

  test('refuse what is no time, no batch, no selector', async () => {
    expect(await home.omx(['events', '--since', 'yesterday'])).toMatchObject({ code: 2, stdout: '' });
    expect((await home.omx(['events', 'b999'])).code).toBe(4);
    expect((await home.omx(['events', 'x'])).code).toBe(2);
  });

  test('with -f go on until what was selected has ended, each once', async () => {
    const dir = traces(home, 'follow');
    const id = await submit(home, ['--array', '1-3', '--', fixture('latch'), dir]);
    await until(() => linesOf(`${dir}/started`).length === 2);
    const { run, seen } = following(home, id);
    await until(() => seen().filter(({ type }) => type === 'job-started').length === 2);
    expect(seen()[0]).toMatchObject({ type: 'batch-submitted', id });
    open(`${dir}/go.1`);
    await until(() => brief(seen()).includes(`${id}.1 job-ended`));
    open(`${dir}/go`);
    expect(await run.ended).toMatchObject({ code: 0, stderr: '' });
    const lines = brief(seen());
    expect(new Set(lines).size).toBe(lines.length);
    expect([...lines].sort()).toEqual(
      [
        ...['submitted', 'started', 'ended'].map((what) => `${id} batch-${what}`),
        ...[1, 2, 3].flatMap((index) => [`${id}.${index} job-started`, `${id}.${index} job-ended`]),
      ].sort(),
    );
    expect(lines.at(-1)).toBe(`${id} batch-ended`);
    expect(brief(await eventsOf(home, id)).sort()).toEqual([...lines].sort());
    expect(await eventsOf(home, '-f', id)).toEqual(await eventsOf(home, id));
  });

  test('with -f and no selector tell of new batches, reruns and nodes, until Ctrl-C', async () => {
    const { run, seen } = following(home, '--since', 'now');
    // What happens while it is still being started is not told.
    await until(async () => {
      await finish(home, ['--', 'true']);
      return seen().length > 0;
    });
    const id = await finish(home, ['--array', '1-40', '--', 'sh', '-c', 'exit 0']);
    await until(() => brief(seen()).includes(`${id} batch-ended`));
    expect(seen().filter((event) => event.type === 'job-ended' && event.id?.startsWith(`${id}.`))).toHaveLength(40);
    expect((await home.omx(['rerun', `${id}.7`, '--on', 'succeeded'])).code).toBe(0);
    expect(await waitFor(home, id)).toBe(0);
    await until(() => brief(seen()).filter((line) => line === `${id}.7 job-ended`).length === 2);
    expect(brief(seen())).toContain(`${id}.7 job-rerun`);
    await until(() => brief(seen()).filter((line) => line === `${id} batch-ended`).length === 2);
    expect((await home.omx(['drain', 'n1'])).code).toBe(0);
    await until(() => brief(seen()).includes('n1 node-drained'));
    expect((await home.omx(['undrain', 'n1'])).code).toBe(0);
    await until(() => brief(seen()).includes('n1 node-undrained'));
    run.kill('SIGINT');
    expect(await run.ended).toMatchObject({ code: 130, stderr: '' });
    // The other 39 jobs of the batch run again are not told a second time.
    expect(seen().filter((event) => event.type === 'job-ended' && event.id?.startsWith(`${id}.`))).toHaveLength(41);
  });
});

describe('omx events -f', () => {
  const home = useHome();
  beforeEach(async () => {
    await startNode(home, { name: 'n1', slots: 2 });
  });

  test('tells of reruns that are over before anybody could look', async () => {
    const ids = await Promise.all(Array.from({ length: 6 }, async () => finish(home, ['--', 'true'])));
    const { run, seen } = following(home, '--since', 'now');
    await until(async () => {
      await finish(home, ['--', 'true']);
      return seen().length > 0;
    });
    expect((await home.omx(['rerun', ...ids, '--on', 'succeeded'])).code).toBe(0);
    const ends = ids.map((id) => `${id}.1 job-ended`);
    await until(() => ends.every((end) => brief(seen()).includes(end)));
    run.kill('SIGINT');
    expect((await run.ended).code).toBe(130);
    expect(
      brief(seen())
        .filter((line) => ends.includes(line))
        .sort(),
    ).toEqual(ends.sort());
  });

  test('outlives a restart of the queue, and tells each event once', async () => {
    const dir = traces(home, 'restart');
    const id = await submit(home, ['--array', '1-4', '--', fixture('latch'), dir]);
    await until(() => linesOf(`${dir}/started`).length === 2);
    const { run, seen } = following(home);
    await until(() => seen().filter(({ type }) => type === 'job-started').length === 2);
    // Appended to disk every second: what was told is to be there afterwards.
    const since = performance.now();
    await until(() => performance.now() - since > 1500);
    await killNow(serverPid(home));
    expect((await home.omx(['status'])).code).toBe(0);
    open(`${dir}/go`);
    expect(await waitFor(home, id)).toBe(0);
    await until(() => brief(seen()).includes(`${id} batch-ended`), { timeoutMs: 30_000 });
    const lines = brief(seen()).filter((line) => line.startsWith(`${id}.`));
    expect([...lines].sort()).toEqual(
      [1, 2, 3, 4].flatMap((index) => [`${id}.${index} job-ended`, `${id}.${index} job-started`]),
    );
    run.kill('SIGINT');
    expect((await run.ended).code).toBe(130);
  });

  test('tells of an attempt that died with its node', async () => {
    const dir = traces(home, 'lost');
    const { run, seen } = following(home);
    const id = await submit(home, ['--', fixture('latch'), dir]);
    await until(() => brief(seen()).includes(`${id}.1 job-started`));
    await killNow(shepherdPid(home, 'n1'));
    await until(() => brief(seen()).includes(`${id}.1 job-lost`), { timeoutMs: 30_000 });
    open(`${dir}/go`);
    expect(await waitFor(home, id)).toBe(0);
    await until(() => brief(seen()).includes(`${id}.1 job-ended`));
    expect(seen().filter((event) => event.id === `${id}.1`)).toMatchObject([
      { type: 'job-started', attempt: 1 },
      { type: 'job-lost', attempt: 1 },
      { type: 'job-started', attempt: 2 },
      { type: 'job-ended', attempt: 2 },
    ]);
    run.kill('SIGINT');
    await run.ended;
    expect(brief(await eventsOf(home, id)).filter((line) => line.startsWith(`${id}.`))).toEqual(
      ['job-started', 'job-lost', 'job-started', 'job-ended'].map((type) => `${id}.1 ${type}`),
    );
  });

  test('ends when its reader does, at the next event', async () => {
    const reading = home.omxSpawn(['events', '-f'], { through: ['sh', '-c', '"$@" | head -n 1', '-'] });
    await until(() => reading.stdout() !== '');
    await finish(home, ['--', 'true']);
    expect(await reading.ended).toMatchObject({ code: 0, stderr: '' });
    expect(parsed(reading.stdout())).toMatchObject([{ type: 'node-up' }]);
  });
});
