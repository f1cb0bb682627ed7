import { execa } from 'execa';
import { expect, test } from 'vitest';
import { endWhole, ownGroup } from '../../src/criu/own-group.ts';
import { stateOf } from '../shepherd/kit.ts';
import { until } from './kit.ts';

test('what a killed leader leaves behind, standing still, does not keep whoever waits for its words', async () => {
  const script = "sh -c 'echo $$; kill -STOP $$; echo no' & wait";
  const leader = execa('sh', ['-c', script], { reject: false, buffer: true, ...ownGroup });
  endWhole(leader);
  let heard = '';
  leader.stdout.on('data', (data: Buffer) => (heard += data.toString()));
  await until(() => heard.endsWith('\n') && stateOf(Number(heard)) === 'T');
  leader.kill('SIGKILL');
  expect(await leader).toMatchObject({ signal: 'SIGKILL', stdout: heard.trim() });
  await until(() => stateOf(Number(heard)) === undefined);
});
