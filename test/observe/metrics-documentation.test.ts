import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Metrics } from '../../src/observe/metrics.ts';
import { markdownTable } from '../support/markdown-table.ts';
import { repository } from '../support/repository.ts';
import { parseExposition } from './support/prometheus-text.ts';

const GUIDE = 'docs/google-cloud.md';
const guide = readFileSync(join(repository, GUIDE), 'utf8');

test('docs/operations.md lists every metric with its type and meaning, and no other', async () => {
  const { helps, types } = parseExposition(await new Metrics().render());
  assert.deepEqual(
    markdownTable('docs/operations.md', ['metric', 'type', 'meaning']),
    [...types].map(([name, type]) => [name, type, helps.get(name)]),
  );
});

test('the guide to Google Cloud names only metrics that there are', async () => {
  const { types } = parseExposition(await new Metrics().render());
  const named = [...guide.matchAll(/\bsessionfs_[a-z_]+/g)].map(([name]) => name);
  assert.ok(named.length > 5, 'the guide names no metrics');
  assert.deepEqual(
    named.filter((name) => !types.has(name)),
    [],
  );
});

test('the guide has the four lines that operators watch for, word for word', () => {
  assert.deepEqual(
    markdownTable(GUIDE, ['msg', 'means', 'what to do']).map(([line]) => line),
    [
      'Session backed up to Cloud Storage',
      'Session restored from Cloud Storage',
      'Failed to backup to Cloud Storage, continuing with local storage',
      'Automatic backup scheduled for session',
    ],
  );
});
