import type { NodeAsker, ReadCursor, ReadPiece, ReadRequest } from '@omx/queue';
import { describe, expect, it, vi } from 'vitest';

import { type Followed, NodePoller, type PollerEvents } from '../../src/output/node-poller.ts';
import { attempt } from './kit.ts';

function followed(ordinal: number): Followed {
  return {
    ordinal,
    attempt: 1,
    name: attempt(`b1.${ordinal + 1}`),
    node: 'n1',
    offsets: { out: 0, err: 0 },
    until: { out: Infinity, err: 0 },
    ended: false,
    asked: false,
    resting: false,
  };
}

/** A node whose answers the test gives. */
function node() {
  const questions: { request: ReadRequest; answer: (pieces: ReadPiece[]) => void }[] = [];
  const asker = {
    ask: async (_node: string, request: ReadRequest) =>
      new Promise<ReadPiece[]>((resolve) => questions.push({ request, answer: resolve })),
  } as unknown as NodeAsker;
  return { asker, questions };
}

function cursorsOf(question: { readonly request: ReadRequest } | undefined): [ReadCursor] {
  return [...(question?.request.cursors ?? [])] as [ReadCursor];
}

const events = () => ({
  arrived: vi.fn<PollerEvents['arrived']>(async () => {}),
  gone: vi.fn<PollerEvents['gone']>(),
  unanswered: vi.fn<PollerEvents['unanswered']>(),
  failed: vi.fn<PollerEvents['failed']>(),
});

describe('NodePoller', () => {
  it('asks about a job that comes later without waiting for the answer about the others', () => {
    const { asker, questions } = node();
    const poller = new NodePoller(asker, 'b1', 'n1', events());
    poller.add(followed(0));
    poller.add(followed(1));
    poller.add(followed(2));
    expect(questions.map(({ request }) => request.cursors.map((cursor) => cursor.ordinal))).toEqual([[0], [1]]);
    expect(questions[0]?.request.waitMs).toBeGreaterThan(questions[1]?.request.waitMs ?? Infinity);
  });

  it('asks about a bounded number at once, and goes round', async () => {
    const { asker, questions } = node();
    const poller = new NodePoller(asker, 'b1', 'n1', events());
    for (let ordinal = 0; ordinal < 250; ordinal += 1) poller.add(followed(ordinal));
    const seen = new Set<number>();
    for (let turn = 0; turn < 8; turn += 1) {
      await vi.waitFor(() => expect(questions[turn]).toBeDefined());
      const question = questions[turn];
      expect(question?.request.cursors.length).toBeLessThanOrEqual(200);
      for (const cursor of question?.request.cursors ?? []) seen.add(cursor.ordinal);
      question?.answer([]);
    }
    expect(seen.size).toBe(250);
  });

  it('rests about a job its node does not run, until the next tick', async () => {
    const { asker, questions } = node();
    const { arrived, ...rest } = events();
    const poller = new NodePoller(asker, 'b1', 'n1', { arrived, ...rest });
    const job = followed(0);
    poller.add(job);
    const [cursor] = cursorsOf(questions[0]);
    questions[0]?.answer([{ cursor, bytes: Buffer.from('x'), ended: true }]);
    await vi.waitFor(() => expect(job.asked).toBe(false));
    expect(arrived).toHaveBeenCalledOnce();
    expect(job.resting).toBe(true);
    expect(questions).toHaveLength(1);
    poller.tick();
    expect(questions).toHaveLength(2);
  });

  it('says what is gone of an ended attempt, once it was known to have ended when asked', async () => {
    const { asker, questions } = node();
    const { gone, ...rest } = events();
    const poller = new NodePoller(asker, 'b1', 'n1', { gone, ...rest });
    const job = { ...followed(0), ended: true, until: { out: 5, err: 0 } };
    poller.add(job);
    const [cursor] = cursorsOf(questions[0]);
    questions[0]?.answer([{ cursor, bytes: Buffer.alloc(0), ended: true }]);
    await vi.waitFor(() => expect(gone).toHaveBeenCalledWith(job));
  });
});
