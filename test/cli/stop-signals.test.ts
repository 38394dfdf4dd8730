import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { test } from 'node:test';
import { firstStopSignal, stopSignals } from '../../src/cli/stop-signals.ts';

test('the first signal stops, later ones are only answered', async () => {
  const signals = new EventEmitter();
  const logged: unknown[] = [];
  const log = { info: (fields: unknown, message?: unknown) => logged.push([fields, message]) };
  const first = firstStopSignal(log as never, ['SIGTERM', 'SIGINT'], signals);
  signals.emit('SIGINT', 'SIGINT');
  assert.deepEqual(logged, []);
  signals.emit('SIGTERM', 'SIGTERM');
  signals.emit('SIGINT', 'SIGINT');
  assert.equal(await first, 'SIGINT');
  const message = 'still finishing, nothing is lost by waiting';
  assert.deepEqual(logged, [
    [{ signal: 'SIGTERM' }, message],
    [{ signal: 'SIGINT' }, message],
  ]);
});

test('without a terminal SIGHUP stops nothing', () => {
  assert.deepEqual(stopSignals(true), ['SIGTERM', 'SIGINT', 'SIGHUP']);
  assert.deepEqual(stopSignals(false), ['SIGTERM', 'SIGINT']);
});
