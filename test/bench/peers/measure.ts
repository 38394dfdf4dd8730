/** sessionfs beside other filesystems that encrypt, and beside the disk itself: the subjects take turns within each round. */
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  statSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { runWorkload } from '../../support/run-workload.ts';
import { type Measurement, measurement, ratioTarget, record, type SubjectName } from '../measurement.ts';
import { percentile } from '../statistics.ts';
import { open, openDirectory, withScope } from '../subjects.ts';

type Complain = (message: string) => void;

interface Sizes {
  readonly rounds: number;
  /** Of each conversation. */
  readonly messages: number;
  readonly calls: number;
  readonly mebibytes: number;
}

const FULL: Sizes = { rounds: 3, messages: 400, calls: 1000, mebibytes: 64 };
const QUICK: Sizes = { rounds: 1, messages: 60, calls: 200, mebibytes: 16 };
const BURST_FILES = 812;
const MIB = 1024 * 1024;
const FILES = 50;
/** As of a young session file. */
const CONTENT = JSON.stringify({ data: 'x'.repeat(689) });

/** What the goals are about, and nothing else. */
export async function measureGoals(
  names: readonly SubjectName[],
  quick: boolean,
  complain: Complain,
): Promise<Measurement[]> {
  const sizes = quick ? QUICK : FULL;
  const rows = new Rows();
  for (let round = 0; round < sizes.rounds; round++) {
    for (const name of names) {
      await measureBaileys(name, 'multi-file', sizes, rows, complain);
      await withScope(async (scope) =>
        measureCalls(
          await openDirectory(scope, name),
          name,
          sizes,
          rows,
          CALLS.filter(({ target }) => target),
        ),
      );
    }
  }
  return rows.all().filter(({ target }) => target);
}

export async function measurePeers(
  names: readonly SubjectName[],
  quick: boolean,
  complain: Complain,
): Promise<Measurement[]> {
  const sizes = quick ? QUICK : FULL;
  const rows = new Rows();
  for (let round = 0; round < sizes.rounds; round++) {
    for (const name of names) {
      process.stderr.write(`  round ${round + 1} of ${sizes.rounds}: ${name}\n`);
      for (const state of ['multi-file', 'next-sqlite'] as const)
        await measureBaileys(name, state, sizes, rows, complain);
      await withScope(async (scope) => {
        const { directory, processes } = await open(scope, name);
        for (const part of [measureCalls, measureLarge]) {
          try {
            part(directory, name, sizes, rows);
          } catch (error) {
            complain(`${name}: ${(error as Error).message}`);
          }
        }
        const pids = processes();
        if (pids.length > 0) rows.record(MEMORY, name, memoryOf(pids));
      });
    }
  }
  return rows.all();
}

interface Kind {
  readonly name: string;
  readonly unit: string;
  readonly target?: Measurement['target'];
}

const MESSAGES: Kind = {
  name: 'Baileys, multi-file, direct messages',
  unit: '/s',
  target: ratioTarget('>=', 1),
};
const BURST: Kind = {
  name: `Baileys, multi-file, pairing burst of 4 x ${BURST_FILES} files`,
  unit: 'ms',
  target: ratioTarget('<=', 1),
};
const SQLITE: Kind = { name: 'Baileys, SQLite, direct messages', unit: '/s' };
const MEMORY: Kind = { name: 'memory of its processes, after all that', unit: 'MiB' };

/** In the order in which they were first met, but the goals first. */
class Rows {
  readonly #rows = new Map<string, Measurement>();

  constructor() {
    for (const kind of [MESSAGES, BURST, SQLITE]) this.#row(kind);
  }

  record(kind: Kind, subject: SubjectName, value: number): void {
    record(this.#row(kind), subject, value);
  }

  all(): Measurement[] {
    const rows = [...this.#rows.values()].filter(({ rounds }) => Object.keys(rounds).length > 0);
    return [...rows.filter(({ target }) => target), ...rows.filter(({ target }) => !target)];
  }

  #row({ name, unit, target }: Kind): Measurement {
    let row = this.#rows.get(name);
    if (row === undefined) {
      row = { ...measurement(name, unit), target };
      this.#rows.set(name, row);
    }
    return row;
  }
}

async function measureBaileys(
  name: SubjectName,
  state: 'multi-file' | 'next-sqlite',
  { messages }: Sizes,
  rows: Rows,
  complain: Complain,
): Promise<void> {
  try {
    const given = ['--mode', 'init', '--k', '4', '--m', String(messages), '--state', state];
    const run = await withScope(async (scope) => runWorkload(await openDirectory(scope, name), ...given));
    if (!run.ok || !run.msgsPerSec) throw new Error(run.error ?? run.disk?.bad.join(', ') ?? 'not ok');
    rows.record(state === 'multi-file' ? MESSAGES : SQLITE, name, run.msgsPerSec.direct);
    // The bursts run at once: the last one to end is the end of them all.
    const bursts = (run.storeOps?.bursts ?? []).filter(({ files }) => files >= BURST_FILES);
    if (state === 'multi-file' && bursts.length > 0)
      rows.record(BURST, name, Math.max(...bursts.map(({ ms }) => ms)));
  } catch (error) {
    const [reason = ''] = (error as Error).message.split('\n');
    complain(`${name} does not run Baileys' ${state} state: ${reason.slice(0, 200)}`);
  }
}

interface Call {
  readonly name: string;
  readonly target?: Measurement['target'];
  run(folder: string, i: number): void;
}

const file = (folder: string, i: number) => join(folder, `session-${i % FILES}.json`);

const CALLS: readonly Call[] = [
  {
    name: 'read 700 bytes, hot',
    target: ratioTarget('<=', 1.3),
    run: (f, i) => void readFileSync(file(f, i)),
  },
  {
    name: 'overwrite 700 bytes',
    target: ratioTarget('<=', 1.2),
    run: (folder, i) => writeFileSync(file(folder, i), CONTENT),
  },
  {
    name: 'replace 700 bytes by rename',
    run(folder, i) {
      writeFileSync(join(folder, 'new.tmp'), CONTENT);
      renameSync(join(folder, 'new.tmp'), file(folder, i));
    },
  },
  {
    name: 'overwrite 700 bytes and fsync',
    run(folder, i) {
      const fd = openSync(file(folder, i), 'w');
      writeSync(fd, CONTENT);
      fsyncSync(fd);
      closeSync(fd);
    },
  },
  {
    name: 'create 700 bytes and unlink',
    run(folder, i) {
      const path = join(folder, `pre-key-${i}.json`);
      writeFileSync(path, CONTENT);
      unlinkSync(path);
    },
  },
  { name: 'stat', run: (folder, i) => void statSync(file(folder, i)) },
  { name: `list ${FILES} files`, run: (folder) => void readdirSync(folder) },
];

/** Each call by itself. */
function measureCalls(
  directory: string,
  name: SubjectName,
  { calls }: Sizes,
  rows: Rows,
  chosen: readonly Call[] = CALLS,
): void {
  const folder = join(directory, 'user1-+15550001');
  mkdirSync(folder);
  for (let i = 0; i < FILES; i++) writeFileSync(file(folder, i), CONTENT);
  for (const { name: call, target, run } of chosen) {
    for (let i = 0; i < calls / 5; i++) run(folder, i);
    const times = Array.from({ length: calls }, (_, i) => timed(() => run(folder, i)) * 1000);
    rows.record({ name: `${call}, median`, unit: 'us', target }, name, percentile(times, 0.5));
    rows.record({ name: `${call}, 99th percentile`, unit: 'us' }, name, percentile(times, 0.99));
  }
}

function measureLarge(directory: string, name: SubjectName, { mebibytes }: Sizes, rows: Rows): void {
  const path = join(directory, 'user1-+15550001', 'large.bin');
  const piece = Buffer.alloc(MIB, 0x5a);
  const rate = (ms: number) => (mebibytes * MIB) / 1000 / ms;
  const written = timed(() => {
    const fd = openSync(path, 'w');
    for (let i = 0; i < mebibytes; i++) writeSync(fd, piece);
    fsyncSync(fd);
    closeSync(fd);
  });
  rows.record({ name: `write ${mebibytes} MiB and fsync`, unit: 'MB/s' }, name, rate(written));
  const read = timed(() => {
    const fd = openSync(path, 'r');
    for (let i = 0; i < mebibytes; i++) readSync(fd, piece);
    closeSync(fd);
  });
  rows.record({ name: `read ${mebibytes} MiB`, unit: 'MB/s' }, name, rate(read));
  const fd = openSync(path, 'r+');
  const page = Buffer.alloc(4096, 0x33);
  const times = Array.from({ length: 500 }, (_, i) => {
    // Every page sooner or later, and not in order.
    const at = ((i * 7919) % (mebibytes * 256)) * page.length;
    return timed(() => writeSync(fd, page, 0, page.length, at)) * 1000;
  });
  closeSync(fd);
  const what = `write 4 KiB anywhere in ${mebibytes} MiB`;
  rows.record({ name: `${what}, median`, unit: 'us' }, name, percentile(times, 0.5));
  rows.record({ name: `${what}, 99th percentile`, unit: 'us' }, name, percentile(times, 0.99));
  unlinkSync(path);
}

/** In ms. */
function timed(work: () => void): number {
  const started = performance.now();
  work();
  return performance.now() - started;
}

/** In MiB. */
function memoryOf(pids: readonly number[]): number {
  let kibibytes = 0;
  for (const pid of pids)
    kibibytes += Number(/^VmRSS:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0);
  return kibibytes / 1024;
}
