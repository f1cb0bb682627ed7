import { join } from 'node:path';
import { mkdtempSync, rmSync } from 'node:fs';
import { expect, test } from 'vitest';
import { freeze, receiveInto, receivePages, send } from '../../src/criu/index.ts';
import { Job, theCriu } from './kit.ts';
const host = '127.0.0.1', timeoutMs = 60000;
test('measure', { timeout: 300000 }, async () => {
  for (const mb of [10, 200, 400, 1000]) for (let round = 0; round < 2; round++) for (const usePages of [false, true]) {
    const job = Job.start(['perl', '-e', `$|=1; $x = join "", map { chr(rand 256) x 1 } 1..1048576; $y = $x x ${mb}; print "ready\\n"; while(1){select undef,undef,undef,0.05; print "x\\n"}`]);
    await job.progress(2);
    const top = mkdtempSync('/dev/shm/omx-hA-');
    const [into, img] = [join(top, 'into'), join(top, 'img')];
    const receiving = await receiveInto({ host, into, timeoutMs });
    const image = join(into, 'image');
    const pages = usePages ? await receivePages({ criu: theCriu(), host, image, timeoutMs }) : undefined;
    const t0 = performance.now();
    const frozen = await freeze({ criu: theCriu(), job: job.job, image: img, ...(pages ? { pages } : {}) });
    const t1 = performance.now();
    await send({ to: receiving, image: img, folder: job.job.folder, sealed: frozen.seal(), timeoutMs });
    await receiving.done; await pages?.done;
    const t2 = performance.now();
    const copy = await job.thaw(join(into, 'folder'), image);
    const t3 = performance.now();
    await frozen.end();
    await copy.go();
    const t4 = performance.now();
    console.log(mb, usePages ? 'pages' : 'plain', 'freeze', Math.round(t1 - t0), 'ship', Math.round(t2 - t1), 'thaw', Math.round(t3 - t2), 'end', Math.round(t4 - t3), 'ALL', Math.round(t4 - t0));
    job.took(copy);
    job.child.process.kill('SIGKILL'); await job.child.ended;
    rmSync(top, { recursive: true });
  }
  expect(1).toBe(1);
});
