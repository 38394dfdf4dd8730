/** What is on stable storage when a restored session is announced. */
import assert from 'node:assert/strict';
import { readFileSync, readlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileOperations } from '../../src/lib/file-operations.ts';
import { toObjectName } from '../../src/naming/object-name.ts';
import { MemoryBucket } from '../support/memory-bucket.ts';
import { Machine } from './support.ts';

const S = 'u-+1';
const FILES = ['creds.json', 'a.json', 'deep/b.json'].map((file) => `${S}/${file}`);

/** `sync PATH` and `name PATH`, from here on. */
function recorded(t: TestContext): string[] {
  const done: string[] = [];
  const { fsync, rename } = fileOperations;
  t.mock.method(fileOperations, 'fsync', async (fd: number) => {
    const path = readlinkSync(`/proc/self/fd/${fd}`);
    await fsync(fd);
    done.push(`sync ${path}`);
  });
  t.mock.method(fileOperations, 'rename', async (from: string, path: string) => {
    assert.ok(done.includes(`sync ${from}`), `${path} gets its name before its content is durable`);
    await rename(from, path);
    done.push(`name ${path}`);
  });
  return done;
}

test('all of it: each content before its name, and every name', async (t) => {
  const bucket = new MemoryBucket();
  for (const path of FILES) bucket.store(toObjectName(path, 'file'), Buffer.from('ok'));
  const machine = new Machine(t, bucket);
  await machine.sync.prepare();
  const done = recorded(t);
  assert.equal(await machine.sync.restorer.restore(S), true);
  assert.equal(machine.restored.length, 1);
  for (const path of FILES) {
    const file = machine.cache.files.locate(toObjectName(path, 'file'));
    const named = done.indexOf(`name ${file}`);
    assert.ok(named >= 0, path);
    for (let folder = dirname(file); folder !== machine.cache.path; folder = dirname(folder))
      assert.ok(done.indexOf(`sync ${folder}`, named) > named, `${folder} is not durable`);
  }
  assert.ok(done.every((entry) => entry.includes(join(machine.cache.path, ''))));
});

test('no file has its name before the ledger durably knows of it: after a power cut nothing would ever take it out', async (t) => {
  const bucket = new MemoryBucket();
  const names = FILES.map((path) => toObjectName(path, 'file'));
  for (const name of names) bucket.store(name, Buffer.from('ok'));
  const machine = new Machine(t, bucket);
  await machine.sync.prepare();
  const ledger = machine.cache.files.locate('bucket.log');
  let durable = '';
  const early: string[] = [];
  const { fdatasync, rename } = fileOperations;
  t.mock.method(fileOperations, 'fdatasync', async (fd: number) => {
    if (readlinkSync(`/proc/self/fd/${fd}`) !== ledger) return fdatasync(fd);
    const written = readFileSync(ledger, 'utf8');
    // It takes longer than the downloads.
    await sleep(100);
    await fdatasync(fd);
    durable = written;
  });
  t.mock.method(fileOperations, 'rename', async (from: string, path: string) => {
    for (const name of names)
      if (path === machine.cache.files.locate(name) && !durable.includes(JSON.stringify(name)))
        early.push(name);
    await rename(from, path);
  });
  assert.equal(await machine.sync.restorer.restore(S), true);
  assert.deepEqual(early, []);
});

test('what came before a failure is as durable: it is not fetched again', async (t) => {
  const bucket = new MemoryBucket();
  for (const path of FILES) bucket.store(toObjectName(path, 'file'), Buffer.from('ok'));
  const machine = new Machine(t, bucket);
  await machine.sync.prepare();
  const done = recorded(t);
  bucket.before = ({ name }) => {
    if (name.endsWith('b.json')) throw new Error('no answer');
  };
  const waiting = machine.sync.restorer.restore(S);
  await machine.until(() => machine.counted.includes('restore failure'));
  const creds = machine.cache.files.locate(toObjectName(`${S}/creds.json`, 'file'));
  const named = done.indexOf(`name ${creds}`);
  assert.ok(named >= 0);
  assert.ok(done.indexOf(`sync ${dirname(creds)}`, named) > named);
  bucket.before = () => {};
  assert.equal(await waiting, true);
  assert.equal(bucket.calls.filter(({ name }) => name.endsWith('creds.json')).length, 1);
});

test('what replaces an older version counts as restored once it is durable: a power cut brings that one back', async (t) => {
  const bucket = new MemoryBucket();
  const machine = new Machine(t, bucket);
  const [creds, key, gone] = ['creds.json', 'key.json', 'gone.json'].map((file) => `${S}/${file}`) as [
    string,
    string,
    string,
  ];
  for (const path of [creds, key, gone]) await machine.write(path, 'ok old');
  await machine.sync.flusher.flush(S);
  for (const path of [creds, key, gone]) bucket.store(toObjectName(path, 'file'), Buffer.from('ok new'));
  await machine.sync.prepare();
  bucket.objects.delete(toObjectName(gone, 'file'));
  const stateOf = (path: string) => machine.ledger.get(toObjectName(path, 'file'))?.local;
  const folder = dirname(machine.cache.files.locate(toObjectName(creds, 'file')));
  const { fsync } = fileOperations;
  let atSync: unknown;
  t.mock.method(fileOperations, 'fsync', async (fd: number) => {
    if (readlinkSync(`/proc/self/fd/${fd}`) === folder) atSync = [creds, key, gone].map(stateOf);
    await fsync(fd);
  });
  assert.equal(await machine.sync.restorer.restore(S), true);
  assert.deepEqual(atSync, ['absent', 'absent', 'absent']);
  assert.deepEqual([creds, key, gone].map(stateOf), ['same', 'same', undefined]);
  assert.equal(machine.read(key), 'ok new');
});
