import assert from 'node:assert/strict';
import { test } from 'node:test';
import { shortenNames, shortenRuns } from '../../../src/observe/status-page/shorten.ts';

test('of a phone number only the last digits are left, however it is written', () => {
  const cases: [name: string, shown: string][] = [
    ['user1-+15550001', 'user1-+…0001'],
    ['4915155501234', '…1234'],
    ['wa4915155501234@s.whatsapp.net', 'wa…1234@s.whatsapp.net'],
    ['+49 151 5550-1234', '+…1234'],
    ['+1 (555) 000-1234', '+…1234'],
    ['session-4915155501234.0.json', 'session-…1234.0.json'],
    ['sessions/%2B4915155501234/creds.json', 'sessions/%2B…1234/creds.json'],
    ['٤٩١٥١٥٥٥٠١٢٣٤', '…١٢٣٤'],
    ['a1234567 and b7654321', 'a…4567 and b…4321'],
  ];
  for (const [name, shown] of cases) assert.equal(shortenNames(name), shown);
});

test('other names stay as they are', () => {
  for (const name of ['sales', 'bot-12', 'user1', 'pre-key-123456.json', 'v1.2.3', ''])
    assert.equal(shortenNames(name), name);
});

test('of a host or a path an address stays readable', () => {
  assert.equal(
    shortenRuns('ip-10-128-31-15:/srv/4915155501234/sessions'),
    'ip-10-128-31-15:/srv/…1234/sessions',
  );
});
