import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';

/** A way to a Redis server that can lose a reply: the command is carried out, and its connection breaks. */
export interface LosingProxy {
  readonly socket: string;
  /** The reply to the next command with this word is lost; `meanwhile` runs before the connection breaks. */
  readonly loseReplyTo: (word: string, meanwhile?: () => Promise<void>) => void;
  /** How many replies were lost. */
  readonly lost: () => number;
  readonly close: () => void;
}

export async function losingProxy(target: string): Promise<LosingProxy> {
  const dir = mkdtempSync('/tmp/omx-proxy-');
  const socket = `${dir}/proxy.sock`;
  let wanted: { readonly word: string; readonly meanwhile: () => Promise<void> } | undefined;
  let lost = 0;
  const proxy = createServer((client) => {
    let losing: (() => Promise<void>) | undefined;
    const redis = connect(target);
    client.on('data', (data) => {
      if (wanted !== undefined && data.includes(wanted.word)) {
        losing = wanted.meanwhile;
        wanted = undefined;
      }
      redis.write(data);
    });
    redis.on('data', (data) => {
      if (losing === undefined) {
        client.write(data);
        return;
      }
      lost += 1;
      void losing().finally(() => client.destroy());
    });
    client.on('close', () => redis.destroy());
    redis.on('close', () => client.destroy());
    client.on('error', () => {});
    redis.on('error', () => {});
  });
  await new Promise<void>((resolve) => void proxy.listen(socket, resolve));
  return {
    socket,
    loseReplyTo: (word, meanwhile = async () => {}) => {
      wanted = { word, meanwhile };
    },
    lost: () => lost,
    close: () => {
      proxy.close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
