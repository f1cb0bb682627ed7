import { connect } from 'node:net';

/** One inline command, one reply line (https://redis.io/docs/latest/develop/reference/protocol-spec/#inline-commands). */
export async function askRedis(where: string | { host: string; port: number }, command: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(typeof where === 'string' ? { path: where } : where, () => socket.write(`${command}\r\n`));
    socket.on('error', reject);
    socket.on('data', (data) => {
      socket.destroy();
      resolve(data.toString());
    });
  });
}
