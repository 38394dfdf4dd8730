/** The kernel thread and what it is told before it serves: no mount is needed for that. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Keyring } from '../../../src/crypto/keyring.ts';
import { WorkerLink } from '../../../src/drivers/direct/worker-link.ts';
import { CoreClient } from '../../../src/drivers/host/core-client.ts';
import type { RoutedMessage } from '../../../src/drivers/host/messages.ts';
import type { BucketView } from '../../../src/fs/state/remote.ts';
import { FilesystemCounters } from '../../../src/observe/filesystem-counters.ts';
import { Cache } from '../../../src/store/cache/cache.ts';
import { Checkpointer } from '../../../src/store/checkpoint/checkpointer.ts';
import { JournalProgress } from '../../../src/store/journal/progress.ts';
import { KEY } from '../../fs/harness.ts';
import { BUCKET } from '../../fs/support.ts';
import { cleanUp } from '../../support/cleanup.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const SESSION = 'u-+1';

class Thread {
  readonly client: CoreClient;
  readonly checkpointer: Checkpointer;
  readonly #heard: RoutedMessage[] = [];

  constructor(directory: string, bucket: BucketView | undefined) {
    const mountPoint = join(directory, 'mnt');
    mkdirSync(join(mountPoint, SESSION), { recursive: true });
    writeFileSync(join(mountPoint, SESSION, 'creds.json'), '{"a":1}');
    const keyring = Keyring.fromHex(KEY);
    const { currentId: keyId, ids: acceptedKeyIds } = keyring;
    const cache = Cache.open(join(directory, 'cache'), { mountPoint, keyId, acceptedKeyIds });
    const progress = new JournalProgress();
    this.client = new CoreClient(
      new WorkerLink({
        fuseFd: -1,
        inFlightFd: -1,
        resend: true,
        fatalRequests: [],
        crashOn: undefined,
        cachePath: cache.path,
        keyring: keyring.export(),
        progress: progress.shared,
        counters: new FilesystemCounters().shared,
        owner: { uid: 1000, gid: 1000 },
        rootMode: 0o700,
        umask: 0o077,
        maxFileSizeBytes: 1 << 20,
        memoryLimitBytes: 1 << 20,
        mountPoint,
        plainSessions: [SESSION],
        takeover: undefined,
        generation: 0,
        status: {},
        bucket,
      }),
    );
    this.checkpointer = new Checkpointer({
      journalDirectory: cache.journalDirectory,
      cache,
      progress,
      onRetired: () => {},
      log: { warn: () => {} },
    });
    this.client.listen((message) => this.#heard.push(message));
  }

  /** What was heard before the answer, and the answer. */
  async roll(): Promise<{ segment: number | undefined; heard: RoutedMessage[] }> {
    const segment = await this.client.roll(false);
    return { segment, heard: this.#heard.splice(0) };
  }
}

async function started(t: TestContext, bucket: BucketView | undefined): Promise<Thread> {
  const thread = new Thread(temporaryDirectory(t), bucket);
  cleanUp(t, () => thread.client.terminate());
  assert.deepEqual((await thread.client.loaded()).imported.imported, [SESSION]);
  return thread;
}

const options = { timeout: 60_000 };

test('roll-now tells the segment that holds all commits, until they are in the cache', options, async (t) => {
  const thread = await started(t, BUCKET);
  const first = await thread.roll();
  assert.equal(first.segment, 1);
  assert.ok(first.heard.some((message) => message.type === 'closed' && message.segment === 1));
  assert.deepEqual(
    first.heard.filter(({ type }) => type === 'urgent'),
    [{ to: 'remote', type: 'urgent', session: SESSION, why: 'new' }],
  );
  assert.equal((await thread.roll()).segment, 1);
  await thread.checkpointer.run(1);
  assert.equal((await thread.roll()).segment, undefined);
});

test('news of the bucket may come before it serves', options, async (t) => {
  const thread = await started(t, { absent: ['v-+2'], namesKnown: false, rootListable: false });
  thread.client.post({ type: 'absent', sessions: ['v-+3'] });
  thread.client.post({ type: 'names-known' });
  thread.client.post({ type: 'absent', sessions: ['w-+3'] });
  thread.client.post({ type: 'restored', session: 'v-+2', files: ['v-+2/creds.json'], directories: [] });
  thread.client.post({ type: 'answer', id: 99, text: undefined });
  const { heard } = await thread.roll();
  assert.deepEqual(
    heard.filter(({ type }) => type === 'invalidate-entry' || type === 'log'),
    [{ to: 'kernel', type: 'invalidate-entry', parent: 1, name: 'w-+3' }],
  );
});

test('in local mode there is nothing urgent, and news of a bucket are nothing to it', options, async (t) => {
  const thread = await started(t, undefined);
  thread.client.post({ type: 'absent', sessions: ['w-+3'] });
  const { heard } = await thread.roll();
  assert.deepEqual(
    heard.filter(({ type }) => type === 'urgent' || type === 'invalidate-inode'),
    [],
  );
});
