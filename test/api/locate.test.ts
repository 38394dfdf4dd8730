import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { isMountPoint, locateMount } from '../../src/api/locate.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

test('a mount is found by its own name, below a linked directory, and by a link to it', async (t) => {
  const directory = temporaryDirectory(t);
  const mounted = join(directory, 'real', 'sessions');
  mkdirSync(mounted, { recursive: true });
  symlinkSync('real', join(directory, 'linked'));
  symlinkSync(mounted, join(directory, 'direct'));
  const isMounted = async (path: string) => path === mounted;
  for (const typed of [mounted, join(directory, 'linked', 'sessions'), join(directory, 'direct')]) {
    assert.equal(await locateMount(typed, isMounted), mounted);
  }
});

test('a name that is mounted, or that links lead to, is not resolved: only its daemon could answer that', async (t) => {
  const directory = temporaryDirectory(t);
  const unanswering = join(directory, 'mount');
  symlinkSync(unanswering, unanswering);
  mkdirSync(join(directory, 'deep', 'deeper'), { recursive: true });
  symlinkSync('mount', join(directory, 'link'));
  symlinkSync('deep/deeper', join(directory, 'elsewhere'));
  symlinkSync('elsewhere/../../link', join(directory, 'twice'));
  for (const name of ['mount', 'link', 'twice'])
    assert.equal(await locateMount(join(directory, name), async (path) => path === unanswering), unanswering);
  await assert.rejects(locateMount(unanswering), { code: 'NOT_MOUNTED' }, 'links without an end');
});

test('what is not mounted, or mounted by another program, is not found', async (t) => {
  const directory = temporaryDirectory(t);
  for (const path of [directory, join(directory, 'none', 'deeper'), '/', '/proc']) {
    await assert.rejects(locateMount(path), { code: 'NOT_MOUNTED' });
  }
  assert.equal(await isMountPoint('/proc'), false);
});
