/** What many sessions cost of which few are in use: a cache of sealed files that was written directly, and a mount on it. */
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Keyring } from '../../src/crypto/keyring.ts';
import { OWNER, sealedSize, sealInto } from '../../src/crypto/sealed-file.ts';
import { toObjectName } from '../../src/naming/object-name.ts';
import { Cache } from '../../src/store/cache/cache.ts';
import type { Scope } from '../support/cleanup.ts';
import { mountSessionfs } from '../support/mount-sessionfs.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { type Measurement, measurement, record, valueTarget } from './measurement.ts';

const FILES_PER_SESSION = 900;
const ACTIVE = 10;
const COLD = 30;
/** More than may stay in memory. */
const USED = 200;
const REST_SECONDS = 75;
const KEY = '00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff';
const CONTENT = Buffer.from(JSON.stringify({ data: 'x'.repeat(200) }));
const META = { mode: 0o100600, uid: OWNER, gid: OWNER, mtimeSec: 1_700_000_000, mtimeNsec: 0 };

/** Starts on a cache of so many sessions, lists the root, works in ten of them, reads from others, then uses many. */
export async function measureSessions(scope: Scope, sessions: number): Promise<Measurement[]> {
  const mountPoint = join(temporaryDirectory(scope), 'sessions');
  writeCache(`${mountPoint}.sealed`, mountPoint, sessions);
  const of = `${sessions.toLocaleString('en')} sessions of ${FILES_PER_SESSION} files`;
  const start = measurement(`start with ${of}`, 's');
  const idle = measurement('memory of the daemon after the start', 'MB');
  const active = measurement(`memory of the daemon, root listed, ${ACTIVE} sessions in use`, 'MB');
  const cold = measurement('first read of a session, median', 'ms');
  const coldest = measurement('first read of a session, slowest', 'ms');
  const many = measurement(`memory of the daemon a minute after ${USED} sessions were used`, 'MB');
  start.target = valueTarget('<=', 1);
  active.target = valueTarget('<=', 250);
  coldest.target = valueTarget('<=', 50);
  many.target = valueTarget('<=', 250);

  const started = performance.now();
  const mounted = await mountSessionfs(scope, { mountPoint, env: { SESSION_ENCRYPTION_KEY: KEY } });
  record(start, 'sessionfs', (performance.now() - started) / 1000);
  const daemon = await mounted.daemonPid();
  record(idle, 'sessionfs', residentBytes(daemon) / 1e6);
  for (const name of readdirSync(mountPoint)) statSync(join(mountPoint, name));
  for (let session = 0; session < ACTIVE; session++) work(join(mountPoint, nameOf(session)));
  record(active, 'sessionfs', residentBytes(daemon) / 1e6);
  const reads = Array.from({ length: COLD }, (_, index) => {
    const file = join(mountPoint, nameOf(ACTIVE + index), 'creds.json');
    const begun = performance.now();
    readFileSync(file);
    return performance.now() - begun;
  });
  for (const ms of reads) record(cold, 'sessionfs', ms);
  record(coldest, 'sessionfs', Math.max(...reads));
  for (let session = 0; session < Math.min(USED, sessions); session++)
    work(join(mountPoint, nameOf(session)));
  await settle(mountPoint);
  record(many, 'sessionfs', residentBytes(daemon) / 1e6);
  await mounted.unmount();
  return [start, idle, active, cold, coldest, many];
}

/** An application that reads its session whole, and writes its credentials. */
function work(folder: string): void {
  for (const name of readdirSync(folder)) readFileSync(join(folder, name));
  writeFileSync(join(folder, 'creds.json'), CONTENT);
}

/** One session is in use, the others rest. */
async function settle(mountPoint: string): Promise<void> {
  for (let second = 0; second < REST_SECONDS; second++) {
    writeFileSync(join(mountPoint, nameOf(0), 'creds.json'), CONTENT);
    await sleep(1000);
  }
}

function nameOf(session: number): string {
  return `user${session}-+1555${String(session).padStart(6, '0')}`;
}

function writeCache(cachePath: string, mountPoint: string, sessions: number): void {
  const keyring = Keyring.fromHex(KEY);
  Cache.open(cachePath, { mountPoint, keyId: keyring.currentId });
  const sealed = Buffer.alloc(sealedSize(CONTENT.length));
  for (let session = 0; session < sessions; session++) {
    for (let file = 0; file < FILES_PER_SESSION; file++) {
      const path = `${nameOf(session)}/${file === 0 ? 'creds' : `pre-key-${file}`}.json`;
      const target = join(cachePath, toObjectName(path, 'file'));
      if (file === 0) mkdirSync(dirname(target), { recursive: true });
      sealInto(sealed, 0, keyring, path, META, CONTENT);
      writeFileSync(target, sealed, { mode: 0o600 });
    }
  }
}

export function residentBytes(pid: number): number {
  const [, kiB] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kiB) * 1024;
}
