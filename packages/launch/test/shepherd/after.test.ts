import { describe, expect, test } from 'vitest';
import { Node, until } from './kit.ts';

/** Starts a job that runs until `go` is there, and a row of others behind it. */
function row(node: Node, keys: readonly string[], script = (key: string) => `echo ${key} >> ran`): void {
  node.sh('lead', 'while [ ! -e go ]; do sleep 0.01; done; echo lead >> ran');
  let after = 'lead';
  for (const key of keys) {
    node.sh(key, script(key), { after });
    after = key;
  }
}

function go(node: Node): void {
  node.sh('go', 'echo > go');
}

const ran = (node: Node): string[] => node.text('ran').trim().split('\n').filter(Boolean);

describe('jobs that follow another', () => {
  test('start one after another, when it is done, in their order', async () => {
    const node = await Node.open();
    row(node, ['a', 'b', 'c']);
    await node.started('lead');
    go(node);
    await node.ended('c');
    expect(ran(node)).toEqual(['lead', 'a', 'b', 'c']);
    for (const key of ['lead', 'a', 'b', 'c']) {
      const ended = await node.ended(key);
      expect(ended).toMatchObject({ exitCode: 0, reason: 'none' });
      expect(ended.usage.maxRssKib).toBeGreaterThan(0);
    }
    const ends = node.events.filter(({ type }) => type === 'ended').map(({ key }) => key);
    expect(ends.filter((key) => key !== 'go')).toEqual(['lead', 'a', 'b', 'c']);
  });

  test('start at once behind one that is done or not known', async () => {
    const node = await Node.open();
    node.sh('done', 'true');
    await node.ended('done');
    node.sh('a', 'true', { after: 'done' });
    node.sh('b', 'true', { after: 'nobody' });
    expect((await node.ended('a')).exitCode).toBe(0);
    expect((await node.ended('b')).exitCode).toBe(0);
  });

  test('start behind one that cannot be started', async () => {
    const node = await Node.open();
    node.sh('lead', 'while [ ! -e go ]; do sleep 0.01; done');
    node.start('missing', ['no-such-program'], { after: 'lead' });
    node.sh('last', 'true', { after: 'missing' });
    go(node);
    expect((await node.refused('missing')).stage).toBe('exec');
    expect((await node.ended('last')).exitCode).toBe(0);
  });

  test('start behind one that was killed, by its limit too', async () => {
    const node = await Node.open();
    node.sh('lead', 'sleep 100', { timeMs: 50, graceMs: 0 });
    node.sh('next', 'true', { after: 'lead' });
    expect((await node.ended('lead')).reason).toBe('timeout');
    expect((await node.ended('next')).exitCode).toBe(0);
  });

  test('are few for the journal: what ran is not forgotten when the connection is lost, what waited is', async () => {
    const node = await Node.open();
    row(node, ['a', 'b']);
    await node.started('lead');
    node.shepherd.close();
    await node.connect();
    expect(node.shepherd.hello.running.map(({ key }) => key)).toEqual(['lead']);
    expect(node.shepherd.hello.unreported).toEqual([]);
    go(node);
    await node.ended('lead');
    // Asked for again it runs, once.
    node.sh('a', 'echo a >> ran');
    await node.ended('a');
    expect(ran(node)).toEqual(['lead', 'a']);
    expect(node.find('ended', 'b')).toBeUndefined();
  });

  test('are untouched where the shepherd dies: only what ran is lost with it', async () => {
    const node = await Node.open();
    row(node, ['a', 'b']);
    await node.started('lead');
    node.sh('done', 'true');
    node.sh('next', 'sleep 1000', { after: 'done' });
    await node.started('next');
    process.kill(node.shepherd.pid, 'SIGKILL');
    await until('the connection is gone', () => node.closed);
    await node.connect();
    for (const key of ['lead', 'next']) expect((await node.ended(key)).lost).toBe(true);
    expect(new Set(node.shepherd.hello.unreported)).toEqual(new Set(['lead', 'done', 'next']));
    node.shepherd.acknowledge(['lead', 'done', 'next'], { removeOutput: true });
    // Asked for again it runs, once.
    node.sh('a', 'echo a >> ran');
    await node.ended('a');
    expect(ran(node)).toEqual(['a']);
  });

  test('may not be two behind one: that is a malformed request', async () => {
    const node = await Node.open();
    row(node, ['a']);
    await node.started('lead');
    node.sh('second', 'true', { after: 'lead' });
    await until('the connection is closed', () => node.closed);
    await node.connect();
    node.shepherd.end('lead', 'cancel', 0);
    await node.ended('lead');
  });
});

describe('a recall', () => {
  test('takes one out of the row, and the others keep their order', async () => {
    const node = await Node.open();
    row(node, ['a', 'b', 'c']);
    await node.started('lead');
    node.shepherd.recall('b');
    expect(await node.refused('b')).toMatchObject({ stage: 'recalled' });
    go(node);
    await node.ended('c');
    expect(ran(node)).toEqual(['lead', 'a', 'c']);
  });

  test('takes the whole row while the lead runs on', async () => {
    const node = await Node.open();
    row(node, ['a', 'b', 'c']);
    await node.started('lead');
    for (const key of ['a', 'b', 'c']) node.shepherd.recall(key);
    for (const key of ['a', 'b', 'c']) expect((await node.refused(key)).stage).toBe('recalled');
    node.shepherd.acknowledge(['a', 'b', 'c'], { removeOutput: true });
    // The same attempt may be started again, elsewhere or here.
    node.sh('b', 'echo again >> ran');
    await node.ended('b');
    go(node);
    await node.ended('lead');
    expect(ran(node)).toEqual(['again', 'lead']);
  });

  test('does nothing to what runs, or is over', async () => {
    const node = await Node.open();
    row(node, []);
    await node.started('lead');
    node.shepherd.recall('lead');
    await node.leased(60_000, 'pause');
    expect(node.find('refused', 'lead')).toBeUndefined();
    go(node);
    expect((await node.ended('lead')).exitCode).toBe(0);
    node.shepherd.recall('lead');
    await node.leased(60_000, 'pause');
    expect(node.find('refused', 'lead')).toBeUndefined();
  });

  test('is what the end of one that waits comes to', async () => {
    const node = await Node.open();
    row(node, ['a', 'b']);
    await node.started('lead');
    node.shepherd.end('a', 'cancel', 1000);
    expect((await node.refused('a')).stage).toBe('recalled');
    go(node);
    await node.ended('b');
    expect(ran(node)).toEqual(['lead', 'b']);
  });

  test('comes to all that wait when the shepherd is told to quit', async () => {
    const node = await Node.open();
    row(node, ['a', 'b']);
    await node.started('lead');
    await node.shepherd.quit({ force: true });
    expect(await node.ended('lead')).toMatchObject({ reason: 'requeue' });
    for (const key of ['a', 'b']) expect((await node.refused(key)).stage).toBe('recalled');
    await node.connect();
    expect(ran(node)).toEqual([]);
  });
});

describe('a lease that is out', () => {
  test('keeps those that follow from starting: where jobs are killed they are refused', async () => {
    const node = await Node.open();
    row(node, ['a', 'b']);
    await node.started('lead');
    await node.leased(-1000, 'stop');
    expect((await node.ended('lead')).reason).toBe('lease');
    for (const key of ['a', 'b']) expect((await node.refused(key)).stage).toBe('lease');
    expect(ran(node)).toEqual([]);
  });

  test('where jobs are paused they wait on, and start after it', async () => {
    const node = await Node.open();
    row(node, ['a']);
    await node.started('lead');
    await node.leased(-1000, 'pause');
    go(node);
    expect((await node.refused('go')).stage).toBe('lease');
    expect(ran(node)).toEqual([]);
    await node.leased(60_000, 'pause');
    node.shepherd.acknowledge(['go'], { removeOutput: true });
    go(node);
    await node.ended('a');
    expect(ran(node)).toEqual(['lead', 'a']);
  });
});

describe('what is told of short jobs', () => {
  test('waits for more of it while others follow, and comes at once with the last', async () => {
    const node = await Node.open();
    const keys = Array.from({ length: 60 }, (_, at) => `j${at}`);
    let groups = 0;
    node.shepherd.onEvent((events) => {
      groups += 1;
      node.events.push(...events);
    });
    row(node, keys, () => 'exit 0');
    go(node);
    await node.ended('j59');
    expect(node.events.filter(({ type }) => type === 'ended')).toHaveLength(62);
    expect(groups).toBeLessThan(40);
  });

  test('does not wait where the lead runs on', async () => {
    const node = await Node.open();
    row(node, ['a']);
    // Nothing else ends; what was held would stay so if it had no deadline.
    expect((await node.started('lead')).pid).toBeGreaterThan(0);
    node.shepherd.recall('a');
    expect((await node.refused('a')).stage).toBe('recalled');
    go(node);
    await node.ended('lead');
  });
});
