/** What becomes of an open file's name, and in which order requests run meanwhile. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HiddenRenames, type Queued } from '../../../src/drivers/libfuse/hidden-renames.ts';

interface Step extends Queued<string> {
  readonly name: string;
  /** Carrying it out hides this path. */
  readonly hides?: string;
}

const NEVER_MS = 3_600_000;

class Rig {
  readonly done: string[] = [];
  readonly hidden: HiddenRenames<string, Step>;

  constructor(waitMs = NEVER_MS) {
    this.hidden = new HiddenRenames<string, Step>(
      {
        run: (step) => {
          this.done.push(step.name);
          if (step.hides !== undefined) this.hidden.hide(step.thread, step.hides);
        },
        remove: (path) => this.done.push(`remove ${path}`),
      },
      waitMs,
    );
  }

  ask(thread: string, name: string, details: { hides?: string; renamesTo?: string } = {}): void {
    this.hidden.add({ thread, name, renamesTo: undefined, ...details });
  }
}

test('nothing hidden: requests run as they come', () => {
  const rig = new Rig();
  rig.ask('a', 'read');
  rig.ask('b', 'write');
  assert.deepEqual(rig.done, ['read', 'write']);
});

test('a rename onto the hidden path replaces it, and only then others run', () => {
  const rig = new Rig();
  rig.ask('a', 'hide', { hides: '/x' });
  rig.ask('b', 'read');
  rig.ask('c', 'list');
  assert.deepEqual(rig.done, ['hide']);
  rig.ask('a', 'rename', { renamesTo: '/x' });
  assert.deepEqual(rig.done, ['hide', 'rename', 'read', 'list']);
});

test('anything else of the same thread means that the name was removed, before that and before others', () => {
  for (const details of [{}, { renamesTo: '/y' }]) {
    const rig = new Rig();
    rig.ask('a', 'hide', { hides: '/x' });
    rig.ask('b', 'read');
    rig.ask('a', 'next', details);
    assert.deepEqual(rig.done, ['hide', 'remove /x', 'next', 'read']);
  }
});

test('a queued request that hides another file holds back those behind it, in their order', () => {
  const rig = new Rig();
  rig.ask('a', 'hide x', { hides: '/x' });
  rig.ask('b', 'hide y', { hides: '/y' });
  rig.ask('c', 'read');
  rig.ask('b', 'rename', { renamesTo: '/y' });
  rig.ask('d', 'list');
  rig.ask('a', 'next');
  assert.deepEqual(rig.done, ['hide x', 'remove /x', 'next', 'hide y', 'rename', 'read', 'list']);
  rig.ask('e', 'write');
  assert.equal(rig.done.at(-1), 'write');
});

test('the request that settles one name may hide the next', () => {
  const rig = new Rig();
  rig.ask('a', 'hide x', { hides: '/x' });
  rig.ask('b', 'read');
  rig.ask('a', 'hide y', { hides: '/y' });
  assert.deepEqual(rig.done, ['hide x', 'remove /x', 'hide y']);
  rig.ask('a', 'rename', { renamesTo: '/y' });
  assert.deepEqual(rig.done.slice(3), ['rename', 'read']);
});

test('a thread that says nothing more has removed the name', async () => {
  const removed = new Promise<void>((resolve) => {
    const rig = new Rig(1);
    rig.ask('a', 'hide', { hides: '/x' });
    rig.ask('b', 'read');
    const look = setInterval(() => {
      if (rig.done.length < 3) return;
      clearInterval(look);
      assert.deepEqual(rig.done, ['hide', 'remove /x', 'read']);
      resolve();
    }, 1);
  });
  await removed;
});

test('at the end a hidden name is removed, and what was queued runs, whatever that hides', () => {
  const rig = new Rig();
  rig.ask('a', 'hide x', { hides: '/x' });
  rig.ask('b', 'hide y', { hides: '/y' });
  rig.ask('c', 'read');
  rig.hidden.finish();
  assert.deepEqual(rig.done, ['hide x', 'remove /x', 'hide y', 'remove /y', 'read']);
});
