import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** One process, in words for a failure message. */
export interface Leftover {
  readonly pid: number;
  readonly line: string;
}

/**
 * Every living process that has to do with a folder: started with it in its environment (`OMX_HOME`, which jobs get
 * from whoever submitted them), named with it, working in it, or holding a file of it open (a job with a clean
 * environment writes its output there).
 */
export function processesOf(dir: string): Leftover[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((name) => {
      const proc = `/proc/${name}`;
      if (state(proc) === 'Z' || !belongs(proc, dir)) return [];
      return [{ pid: Number(name), line: text(`${proc}/cmdline`).replaceAll('\0', ' ').trim() }];
    });
}

function belongs(proc: string, dir: string): boolean {
  const mentioned = (part: string): boolean => part === dir || part.endsWith(`=${dir}`) || part.includes(`${dir}/`);
  return (
    text(`${proc}/environ`).split('\0').some(mentioned) ||
    text(`${proc}/cmdline`).split('\0').some(mentioned) ||
    [`${proc}/cwd`, `${proc}/exe`, ...openFiles(proc)].map(target).some(mentioned)
  );
}

/** Unix sockets of the folder that some process still listens on. */
export function socketsOf(dir: string): string[] {
  return text('/proc/net/unix')
    .split('\n')
    .flatMap((line) => line.split(' ').filter((part) => part.startsWith(`${dir}/`)));
}

function openFiles(proc: string): string[] {
  try {
    return readdirSync(`${proc}/fd`).map((fd) => `${proc}/fd/${fd}`);
  } catch {
    return [];
  }
}

function target(link: string): string {
  try {
    return readlinkSync(link);
  } catch {
    return '';
  }
}

// Processes end while one looks, and those of other users are closed to us.
function text(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}

function state(proc: string): string | undefined {
  return /\) (.) /.exec(text(`${proc}/stat`))?.[1];
}
