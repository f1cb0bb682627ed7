import { expect, test } from 'vitest';
import { detectMosrun, type MosrunFound } from '../../src/mosrun/detect.ts';
import { mosixTree, standIn, standInFolder } from '../fixture.ts';

interface Branch {
  readonly tree: string;
  /** Whether the stand-in is on PATH too; the tree's own programs always are. */
  readonly standIn?: boolean;
  readonly force?: string;
  readonly expected: Partial<MosrunFound>;
  readonly problem?: RegExp;
}

const hpc = mosixTree('openmosix-2.4').roots.proc;
const mosixOne = mosixTree('mosix-1').roots.proc;

const branches: readonly Branch[] = [
  {
    tree: 'openmosix-2.4',
    standIn: true,
    expected: {
      dialect: 'openmosix-2.4',
      procBase: `${hpc}/hpc`,
      mosrun: standIn,
      evidence: [`${hpc}/hpc/admin/mospe reads 2611`, `${hpc}/hpc/nodes exists`],
    },
  },
  { tree: 'openmosix-off', standIn: true, expected: { dialect: 'none' }, problem: /switched off/ },
  { tree: 'openmosix-no-mosrun', expected: { dialect: 'openmosix-2.4' }, problem: /no mosrun of its own/ },
  { tree: 'mosix-1', standIn: true, expected: { dialect: 'openmosix-2.4', procBase: `${mosixOne}/mosix` } },
  { tree: 'openmosix-2.6', expected: { dialect: 'openmosix-2.6' } },
  { tree: 'mosix-2', standIn: true, expected: { dialect: 'mosix-2' } },
  { tree: 'mosix-3', standIn: true, expected: { dialect: 'mosix-3' } },
  { tree: 'mosix-4', expected: { dialect: 'mosix-4' } },
  { tree: 'mosix-4-stopped', expected: { dialect: 'none' }, problem: /installed, but not running/ },
  { tree: 'mosix-4-usage', expected: { dialect: 'none' }, problem: /installed, but not running/ },
  { tree: 'mosix-4-no-map', expected: { dialect: 'none' }, problem: /not what goes with it: .*mosix\.map/ },
  { tree: 'mosix-4-partial', expected: { dialect: 'none' }, problem: /not what goes with it: mosd, mosps, mosctl/ },
  { tree: 'mosix-strange', standIn: true, expected: { dialect: 'none' }, problem: /none of the files/ },
  { tree: 'mpw', expected: { dialect: 'none' } },
  { tree: 'none', expected: { dialect: 'none', evidence: [] } },
  { tree: 'none', standIn: true, expected: { dialect: 'none' }, problem: /not what goes with it/ },
  {
    tree: 'none',
    standIn: true,
    force: 'openmosix-2.4',
    expected: { dialect: 'openmosix-2.4', mosrun: standIn, evidence: ['OMX_MOSIX_DIALECT=openmosix-2.4, set by hand'] },
  },
  { tree: 'mosix-4', force: 'none', expected: { dialect: 'none' } },
  { tree: 'none', force: 'mosix-4', expected: { dialect: 'mosix-4' }, problem: /no mosrun of its own/ },
];

test.each(branches)('$tree, forced $force', async ({ tree, expected, problem, force, ...branch }) => {
  const { roots, bin } = mosixTree(tree);
  const path = [bin, ...(branch.standIn === true ? [standInFolder] : [])].join(':');
  const found = await detectMosrun({ roots, env: { PATH: path, OMX_MOSIX_DIALECT: force } });
  expect(found).toMatchObject(expected);
  expect(found.problem ?? 'no problem').toMatch(problem ?? /^no problem$/);
});

test('the emulator of the same name is passed over for a real one behind it on PATH', async () => {
  const { bin } = mosixTree('mpw');
  const { roots } = mosixTree('openmosix-2.4');
  const found = await detectMosrun({ roots, env: { PATH: `${bin}:${standInFolder}` } });
  expect(found.mosrun).toBe(standIn);
  expect(found.evidence.at(-1)).toMatch(/MPW/);
  const alone = await detectMosrun({ roots, env: { PATH: bin } });
  expect(alone.mosrun).toBeUndefined();
  expect(alone.problem).toMatch(/no mosrun of its own/);
});

test('an unknown dialect is refused by name', async () => {
  await expect(detectMosrun({ env: { OMX_MOSIX_DIALECT: 'mosix-5' } })).rejects.toThrow(
    /'mosix-5', which is no dialect/,
  );
});
