import { describeAddress } from '@omx/queue';
import { homeAt } from '@omx/queue/embedded';

import { loadConfig } from '../config.ts';
import { type Io, writeJson, writeLine } from '../io.ts';
import { painter } from '../render/paint.ts';
import { renderTable } from '../render/table.ts';
import type { QueueOptions } from '../session.ts';

interface ConfigOptions extends QueueOptions {
  readonly json?: boolean;
}

/** `omx config`: the settings in force, and where each comes from. Nothing is started. */
export async function config(io: Io, options: ConfigOptions): Promise<number> {
  const { redis, home, file } = loadConfig(io, options);
  // A password in a URL is not shown.
  const url = redis.value === undefined ? null : describeAddress({ url: redis.value });
  if (options.json === true) {
    await writeJson(io, { redis: { value: url, origin: redis.origin }, home, file });
    return 0;
  }
  const rows = [
    ['redis', url ?? homeAt(home.value, io.env).redisSocket, redis.origin],
    ['home', home.value, home.origin],
    ['file', file.value, file.origin],
  ];
  for (const line of renderTable([{ title: 'setting' }, { title: 'value' }, { title: 'origin' }], rows, painter(io)))
    await writeLine(io, line);
  return 0;
}
