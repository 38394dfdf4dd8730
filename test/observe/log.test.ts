import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LogLevel } from '../../src/config/load.ts';
import { SessionfsError } from '../../src/lib/errors.ts';
import { createLogger, writeLogRecord } from '../../src/observe/log.ts';

function capture(level: LogLevel = 'info') {
  const lines: string[] = [];
  const log = createLogger({ level, destination: { write: (line) => lines.push(line) } });
  return { log, lines, records: () => lines.map((line) => JSON.parse(line) as Record<string, unknown>) };
}

test('a line is one JSON object with level, time, process and message', () => {
  const { log, lines, records } = capture();
  log.info({ session: 'u-+49' }, 'Session backed up to Cloud Storage');
  const [record] = records();
  assert.match(lines[0] ?? '', /^[^\n]+\n$/);
  assert.match(String(record?.time), /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  assert.deepEqual(
    { ...record, time: undefined },
    {
      level: 'info',
      time: undefined,
      pid: process.pid,
      session: 'u-+49',
      msg: 'Session backed up to Cloud Storage',
    },
  );
});

test('lower levels than the configured one are not logged', () => {
  const { log, lines } = capture('warn');
  log.info('no');
  log.debug('no');
  assert.deepEqual(lines, []);
});

test('anything named key or encryptionKey is redacted, however deep', () => {
  const { log, lines } = capture();
  const secret = '5ec2e7';
  log.info({ key: secret, encryptionKey: secret }, 'flat');
  log.info({ config: { key: secret, a: { encryptionKey: secret, b: { key: secret } } } }, 'deep');
  assert.equal(lines.length, 2);
  assert.ok(!lines.join('').includes(secret));
  assert.match(lines.join(''), /\[redacted\]/);
});

test('an error is logged with its code, hint and cause', () => {
  const { log, lines, records } = capture();
  const cause = new Error('the disk says no');
  log.error(
    { err: new SessionfsError('CACHE_LOCKED', 'locked', { hint: 'Stop the other.', cause }) },
    'failed',
  );
  const error = records()[0]?.err as { code: string; hint: string };
  assert.deepEqual([error.code, error.hint], ['CACHE_LOCKED', 'Stop the other.']);
  assert.match(lines[0] ?? '', /the disk says no/);
});

test('what another thread posted is logged with its level and fields', () => {
  const { log, records } = capture();
  writeLogRecord(
    log,
    structuredClone({ level: 'warn', message: 'dropped', fields: { path: 'a.json' } } as const),
  );
  assert.deepEqual(
    records().map(({ level, path, msg }) => [level, path, msg]),
    [['warn', 'a.json', 'dropped']],
  );
});
