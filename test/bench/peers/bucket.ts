/** A session that is written, stored and restored with a bucket 30 ms away: gcsfuse, and sessionfs in both of its modes. */
import { mkdirSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cleanUp, type Scope } from '../../support/cleanup.ts';
import { DaemonProcess } from '../../support/daemon-process.ts';
import { cleanEnvironment } from '../../support/environment.ts';
import { mountAnswers } from '../../support/mount-answers.ts';
import { unmountBelow } from '../../support/mounts.ts';
import { repository } from '../../support/repository.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { openRig, type Rig } from '../bucket/rig.ts';
import { type Measurement, type MeasurementGroup, measurement, record } from '../measurement.ts';
import { withScope } from '../subjects.ts';

const LATENCY_MS = 30;
const SESSION = 'user1-+15550001';
const CONTENT = JSON.stringify({ data: 'x'.repeat(689) });
const CREDS_WRITES = 5;
/** The first time it is built. */
const MOUNT_HANG_MS = 400_000;

type Subject = 'gcsfuse' | 'hybrid' | 'cloud';
const SUBJECTS: readonly Subject[] = ['gcsfuse', 'hybrid', 'cloud'];

interface MountedBucket {
  readonly directory: string;
  /** Resolves when all that was written is in the bucket. */
  flush(): Promise<void>;
  unmount(): Promise<void>;
}

/** `complain` is told of what cannot be measured. */
export async function measurePeersOnBucket(
  quick: boolean,
  complain: (message: string) => void,
): Promise<MeasurementGroup> {
  const files = quick ? 50 : 400;
  const rows = rowsOf(files);
  await withScope(async (scope) => {
    const rig = await openRig(scope);
    rig.setLatency(LATENCY_MS);
    for (let round = 0; round < (quick ? 1 : 3); round++) {
      for (const subject of SUBJECTS) {
        process.stderr.write(`  round ${round + 1}: ${subject}\n`);
        try {
          await withScope((inner) => measureSubject(inner, rig, subject, files, rows));
        } catch (error) {
          const [reason = ''] = (error as Error).message.split('\n').filter(Boolean).slice(-1);
          complain(`${subject} on the bucket: ${reason.slice(0, 300)}`);
        }
      }
    }
  });
  const found = SUBJECTS.filter((name) => Object.values(rows).some(({ rounds }) => rounds[name]));
  return { subjects: found, baseline: found[0] ?? 'gcsfuse', measurements: Object.values(rows) };
}

function rowsOf(files: number): Record<'write' | 'stored' | 'creds' | 'restore' | 'requests', Measurement> {
  const where = `bucket ${LATENCY_MS} ms away`;
  return {
    write: measurement(`write a session of ${files} files, ${where}`, 's'),
    stored: measurement('until all of it is in the bucket', 's'),
    creds: measurement('write creds.json again, as its application waits for it', 'ms'),
    restore: measurement('read all of it on a machine that has nothing', 's'),
    requests: measurement('requests for all that', 'a file'),
  };
}

async function measureSubject(
  scope: Scope,
  rig: Rig,
  subject: Subject,
  files: number,
  rows: ReturnType<typeof rowsOf>,
): Promise<void> {
  const bucket = await rig.newBucket();
  const requests = rig.proxy.requests.length;
  const names = ['creds.json', ...Array.from({ length: files - 1 }, (_, i) => `pre-key-${i}.json`)];
  const first = await mountBucket(scope, rig, subject, bucket);
  const folder = join(first.directory, SESSION);
  const startedMs = performance.now();
  // Not synchronous: the proxy lives in this process. As Baileys, all at once.
  await mkdir(folder);
  await Promise.all(names.map((name) => writeFile(join(folder, name), CONTENT)));
  const writtenMs = performance.now() - startedMs;
  await first.flush();
  const storedMs = performance.now() - startedMs;
  const credsMs = performance.now();
  for (let i = 0; i < CREDS_WRITES; i++) await writeFile(join(folder, 'creds.json'), CONTENT);
  record(rows.creds, subject, (performance.now() - credsMs) / CREDS_WRITES);
  await first.flush();
  await first.unmount();

  const second = await mountBucket(scope, rig, subject, bucket);
  const restoreMs = performance.now();
  const found = await readdir(join(second.directory, SESSION));
  await Promise.all(found.map((name) => readFile(join(second.directory, SESSION, name))));
  if (found.length !== files) throw new Error(`restored ${found.length} of ${files} files`);
  record(rows.restore, subject, (performance.now() - restoreMs) / 1000);
  await second.unmount();
  record(rows.write, subject, writtenMs / 1000);
  record(rows.stored, subject, storedMs / 1000);
  record(rows.requests, subject, (rig.proxy.requests.length - requests) / files);
}

async function mountBucket(scope: Scope, rig: Rig, subject: Subject, bucket: string): Promise<MountedBucket> {
  if (subject === 'gcsfuse') return mountGcsfuse(scope, rig, bucket);
  const env = subject === 'cloud' ? { SESSION_STORAGE_TYPE: 'cloud' } : {};
  const mounted = await rig.mount(scope, bucket, env);
  return {
    directory: mounted.mountPoint,
    flush: () => writeFile(join(mounted.mountPoint, '.sessionfs/flush'), 'all'),
    unmount: () => mounted.unmount(),
  };
}

/** It stores a file when the file is closed: there is nothing to flush. */
async function mountGcsfuse(scope: Scope, rig: Rig, bucket: string): Promise<MountedBucket> {
  const directory = temporaryDirectory(scope);
  const mountPoint = join(directory, 'mount');
  mkdirSync(mountPoint);
  // The emulator has no gRPC, by which it would ask for hierarchical namespaces.
  const args = ['--foreground', '--anonymous-access', '--implicit-dirs', '--enable-hns=false'];
  args.push(`--custom-endpoint=${rig.proxy.url}/storage/v1/`);
  const env = cleanEnvironment({ STORAGE_EMULATOR_HOST: rig.proxy.url });
  const program = join(repository, 'scripts/gcsfuse');
  const daemon = new DaemonProcess(program, [...args, bucket, mountPoint], env, directory);
  const takeDown = async () => {
    unmountBelow(mountPoint);
    daemon.killAll();
    await daemon.waitForExit(10_000);
  };
  cleanUp(scope, takeDown);
  await mountAnswers(daemon, mountPoint, 'fuse.gcsfuse', MOUNT_HANG_MS);
  return { directory: mountPoint, flush: async () => {}, unmount: takeDown };
}
