import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { version } from '../../src/lib/version.ts';
import { createTestBucket, gcsEmulator } from '../support/gcs-emulator.ts';
import { repository } from '../support/repository.ts';
import { BOT_ALONE, buildImages, SESSIONFS } from './images.ts';
import { containerName, exitStatusOf, logOf, podman, run, stopContainer, untilHealthy } from './podman.ts';

/** What the README says that a container needs. */
const MAY_MOUNT = [
  ...['--device', '/dev/fuse', '--cap-add', 'SYS_ADMIN'],
  ...['--security-opt', 'apparmor=unconfined', '--network', 'none'],
];
/** Far more would mean that the build got into the image. */
const SIZE_MAX_BYTES = 260e6;
/** Of what the documentation says: the official base image differs a little, and dependencies do. */
const SIZE_TOLERANCE = 0.06;
const DOCUMENTED_SIZES = [
  ['README.md', /# (\d+) MB, mounts/],
  ['docs/containers.md', /^\| size \| (\d+) MB/m],
] as const;

before(() => buildImages({ after }));

const shell = (script: string, image = SESSIONFS) =>
  podman('run', '--rm', '--network', 'none', '--entrypoint', 'sh', image, '-c', script);

test('the image is small, and has nothing in it that installs or builds', async (t) => {
  const [size = '', layers = ''] = (
    await podman('image', 'inspect', '--format', '{{.Size}} {{len .RootFS.Layers}}', SESSIONFS)
  ).split(' ');
  const bytes = Number(size);
  t.diagnostic(`the image: ${Math.round(bytes / 1e6)} MB in ${layers} layers`);
  assert.ok(bytes < SIZE_MAX_BYTES, `${size} bytes`);
  for (const [file, phrase] of DOCUMENTED_SIZES) {
    const said = Number(phrase.exec(readFileSync(join(repository, file), 'utf8'))?.[1]);
    assert.ok(Math.abs(said * 1e6 - bytes) < SIZE_TOLERANCE * bytes, `${file} says ${said} MB`);
  }
  const tools = 'npm npx yarn corepack tsc gcc cc make python3 git curl wget';
  assert.equal(await shell(`for tool in ${tools}; do command -v $tool; done; true`), '');
});

test('the image says what it is, where it comes from, and how it ends', async () => {
  const format = '{{json .Config}}';
  const { Labels, StopSignal, Entrypoint } = JSON.parse(
    await podman('image', 'inspect', '--format', format, SESSIONFS),
  ) as { Labels: Record<string, string>; StopSignal: string; Entrypoint: string[] };
  const label = (name: string) => Labels[`org.opencontainers.image.${name}`];
  assert.deepEqual(
    [label('title'), label('version'), label('revision'), label('licenses')],
    ['sessionfs', version, 'a-test', 'MIT'],
  );
  assert.match(label('source') ?? '', /^https:/);
  assert.deepEqual([StopSignal, Entrypoint], ['SIGTERM', ['sessionfs']]);
});

test('the image holds what runs and the dependencies of production, and neither sources nor settings', async () => {
  const lock = JSON.parse(readFileSync(join(repository, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { dev?: boolean }>;
  };
  assert.equal(
    await shell('cd /opt/sessionfs; ls -A . dist | xargs'),
    '.: LICENSE bin dist node_modules package.json dist: bundle',
  );
  const found = await shell('cd /opt/sessionfs; ls -d node_modules/[!@]* node_modules/@*/*');
  for (const path of found.split('\n')) {
    assert.ok(lock.packages[path], `${path} is not in package-lock.json`);
    assert.ok(!lock.packages[path].dev, `${path} is a development dependency`);
  }
});

test('the image by itself mounts /sessions, turns healthy, stops with 0, and has all of it after a restart', async (t) => {
  const container = containerName(t, 'image');
  await podman('run', '--detach', '--name', container, ...MAY_MOUNT, SESSIONFS);
  await untilHealthy(container);
  await podman('exec', container, 'sh', '-c', 'mkdir /sessions/a && echo 1 >/sessions/a/creds.json');
  await stopContainer(container);
  assert.equal(await exitStatusOf(container), 0, await logOf(container));
  assert.match(await logOf(container), /"dirty":0,.*"msg":"Mount stopped"/);

  await podman('start', container);
  await untilHealthy(container);
  assert.equal(await podman('exec', container, 'cat', '/sessions/a/creds.json'), '1');
});

test('a container of the image in which nothing is mounted is unhealthy', async (t) => {
  const container = containerName(t, 'unhealthy');
  const command = ['--entrypoint', 'sleep', SESSIONFS, '600'];
  await podman('run', '--detach', '--network', 'none', '--name', container, ...command);
  const { status, stdout } = await run('podman', ['healthcheck', 'run', container]);
  assert.deepEqual([status, stdout.trim()], [1, 'unhealthy']);
});

test('with no capability but the one to mount, and sessions of another user, the container turns healthy', async (t) => {
  const container = containerName(t, 'few-rights');
  const few = ['--cap-drop', 'ALL', ...MAY_MOUNT, '--env', 'SESSION_OWNER=1000:1000', '--read-only'];
  await podman('run', '--detach', '--name', container, ...few, '--volume', '/var/lib/sessionfs', SESSIONFS);
  await untilHealthy(container);
  await podman('exec', '--user', '1000:1000', container, 'mkdir', '/sessions/a');
  await stopContainer(container);
  assert.equal(await exitStatusOf(container), 0, await logOf(container));
});

test('the base image is named by its digest, the same in both files, and its Node.js is one that is maintained', async () => {
  const pinned = ['Dockerfile', 'examples/bot/Dockerfile'].map(
    (file) =>
      /^ARG (?:BUILD|NODE)_IMAGE=(node:.*)$/m.exec(readFileSync(join(repository, file), 'utf8'))?.[1] ?? '',
  );
  assert.match(pinned[0] ?? '', /^node:24-bookworm-slim@sha256:[0-9a-f]{64}$/);
  assert.equal(pinned[0], pinned[1]);
  assert.match(await shell('node --version'), /^v24\./);
});

test('a pids limit that is too low is said at the start, with what to do', async () => {
  const few = ['--pids-limit', '20', '--env', 'SESSION_HTTP_ADDRESS='];
  for (const started of [[SESSIONFS], [BOT_ALONE, 'true']]) {
    const { status, stdout, stderr } = await run('podman', ['run', '--rm', ...MAY_MOUNT, ...few, ...started]);
    assert.notEqual(status, 0);
    assert.match(stdout + stderr, /this container may have 20 processes and threads \(pids limit\)/);
    assert.match(stdout + stderr, /Give the container more: --memory, --pids-limit/);
  }
});

test('without the right to mount the container says what it needs, and ends with the status for it', async () => {
  const { status, stderr } = await run('podman', ['run', '--rm', '--network', 'none', SESSIONFS]);
  assert.equal(status, 14, stderr);
  assert.match(stderr, /--device \/dev\/fuse/);
});

test('sessionfs run gives its command the mount, its status and its signals, and none of its own rights', async (t) => {
  const says = 'id -u; grep CapBnd /proc/self/status; mkdir sessions/a && stat -c %u sessions/a; exit 7';
  const { status, stdout, stderr } = await run('podman', [
    ...['run', '--rm', ...MAY_MOUNT, BOT_ALONE, 'sh', '-c', says],
  ]);
  assert.equal(status, 7, stderr);
  assert.match(stdout, /^1000\nCapBnd:\s+0{16}\n1000\n$/);

  const container = containerName(t, 'run');
  const waits = 'trap "echo 2 >sessions/a; exit 3" TERM; echo 1 >sessions/a; while :; do sleep 0.1; done';
  await podman('run', '--detach', '--name', container, ...MAY_MOUNT, BOT_ALONE, 'sh', '-c', waits);
  await untilHealthy(container);
  await stopContainer(container);
  assert.equal(await exitStatusOf(container), 3, await logOf(container));
});

test('cloud mode runs in a container that may write nothing, and keeps what it was given', async (t) => {
  const emulator = await gcsEmulator();
  const bucket = await createTestBucket(emulator);
  const settings = {
    SESSION_STORAGE_TYPE: 'cloud',
    STORAGE_BUCKET: bucket,
    STORAGE_EMULATOR_HOST: emulator,
    SESSION_ENCRYPTION_KEY: randomBytes(32).toString('hex'),
  };
  const start = async (name: string) => {
    const container = containerName(t, name);
    const env = Object.entries(settings).flatMap(([variable, value]) => ['--env', `${variable}=${value}`]);
    const mayMount = MAY_MOUNT.filter((word) => !['--network', 'none'].includes(word));
    const closed = ['--read-only', '--read-only-tmpfs=false', '--network', 'host'];
    await podman('run', '--detach', '--name', container, ...closed, ...mayMount, ...env, SESSIONFS);
    await untilHealthy(container);
    return container;
  };
  const first = await start('cloud');
  await assert.rejects(podman('exec', first, 'touch', '/anything', '/tmp/anything'));
  await podman(
    'exec',
    first,
    'sh',
    '-c',
    `mkdir /sessions/a-+1 && echo '{"n":1}' >/sessions/a-+1/creds.json`,
  );
  await stopContainer(first);
  assert.equal(await exitStatusOf(first), 0, await logOf(first));
  const second = await start('cloud-again');
  assert.equal(await podman('exec', second, 'cat', '/sessions/a-+1/creds.json'), '{"n":1}');
  await stopContainer(second);
});
