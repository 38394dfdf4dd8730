/** The mount beside the filesystem of the temporary directory: the same calls, the same answers. What differs is in docs/semantics.md, and not tried here. */
import { randomInt } from 'node:crypto';
import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { isNative } from '../support/driver.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { Succession } from './support/succession.ts';
import { TwoTrees } from './support/two-trees.ts';

const STEPS = 1_500;
const COMPARE_EVERY = 100;
/** The mount's folder is reached by other users too. */
const succession = new Succession({ args: ['--umask=000'] });

for (const seed of [1, randomInt(2 ** 32)]) {
  test(`random calls have the same results on both, seed ${seed}`, async (t) => {
    const umask = process.umask(0o022);
    t.after(() => process.umask(umask));
    const trusted = temporaryDirectory(t);
    const mounted = await succession.take();
    const { mountPoint } = mounted;
    const tried = join(mountPoint, 'user-+15550000');
    mkdirSync(tried);
    for (const folder of [join(mountPoint, '..'), mountPoint]) chmodSync(folder, 0o755);
    const trees = new TwoTrees(trusted, tried, { seed, isRootAlone: isNative });
    for (let step = 0; step < STEPS; step++) {
      trees.step();
      if (step % COMPARE_EVERY === 0) trees.compare();
    }
    t.diagnostic(`${trees.succeeded} of ${STEPS} calls succeeded`);
    await mounted.unmount();
    await succession.follow(mounted, () => trees.compare({ isAgain: true }));
    rmSync(tried, { recursive: true });
  });
}
