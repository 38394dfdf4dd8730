/** Names that another mount may have made, sessions that are refused, and sessions that leave the memory. */

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { PARKED, ROOT_NODE } from '../../src/fs/contract.ts';
import { Errno } from '../../src/lib/errno.ts';
import { S_IFREG } from '../../src/lib/file-type.ts';
import { CALLER, type Harness, newAttributes, newEntry } from './harness.ts';
import { find, harness, mkdir, read, write } from './support.ts';

const NAME = 'u-+1';
const OTHER = 'u-+2';
const VALID_MS = 3_000;

function shared(t: TestContext, absent: string[] = []): Harness {
  return harness(t, { bucket: { absent, namesKnown: true, rootListable: true, shared: true } });
}

/** As the kernel is told of a name that is free. */
const FREE = 'free';

function lookup(h: Harness, name = NAME): unknown {
  const entry = newEntry();
  const status = h.fs.lookup(ROOT_NODE, name, entry);
  return status === 0 && entry.nodeId === 0 ? FREE : status;
}

test('a name that is not here is asked for once; if no mount has it, it is free for some seconds', (t) => {
  const h = shared(t);
  assert.deepEqual(
    [lookup(h), lookup(h), h.fs.mkdir(ROOT_NODE, NAME, 0o700, CALLER, newEntry())],
    [PARKED, PARKED, PARKED],
  );
  assert.deepEqual(h.names, [NAME]);
  h.hybrid.learnName(NAME, false);
  assert.equal(lookup(h), FREE);
  h.nowMs += VALID_MS - 1;
  assert.equal(lookup(h), FREE);
  h.nowMs += 1;
  assert.equal(lookup(h), PARKED);
  assert.deepEqual(h.names, [NAME, NAME]);
  h.hybrid.learnName(NAME, false);
  assert.equal(h.fs.mkdir(ROOT_NODE, NAME, 0o700, CALLER, newEntry()), 0);
  h.nowMs += VALID_MS;
  assert.equal(lookup(h), 0);
});

test('a name that another mount has made is a session whose content is waited for', (t) => {
  const h = shared(t);
  assert.equal(lookup(h), PARKED);
  h.hybrid.learnName(NAME, true);
  assert.equal(lookup(h), 0);
  const names: string[] = [];
  assert.equal(
    h.fs.readdir(ROOT_NODE, 0, ({ name }) => names.push(name) > 0),
    0,
  );
  assert.ok(names.includes(NAME));
  assert.equal(h.fs.mkdir(ROOT_NODE, NAME, 0o700, CALLER, newEntry()), Errno.EEXIST);
  assert.deepEqual(h.wanted, []);
  assert.equal(h.fs.lookup(find(h, NAME), 'creds.json', newEntry()), PARKED);
  assert.deepEqual(h.wanted, [NAME]);
});

test('an empty session folder of an earlier run is asked for like a name that is not here, until it holds a file', async (t) => {
  const h = shared(t);
  lookup(h);
  h.hybrid.learnName(NAME, false);
  const made = mkdir(h, NAME);
  h.nowMs += VALID_MS;
  assert.equal(
    h.fs.readdir(made, 0, () => true),
    0,
    'of this run',
  );
  await h.checkpoint();
  h.restart();
  const session = find(h, NAME);
  const calls = () => [
    h.fs.readdir(session, 0, () => true),
    h.fs.lookup(session, 'creds.json', newEntry()),
    h.fs.mknod(session, 'creds.json', S_IFREG | 0o600, CALLER, newEntry()),
  ];
  h.names.length = 0;
  assert.deepEqual(calls(), [PARKED, PARKED, PARKED]);
  assert.deepEqual([h.names, h.wanted], [[NAME], []]);
  h.hybrid.learnName(NAME, false);
  assert.deepEqual(calls(), [0, 0, 0]);
  h.nowMs += VALID_MS;
  assert.equal(
    h.fs.readdir(session, 0, () => true),
    0,
  );
  assert.deepEqual(h.names, [NAME]);
});

test('an empty session folder that another mount has filled waits for what it holds', async (t) => {
  const h = shared(t);
  lookup(h);
  h.hybrid.learnName(NAME, false);
  mkdir(h, NAME);
  await h.checkpoint();
  h.restart();
  const session = find(h, NAME);
  const list = () => h.fs.readdir(session, 0, () => true);
  assert.equal(list(), PARKED);
  h.hybrid.learnName(NAME, true);
  assert.deepEqual([list(), h.wanted], [PARKED, [NAME]]);
  h.restore(NAME);
  h.hybrid.learnName(NAME, false);
  assert.equal(list(), 0);
});

test('files, hidden names and names in sessions are not asked for, nor any where no other mount shares the bucket', (t) => {
  const h = shared(t);
  for (const name of ['creds.json', 'x.json.tmp', '.hidden']) assert.equal(lookup(h, name), FREE);
  h.fs.mkdir(ROOT_NODE, NAME, 0o700, CALLER, newEntry());
  h.hybrid.learnName(NAME, false);
  const session = mkdir(h, NAME);
  assert.equal(find(h, `${NAME}/sub`), 0);
  assert.equal(h.fs.lookup(session, 'sub', newEntry()), 0);
  assert.deepEqual(h.names, [NAME]);
  const alone = harness(t, { bucket: { absent: [], namesKnown: true, rootListable: true } });
  assert.equal(lookup(alone), FREE);
  assert.deepEqual(alone.names, []);
});

test('only a caller that waits for a session that is refused gets EBUSY; the next one waits again', (t) => {
  const h = shared(t, [NAME, OTHER]);
  const session = find(h, NAME);
  const calls = () => [
    h.fs.lookup(session, 'creds.json', newEntry()),
    h.fs.readdir(session, 0, () => true),
    h.fs.mknod(session, 'x', S_IFREG | 0o600, CALLER, newEntry()),
    h.fs.lookup(find(h, OTHER), 'creds.json', newEntry()),
    h.fs.getattr(session, newAttributes()),
  ];
  assert.deepEqual(calls(), [PARKED, PARKED, PARKED, PARKED, 0]);
  let retried: unknown;
  h.hybrid.refuse(NAME, () => {
    retried = calls();
  });
  assert.deepEqual(retried, [Errno.EBUSY, Errno.EBUSY, Errno.EBUSY, PARKED, 0]);
  assert.deepEqual(h.wanted, [NAME, OTHER]);
  assert.deepEqual(calls(), [PARKED, PARKED, PARKED, PARKED, 0]);
  assert.deepEqual(h.wanted, [NAME, OTHER, NAME]);
});

test('the longest unused session that is at rest leaves the memory, and comes back', async (t) => {
  const h = harness(t, { bucket: { absent: [], namesKnown: true, rootListable: true } });
  for (const name of [NAME, OTHER, 'u-+3']) {
    mkdir(h, name);
    write(h, `${name}/creds.json`, `{"of":"${name}"}`);
  }
  // What only the journal has cannot go.
  assert.equal(h.hybrid.evictLeastUsed([]), undefined);
  await h.checkpoint();
  assert.equal(read(h, `${NAME}/creds.json`), `{"of":"${NAME}"}`);
  assert.equal(h.hybrid.evictLeastUsed([]), OTHER);
  assert.equal(h.hybrid.evictLeastUsed(['u-+3']), NAME);
  assert.equal(h.fs.lookup(find(h, OTHER), 'creds.json', newEntry()), PARKED);
  assert.deepEqual(h.wanted, [OTHER]);
  h.restore(OTHER);
  assert.equal(read(h, `${OTHER}/creds.json`), `{"of":"${OTHER}"}`);
  write(h, 'u-+3/creds.json', '{"new":1}');
  assert.equal(h.hybrid.evictLeastUsed([OTHER]), undefined);
});

test('a name that cannot be stored is refused when it is made: a file in the root has a mark added to its name', (t) => {
  const h = harness(t);
  const make = (name: string) => h.fs.mknod(ROOT_NODE, name, S_IFREG | 0o600, CALLER, newEntry());
  assert.equal(make('x'.repeat(255)), Errno.ENAMETOOLONG);
  assert.equal(make('x'.repeat(254)), 0);
  assert.equal(make(`${'x'.repeat(250)}.json`), 0);
  assert.equal(h.fs.mkdir(ROOT_NODE, 'd'.repeat(255), 0o700, CALLER, newEntry()), 0);
  assert.equal(h.fs.rename(ROOT_NODE, 'x'.repeat(254), ROOT_NODE, 'y'.repeat(255), 0), Errno.ENAMETOOLONG);
});
