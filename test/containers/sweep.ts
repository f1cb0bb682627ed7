import { existsSync } from 'node:fs';
import { execa } from 'execa';

const label = 'omx.test';
/** Compose labels what it makes with the name of its project, which is ours with the run's number. */
export const composeProject = (run: string): string => `omx-test-${run}`;

/**
 * Removes the containers, networks and volumes of a test run.
 * @param run the process id of the runner. @defaultValue all whose runner is no more
 */
export async function sweep(run?: string): Promise<void> {
  const runs = run === undefined ? (await knownRuns()).filter((pid) => !existsSync(`/proc/${pid}`)) : [run];
  for (const each of runs) {
    for (const filter of [`${label}=${each}`, `com.docker.compose.project=${composeProject(each)}`]) {
      await remove(['ps', '-aq'], filter, ['rm', '-fv']);
      await remove(['network', 'ls', '-q'], filter, ['network', 'rm']);
      await remove(['volume', 'ls', '-q'], filter, ['volume', 'rm', '-f']);
    }
  }
}

/** Removes an image and what the engine kept of the stage it was built in. */
export async function removeImages(image: string): Promise<void> {
  await docker('rmi', '-f', image);
  await docker('image', 'prune', '-f', '--filter', 'label=omx.stage=build');
}

async function knownRuns(): Promise<string[]> {
  const labels = [
    ...(await docker('ps', '-a', '--filter', `label=${label}`, '--format', `{{.Label "${label}"}}`)),
    ...(await docker('network', 'ls', '--filter', `label=${label}`, '--format', `{{.Label "${label}"}}`)),
  ];
  return [...new Set(labels)];
}

async function remove(list: readonly string[], filter: string, how: readonly string[]): Promise<void> {
  const found = await docker(...list, '--filter', `label=${filter}`);
  if (found.length > 0) await docker(...how, ...found);
}

async function docker(...args: readonly string[]): Promise<string[]> {
  const { stdout } = await execa('docker', args, { reject: false, stdin: 'ignore', timeout: 60_000 });
  return stdout.split('\n').filter((line) => line !== '');
}
