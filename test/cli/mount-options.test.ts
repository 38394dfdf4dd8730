import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withMountOptions } from '../../src/cli/mount-options.ts';
import { exitStatus, SessionfsError } from '../../src/lib/errors.ts';
import { runCli } from './run-cli.ts';

const flagsOf = (options: string, given: Record<string, string> = {}) =>
  Object.fromEntries(withMountOptions(new Map(Object.entries({ '--options': options, ...given }))));

function refusal(options: string, given: Record<string, string> = {}): string {
  try {
    flagsOf(options, given);
  } catch (error) {
    assert.ok(error instanceof SessionfsError);
    assert.equal(error.code, 'USAGE');
    return error.message;
  }
  return assert.fail(`${options} is understood`);
}

test('mount options are flags of sessionfs mount', () => {
  const options = 'umask=022,key_file=/etc/sessionfs/a.key,mode=hybrid,bucket=s3://a,backup_interval=0';
  assert.deepEqual(flagsOf(`${options},uid=1000,gid=100`), {
    '--options': `${options},uid=1000,gid=100`,
    '--umask': '022',
    '--encryption-key-file': '/etc/sessionfs/a.key',
    '--storage-type': 'hybrid',
    '--bucket': 's3://a',
    '--backup-interval': '0',
    '--owner': '1000:100',
  });
});

test('ro is --read-only', () => {
  assert.deepEqual(flagsOf('ro,nofail'), { '--options': 'ro,nofail', '--read-only': '' });
});

test('what mount(8), systemd and fstab say beside the settings has no effect', () => {
  const options = 'rw,defaults,_netdev,nofail,allow_other,x-systemd.mount-timeout=5min,X-mount.mkdir,noauto,';
  assert.deepEqual(flagsOf(options), { '--options': options });
  assert.deepEqual(Object.fromEntries(withMountOptions(new Map([['--umask', '022']]))), { '--umask': '022' });
});

test('an option that is not understood is refused by name', () => {
  assert.match(refusal('umsk=022'), /^there is no mount option "umsk"$/);
  assert.match(refusal('ro=yes'), /^there is no mount option "ro"$/);
  assert.match(refusal('umask'), /^the mount option umask needs a value: umask=…$/);
  assert.match(refusal('umask=022,umask=077'), /^the mount option umask is given twice$/);
  assert.match(refusal('uid=1000'), /^the mount options uid= and gid= belong together/);
  assert.match(refusal('uid=1,gid=1,owner=2:2'), /without owner=$/);
  assert.match(refusal('umask=022', { '--umask': '077' }), /^--umask and umask= are both given$/);
});

test('a key in the options is not repeated, and the way to give it is said', () => {
  const key = 'ab'.repeat(32);
  for (const name of ['key', 'encryption_key']) {
    const message = refusal(`${name}=${key}`);
    assert.match(message, /key_file=FILE/);
    assert.ok(!message.includes(key));
  }
});

test('sessionfs mount -o refuses a value as its flag does', () => {
  const { status, stderr } = runCli(['mount', '/nowhere', '-o', 'umask=999']);
  assert.equal(status, exitStatus.USAGE);
  assert.match(stderr, /^sessionfs: --umask is "999", but it must be an octal number/);
});
