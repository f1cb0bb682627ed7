import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import type { TestProject } from 'vitest/node';

import { beyondCi } from '../kit/needs.ts';
import { removeImages, sweep } from './sweep.ts';

declare module 'vitest' {
  interface ProvidedContext {
    readonly containers: ContainerRun;
  }
}

/** What the container tests of one run share. */
export interface ContainerRun {
  /** Why there are no containers; empty where there are. */
  readonly reason: string;
  /** Why the image could not be built; empty where it was. */
  readonly broken: string;
  /** Of docker/Dockerfile, as it is now. */
  readonly image: string;
  /** Everything the run makes in the engine carries it, to be found at the end. */
  readonly label: readonly [name: string, value: string];
}

const repository = fileURLToPath(new URL('../..', import.meta.url));
const engineScript = 'packages/cli/setup/test-engine.sh';
/** There is nothing to install or to mend that would help (test-engine.sh). */
const impossible = 4;

const label = ['omx.test', String(process.pid)] as const;
const image = `omx-test:${process.pid}`;

/**
 * Before the container tests: an engine, the base images, and the image of docker/Dockerfile. Starts an engine only in
 * CI or where `OMX_TEST_INSTALL=engine` says so. After them all of it is removed, but for the base images.
 */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const mayInstall = process.env['CI'] === 'true' || process.env['OMX_TEST_INSTALL'] === 'engine';
  const engine = mayInstall ? await startEngine() : await findEngine();
  const reason = engine.reason || (await baseImages(mayInstall));
  const broken = reason === '' ? await buildImage() : '';
  project.provide('containers', { reason, broken, image, label });

  return async () => {
    if (engine.reason === '') {
      await sweep(label[1]);
      await removeImages(image);
    }
    if (engine.started !== '') await run('sh', [engineScript, 'stop', engine.started], 30);
  };
}

interface Engine {
  /** Why there is none; empty where there is. */
  readonly reason: string;
  /** What ends it; empty where it ran before. */
  readonly started: string;
}

async function findEngine(): Promise<Engine> {
  const { exitCode } = await run('docker', ['version'], 10);
  const reason = 'needs a container engine (start Docker; or, as root on Debian, OMX_TEST_INSTALL=engine npm test)';
  return { reason: exitCode === 0 ? '' : reason, started: '' };
}

async function startEngine(): Promise<Engine> {
  const { exitCode, stdout, stderr } = await run('sh', [engineScript, 'start'], 60);
  if (exitCode === 0) return { reason: '', started: stdout.trim() };
  return { reason: `${exitCode === impossible ? beyondCi : ''}${lastLine(stderr)}`, started: '' };
}

async function baseImages(mayMake: boolean): Promise<string> {
  await sweep();
  say('seeing to the base images of the container tests');
  const script = ['test/containers/base-images.sh', ...(mayMake ? ['--stand-in'] : [])];
  const { exitCode, stderr } = await run('sh', script, 150);
  return exitCode === 0 ? '' : `no base images: ${lastLine(stderr)}`;
}

/** An image that cannot be built is no reason to skip, and none to leave other tests out: those that need it fail. */
async function buildImage(): Promise<string> {
  say('building the image of docker/Dockerfile for the container tests');
  const options = ['--force-rm', '--label', label.join('='), '-t', image, '-f', 'docker/Dockerfile'];
  const { exitCode, timedOut, all } = await run('docker', ['build', ...options, '.'], 180);
  if (exitCode === 0) return '';
  const what = timedOut ? 'was not built in three minutes' : 'cannot be built';
  return `docker/Dockerfile ${what}:\n${all.split('\n').slice(-20).join('\n')}`;
}

function say(what: string): void {
  process.stderr.write(`omx: ${what}\n`);
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? '';
}

async function run(program: string, args: readonly string[], seconds: number) {
  return execa(program, args, { cwd: repository, reject: false, all: true, timeout: seconds * 1000, stdin: 'ignore' });
}
