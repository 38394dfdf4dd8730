/** What is otherwise with the driver fuse-native. These run with that driver only. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  statSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Reader } from '../../hybrid/support/reader.ts';
import { Account, SESSION } from '../../hybrid/support.ts';
import { mountSessionfs } from '../../support/mount-sessionfs.ts';
import { mountAt } from '../../support/mounts.ts';
import type { Deviations } from '../support/deviation.ts';
import { outcome, permissionsOf, untilAsync } from '../support/probe.ts';
import { hasPython, python } from '../support/python.ts';

/** An answered caller dies within some milliseconds. */
const NOT_YET_MS = 300;
const OLD = '{"version":1}';
const as = ['--reuid=2001', '--regid=2001', '--clear-groups'];

export const nativeDeviations: Deviations = {
  async 'fuse-native: a daemon that dies takes the mount along for a moment'({ t }) {
    const mounted = await mountSessionfs(t);
    const file = join(mounted.mountPoint, 'creds.json');
    await writeFile(file, OLD);
    const daemon = await mounted.daemonPid();
    process.kill(daemon, 'SIGKILL');
    await untilAsync(async () => (await readFile(file, 'utf8').catch(() => '')) === OLD, 'the next mount');
    assert.notEqual(await mounted.daemonPid(), daemon);
    assert.match(mounted.log(), /The daemon died; another one takes the mount over/);
    await writeFile(file, '{"version":2}');
    await mounted.unmount();
    assert.equal(mountAt(mounted.mountPoint), undefined);
    assert.deepEqual(readdirSync(mounted.mountPoint), []);
  },

  'fuse-native: stat sees a new `*.json` while its maker has it open'({ folder }) {
    const file = join(folder, 'pre-key-1.json');
    const fd = openSync(file, 'wx');
    writeSync(fd, OLD.slice(0, 5));
    assert.ok(statSync(file).isFile());
    assert.deepEqual(readdirSync(folder), []);
    assert.equal(
      outcome(() => readFileSync(file)),
      'ENOENT',
    );
    assert.equal(
      outcome(() => openSync(file, 'wx')),
      'EEXIST',
    );
    writeSync(fd, OLD.slice(5));
    assert.equal(readFileSync(file, 'utf8'), OLD);
    closeSync(fd);
    const other = join(folder, 'pre-key-2.json');
    closeSync(openSync(other, 'w'));
    // The kernel may believe in it for a second, and a writer gets it all the same.
    writeFileSync(other, OLD);
    assert.equal(readFileSync(other, 'utf8'), OLD);
  },

  async 'fuse-native: a call that waits for a restore cannot be killed'({ t }) {
    const account = new Account(t);
    const elsewhere = await account.machine().mount();
    await mkdir(join(elsewhere.mountPoint, SESSION));
    await writeFile(join(elsewhere.mountPoint, SESSION, 'creds.json'), OLD);
    await elsewhere.unmount();
    const mounted = await account.machine().mount();
    const bucket = fileURLToPath(account.bucket);
    renameSync(bucket, `${bucket}.away`);
    const reader = new Reader(t, join(mounted.mountPoint, SESSION, 'creds.json'));
    await reader.waits();
    const killing = reader.kill();
    await sleep(NOT_YET_MS);
    assert.ok(reader.isRunning);
    renameSync(`${bucket}.away`, bucket);
    await killing;
    assert.equal((await reader.ended()).signal, 'SIGKILL');
    assert.equal(await readFile(join(mounted.mountPoint, SESSION, 'creds.json'), 'utf8'), OLD);
    await mounted.unmount();
  },

  'fuse-native: what another user makes belongs to the mount’s owner'({ mounted, folder }) {
    chmodSync(join(mounted.mountPoint, '..'), 0o755);
    chmodSync(mounted.mountPoint, 0o755);
    chmodSync(folder, 0o777);
    const made = spawnSync('setpriv', [...as, 'sh', '-c', 'echo "{}" > "$0/mine.json"', folder]);
    assert.equal(made.status, 0);
    const { uid, gid } = statSync(join(folder, 'mine.json'));
    assert.deepEqual([uid, gid], [process.getuid?.(), process.getgid?.()]);
  },

  'fuse-native: a write leaves set-id bits as they are'({ mounted, folder }) {
    for (const path of [join(mounted.mountPoint, '..'), mounted.mountPoint, folder]) chmodSync(path, 0o755);
    const file = join(folder, 'file');
    writeFileSync(file, 'x');
    chmodSync(file, 0o6777);
    assert.equal(spawnSync('setpriv', [...as, 'sh', '-c', 'echo y >> "$0"', file]).status, 0);
    assert.equal(permissionsOf(file), '6777');
  },

  'fuse-native: times are whole milliseconds from 1970 on, and set both or not at all'({ folder }) {
    const file = join(folder, 'file');
    writeFileSync(file, 'x');
    const touch = (...args: string[]) => assert.equal(spawnSync('touch', [...args, file]).status, 0);
    touch('-d', '2001-02-03T04:05:06.123456789Z');
    const { mtimeNs } = statSync(file, { bigint: true });
    assert.equal(mtimeNs, 981173106123000000n);
    touch('-m', '-d', '2002-02-03T04:05:06Z');
    assert.equal(statSync(file, { bigint: true }).mtimeNs, mtimeNs);
    utimesSync(file, 3000, 4000);
    assert.deepEqual([statSync(file).atimeMs, statSync(file).mtimeMs], [3_000_000, 4_000_000]);
    touch('-d', '1969-07-20');
    assert.equal(statSync(file).mtimeMs, 0);
  },

  'fuse-native: a rename has no flags'({ t, folder }) {
    if (!hasPython) return t.diagnostic('python3 is missing here: renameat2 was not tried');
    const [a, b] = [join(folder, 'a'), join(folder, 'b')];
    writeFileSync(a, 'a');
    const script = 'print(attempt(lambda: renameat2(sys.argv[1], sys.argv[2], int(sys.argv[3]))))';
    assert.equal(python(script, a, b, '1'), 'EINVAL');
    writeFileSync(b, 'b');
    assert.equal(python(script, a, b, '2'), 'EINVAL');
    assert.equal(readFileSync(a, 'utf8'), 'a');
  },

  'fuse-native: an open file is out of reach when its folder is removed'({ folder }) {
    const inner = join(folder, 'inner');
    mkdirSync(inner);
    const fd = openSync(join(inner, 'creds.json'), 'w');
    rmdirSync(inner);
    assert.equal(
      outcome(() => writeSync(fd, OLD)),
      'ENOENT',
    );
    closeSync(fd);
  },

  'fuse-native: a file can be mapped for reading only'({ t, folder }) {
    if (!hasPython) return t.diagnostic('python3 is missing here: mmap was not tried');
    const file = join(folder, 'creds.json');
    writeFileSync(file, OLD);
    const map = (access: string) =>
      python(
        `fd = os.open(sys.argv[1], os.O_RDWR)
print(attempt(lambda: mmap.mmap(fd, 0, flags=mmap.${access})))`,
        file,
      );
    assert.equal(map('MAP_SHARED'), 'ENODEV');
    assert.equal(map('MAP_PRIVATE'), 'ok');
  },

  'fuse-native: space cannot be reserved'({ folder }) {
    const file = join(folder, 'file');
    writeFileSync(file, 'content');
    const refused = spawnSync('fallocate', ['--length', '100', file], {
      encoding: 'utf8',
      env: { ...process.env, LC_ALL: 'C' },
    });
    assert.notEqual(refused.status, 0);
    assert.match(refused.stderr, /supported/);
    assert.equal(readFileSync(file, 'utf8'), 'content');
  },
};
