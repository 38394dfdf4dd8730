import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { cleanUp } from '../support/cleanup.ts';
import { Checkout } from './checkout.ts';

const PASSING = "import { test } from 'node:test';\ntest('passes', () => {});\n";

/** Installs a node that says of itself what it is, and is the real one. */
const NPM = `#!/bin/sh
[ "$1" = install ] || exit 0
echo "$*" >>"$NPM_CALLS"
while [ $# -gt 1 ]; do
  [ "$1" != --prefix ] || prefix=$2
  shift
done
bin=$prefix/node_modules/\${1%@*}/bin
mkdir -p "$bin"
printf '#!/bin/sh\\nRUN_BY=node-linux exec "$REAL_NODE" "$@"\\n' >"$bin/node"
chmod 755 "$bin/node"
`;

/** node's summary, and nothing behind it. */
const SUMMARY_AT_THE_END =
  /\nℹ tests 2\nℹ suites 0\nℹ pass 2\nℹ fail 0\n(ℹ \w+ 0\n){3}ℹ duration_ms [\d.]+\n$/;

test('scripts/test ends a good run with node’s own summary', (t) => {
  const checkout = new Checkout(t, {
    'test/one/a.test.ts': PASSING,
    'test/two/b.test.ts': PASSING,
  }).install();
  const { status, stdout, stderr } = checkout.run('scripts/test');
  assert.equal(status, 0, stdout + stderr);
  assert.match(stdout, SUMMARY_AT_THE_END);
  assert.doesNotMatch(stderr, /FAILED/);
});

test('scripts/test runs only the folders that are named, and refuses one that does not exist', (t) => {
  const failing = PASSING.replace('() => {}', "() => { throw new Error('ran'); }");
  const checkout = new Checkout(t, {
    'test/one/a.test.ts': PASSING,
    'test/two/b.test.ts': failing,
  }).install();
  assert.equal(checkout.run('scripts/test', ['one']).status, 0);
  assert.equal(checkout.run('scripts/test', ['one', 'two']).status, 1);
  const { status, stderr } = checkout.run('scripts/test', ['three']);
  assert.equal(status, 1);
  assert.match(stderr, /no folder test\/three/);
});

test('scripts/test --node runs everything with that release, which it fetches once', (t) => {
  const checks = "import assert from 'node:assert/strict';\nimport { test } from 'node:test';\n";
  const checkout = new Checkout(t, {
    'test/one/a.test.ts': `${checks}test('passes', () => assert.equal(process.env.RUN_BY, 'node-linux'));\n`,
  }).install();
  const bin = join(checkout.temporary, 'bin');
  mkdirSync(bin);
  writeFileSync(join(bin, 'npm'), NPM);
  chmodSync(join(bin, 'npm'), 0o755);
  const calls = join(checkout.temporary, 'calls');
  const PATH = `${bin}:${process.env.PATH}`;
  const run = (...args: string[]) =>
    checkout.run('scripts/test', args, { env: { PATH, NPM_CALLS: calls, REAL_NODE: process.execPath } });
  for (let times = 0; times < 2; times++) {
    const { status, stdout, stderr } = run('--node', '24.1', 'one');
    assert.equal(status, 0, stdout + stderr);
  }
  assert.match(
    readFileSync(calls, 'utf8'),
    /^install \S+ \S+\/\.cache\/node-24\.1 .* node-linux-\w+@24\.1\n$/,
  );
  for (const args of [['--node'], ['--node', 'one']]) {
    const { status, stderr } = run(...args);
    assert.equal(status, 1);
    assert.match(stderr, /--node/);
  }
});

test('scripts/test fails when a file ran no test, when one was skipped, when there are no files, and when lint fails', (t) => {
  const checkout = new Checkout(t).install();
  const none = checkout.run('scripts/test');
  assert.equal(none.status, 1);
  assert.match(none.stderr, /no test files found/);

  checkout.write('test/one/empty.test.ts', 'export {};\n');
  checkout.write('test/one/skipped.test.ts', `${PASSING}test.skip('not today', () => {});\n`);
  const { status, stderr } = checkout.run('scripts/test');
  assert.equal(status, 1);
  assert.match(stderr, /ran no test:\n {2}\S+\/empty\.test\.js\n/);
  assert.match(stderr, /skipped.*skipped\.test\.js: not today\n/s);

  checkout.write('package.json', JSON.stringify({ type: 'module', scripts: { lint: 'echo untidy; false' } }));
  const untidy = checkout.run('scripts/test');
  assert.deepEqual([untidy.status, untidy.stdout], [1, '']);
  assert.match(untidy.stderr, /untidy.*lint failed/s);
});

test('scripts/test fails when a test left a folder or a process behind', (t) => {
  const untidy = `
    import { spawn } from 'node:child_process';
    import { mkdtempSync } from 'node:fs';
    import { tmpdir } from 'node:os';
    import { join } from 'node:path';
    import { test } from 'node:test';
    test('leaves things behind', () => {
      mkdtempSync(join(tmpdir(), 'sessionfs-test-'));
      spawn(process.execPath, [join(import.meta.dirname, '../daemon.js')], { detached: true, stdio: 'ignore' }).unref();
    });`;
  const checkout = new Checkout(t, {
    'test/one/a.test.ts': untidy,
    'test/daemon.ts': 'setTimeout(() => {}, 60_000);\n',
  });
  const { status, stderr } = checkout.install().run('scripts/test');
  const pid = /process (\d+): \S+ \S+\/dist\/test\/daemon\.js/.exec(stderr)?.[1];
  cleanUp(t, () => void (pid && process.kill(Number(pid), 'SIGKILL')));
  assert.equal(status, 1);
  assert.match(stderr, /left this behind/);
  assert.ok(pid, stderr);
  const [folder] = readdirSync(checkout.temporary);
  assert.ok(folder && stderr.includes(`folder ${join(checkout.temporary, folder)}`), stderr);
});
