import { readFileSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';

import { jobOf, killNow, serverPid, startNode, submit } from '../kit/batches.ts';
import { useHome } from '../kit/home.ts';
import { skipUnless } from '../kit/needs.ts';
import { type TestTerminal, useTerminal } from '../kit/terminal.ts';
import { until } from '../kit/until.ts';

const home = useHome({ shared: true });
const openTerminal = useTerminal(home);
const spin = ['--', 'sh', '-c', 'while :; do :; done'];
let spinning: string;

beforeAll(async () => {
  await startNode(home, { slots: 4 });
  spinning = await submit(home, ['--array', '1-2', ...spin]);
  await until(async () => (await home.omx(['jobs', spinning])).stdout.split('running').length === 3);
});

const screenIs = {
  shown: { alternate: '1', cursor: '0', wrap: '0' },
  gone: { alternate: '0', cursor: '1', wrap: '1' },
};

/** Runs a screen in a shell that notes the terminal's settings before and after, and the exit code. */
async function start(terminal: TestTerminal, command: string, before = ''): Promise<void> {
  terminal.run(`stty -g >before; ${before}omx ${command}; echo "code $?"; stty -g >after; echo settled`);
  await until(() => terminal.modes().alternate === '1', { timeoutMs: 20_000 });
}

async function expectClean(terminal: TestTerminal, code: number): Promise<string[]> {
  const rows = await terminal.shows(/^settled$/);
  // What was on the row before may be left there by a change of size.
  expect(rows.some((row) => row.endsWith(`code ${code}`))).toBe(true);
  expect(terminal.modes()).toEqual(screenIs.gone);
  expect(readFileSync(`${home.work}/after`, 'utf8')).toBe(readFileSync(`${home.work}/before`, 'utf8'));
  return rows;
}

describe('omx mon', skipUnless('tmux', 'pty'), () => {
  test('bars of a busy node, views, help, all sizes', async () => {
    const terminal = openTerminal();
    await start(terminal, 'mon');
    const busy = await terminal.shows(/│█/);
    expect(terminal.modes()).toEqual(screenIs.shown);
    expect(busy[0]).toMatch(/^load per CPU {2}█ omx {2}░ others +1 node$/);
    expect(busy.at(-3)).toMatch(/^ +n1$/);
    expect(busy.at(-1)).toMatch(/^q quit/);
    terminal.press('m');
    expect((await terminal.shows(/^memory/)).some((row) => /│░/.test(row))).toBe(true);
    terminal.press('t');
    await terminal.shows(/^total: 1 up, slots 2\/4, /);
    terminal.press('h');
    await terminal.shows(/^any key goes back$/);
    terminal.press('x', 'l');
    await terminal.shows(/^load per CPU/);
    terminal.resize(20, 10);
    // tmux shows the old picture on the new size until there is another.
    const small = await until(terminal.rows, { is: (rows) => rows[0] === 'load per CPU  1 node' });
    expect(small).toHaveLength(10);
    expect(small[1]).toMatch(/^ *\d+\.\d\d│/);
    expect(small.some((row) => /│█/.test(row))).toBe(true);
    terminal.resize(200, 60);
    await until(terminal.rows, { is: (rows) => rows.length === 60 && /^q quit.* names$/.test(rows[59] ?? '') });
    terminal.resize(80, 24);
    terminal.press('q');
    await expectClean(terminal, 0);
  });

  test.each([
    ['Ctrl-C', 130, (terminal: TestTerminal) => terminal.press('C-c')],
    ['SIGINT', 130, (terminal: TestTerminal) => signal(terminal, 'SIGINT')],
    ['SIGTERM', 143, (terminal: TestTerminal) => signal(terminal, 'SIGTERM')],
    ['SIGHUP', 129, (terminal: TestTerminal) => signal(terminal, 'SIGHUP')],
  ])('the terminal is as it was after %s', async (_name, code, end) => {
    const terminal = openTerminal();
    await start(terminal, 'mon');
    end(terminal);
    await expectClean(terminal, code);
  });

  test.each(['throw new Error("injected")', 'Promise.reject(new Error("injected"))'])(
    'after a crash the terminal is as it was, and says why: %s',
    async (fault) => {
      const crash = `import { existsSync } from 'node:fs';
        const timer = setInterval(() => { if (existsSync('crash')) { clearInterval(timer); ${fault}; } }, 10);`;
      writeFileSync(`${home.work}/crash.mjs`, crash);
      const terminal = openTerminal();
      await start(terminal, 'mon', 'rm -f crash; NODE_OPTIONS=--import=./crash.mjs ');
      writeFileSync(`${home.work}/crash`, '');
      const rows = await expectClean(terminal, 2);
      expect(rows.join('\n')).toMatch(/error: injected\nhint: {2}this is a fault of omx/);
    },
  );

  test.each([
    ['Ctrl-Z', (terminal: TestTerminal) => terminal.press('C-z')],
    ['SIGTSTP', (terminal: TestTerminal) => signal(terminal, 'SIGTSTP')],
  ])('%s gives the terminal back, fg goes on', async (_name, stop) => {
    const terminal = openTerminal();
    terminal.run('omx mon');
    await terminal.shows(/^load per CPU/);
    stop(terminal);
    await terminal.shows(/Stopped/);
    expect(terminal.modes()).toEqual(screenIs.gone);
    terminal.run('clear; fg');
    await terminal.shows(/^load per CPU/);
    expect(terminal.modes()).toEqual(screenIs.shown);
    terminal.press('q');
    await until(() => terminal.modes().alternate === '0');
  });

  test('goes on when the queue is back', async () => {
    const terminal = openTerminal();
    await start(terminal, 'mon');
    await terminal.shows(/│█/);
    await killNow(serverPid(home));
    const away = await terminal.shows(/^the queue has been away for \d+ s$/);
    // What was known is still shown.
    expect(away.some((row) => /│█/.test(row))).toBe(true);
    // Any command starts it again.
    expect((await home.omx(['status'])).code).toBe(0);
    await terminal.shows(/^load per CPU/);
    terminal.press('q');
    await expectClean(terminal, 0);
  });
});

describe('omx top', skipUnless('tmux', 'pty'), () => {
  test('shows what runs and what it uses, sorts, filters, follows output', async () => {
    const id = await submit(home, ['--', 'sh', '-c', 'i=0; while :; do i=$((i+1)); echo "line $i"; sleep 0.2; done']);
    const terminal = openTerminal(100, 24);
    await start(terminal, 'top');
    await terminal.shows(new RegExp(`^${id}\\.1 .* sh -c 'i=0`));
    const busy = await terminal.shows(
      new RegExp(`^${spinning}\\.[12] +n1 +running +[1-9]\\d\\.\\d +\\d.*iB +\\d+:\\d\\d +0 sh -c`),
    );
    expect(busy[0]).toMatch(/^3 running, 0 queued in 2 batches/);
    expect(terminal.modes()).toEqual(screenIs.shown);
    // The sleeper uses least.
    expect(busy[5]).toMatch(new RegExp(`^${id}\\.1 `));
    terminal.press('N', 'R');
    await until(terminal.rows, { is: (rows) => (rows[3] ?? '').startsWith(`${id}.1 `) });
    terminal.press('R', '/', 'e', 'c', 'h', 'o', 'Enter');
    await terminal.shows(/filter: echo \(1 of 3, Esc ends it\)/);
    expect(terminal.rows()[3]).toMatch(new RegExp(`^${id}\\.1 `));
    terminal.press('t');
    await terminal.shows(/^line \d+$/);
    expect(terminal.rows()[0]).toBe(`${id}.1: following`);
    const newest = (): number =>
      Math.max(
        ...terminal
          .rows()
          .flatMap((row) => /^line (\d+)$/.exec(row)?.[1] ?? [])
          .map(Number),
      );
    const before = newest();
    await until(() => newest() > before);
    terminal.press('q');
    await terminal.shows(/filter: echo/);
    terminal.press('c');
    await terminal.shows(new RegExp(`^cancel ${id}\\.1\\? y yes`));
    terminal.press('n');
    await terminal.shows(/^not cancelled$/);
    expect((await jobOf(home, id)).state).toBe('running');
    terminal.press('c', 'y');
    await terminal.shows(new RegExp(`^${id}: 1 job is being ended`));
    await until(async () => (await jobOf(home, id)).state === 'cancelled');
    await until(terminal.rows, { is: (rows) => rows.every((row) => !row.startsWith(`${id}.1 `)) });
    terminal.press('Escape', 'q');
    await expectClean(terminal, 0);
  });

  test('pauses a running job, holds a waiting one, and lets both go on', async () => {
    const waiting = await submit(home, ['--cpus', '3', '--array', '1-1000000', '--', 'sleep', '1000']);
    const terminal = openTerminal();
    await start(terminal, 'top');
    const rows = await terminal.shows(/1,000,000 wait/);
    expect(rows.filter((row) => row.startsWith('b'))).toHaveLength(2);
    terminal.press('N', 'g', 'h');
    await until(async () => (await jobOf(home, `${spinning}.1`)).state === 'paused');
    await terminal.shows(new RegExp(`^${spinning}\\.1 +n1 +paused`));
    terminal.press('h');
    await until(async () => (await jobOf(home, `${spinning}.1`)).state === 'running');
    terminal.press('w');
    await terminal.shows(/rows 1-20 of 202, 999,800 more wait/);
    // The first ones may be with the node already.
    terminal.run(`/${waiting}.9`);
    await until(terminal.rows, { is: (rows) => (rows[3] ?? '').startsWith(`${waiting}.9 `) });
    terminal.press('g', 'h');
    await terminal.shows(new RegExp(`^${waiting}\\.9 +held`));
    expect((await jobOf(home, `${waiting}.9`)).state).toBe('held');
    terminal.press('h');
    await terminal.shows(new RegExp(`^${waiting}\\.9 +queued`));
    signal(terminal, 'SIGTERM', 'bin.js top');
    await expectClean(terminal, 143);
    expect((await home.omx(['cancel', waiting])).code).toBe(0);
  });
});

test('without a terminal one look is printed', async () => {
  const mon = await home.omx(['mon'], { env: { LC_ALL: 'C' } });
  expect(mon).toMatchObject({ code: 0, stderr: '' });
  expect(mon.stdout).toMatch(/\|#+/);
  expect(mon.stdout).toMatch(/^total: 1 up, slots 2\/4/m);
  // oxlint-disable-next-line no-control-regex
  expect(mon.stdout).not.toMatch(/\u001b/);
  const [node] = (await home.omx(['mon', '--json'])).json<{ name: string; running: number }[]>();
  expect(node).toMatchObject({ name: 'n1', running: 2 });
  const [head, ...lines] = (await home.omx(['top'])).lines();
  expect(head).toMatch(/^job +node +state +cpu% +rss +time +migr +command$/);
  expect(lines).toHaveLength(2);
  for (const line of lines) expect(line).toMatch(/^b\d+\.[12] +n1 +running +\d+\.\d .*sh -c 'while :; do :; done'$/);
  const jobs = (await home.omx(['top', '--json'])).jsonLines<{ id: string; node: string; cpu: number; rss: number }>();
  expect(jobs.map(({ id }) => id).sort()).toEqual([`${spinning}.1`, `${spinning}.2`]);
  for (const job of jobs) {
    expect(job).toMatchObject({ node: 'n1', state: 'running', migrations: 0 });
    expect(job.cpu).toBeGreaterThan(1);
    expect(job.rss).toBeGreaterThan(100_000);
  }
});

function signal(terminal: TestTerminal, name: NodeJS.Signals, ending = 'bin.js mon'): void {
  const pid = terminal.pid(ending);
  if (pid === undefined) throw new Error(`no process ends in ${ending}`);
  process.kill(pid, name);
}
