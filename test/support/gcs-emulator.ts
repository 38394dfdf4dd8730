import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { after } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { DaemonProcess } from './daemon-process.ts';
import { cleanEnvironment } from './environment.ts';
import { repository } from './repository.ts';

/** scripts/test starts one emulator for all and says here where it is. */
const SHARED = 'SESSIONFS_TEST_GCS_EMULATOR';

/** The first start builds the emulator. */
const START_LIMIT_MS = 400_000;

let own: { daemon: DaemonProcess; url: Promise<string> } | undefined;

after(async () => {
  own?.daemon.killAll();
  await own?.daemon.waitForExit(30_000);
});

/** The emulator's URL, as http://127.0.0.1:PORT. A test file that is run by itself gets an emulator of its own. */
export function gcsEmulator(): Promise<string> {
  const shared = process.env[SHARED];
  if (shared) return Promise.resolve(shared);
  own ??= start();
  return own.url;
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

function start(): { daemon: DaemonProcess; url: Promise<string> } {
  const daemon = new DaemonProcess(
    join(repository, 'scripts/gcs-emulator'),
    [],
    cleanEnvironment(),
    repository,
  );
  return { daemon, url: printedUrl(daemon) };
}

async function printedUrl(daemon: DaemonProcess): Promise<string> {
  for (const endMs = performance.now() + START_LIMIT_MS; performance.now() < endMs; await sleep(20)) {
    const url = /^http:\/\/127\.0\.0\.1:\d+$/m.exec(daemon.log())?.[0];
    if (url) return url;
    if (daemon.exit) break;
  }
  throw new Error(`no emulator:\n${daemon.log()}`);
}
