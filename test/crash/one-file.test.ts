/** Any order of reads, writes, truncations and mapped pages of one plain file, while daemons are killed. */
import { randomInt } from 'node:crypto';
import { join } from 'node:path';
import { test } from 'node:test';
import { hasPython } from '../mounted/support/python.ts';
import { mountSessionfs } from '../support/mount-sessionfs.ts';
import { count } from './support/counts.ts';
import { DaemonKiller } from './support/daemon-killer.ts';
import { OneFile } from './support/one-file.ts';

const KILLS = count(5, 100);
/** Between two looks at the whole file. */
const STEPS = 100;

test('a plain file has every byte as it was written last, while daemons are killed and after a remount', async (t) => {
  const seed = randomInt(2 ** 32);
  t.diagnostic(`seed ${seed}, ${hasPython ? 'with' : 'without'} mapped pages`);
  const mounted = await mountSessionfs(t);
  const file = await OneFile.create(t, join(mounted.mountPoint, 'plain.bin'), seed, hasPython);
  const killer = new DaemonKiller(mounted);
  let steps = 0;
  await killer.during(async () => {
    while (killer.kills < KILLS) {
      for (let i = 0; i < STEPS; i++, steps++) await file.step();
      await file.check();
    }
  });
  await file.close();
  await mounted.unmount();
  const again = await mountSessionfs(t, { mountPoint: mounted.mountPoint });
  await file.check();
  await again.unmount();
  t.diagnostic(`${steps} calls, ${killer.kills} kills`);
});
