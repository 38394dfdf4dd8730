/** What an application sees of the sidecar's mount while the sidecar, or its daemon, is killed or stopped: docs/containers.md. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Compose } from './compose.ts';
import { buildImages } from './images.ts';
import { exitStatusOf, podman, run, stopContainer, until } from './podman.ts';
import { mountedIn } from './share.ts';

const MOUNT = '/share/sessions';
const SESSION = `${MOUNT}/user1-+1555000001`;

before(() => buildImages({ after }));

/** A line of observer.mjs. */
interface Seen {
  ms: number;
  call: 'read' | 'held' | 'write' | 'reread' | 'end';
  answer: string;
  written?: number;
  counts?: Readonly<Record<string, number>>;
  slowestMs?: number;
}

async function observed(compose: Compose): Promise<Seen[]> {
  const lines = (await compose.log('bot')).split('\n').filter((line) => line.startsWith('{'));
  return lines.map((line) => JSON.parse(line) as Seen);
}

/** With a session there, made by `makeSession`, and the observer at work in it. */
async function startObserver(
  compose: Compose,
  makeSession: (compose: Compose) => Promise<unknown> = makeSmallSession,
): Promise<void> {
  await compose.up('gcs', 'sessionfs');
  await makeSession(compose);
  await compose.start('bot', `node test/containers/observer.mjs ${SESSION}`);
  await until(
    'the observer has looked once',
    async () => (await observed(compose)).length >= 4,
    () => compose.log('bot'),
  );
}

/** As much as the observer reads. */
function makeSmallSession(compose: Compose): Promise<string> {
  const script = `mkdir ${SESSION} && echo '{"me":1}' >${SESSION}/creds.json`;
  return podman('exec', '--user', '1000:1000', compose.container('sessionfs'), 'sh', '-c', script);
}

function pair(compose: Compose) {
  return compose.workload('bot', MOUNT, '--mode init --k 2 --m 4 --prekeys 20 --contacts 5');
}

/** What the observer has seen when it is told to end. */
async function endObserver(compose: Compose): Promise<Seen[]> {
  await stopContainer(compose.container('bot'));
  return observed(compose);
}

const answersOf = (seen: readonly Seen[], call: Seen['call']) =>
  seen.filter((line) => line.call === call).map(({ answer }) => answer);

const KILLS = 3;
const daemonPid = `$(sed -n 's/.*"daemon": \\([0-9]*\\).*/\\1/p' ${MOUNT}/.sessionfs/status.json)`;

test('SIGKILL of the sidecar’s daemon: the application notices a pause and nothing else', async (t) => {
  const compose = await Compose.create(t);
  await startObserver(compose);
  for (let kill = 1; kill <= KILLS; kill++) {
    await sleep(300);
    await podman('exec', compose.container('sessionfs'), 'sh', '-c', `kill -KILL ${daemonPid}`);
    await until(
      'a daemon serves again',
      async () =>
        (await run('podman', ['exec', compose.container('sessionfs'), 'sessionfs', 'status'])).status === 0,
      () => compose.log('sessionfs'),
    );
  }
  const status = `cat ${MOUNT}/.sessionfs/status.json`;
  const { restarts } = JSON.parse(
    await podman('exec', compose.container('sessionfs'), 'sh', '-c', status),
  ) as { restarts: number };
  assert.equal(restarts, KILLS);
  const seen = await endObserver(compose);
  assert.deepEqual(answersOf(seen, 'read'), ['whole']);
  assert.deepEqual(answersOf(seen, 'held'), ['whole']);
  assert.deepEqual(answersOf(seen, 'write'), ['written']);
  assert.deepEqual(answersOf(seen, 'reread'), ['newest']);
  const end = seen.at(-1);
  t.diagnostic(`${end?.written} writes during ${KILLS} kills, the slowest round took ${end?.slowestMs} ms`);
});

test('SIGKILL of the whole sidecar: errors until it is restarted, then everything is there again', async (t) => {
  const compose = await Compose.create(t);
  await startObserver(compose, pair);
  await sleep(500);
  await podman('kill', '--signal', 'KILL', compose.container('sessionfs'));
  await sleep(500);
  await podman('start', compose.container('sessionfs'));
  await untilWrittenAgain(compose);
  const seen = await endObserver(compose);
  for (const line of seen) t.diagnostic(JSON.stringify(line));

  const writes = answersOf(seen, 'write');
  assert.deepEqual([writes[0], writes.at(-1)], ['written', 'written']);
  const between = new Set(writes.slice(1, -1));
  assert.ok(between.has('ENOTCONN'), [...between].join());
  for (const answer of between) assert.match(answer, /^(ENOTCONN|ECONNABORTED)$/);
  assert.equal(answersOf(seen, 'reread').at(-1), 'newest');
  assert.equal(answersOf(seen, 'read').at(-1), 'whole');
  assert.ok(!answersOf(seen, 'reread').includes('lost a write'));
  assert.ok(!answersOf(seen, 'read').includes('other content'));
  // The dead mount, and the one over it.
  assert.deepEqual(mountedIn(compose.share), new Array(2).fill(join(compose.share, 'sessions')));

  await compose.remove('bot');
  assert.equal((await compose.workload('bot', MOUNT, '--mode resume')).resume?.accounts, 2);
});

test('a sidecar that is stopped before the application: its calls fail and write nothing elsewhere, then go on', async (t) => {
  const compose = await Compose.create(t);
  await startObserver(compose);
  await stopContainer(compose.container('sessionfs'));
  await sleep(500);
  assert.equal(await exitStatusOf(compose.container('sessionfs')), 0);
  assert.match(await compose.log('sessionfs'), /"dirty":0,"lazy":true.*"Mount stopped"/);
  assert.deepEqual(mountedIn(compose.share), []);
  assert.deepEqual(readdirSync(join(compose.share, 'sessions')), [], 'plaintext lies below the mount point');
  await podman('start', compose.container('sessionfs'));
  await untilWrittenAgain(compose);
  const seen = await endObserver(compose);
  assert.deepEqual(answersOf(seen, 'write'), ['written', 'EACCES', 'written']);
  assert.deepEqual(answersOf(seen, 'reread'), ['newest', 'EACCES', 'newest']);
});

async function untilWrittenAgain(compose: Compose): Promise<void> {
  await until(
    'the application writes again',
    async () => {
      const answers = answersOf(await observed(compose), 'write');
      return answers.length > 1 && answers.at(-1) === 'written';
    },
    async () => `${await compose.log('bot')}\n${await compose.log('sessionfs')}`,
  );
}
