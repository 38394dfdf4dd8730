import { mkdirSync, readdirSync, readFileSync, statSync, unlinkSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Scope } from '../support/cleanup.ts';
import { type Measurement, ratioTarget, record, type SubjectName } from './measurement.ts';
import { openDirectory } from './subjects.ts';

const FILES = 50;
/** A JSON text of 700 bytes, as of a young session file. */
const CONTENT = JSON.stringify({ data: 'x'.repeat(689) });

interface Operation {
  name: string;
  iterations: number;
  target?: Measurement['target'];
  run(session: Session, i: number): void | Promise<void>;
}

interface Session {
  folder: string;
  files: string[];
}

const file = (session: Session, i: number) => session.files[i % FILES] ?? '';

const operations: Operation[] = [
  {
    name: 'readFileSync, cached, 700 B',
    iterations: 2000,
    target: ratioTarget('<=', 2),
    run: (session, i) => void readFileSync(file(session, i)),
  },
  {
    name: 'writeFileSync, overwrite, 700 B',
    iterations: 500,
    target: ratioTarget('<=', 1.5),
    run: (session, i) => writeFileSync(file(session, i), CONTENT),
  },
  {
    name: 'statSync',
    iterations: 5000,
    target: ratioTarget('<=', 2),
    run: (session, i) => void statSync(file(session, i)),
  },
  {
    name: 'readdirSync, 50 files',
    iterations: 500,
    run: (session) => void readdirSync(session.folder),
  },
  {
    name: 'create, write 700 B, unlink',
    iterations: 300,
    run(session, i) {
      const path = join(session.folder, `pre-key-${i}.json`);
      writeFileSync(path, CONTENT);
      unlinkSync(path);
    },
  },
  {
    name: 'await writeFile, overwrite, 700 B',
    iterations: 300,
    run: (session, i) => writeFile(file(session, i), CONTENT),
  },
];

function makeSession(directory: string): Session {
  const folder = join(directory, 'user1-+15550001');
  mkdirSync(folder);
  const files = Array.from({ length: FILES }, (_, i) => join(folder, `session-${15550000 + i}.0.json`));
  for (const path of files) writeFileSync(path, CONTENT);
  return { folder, files };
}

/** Microseconds per call. A call that is synchronous is not awaited: the microtask would be part of the measurement. */
async function time({ iterations, run }: Operation, session: Session): Promise<number> {
  const started = performance.now();
  for (let i = 0; i < iterations; i++) {
    const pending = run(session, i);
    if (pending) await pending;
  }
  return ((performance.now() - started) * 1000) / iterations;
}

/** Each operation in turn on each subject, round after round, all from this one process. */
export async function measureOperations(
  scope: Scope,
  names: readonly SubjectName[],
  rounds: number,
): Promise<Measurement[]> {
  const sessions: [SubjectName, Session][] = [];
  for (const name of names) sessions.push([name, makeSession(await openDirectory(scope, name))]);
  const measurements: Measurement[] = [];
  for (const operation of operations) {
    const measurement: Measurement = {
      name: operation.name,
      unit: 'us',
      target: operation.target,
      rounds: {},
    };
    for (const [, session] of sessions) await time(operation, session);
    for (let round = 0; round < rounds; round++) {
      for (const [name, session] of sessions) record(measurement, name, await time(operation, session));
    }
    measurements.push(measurement);
  }
  return measurements;
}
