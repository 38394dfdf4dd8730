import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { repository } from '../support/repository.ts';
import { mutate } from './mutation.ts';
import { mutations } from './mutations.ts';

test('every feared mistake can still be made: its text is in the source exactly once', () => {
  assert.ok(mutations.length > 0);
  const errors = mutations.flatMap((mutation) => {
    const source = readFileSync(join(repository, mutation.file), 'utf8');
    try {
      return mutate(source, mutation) === source
        ? [`${mutation.file}: ${mutation.fear}: changes nothing`]
        : [];
    } catch (error) {
      return [String(error)];
    }
  });
  assert.deepEqual(errors, []);
});

test('every test file that is to notice one is there', () => {
  const named = new Set(mutations.flatMap(({ tests }) => tests));
  assert.deepEqual(
    [...named].filter((file) => !existsSync(join(repository, 'test', file))),
    [],
  );
});

test('a text that is missing or ambiguous is refused', () => {
  const mutation = { file: 'a.ts', find: 'x', replace: '', fear: '', tests: [] };
  assert.equal(mutate('axb', mutation), 'ab');
  assert.throws(() => mutate('ab', mutation), /a.ts does not contain "x"/);
  assert.throws(() => mutate('xx', mutation), /contains "x" more than once/);
});
