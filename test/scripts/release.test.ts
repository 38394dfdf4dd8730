import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { repository } from '../support/repository.ts';
import { Checkout } from './checkout.ts';

/** What it was asked goes to a file; what it makes is empty. */
const NPM = `#!/bin/sh
echo "$*" >>"$NPM_CALLS"
case $1 in
  ci) ln -s "$REAL_MODULES" node_modules ;;
  audit) exit "$AUDIT" ;;
  sbom) echo '{"bomFormat":"CycloneDX"}' ;;
  pack) while [ $# -gt 1 ]; do shift; done; echo packed >"$1/sessionfs-1.2.3.tgz" ;;
esac
`;

function prepared(t: TestContext) {
  const checkout = new Checkout(t, {
    'package.json': JSON.stringify({ name: 'sessionfs', version: '1.2.3', type: 'module' }),
  });
  for (const args of [
    ['init', '-q'],
    ['add', '-A'],
    ['-c', 'user.name=t', '-c', 'user.email=t', 'commit', '-qm', 'x'],
  ])
    execFileSync('git', args, { cwd: checkout.directory });
  const bin = join(checkout.temporary, 'bin');
  const target = join(checkout.temporary, 'release');
  for (const made of [bin, target]) mkdirSync(made);
  writeFileSync(join(bin, 'npm'), NPM);
  chmodSync(join(bin, 'npm'), 0o755);
  const calls = join(checkout.temporary, 'calls');
  const release = (audit: number, ...args: string[]) =>
    checkout.run('scripts/release', [...args, target], {
      env: {
        PATH: `${bin}:${process.env.PATH}`,
        NPM_CALLS: calls,
        AUDIT: String(audit),
        REAL_MODULES: join(repository, 'node_modules'),
      },
    });
  return { checkout, target, release, calls: () => readFileSync(calls, 'utf8') };
}

test('a release is installed by the lockfile, without install scripts, checked, and comes with its bill of materials', (t) => {
  const { target, release, calls } = prepared(t);
  const { status, stderr } = release(0);
  assert.equal(status, 0, stderr);
  assert.match(calls(), /^ci --ignore-scripts .*\naudit signatures\nsbom .*\npack --ignore-scripts /);
  assert.deepEqual(readdirSync(target).sort(), [
    'SHA256SUMS',
    'sessionfs-1.2.3.cdx.json',
    'sessionfs-1.2.3.tgz',
  ]);
  execFileSync('sha256sum', ['--check', '--quiet', 'SHA256SUMS'], { cwd: target });
});

test('there is no release of a package whose signature is wrong, and none of what is not committed', (t) => {
  const { checkout, target, release } = prepared(t);
  const wrong = release(1);
  assert.equal(wrong.status, 1);
  assert.match(wrong.stderr, /a signature is missing or wrong/);
  assert.deepEqual(readdirSync(target), []);
  const unchecked = release(1, '--without-signatures');
  assert.equal(unchecked.status, 0, unchecked.stderr);
  assert.match(unchecked.stderr, /signatures of packages are NOT checked/);
  checkout.write('src/more.ts', 'export {};\n');
  assert.match(release(0).stderr, /not committed/);
});

test('what runs is installed by a lockfile with a checksum for each package, and none runs an install script', () => {
  for (const folder of ['', 'examples/bot']) {
    const read = (name: string) => readFileSync(join(repository, folder, name), 'utf8');
    const { packages } = JSON.parse(read('package-lock.json')) as {
      packages: Record<string, { integrity?: string; link?: boolean; hasInstallScript?: boolean }>;
    };
    for (const [path, { integrity, link }] of Object.entries(packages))
      if (path !== '' && link !== true) assert.match(integrity ?? '', /^sha512-/, path);
    // The root's ignore-scripts would keep `npm pack` from building.
    if (folder !== '') assert.match(read('.npmrc'), /^ignore-scripts=true$/m);
    else {
      const { allowScripts } = JSON.parse(read('package.json')) as { allowScripts: Record<string, boolean> };
      const scripted = Object.entries(packages).filter(
        ([, { hasInstallScript }]) => hasInstallScript === true,
      );
      const denied = scripted.map(([path]) => [path.replace(/^.*node_modules\//, ''), false]);
      assert.deepEqual(allowScripts, Object.fromEntries(denied));
    }
  }
  for (const file of ['Dockerfile', 'examples/bot/Dockerfile', 'scripts/prepare.sh', 'scripts/release']) {
    const text = readFileSync(join(repository, file), 'utf8');
    assert.doesNotMatch(text, /npm (install|i)\b/, file);
    for (const [line] of text.matchAll(/^.*\bnpm ci\b.*$/gm))
      assert.match(line, /--ignore-scripts|^\s*#|die|npm ci failed/, `${file}: ${line}`);
  }
});

test('what users copy keeps sessions, cache, key, log and settings out of git', (t) => {
  const names = ['sessions/u/creds.json', 'sessions.sealed/x', 'sessions.sealed.key', 'sessions.sealed.log'];
  for (const folder of ['.', 'examples/bot']) {
    const paths = [...names, 'sessions.sealed.pid', '.env', 'sessionfs.key'].map((name) =>
      join(folder, name),
    );
    const ignored = execFileSync('git', ['check-ignore', '--no-index', ...paths], { cwd: repository });
    t.diagnostic(`${folder}: ${ignored.toString().trim().split('\n').length}`);
    assert.deepEqual(ignored.toString().trim().split('\n'), paths);
  }
});
