/** What is said of a mount that no daemon serves, and whom that is believed. */
import assert from 'node:assert/strict';
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { noticeDirectories, RestartNotice, readRestartState } from '../../src/supervisor/restart-notice.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const DEVICE = '0:4711';
const uid = process.geteuid?.() ?? 0;
const isRoot = uid === 0;

test('it is there from the first death until a daemon serves, and counts', (t) => {
  const directory = join(temporaryDirectory(t), 'sessionfs');
  const notice = new RestartNotice('/srv/sessions', [directory]);
  assert.equal(readRestartState(DEVICE, [directory]), undefined);
  notice.daemonDied(DEVICE);
  const first = readRestartState(DEVICE, [directory]);
  notice.daemonDied(DEVICE);
  const second = readRestartState(DEVICE, [directory]);
  assert.deepEqual([first?.deaths, second?.deaths], [1, 2]);
  assert.deepEqual([second?.since, second?.mountPoint], [first?.since, '/srv/sessions']);
  assert.equal(second?.supervisor.pid, process.pid);
  assert.deepEqual(readdirSync(directory), [`${DEVICE}.json`]);
  assert.equal(lstatSync(directory).mode & 0o777, 0o700);
  assert.equal(lstatSync(join(directory, `${DEVICE}.json`)).mode & 0o777, 0o600);
  notice.clear();
  assert.deepEqual(readdirSync(directory), []);
  notice.daemonDied(DEVICE);
  assert.equal(readRestartState(DEVICE, [directory])?.deaths, 1);
});

test('where it cannot be written the next place is taken, and none is no failure', (t) => {
  const root = temporaryDirectory(t);
  writeFileSync(join(root, 'file'), '');
  const open = join(root, 'open');
  mkdirSync(open);
  chmodSync(open, 0o777);
  symlinkSync(open, join(root, 'link'));
  const good = join(root, 'good');
  const bad = [join(root, 'file'), open, join(root, 'link')];
  new RestartNotice('/m', bad).daemonDied(DEVICE);
  assert.deepEqual(readdirSync(open), []);
  new RestartNotice('/m', [...bad, good]).daemonDied(DEVICE);
  assert.deepEqual(readdirSync(good), [`${DEVICE}.json`]);
});

test('a file that a link stands for, that others may write, or that is no such record, is not believed', (t) => {
  const root = temporaryDirectory(t);
  const directory = join(root, 'sessionfs');
  new RestartNotice('/m', [directory]).daemonDied(DEVICE);
  const path = join(directory, `${DEVICE}.json`);
  const text = readFileSync(path, 'utf8');
  assert.ok(readRestartState(DEVICE, [directory]) !== undefined);
  chmodSync(path, 0o666);
  assert.equal(readRestartState(DEVICE, [directory]), undefined);
  const links = join(root, 'links');
  mkdirSync(links);
  chmodSync(path, 0o600);
  symlinkSync(path, join(links, `${DEVICE}.json`));
  assert.equal(readRestartState(DEVICE, [links]), undefined);
  const wrong = [text.slice(1), '{}', text.replace(`"pid":${process.pid}`, '"pid":"1"')];
  for (const content of wrong) {
    writeFileSync(path, content);
    assert.equal(readRestartState(DEVICE, [directory]), undefined, content);
  }
});

test('a supervisor that is gone, or whose id is another process’s by now, is not believed', (t) => {
  const directory = join(temporaryDirectory(t), 'sessionfs');
  new RestartNotice('/m', [directory]).daemonDied(DEVICE);
  const path = join(directory, `${DEVICE}.json`);
  const state = JSON.parse(readFileSync(path, 'utf8'));
  for (const supervisor of [
    { ...state.supervisor, pid: 2 ** 30 },
    { ...state.supervisor, startTime: '1' },
  ]) {
    writeFileSync(path, JSON.stringify({ ...state, supervisor }));
    assert.equal(readRestartState(DEVICE, [directory]), undefined);
  }
});

test('a file of another user is not believed, except root’s', { skip: !isRoot }, (t) => {
  const directory = join(temporaryDirectory(t), 'sessionfs');
  new RestartNotice('/m', [directory]).daemonDied(DEVICE);
  assert.ok(readRestartState(DEVICE, [directory], 1000) !== undefined, 'root is believed');
  chownSync(join(directory, `${DEVICE}.json`), 1001, 1001);
  assert.equal(readRestartState(DEVICE, [directory], 1000), undefined);
  assert.ok(readRestartState(DEVICE, [directory], 1001) !== undefined);
});

test('root writes below /run, others to their own runtime directory', () => {
  const env = { XDG_RUNTIME_DIR: '/run/user/7' };
  assert.deepEqual(noticeDirectories(env, 0), ['/run/sessionfs', '/run/user/7/sessionfs']);
  assert.deepEqual(noticeDirectories(env, 7), ['/run/user/7/sessionfs', '/run/sessionfs']);
  assert.deepEqual(noticeDirectories({ XDG_RUNTIME_DIR: 'relative' }, 7), ['/run/sessionfs']);
});
