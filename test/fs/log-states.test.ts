/** States that a write-ahead log tells of: what is lost between thousands of them is found, and none of them holds up the mount. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import Database from 'libsql';
import { NO_ROW, newWatch, type Row } from '../../src/fs/state/database-rows.ts';
import { visitStates } from '../../src/fs/state/log-states.ts';
import { Errno } from '../../src/lib/errno.ts';
import { pagesOf, pagesOver } from '../../src/sqlite/pages.ts';
import type { Transaction } from '../../src/sqlite/write-ahead-log.ts';
import { changed, freshCreds, registeredCreds } from '../support/baileys-creds.ts';
import { BAILEYS_TABLES, saveCreds } from '../support/sqlite-files.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const PAGE = 512;
const PAGES = 24;
const [FRESH, PAIRED] = [freshCreds(), registeredCreds()];
const later = (counter: number) =>
  changed(PAIRED, (creds) => void Object.assign(creds, { accountSyncCounter: counter }));

function imageOf(t: TestContext, creds: string): Buffer {
  const path = join(temporaryDirectory(t), 'auth.db');
  const database = new Database(path);
  database.pragma(`page_size = ${PAGE}`);
  database.exec(BAILEYS_TABLES);
  saveCreds(database, creds);
  database.close();
  const image = Buffer.alloc(PAGE * PAGES);
  assert.ok(readFileSync(path).copy(image) < image.length);
  return image;
}

/** The log has each of `states` once, and transactions that make the database one of them, in that order. */
function visit(t: TestContext, states: readonly string[], order: readonly number[], fails = false) {
  const images = states.map((creds) => imageOf(t, creds));
  const log = Buffer.concat(images);
  const transactions = order.map((state, index): Transaction => {
    const numbers = Array.from({ length: PAGES }, (_, page) => page);
    const at = (page: number) => (state * PAGES + page) * PAGE;
    return {
      end: index + 1,
      pages: new Map(numbers.map((page) => [page + 1, at(page)])),
      databasePages: PAGES,
    };
  });
  const watch = newWatch();
  watch.position = 0;
  const before = pagesOver(pagesOf(images[0] as Buffer, PAGE), log, watch.pages);
  const visited: { position: number; before: string | undefined; after: string | undefined }[] = [];
  const steady: (string | undefined)[] = [];
  const textOf = ({ value }: Row) => value?.toString();
  const result = visitStates({ watch, before, log }, transactions, {
    steady: (row) => steady.push(textOf(row)),
    follow: (row, after) => {
      visited.push({ position: watch.position, before: textOf(row), after: textOf(after) });
      return fails ? Errno.ENOSPC : 0;
    },
  });
  return { result, visited, steady, watch, last: textOf(watch.row ?? NO_ROW) };
}

const times = (count: number, ...states: number[]) => Array.from({ length: count }, () => states).flat();

test('a loss between thousands of transactions is visited with the state right before it', (t) => {
  const order = [...times(1_500, 0, 1), 2, ...times(1_500, 3)];
  const { visited, last, watch } = visit(t, [PAIRED, later(1), later(2), FRESH], order);
  assert.deepEqual(visited[0], { position: 3_001, before: later(2), after: FRESH });
  assert.equal(visited.filter(({ before }) => before !== FRESH).length, 1);
  assert.deepEqual([last, watch.position], [FRESH, order.length]);
});

test('states that go on are not looked at one by one', (t) => {
  const { visited, steady, last } = visit(t, [PAIRED, later(1)], times(2_000, 0, 1));
  assert.deepEqual([visited, steady, last], [[], [later(1)], later(1)]);
});

test('a log of many states takes its time once: what is left of it counts as one transaction', (t) => {
  const other = registeredCreds();
  const order = [...times(10_000, 0), 1];
  const { visited, last, watch } = visit(t, [FRESH, other], order);
  assert.ok(visited.length < 2_500, `${visited.length}`);
  assert.deepEqual([visited.at(-1)?.after, last, watch.position], [other, other, order.length]);
  // Each loss keeps a database.
  const losses = visit(t, [PAIRED, FRESH], times(100, 0, 1));
  const lost = losses.visited.filter(({ before }) => before === PAIRED).length;
  assert.ok(lost >= 1 && lost <= 6, `${lost}`);
  assert.deepEqual([losses.last, losses.watch.position], [FRESH, 200]);
});

test('a state that cannot be passed is met again', (t) => {
  const { result, watch, last } = visit(t, [PAIRED, later(1), FRESH], [0, 1, 2, 2], true);
  assert.deepEqual([result, watch.position, last], [Errno.ENOSPC, 2, later(1)]);
});
