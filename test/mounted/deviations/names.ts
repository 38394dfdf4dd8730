/** Names, kinds of files, and what is attached to them. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { Opcode } from '../../../src/drivers/direct/abi/opcodes.ts';
import { refusedOperations } from '../../../src/drivers/direct/handlers/refused.ts';
import { isNative } from '../../support/driver.ts';
import type { Deviations } from '../support/deviation.ts';
import { outcome } from '../support/probe.ts';
import { hasPython, python } from '../support/python.ts';

const MIB = 1 << 20;

/** What mkfifo(1) or mknod(1) says of the error. */
function complaint(command: string, ...args: string[]): string {
  return spawnSync(command, args, { encoding: 'utf8', env: { ...process.env, LC_ALL: 'C' } }).stderr;
}

function rawPath(folder: string, ...bytes: number[]): Buffer {
  return Buffer.concat([Buffer.from(`${folder}/`), Buffer.from(bytes)]);
}

export const nameDeviations: Deviations = {
  'Hard links and device nodes are refused'({ folder }) {
    writeFileSync(join(folder, 'file'), '');
    const path = join(folder, 'other');
    assert.equal(
      outcome(() => linkSync(join(folder, 'file'), path)),
      'EPERM',
    );
    assert.match(complaint('mknod', path, 'c', '1', '3'), /Operation not permitted/);
    assert.match(complaint('mknod', path, 'b', '7', '0'), /Operation not permitted/);
    assert.deepEqual(readdirSync(folder), ['file']);
  },

  async 'FIFOs and sockets are never stored'({ t, folder, mounted }) {
    const fifo = join(folder, 'fifo');
    assert.equal(complaint('mkfifo', fifo), '');
    const passed = spawnSync('sh', ['-c', 'cat "$1" & printf hello >"$1"; wait', 'sh', fifo]);
    assert.equal(String(passed.stdout), 'hello');
    assert.ok(statSync(fifo).isFIFO());
    const path = join(folder, 'socket');
    const server = createServer((client) => client.end('hello'));
    t.after(() => server.close());
    server.listen(path);
    await once(server, 'listening');
    assert.ok(statSync(path).isSocket());
    const [heard] = await once(connect(path), 'data');
    assert.equal(String(heard), 'hello');
    // libfuse's mounts end with their daemon.
    if (!isNative) process.kill(await mounted.daemonPid(), 'SIGKILL');
    renameSync(path, `${path}-2`);
    assert.deepEqual(readdirSync(folder).sort(), ['fifo', 'socket-2']);
    rmSync(`${path}-2`);
    rmSync(fifo);
    assert.deepEqual(readdirSync(folder), []);
  },

  'Names and link targets are UTF-8'({ folder }) {
    const invalid = rawPath(folder, 0x61, 0xff);
    assert.equal(
      outcome(() => writeFileSync(invalid, '')),
      'EILSEQ',
    );
    assert.equal(
      outcome(() => mkdirSync(invalid)),
      'EILSEQ',
    );
    assert.equal(
      outcome(() => statSync(invalid)),
      'EILSEQ',
    );
    assert.equal(
      outcome(() => symlinkSync(Buffer.from([0xc3]), join(folder, 'link'))),
      'EILSEQ',
    );
    assert.deepEqual(readdirSync(folder), []);
    const replacement = join(folder, '\ufffd');
    assert.equal(
      outcome(() => mkdirSync(replacement)),
      isNative ? 'EILSEQ' : 'ok',
    );
    if (!isNative) rmSync(replacement, { recursive: true });
    writeFileSync(join(folder, 'é😀\u0001 \n'), 'valid');
    assert.deepEqual(readdirSync(folder), ['é😀\u0001 \n']);
  },

  'Some names of less than 255 bytes are too long'({ folder }) {
    const longest = (character: string, count: number) => join(folder, character.repeat(count));
    writeFileSync(longest('n', 255), '');
    assert.equal(
      outcome(() => writeFileSync(longest('n', 256), '')),
      'ENAMETOOLONG',
    );
    // Each becomes three bytes in the store.
    writeFileSync(longest('#', 85), '');
    assert.equal(
      outcome(() => writeFileSync(longest('#', 86), '')),
      'ENAMETOOLONG',
    );
    assert.equal(
      outcome(() => renameSync(longest('n', 255), longest('#', 86))),
      'ENAMETOOLONG',
    );
    assert.equal(readdirSync(folder).length, 2);
  },

  'Paths end at about 1,000 bytes'({ folder }) {
    let deep = folder;
    for (let depth = 0; depth < 4; depth++) {
      deep = join(deep, 'd'.repeat(200));
      mkdirSync(deep);
    }
    const fits = join(deep, 'f'.repeat(100));
    writeFileSync(fits, 'kept');
    assert.equal(
      outcome(() => writeFileSync(join(deep, 'f'.repeat(220)), '')),
      'ENAMETOOLONG',
    );
    const top = join(folder, 'd'.repeat(200));
    // A longer name may make what lies below too long.
    const longer = join(folder, 'e'.repeat(255));
    writeFileSync(join(deep, 'f'.repeat(150)), '');
    assert.equal(
      outcome(() => renameSync(top, longer)),
      'ENAMETOOLONG',
    );
    unlinkSync(join(deep, 'f'.repeat(150)));
    renameSync(top, longer);
    assert.equal(readFileSync(fits.replace(top, longer), 'utf8'), 'kept');
  },

  '`.sessionfs` is reserved in the root and not listed'({ mounted }) {
    const control = join(mounted.mountPoint, '.sessionfs');
    const status = join(control, 'status.json');
    assert.ok(!readdirSync(mounted.mountPoint).includes('.sessionfs'));
    assert.deepEqual(readdirSync(control), ['status.json']);
    assert.equal(JSON.parse(readFileSync(status, 'utf8')).mountPoint, mounted.mountPoint);
    for (const call of [
      () => writeFileSync(join(control, 'mine'), ''),
      () => writeFileSync(status, '{}'),
      () => unlinkSync(status),
      () => chmodSync(status, 0o666),
      () => renameSync(control, join(mounted.mountPoint, 'elsewhere')),
      () => rmSync(status),
    ]) {
      assert.equal(outcome(call), 'EPERM');
    }
    assert.equal(
      outcome(() => mkdirSync(control)),
      'EEXIST',
    );
  },

  'Extended attributes and ACLs are not supported'({ folder }) {
    const file = join(folder, 'file');
    writeFileSync(file, '');
    if (!hasPython) {
      const refused = refusedOperations.map(([opcode]) => opcode);
      assert.ok(!refused.includes(Opcode.FUSE_SETXATTR), 'SETXATTR has an answer of its own');
      return;
    }
    const script = `
print(attempt(lambda: os.setxattr(sys.argv[1], 'user.mark', b'1')))
print(attempt(lambda: os.getxattr(sys.argv[1], 'user.mark')))
print(attempt(lambda: os.listxattr(sys.argv[1])))
acl = b'\\2\\0\\0\\0' + b''.join(bytes([tag, 0, 6, 0]) + b'\\xff' * 4 for tag in (1, 4, 32))
print(attempt(lambda: os.setxattr(sys.argv[1], 'system.posix_acl_access', acl)))
`;
    for (const said of python(script, file).split('\n')) assert.match(said, /^(ENOTSUP|EOPNOTSUPP)$/);
  },

  'A folder with more than 256 MiB cannot be renamed'({ folder }) {
    const [from, to] = [join(folder, 'large'), join(folder, 'moved')];
    mkdirSync(from);
    const files = ['a', 'b', 'c', 'd', 'e'].map((name) => join(from, name));
    for (const file of files) {
      writeFileSync(file, '');
      truncateSync(file, 52 * MIB);
    }
    assert.equal(
      outcome(() => renameSync(from, to)),
      'EXDEV',
    );
    assert.ok(existsSync(from) && !existsSync(to));
    for (const file of files) unlinkSync(file);
    renameSync(from, to);
    assert.deepEqual(readdirSync(folder), ['moved']);
  },

  'Unnamed temporary files are not supported'({ folder }) {
    const O_DIRECTORY = Number(process.arch === 'arm64' ? 0o40000 : 0o200000);
    const O_TMPFILE = 0o20000000 | O_DIRECTORY;
    const O_RDWR = 2;
    assert.equal(
      outcome(() => openSync(folder, O_TMPFILE | O_RDWR, 0o600)),
      'ENOTSUP',
    );
  },
};
