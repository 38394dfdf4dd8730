import assert from 'node:assert/strict';
import { mkdirSync, realpathSync, symlinkSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { type Config, loadConfig, loadMountPoint } from '../../src/config/load.ts';
import { configurationTable, FILE_SIZE_LIMIT_BYTES, settings } from '../../src/config/settings.ts';
import { PLAIN_LENGTH_MAX } from '../../src/crypto/sealed-file.ts';
import { SessionfsError } from '../../src/lib/errors.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const KEY = '0f'.repeat(32);

/** The error that the call must throw. */
function errorOf(call: () => unknown): SessionfsError {
  try {
    call();
  } catch (error) {
    assert.ok(error instanceof SessionfsError, String(error));
    return error;
  }
  assert.fail('nothing was thrown');
}

test('without any setting there is a local mount on ./sessions', () => {
  const expected: Config = {
    storageType: 'local',
    mountPoint: resolve('sessions'),
    cachePath: resolve('sessions.sealed'),
    owner: undefined,
    umask: 0o077,
    backupIntervalMs: 300000,
    backupConcurrency: 16,
    shutdownTimeoutMs: 25000,
    trashDays: 7,
    bucket: undefined,
    encryptionKeyFile: undefined,
    encryptionKeyCommand: undefined,
    storageEmulatorUrl: undefined,
    s3EndpointUrl: undefined,
    fuseDriver: 'auto',
    httpAddress: undefined,
    httpTokenFile: undefined,
    logLevel: 'info',
    maxFileSizeBytes: 67108864,
    memoryLimitBytes: 67108864,
    cacheInMemory: false,
    cacheIsNamed: false,
    cloudMemoryLimitBytes: 268435456,
    storeTimeoutMs: 120000,
    credentialsTimeoutMs: 0,
    leaseLookIntervalMs: 30000,
    leasePermissionMs: 60000,
    leaseTakeOverMs: 90000,
    leasePollMs: 2000,
    leaseWaitLimitMs: 0,
    warnings: [],
  };
  assert.deepEqual(loadConfig({}, {}), expected);
});

test('every variable is read', () => {
  const config = loadConfig(
    {
      SESSION_STORAGE_TYPE: 'hybrid',
      SESSION_STORAGE_PATH: '/m',
      SESSION_CACHE_PATH: '/c',
      SESSION_OWNER: '1:2',
      SESSION_UMASK: '0022',
      SESSION_BACKUP_INTERVAL: '0',
      SESSION_BACKUP_CONCURRENCY: '256',
      SESSION_SHUTDOWN_TIMEOUT: '8000',
      SESSION_TRASH_DAYS: '0',
      STORAGE_BUCKET: 'whatzai-whatsapp-sessions',
      SESSION_ENCRYPTION_KEY_FILE: '/k',
      STORAGE_EMULATOR_HOST: 'http://e:1',
      AWS_ENDPOINT_URL: 'https://s3.example/',
      SESSION_FUSE_DRIVER: 'direct',
      SESSION_HTTP_TOKEN_FILE: '/t',
      SESSION_HTTP_ADDRESS: '0.0.0.0:80',
      LOG_LEVEL: 'WARN',
      SESSION_MAX_FILE_SIZE: '4096',
      SESSION_MEMORY_LIMIT: '65536',
      SESSION_CLOUD_MEMORY_LIMIT: '1048576',
      SESSION_STORE_TIMEOUT: '1',
      SESSION_CREDS_STORE_TIMEOUT: '2',
      SESSION_LEASE_LOOK_INTERVAL: '100',
      SESSION_LEASE_PERMISSION: '200',
      SESSION_LEASE_TAKEOVER: '300',
      SESSION_LEASE_POLL: '10',
      SESSION_LEASE_WAIT_LIMIT: '5',
    },
    {},
  );
  assert.deepEqual(config, {
    storageType: 'hybrid',
    mountPoint: '/m',
    cachePath: '/c',
    owner: { uid: 1, gid: 2 },
    umask: 0o022,
    backupIntervalMs: 0,
    backupConcurrency: 256,
    shutdownTimeoutMs: 8000,
    trashDays: 0,
    bucket: { kind: 'gcs', name: 'whatzai-whatsapp-sessions' },
    encryptionKeyFile: '/k',
    encryptionKeyCommand: undefined,
    storageEmulatorUrl: 'http://e:1',
    s3EndpointUrl: 'https://s3.example',
    fuseDriver: 'direct',
    httpAddress: { host: '0.0.0.0', port: 80 },
    httpTokenFile: '/t',
    logLevel: 'warn',
    maxFileSizeBytes: 4096,
    memoryLimitBytes: 65536,
    cloudMemoryLimitBytes: 1048576,
    storeTimeoutMs: 1,
    credentialsTimeoutMs: 2,
    leaseLookIntervalMs: 100,
    leasePermissionMs: 200,
    leaseTakeOverMs: 300,
    leasePollMs: 10,
    leaseWaitLimitMs: 5,
    cacheInMemory: false,
    cacheIsNamed: true,
    warnings: [],
  });
});

test('a flag wins over its variable', () => {
  const env = { SESSION_STORAGE_PATH: '/env', LOG_LEVEL: 'nonsense' };
  const config = loadConfig(env, { mountPoint: '/flag', logLevel: 'debug' });
  assert.deepEqual(
    [config.mountPoint, config.logLevel, config.cachePath],
    ['/flag', 'debug', '/flag.sealed'],
  );
});

test('an empty variable counts as unset', () => {
  const empty = Object.fromEntries(configurationTable.map(({ variable }) => [variable, '']));
  assert.deepEqual(loadConfig(empty, {}), loadConfig({}, {}));
});

test('the cache lies beside the mount point, also when that is given with a slash at its end', () => {
  assert.equal(
    loadConfig({ SESSION_STORAGE_PATH: '/data/sessions/' }, {}).cachePath,
    '/data/sessions.sealed',
  );
});

test('a malformed variable stops the start, naming it, what was seen and what is allowed', () => {
  const error = errorOf(() => loadConfig({ SESSION_BACKUP_INTERVAL: '5m' }, {}));
  assert.equal(error.code, 'CONFIG_INVALID');
  assert.match(
    error.message,
    /^SESSION_BACKUP_INTERVAL is "5m", but it must be a whole number of milliseconds from 0 /,
  );
});

test('a malformed flag is a usage error that names the flag', () => {
  const error = errorOf(() => loadConfig({}, { storageType: 'nfs' }));
  assert.equal(error.code, 'USAGE');
  assert.equal(error.message, '--storage-type is "nfs", but it must be one of local, hybrid, cloud');
  assert.match(errorOf(() => loadConfig({}, { cachePath: '' })).message, /^--cache-path is ""/);
});

test('a key that was put into another variable is not repeated', () => {
  for (const [name, setting] of Object.entries(settings)) {
    if (['mountPoint', 'cachePath', 'bucket', 'storageEmulatorUrl'].includes(name)) continue;
    const { message } = errorOf(() => loadConfig({ [setting.variable]: KEY }, {}));
    assert.ok(message.includes(setting.variable) && !message.includes(KEY.slice(0, 16)), message);
  }
});

test('hybrid and cloud mode need a bucket', () => {
  for (const storageType of ['hybrid', 'cloud']) {
    const error = errorOf(() => loadConfig({ SESSION_STORAGE_TYPE: storageType }, {}));
    assert.deepEqual([error.code, error.message.includes('STORAGE_BUCKET')], ['CONFIG_INVALID', true]);
  }
});

test('a key and a key file in one environment are refused, unless a flag says which', () => {
  const env = { SESSION_ENCRYPTION_KEY: KEY, SESSION_ENCRYPTION_KEY_FILE: '/k' };
  const error = errorOf(() => loadConfig(env, {}));
  assert.deepEqual([error.code, error.message.includes(KEY)], ['CONFIG_INVALID', false]);
  assert.equal(loadConfig(env, { encryptionKeyFile: '/flag' }).encryptionKeyFile, '/flag');
});

test('a key command, a file and a key exclude one another; a flag says which', () => {
  const env = { SESSION_ENCRYPTION_KEY_COMMAND: 'pass show key' };
  assert.equal(loadConfig(env, {}).encryptionKeyCommand, 'pass show key');
  for (const other of [{ SESSION_ENCRYPTION_KEY: KEY }, { SESSION_ENCRYPTION_KEY_FILE: '/k' }]) {
    const error = errorOf(() => loadConfig({ ...env, ...other }, {}));
    assert.deepEqual([error.code, error.message.includes(KEY)], ['CONFIG_INVALID', false]);
    const { encryptionKeyCommand, encryptionKeyFile } = loadConfig(
      { ...env, ...other },
      { encryptionKeyCommand: 'c' },
    );
    assert.deepEqual([encryptionKeyCommand, encryptionKeyFile], ['c', undefined]);
  }
  assert.equal(loadConfig(env, { encryptionKeyFile: '/flag' }).encryptionKeyCommand, undefined);
  const both = { encryptionKeyFile: '/flag', encryptionKeyCommand: 'c' };
  assert.equal(errorOf(() => loadConfig({}, both)).code, 'USAGE');
  const shown = errorOf(() => loadConfig({}, { encryptionKeyCommand: KEY }));
  assert.deepEqual([shown.code, shown.message.includes(KEY)], ['USAGE', false]);
});

test('no part of a config holds a key', () => {
  const config = loadConfig({ SESSION_ENCRYPTION_KEY: KEY, SESSION_ENCRYPTION_KEYS_PREVIOUS: KEY }, {});
  assert.ok(!JSON.stringify(config).includes(KEY));
});

test('an unknown SESSION_ variable gets a warning without its value, with the name that was probably meant', () => {
  const { warnings } = loadConfig(
    { SESSION_STORAGE_PTAH: '/x', SESSION_SECRET: 'hush', SESSIONS: '1', SESSION_MANAGER: 'x' },
    {},
  );
  assert.deepEqual(warnings, [
    'SESSION_STORAGE_PTAH is not a variable of sessionfs: did you mean SESSION_STORAGE_PATH?',
    'SESSION_SECRET is not a variable of sessionfs: it is ignored',
  ]);
});

test('no known variable gets a warning', () => {
  const env = Object.fromEntries(configurationTable.map(({ variable }) => [variable, undefined]));
  assert.deepEqual(loadConfig(env, {}).warnings, []);
});

test('the mount point alone is found whatever the other settings are', () => {
  const env = { SESSION_STORAGE_TYPE: 'hybrid', SESSION_STORAGE_PATH: '/m', LOG_LEVEL: '?' };
  assert.equal(loadMountPoint(env, undefined), '/m');
  assert.equal(loadMountPoint(env, '/argument'), '/argument');
});

test('every driver can be asked for', () => {
  for (const driver of ['auto', 'direct', 'fuse-native'])
    assert.equal(loadConfig({ SESSION_FUSE_DRIVER: driver }, {}).fuseDriver, driver);
});

test('cloud mode keeps its cache in memory', () => {
  const env = { SESSION_STORAGE_TYPE: 'cloud', STORAGE_BUCKET: 'name' };
  assert.equal(loadConfig(env, {}).cacheInMemory, true);
  const named = loadConfig({ ...env, SESSION_CACHE_PATH: '/dev/shm/x' }, {});
  assert.deepEqual([named.cacheInMemory, named.cacheIsNamed], [true, true]);
});

test('a backup has at least one transfer at a time, and at most 256', () => {
  for (const count of ['0', '257', '-1', '1.5', 'many']) {
    const error = errorOf(() => loadConfig({ SESSION_BACKUP_CONCURRENCY: count }, {}));
    assert.deepEqual(
      [error.code, error.message.endsWith('a whole number of transfers from 1 to 256')],
      ['CONFIG_INVALID', true],
    );
  }
  assert.equal(loadConfig({ SESSION_BACKUP_CONCURRENCY: '1' }, {}).backupConcurrency, 1);
});

test('a file as large as may be configured can be sealed', () => {
  assert.ok(FILE_SIZE_LIMIT_BYTES <= PLAIN_LENGTH_MAX);
});

test('one mount point has one default cache, by whichever name it is given', (t) => {
  const directory = realpathSync(temporaryDirectory(t));
  mkdirSync(join(directory, 'real/sessions'), { recursive: true });
  symlinkSync('real', join(directory, 'folder'));
  symlinkSync(join(directory, 'folder/sessions'), join(directory, 'absolute'));
  symlinkSync('absolute', join(directory, 'relative'));
  const names = ['real/sessions', 'folder/sessions', 'absolute', 'relative'];
  for (const name of names)
    assert.equal(
      loadConfig({}, { mountPoint: join(directory, name) }).cachePath,
      join(directory, 'real/sessions.sealed'),
      name,
    );
  symlinkSync('loop', join(directory, 'loop'));
  assert.ok(loadConfig({}, { mountPoint: join(directory, 'loop') }).cachePath.endsWith('/loop.sealed'));
  const missing = join(directory, 'folder/missing');
  assert.equal(loadConfig({}, { mountPoint: missing }).cachePath, join(directory, 'real/missing.sealed'));
  assert.equal(loadConfig({}, { mountPoint: '/no/such/folder' }).cachePath, '/no/such/folder.sealed');
});
