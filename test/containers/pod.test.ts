import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fuseDevice } from '../support/fuse-device.ts';
import type { WorkloadResult } from '../support/run-workload.ts';
import { assertStoppedWell } from '../support/stopped.ts';
import { BOT_ALONE, buildImages } from './images.ts';
import { settingOf, sidecarFiles, workloadOf } from './manifests.ts';
import { Pod } from './pod.ts';
import { containerName, podman, run, stopContainer, untilHealthy } from './podman.ts';
import { mountedIn } from './share.ts';

/** compose.test.ts has accounts of full size: what is last in the bucket does not depend on how much came before. */
const FEW = ['--k', '2', '--m', '10', '--prekeys', '20', '--contacts', '5'];

const workload = (mode: string, folder = '/share/sessions') => [
  ...['node', '/app/test/baileys/workload.mjs', folder, ...FEW, '--mode', mode],
];

before(() => buildImages({ after }));

function assertWorked(output: string): void {
  const { ok, error, init, resume } = JSON.parse(output) as WorkloadResult;
  assert.ok(ok, JSON.stringify({ error, init, resume }));
}

/** What observer.mjs says at its end. */
function lastLine(output: string): { written: number } {
  return JSON.parse(output.trimEnd().split('\n').at(-1) ?? '');
}

for (const name of sidecarFiles) {
  test(`${name}, played: what the application wrote last is in the bucket when the pod has ended in Kubernetes' order`, async (t) => {
    const { spec } = (await workloadOf(name)).spec.template;
    const [sessionfs] = spec.initContainers ?? [];
    const [bot] = spec.containers;
    assert.ok(sessionfs && bot && sessionfs.lifecycle && bot.livenessProbe?.exec);
    const pod = await Pod.create(t);

    await pod.start(sessionfs);
    await pod.untilStarted(sessionfs);
    await pod.start(bot, workload('init'));
    assertWorked(await pod.output(bot));

    const session = '/share/sessions/user1-+1555000001';
    await pod.start(bot, ['node', '/app/test/containers/observer.mjs', session]);
    await sleep(1_000);
    await pod.exec(bot, bot.livenessProbe.exec.command);
    // As kubelet: the sidecar's preStop at once, beside the application's end; SIGTERM only after that.
    // Its time limit, 15 s, is for a machine of its own.
    const [timeout = '', , ...flush] = sessionfs.lifecycle.preStop.exec.command;
    assert.equal(timeout, 'timeout');
    const preStop = pod.exec(sessionfs, [timeout, '150', ...flush]);
    await sleep(300);
    assert.equal(await pod.stop(bot), 0, await pod.log(bot));
    await preStop;
    assert.equal(await pod.stop(sessionfs), 0, await pod.log(sessionfs));
    const { written } = lastLine(await pod.output(bot));
    assert.ok(written > 10);
    assertStoppedWell(await pod.log(sessionfs));
    assert.deepEqual(mountedIn(pod.share), [], 'a mount is left on the node');
    assert.deepEqual(readdirSync(join(pod.share, 'sessions')), []);

    pod.loseCache();
    await pod.start(sessionfs);
    await pod.untilStarted(sessionfs);
    const file = `${session}/app-state-sync-key-count.json`;
    assert.deepEqual(JSON.parse(await pod.exec(sessionfs, ['cat', file])), { count: written });
    await pod.start(bot, workload('resume'));
    assertWorked(await pod.output(bot));
    assert.equal(await pod.stop(sessionfs), 0);
  });
}

test('run.yaml, played: Baileys pairs under `sessionfs run`, and resumes in a pod with an empty volume', async (t) => {
  const { spec } = (await workloadOf('run.yaml')).spec.template;
  const [bot] = spec.containers;
  assert.ok(bot);
  const pod = await Pod.create(t);
  await pod.start(bot, workload('init', '/app/sessions'));
  assertWorked(await pod.output(bot));
  pod.loseCache();
  await pod.start(bot, workload('resume', '/app/sessions'));
  assertWorked(await pod.output(bot));
});

test('run-unprivileged.yaml: a container without root, capabilities or new privileges mounts for its application', async (t) => {
  const [bot] = (await workloadOf('run-unprivileged.yaml')).spec.template.spec.containers;
  assert.ok(bot?.command);
  assert.deepEqual(bot.securityContext.capabilities, { drop: ['ALL'] });
  const device = fuseDevice(t, 0o666);
  const [shell = '', option = '', script = ''] = bot.command;
  const says = `sh -c 'id -u; grep CapEff /proc/self/status; mkdir sessions/a && stat -c %U sessions/a'`;
  const few = [
    ...['--network', 'none', '--user', '1000:1000', '--cap-drop', 'all'],
    ...['--security-opt', 'no-new-privileges', '--security-opt', 'seccomp=unconfined'],
    ...['--security-opt', 'apparmor=unconfined', '--device', `${device}:/dev/fuse`],
    ...['--env', `SESSION_OWNER=${settingOf(bot, 'SESSION_OWNER')}`],
    ...['--env', `SESSION_STORAGE_PATH=${settingOf(bot, 'SESSION_STORAGE_PATH')}`],
    ...['--env', 'SESSION_CACHE_PATH=/tmp/cache', '--entrypoint', shell, BOT_ALONE],
  ];
  const { status, stdout, stderr } = await run('podman', [
    ...['run', '--rm', ...few, option, script.replace('node /app/bot.js', says)],
  ]);
  assert.equal(status, 0, stderr);
  assert.match(stdout, /^1000\nCapEff:\s+0{16}\nnode\n$/);
  assert.match(stderr, /"dirty":0.*"Mount stopped"/);

  const container = containerName(t, 'unprivileged');
  const waits = script.replace('node /app/bot.js', 'sleep 600');
  await podman('run', '--detach', '--name', container, ...few, option, waits);
  await untilHealthy(container);
  await stopContainer(container);
});

test('run-user-namespace.yaml: its capabilities are enough in a user namespace, for sessionfs and for its end of the application', async (t) => {
  const { spec } = (await workloadOf('run-user-namespace.yaml')).spec.template;
  const [bot] = spec.containers;
  assert.ok(bot?.command);
  const { add, drop } = bot.securityContext.capabilities as { add: string[]; drop: string[] };
  assert.deepEqual(drop, ['ALL']);
  // podman takes a device from the host's /dev: in this mount namespace it is open to all, as a device plugin's is.
  const device = fuseDevice(t, 0o666);
  const { status, stdout, stderr } = await run('unshare', [
    ...['--mount', 'sh', '-c', 'mount --bind "$0" /dev/fuse && exec "$@"', device],
    ...['podman', 'run', '--rm', '--network', 'none', '--uidmap', '0:200000:65536'],
    ...['--gidmap', '0:200000:65536', '--cap-drop', 'all', ...add.flatMap((one) => ['--cap-add', one])],
    ...['--security-opt', 'apparmor=unconfined', '--read-only', '--tmpfs', '/tmp', '--device', '/dev/fuse'],
    ...['--env', `SESSION_OWNER=${settingOf(bot, 'SESSION_OWNER')}`, '--volume', '/var/lib/sessionfs'],
    ...['--entrypoint', bot.command[0] ?? '', BOT_ALONE, ...bot.command.slice(1)],
    ...['sh', '-c', 'id -u; mkdir sessions/a && stat -c %u sessions/a; cat /proc/self/uid_map'],
  ]);
  assert.equal(status, 0, stderr);
  assert.match(stdout, /^1000\n1000\n\s+0\s+200000\s+65536\n$/);
  assert.match(stdout + stderr, /"exitStatus":0,"dirty":0,.*"Mount stopped"/);
});
