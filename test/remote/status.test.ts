/** What `status.json` says of a session in trouble: in words, since when, and what waits. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { BucketError } from '../../src/bucket/bucket-error.ts';
import { signature } from '../../src/bucket/object-metadata.ts';
import { Keyring } from '../../src/crypto/keyring.ts';
import { ownerName } from '../../src/lease/records/owner.ts';
import { createLogger } from '../../src/observe/log.ts';
import { Metrics } from '../../src/observe/metrics.ts';
import { BucketHealth } from '../../src/remote/bucket-health.ts';
import { BucketReach } from '../../src/remote/bucket-reach.ts';
import { ControlAnswers } from '../../src/remote/control.ts';
import { KeyCheck } from '../../src/remote/key-check.ts';
import type { SessionOpener } from '../../src/remote/session-opener.ts';
import type { BucketStatus } from '../../src/remote/status.ts';
import { MemoryBucket } from '../support/memory-bucket.ts';
import { until } from '../support/until.ts';
import { Machine } from '../sync/support.ts';
import { openLeases, openOpener } from './support.ts';

const S = 'u-+1';
const CREDS = 'sessions/u/+1/creds.json';
const options = { timeout: 60_000 };
const log = createLogger({ level: 'silent', destination: { write: () => {} } });

class Rig {
  readonly bucket = new MemoryBucket();
  readonly machine: Machine;
  readonly opener: SessionOpener;
  readonly #control: ControlAnswers;

  constructor(t: TestContext) {
    const { bucket } = this;
    const leases = openLeases(t, bucket);
    this.machine = new Machine(t, bucket, { grants: leases, intervalMs: 0 });
    const { sync, ledger } = this.machine;
    this.opener = openOpener(t, { leases, sync, ledger });
    const reach = new BucketReach();
    const keyCheck = new KeyCheck({ bucket, keyring: Keyring.fromHex('ab'.repeat(32)), log });
    this.#control = new ControlAnswers({
      address: bucket.address,
      health: new BucketHealth({ reach, keyCheck, unshareable: async () => undefined, log }),
      sync,
      ledger,
      leases,
      opener: this.opener,
      metrics: new Metrics(),
    });
  }

  async trouble(): Promise<BucketStatus['backups'][number]['trouble']> {
    return (await this.status()).backups.find(({ session }) => session === S)?.trouble;
  }

  /** `dirtyPaths`: files whose newest version is in the journal alone. */
  async status(dirtyPaths: string[] = []): Promise<BucketStatus> {
    const question = {
      to: 'remote',
      type: 'ask',
      id: 1,
      question: 'status',
      argument: '{}',
      dirtyPaths,
    } as const;
    return JSON.parse((await this.#control.answer(question)) ?? '') as BucketStatus;
  }

  async untilTrouble(isThere: boolean): Promise<void> {
    await until(async () => ((await this.trouble()) !== undefined) === isThere);
  }
}

test('sealed with a missing key: calls wait, with the hint', options, async (t) => {
  const rig = new Rig(t);
  const startMs = Date.now();
  rig.bucket.store(CREDS, Buffer.from('key'), signature('another', 1));
  await rig.machine.sync.prepare();
  rig.opener.want(S);
  await rig.untilTrouble(true);
  const trouble = await rig.trouble();
  assert.match(String(trouble?.error), /creds\.json was sealed with a key that was not given/);
  assert.match(String(trouble?.hint), /SESSION_ENCRYPTION_KEYS_PREVIOUS/);
  assert.equal(trouble?.waits, 'calls');
  assert.ok(Date.parse(String(trouble?.since)) >= startMs);
  rig.bucket.store(CREDS, Buffer.from('ok'), signature('another', 1));
  await rig.machine.until(() => rig.machine.restored.length > 0);
  await rig.untilTrouble(false);
});

test('a malformed owner object: calls wait, until it is deleted', options, async (t) => {
  const rig = new Rig(t);
  rig.bucket.store(CREDS, Buffer.from('ok'), signature('another', 1));
  rig.bucket.store(ownerName(S), Buffer.alloc(0), { holder: 'someone', epoch: 'many' });
  await rig.machine.sync.prepare();
  rig.opener.want(S);
  await rig.untilTrouble(true);
  const trouble = await rig.trouble();
  assert.deepEqual([trouble?.waits, /delete this object/.test(String(trouble?.hint))], ['calls', true]);
  rig.bucket.objects.delete(ownerName(S));
  await rig.machine.until(() => rig.machine.restored.length > 0);
  await rig.untilTrouble(false);
});

test('a comparison that the bucket refuses: calls wait', options, async (t) => {
  const rig = new Rig(t);
  rig.bucket.store(CREDS, Buffer.from('ok'), signature('another', 1));
  await rig.machine.sync.prepare();
  rig.bucket.before = ({ operation }) => {
    if (operation === 'list') throw new BucketError('permission', 'HTTP 403', { hint: 'Grant a role.' });
  };
  rig.opener.want(S);
  await rig.untilTrouble(true);
  const { since: _, ...trouble } = (await rig.trouble()) ?? {};
  assert.deepEqual(trouble, { error: 'HTTP 403', hint: 'Grant a role.', waits: 'calls' });
  rig.bucket.before = () => {};
  await rig.untilTrouble(false);
});

test('a backup that fails: since its first failure, until one succeeds', options, async (t) => {
  const rig = new Rig(t);
  await rig.machine.write(`${S}/creds.json`, 'ok');
  rig.bucket.before = ({ operation, name }) => {
    if (operation === 'put' && name === CREDS)
      throw new BucketError('permission', 'HTTP 403', { hint: 'Grant a role.' });
  };
  const { flusher } = rig.machine.sync;
  await assert.rejects(flusher.flush(S));
  const first = await rig.trouble();
  await sleep(5);
  await assert.rejects(flusher.flush(S));
  assert.deepEqual(await rig.trouble(), first);
  assert.deepEqual([first?.error, first?.hint, first?.waits], ['HTTP 403', 'Grant a role.', 'backup']);
  rig.bucket.before = () => {};
  await flusher.flush(S);
  assert.equal(await rig.trouble(), undefined);
});

test(
  'a backup beside its file does not count as dirty, in the journal and in the cache',
  options,
  async (t) => {
    const rig = new Rig(t);
    await rig.machine.write(`${S}/creds.json`, 'ok');
    await rig.machine.write(`${S}/creds.json.bak`, 'ok');
    const paths = ['creds.json.bak', 'a.json', 'a.json.bak', 'a.json.tmp', 'b.json.bak'];
    const { dirty } = await rig.status(paths.map((file) => `${S}/${file}`));
    // creds.json, a.json, and a backup whose file is missing.
    assert.equal(dirty, 3);
  },
);
