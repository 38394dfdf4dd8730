/** Every command line of sessionfs in a shell block of the documentation is run here, as it stands there, in one scenario. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { exitStatus } from '../../src/lib/errors.ts';
import { type CliResult, runCli } from '../cli/run-cli.ts';
import { cleanUp } from '../support/cleanup.ts';
import { cliMain } from '../support/cli-main.ts';
import { commandLines, pages, shellBlocks } from '../support/documented-commands.ts';
import { cleanEnvironment } from '../support/environment.ts';
import { createTestBucket, gcsEmulator } from '../support/gcs-emulator.ts';
import { mountAt, unmountBelow } from '../support/mounts.ts';
import { createS3Bucket, S3_CREDENTIALS, s3Gateway } from '../support/s3-server.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { until } from '../support/until.ts';

const SESSION = 'user1-+15550001';

/** A machine of its own for the reader: a folder for `/tmp` and `/etc`, buckets for those that the pages name. */
class Reader {
  readonly home: string;
  readonly #ran = new Set<string>();
  readonly #env: Record<string, string>;
  readonly #substitutes: readonly (readonly [RegExp, string])[];

  private constructor(
    t: TestContext,
    home: string,
    env: Record<string, string>,
    substitutes: readonly (readonly [RegExp, string])[],
  ) {
    this.home = home;
    this.#env = env;
    this.#substitutes = substitutes;
    cleanUp(t, () => unmountBelow(home));
  }

  static async start(t: TestContext): Promise<Reader> {
    const home = temporaryDirectory(t);
    for (const folder of ['bucket', 'tmp/restored', 'tmp/try/sessions', 'etc/sessionfs', 'examples/bot'])
      mkdirSync(join(home, folder), { recursive: true });
    for (const bot of ['bot.js', 'examples/bot/bot.js']) writeFileSync(join(home, bot), '');
    const [gcs, s3] = [await gcsEmulator(), await s3Gateway()];
    const [onGcs, onS3] = [await createTestBucket(gcs), await createS3Bucket(s3)];
    const env = {
      SESSION_ENCRYPTION_KEY: '11'.repeat(32),
      SESSION_ENCRYPTION_KEYS_PREVIOUS: '22'.repeat(32),
      SESSION_STORAGE_TYPE: 'hybrid',
      STORAGE_BUCKET: `file://${home}/bucket`,
      STORAGE_EMULATOR_HOST: gcs,
      AWS_ENDPOINT_URL: s3,
      ...S3_CREDENTIALS,
    };
    return new Reader(t, home, env, [
      [/(?<![\w/.])\/(?=(?:tmp|etc)\/)/g, `${home}/`],
      [/s3:\/\/(?:sessions-try|new-bucket)/g, `s3://${onS3}`],
      [/(?:gs:\/\/old-bucket|sessions-try)/g, onGcs],
    ]);
  }

  /** Lines that no page has are refused; so a line that changes is changed here, too. */
  run(line: string, expected: readonly (keyof typeof exitStatus)[] = []): CliResult {
    const args = this.#argumentsOf(line);
    const result = runCli(args, this.#env, this.home);
    const statuses: number[] = expected.length === 0 ? [0] : [0, ...expected.map((code) => exitStatus[code])];
    assert.ok(
      statuses.includes(result.status ?? -1),
      `sessionfs ${line}: ${result.status}\n${result.stdout}${result.stderr}`,
    );
    return result;
  }

  /** One that goes on until it is unmounted. */
  start(t: TestContext, line: string): ChildProcess {
    const options = { env: cleanEnvironment(this.#env), cwd: this.home, stdio: 'ignore' } as const;
    const child = spawn(process.execPath, [cliMain, ...this.#argumentsOf(line)], options);
    cleanUp(t, () => void child.kill('SIGKILL'));
    return child;
  }

  #argumentsOf(line: string): string[] {
    assert.ok(documented.has(line), `no page has the line: sessionfs ${line}`);
    this.#ran.add(line);
    return line
      .split(' ')
      .map((word) => this.#substitutes.reduce((text, [found, by]) => text.replace(found, by), word));
  }

  get missing(): string[] {
    return [...documented].filter((line) => !this.#ran.has(line));
  }
}

const documented = new Set(
  pages.flatMap((page) => shellBlocks(page).flatMap(commandLines)).map((words) => words.join(' ')),
);

test('every documented command line does what its page says', { timeout: 600_000 }, async (t) => {
  const reader = await Reader.start(t);
  const folder = join(reader.home, 'sessions', SESSION);
  const pair = () => {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'pre-key-1.json'), '{"key":1}');
    writeFileSync(join(folder, 'creds.json'), '{"me":{"id":"1"},"registered":true}');
  };
  reader.run('keygen --out sessionfs.key');
  reader.run('keygen --out /etc/sessionfs/sessionfs.key');
  assert.match(
    reader.run('bucket create your-bucket --project project-id --location us-central1 --dry-run').stdout,
    /gcloud storage buckets create gs:\/\/your-bucket/,
  );
  reader.run('cost --sessions 1000 --messages-per-hour 60 --interval 5m');
  mkdirSync(join(reader.home, 'sessions'));
  reader.run('doctor ./sessions', ['DOCTOR_WARNING']);

  reader.run('mount ./sessions --daemonize');
  pair();
  reader.run('flush sessions');
  assert.match(reader.run('status ./sessions').stdout, /hybrid/);
  assert.ok(reader.run('ls sessions').stdout.includes(SESSION));
  rmSync(folder, { recursive: true });
  reader.run('flush sessions');
  assert.ok(reader.run('trash list sessions').stdout.includes(SESSION));
  for (const list of ['restore --list ./sessions', `restore --list sessions/${SESSION}`])
    assert.match(reader.run(list).stdout, /session {2}trash/);
  // Nothing is as old as that.
  const longAgo = `restore sessions/${SESSION} --at 2026-05-22T10:00:00Z --to ./as-it-was`;
  assert.match(reader.run(longAgo, ['SESSION_NOT_FOUND']).stderr, /nothing of .* was kept until 2026-05-22/);
  assert.match(reader.run(`restore ./sessions/${SESSION}`).stdout, /^Restored 2 files/);
  reader.run('trash empty sessions --older-than 3d --yes');
  reader.run('rekey sessions');
  reader.run('unmount ./sessions');

  reader.run('mount /tmp/restored --cache-path=/tmp/restored.sealed --http-address=127.0.0.1:0 --daemonize');
  assert.ok(mountAt(join(reader.home, 'tmp/restored')));
  reader.run('unmount /tmp/restored');

  for (const line of [
    'mount /tmp/try/sessions --daemonize',
    'mount /tmp/try/sessions --storage-type hybrid --bucket sessions-try --daemonize',
    'mount /tmp/try/sessions --storage-type hybrid --bucket s3://sessions-try --daemonize',
  ]) {
    reader.run(line);
    assert.ok(mountAt(join(reader.home, 'tmp/try/sessions')), line);
    if (line.includes('s3:')) reader.run('status /tmp/try/sessions --json');
    reader.run('unmount /tmp/try/sessions');
    rmSync(join(reader.home, 'tmp/try/sessions.sealed'), { recursive: true });
  }
  assert.match(reader.run('copy gs://old-bucket s3://new-bucket').stdout, /has all/);

  reader.run('run -- node bot.js');
  reader.run(`run ./sessions -- env SESSION_DIR=sessions/${SESSION} node examples/bot/bot.js`);
  for (const line of ['mount', 'mount ./sessions']) {
    const child = reader.start(t, line);
    const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
    await until(
      () => runCliStatus(reader) === 0,
      () => sleep(100),
    );
    child.kill('SIGTERM');
    assert.equal(await ended, 0);
  }
  assert.deepEqual(reader.missing, [], 'lines of the documentation that are not run here');
});

function runCliStatus(reader: Reader): number | null {
  return mountAt(join(reader.home, 'sessions'))
    ? reader.run('status ./sessions', ['MOUNT_NOT_ANSWERING']).status
    : null;
}
