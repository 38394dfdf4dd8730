/** An application that starts over on a real mount: it is told, and the account is not lost. */
import assert from 'node:assert/strict';
import {
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { runCli } from '../cli/run-cli.ts';
import { freshCreds, pairedCreds, WORKLOAD_SESSION } from '../support/baileys-creds.ts';
import { freePort } from '../support/free-port.ts';
import { mountSessionfs } from '../support/mount-sessionfs.ts';
import { workloadSucceeds } from '../support/run-workload.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { until } from '../support/until.ts';
import { logLines, untilLogged } from './log-lines.ts';
import { readTree, type Tree } from './session-files.ts';

const SESSION = 'user-+49';
const SMALL = ['--k', '2', '--m', '10', '--group', '2', '--prekeys', '20', '--contacts', '3'];
const options = { timeout: 180_000 };
const STARTED_OVER = /An application started over/;
const METRIC = /^sessionfs_fresh_registrations_total (\d+)$/m;

/** Credentials that Baileys saved when it paired an account: those of the first test, or of a workload of its own. */
let saved: string | undefined;

async function savedCreds(t: TestContext): Promise<string> {
  saved ??= await pairedCreds(t);
  return saved;
}

/** A registered account with one key, in a folder of the mount. */
async function registeredSession(t: TestContext, mountPoint: string) {
  const session = join(mountPoint, SESSION);
  const creds = join(session, 'creds.json');
  const paired = await savedCreds(t);
  mkdirSync(session);
  writeFileSync(creds, paired);
  writeFileSync(join(session, 'pre-key-1.json'), '{}');
  return { session, creds, paired };
}

/** The name of the only version that was set aside. */
function keptIn(folder: string): string {
  const names = readdirSync(join(folder, 'set-aside'));
  assert.equal(names.length, 1, `set-aside holds ${names}`);
  assert.match(names[0] ?? '', /^creds\.json\.\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}Z$/);
  return join(folder, 'set-aside', names[0] ?? '');
}

function withoutSetAside(tree: Tree): Tree {
  return Object.fromEntries(Object.entries(tree).filter(([path]) => !path.startsWith('set-aside/')));
}

test(
  'unmodified Baileys’ credentials that fresh ones replace are told, counted, exported byte by byte, and work again',
  options,
  async (t) => {
    const address = `127.0.0.1:${await freePort()}`;
    const first = await mountSessionfs(t, { env: { SESSION_HTTP_ADDRESS: address } });
    const { mountPoint } = first;
    const metric = async () => METRIC.exec(await (await fetch(`http://${address}/metrics`)).text())?.[1];
    const session = join(mountPoint, WORKLOAD_SESSION);
    const creds = join(session, 'creds.json');
    await workloadSucceeds(mountPoint, '--mode', 'init', ...SMALL);
    assert.equal(await metric(), '0');
    assert.doesNotMatch(first.log(), STARTED_OVER);

    const paired = readFileSync(creds);
    saved = paired.toString();
    const fresh = freshCreds();
    writeFileSync(creds, fresh);
    await untilLogged(first, STARTED_OVER);
    const [line, ...more] = logLines(first.log()).filter(({ msg }) => STARTED_OVER.test(msg));
    assert.deepEqual([line?.level, line?.session, more], ['error', WORKLOAD_SESSION, []]);
    const sealed = readFileSync(String(line?.keptAs));
    assert.equal(sealed.toString('latin1', 0, 4), 'SFS1');
    assert.equal(sealed.includes('noiseKey'), false);
    await until(async () => (await metric()) === '1');
    assert.equal(
      JSON.parse(readFileSync(join(mountPoint, '.sessionfs/status.json'), 'utf8')).freshRegistrations,
      1,
    );

    assert.match(runCli(['status', mountPoint]).stdout, /^TROUBLE .*: an application started over: /m);

    // Beside the mount: what is still in the journal, too.
    const live = join(temporaryDirectory(t), 'live');
    const { status, stderr, stdout } = runCli(['export', session, '--to', live]);
    assert.deepEqual([status, stderr], [0, '']);
    assert.match(stdout, /: \d+ files?, 1 kept version\n/);
    assert.deepEqual(readFileSync(keptIn(live)), paired);
    assert.deepEqual(withoutSetAside(readTree(live)), readTree(session));
    assert.equal(readFileSync(join(live, 'creds.json'), 'utf8'), fresh);
    assert.equal(statSync(live).mode & 0o777, 0o700);
    for (const name of ['creds.json', 'set-aside'])
      assert.equal(statSync(join(live, name)).mode & 0o077, 0, name);

    const before = readTree(session);
    await first.unmount();
    const still = join(temporaryDirectory(t), 'still');
    mkdirSync(still, { mode: 0o755 });
    const env = { SESSION_STORAGE_PATH: mountPoint };
    assert.equal(runCli(['export', WORKLOAD_SESSION, '--set-aside', '--to', still], env).status, 0);
    assert.deepEqual(readFileSync(keptIn(still)), paired);
    assert.deepEqual([readdirSync(still), statSync(still).mode & 0o777], [['set-aside'], 0o700]);

    const second = await mountSessionfs(t, { mountPoint });
    assert.deepEqual(readTree(session), before);
    copyFileSync(keptIn(still), creds);
    const { resume } = await workloadSucceeds(mountPoint, '--mode', 'resume');
    assert.deepEqual([resume?.accounts, resume?.errors], [2, []]);
    assert.doesNotMatch(second.log(), STARTED_OVER);
    await second.unmount();
  },
);

test('what was kept survives a daemon that is killed at once, and is not told twice', options, async (t) => {
  const mounted = await mountSessionfs(t);
  const { mountPoint } = mounted;
  const { session, creds, paired } = await registeredSession(t, mountPoint);
  const daemon = await mounted.daemonPid();
  writeFileSync(creds, freshCreds());
  process.kill(daemon, 'SIGKILL');
  await untilLogged(mounted, /Took the mount over/);
  writeFileSync(creds, freshCreds());
  const folder = join(temporaryDirectory(t), 'out');
  assert.equal(runCli(['export', session, '--to', folder]).status, 0);
  assert.equal(readFileSync(keptIn(folder), 'utf8'), paired);
  assert.ok(
    mounted
      .log()
      .split('\n')
      .filter((line) => STARTED_OVER.test(line)).length <= 1,
  );
  await mounted.unmount();
});

test(
  'credentials that are removed while keys stay are told, counted, and brought back by sessionfs restore',
  options,
  async (t) => {
    const address = `127.0.0.1:${await freePort()}`;
    const mounted = await mountSessionfs(t, { env: { SESSION_HTTP_ADDRESS: address } });
    const { mountPoint } = mounted;
    const { session, creds, paired } = await registeredSession(t, mountPoint);
    unlinkSync(creds);
    await untilLogged(mounted, /The credentials of a registered account were removed/);
    const metrics = async () => (await fetch(`http://${address}/metrics`)).text();
    await until(async () => /^sessionfs_credentials_removed_total 1$/m.test(await metrics()));
    assert.match(runCli(['status', mountPoint]).stdout, /^TROUBLE +user-\+49: its registered credentials/m);
    const listed = runCli(['restore', '--list', mountPoint]);
    // A checkpoint may have put the session into the trash as well.
    assert.match(listed.stdout, /^\d{4}-\S+:\d\dZ \(.* ago\) +user-\+49 +credentials +kept version$/m);
    assert.equal(runCli(['restore', session, '--at', '2001-01-01T00:00:00Z']).status, 60);
    const { status, stderr } = runCli(['restore', session]);
    assert.deepEqual([status, stderr], [0, '']);
    assert.equal(readFileSync(creds, 'utf8'), paired);
    assert.deepEqual(readdirSync(session).sort(), ['creds.json', 'pre-key-1.json']);
    assert.equal(statSync(creds).uid, statSync(session).uid);
    assert.doesNotMatch(runCli(['status', mountPoint]).stdout, /TROUBLE/);
    // They log in: what was kept may be older.
    assert.equal(runCli(['restore', session]).status, 68);
    await mounted.unmount();
  },
);
