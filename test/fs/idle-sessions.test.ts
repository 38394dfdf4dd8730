/** Sessions that leave memory when they rest, and come back as they were. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { ROOT_NODE } from '../../src/fs/contract.ts';
import { type Harness, type HarnessOptions, newAttributes, newEntry } from './harness.ts';
import { BUCKET, find, foldersInMemory, harness, mkdir, read, unlink, write } from './support.ts';

const SESSIONS = ['a-+1', 'b-+2', 'c-+3', 'd-+4'];
const FILES = ['creds.json', 'k1.json', 'k2.json', 'k3.json', 'k4.json'];
/** What two sessions have: beyond it the others are to go. */
const LIMIT = 10;
const REST_MS = 61_000;

/** Four sessions, all in the cache. */
async function started(t: TestContext, options: HarnessOptions = {}): Promise<Harness> {
  const h = harness(t, { filesInMemory: LIMIT, ...options });
  for (const session of SESSIONS) {
    mkdir(h, session);
    for (const file of FILES) write(h, `${session}/${file}`, `{"of":"${session}"}`);
  }
  h.settle();
  await h.checkpoint();
  h.restart();
  return h;
}

/** Every file of the session is looked up and read; the kernel knows them from then on. Returns their numbers. */
function use(h: Harness, session: string): number[] {
  return FILES.map((file) => {
    assert.equal(read(h, `${session}/${file}`), `{"of":"${session}"}`);
    return find(h, `${session}/${file}`);
  });
}

/** As the kernel does when it is told to: it gives up all that it looked up. */
function forget(h: Harness, numbers: readonly number[]): void {
  for (const number of numbers) {
    const node = h.opened.core.tree.byId(number);
    if (node !== undefined) h.fs.forget(number, node.lookups);
  }
}

function rest(h: Harness, ms = REST_MS): void {
  h.nowMs += ms;
  h.fs.settleIdle();
}

function statOf(h: Harness, path: string) {
  const out = newAttributes();
  assert.equal(h.fs.getattr(find(h, path), out), 0);
  return out;
}

/** All sessions were used, in their order, and the kernel has forgotten what it was asked to. */
async function rested(t: TestContext): Promise<Harness> {
  const h = await started(t);
  const numbers = SESSIONS.map((session) => {
    h.nowMs += 1000;
    return use(h, session);
  });
  rest(h);
  const folders = ['a-+1', 'b-+2'].map((session) => find(h, session));
  assert.deepEqual(
    h.invalidated,
    folders.flatMap((folder) => FILES.map((file) => `entry ${folder} ${file}`)),
  );
  assert.deepEqual(foldersInMemory(h), SESSIONS, 'the kernel knows them still');
  forget(h, numbers.flat());
  rest(h, 0);
  return h;
}

describe('a session at rest', () => {
  it('leaves memory where there are more files than may be, the longest at rest first, once the kernel has forgotten it', async (t) => {
    const h = await rested(t);
    assert.deepEqual(foldersInMemory(h), ['c-+3', 'd-+4']);
    assert.equal(h.opened.core.tree.files, LIMIT);
    assert.equal(h.fs.files, SESSIONS.length * FILES.length, 'it still counts');
    assert.equal(h.fs.hasPending, false);
  });

  it('comes back with the numbers that its files had, and goes on in a listing', async (t) => {
    const h = await started(t);
    const listed: [name: string, number: number][] = [];
    const folder = find(h, 'a-+1');
    h.fs.readdir(folder, 0, ({ name, ino }) => listed.length < 2 && listed.push([name, ino]) > 0);
    const numbers = new Map(FILES.map((file) => [file, statOf(h, `a-+1/${file}`).ino]));
    for (const session of SESSIONS.slice(1)) use(h, session);
    rest(h);
    forget(h, [...numbers.values()]);
    rest(h, 0);
    assert.ok(!foldersInMemory(h).includes('a-+1'));
    const last = listed.at(-1)?.[1] as number;
    h.fs.readdir(folder, last, ({ name, ino }) => listed.push([name, ino]) > 0);
    assert.deepEqual(
      listed,
      [...numbers].sort(([, a], [, b]) => a - b),
    );
  });

  it('comes back with the times and modes that stat told', async (t) => {
    const h = await started(t);
    h.nowMs += 5000;
    const out = newAttributes();
    assert.equal(h.fs.setattr(find(h, 'a-+1/k1.json'), { mode: 0o640, atime: { sec: 7, nsec: 8 } }, out), 0);
    write(h, 'a-+1/creds.json', '{"of":"a-+1"}');
    h.nowMs += 1000;
    assert.equal(h.fs.rename(find(h, 'a-+1'), 'k2.json', find(h, 'a-+1'), 'k5.json', 0), 0);
    await h.checkpoint();
    const paths = ['creds.json', 'k1.json', 'k3.json', 'k5.json'].map((name) => `a-+1/${name}`);
    const before = paths.map((path) => statOf(h, path));
    for (const session of SESSIONS.slice(1)) use(h, session);
    rest(h);
    forget(
      h,
      before.map(({ ino }) => ino),
    );
    rest(h, 0);
    assert.ok(!foldersInMemory(h).includes('a-+1'));
    assert.deepEqual(
      paths.map((path) => statOf(h, path)),
      before,
    );
  });

  it('stays while the kernel holds one of its files, and the kernel is not asked again at once', async (t) => {
    const h = await started(t);
    const held = use(h, 'a-+1');
    for (const session of SESSIONS.slice(1, 3)) use(h, session);
    rest(h);
    forget(h, held.slice(1));
    for (let second = 0; second < 45; second++) rest(h, 1000);
    assert.deepEqual(foldersInMemory(h), ['a-+1', 'b-+2', 'c-+3']);
    const folder = find(h, 'a-+1');
    assert.equal(h.invalidated.filter((each) => each === `entry ${folder} creds.json`).length, 1);
    const out = Buffer.alloc(100);
    assert.equal(h.fs.read(held[0] as number, 0, 100, out, 0), 13);
  });

  it('stays where those that the kernel was asked to forget are enough', async (t) => {
    const h = await started(t);
    for (const session of SESSIONS) {
      h.nowMs += 1000;
      use(h, session);
    }
    rest(h);
    const asked = [...h.invalidated];
    assert.equal(asked.length, LIMIT);
    rest(h, 2000);
    assert.deepEqual(h.invalidated, asked);
  });

  it('stays where a database lies in it whose log is watched', async (t) => {
    const h = await started(t);
    write(h, 'a-+1/auth.db-wal', 'log');
    h.settle();
    await h.checkpoint();
    const numbers = SESSIONS.flatMap((session) => use(h, session));
    forget(h, [...numbers, find(h, 'a-+1/auth.db-wal')]);
    rest(h);
    assert.deepEqual(foldersInMemory(h), ['a-+1']);
  });

  it('stays while it is used', async (t) => {
    const h = await started(t);
    const numbers = SESSIONS.map((session) => use(h, session));
    for (let second = 0; second < 100; second++) {
      for (const number of numbers.flat()) h.fs.read(number, 0, 1, Buffer.alloc(1), 0);
      rest(h, 1000);
    }
    assert.deepEqual([foldersInMemory(h), h.invalidated], [SESSIONS, []]);
  });

  it('stays while the journal has something of it, also what is gone', async (t) => {
    const h = await started(t);
    const numbers = SESSIONS.flatMap((session) => use(h, session));
    unlink(h, 'a-+1/k1.json');
    forget(h, numbers);
    rest(h);
    assert.deepEqual(foldersInMemory(h), ['a-+1', 'd-+4']);
    use(h, 'b-+2');
    await h.checkpoint();
    forget(
      h,
      FILES.map((file) => find(h, `b-+2/${file}`)),
    );
    rest(h);
    rest(h, 2000);
    assert.ok(!foldersInMemory(h).includes('a-+1'));
    const entry = newEntry();
    assert.equal(h.fs.lookup(find(h, 'a-+1'), 'k1.json', entry), 0);
    assert.equal(entry.nodeId, 0, 'it does not come back');
    assert.equal(h.fs.lookup(ROOT_NODE, 'a-+1', entry), 0);
  });

  it('leaves with a bucket, too, whatever others the kernel holds', async (t) => {
    const h = await started(t, { bucket: BUCKET });
    const numbers = SESSIONS.map((session) => {
      h.nowMs += 1000;
      return use(h, session);
    });
    forget(h, numbers.slice(2).flat());
    rest(h);
    assert.deepEqual([foldersInMemory(h), h.invalidated], [['a-+1', 'b-+2'], []]);
  });

  it('can be changed, and taken over, when it is back', async (t) => {
    const h = await rested(t);
    write(h, 'a-+1/creds.json', '{"new":1}');
    const number = find(h, 'b-+2/k1.json');
    h.takeOver();
    assert.equal(read(h, 'a-+1/creds.json'), '{"new":1}');
    assert.equal(find(h, 'b-+2/k1.json'), number);
    for (const session of SESSIONS.slice(1)) use(h, session);
  });
});
