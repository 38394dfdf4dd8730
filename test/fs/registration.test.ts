/** What counts as registered, pinned on what Baileys makes and the workload pairs. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { goesOn, readRegistration } from '../../src/fs/model/registration.ts';
import { changed, freshCreds, pairedCreds, type SavedCreds } from '../support/baileys-creds.ts';

let paired = '';

before(async () => {
  paired = await pairedCreds({ after });
});

const kindOf = (creds: string) => readRegistration(Buffer.from(creds)).kind;

function registered(creds: string) {
  const registration = readRegistration(Buffer.from(creds));
  assert.equal(registration.kind, 'registered');
  if (registration.kind !== 'registered') throw new Error('not registered');
  return registration;
}

const continues = (old: string, creds: string) => goesOn(registered(old), Buffer.from(creds));

test('credentials that Baileys makes anew are no registration, and paired ones are', () => {
  assert.equal(kindOf(freshCreds()), 'none');
  assert.equal(kindOf(paired), 'registered');
});

test('pairing by QR code leaves `registered` false: what counts is `me` and `account`', () => {
  const byCode = changed(paired, (creds) => {
    creds.registered = false;
  });
  assert.equal(kindOf(byCode), 'registered');
  const taken = changed(paired, (creds) => {
    delete creds.account;
  });
  assert.equal(kindOf(taken), 'registered', 'a pairing code that the phone took');
});

test('an identity that has only asked for a pairing code has nothing to lose yet', () => {
  const asked = changed(freshCreds(), (creds) => {
    creds.pairingCode = 'ABCD1234';
    creds.me = { id: '15550001@s.whatsapp.net', name: '~' };
  });
  assert.equal(kindOf(asked), 'none');
});

test('what is not credentials is no registration', () => {
  for (const text of ['', '{}', '[]', 'null', '"me"', '{"me":', '{"me":null}', '{"me":{"id":""}}', 'me "me"'])
    assert.equal(kindOf(text), 'none', text);
});

test('every later version of an account goes on, whatever else changes and however bytes are written', () => {
  const key = (creds: SavedCreds) => Buffer.from(creds.signedIdentityKey.public.data, 'base64');
  const later: Record<string, (creds: SavedCreds) => void> = {
    'as it is': () => {},
    'other fields': (creds) => {
      Object.assign(creds, {
        accountSyncCounter: 9,
        routingInfo: undefined,
        signedPreKey: {},
        lastPropHash: 'x',
      });
    },
    'another name': (creds) => {
      creds.me = { id: '1:2@s.whatsapp.net' };
    },
    'bytes as an array': (creds) => {
      Object.assign(creds.signedIdentityKey.public, { data: [...key(creds)] });
    },
    'bytes by index': (creds) => {
      Object.assign(creds.signedIdentityKey, { public: Object.fromEntries(key(creds).entries()) });
    },
    'bytes as text': (creds) => {
      Object.assign(creds.signedIdentityKey, { public: creds.signedIdentityKey.public.data });
    },
  };
  for (const [what, change] of Object.entries(later)) {
    const creds = changed(paired, change);
    assert.equal(continues(paired, creds), true, what);
    assert.equal(continues(creds, paired), true, `back from ${what}`);
  }
  assert.equal(continues(paired, JSON.stringify(JSON.parse(paired), undefined, 2)), true, 'indented');
});

test('another identity is a fresh registration, paired or not, and so is one without an account', () => {
  const again = changed(paired, (creds) => {
    Object.assign(creds, { signedIdentityKey: JSON.parse(freshCreds()).signedIdentityKey });
  });
  const unpaired = changed(paired, (creds) => {
    delete creds.me;
  });
  for (const creds of [freshCreds(), again, unpaired, '{}', '[]', 'text'])
    assert.equal(continues(paired, creds), false, creds.slice(0, 80));
});
