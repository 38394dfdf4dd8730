/** Which sessions count as seen by applications: what another mount has of these never replaces them unasked. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RemoteSessions, type RemoteSessionsParts } from '../../src/remote/remote-sessions.ts';
import { CheckpointPlan } from '../../src/store/checkpoint/plan.ts';

const S = 'u-+1';

function rig(takeover: boolean) {
  const served: string[] = [];
  const nothing = () => {};
  const sessions = new RemoteSessions({
    ...{ takeover, aborted: new AbortController(), memory: undefined },
    ledger: { serve: (session: string) => served.push(session) },
    sync: { start: nothing, flusher: { urgent: nothing } },
    leases: { inherit: nothing },
    deleted: { checkpointed: nothing },
    health: { untilKnown: nothing },
  } as unknown as RemoteSessionsParts);
  return { sessions, served };
}

function planOf(path: string, isPut: boolean): CheckpointPlan {
  const plan = new CheckpointPlan();
  const put = isPut ? { segment: 1, position: 0, length: 1 } : undefined;
  plan.files.set(path, { put, keepOld: false, since: 1 });
  return plan;
}

for (const why of ['new', 'creds'] as const)
  test(`a session of which the core tells “${why}” is served`, () => {
    const { sessions, served } = rig(false);
    sessions.hear({ to: 'remote', type: 'urgent', session: S, why });
    assert.deepEqual(served, [S]);
  });

test('a session of which a file came into the cache while the mount is served is served', () => {
  const { sessions, served } = rig(false);
  sessions.checkpointed(planOf(`${S}/key.json`, true));
  assert.deepEqual(served, [], 'what an earlier mount had left in the journal');
  sessions.start();
  sessions.checkpointed(planOf(`${S}/key.json`, false));
  assert.deepEqual(served, [], 'what is gone');
  sessions.checkpointed(planOf(`${S}/key.json`, true));
  assert.deepEqual(served, [S]);
  const next = rig(true);
  next.sessions.checkpointed(planOf(`${S}/key.json`, true));
  next.sessions.checkpointed(planOf('file-in-the-root', true));
  assert.deepEqual(next.served, [S], 'a daemon that takes over serves from the beginning');
});
