/** The keyring of a mount, and what its owner must be told about it. */
import type { Config } from '../config/load.ts';
import { findKeys, type KeySource } from '../crypto/key-source.ts';
import type { Keyring } from '../crypto/keyring.ts';
import type { Secrets } from '../lib/secrets.ts';
import type { Logger } from '../observe/log.ts';
import { Cache } from '../store/cache/cache.ts';

/** Call it with the cache's lock held. Throws as findKeys does. */
export async function loadKeyring(config: Config, secrets: Secrets, log: Logger): Promise<Keyring> {
  const { keyring, ...source } = await findKeys({
    env: { ...secrets },
    keyFile: config.encryptionKeyFile,
    keyCommand: config.encryptionKeyCommand,
    cachePath: config.cachePath,
    mayGenerate: config.storageType === 'local',
    expectedKeyId: Cache.readKeyId(config.cachePath),
  });
  logKeySource(source, log);
  return keyring;
}

function logKeySource({ origin, path, warnings }: Omit<KeySource, 'keyring'>, log: Logger): void {
  for (const warning of warnings) log.warn(warning);
  if (origin === 'generated') {
    log.warn(
      { path },
      'A new encryption key was made. Back this file up: without it these sessions can never be opened again',
    );
  } else if (origin === 'secret') {
    log.info({ secret: path }, 'The encryption key was read from Secret Manager');
  } else if (path !== undefined) {
    log.info({ path }, 'The encryption key was read; keep a backup of this file');
  }
}
