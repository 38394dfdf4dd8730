/** Which trouble of the bucket takes a mount out of service, and which is only told. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RemoteSessions, type RemoteSessionsParts } from '../../src/remote/remote-sessions.ts';

const FORBIDDEN = {
  code: 'BUCKET_FORBIDDEN',
  summary: 'the bucket refuses permission',
  error: 'forbidden',
  hint: 'Grant the role.',
} as const;
const SAID = 'the bucket refuses permission. Grant the role.';

interface World {
  refuses?: boolean;
  isCloud?: boolean;
  hasFilesHere?: boolean;
  listed?: boolean;
}

function readiness({ refuses = false, isCloud = false, hasFilesHere = true, listed = true }: World) {
  const trouble = refuses ? FORBIDDEN : undefined;
  const sessions = new RemoteSessions({
    ledger: { hasFilesHere, listed },
    threadData: { writeThrough: isCloud, rootListable: false },
    health: { trouble, refusal: trouble },
  } as unknown as RemoteSessionsParts);
  return [sessions.notReady, sessions.warning];
}

test('a bucket that refuses takes no mount out of service that serves its cache', () => {
  assert.deepEqual(readiness({}), [undefined, undefined]);
  assert.deepEqual(readiness({ refuses: true }), [undefined, SAID]);
});

test('where nothing works without the bucket its refusal is the reason', () => {
  assert.deepEqual(readiness({ refuses: true, hasFilesHere: false }), [SAID, SAID]);
  assert.deepEqual(readiness({ refuses: true, isCloud: true }), [SAID, SAID]);
});

test('a mount that does not know its sessions yet is not ready', () => {
  assert.match(
    String(readiness({ listed: false })[0]),
    /^the bucket has not said yet which sessions there are$/,
  );
  assert.match(
    String(readiness({ listed: false, refuses: true })[0]),
    /sessions there are: the bucket refuses/,
  );
});
