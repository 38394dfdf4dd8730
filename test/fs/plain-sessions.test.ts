import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { findPlainSessions } from '../../src/fs/startup/plain-sessions.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const DATABASE = 'SQLite format 3\0 and its pages';

it('finds sessions of files and of a database, and names what is neither', (t) => {
  const folder = temporaryDirectory(t);
  const put = (path: string, content: string) => {
    mkdirSync(join(folder, path, '..'), { recursive: true });
    writeFileSync(join(folder, path), content);
  };
  put('files/creds.json', '{}');
  put('files/creds.json.bak', '{}');
  put('database/auth.db', DATABASE);
  put('database/auth.db-wal', '');
  put('database/auth.db-shm', '');
  put('database/auth.db-journal', '');
  put('bot.sqlite', DATABASE);
  put('bot.sqlite-wal', 'frames');
  put('alone-wal', 'no database has this name');
  put('photo/photo.jpg', 'a picture');
  put('damaged/auth.db', DATABASE.slice(0, 15));
  const { sessions, foreign } = findPlainSessions(folder);
  assert.deepEqual(sessions.sort(), ['bot.sqlite', 'bot.sqlite-wal', 'database', 'files']);
  assert.deepEqual(foreign.sort(), ['alone-wal', 'damaged', 'photo']);
});
