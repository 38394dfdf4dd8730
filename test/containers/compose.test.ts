import assert from 'node:assert/strict';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { assertStoppedWell } from '../support/stopped.ts';
import { Compose } from './compose.ts';
import { buildImages } from './images.ts';
import { exitStatusOf, podman, stopContainer, until } from './podman.ts';
import { mountedIn } from './share.ts';

const MOUNT = '/share/sessions';
/** By any user of the machine that has the id of the bot's user node. */
const NODE_UID = 1000;
/** The test of the sidecar has accounts of full size. */
const FEW = '--prekeys 20 --contacts 5';

before(() => buildImages({ after }));

test('a bot that is started before the mount fails, and makes no new identity in a folder that is not kept', async (t) => {
  const compose = await Compose.create(t);
  await compose.start('bot');
  assert.notEqual(await exitStatusOf(compose.container('bot')), 0);
  assert.match(await compose.log('bot'), /EACCES: permission denied, mkdir '\/share\/sessions/);
  assert.deepEqual(readdirSync(compose.share), []);
});

test('the bot of examples/ starts in the mount of the sidecar, and ends with 0 when it is stopped', async (t) => {
  const compose = await Compose.create(t);
  await compose.up('gcs', 'sessionfs');
  await compose.start('bot');
  await until(
    'the bot is up',
    async () => /not linked yet/.test(await compose.log('bot')),
    () => compose.log('bot'),
  );
  await stopContainer(compose.container('bot'));
  assert.equal(await exitStatusOf(compose.container('bot')), 0, await compose.log('bot'));
  assert.equal(statSync(join(compose.share, 'sessions/user1-+15550001')).uid, NODE_UID);
});

test('Baileys pairs and resumes through the mount of the sidecar; a new one on an empty volume restores it all', async (t) => {
  const compose = await Compose.create(t);
  await compose.up('gcs', 'sessionfs');
  const { init } = await compose.workload('bot', MOUNT, '--mode init --k 2 --m 40');
  assert.deepEqual(init, { direct: 40, group: 4, errors: [] });
  assert.equal((await compose.workload('bot', MOUNT, '--mode resume')).resume?.accounts, 2);

  await stopContainer(compose.container('sessionfs'));
  assert.equal(await exitStatusOf(compose.container('sessionfs')), 0);
  assertStoppedWell(await compose.log('sessionfs'));
  assert.deepEqual(mountedIn(compose.share), []);
  assert.deepEqual(readdirSync(join(compose.share, 'sessions')), [], 'plaintext lies below the mount point');

  await compose.remove('sessionfs');
  await podman('volume', 'rm', compose.volume('cache'));
  await compose.up('sessionfs');
  assert.equal((await compose.workload('bot', MOUNT, '--mode resume')).resume?.accounts, 2);
  const { disk } = await compose.workload('bot', MOUNT, '--mode check');
  assert.ok(disk && disk.files > 2 * 812, `only ${disk?.files} files`);
  assert.match(await compose.log('sessionfs'), /Session restored from Cloud Storage/);
});

test('one container, `sessionfs run`: Baileys pairs, and resumes in another container with an empty volume', async (t) => {
  const compose = await Compose.create(t);
  await compose.up('gcs');
  const { init } = await compose.workload('bot-alone', '/app/sessions', `--mode init --k 2 --m 10 ${FEW}`);
  assert.equal(init?.direct, 10);
  await podman('volume', 'rm', compose.volume('cache-alone'));
  const { resume } = await compose.workload('bot-alone', '/app/sessions', '--mode resume');
  assert.equal(resume?.accounts, 2);
});
