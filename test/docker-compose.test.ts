import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { openBucket } from '../src/bucket/open.ts';
import { cleanUp } from './support/cleanup.ts';
import { DaemonProcess } from './support/daemon-process.ts';
import { cleanEnvironment } from './support/environment.ts';
import { freePort } from './support/free-port.ts';
import { gcsEmulator } from './support/gcs-emulator.ts';
import { repository } from './support/repository.ts';
import { temporaryDirectory } from './support/temporary-directory.ts';

const text = readFileSync(join(repository, 'docker-compose.yml'), 'utf8');
const PORT = '4443';
const START_HANG_MS = 30_000;

function found(pattern: RegExp): string {
  return pattern.exec(text)?.[1] ?? assert.fail(`docker-compose.yml has nothing like ${pattern}`);
}

/** The items of a list that is written one a line. */
function list(key: string): string[] {
  const block = found(new RegExp(`^    ${key}:\\n((?: {6}.*\\n)+)`, 'm'));
  return [...block.matchAll(/^ {6}- "?([^"\n]+)"?$/gm)].map(([, item]) => item ?? '');
}

test('docker-compose.yml is one that docker compose reads', (t) => {
  for (const line of text.split('\n'))
    assert.match(line, /^( {2})*([^\s].*)?$/, `indented by two blanks: ${line}`);
  const asked = spawnSync(
    'docker',
    ['compose', '-f', join(repository, 'docker-compose.yml'), 'config', '-q'],
    {
      encoding: 'utf8',
    },
  );
  if (asked.error || /unknown (shorthand|command)|is not a docker command/.test(asked.stderr)) {
    t.diagnostic('docker compose is not installed here: the file was read by its lines only');
  } else assert.equal(asked.status, 0, asked.stderr);
});

test('the emulator of docker-compose.yml is the release that scripts/gcs-emulator builds', () => {
  const script = readFileSync(join(repository, 'scripts/gcs-emulator'), 'utf8');
  const release = /^release=(.+)$/m.exec(script)?.[1];
  assert.equal(found(/^ {4}image: fsouza\/fake-gcs-server:(.+)$/m), release);
});

test('the example bot of docker-compose.yml has the Baileys that the tests use', () => {
  const read = (path: string) => JSON.parse(readFileSync(join(repository, path), 'utf8'));
  const baileys = '@whiskeysockets/baileys';
  assert.equal(
    read('examples/bot/package.json').dependencies[baileys],
    read('package.json').devDependencies[baileys],
  );
});

test('the emulator of docker-compose.yml has the bucket from the start, and is healthy', async (t) => {
  // Builds it where that was not done yet.
  await gcsEmulator();
  const [folder] = list('tmpfs').map((path) => path.replace(/^\/data\//, ''));
  const bucket = found(/STORAGE_BUCKET=([a-z-]+)/);
  assert.equal(folder, bucket);
  assert.deepEqual(list('ports'), [`127.0.0.1:${PORT}:${PORT}`]);

  const [port, data] = [String(await freePort()), temporaryDirectory(t)];
  mkdirSync(join(data, bucket));
  const args = list('command').map((arg) => arg.replaceAll(PORT, port).replace('=/data', `=${data}`));
  assert.ok(args.includes(`-data=${data}`));
  const release = found(/fake-gcs-server:(.+)$/m);
  const binary = join(repository, `.cache/fake-gcs-server-${release}/fake-gcs-server`);
  const emulator = new DaemonProcess(binary, args, cleanEnvironment(), repository);
  cleanUp(t, async () => {
    emulator.killAll();
    await emulator.waitForExit(START_HANG_MS);
  });

  const check = found(/test: \["CMD", "wget".* "(http:[^"]+)"\]/).replace(PORT, port);
  await answers(check, emulator);
  const emulatorUrl = found(/STORAGE_EMULATOR_HOST=(\S+)/).replace(PORT, port);
  const opened = await openBucket({ kind: 'gcs', name: bucket }, { emulatorUrl });
  t.after(() => opened.close());
  await opened.put('x', Buffer.from('one'), { ifGeneration: '0', metadata: {} });
  assert.deepEqual(
    (await opened.list('')).objects.map(({ name }) => name),
    ['x'],
  );
});

async function answers(url: string, emulator: DaemonProcess): Promise<void> {
  for (const endMs = performance.now() + START_HANG_MS; performance.now() < endMs; await sleep(50)) {
    if (emulator.exit) break;
    const answer = await fetch(url).catch(() => undefined);
    await answer?.arrayBuffer();
    if (answer?.status === 200) return;
  }
  assert.fail(`${url} does not answer:\n${emulator.log()}`);
}
