/** The package as a user gets it: packed from the files of a fresh clone, installed in a clean prefix, used by command and as a library. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { cleanEnvironment } from '../support/environment.ts';
import { repository } from '../support/repository.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const UNPACKED_MAX_BYTES = 3_200_000;
/** A guard against a hang. */
const HANG_MS = 300_000;

/** What a user would write: checked by tsc, then run. */
const CONSUMER = `
import { type ErrorCode, type Mount, type MountOptions, SessionfsError, attach, mount } from 'sessionfs';
import { mkdirSync, writeFileSync } from 'node:fs';

const [folder = '', bucket = ''] = process.argv.slice(2);
const options: MountOptions = { folder, storageType: 'hybrid', bucket, encryptionKey: 'ab'.repeat(32), trashDays: undefined };
const mounted: Mount = await mount(options);
mkdirSync(\`\${folder}/user-+1\`);
writeFileSync(\`\${folder}/user-+1/creds.json\`, '{}');
const { dirty, backups } = await mounted.flush();
const again = await attach(folder);
await again.unmount({ timeout: 60_000 });
let code: ErrorCode | undefined;
try {
  await mounted.status();
} catch (error) {
  if (error instanceof SessionfsError) code = error.code;
}
// @ts-expect-error: there is no such type of storage
const wrong: MountOptions = { storageType: 'disk' };
void wrong;
console.log(JSON.stringify({ dirty, backups: backups?.length, same: again.pid === mounted.pid, code }));
`;

interface Packed {
  readonly filename: string;
  readonly unpackedSize: number;
  readonly size: number;
  readonly files: readonly { readonly path: string }[];
}

const directory = temporaryDirectory({ after });
const npmCache = cacheOfUser();
let packed: Packed;
let installed: string;
let command: string;

function ran(cwd: string, file: string, args: readonly string[], statuses: readonly number[] = [0]): string {
  const env = cleanEnvironment({ npm_config_cache: npmCache });
  const { status, stdout, stderr } = spawnSync(file, args, {
    cwd,
    env,
    encoding: 'utf8',
    timeout: HANG_MS,
  });
  assert.ok(
    status !== null && statuses.includes(status),
    `${file} ${args.join(' ')}: ${status}\n${stdout}${stderr}`,
  );
  return stdout;
}

before(() => {
  const clone = freshClone(join(directory, 'clone'));
  const listed = ran(clone, 'npm', ['pack', '--json', '--pack-destination', directory]);
  [packed] = JSON.parse(listed) as [Packed];
  const prefix = join(directory, 'prefix');
  const quiet = ['--no-audit', '--no-fund', '--prefer-offline'];
  ran(directory, 'npm', [
    ...['install', '--global', '--prefix', prefix, '--ignore-scripts', '--omit=optional', ...quiet],
    join(directory, packed.filename),
  ]);
  installed = join(prefix, 'lib/node_modules/sessionfs');
  command = join(prefix, 'bin/sessionfs');
});

test('a pack of a fresh clone has what runs, its types and its documentation, and no map, source or test', (t) => {
  const paths = packed.files.map(({ path }) => path);
  for (const path of [
    'dist/bundle/cli/main.js',
    'dist/bundle/api/index.mjs',
    'dist/types/api/index.d.ts',
    'man/sessionfs.1',
  ])
    assert.ok(paths.includes(path), path);
  assert.deepEqual(
    paths.filter((path) => /\.map$|^(src|test|node_modules|\.cache)\/|node_modules/.test(path)),
    [],
  );
  t.diagnostic(`${packed.unpackedSize} bytes in ${paths.length} files, packed ${packed.size}`);
  assert.ok(packed.unpackedSize < UNPACKED_MAX_BYTES, `${packed.unpackedSize} bytes`);
  const readme = readFileSync(join(repository, 'README.md'), 'utf8');
  const linked = [...readme.matchAll(/\]\((?!https?:|#|test\/)([^)#\s]+)/g)].map(([, path = '']) => path);
  for (const link of linked.filter((path) => !/\.(svg|png)$/.test(path)))
    assert.ok(
      paths.some((path) => path === link || path.startsWith(link)),
      `README.md links ${link}, which is not in the package`,
    );
});

test('its manifest says where it comes from, and no script runs when it is installed', () => {
  const manifest = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8')) as Record<
    string,
    unknown
  >;
  for (const key of [
    'repository',
    'homepage',
    'bugs',
    'keywords',
    'author',
    'license',
    'engines',
    'exports',
    'types',
  ])
    assert.ok(manifest[key] !== undefined, key);
  const scripts = Object.keys(manifest.scripts as object);
  assert.deepEqual(
    scripts.filter((name) => /install|^prepare/.test(name)),
    [],
  );
});

test('the command installed in a clean prefix says its version, examines the machine, and runs a bot on a mount', () => {
  const { version } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8')) as {
    version: string;
  };
  assert.match(ran(directory, command, ['--version']), new RegExp(`^(sessionfs )?${version}`));
  const cwd = join(directory, 'bot');
  mkdirSync(join(cwd, 'sessions'), { recursive: true });
  // 51: a line of it is a warning.
  assert.match(ran(cwd, command, ['doctor'], [0, 51]), /FUSE|fuse/);
  writeFileSync(
    join(cwd, 'bot.js'),
    "const fs = require('node:fs');\nfs.mkdirSync('sessions/u-+1');\nfs.writeFileSync('sessions/u-+1/creds.json', '{\"me\":1}');\nconsole.log(fs.readFileSync('sessions/u-+1/creds.json', 'utf8'));\n",
  );
  assert.match(ran(cwd, command, ['run', '--', 'node', 'bot.js']), /^\{"me":1\}$/m);
  const sealed = readFileSync(join(cwd, 'sessions.sealed/sessions/u/+1/creds.json'));
  assert.equal(sealed.subarray(0, 4).toString(), 'SFS1');
});

test('a program that imports it is checked by tsc, strict and with nodenext, and mounts', () => {
  const program = join(directory, 'program');
  mkdirSync(join(program, 'node_modules'), { recursive: true });
  symlinkSync(installed, join(program, 'node_modules/sessionfs'));
  symlinkSync(join(repository, 'node_modules/@types'), join(program, 'node_modules/@types'));
  writeFileSync(join(program, 'package.json'), '{"type":"module"}');
  writeFileSync(join(program, 'main.ts'), CONSUMER);
  const strict = [
    '--strict',
    '--exactOptionalPropertyTypes',
    '--noUncheckedIndexedAccess',
    '--skipLibCheck',
    'false',
  ];
  const target = ['--target', 'es2023', '--module', 'nodenext', '--types', 'node'];
  ran(program, join(repository, 'node_modules/.bin/tsc'), [...strict, ...target, 'main.ts']);
  const [folder, bucket] = [join(program, 'sessions'), join(program, 'bucket')];
  for (const made of [folder, bucket]) mkdirSync(made);
  const said = ran(program, process.execPath, ['main.js', folder, `file://${bucket}`]);
  assert.deepEqual(JSON.parse(said), { dirty: 0, backups: 1, same: true, code: 'NOT_MOUNTED' });
  assert.deepEqual(readdirSync(join(bucket, 'sessions')), ['user']);
});

/**
 * What `git clone` would bring of the files as they are now, with one test for all of them, since the build takes them along and
 * the package does not. The dependencies are this checkout's, which `npm ci` would install.
 */
function freshClone(target: string): string {
  const { stdout } = spawnSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: repository,
    encoding: 'utf8',
  });
  const paths = stdout.split('\0').filter(Boolean);
  for (const path of paths.filter((one) => !one.startsWith('test/'))) {
    mkdirSync(dirname(join(target, path)), { recursive: true });
    cpSync(join(repository, path), join(target, path));
  }
  mkdirSync(join(target, 'test'));
  writeFileSync(join(target, 'test/one.test.ts'), 'export {};\n');
  utimesSync(join(target, 'package-lock.json'), 0, 0);
  symlinkSync(join(repository, 'node_modules'), join(target, 'node_modules'));
  return target;
}

/** The user's own: what has been downloaded before is not downloaded again. */
function cacheOfUser(): string {
  return spawnSync('npm', ['config', 'get', 'cache'], { encoding: 'utf8' }).stdout.trim();
}
