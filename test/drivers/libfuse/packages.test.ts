import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { mayAllowOther, withFusermount } from '../../../src/drivers/libfuse/mount.ts';
import { fusermountHint, installHint } from '../../../src/drivers/libfuse/packages.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const machine = (release: string, arch = 'x64', platform = 'linux') => ({
  readRelease: () => release,
  arch,
  platform,
});

const systems: [name: string, release: string, library: RegExp, mounting: RegExp][] = [
  ['Debian 12', 'VERSION_ID="12"\nID=debian\n', /apt-get install libfuse2\b/, /apt-get install fuse3/],
  ['Debian 13', 'VERSION_ID="13"\nID=debian\n', /apt-get install libfuse2t64/, /apt-get install fuse3/],
  ['Ubuntu 22.04', 'VERSION_ID="22.04"\nID=ubuntu\n', /apt-get install libfuse2\b/, /apt-get install fuse3/],
  ['Ubuntu', 'VERSION_ID="24.04"\nID=ubuntu\n', /apt-get install libfuse2t64/, /apt-get install fuse3/],
  ['Fedora', 'ID=fedora\nVERSION_ID=42\n', /dnf install fuse-libs/, /dnf install fuse3/],
  ['Alpine', 'ID=alpine\nVERSION_ID=3.22.1\n', /apk add fuse-dev .*npm rebuild fuse-native/, /apk add fuse3/],
];

for (const [name, release, library, mounting] of systems) {
  test(`on ${name} the error names its own packages`, () => {
    for (const hint of [installHint(machine(release)), fusermountHint(machine(release))]) {
      assert.match(hint, new RegExp(`^On ${name}: `));
      assert.match(hint, mounting);
      assert.equal(hint.match(/\bOn /g)?.length, 1, hint);
    }
    assert.match(installHint(machine(release)), library);
    assert.match(installHint(machine(release, 'arm64')), /npm rebuild fuse-native/);
  });
}

test('elsewhere it names those of all systems, and on macOS macFUSE', () => {
  const hint = installHint(machine('ID=gentoo\n'));
  for (const [name] of systems) assert.ok(hint.includes(`On ${name}: `), name);
  assert.match(hint, /macFUSE/);
  assert.match(installHint(machine('', 'arm64', 'darwin')), /^On macOS: install macFUSE/);
});

test('fusermount3 goes by its old name while the mount is made, where there is no other', (t) => {
  if (existsSync('/usr/local/bin/fusermount')) return t.diagnostic('there is one in /usr/local/bin here');
  const directory = temporaryDirectory(t);
  const tool = join(directory, 'fusermount3');
  writeFileSync(tool, '#!/bin/sh\n');
  chmodSync(tool, 0o755);
  const env = { PATH: directory };
  let shim = '';
  withFusermount(env, () => {
    shim = join(env.PATH.split(':')[0] ?? '', 'fusermount');
    assert.equal(readlinkSync(shim), tool);
  });
  assert.ok(!existsSync(shim));
  assert.deepEqual(env, { PATH: directory });
  symlinkSync('fusermount3', join(directory, 'fusermount'));
  withFusermount(env, () => assert.equal(env.PATH, directory));
  assert.throws(() => withFusermount({ PATH: temporaryDirectory(t) }, () => {}), {
    code: 'DRIVER_UNAVAILABLE',
    hint: /fuse3/,
  });
});

test('others are let in by root, or where fuse.conf permits it', (t) => {
  const configuration = join(temporaryDirectory(t), 'fuse.conf');
  assert.equal(mayAllowOther(true, configuration), true);
  assert.equal(mayAllowOther(false, configuration), false);
  writeFileSync(configuration, '#user_allow_other\nmount_max = 10\n');
  assert.equal(mayAllowOther(false, configuration), false);
  writeFileSync(configuration, '# x\nuser_allow_other\n');
  assert.equal(mayAllowOther(false, configuration), true);
});

test('where the package is missing, what needs it says so, and nothing else needs it', (t) => {
  const copy = join(temporaryDirectory(t), 'src');
  const source = fileURLToPath(new URL('../../../src/', import.meta.url));
  for (const folder of ['drivers', 'lib', 'mount', 'naming', 'fs', 'store', 'crypto', 'observe'])
    cpSync(join(source, folder), join(copy, folder), { recursive: true });
  writeFileSync(join(copy, 'package.json'), '{"type":"module"}');
  const script = `
    const { loadBinding } = await import(process.argv[1]);
    try { loadBinding() } catch ({ code, message, hint }) { console.log(code, message, hint) }`;
  const url = join(copy, 'drivers/libfuse/binding.js');
  const printed = execFileSync(process.execPath, ['--input-type=module', '-e', script, url], {
    encoding: 'utf8',
  });
  assert.match(printed, /^DRIVER_UNAVAILABLE .*Cannot find module 'fuse-native/);
  assert.match(printed, /npm install --include=optional/);
});

test('the native part is loaded with the libfuse that comes with it: none must be installed', (t) => {
  if (process.arch !== 'x64') return t.diagnostic('the package brings nothing compiled for this machine');
  const url = new URL('../../../src/drivers/libfuse/binding.js', import.meta.url).href;
  const script = `
    const { loadBinding } = await import(process.argv[1]);
    const { readFileSync } = await import('node:fs');
    console.log(loadBinding().sizeof_fuse_thread_t);
    console.log(readFileSync('/proc/self/maps', 'utf8').match(/\\/.*libfuse.*/g).join('\\n'));`;
  const printed = execFileSync(process.execPath, ['--input-type=module', '-e', script, url], {
    encoding: 'utf8',
  });
  const [size, ...libraries] = printed.trimEnd().split('\n');
  assert.ok(Number(size) > 1024);
  for (const library of libraries) assert.match(library, /fuse-native\/prebuilds\/linux-x64\/libfuse\.so$/);
});
