import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';

const MODULE = new URL('../../src/cli/progress.js', import.meta.url).href;

for (const signal of ['SIGINT', 'SIGTERM'])
  test(`${signal} ends a command that shows a bar`, () => {
    const program = `
      process.stderr.isTTY = true;
      const { startProgress } = await import(${JSON.stringify(MODULE)});
      const bar = await startProgress('sessions');
      bar.update(1, 10);
      setInterval(() => bar.update(2, 10), 10);
      setTimeout(() => process.kill(process.pid, '${signal}'), 50);
      setTimeout(() => process.exit(0), 5000);`;
    const args = ['--input-type=module', '-e', program];
    const ended = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 20_000 });
    assert.equal(ended.signal, signal, ended.stderr);
  });

test('a command that ends its work at a signal by itself is not ended by its bar', () => {
  const program = `
    process.stderr.isTTY = true;
    const { startProgress } = await import(${JSON.stringify(MODULE)});
    process.on('SIGINT', () => setTimeout(() => process.exit(7), 50));
    const bar = await startProgress('sessions');
    bar.update(1, 10);
    setInterval(() => bar.update(2, 10), 10);
    setTimeout(() => process.kill(process.pid, 'SIGINT'), 50);`;
  const ended = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
    encoding: 'utf8',
    timeout: 20_000,
  });
  assert.equal(ended.status, 7, ended.stderr);
});
