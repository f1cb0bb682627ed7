import { lstatSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { imageParts } from './manifest.ts';
import {
  addressesOf,
  firstWords,
  listenFor,
  shipError,
  startProgram,
  type Destination,
  type Receiving,
} from './stream.ts';

/**
 * Sends a job's image and folder from one worker to another over a connection of their own. The bytes go from GNU tar to
 * GNU tar; `omx-capsule listen` and `connect` make the connection (`native/capsule/stream.h`).
 *
 * The manifest comes last. So what has come is whole exactly where tar has ended well and the manifest is there, and the
 * sender hears that before it ends well itself.
 */
export interface ReceiveOptions {
  /** The name or address of this machine that the sender shall connect to. */
  readonly host: string;
  /** Made anew, with `image/` and `folder/` in it; nothing is ever written outside of it. */
  readonly into: string;
  /** From now until everything has come. */
  readonly timeoutMs: number;
}

export interface SendOptions {
  readonly to: Destination;
  /** Without its logs. */
  readonly image: string;
  /** The job's folder; not where the image has it in itself. */
  readonly folder?: string;
  /** When the image's manifest will have been written: what it says may be found out while the rest is sent. @defaultValue now */
  readonly sealed?: Promise<unknown>;
  readonly timeoutMs: number;
}

/**
 * tar's exit code where a file changed while it was read. The job stands still, but the program that each job's folder has
 * a hard link to gets another time of change whenever a job starts.
 */
const changedIsGood = ['--good', '1'];

/** Fewer, larger reads and writes: 256 KiB. */
const record = ['--blocking-factor', '512'];

/** @throws SHIP_FAILED where the host is not this machine */
export async function receiveInto({ host, into, timeoutMs }: ReceiveOptions): Promise<Receiving> {
  const top = resolve(into);
  const image = join(top, 'image');
  rmSync(top, { recursive: true, force: true });
  mkdirSync(image, { recursive: true, mode: 0o700 });
  const what = `cannot receive an image into ${into}`;
  const unpack = ['tar', '--extract', '--file=-', '--directory', top, '--preserve-permissions', '--numeric-owner'];
  const receiving = await listenFor({
    ...{ host, timeoutMs, what, explain },
    words: ['--expect', join(image, imageParts.manifest), '--', ...unpack, '--warning=no-timestamp', ...record],
  });
  const done = receiving.done.then(() => {
    for (const entry of readdirSync(top)) {
      const isOurs = entry === 'image' || entry === 'folder';
      if (!isOurs || !lstatSync(join(top, entry)).isDirectory())
        throw shipError(what, `${entry} does not belong to one`);
    }
  });
  done.catch(() => undefined);
  return { ...receiving, done };
}

/** A connection that is ready before there is anything to send. Exactly one of `send` and `stop` must follow. */
export interface Sending {
  /** Begins with what criu has written, before the rest is there. */
  begin(): void;
  /**
   * @param sealed when the image's manifest will have been written. @defaultValue now
   * @returns the bytes it took, when the other side has it all
   * @throws SHIP_FAILED with the reason, the other side's own where that is it
   */
  send(sealed?: Promise<unknown>): Promise<{ readonly bytes: number }>;
  stop(): void;
}

/** As `openSending` and its `send`. */
export async function send({ sealed, ...options }: SendOptions): Promise<{ readonly bytes: number }> {
  // Nobody may be there to hear of it, should we fail before.
  sealed?.catch(() => undefined);
  return (await openSending(options)).send(sealed);
}

/** @throws SHIP_FAILED where the host has no address; what else fails `send` tells */
export async function openSending(options: Omit<SendOptions, 'sealed'>): Promise<Sending> {
  const { to, image, folder, timeoutMs } = options;
  const what = `cannot send the image ${image} to ${to.host}`;
  const addresses = await addressesOf(to.host);
  const pack = [
    'tar',
    '--create',
    '--file=-',
    '--directory=/',
    '--format=posix',
    '--pax-option=delete=atime,delete=ctime',
  ];
  const names = [
    '--null',
    '--files-from=-',
    ...renamed(image, 'image'),
    ...(folder === undefined ? [] : renamed(folder, 'folder')),
  ];
  const quiet = ['--sparse', '--numeric-owner', '--warning=no-file-ignored', ...record];
  const program = startProgram(
    ['connect', String(to.port), ...addresses, ...changedIsGood, '--', ...pack, ...names, ...quiet],
    to.token,
    timeoutMs,
  );
  const give = (path: string, last?: 'last'): void => program.write(`${nameOf(path)}\0`, last);
  const given = new Set<string>();
  const givePart = (part: string): void => {
    if (given.has(part) || part === imageParts.log || part.startsWith(imageParts.manifest)) return;
    given.add(part);
    give(join(image, part));
  };
  return {
    // tar takes one name after the other as they come.
    begin: () => givePart(imageParts.criu),
    send: async (sealed) => {
      readdirSync(image).sort().forEach(givePart);
      if (folder !== undefined) give(folder);
      const finish = Promise.resolve(sealed).then(
        () => give(join(image, imageParts.manifest), 'last'),
        (error: unknown) => program.stop(error instanceof Error ? error.message : String(error)),
      );
      const [end] = await Promise.all([program.ended, finish]);
      if (!end.isWell) throw shipError(what, end.cut ?? explain(end.words));
      return { bytes: Number(await program.line) };
    },
    stop: () => program.stop('it was stopped'),
  };
}

/** As tar shall call it from the root folder on, where it says nothing of leading slashes. */
function nameOf(path: string): string {
  return resolve(path).slice(1);
}

/** Not in the targets of symbolic links. */
function renamed(path: string, as: string): readonly string[] {
  const pattern = nameOf(path).replaceAll(/[\\.*[\]^$,]/g, String.raw`\$&`);
  return [String.raw`--transform=s,^${pattern}\(/\|$\),${as}\1,S`];
}

/** Why a stream broke, from the words of tar, ours, and the other side's, in the words of `omx why`. */
function explain(words: string): string {
  const where = words.includes('the other side') ? 'the other node’s' : 'this node’s';
  if (/No space left on device|Disk quota exceeded/.test(words)) return `no room on ${where} disk`;
  if (/Connection (reset|timed out)|Broken pipe|gone away|No route|unreachable/.test(words))
    return 'the connection broke';
  if (/Unexpected EOF|ended too early|not look like a tar/.test(words)) return 'the stream ended too early';
  return firstWords(words, 'the connection broke');
}
