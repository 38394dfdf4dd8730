/** The Debian package on a Debian with systemd: what sessionfs@.service and /etc/fstab promise, and what a purge leaves. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { version } from '../../src/lib/version.ts';
import { assertStoppedWell } from '../support/stopped.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { containerName, type Finished, podman, run, until } from './podman.ts';
import { ContainerShell } from './shell.ts';

const IMAGE = 'localhost/sessionfs-test-debian:latest';
const MOUNT_POINT = '/srv/bot/sessions';
const UNIT = 'sessionfs@srv-bot-sessions.service';
const FILE = `${MOUNT_POINT}/user1-+15550001/creds.json`;
const machine = containerName({ after }, 'debian');
const packages = temporaryDirectory({ after });
let root: ContainerShell | undefined;
after(() => root?.end());

/** In a shell of root; returns what it printed to stdout. */
async function shell(script: string): Promise<string> {
  const { status, stdout, stderr } = await attempt(script);
  assert.equal(status, 0, `${script}\n${stdout}\n${stderr}`);
  return stdout.trim();
}

function attempt(script: string): Promise<Finished> {
  assert.ok(root);
  return root.run(script);
}

const property = (name: string) => shell(`systemctl show --property=${name} --value ${UNIT}`);
const mounts = () => shell('findmnt --noheadings --output TARGET --types fuse.sessionfs || true');
const daemonOf = (path: string) =>
  shell(`grep -m 1 -o '"daemon": [0-9]*' ${path}/.sessionfs/status.json | grep -o '[0-9]*'`);

before(async () => {
  const { status, stderr } = await run('scripts/package-deb', [packages]);
  assert.equal(status, 0, stderr);
  await podman(
    ...['run', '--detach', '--name', machine, '--systemd', 'always', '--privileged', '--network', 'none'],
    ...['--volume', `${packages}:/packages:ro`, IMAGE],
  );
  root = new ContainerShell(machine);
  await until(
    'systemd has started',
    async () => /^(running|degraded)/.test((await attempt('systemctl is-system-running')).stdout),
    async () => (await attempt('systemctl --no-pager; systemctl --failed --no-pager')).stdout,
  );
});

test('the package asks for a new Node.js, and installs beside one', async () => {
  const file = `/packages/sessionfs_${version}_all.deb`;
  const refused = await attempt(`apt-get install -y ${file}`);
  assert.notEqual(refused.status, 0);
  assert.match(refused.stdout, /Depends: nodejs \(>= 20\)/);
  await shell(`mkdir -p /tmp/nodejs/DEBIAN && cd /tmp && cat >nodejs/DEBIAN/control <<END
Package: nodejs
Version: $(node --version | tr -d v)
Architecture: all
Maintainer: tests <tests@localhost>
Description: stands for the package of Debian 13 or NodeSource; the program is in /usr/local
END
    dpkg-deb --build nodejs && apt-get install -y ./nodejs.deb ${file}`);
  assert.equal(await shell('sessionfs --version'), version);
  assert.equal(await shell('stat -c %a /etc/default/sessionfs /etc/sessionfs | paste -s'), '600\t700');
  assert.match(await shell('cat /var/lib/dpkg/info/sessionfs.conffiles'), /^\/etc\/default\/sessionfs$/m);
  await shell(
    '[ -s /usr/share/man/man8/mount.sessionfs.8.gz ] && . /usr/share/bash-completion/completions/sessionfs',
  );
});

test('systemd rates the unit OK or better', async () => {
  const unit = '/usr/lib/systemd/system/sessionfs@.service';
  await shell(`systemd-analyze verify --man=no ${UNIT}`);
  // Tenths of what it prints: from 5.0 on a unit is MEDIUM.
  const rated = await shell(
    `systemd-analyze security --offline=true --threshold=49 --no-pager ${unit} | tail -n 1`,
  );
  assert.match(rated, /(OK|SAFE|PERFECT)/);
});

test('the service is up when its mount answers, and every process of the machine sees the mount', async () => {
  const settings = 'SESSION_UMASK=022\\nSESSION_OWNER=1000:1000\\n';
  await shell(`printf '${settings}' >/etc/sessionfs/srv-bot-sessions.env && mkdir -p ${MOUNT_POINT}`);
  await shell(`systemctl start "$(systemd-escape --path --template=sessionfs@.service ${MOUNT_POINT})"`);
  assert.equal(await mounts(), MOUNT_POINT);
  await shell(`su node -c 'umask 0; mkdir ${MOUNT_POINT}/user1-+15550001; echo {} >${FILE}'`);
  assert.equal(await shell(`stat -c '%U %a' ${FILE}`), 'node 644');
  assert.match(
    await property('StatusText'),
    /^(The mount answers|Sessions: \d+, files not stored yet: \d+, daemon: \d+)$/,
  );
});

test('reload and upgrade hand the mount over to a new daemon, and the service goes on', async () => {
  const [main, first] = [await property('MainPID'), await daemonOf(MOUNT_POINT)];
  await shell(`systemctl reload ${UNIT}`);
  const second = await daemonOf(MOUNT_POINT);
  assert.notEqual(second, first);
  await shell(`dpkg --install /packages/*.deb`);
  assert.notEqual(await daemonOf(MOUNT_POINT), second);
  assert.deepEqual([await property('MainPID'), await property('ActiveState')], [main, 'active']);
  assert.equal(await property('NRestarts'), '0');
});

test('a daemon that hangs is ended by the watchdog, and the service starts anew with what was written', async () => {
  const dropIn = '/run/systemd/system/sessionfs@.service.d';
  await shell(`mkdir -p ${dropIn} && printf '[Service]\\nWatchdogSec=10s\\n' >${dropIn}/watchdog.conf && systemctl daemon-reload &&
    systemctl restart ${UNIT} && echo '{"n":1}' >${FILE} && kill -STOP ${'$('}grep -m 1 -o '"daemon": [0-9]*' ${MOUNT_POINT}/.sessionfs/status.json | grep -o '[0-9]*')`);
  await until(
    'the watchdog has ended the service, and it runs again',
    async () => Number(await property('NRestarts')) > 0 && (await property('ActiveState')) === 'active',
    () => shell(`journalctl --no-pager --unit ${UNIT}`),
  );
  assert.match(await shell(`journalctl --no-pager --unit ${UNIT}`), /Watchdog timeout/);
  await shell(`rm -r ${dropIn} && systemctl daemon-reload && systemctl restart ${UNIT}`);
  assert.equal(await shell(`cat ${FILE}`), '{"n":1}');
  assert.equal(await mounts(), MOUNT_POINT);
});

test('a stopped service has flushed and unmounted, and its folder stays shut', async () => {
  await shell(`systemctl stop ${UNIT}`);
  assert.equal(await property('Result'), 'success');
  assert.equal(await mounts(), '');
  assert.equal(await shell(`stat -c %a ${MOUNT_POINT}`), '0');
  assertStoppedWell(await shell(`journalctl --no-pager --unit ${UNIT} | tail -n 8`));
});

test('cloud mode gets its memory in a service', async () => {
  const settings = `SESSION_STORAGE_TYPE=cloud\\nSTORAGE_BUCKET=file:///srv/bucket\\nSESSION_ENCRYPTION_KEY=${'ab'.repeat(32)}\\n`;
  await shell(`printf '${settings}' >/etc/sessionfs/srv-cloud.env && mkdir -p /srv/cloud /srv/bucket`);
  await shell('systemctl start sessionfs@srv-cloud.service');
  await shell(`mkdir /srv/cloud/user1-+15550001 && echo '{"n":1}' >/srv/cloud/user1-+15550001/creds.json`);
  await shell('systemctl stop sessionfs@srv-cloud.service && [ ! -e /srv/cloud.sealed/sessions ]');
  assert.equal(await mounts(), '');
});

test('/etc/fstab mounts with options, once, and umount returns when all is flushed', async () => {
  const folder = '/srv/other/sessions';
  await shell(`mkdir -p ${folder} && echo LOG_LEVEL=debug >/etc/sessionfs/srv-other-sessions.env`);
  await shell(
    `echo 'sessionfs ${folder} sessionfs umask=022,uid=1000,gid=1000,_netdev,nofail 0 0' >>/etc/fstab`,
  );
  await shell('mount -a && mount -a');
  assert.equal(await mounts(), folder);
  await shell(`su node -c 'umask 0; echo hello >${folder}/a.txt'`);
  assert.equal(await shell(`stat -c '%U %a' ${folder}/a.txt`), 'node 644');
  assert.match(await shell('cat /var/log/sessionfs/srv-other-sessions.log'), /"level":"debug"/);
  await shell(`logrotate --force /etc/logrotate.d/sessionfs`);
  await until(
    'the log goes on in a new file',
    async () => (await attempt('[ -e /var/log/sessionfs/srv-other-sessions.log ]')).status === 0,
    () => shell('ls -l /var/log/sessionfs'),
  );
  await shell(`umount ${folder}`);
  assert.equal(await mounts(), '');
  assert.match(
    await shell('tail -n 1 /var/log/sessionfs/srv-other-sessions.log'),
    /"dirty":0.*"Mount stopped"/,
  );
  // As the machine's start and end do it.
  await shell('systemctl daemon-reload && systemctl start srv-other-sessions.mount');
  assert.equal(await mounts(), folder);
  await shell('systemctl stop srv-other-sessions.mount');
  assert.equal(await mounts(), '');
});

test('mount -o refuses what it does not know with one clear line', async () => {
  for (const [options, line] of [
    ['umsk=022', /^sessionfs: there is no mount option "umsk"$/m],
    ['key=abc', /^sessionfs: the mount option key is not supported: .*key_file=FILE$/m],
    ['umask=999', /^sessionfs: --umask is "999", but it must be an octal number/m],
  ] as const) {
    const { status, stderr } = await attempt(
      `mount -t sessionfs -o ${options} sessionfs /srv/other/sessions`,
    );
    assert.notEqual(status, 0, options);
    assert.match(stderr, line);
  }
  const { stderr } = await attempt('mount -t fuse.sessionfs s3://bucket /srv/other/sessions');
  assert.match(stderr, /^mount\.fuse\.sessionfs: the source is 's3:\/\/bucket', but it must be 'sessionfs'/m);
});

test('a removal unmounts, a purge keeps keys and sessions and says so', async () => {
  await shell(`systemctl start ${UNIT} && mount /srv/other/sessions`);
  await shell('apt-get remove -y sessionfs');
  assert.equal(await mounts(), '');
  const purged = await shell('apt-get purge -y sessionfs 2>&1');
  assert.match(purged, /sessionfs: \/etc\/sessionfs stays: it holds keys, settings or sessions/);
  await shell(
    '[ ! -e /etc/default/sessionfs ] && [ ! -e /usr/lib/sessionfs ] && [ ! -e /var/log/sessionfs ]',
  );
  await shell(
    `[ -e /etc/sessionfs/srv-bot-sessions.env ] && [ -e ${MOUNT_POINT}.sealed.key ] && [ -d ${MOUNT_POINT}.sealed ]`,
  );
});
