import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { MountStatus, StatusReading } from '../../src/api/mount-status.ts';
import { ServiceManager, watchdogTime } from '../../src/cli/service-manager.ts';
import { until } from '../support/until.ts';

const status = { sessions: 2, dirty: 1, restarts: 0, pids: { supervisor: 1, daemon: 7 } } as MountStatus;
const answered: StatusReading = { kind: 'answered', status, raw: '' };

function told(watchdogMs?: number) {
  const messages: string[] = [];
  const send = async (assignments: readonly string[]) => {
    // A slow message is not overtaken.
    await turn();
    messages.push(assignments.join(' '));
  };
  return { messages, manager: new ServiceManager({ send, log: { warn: assert.fail }, watchdogMs }) };
}

test('systemd learns of the start, of what becomes of the daemon, and of the end, in order', async () => {
  const { messages, manager } = told();
  manager.starting();
  manager.serving(() => assert.fail('no watchdog is set'));
  manager.changed('replacing');
  manager.changed('serving');
  manager.changed('handing-over');
  manager.changed('serving');
  manager.stopping();
  manager.changed('replacing');
  await manager.finish();
  assert.deepEqual(
    messages.map((message) => message.replace(/MONOTONIC_USEC=\d+/, 'MONOTONIC_USEC=N')),
    [
      'STATUS=Opening the cache and mounting',
      'READY=1 STATUS=The mount answers',
      'STATUS=The daemon died; another one takes over',
      'READY=1 STATUS=The mount answers',
      'RELOADING=1 MONOTONIC_USEC=N STATUS=A new daemon takes over',
      'READY=1 STATUS=The mount answers',
      'STOPPING=1 STATUS=Writing what is not stored yet, and unmounting',
    ],
  );
});

test('only an answer through the mount keeps the watchdog quiet', async (t) => {
  const { messages, manager } = told(12);
  t.after(() => manager.finish());
  let reading: StatusReading = { kind: 'hung' };
  let asked = 0;
  manager.serving(async () => {
    asked++;
    if (asked === 4) throw new Error('the probe could not be started');
    return reading;
  });
  const fed = () => messages.filter((message) => message.startsWith('WATCHDOG=1')).length;
  await until(() => asked > 8);
  assert.equal(fed(), 0);
  reading = answered;
  await until(() => fed() > 2);
  assert.equal(messages.at(-1), 'WATCHDOG=1 STATUS=Sessions: 2, files not stored yet: 1, daemon: 7');
  reading = { kind: 'stale' };
  await turn();
  const [before, askedBefore] = [fed(), asked];
  await until(() => asked > askedBefore + 3);
  assert.ok(fed() <= before + 1);
});

test('the end ends the watch', async () => {
  const { messages, manager } = told(12);
  let asked = 0;
  manager.serving(async () => {
    asked++;
    return answered;
  });
  await until(() => asked > 1);
  manager.stopping();
  await manager.finish();
  assert.match(messages.at(-1) ?? '', /^STOPPING=1 /);
});

test('a manager that cannot be told is no reason to fail, and is logged once', async () => {
  const logged: unknown[] = [];
  const manager = new ServiceManager({
    send: () => Promise.reject(new Error('spawn systemd-notify ENOENT')),
    log: { warn: (...words: unknown[]) => logged.push(words) } as never,
    watchdogMs: undefined,
  });
  manager.starting();
  manager.serving(async () => answered);
  await manager.finish();
  assert.equal(logged.length, 1);
});

test('the watchdog is for the process that it names, and its variables go no further', () => {
  assert.equal(watchdogTime({ WATCHDOG_USEC: '180000000', WATCHDOG_PID: '5' }, 5), 180_000);
  assert.equal(watchdogTime({ WATCHDOG_USEC: '180000000' }, 5), 180_000);
  assert.equal(watchdogTime({ WATCHDOG_USEC: '180000000', WATCHDOG_PID: '6' }, 5), undefined);
  assert.equal(watchdogTime({ WATCHDOG_USEC: '0' }, 5), undefined);
  const log = { warn: assert.fail };
  const env = { NOTIFY_SOCKET: '/run/systemd/notify', WATCHDOG_USEC: '1', WATCHDOG_PID: '2', HOME: '/' };
  assert.ok(ServiceManager.take(env, log));
  assert.deepEqual(env, { HOME: '/' });
  assert.equal(ServiceManager.take({}, log), undefined);
});
