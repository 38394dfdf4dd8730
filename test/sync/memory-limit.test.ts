/** Cloud mode keeps below its limit by giving up what the bucket has. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { toObjectName } from '../../src/naming/object-name.ts';
import { MemoryLimit } from '../../src/sync/memory-limit.ts';
import { MemoryBucket } from '../support/memory-bucket.ts';
import { Machine } from './support.ts';

const S = 'u-+1';
const OTHER = 'u-+2';
const creds = (session: string) => toObjectName(`${session}/creds.json`, 'file');

interface Rig {
  machine: Machine;
  memory: MemoryLimit;
  asked: string[][];
  announced: string[];
}

/** Two sessions of 5 bytes, all of which is stored. */
async function rig(t: TestContext, limitBytes: number): Promise<Rig> {
  const machine = new Machine(t, new MemoryBucket());
  for (const session of [S, OTHER]) await machine.write(`${session}/creds.json`, 'ok 12');
  await machine.sync.flusher.flushAll();
  const asked: string[][] = [];
  const announced: string[] = [];
  const { ledger, cache } = machine;
  const memory = new MemoryLimit({
    ledger,
    cache,
    limitBytes,
    evict: (except) => asked.push(except),
    settle: async () => {},
    announce: (session) => announced.push(session),
  });
  return { machine, memory, asked, announced };
}

test('a session that is given up is absent, and its files are gone; more go until it fits', async (t) => {
  const { machine, memory, asked } = await rig(t, 4);
  await memory.evicted(S);
  assert.deepEqual(asked, [[]]);
  assert.deepEqual(machine.ledger.absentSessions, [S]);
  assert.ok(!existsSync(machine.cache.files.locate(creds(S))));
  await memory.evicted(OTHER);
  assert.equal(asked.length, 1);
  assert.deepEqual(machine.ledger.absentSessions.sort(), [S, OTHER]);
});

test('it looks by itself, asks once at a time, and names what is not stored', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const { machine, memory, asked } = await rig(t, 9);
  await machine.write(`${OTHER}/creds.json`, 'ok new');
  memory.start();
  t.mock.timers.tick(1_000);
  t.mock.timers.tick(5_000);
  assert.deepEqual(asked, [[OTHER]]);
  await memory.evicted(undefined);
  t.mock.timers.tick(1_000);
  assert.deepEqual(asked, [[OTHER], [OTHER]]);
  memory.end();
  await memory.evicted(undefined);
  t.mock.timers.tick(5_000);
  assert.equal(asked.length, 2);
});

test('what changed since it was chosen stays', async (t) => {
  const { machine, memory, announced } = await rig(t, 1_000);
  await machine.write(`${S}/creds.json`, 'ok new');
  await memory.evicted(S);
  assert.deepEqual(announced, [S]);
  assert.deepEqual(machine.ledger.absentSessions, []);
  assert.equal(machine.read(`${S}/creds.json`), 'ok new');
});

test('a session that comes back is unchanged if no object of it is another one', async (t) => {
  const { machine, memory } = await rig(t, 1_000);
  await memory.evicted(S);
  await memory.evicted(OTHER);
  machine.bucket.store(creds(OTHER), Buffer.from('ok there'));
  await machine.sync.prepare();
  for (const session of [S, OTHER]) await machine.sync.restorer.restore(session);
  assert.deepEqual([memory.isUnchanged(S), memory.isUnchanged(OTHER)], [true, false]);
  // What it was is forgotten.
  assert.ok(!memory.isUnchanged(S));
});

test('a backup beside its file keeps no session in memory, and is gone when that comes back', async (t) => {
  const { machine, memory, announced } = await rig(t, 4);
  await machine.write(`${S}/creds.json.bak`, 'ok 11');
  await memory.evicted(S);
  assert.deepEqual(announced, []);
  assert.ok(!existsSync(machine.cache.files.locate(`${creds(S)}.bak`)));
  assert.deepEqual(
    machine.ledger.entriesOf(S).map(({ local }) => local),
    ['absent'],
  );
  await machine.sync.restorer.restore(S);
  assert.ok(!memory.isUnchanged(S), 'the kernel would keep a name that is gone');
});

test('a backup that was written since it was stored does not come back as the kernel knows it', async (t) => {
  const { machine, memory, announced } = await rig(t, 4);
  const path = `${S}/creds.json`;
  await machine.delete(path);
  await machine.write(`${path}.bak`, 'ok old');
  await machine.sync.flusher.flushAll();
  await machine.write(path, 'ok 13');
  await machine.sync.flusher.flushAll();
  await machine.write(`${path}.bak`, 'ok newer');
  await memory.evicted(S);
  assert.deepEqual(announced, []);
  await machine.sync.restorer.restore(S);
  assert.equal(machine.read(`${path}.bak`), 'ok old');
  assert.ok(!memory.isUnchanged(S), 'the kernel would keep the size of what is gone');
});
