import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { mayMount } from '../../src/mount/may-mount.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

for (const [who, effectiveUser, capabilities, expected] of [
  ['root', 0, '000001ffffffffff', true],
  ['root with CAP_SYS_ADMIN alone', 0, '0000000000200000', true],
  ['root of a plain Docker container', 0, '00000000a80425fb', false],
  ['another user with CAP_SYS_ADMIN, whom mount(8) refuses,', 1000, '0000000000200000', false],
  ['an ordinary user', 1000, '0000000000000000', false],
] as const) {
  test(`${who} ${expected ? 'may' : 'may not'} mount`, (t) => {
    const status = join(temporaryDirectory(t), 'status');
    const lines = ['Name:\tnode', `Uid:\t1000\t${effectiveUser}\t0\t0`, 'CapInh:\t000001ffffffffff'];
    writeFileSync(status, [...lines, `CapEff:\t${capabilities}`, 'CapBnd:\t000001ffffffffff', ''].join('\n'));
    assert.equal(mayMount(status), expected);
  });
}

test('a status that does not say so permits nothing', (t) => {
  const status = join(temporaryDirectory(t), 'status');
  writeFileSync(status, 'Name:\tnode\n');
  assert.equal(mayMount(status), false);
});
