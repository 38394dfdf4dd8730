/** Two mounts on each kind of bucket, in real time: what fails here fails for real. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { identityFile, identityInMemory } from '../../src/lease/identity.ts';
import { Leases } from '../../src/lease/leases.ts';
import { createLogger } from '../../src/observe/log.ts';
import { subjects } from '../bucket/subjects.ts';
import { cleanUp, type Scope } from '../support/cleanup.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { S } from './support.ts';

const TIMES = { renewIntervalMs: 400, grantMs: 800, takeOverMs: 1_500, pollMs: 50 };
const SESSIONS = [S, 'u', '', 'v-+2'];

type Parts = Pick<Parameters<typeof Leases.open>[0], 'bucket' | 'identity' | 'name'>;

async function open(scope: Scope, parts: Parts): Promise<Leases> {
  const events = { acquired: () => {}, lost: () => {} };
  const log = createLogger({ level: 'silent' });
  const leases = await Leases.open({ ...parts, times: TIMES, log, events, takeover: false });
  cleanUp(scope, () => leases.end());
  return leases;
}

for (const [kind, subject] of Object.entries(subjects)) {
  test(`${kind}: a session is handed over, taken over, and claimed again after a restart`, async (t) => {
    const openBucket = await subject(t);
    const identity = identityFile(temporaryDirectory(t));
    const first = await open(t, { bucket: openBucket(), identity, name: 'a' });
    for (const session of SESSIONS) assert.equal((await first.acquire(session)).how, 'created');

    const second = await open(t, { bucket: openBucket(), identity: identityInMemory(), name: 'b' });
    assert.deepEqual([...(await second.list()).keys()].sort(), [...SESSIONS].sort());
    const handedOver = second.acquire(S);
    await first.release([S]);
    const { how, epoch, refresh } = await handedOver;
    assert.deepEqual([how, epoch, refresh], ['released', 2, false]);
    assert.ok((await second.grant(S)).deadlineMs > performance.now());
    await second.end();

    const takenOver = await first.acquire(S);
    assert.deepEqual([takenOver.how, takenOver.epoch, takenOver.refresh], ['taken-over', 3, true]);
    await first.floorRaised(S, 3);
    await first.end();

    const again = await open(t, { bucket: openBucket(), identity, name: 'a' });
    const owners = await again.list();
    assert.equal(owners.get(S)?.floor, 3);
    for (const session of SESSIONS) assert.equal((await again.acquire(session)).how, 'already');
    assert.equal((await again.grant(S)).epoch, 3);
  });
}
