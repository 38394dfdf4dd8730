/** A real mount whose bucket has not told its names yet: calls wait in the kernel, with the locks that it holds for them. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Keyring } from '../../../src/crypto/keyring.ts';
import { openFuseDevice } from '../../../src/drivers/direct/device.ts';
import { KernelNotifier } from '../../../src/drivers/direct/notifier.ts';
import { WorkerLink } from '../../../src/drivers/direct/worker-link.ts';
import { CoreClient } from '../../../src/drivers/host/core-client.ts';
import { deferred } from '../../../src/lib/deferred.ts';
import { mountOnOwn, unmount } from '../../../src/mount/mount.ts';
import { FilesystemCounters } from '../../../src/observe/filesystem-counters.ts';
import { Cache } from '../../../src/store/cache/cache.ts';
import { JournalProgress } from '../../../src/store/journal/progress.ts';
import { KEY } from '../../fs/harness.ts';
import { cleanUp } from '../../support/cleanup.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { until } from '../../support/until.ts';

interface Mounted {
  folder: string;
  thread: CoreClient;
}

/** Takes itself away after the test, whatever waits in it. */
async function mounted(t: TestContext): Promise<Mounted> {
  const directory = temporaryDirectory(t);
  const folder = join(directory, 'mnt');
  mkdirSync(folder);
  const keyring = Keyring.fromHex(KEY);
  const { currentId: keyId, ids: acceptedKeyIds } = keyring;
  const cache = Cache.open(join(directory, 'cache'), { mountPoint: folder, keyId, acceptedKeyIds });
  const fuseFd = openFuseDevice();
  const inFlightFd = openSync(join(directory, 'in-flight'), 'w+');
  const notifier = new KernelNotifier(fuseFd, (error) => t.diagnostic(`notifier: ${error}`));
  const thread = new CoreClient(
    new WorkerLink({
      fuseFd,
      inFlightFd,
      resend: true,
      fatalRequests: [],
      crashOn: undefined,
      cachePath: cache.path,
      keyring: keyring.export(),
      progress: new JournalProgress().shared,
      counters: new FilesystemCounters().shared,
      owner: { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 },
      rootMode: 0o755,
      umask: 0o077,
      maxFileSizeBytes: 1 << 20,
      memoryLimitBytes: 1 << 20,
      mountPoint: folder,
      plainSessions: [],
      takeover: undefined,
      generation: 0,
      status: {},
      bucket: { absent: [], namesKnown: false, rootListable: false },
    }),
  );
  const initialized = deferred<void>();
  thread.listen((message) => {
    if (message.type === 'initialized') initialized.resolve();
    if (message.type === 'invalidate-inode') notifier.inode(message.node, message.offset, message.length);
    if (message.type === 'invalidate-entry') notifier.entry(message.parent, message.name);
    if (message.type === 'ask')
      thread.post({ type: 'answer', id: message.id, text: `to ${message.argument}` });
  });
  await thread.loaded();
  await mountOnOwn(fuseFd, folder, { source: 'sessionfs', allowOther: true });
  cleanUp(t, async () => {
    // The process that wakes the thread may be in it for a moment.
    await until(async () => (await unmount(folder)).kind === 'unmounted');
    await thread.ended;
    closeSync(fuseFd);
    closeSync(inFlightFd);
  });
  thread.serve();
  await initialized.promise;
  return { folder, thread };
}

/** This process must not wait for its own mount. */
function run(
  t: TestContext,
  script: string,
  folder: string,
): { child: ChildProcess; output: Promise<string> } {
  const child = spawn('sh', ['-c', script, 'sh', folder], { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  const ended = once(child, 'close');
  cleanUp(t, async () => {
    child.kill('SIGKILL');
    await ended;
  });
  return { child, output: ended.then(([code]) => `${text.trim()} ${code ?? 'killed'}`) };
}

const options = { timeout: 60_000 };

test(
  'a mkdir that waits with the lock of the root does not keep the thread from being woken',
  options,
  async (t) => {
    const { folder, thread } = await mounted(t);
    const made = run(t, 'exec mkdir "$1/u-+1"', folder);
    // It holds the lock soon; if not yet, nothing is shown, and nothing fails.
    await sleep(500);
    thread.post({ type: 'names-known' });
    assert.equal(await made.output, ' 0');
  },
);

test('a caller that waits can be killed, and the mount does not wait for it then', options, async (t) => {
  const { folder, thread } = await mounted(t);
  const { child, output } = run(t, 'exec cat "$1/u-+1/creds.json"', folder);
  await sleep(300);
  child.kill('SIGTERM');
  assert.equal(await output, ' killed');
  thread.post({ type: 'absent', sessions: ['v-+2'] });
  thread.post({ type: 'names-known' });
  assert.equal(await run(t, 'ls "$1"', folder).output, 'v-+2 0');
});

test('the control files are read and written as files are', options, async (t) => {
  const { folder } = await mounted(t);
  const orders =
    'cd "$1/.sessionfs"; echo all > flush && echo u-+1 >> flush && cat flush && stat -c "%s %a" flush';
  assert.equal(await run(t, orders, folder).output, '0 600 0');
  for (const name of ['status.json', 'metrics']) {
    const text = await run(t, `cat "$1/.sessionfs/${name}"`, folder).output;
    assert.match(text, /^to \{.*"files": 0.*\} 0$/s);
  }
});
