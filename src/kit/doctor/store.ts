/** The bucket: reach, rights, settings, clock, leases, the key that sealed it, and a sealed round trip. */
import { randomBytes } from 'node:crypto';
import { ABSENT, type Bucket } from '../../bucket/bucket.ts';
import { BucketError } from '../../bucket/bucket-error.ts';
import { type GcsFacts, inspectGcsBucket } from '../../bucket/gcs/inspect.ts';
import type { Config } from '../../config/load.ts';
import type { Keyring } from '../../crypto/keyring.ts';
import { OWNER, openSealed, sealedSize, sealInto } from '../../crypto/sealed-file.ts';
import { listOwners } from '../../lease/records/owner.ts';
import { countText, durationText } from '../../lib/human.ts';
import { OBJECT_ROOT } from '../../naming/object-name.ts';
import { TRASH_ROOT } from '../../naming/trash-name.ts';
import { createLogger } from '../../observe/log.ts';
import { KeyCheck } from '../../remote/key-check.ts';
import { PERMISSIONS, ROLES } from '../bucket-plan.ts';
import { existing, roundTrip } from './disk.ts';
import { type Finding, failure, finding } from './finding.ts';

/** What does not work without it. */
const WITHOUT: Readonly<Record<(typeof PERMISSIONS)[number], string>> = {
  'storage.objects.list': 'sessions of the bucket cannot be found',
  'storage.objects.get': 'nothing can be restored',
  'storage.objects.create': 'nothing can be backed up',
  'storage.objects.delete': 'a file that was there before cannot be backed up',
  'storage.buckets.get': 'rules that delete live sessions are not seen',
};
const REQUESTS = 3;
const LATENCY_SLOW_MS = 300;
const SKEW_MS = 30_000;
/** Google refuses tokens that are further off. */
const SKEW_FATAL_MS = 300_000;
const GOOGLE = 'https://storage.googleapis.com';
const CLOCK_TIMEOUT_MS = 10_000;

export async function reachFinding(bucket: Bucket): Promise<{ reach: Finding; isForbidden: boolean }> {
  try {
    const times: number[] = [];
    for (let request = 0; request < REQUESTS; request++) {
      const before = performance.now();
      await bucket.list(`${OBJECT_ROOT}/`);
      times.push(performance.now() - before);
    }
    const median = times.sort((a, b) => a - b)[Math.floor(REQUESTS / 2)] ?? 0;
    const text = `${bucket.address} answers in ${durationText(median)} (median of ${REQUESTS} lists)`;
    const reach =
      median <= LATENCY_SLOW_MS
        ? finding('bucket', 'ok', text)
        : finding(
            'bucket',
            'warning',
            text,
            'A restore takes a round trip a file: use a bucket in the region of this machine.',
          );
    return { reach, isForbidden: false };
  } catch (error) {
    return {
      reach: failure('bucket', error),
      isForbidden: error instanceof BucketError && error.kind === 'permission',
    };
  }
}

export async function settingsFindings(
  bucket: Bucket,
  { bucket: address, storageEmulatorUrl, trashDays }: Config,
): Promise<Finding[]> {
  const rule = await ruleFinding(bucket);
  if (address?.kind !== 'gcs') {
    const text = 'only buckets of Google tell';
    return [rule, ...['permissions', 'location', 'undo'].map((check) => finding(check, 'unknown', text))];
  }
  const facts = await inspect(address.name, storageEmulatorUrl);
  const { location } = facts;
  return [
    ...permissionsOf(facts),
    location === undefined
      ? finding('location', 'unknown', 'the bucket does not say where it is')
      : finding('location', 'ok', location),
    undoFinding(facts, bucket.address),
    (rule.result === 'ok' ? otherRuleFinding(facts, bucket.address, trashDays) : undefined) ?? rule,
  ];
}

/** Where the bucket may not even be listed: which permissions are missing. */
export async function permissionFindings(name: string, emulatorUrl: string | undefined): Promise<Finding[]> {
  return permissionsOf(await inspect(name, emulatorUrl));
}

function inspect(name: string, emulatorUrl: string | undefined): Promise<GcsFacts> {
  return inspectGcsBucket(name, emulatorUrl, PERMISSIONS);
}

function permissionsOf({ permissions }: GcsFacts): Finding[] {
  return Object.entries(WITHOUT).map(([permission, without]) =>
    permissionFinding(permission, without, permissions?.get(permission)),
  );
}

function permissionFinding(permission: string, without: string, granted: boolean | undefined): Finding {
  if (granted === undefined)
    return finding(permission, 'unknown', 'the bucket does not say (testIamPermissions)');
  if (granted) return finding(permission, 'ok', 'granted');
  const result = permission === 'storage.buckets.get' ? 'warning' : 'failed';
  return finding(permission, result, `missing: ${without}`, `Grant ${ROLES.join(' and ')} on the bucket.`);
}

function undoFinding({ softDeleteDays, versioning }: GcsFacts, address: string): Finding {
  if (softDeleteDays === undefined && versioning !== true)
    return finding('undo', 'unknown', 'the bucket does not say whether soft delete is on');
  if (softDeleteDays && versioning)
    return finding(
      'undo',
      'warning',
      'soft delete and versioning are both on: every version is paid for twice',
      'Use one of the two: docs/google-cloud.md.',
    );
  if (versioning) return finding('undo', 'ok', 'versioning is on');
  return softDeleteDays
    ? finding('undo', 'ok', `soft delete keeps what was deleted for ${softDeleteDays} d`)
    : finding(
        'undo',
        'warning',
        'neither soft delete nor versioning: what is deleted is gone',
        `gcloud storage buckets update ${address} --soft-delete-duration=7d`,
      );
}

async function ruleFinding(bucket: Bucket): Promise<Finding> {
  try {
    const days = await bucket.deleteAfterDays();
    return days === undefined
      ? finding('lifecycle', 'ok', 'no rule deletes live sessions')
      : finding(
          'lifecycle',
          'warning',
          `a rule deletes objects that are ${days} d old, also of sessions in use`,
          bucket.address.startsWith('gs:')
            ? clearingText(bucket.address)
            : 'Remove the rule, or limit it to a prefix that holds no sessions.',
        );
  } catch (error) {
    return failure('lifecycle', error, 'unknown');
  }
}

function clearingText(address: string): string {
  return `gcloud storage buckets update ${address} --clear-lifecycle clears all rules; then set good ones again, as sessionfs bucket create --dry-run prints them.`;
}

/** What `deleteAfterDays` does not tell; undefined: nothing is wrong. */
function otherRuleFinding(
  { otherDeletions = [], trashDeletedAfterDays: days }: GcsFacts,
  address: string,
  trashDays: number,
): Finding | undefined {
  if (otherDeletions.length > 0)
    return finding(
      'lifecycle',
      'warning',
      `a rule deletes objects by ${otherDeletions.join(', another by ')}, also of sessions in use`,
      clearingText(address),
    );
  if (days === undefined || days >= trashDays) return undefined;
  return finding(
    'lifecycle',
    'warning',
    `a rule deletes removed sessions after ${days} d, SESSION_TRASH_DAYS is ${trashDays}`,
    `Raise the age in the rule for ${TRASH_ROOT} above ${trashDays} d, or lower SESSION_TRASH_DAYS.`,
  );
}

/** By the Date of an answer, which stands in every one, refusals too. */
export async function clockFinding({ bucket: address, storageEmulatorUrl }: Config): Promise<Finding> {
  if (address?.kind !== 'gcs')
    return finding('clock', 'unknown', 'only servers of Google are asked for the time');
  const before = Date.now();
  const answer = await fetch(storageEmulatorUrl ?? GOOGLE, {
    method: 'HEAD',
    signal: AbortSignal.timeout(CLOCK_TIMEOUT_MS),
  }).catch(() => undefined);
  const there = Date.parse(answer?.headers.get('date') ?? '');
  if (Number.isNaN(there)) return finding('clock', 'unknown', 'the server does not tell the time');
  // It tells whole seconds.
  const skew = Math.max(0, Math.abs((before + Date.now()) / 2 - there) - 1000);
  const text = skew < 1000 ? 'agrees with the server' : `${durationText(skew)} off the server's`;
  if (skew < SKEW_MS) return finding('clock', 'ok', text);
  return finding(
    'clock',
    skew < SKEW_FATAL_MS ? 'warning' : 'failed',
    text,
    'Set the clock: systemctl enable --now systemd-timesyncd, or chrony.',
  );
}

/** Whether several mounts may share the bucket. */
export async function conditionsFinding(bucket: Bucket): Promise<Finding> {
  try {
    const ignored = await bucket.ignoredConditions();
    return ignored.length === 0
      ? finding('conditions', 'ok', 'the store refuses changes of other versions than the one they name')
      : finding(
          'conditions',
          'warning',
          `the server ignores conditions (${ignored.join(', ')}): only one mount may use the bucket`,
          'docs/amazon-s3.md says what that mount can do, and which servers honour them.',
        );
  } catch (error) {
    return failure('conditions', error);
  }
}

export async function leaseFinding(bucket: Bucket): Promise<Finding> {
  try {
    const { owners, malformed } = await listOwners(bucket);
    const holders = new Set([...owners.values()].map(({ record }) => record.name));
    const text = `${countText(owners.size, 'session')} had a holder, on ${countText(holders.size, 'mount')}`;
    return malformed.size === 0
      ? finding('leases', 'ok', text)
      : finding(
          'leases',
          'warning',
          `${text}; the record of ${[...malformed.keys()].slice(0, 3).join(', ')} is damaged`,
          'docs/operations.md, "Several instances", says what to do.',
        );
  } catch (error) {
    return failure('leases', error);
  }
}

export async function keyCheckFinding(bucket: Bucket, keyring: Keyring): Promise<Finding> {
  try {
    const log = createLogger({ level: 'silent' });
    const verdict = await new KeyCheck({ bucket, keyring, log }).verdict();
    if (verdict === 'opens') return finding('key of the bucket', 'ok', 'this key opens the bucket');
    if (verdict === 'none') return finding('key of the bucket', 'ok', 'the bucket has no sessions yet');
    return failure('key of the bucket', verdict);
  } catch (error) {
    return failure('key of the bucket', error);
  }
}

/** Through cache and bucket, as a file of a session goes; nothing of it stays. */
export async function roundTripFinding(
  keyring: Keyring,
  { cachePath, cacheInMemory }: Config,
  bucket: Bucket | undefined,
): Promise<Finding> {
  const check = 'round trip';
  const name = `.sessionfs/doctor-${randomBytes(8).toString('hex')}`;
  const plain = randomBytes(300);
  const sealed = Buffer.alloc(sealedSize(plain.length));
  sealInto(
    sealed,
    0,
    keyring,
    name,
    { mode: 0o600, uid: OWNER, gid: OWNER, mtimeSec: 0, mtimeNsec: 0 },
    plain,
  );
  try {
    const cached = cacheInMemory ? sealed : roundTrip(existing(cachePath), sealed).read;
    const stored = bucket === undefined ? cached : await throughBucket(bucket, name, cached);
    const isSame = openSealed(keyring, name, stored).plain.equals(plain);
    const places = [...(cacheInMemory ? [] : ['cache']), ...(bucket === undefined ? [] : ['bucket'])].join(
      ' and ',
    );
    return isSame
      ? finding(check, 'ok', `a sealed file went through ${places || 'memory'} and opened again`)
      : finding(
          check,
          'failed',
          'a sealed file came back with another content',
          'The disk or the bucket changes what it stores.',
        );
  } catch (error) {
    return failure(check, error);
  }
}

async function throughBucket(bucket: Bucket, name: string, bytes: Buffer): Promise<Buffer> {
  const { generation } = await bucket.put(name, bytes, { ifGeneration: ABSENT, metadata: {} });
  try {
    return (await bucket.get(name)).bytes;
  } finally {
    await bucket.delete(name, { ifGeneration: generation });
  }
}
