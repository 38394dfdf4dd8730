/** `sessionfs doctor`: everything that a mount with this configuration needs, tried out one by one. Nothing of it stays. */
import { existsSync } from 'node:fs';
import { isBucketDirectory } from '../../bucket/directory/layout.ts';
import { openBucket } from '../../bucket/open.ts';
import { type Config, type Flags, loadConfig } from '../../config/load.ts';
import { findKeys } from '../../crypto/key-source.ts';
import { Keyring } from '../../crypto/keyring.ts';
import { generatedKeyPath } from '../../lib/generated-key-path.ts';
import { codeOf } from '../../lib/system-error.ts';
import { Cache } from '../../store/cache/cache.ts';
import { newKey } from '../new-key.ts';
import { diskFindings, type MountPointChecks } from './disk.ts';
import { type Finding, failure, finding, type Result } from './finding.ts';
import { machineFindings } from './machine.ts';
import {
  clockFinding,
  conditionsFinding,
  keyCheckFinding,
  leaseFinding,
  permissionFindings,
  reachFinding,
  roundTripFinding,
  settingsFindings,
} from './store.ts';

export interface Examination extends MountPointChecks {
  readonly env: NodeJS.ProcessEnv;
  readonly flags: Flags;
  /** Why an ordinary user cannot mount in a namespace of their own; undefined: they can. */
  rootless(config: Config): string | undefined;
}

const SETTINGS_HINT = 'sessionfs mount --help lists the settings: correct it, or leave it out.';

/** Yields each line as it is known. Never throws. */
export async function* examine({ env, flags, rootless, ...checks }: Examination): AsyncGenerator<Finding> {
  let config: Config;
  try {
    config = loadConfig(env, flags);
  } catch (error) {
    yield { hint: SETTINGS_HINT, ...failure('configuration', error) };
    return;
  }
  yield finding('configuration', 'ok', `${config.storageType} mode on ${config.mountPoint}`);
  for (const warning of config.warnings) yield finding('configuration', 'warning', warning, SETTINGS_HINT);
  yield* machineFindings(config, () => rootless(config));
  const key = await keyFindings(config, env);
  yield* key.findings;
  yield* await diskFindings(config, checks);
  yield* storeFindings(config, key.keyring);
  key.keyring?.destroy();
}

interface KeyResult {
  readonly findings: readonly Finding[];
  /** Undefined: there is none that could be tried. */
  readonly keyring: Keyring | undefined;
}

async function keyFindings(config: Config, env: NodeJS.ProcessEnv): Promise<KeyResult> {
  try {
    const { keyring, origin, path, warnings } = await findKeys({
      // It deletes what it has read.
      env: { ...env },
      keyFile: config.encryptionKeyFile,
      keyCommand: config.encryptionKeyCommand,
      cachePath: config.cachePath,
      mayGenerate: false,
      expectedKeyId: Cache.readKeyId(config.cachePath),
    });
    const previous = keyring.ids.length - 1;
    const text = `key ${keyring.currentId}, from ${path ?? origin}${previous > 0 ? `, and ${previous} previous` : ''}`;
    return {
      keyring,
      findings: [
        finding('key', 'ok', text),
        ...warnings.map((warning) => finding('key', 'warning', warning)),
      ],
    };
  } catch (error) {
    if (
      config.storageType !== 'local' ||
      codeOf(error) !== 'KEY_MISSING' ||
      config.encryptionKeyFile ||
      config.encryptionKeyCommand
    )
      return { keyring: undefined, findings: [failure('key', error)] };
    return generatedKey(config);
  }
}

/** Local mode makes one with the first mount, and goes on with it. */
async function generatedKey(config: Config): Promise<KeyResult> {
  const path = generatedKeyPath(config.cachePath);
  const hasCache = Cache.readKeyId(config.cachePath) !== undefined;
  if (hasCache)
    return keyFindings({ ...config, encryptionKeyFile: path, encryptionKeyCommand: undefined }, {});
  return {
    keyring: Keyring.fromHex(newKey()),
    findings: [finding('key', 'ok', `the first mount makes one in ${path}`)],
  };
}

async function* storeFindings(config: Config, keyring: Keyring | undefined): AsyncGenerator<Finding> {
  const { bucket: address, storageEmulatorUrl: emulatorUrl, s3EndpointUrl, storageType } = config;
  if (address === undefined || storageType === 'local') {
    yield finding('bucket', 'ok', 'local mode has none: what is lost with this disk is lost');
    if (keyring !== undefined) yield await roundTripFinding(keyring, config, undefined);
    return;
  }
  const unmade = address.kind === 'directory' ? directoryFinding(address.path) : undefined;
  if (unmade !== undefined) {
    yield unmade;
    if (keyring !== undefined) yield await roundTripFinding(keyring, config, undefined);
    return;
  }
  let bucket: Awaited<ReturnType<typeof openBucket>>;
  try {
    bucket = await openBucket(address, { emulatorUrl, s3EndpointUrl });
  } catch (error) {
    yield failure('bucket', error);
    return;
  }
  try {
    const { reach, isForbidden } = await reachFinding(bucket);
    yield reach;
    yield await clockFinding(config);
    if (reach.result === 'failed') {
      if (isForbidden && address.kind === 'gcs') yield* await permissionFindings(address.name, emulatorUrl);
      return;
    }
    yield* await settingsFindings(bucket, config);
    yield await conditionsFinding(bucket);
    yield await leaseFinding(bucket);
    if (keyring === undefined) return;
    yield await keyCheckFinding(bucket, keyring);
    yield await roundTripFinding(keyring, config, bucket);
  } finally {
    bucket.close();
  }
}

/** Undefined: it is a bucket. */
function directoryFinding(path: string): Finding | undefined {
  if (isBucketDirectory(path)) return undefined;
  return existsSync(path)
    ? finding('bucket', 'ok', `${path} is a directory that the first mount makes a bucket`)
    : finding('bucket', 'failed', `there is no directory ${path}`, 'Make it, or mount the disk that has it.');
}

/** The worst of all: failed, then warning; what is unknown is no fault. */
export function verdictOf(findings: readonly Finding[]): Result {
  return (
    (['failed', 'warning'] as const).find((result) => findings.some((line) => line.result === result)) ?? 'ok'
  );
}
