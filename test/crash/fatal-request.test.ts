/** A request that kills each daemon that takes it, by a defect that no handler survives. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { logLines, untilLogged } from '../mounted/log-lines.ts';
import { readTree, sessionTree, writeTree } from '../mounted/session-files.ts';
import { mountSessionfs } from '../support/mount-sessionfs.ts';

const FATAL = 'fatal.txt';
const DEATHS = 3;
const kernels = [
  ['a kernel that sends requests again', {}],
  ['a kernel that sends nothing again', { SESSIONFS_TEST_NO_RESEND: '1' }],
] as const;

for (const [kernel, env] of kernels) {
  test(`${kernel}: it costs itself, not the mount, and calls beside it only wait`, {
    timeout: 120_000,
  }, async (t) => {
    const mounted = await mountSessionfs(t, { env: { SESSIONFS_TEST_CRASH_ON: FATAL, ...env } });
    const { mountPoint } = mounted;
    const tree = sessionTree('user1-+15551');
    writeTree(mountPoint, tree);
    writeFileSync(join(mountPoint, 'notes.txt'), 'beside it');
    for (let round = 1; round <= 2; round++) {
      const path = join(mountPoint, 'user1-+15551', FATAL);
      const fatal = assert.rejects(readFile(path), { code: 'EIO' });
      const beside = readFile(join(mountPoint, 'notes.txt'), 'utf8');
      await fatal;
      // The log comes through a pipe, and a daemon that dies again could lose it.
      await untilLogged(mounted, new RegExp(`(Daemon after daemon died[^]*){${round}}`));
      assert.equal(await beside, 'beside it');
      const { restarts } = JSON.parse(readFileSync(join(mountPoint, '.sessionfs/status.json'), 'utf8'));
      assert.equal(restarts, round * DEATHS, mounted.log());
    }
    assert.deepEqual(readTree(join(mountPoint)), { ...tree, 'notes.txt': 'beside it' });
    const told = logLines(mounted.log()).filter(({ msg }) =>
      String(msg).startsWith('Daemon after daemon died'),
    );
    assert.deepEqual(
      told.map(({ operation, path }) => [operation, path]),
      Array(2).fill(['LOOKUP', `user1-+15551/${FATAL}`]),
    );
    await mounted.unmount();
  });
}
