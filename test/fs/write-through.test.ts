/** Cloud mode's core: what a caller is to wait for, what is told of a file meanwhile, and what a server that takes over must not repeat. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { CALLER, Harness, newAttributes, newEntry } from './harness.ts';

const SESSION = 'u-+1';
const bucket = { absent: [], namesKnown: true, rootListable: true, writeThrough: true };

function opened(t: TestContext): { harness: Harness; session: number } {
  const harness = new Harness({ bucket });
  t.after(() => harness.remove());
  harness.fs.begin(1);
  const out = newEntry();
  assert.equal(harness.fs.mkdir(1, SESSION, 0o755, CALLER, out), 0);
  harness.fs.takeUnstored();
  return { harness, session: out.nodeId };
}

let last = 100;

function begin(harness: Harness): number {
  harness.fs.begin(++last);
  return last;
}

function make(harness: Harness, parent: number, name: string): number {
  begin(harness);
  const out = newEntry();
  assert.equal(harness.fs.mknod(parent, name, 0o600, CALLER, out), 0);
  return out.nodeId;
}

function write(harness: Harness, node: number, text: string): void {
  begin(harness);
  assert.equal(harness.fs.write(node, 0, Buffer.from(text), false), text.length);
}

test('a write that completes a file waits, one that does not returns at once', (t) => {
  const { harness, session } = opened(t);
  const node = make(harness, session, 'creds.json');
  assert.equal(harness.fs.takeUnstored(), undefined, 'a *.json that has only been made is nowhere yet');
  write(harness, node, '{"half":');
  assert.equal(harness.fs.takeUnstored(), undefined);
  begin(harness);
  assert.equal(harness.fs.write(node, 8, Buffer.from('1}'), false), 2);
  assert.deepEqual(harness.fs.takeUnstored(), { sessions: [SESSION], credentials: true });
  assert.equal(harness.fs.takeUnstored(), undefined, 'it is told once');
});

test('rename, unlink, chmod and fsync wait; temporary files do not; both sessions of a move are named', (t) => {
  const { harness, session } = opened(t);
  const { fs } = harness;
  const other = newEntry();
  begin(harness);
  assert.equal(fs.mkdir(1, 'v-+2', 0o755, CALLER, other), 0);
  fs.takeUnstored();
  const node = make(harness, session, 'a.json.tmp');
  write(harness, node, '{}');
  assert.equal(fs.takeUnstored(), undefined, 'its renaming is what counts');
  begin(harness);
  assert.equal(fs.rename(session, 'a.json.tmp', other.nodeId, 'a.json', 0), 0);
  assert.deepEqual(fs.takeUnstored()?.sessions, ['v-+2']);
  begin(harness);
  assert.equal(fs.rename(other.nodeId, 'a.json', session, 'b.json', 0), 0);
  assert.deepEqual([...(fs.takeUnstored()?.sessions ?? [])].sort(), [SESSION, 'v-+2']);
  begin(harness);
  assert.equal(fs.setattr(node, { mode: 0o640 }, newAttributes()), 0);
  assert.deepEqual(fs.takeUnstored()?.sessions, [SESSION]);
  begin(harness);
  assert.equal(fs.fsync(node), 0);
  assert.deepEqual(fs.takeUnstored(), { sessions: [SESSION], credentials: false });
  begin(harness);
  assert.equal(fs.unlink(session, 'b.json'), 0);
  assert.deepEqual(fs.takeUnstored()?.sessions, [SESSION]);
});

test('a commit without a waiting caller is urgent instead', (t) => {
  const { harness, session } = opened(t);
  const node = make(harness, session, 'notes.txt');
  harness.fs.takeUnstored();
  write(harness, node, 'text');
  assert.equal(harness.fs.takeUnstored(), undefined);
  harness.urgent.length = 0;
  harness.fs.rollJournal();
  harness.fs.begin(0);
  harness.settle();
  assert.deepEqual(harness.urgent, [[SESSION, 'new']]);
  assert.equal(harness.fs.takeUnstored(), undefined);
});

test('while a write waits, what was told of the file before is told again', (t) => {
  const { harness, session } = opened(t);
  const { fs } = harness;
  const node = make(harness, session, 'creds.json');
  write(harness, node, '{"a":"a long old version"}');
  const before = newAttributes();
  begin(harness);
  assert.equal(fs.setattr(node, { size: 0 }, before), 0);
  harness.nowMs += 5_000;
  write(harness, node, '{}');
  fs.holdAttributes(node);
  const meanwhile = newAttributes();
  fs.getattr(node, meanwhile);
  assert.deepEqual(
    [meanwhile.size, meanwhile.mtimeSec, meanwhile.attributesValidMs],
    [before.size, before.mtimeSec, 0],
  );
  fs.releaseAttributes(node);
  const after = newAttributes();
  fs.getattr(node, after);
  assert.deepEqual([after.size, after.mtimeSec], [2, before.mtimeSec + 5]);
});

test('a server that takes over answers what was carried out and waited, and repeats nothing', (t) => {
  const { harness, session } = opened(t);
  const node = make(harness, session, 'a.json');
  write(harness, node, '{}');
  const unlinked = begin(harness);
  assert.equal(harness.fs.unlink(session, 'a.json'), 0);
  const made = begin(harness);
  const out = newEntry();
  assert.equal(harness.fs.mkdir(1, 'w-+3', 0o755, CALLER, out), 0);
  write(harness, make(harness, session, 'later.json'), '{}');
  harness.takeOver({ bucket, unanswered: [unlinked, made] });
  for (const [number, call] of [
    [unlinked, () => harness.fs.unlink(session, 'a.json')],
    [made, () => harness.fs.mkdir(1, 'w-+3', 0o755, CALLER, newEntry())],
  ] as const) {
    harness.fs.begin(number);
    assert.equal(call(), 0);
    assert.deepEqual(harness.fs.takeUnstored(), { sessions: 'all', credentials: true });
  }
  begin(harness);
  assert.equal(harness.fs.unlink(session, 'a.json'), -2);
});

test('files that are opened beside a waiting write are not given up', (t) => {
  const { harness, session } = opened(t);
  const node = make(harness, session, 'pre-key-1.json');
  for (let n = 0; n < 20; n++) {
    harness.nowMs += 9_000;
    harness.fs.begin(0);
    harness.fs.settleIdle(true);
  }
  write(harness, node, '{"key":1}');
  assert.deepEqual(harness.fs.takeUnstored()?.sessions, [SESSION]);
  const never = make(harness, session, 'never.json');
  harness.nowMs += 11_000;
  harness.fs.begin(0);
  harness.fs.settleIdle(false);
  begin(harness);
  assert.ok(harness.fs.write(never, 0, Buffer.from('{}'), false) < 0, 'it was given up');
});

test('local and hybrid mode wait for nothing', (t) => {
  for (const view of [undefined, { ...bucket, writeThrough: false }]) {
    const harness = new Harness(view === undefined ? {} : { bucket: view });
    t.after(() => harness.remove());
    begin(harness);
    const out = newEntry();
    harness.fs.mkdir(1, SESSION, 0o755, CALLER, out);
    write(harness, make(harness, out.nodeId, 'creds.json'), '{}');
    assert.equal(harness.fs.takeUnstored(), undefined);
  }
});
