import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { mayMount } from '../../src/kernel/may-mount.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

for (const [who, capabilities, expected] of [
  ['root', '000001ffffffffff', true],
  ['root of a plain Docker container', '00000000a80425fb', false],
  ['a process with CAP_SYS_ADMIN alone', '0000000000200000', true],
  ['an ordinary user', '0000000000000000', false],
] as const) {
  test(`${who} ${expected ? 'may' : 'may not'} mount`, (t) => {
    const status = join(temporaryDirectory(t), 'status');
    writeFileSync(
      status,
      `Name:\tnode\nCapInh:\t000001ffffffffff\nCapEff:\t${capabilities}\nCapBnd:\t000001ffffffffff\n`,
    );
    assert.equal(mayMount(status), expected);
  });
}

test('a status that does not say so permits nothing', (t) => {
  const status = join(temporaryDirectory(t), 'status');
  writeFileSync(status, 'Name:\tnode\n');
  assert.equal(mayMount(status), false);
});
