import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { errorOf, OmxError } from '@omx/core';
import { defaultHome, ownFolder } from '@omx/queue/embedded';

import type { Io } from './io.ts';

/** A setting and where it comes from, for `omx config`. */
export interface Setting<T> {
  readonly value: T;
  readonly origin: string;
}

export interface Config {
  /** Undefined: the embedded default. */
  readonly redis: Setting<string | undefined>;
  readonly home: Setting<string>;
  readonly file: Setting<string>;
}

const knownKeys = ['redis', 'home'] as const;

/** `OMX_CONFIG`, else the XDG config folder. */
export function configPath(env: Io['env']): string {
  const explicit = env['OMX_CONFIG'];
  if (explicit !== undefined && explicit !== '') return explicit;
  const base = env['XDG_CONFIG_HOME'];
  return join(base !== undefined && base.startsWith('/') ? base : join(ownFolder(), '.config'), 'omx', 'config.toml');
}

/** The command line before the environment, the environment before the file, the file before the default. */
export function loadConfig(io: Io, flags: { readonly redis?: string }): Config {
  const path = configPath(io.env);
  const file = readConfigFile(path);
  const fromFile = (key: (typeof knownKeys)[number]): Setting<string> | undefined =>
    file?.[key] === undefined ? undefined : { value: file[key], origin: path };
  const fromEnv = (name: string): Setting<string> | undefined => {
    const value = io.env[name];
    return value === undefined || value === '' ? undefined : { value, origin: name };
  };
  const fromFlag = flags.redis === undefined ? undefined : { value: flags.redis, origin: '--redis' };
  return {
    redis: fromFlag ??
      fromEnv('OMX_REDIS_URL') ??
      fromFile('redis') ?? { value: undefined, origin: 'default: the embedded server' },
    home: fromEnv('OMX_HOME') ?? fromFile('home') ?? { value: defaultHome(io.env), origin: 'default' },
    file: { value: path, origin: file === undefined ? 'not there' : 'read' },
  };
}

/** `key = "value"` lines: a TOML file so small needs no parser at every start. */
function readConfigFile(path: string): Partial<Record<(typeof knownKeys)[number], string>> | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new OmxError(`cannot read the config file ${path}: ${errorOf(error).message}`, {
      code: 'CONFIG_INVALID',
      cause: error,
    });
  }
  const settings: Partial<Record<(typeof knownKeys)[number], string>> = {};
  for (const [at, line] of text.split('\n').entries()) {
    if (/^\s*(#|$)/.test(line)) continue;
    const match = /^\s*([\w-]+)\s*=\s*(?:"([^"\\]*)"|'([^']*)')\s*(?:#.*)?$/.exec(line);
    const key = knownKeys.find((known) => known === match?.[1]);
    if (match === null || key === undefined) {
      throw new OmxError(
        `${path}:${at + 1}:1: ${match === null ? 'not a line of the form key = "value"' : `there is no setting '${match[1]}'`}`,
        {
          code: 'CONFIG_INVALID',
          hint: `known settings: ${knownKeys.join(', ')}`,
        },
      );
    }
    settings[key] = match[2] ?? match[3] ?? '';
  }
  return settings;
}
