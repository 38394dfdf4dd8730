/** Serves a MemoryFilesystem on the descriptor it is given, and tells its parent what happens. */
import { mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { DirectDriver } from '../../../src/drivers/direct/driver.ts';
import type { NegotiatedSession } from '../../../src/drivers/host/messages.ts';
import { MemoryFilesystem } from './memory-filesystem.ts';

/** Read at the next wake-up. */
export type Command = 'release' | 'stop';

export type Report =
  | { kind: 'initialized'; session: NegotiatedSession }
  | { kind: 'sync'; uniqueLo: number; uniqueHi: number }
  | { kind: 'parked'; count: number }
  | { kind: 'ended'; why: 'unmounted' | 'stopped' }
  | { kind: 'trouble'; error: string };

export interface ServingWorkerData {
  fd: number;
  session?: NegotiatedSession;
  /** Given: as on a kernel that sends nothing again. */
  inFlightFd?: number;
}

const { fd, session, inFlightFd } = workerData as ServingWorkerData;
const fs = new MemoryFilesystem();

function report(message: Report): void {
  parentPort?.postMessage(message);
}

function openUnnamed(): number {
  const directory = mkdtempSync(join(tmpdir(), 'sessionfs-test-'));
  const opened = openSync(join(directory, 'in-flight'), 'w+');
  rmSync(directory, { recursive: true });
  return opened;
}

function beforeRequest(): 'continue' | 'stop' {
  const command = (parentPort && receiveMessageOnPort(parentPort)?.message) as Command | undefined;
  report({ kind: 'parked', count: driver.parkedCount });
  if (command === 'release') {
    fs.release();
    driver.retryParked();
  }
  return command === 'stop' ? 'stop' : 'continue';
}

const driver = new DirectDriver(
  {
    fd,
    session,
    inFlightFd: inFlightFd ?? openUnnamed(),
    options: { resend: inFlightFd === undefined, fatal: [] },
  },
  fs,
  {
    beforeRequest,
    afterRequest: () => {},
    store: () => {},
    answered: () => {},
    measured: () => {},
    syncThenReply: (uniqueLo, uniqueHi) => report({ kind: 'sync', uniqueLo, uniqueHi }),
    initialized: (agreed) => report({ kind: 'initialized', session: agreed }),
    refused: (error) => report({ kind: 'trouble', error: String(error) }),
    gaveUp: (opcode) => report({ kind: 'trouble', error: `gave up opcode ${opcode}` }),
    unexpected: (error) => report({ kind: 'trouble', error: String(error) }),
  },
);

report({ kind: 'ended', why: driver.serve() });
