import { readdirSync } from 'node:fs';
import { arch, tmpdir } from 'node:os';
import { expect, test } from 'vitest';
import { checkCpuFeatures, dumpCpuFeatures } from '../../src/criu/index.ts';
import { skip, theCriu } from './kit.ts';

/** The same image with other numbers in the words of capabilities. Source: criu's `images/cpuinfo.proto`. */
function changed(features: string, change: (word: number, place: number) => number): string {
  const file = Buffer.from(features, 'base64');
  const [fields, entry] = [[] as number[], file.subarray(14)];
  let [at, place] = [0, 0];
  const number = (): number => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = entry[at++] ?? 0;
      value += (byte % 128) * factor;
      if (byte < 128) return value;
    }
  };
  const put = (value: number): void => {
    for (; value > 127; value = Math.floor(value / 128)) fields.push((value % 128) | 128);
    fields.push(value);
  };
  while (at < entry.length) {
    const key = number();
    const value = number();
    put(key);
    put(key === 6 << 3 ? change(value, place++) : value);
    if ((key & 7) === 2) {
      fields.push(...entry.subarray(at, at + value));
      at += value;
    }
  }
  const [size, inner] = [Buffer.alloc(4), Buffer.from([0x0a, fields.length, ...fields])];
  size.writeUInt32LE(inner.length);
  return Buffer.concat([file.subarray(0, 8), size, inner]).toString('base64');
}

test('a processor has its own features, is found out about once, and leaves nothing behind', skip, async () => {
  const before = readdirSync(tmpdir()).filter((name) => name.startsWith('omx-cpu-'));
  const features = dumpCpuFeatures(theCriu());
  expect(Buffer.from(await features, 'base64').length).toBeGreaterThan(20);
  expect(dumpCpuFeatures(theCriu())).toBe(features);
  expect(await checkCpuFeatures(theCriu(), await features)).toBeUndefined();
  expect(readdirSync(tmpdir()).filter((name) => name.startsWith('omx-cpu-'))).toEqual(before);
});

const onlyHere = arch() === 'x64' ? skip : { skip: true, meta: { skipReason: 'the format is of x86' } };

test('a processor that has less is not good enough, one that has more is', onlyHere, async () => {
  const features = await dumpCpuFeatures(theCriu());
  expect(changed(features, (word) => word)).toBe(features);
  // The tenth word is that of AVX2 and its like.
  const all = changed(features, (word, place) => (place === 9 ? 0xffffffff : word));
  expect(await checkCpuFeatures(theCriu(), all)).toBe('this processor lacks features of the one where it came from');
  const fewer = changed(features, (word, place) => (place === 9 ? 0 : word));
  expect(await checkCpuFeatures(theCriu(), fewer)).toBeUndefined();
});

test('what is no such description is told, not believed', skip, async () => {
  const nothing = Buffer.from('nothing').toString('base64');
  expect(await checkCpuFeatures(theCriu(), nothing)).toMatch(/^the processors cannot be compared: criu says/);
  expect(await checkCpuFeatures(theCriu(), '')).toMatch(/^the processors cannot be compared/);
});

test('a criu that cannot tell is an error with its words, and asked again the next time', async () => {
  const none = { file: '/bin/false', version: '4.1' };
  await expect(dumpCpuFeatures(none)).rejects.toMatchObject({ code: 'CPU_UNKNOWN' });
  expect(dumpCpuFeatures(none)).not.toBe(dumpCpuFeatures({ ...none, file: '/bin/true' }));
  await expect(dumpCpuFeatures(none)).rejects.toMatchObject({ code: 'CPU_UNKNOWN' });
});
