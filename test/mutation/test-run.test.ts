import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { runTestFile, type Verdict } from './test-run.ts';

const ENDLESS = "setInterval(() => {}, 1_000); test('never ends', () => new Promise(() => {}));";

function verdictOn(t: TestContext, tests: string, limitMs = 60_000): Promise<Verdict> {
  const cwd = temporaryDirectory(t);
  writeFileSync(join(cwd, 'a.mjs'), `import { describe, test } from 'node:test';\n${tests}\n`);
  return runTestFile('a.mjs', { cwd, env: {}, limitMs });
}

test('a file whose tests pass', async (t) => {
  assert.deepEqual(await verdictOn(t, "test('x', () => {});"), { kind: 'passed' });
});

test('the first failure is named with its error, and what comes after it is not waited for', async (t) => {
  const tests = `
    test('fine', () => {});
    describe('group', () => test('#1', () => { throw new Error('first\\nsecond'); }));
    ${ENDLESS}`;
  assert.deepEqual(await verdictOn(t, tests), { kind: 'failed', said: '#1: first' });
});

test('a file that does not load, or has no test, fails', async (t) => {
  assert.deepEqual(await verdictOn(t, "throw new TypeError('at once');"), {
    kind: 'failed',
    said: 'TypeError: at once',
  });
  assert.deepEqual(await verdictOn(t, ''), { kind: 'failed', said: 'no test passed' });
});

test('a test that hangs has not failed', async (t) => {
  assert.deepEqual(await verdictOn(t, ENDLESS, 1_000), { kind: 'hung' });
});
