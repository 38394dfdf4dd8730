/** Two living processes that write one session in turns are told apart from all that only looks like it. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type { ProcessTable, WriterProcess } from '../../src/fs/model/session-writers.ts';
import type { Harness } from './harness.ts';
import { find, harness, mkdir, write } from './support.ts';

const MESSAGE = /^Two processes write one session in turns; /;
const MINUTE = 60_000;

/** Thread 11 and 12 are of process 10, and so on. */
class Machine implements ProcessTable {
  readonly ended = new Set<number>();
  asked = 0;

  processOf(thread: number): WriterProcess | undefined {
    this.asked++;
    const pid = Math.floor(thread / 10) * 10;
    if (this.ended.has(pid)) return undefined;
    return { pid, startTime: `start of ${pid}`, command: `node bot-${pid}.js` };
  }

  lives({ pid }: WriterProcess): boolean {
    this.asked++;
    return !this.ended.has(pid);
  }
}

interface Session {
  h: Harness;
  machine: Machine;
  /** Each of these threads writes in turn. */
  turns: (...threads: number[]) => void;
  warnings: () => unknown[];
}

function session(t: TestContext): Session {
  const machine = new Machine();
  const h = harness(t, { processes: machine });
  mkdir(h, 'u-+1');
  const node = write(h, 'u-+1/creds.json', '{}');
  return {
    h,
    machine,
    turns: (...threads) => {
      for (const thread of threads) {
        h.nowMs += 1_000;
        assert.equal(h.fs.write(node, 0, Buffer.from('{}'), false, thread), 2);
      }
    },
    warnings: () => h.logs.filter(({ message }) => MESSAGE.test(message)).map(({ fields }) => fields),
  };
}

describe('a session that two processes write', () => {
  it('is warned of once, with both, and is in the status while both live', (t) => {
    const { h, machine, turns, warnings } = session(t);
    turns(11, 21, 12, 22, 11, 21, 11, 21);
    const processes = [
      { pid: 10, command: 'node bot-10.js' },
      { pid: 20, command: 'node bot-20.js' },
    ];
    assert.deepEqual(warnings(), [{ session: 'u-+1', processes }]);
    const [shared, ...more] = h.fs.sharedSessions;
    assert.deepEqual([shared?.session, shared?.processes, more], ['u-+1', processes, []]);
    machine.ended.add(20);
    assert.deepEqual(h.fs.sharedSessions, []);
  });

  it('is found among files that are made, replaced by a rename, and keys', (t) => {
    const { h, warnings } = session(t);
    const names = ['pre-key-1.json', 'session-1.json', 'creds.json.tmp', 'app-state-sync-key-1.json'];
    for (const [i, name] of names.entries()) {
      const node = write(h, `u-+1/${name}`);
      h.fs.write(node, 0, Buffer.from('{}'), false, i % 2 === 0 ? 11 : 21);
    }
    assert.equal(warnings().length, 1);
  });

  it('is warned of again only when more than an hour has passed', (t) => {
    const { h, machine, turns, warnings } = session(t);
    turns(11, 21, 11, 21);
    machine.ended.add(20);
    turns(31, 11, 31, 11);
    assert.equal(warnings().length, 1);
    h.nowMs += 61 * MINUTE;
    turns(31, 11, 31, 11, 31);
    assert.equal(warnings().length, 2);
  });

  it('is found where one of them is of another PID namespace', (t) => {
    const { turns, warnings } = session(t);
    turns(11, 0, 11, 0);
    assert.equal(warnings().length, 1);
  });

  it('is found where three take turns', (t) => {
    const { turns, warnings } = session(t);
    turns(11, 21, 31, 11, 21);
    assert.equal(warnings().length, 1);
  });
});

describe('what is no alarm', () => {
  const cases: Record<string, (of: Session) => void> = {
    'one process with several threads': ({ turns }) => turns(11, 12, 13, 14, 11, 12, 13, 14),
    'a bot that is restarted again and again': ({ machine, turns }) => {
      for (const pid of [10, 20, 30, 40, 50]) {
        turns(pid + 1, pid + 2);
        machine.ended.add(pid);
      }
    },
    'a bot that writes its last while the next one has begun': ({ machine, turns }) => {
      turns(11, 12, 21, 11);
      machine.ended.add(10);
      turns(21, 22, 21, 22);
    },
    'a supervisor that wrote first and lives on': ({ turns }) => turns(11, 21, 22, 23, 21, 22),
    'an operator who changes something now and then': ({ h, turns }) => {
      for (let i = 0; i < 5; i++) {
        turns(11, 21);
        h.nowMs += 6 * MINUTE;
      }
    },
    'commands that end after each write': ({ machine, turns }) => {
      for (let pid = 20; pid < 120; pid += 10) {
        turns(11, pid + 1);
        machine.ended.add(pid);
      }
    },
    'pages that the kernel writes': ({ h }) => {
      const node = find(h, 'u-+1/creds.json');
      for (const thread of [11, undefined, 11, undefined, 11])
        h.fs.write(node, 0, Buffer.from('{}'), false, thread);
    },
    'another kind of file, or one beside the sessions': ({ h }) => {
      for (const path of ['u-+1/notes.txt', 'settings.json']) {
        const node = write(h, path, '{}');
        for (const thread of [11, 21, 11, 21]) h.fs.write(node, 0, Buffer.from('{}'), false, thread);
      }
    },
    'two bots, each with a session of its own': ({ h, turns }) => {
      mkdir(h, 'u-+2');
      const other = write(h, 'u-+2/creds.json', '{}');
      for (let i = 0; i < 4; i++) {
        turns(11);
        h.fs.write(other, 0, Buffer.from('{}'), false, 21);
      }
    },
  };
  for (const [name, run] of Object.entries(cases))
    it(name, (t) => {
      const made = session(t);
      run(made);
      assert.deepEqual(made.warnings(), []);
      assert.deepEqual(made.h.fs.sharedSessions, []);
    });
});

it('a process that goes on writing is asked for once', (t) => {
  const { machine, turns } = session(t);
  turns(11, 12);
  const { asked } = machine;
  for (let i = 0; i < 100; i++) turns(11, 12);
  assert.equal(machine.asked, asked);
});
