import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stateOfSession } from '../../src/kit/baileys.ts';

const me = { me: { id: '49151@s.whatsapp.net' } };
const state = (creds: object | undefined, ...names: string[]) =>
  stateOfSession(creds && Buffer.from(JSON.stringify(creds)), new Set(names));

test('a session is complete when everything that its credentials name is there', () => {
  const creds = {
    ...me,
    account: {},
    nextPreKeyId: 813,
    firstUnuploadedPreKeyId: 813,
    myAppStateKeyId: 'AA/A:b=',
  };
  const names = ['pre-key-812.json', 'app-state-sync-key-AA__A-b=.json'];
  assert.deepEqual(state(creds, ...names), { state: 'complete', missing: [] });
  assert.deepEqual(state(creds), { state: 'incomplete', missing: names });
  assert.deepEqual(state(creds, `${names[0]}.bak`, names[1] ?? '').state, 'complete');
});

test('pre-keys that are not uploaded yet must all be there', () => {
  const creds = { ...me, registered: true, nextPreKeyId: 5, firstUnuploadedPreKeyId: 2 };
  assert.deepEqual(state(creds, 'pre-key-3.json').missing, ['pre-key-2.json', 'pre-key-4.json']);
});

test('what is not paired, or no credentials at all, lacks nothing', () => {
  assert.equal(state({ nextPreKeyId: 5 }).state, 'not registered');
  assert.equal(state({ ...me, registered: false, nextPreKeyId: 5 }).state, 'not registered');
  assert.equal(state(undefined).state, 'no credentials');
  assert.equal(stateOfSession(Buffer.from('{"me"'), new Set()).state, 'no credentials');
  assert.equal(state({ ...me, registered: true, nextPreKeyId: 1e15 }).state, 'complete');
});
