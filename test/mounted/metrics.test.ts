/** What a mount without a bucket says of its filesystem: metrics, status.json, and `sessionfs status`. */
import assert from 'node:assert/strict';
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { runCli } from '../cli/run-cli.ts';
import { parseExposition } from '../observe/support/prometheus-text.ts';
import { freePort } from '../support/free-port.ts';
import { mountSessionfs } from '../support/mount-sessionfs.ts';
import { openFiles } from '../support/open-files.ts';
import { until } from '../support/until.ts';
import { sessionTree, writeTree } from './session-files.ts';

const SESSION = 'user1-+15550001';
const HALF = '{"half":';

test('metrics and status tell what the filesystem did, holds, holds back and refuses', async (t) => {
  const port = await freePort();
  const mounted = await mountSessionfs(t, { env: { SESSION_HTTP_ADDRESS: `127.0.0.1:${port}` } });
  const { mountPoint } = mounted;
  const scrape = async () =>
    parseExposition(await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()).samples;
  const before = await scrape();
  const tree = sessionTree(SESSION);
  writeTree(mountPoint, tree);
  const count = Object.keys(tree).filter((path) => path.endsWith('.json')).length;

  const fd = openSync(join(mountPoint, SESSION, 'creds.json'), 'w');
  writeSync(fd, HALF);
  t.after(() => closeSync(fd));
  const temporary = join(mountPoint, SESSION, '.app-state.json.AbCd');
  writeFileSync(temporary, HALF);
  assert.throws(() => renameSync(temporary, join(mountPoint, SESSION, 'app-state.json')), { code: 'EIO' });
  assert.throws(() => readFileSync(join(mountPoint, 'missing')), { code: 'ENOENT' });
  mkdirSync(join(mountPoint, 'user2-+15550002'));

  const after = await scrape();
  const grown = (name: string) => (after.get(name) ?? Number.NaN) - (before.get(name) ?? Number.NaN);
  assert.ok(grown('sessionfs_operations_total{operation="write"}') >= count + 2);
  assert.ok(grown('sessionfs_operations_total{operation="mkdir"}') >= 2);
  assert.ok(grown('sessionfs_operation_duration_seconds_sum{operation="write"}') > 0);
  assert.equal(grown('sessionfs_operation_errors_total{error="EIO"}'), 1);
  assert.equal(grown('sessionfs_incomplete_json_total{outcome="rename-refused"}'), 1);
  assert.equal(grown('sessionfs_files'), count + 1);
  assert.equal(grown('sessionfs_held_back_files'), 1);
  assert.equal(after.get('sessionfs_sessions{state="local"}'), 2);
  assert.ok((after.get('sessionfs_dirty_files') ?? 0) > 0);
  for (const name of ['sessionfs_journal_bytes', 'sessionfs_cache_bytes', 'sessionfs_cache_free_bytes'])
    assert.ok((after.get(name) ?? 0) > 0, name);

  const status = JSON.parse(readFileSync(join(mountPoint, '.sessionfs/status.json'), 'utf8'));
  assert.deepEqual(
    [status.heldBack.files, status.heldBack.longest[0]?.file, status.heldBack.longest[0]?.bytes],
    [1, `${SESSION}/creds.json`, HALF.length],
  );
  const { stdout } = runCli(['status', mountPoint]);
  assert.match(
    stdout,
    /^held back +1 file of incomplete JSON: readers see the version before\n +\S*creds\.json: 8 bytes, unchanged since 2\S+:\d\dZ \(.* ago\)/m,
  );
  assert.match(
    stdout,
    /^EIO +rename of \S+\.AbCd to \S+\/app-state\.json, at 2\S+:\d\dZ \(.* ago\): its 8 bytes are incomplete JSON$/m,
  );

  const log = openSync(join(mountPoint, SESSION, 'log'), 'w');
  t.after(() => closeSync(log));
  const daemon = await mounted.daemonPid();
  let syncs = 0;
  // Of the journal: one to append, one each of the threads that sync it.
  await until(() => {
    writeSync(log, 'line');
    fsyncSync(log);
    syncs++;
    return journalDescriptors(daemon) >= 3;
  });
  const synced = await scrape();
  const fsyncs = 'sessionfs_operations_total{operation="fsync"}';
  assert.equal((synced.get(fsyncs) ?? 0) - (after.get(fsyncs) ?? 0), syncs);
  await mounted.unmount();
});

function journalDescriptors(pid: number): number {
  return openFiles(pid).filter(({ target }) => target.includes('/journal/')).length;
}
