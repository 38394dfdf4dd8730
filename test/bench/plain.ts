/**
 * Files that are no JSON: large ones, databases, working trees. Beside the plain directory, round by round; and what of that sessionfs
 * is asked for.
 */
import { spawnSync } from 'node:child_process';
import {
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import Database from 'libsql';
import type { Scope } from '../support/cleanup.ts';
import { cleanEnvironment } from '../support/environment.ts';
import { mountSessionfs } from '../support/mount-sessionfs.ts';
import {
  type Measurement,
  type MeasurementGroup,
  measurement,
  ratioTarget,
  record,
  type SubjectName,
  valueTarget,
} from './measurement.ts';
import { statsBeside } from './neighbour.ts';
import { measureOwnWork } from './own-work.ts';
import type { Opened } from './peers/filesystems.ts';
import { REQUEST_COLUMNS, recordRequests } from './requests.ts';
import { percentile } from './statistics.ts';
import { open } from './subjects.ts';

const MIB = 1024 * 1024;
const SEQUENTIAL_MIB = 64;
const PAGE = Buffer.alloc(4096, 0x5a);
const VALUE = 'x'.repeat(500);
const CONTENT = 'x'.repeat(100);

/** Runs `work`, which does something `times` times: what that asks for is counted, what comes before and after is not. Returns what it returns. */
type Counted = <T>(times: number, work: () => T) => T;

interface Work {
  name: string;
  unit: string;
  target?: Measurement['target'];
  /** In a new folder, which is gone afterwards. Returns the value. */
  run(folder: string, counted: Counted): number;
}

interface Sizes {
  rounds: number;
  transactions: number;
  synced: number;
  files: number;
}

/** `complain` is told of what cannot be measured here, `tell` of what one of them asks sessionfs for. */
export async function measurePlain(
  scope: Scope,
  names: readonly SubjectName[],
  isQuick: boolean,
  complain: (message: string) => void,
  tell: (requests: MeasurementGroup) => void,
): Promise<Measurement[]> {
  const sizes = isQuick
    ? { rounds: 3, transactions: 200, synced: 20, files: 2000 }
    : { rounds: 5, transactions: 1000, synced: 100, files: 50_000 };
  const places: [SubjectName, Opened][] = [];
  for (const name of names) places.push([name, await open(scope, name, { counts: true })]);
  const works = [...fileWorks(sizes), ...sqliteWorks(sizes), ...pythonWorks(sizes, complain)];
  const measurements: Measurement[] = [];
  const requests: Measurement[] = [];
  for (const work of works) {
    const { name, unit, target } = work;
    const measured: Measurement = { ...measurement(name, unit), target };
    const asked = measurement(name, '');
    for (let round = 0; round < sizes.rounds; round++)
      for (const [subject, place] of places) record(measured, subject, runIn(place, work, asked));
    measurements.push(measured);
    if (Object.keys(asked.rounds).length > 0) requests.push(asked);
  }
  if (!names.includes('sessionfs')) return measurements;
  tell({ subjects: REQUEST_COLUMNS, baseline: '', measurements: requests });
  return [...measurements, ...(await measureBeside(scope)), ...measureOwnWork(scope, sizes.rounds)];
}

function runIn({ directory, requests }: Opened, { run }: Work, asked: Measurement): number {
  const folder = join(directory, 'user1-+15550001');
  mkdirSync(folder);
  try {
    return run(folder, (times, work) => {
      if (requests === undefined) return work();
      const before = requests();
      const result = work();
      recordRequests(asked, before, requests(), times);
      return result;
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** In ms. */
function timed(work: () => void): number {
  const started = performance.now();
  work();
  return performance.now() - started;
}

function fileWorks({ files }: Sizes): Work[] {
  return [
    {
      name: `write ${SEQUENTIAL_MIB} MiB in sequence`,
      unit: 'MB/s',
      target: valueTarget('>=', 200),
      run: (folder) => {
        const bytes = SEQUENTIAL_MIB * MIB;
        return bytes / 1000 / timed(() => closeSync(writeInSequence(join(folder, 'large'), SEQUENTIAL_MIB)));
      },
    },
    randomWrites('4 KiB anywhere in 1 MiB, median', 1, 0.5, undefined),
    randomWrites('4 KiB anywhere in 48 MiB, median', 48, 0.5, undefined),
    randomWrites('4 KiB anywhere in 48 MiB, 99th percentile', 48, 0.99, valueTarget('<=', 1000)),
    {
      name: `create ${files} files of 100 bytes`,
      unit: 'ms',
      target: ratioTarget('<=', 4),
      run: (folder) =>
        timed(() => {
          for (let i = 0; i < files; i++) writeFileSync(join(folder, `file-${i}`), CONTENT);
        }),
    },
    {
      name: 'create, write 100 bytes, unlink',
      unit: 'us',
      run: (folder, counted) =>
        counted(1000, () =>
          timed(() => {
            for (let i = 0; i < 1000; i++) {
              writeFileSync(join(folder, 'file'), CONTENT);
              unlinkSync(join(folder, 'file'));
            }
          }),
        ),
    },
    { name: 'git: add and commit 300 files, clone', unit: 'ms', target: ratioTarget('<=', 2), run: useGit },
  ];
}

function writeInSequence(path: string, mebibytes: number): number {
  const piece = Buffer.alloc(MIB, 0x5a);
  const fd = openSync(path, 'w+');
  for (let i = 0; i < mebibytes; i++) writeSync(fd, piece);
  return fd;
}

function randomWrites(what: string, mebibytes: number, share: number, target: Measurement['target']): Work {
  return {
    name: `write ${what}`,
    unit: 'us',
    target,
    run: (folder, counted) => {
      const fd = writeInSequence(join(folder, 'random'), mebibytes);
      const times: number[] = [];
      counted(1500, () => {
        for (let i = 0; i < 1500; i++) {
          // Every page sooner or later, and not in order.
          const page = (i * 7919) % (mebibytes * 256);
          times.push(timed(() => writeSync(fd, PAGE, 0, PAGE.length, page * PAGE.length)) * 1000);
        }
      });
      closeSync(fd);
      return percentile(times, share);
    },
  };
}

function useGit(folder: string): number {
  const [origin, clone] = [join(folder, 'origin'), join(folder, 'clone')];
  mkdirSync(origin);
  return timed(() => {
    for (let i = 0; i < 300; i++)
      writeFileSync(join(origin, `file-${i}.txt`), `${i} ${CONTENT}\n`.repeat(20));
    git(origin, 'init', '-q');
    git(origin, 'add', '.');
    git(origin, '-c', 'user.name=x', '-c', 'user.email=x@example.org', 'commit', '-q', '-m', 'all');
    git(folder, 'clone', '-q', '--no-hardlinks', origin, clone);
  });
}

function git(folder: string, ...args: string[]): void {
  const { status, stderr } = spawnSync('git', args, {
    cwd: folder,
    env: cleanEnvironment(),
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`git ${args[0]} failed: ${stderr}`);
}

function sqliteWorks({ transactions, synced }: Sizes): Work[] {
  const wal = ratioTarget('<=', 3);
  const full = ratioTarget('<=', 2);
  return [
    sqlite('WAL, NORMAL', 'wal', 'normal', 0, transactions, wal),
    sqlite('WAL, NORMAL, a table of 10 MB', 'wal', 'normal', 20_000, transactions, wal),
    sqlite('WAL, FULL', 'wal', 'full', 0, synced, full),
    sqlite('rollback journal, FULL', 'delete', 'full', 0, synced, full),
  ];
}

/** Baileys' table, and a transaction for each key as its state has it. The median of the transactions: a checkpoint is not every one's. */
function sqlite(
  what: string,
  journal: string,
  synchronous: string,
  rows: number,
  transactions: number,
  target: Measurement['target'],
): Work {
  return {
    name: `SQLite transaction (${what})`,
    unit: 'us',
    target,
    run: (folder, counted) => {
      const database = new Database(join(folder, 'state.db'));
      database.pragma(`journal_mode = ${journal}`);
      database.pragma(`synchronous = ${synchronous}`);
      database.exec(
        'CREATE TABLE signal_keys (type TEXT, id TEXT, value TEXT, PRIMARY KEY (type, id)) WITHOUT ROWID',
      );
      const put = database.prepare('INSERT OR REPLACE INTO signal_keys VALUES (?, ?, ?)');
      database.exec('BEGIN');
      for (let i = 0; i < rows; i++) put.run('pre-key', String(i), VALUE);
      database.exec('COMMIT');
      const times: number[] = [];
      counted(transactions, () => {
        for (let i = 0; i < transactions; i++) {
          const transaction = () => {
            database.exec('BEGIN IMMEDIATE');
            put.run('session', String(i % 97), `${VALUE}${i}`);
            database.exec('COMMIT');
          };
          times.push(timed(transaction) * 1000);
        }
      });
      database.close();
      return percentile(times, 0.5);
    },
  };
}

/** Each prints the median of its transactions, in us. */
const PYTHON = {
  LevelDB: {
    module: 'plyvel',
    target: 1.5,
    program: `
db = plyvel.DB(folder + '/level', create_if_missing=True)
def put(i): db.put(b'session-%d' % (i % 97), b'x' * 500)`,
  },
  LMDB: {
    module: 'lmdb',
    target: 3,
    program: `
env = lmdb.open(folder + '/lm', map_size=64 << 20)
def put(i):
  with env.begin(write=True) as transaction: transaction.put(b'session-%d' % (i % 97), b'x' * 500)`,
  },
};

function pythonWorks({ transactions, synced }: Sizes, complain: (message: string) => void): Work[] {
  return Object.entries(PYTHON).flatMap(([name, { module, target, program }]) => {
    if (spawnSync('python3', ['-c', `import ${module}`]).status !== 0) {
      complain(`${name} is not measured: python3 has no module ${module} (pip install ${module})`);
      return [];
    }
    const count = module === 'lmdb' ? synced : transactions;
    const text = `import sys, time, ${module}\nfolder = sys.argv[1]${program}
times = []
for i in range(${count}):
  at = time.perf_counter()
  put(i)
  times.append(time.perf_counter() - at)
print(sorted(times)[len(times) // 2] * 1e6)`;
    const run = (folder: string, counted: Counted) =>
      counted(count, () => {
        const { status, stdout, stderr } = spawnSync('python3', ['-c', text, folder], { encoding: 'utf8' });
        if (status !== 0) throw new Error(`${name} failed: ${stderr}`);
        return Number(stdout);
      });
    return [{ name: `${name} transaction`, unit: 'us', target: ratioTarget('<=', target), run }];
  });
}

/** What a large file costs others: the time of a stat in another session, and memory. */
async function measureBeside(scope: Scope): Promise<Measurement[]> {
  const mounted = await mountSessionfs(scope);
  const pid = await mounted.daemonPid();
  const [mine, other] = ['user1-+15550001', 'user2-+15550002'].map((name) =>
    join(mounted.mountPoint, name),
  ) as [string, string];
  mkdirSync(mine);
  mkdirSync(other);
  const stat: Measurement = {
    name: `stat in another session, meanwhile ${SEQUENTIAL_MIB} MiB are written in sequence, 99th percentile`,
    unit: 'ms',
    target: valueTarget('<=', 5),
    rounds: {},
  };
  const memory: Measurement = {
    name: `memory of the daemon, growth by a file of ${SEQUENTIAL_MIB} MiB`,
    unit: 'MiB',
    target: valueTarget('<=', 2 * SEQUENTIAL_MIB),
    rounds: {},
  };
  const before = memoryOf(pid, 'VmRSS');
  const times = await statsBeside(
    scope,
    mine,
    [join(other, 'large'), 'in sequence', String(SEQUENTIAL_MIB)],
    1,
  );
  record(stat, 'sessionfs', percentile(times, 0.99));
  record(memory, 'sessionfs', memoryOf(pid, 'VmHWM') - before);
  return [stat, memory];
}

/** In MiB. */
function memoryOf(pid: number, field: string): number {
  const [, kibibytes] =
    new RegExp(`^${field}:\\s*(\\d+) kB`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kibibytes) / 1024;
}
