/** The emulator as a process of its own, and buckets in it. Free of node:test, for programs that are no test. */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DaemonProcess } from './daemon-process.ts';
import { cleanEnvironment } from './environment.ts';
import { repository } from './repository.ts';

export interface EmulatorProcess {
  /** The caller that started it ends it. */
  readonly daemon: DaemonProcess;
  /** As http://127.0.0.1:PORT, when it answers. */
  readonly url: Promise<string>;
}

/** The first start builds the emulator. */
const START_LIMIT_MS = 400_000;

export function startGcsEmulator(): EmulatorProcess {
  const daemon = new DaemonProcess(
    join(repository, 'scripts/gcs-emulator'),
    [],
    cleanEnvironment(),
    repository,
  );
  return { daemon, url: printedUrl(daemon) };
}

/** A new, empty bucket; returns its name. `url`: of the emulator or of a proxy in front of it. */
export async function createTestBucket(url: string): Promise<string> {
  const name = `test-${randomUUID()}`;
  const answer = await fetch(`${url}/storage/v1/b?project=test`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ name }),
  });
  await answer.arrayBuffer();
  if (!answer.ok) throw new Error(`no bucket ${name}: HTTP ${answer.status}`);
  return name;
}

async function printedUrl(daemon: DaemonProcess): Promise<string> {
  for (const endMs = performance.now() + START_LIMIT_MS; performance.now() < endMs; await sleep(20)) {
    const url = /^http:\/\/127\.0\.0\.1:\d+$/m.exec(daemon.log())?.[0];
    if (url) return url;
    if (daemon.exit) break;
  }
  throw new Error(`no emulator:\n${daemon.log()}`);
}
