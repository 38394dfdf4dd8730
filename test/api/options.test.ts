import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { MountOptions } from '../../src/api/contract.ts';
import { mountOrder, settingOptions } from '../../src/api/options.ts';
import { settings } from '../../src/config/settings.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const KEY = '0123456789abcdef'.repeat(4);
const OTHER = 'fedcba9876543210'.repeat(4);

/** One value of each option that is a setting; the compiler says which is missing. */
const every: Required<
  Omit<
    MountOptions,
    'encryptionKey' | 'encryptionKeysPrevious' | 'readOnly' | 'logFile' | 'signal' | 'keyCommand'
  >
> = {
  folder: '/srv/s',
  storageType: 'hybrid',
  cachePath: '/srv/cache',
  owner: '1000:1001',
  umask: 0o022,
  backupInterval: 1,
  backupConcurrency: 2,
  shutdownTimeout: 3,
  trashDays: 4,
  bucket: 's3://sessions',
  encryptionKeyFile: '/run/key',
  storageEmulatorHost: 'http://127.0.0.1:1',
  awsEndpointUrl: 'http://127.0.0.1:2',
  fuseDriver: 'direct',
  httpAddress: '127.0.0.1:0',
  httpTokenFile: '/t',
  logLevel: 'warn',
  maxFileSize: 65536,
  memoryLimit: 65536,
  cloudMemoryLimit: 1048576,
  storeTimeout: 5,
  credsStoreTimeout: 6,
  leaseLookInterval: 100,
  leasePermission: 150,
  leaseTakeover: 200,
  leasePoll: 10,
  leaseWaitLimit: 7,
};

test('each setting is an option, and each option reaches the configuration and the command line', () => {
  assert.deepEqual(Object.keys({ ...every, keyCommand: '' }).sort(), [...settingOptions.keys()].sort());
  const { config, flags } = mountOrder(every, {});
  const { mountPoint, umask, backupIntervalMs, leaseTakeOverMs, bucket, encryptionKeyFile } = config;
  assert.deepEqual(
    { mountPoint, umask, backupIntervalMs, leaseTakeOverMs, bucket, encryptionKeyFile },
    {
      mountPoint: '/srv/s',
      umask: 0o022,
      backupIntervalMs: 1,
      leaseTakeOverMs: 200,
      bucket: { kind: 's3', name: 'sessions' },
      encryptionKeyFile: '/run/key',
    },
  );
  assert.equal(flags.length, Object.keys(every).length - 1);
  assert.deepEqual(mountOrder({ readOnly: true }, {}).flags, ['--read-only']);
  assert.deepEqual(mountOrder({ readOnly: false }, {}).flags, []);
  assert.ok(flags.includes('--umask=22') && flags.includes('--lease-takeover=200'), flags.join(' '));
});

test('an option wins over its variable, a variable over the default, and undefined is left out', () => {
  const env = { SESSION_TRASH_DAYS: '1', SESSION_BACKUP_CONCURRENCY: '3' };
  const { config } = mountOrder({ trashDays: 2, backupConcurrency: undefined }, env);
  assert.deepEqual([config.trashDays, config.backupConcurrency, config.backupIntervalMs], [2, 3, 300_000]);
});

test('keys are in no environment and on no command line, and the environment of the program stays as it is', () => {
  const env = { SESSION_ENCRYPTION_KEY: KEY, OTHER: 'x' };
  const order = mountOrder({}, env);
  assert.deepEqual([order.secrets, order.env], [{ SESSION_ENCRYPTION_KEY: KEY }, { OTHER: 'x' }]);
  assert.deepEqual(env, { SESSION_ENCRYPTION_KEY: KEY, OTHER: 'x' });
  const given = mountOrder(
    { encryptionKey: OTHER, encryptionKeysPrevious: [KEY, OTHER] },
    { SESSION_ENCRYPTION_KEY_COMMAND: 'cat /run/key', SESSION_ENCRYPTION_KEYS_PREVIOUS: KEY },
  );
  assert.deepEqual(given.secrets, {
    SESSION_ENCRYPTION_KEY: OTHER,
    SESSION_ENCRYPTION_KEYS_PREVIOUS: `${KEY},${OTHER}`,
  });
  assert.deepEqual([given.flags, given.env], [[], {}]);
});

test('an option that is wrong is refused by its name', (t) => {
  const folder = join(temporaryDirectory(t), 's');
  mkdirSync(folder);
  const refused: [MountOptions, RegExp][] = [
    [{ trashDays: -1 }, /^the option trashDays is "-1", but it must be a whole number of days/],
    [{ storageType: 'disk' as 'local' }, /^the option storageType is "disk"/],
    [{ storageType: 'hybrid' }, /needs STORAGE_BUCKET/],
    [{ encryptionKey: KEY, keyCommand: 'cat k' }, /two of the options/],
    [{ storagetype: 'local' } as MountOptions, /^mount\(\) has no option "storagetype"/],
  ];
  for (const [options, message] of refused)
    assert.throws(() => mountOrder({ folder, ...options }, {}), { code: 'CONFIG_INVALID', message });
  assert.throws(() => mountOrder({ storagetype: 'local' } as MountOptions, {}), {
    hint: 'Did you mean storageType?',
  });
  assert.equal(settingOptions.get('keyCommand'), 'encryptionKeyCommand');
  assert.equal(Object.keys(settings).length, settingOptions.size);
});
