import assert from 'node:assert/strict';
import { chmodSync, existsSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { Checkout, STUB_MAIN } from './checkout.ts';

const isDirectory = (path: string) => statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;

/** A PATH that has only these commands, real ones by name or shell scripts by their text. */
function pathWith(t: TestContext, commands: Readonly<Record<string, string | true>>): string {
  const directory = temporaryDirectory(t);
  for (const [name, text] of Object.entries(commands)) {
    const path = join(directory, name);
    if (text === true) {
      symlinkSync(whereIs(name), path);
    } else {
      writeFileSync(path, `#!/bin/sh\n${text}\n`);
      chmodSync(path, 0o755);
    }
  }
  return directory;
}

function whereIs(command: string): string {
  if (command === 'node') return process.execPath;
  const found = (process.env.PATH ?? '').split(':').find((directory) => existsSync(join(directory, command)));
  assert.ok(found, `${command} is not on this machine`);
  return join(found, command);
}

/** A test that changes it has a copy. */
const built = new Checkout({ after }).install();

before(() => {
  const { status, stderr } = built.run('scripts/build');
  assert.equal(status, 0, stderr);
});

const BASICS = { dirname: true, readlink: true, uname: true, sh: true } as const;

test('scripts/mount builds, makes the mount point and passes its arguments on; then it has nothing to say', (t) => {
  const checkout = new Checkout(t).install();
  const first = checkout.run('scripts/mount', ['state/sessions', '--log-level', 'debug']);
  assert.equal(first.stdout, '["mount","state/sessions","--log-level","debug"]\n', first.stderr);
  assert.match(first.stderr, /building/);
  assert.ok(isDirectory(join(checkout.directory, 'state/sessions')));

  const second = checkout.run('scripts/mount', ['state/sessions']);
  assert.deepEqual([second.status, second.stdout, second.stderr], [0, '["mount","state/sessions"]\n', '']);
});

test('scripts/mount finds the mount point among flags, in the environment, or takes ./sessions', (t) => {
  const cwd = temporaryDirectory(t);
  const cases = [
    {
      args: ['--cache-path', 'not-this', '--daemonize', '--log-level=info', 'among-flags'],
      made: 'among-flags',
    },
    { args: ['--', 'behind-dashes'], made: 'behind-dashes' },
    { args: ['--daemonize'], env: { SESSION_STORAGE_PATH: 'from-environment' }, made: 'from-environment' },
    { args: [], made: 'sessions' },
  ];
  for (const { args, env, made } of cases) {
    const { status, stderr } = built.run('scripts/mount', args, { env: env ?? {}, cwd });
    assert.equal(status, 0, stderr);
    assert.ok(isDirectory(join(cwd, made)), `${made} was not made`);
  }
  assert.ok(!existsSync(join(cwd, 'not-this')));
});

test('scripts/mount --help makes no directory', (t) => {
  const cwd = temporaryDirectory(t);
  assert.equal(built.run('scripts/mount', ['--help'], { cwd }).stdout, '["mount","--help"]\n');
  assert.ok(!existsSync(join(cwd, 'sessions')));
});

test('scripts/mount works through a symbolic link, and from the directory of its caller', (t) => {
  const checkout = new Checkout(t, {}, built);
  const elsewhere = temporaryDirectory(t);
  const bin = join(checkout.directory, 'bin');
  symlinkSync('../scripts/mount', join(bin, 'sessionfs-mount'));
  const { status, stderr } = checkout.run('bin/sessionfs-mount', ['here'], { cwd: elsewhere });
  assert.equal(status, 0, stderr);
  assert.ok(isDirectory(join(elsewhere, 'here')));
});

test('scripts/mount builds again after a source file changed', (t) => {
  const checkout = new Checkout(t, {}, built);
  checkout.write('src/cli/main.ts', `console.log('changed');\n${STUB_MAIN}`);
  assert.equal(checkout.run('scripts/mount').stdout, 'changed\n["mount"]\n');
});

test('scripts/mount removes what was built of a source that is gone, and a path to it fails', (t) => {
  const checkout = new Checkout(t, {
    'src/gone/here.ts': "console.log('stale');\n",
    'src/cli/main.ts': "import './program.ts';\n",
    'src/cli/program.ts': "import '../gone/here.ts';\n",
  }).install();
  assert.equal(checkout.run('scripts/mount').stdout, 'stale\n');
  // As after a move that was built by tsc alone, so that nothing looks changed.
  rmSync(join(checkout.directory, 'src/gone'), { recursive: true });
  for (const folder of ['src', '.']) utimesSync(join(checkout.directory, folder), 0, 0);
  const { status, stdout, stderr } = checkout.run('scripts/mount');
  assert.deepEqual([status, stdout], [1, '']);
  assert.match(stderr, /gone\/here\.ts.*the build failed/s);
  for (const built of ['src/gone', 'bundle']) assert.ok(!existsSync(join(checkout.directory, 'dist', built)));
});

test('scripts/mount makes the bundle anew after tsc was run alone', (t) => {
  const checkout = new Checkout(t, {}, built);
  checkout.write('dist/src/cli/main.js', "console.log('by tsc');\n");
  assert.equal(checkout.run('scripts/mount').stdout, 'by tsc\n');
});

test('scripts/mount shows what the compiler says when the build fails, and does not mount', (t) => {
  const checkout = new Checkout(t, { 'src/cli/main.ts': 'export const wrong: number = "text";\n' }).install();
  const { status, stdout, stderr } = checkout.run('scripts/mount');
  assert.deepEqual([status, stdout], [1, '']);
  assert.match(stderr, /TS2322.*the build failed/s);
});

test('scripts/mount says so when npm ci fails, with npm’s own words, and does not mount', (t) => {
  const checkout = new Checkout(t);
  const commands = {
    ...BASICS,
    node: true,
    mount: true,
    umount: true,
    flock: true,
    npm: 'echo "registry down"; exit 1',
  } as const;
  const { status, stdout, stderr } = checkout.run('scripts/mount', [], {
    env: { PATH: pathWith(t, commands) },
  });
  assert.deepEqual([status, stdout], [1, '']);
  assert.match(stderr, /registry down\n.*npm ci failed/s);
});

for (const { machine, commands, says } of [
  { machine: 'Node.js', commands: BASICS, says: /Node\.js is not installed .* version 20\.0 or newer/ },
  {
    machine: 'a Node.js that is new enough',
    commands: { ...BASICS, node: '[ "$1" = --version ] && echo v18.19.0' },
    says: /Node\.js v18\.19\.0 is too old; version 20\.0 or newer/,
  },
  {
    machine: 'flock and umount',
    commands: { ...BASICS, node: true, mount: true },
    says: /missing: umount flock\. Install util-linux/,
  },
] as const) {
  test(`on a machine without ${machine}, scripts/mount says what to install`, (t) => {
    const checkout = new Checkout(t).install();
    const { status, stdout, stderr } = checkout.run('scripts/mount', [], {
      env: { PATH: pathWith(t, commands) },
    });
    assert.deepEqual([status, stdout], [1, '']);
    assert.match(stderr, says);
  });
}
