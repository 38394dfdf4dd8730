/** The workflows of GitHub, which run nowhere else: what can be checked of them is checked here. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { repository } from '../support/repository.ts';
import { Checkout } from './checkout.ts';

const folder = join(repository, '.github/workflows');
const workflows = readdirSync(folder).map(
  (name) => [name, readFileSync(join(folder, name), 'utf8')] as const,
);
const { scripts } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8')) as {
  scripts: Record<string, string>;
};

test('actionlint finds nothing in the workflows', { timeout: 300_000 }, () => {
  const { status, stdout, stderr } = spawnSync(join(repository, 'scripts/actionlint'), ['-no-color'], {
    encoding: 'utf8',
  });
  assert.equal(status, 0, stdout + stderr);
});

for (const [name, text] of workflows) {
  test(`${name} pins each action by its commit, starts with the right to read alone, and runs what there is`, () => {
    for (const [, action = ''] of text.matchAll(/\buses: (.*)$/gm))
      assert.match(
        action,
        /^(\.\/\.github\/workflows\/\S+\.yml|[\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+(\.\d+)+)$/,
      );
    assert.match(text, /^permissions:\n {2}contents: read\n(?! )/m);
    assert.doesNotMatch(text, /write-all|pull_request_target/);
    const [, jobs = ''] = text.split(/^jobs:\n/m);
    const count = (pattern: RegExp) => [...jobs.matchAll(pattern)].length;
    const [all, called, limited] = [/^ {2}\w+:$/gm, /^ {4}uses: /gm, /^ {4}timeout-minutes: \d+$/gm].map(
      count,
    );
    assert.equal(limited, Number(all) - Number(called), 'a job has no time limit');
    for (const [, script = ''] of text.matchAll(/\.\/(scripts\/[\w-]+)/g))
      assert.ok(existsSync(join(repository, script)), script);
    for (const [, script = ''] of text.matchAll(/\bnpm run (?:--silent )?([\w:]+)/g))
      assert.ok(script in scripts, script);
    for (const [checkout] of text.matchAll(/uses: actions\/checkout@[\s\S]*?(?=\n {6}- |\n\n|$)/g))
      assert.match(checkout, /persist-credentials: false/);
  });
}

test('only the jobs that publish may write, each only what it publishes', () => {
  const release = readFileSync(join(folder, 'release.yml'), 'utf8');
  const writes = [...release.matchAll(/^ {2}(\w+):\n(?:(?! {2}\w+:\n).*\n)*/gm)].flatMap(([job, name]) =>
    [...job.matchAll(/^ {6}(\S+): write$/gm)].map(([, right]) => `${name} ${right}`),
  );
  assert.deepEqual(writes, [
    'build id-token',
    'build attestations',
    'image packages',
    'image id-token',
    'image attestations',
    'npm id-token',
    'github contents',
  ]);
});

test('the changelog has what is not released first, then versions from the newest on, each with its date', () => {
  const headings = [...readFileSync(join(repository, 'CHANGELOG.md'), 'utf8').matchAll(/^## (.*)$/gm)].map(
    ([, heading = '']) => heading,
  );
  assert.equal(headings[0], 'Unreleased');
  const versions = headings.slice(1).map((heading) => {
    const [, version = ''] = /^(\d+\.\d+\.\d+) - \d{4}-\d\d-\d\d$/.exec(heading) ?? [];
    assert.ok(version !== '', heading);
    return version.split('.').map(Number);
  });
  const newestFirst = versions.toSorted(
    ([a = 0, b = 0, c = 0], [x = 0, y = 0, z = 0]) => x - a || y - b || z - c,
  );
  assert.deepEqual(versions, newestFirst);
});

const CHANGELOG_GROUPS = ['Added', 'Changed', 'Deprecated', 'Removed', 'Fixed', 'Security'];
const LONGEST_POINT = 175;

/** What a reader of a version's section stumbles over: points outside of the groups, groups of other names or order, long points. */
function ungrouped(section: string): string[] {
  const lines = section.split('\n').filter((line) => line !== '');
  const groups = lines.flatMap((line) => /^### (.*)$/.exec(line)?.[1] ?? []);
  const known = CHANGELOG_GROUPS.filter((group) => groups.includes(group));
  const grouped = lines.slice(lines.findIndex((line) => line.startsWith('### ')));
  return [
    ...(groups.join() === known.join() ? [] : [`groups: ${groups.join(', ')}`]),
    ...lines.filter((line) => line.startsWith('- ') && !grouped.includes(line)),
    ...grouped.filter((line) => !/^(?:####? |- )/.test(line) || line.length > LONGEST_POINT),
  ];
}

test('what is not released is grouped for its readers, one line a point', () => {
  const text = readFileSync(join(repository, 'CHANGELOG.md'), 'utf8');
  assert.deepEqual(ungrouped(/## Unreleased\n([\s\S]*?)(?=\n## |$)/.exec(text)?.[1] ?? ''), []);
  const bad = '- early\n\n### Fixed\n\n- a point\n  of two lines\n\n### Added\n\n- b\n';
  assert.deepEqual(ungrouped(bad), ['groups: Fixed, Added', '- early', '  of two lines']);
});

test('the notes of a release are its section of the changelog; a tag of another version is refused', (t) => {
  const checkout = new Checkout(t, {
    'package.json': JSON.stringify({ name: 'sessionfs', version: '1.2.3', type: 'module' }),
    'CHANGELOG.md':
      '# C\n\n## Unreleased\n\n- a\n\n## 1.2.3 - 2026-01-02\n\n- b\n- c\n\n## 1.2.2 - 2026-01-01\n\n- d\n',
  });
  const good = checkout.run('scripts/release-notes', ['v1.2.3']);
  assert.deepEqual([good.status, good.stdout.trim()], [0, '- b\n- c'], good.stderr);
  const other = checkout.run('scripts/release-notes', ['v1.2.4']);
  assert.equal(other.status, 1);
  assert.match(other.stderr, /the tag v1\.2\.4 is not v1\.2\.3/);
  checkout.write('CHANGELOG.md', '## Unreleased\n\n- a\n');
  assert.match(checkout.run('scripts/release-notes').stderr, /has no section "## 1\.2\.3 - YYYY-MM-DD"/);
});

test('the images of a release name their version and commit, and there is one of Alpine', () => {
  const release = readFileSync(join(folder, 'release.yml'), 'utf8');
  const dockerfile = readFileSync(join(repository, 'Dockerfile'), 'utf8');
  const passed = [...release.matchAll(/\b(VERSION|REVISION|NODE_IMAGE)=/g)].map(([, name]) => name);
  assert.deepEqual(passed.toSorted(), ['NODE_IMAGE', 'REVISION', 'VERSION']);
  for (const name of passed) assert.match(dockerfile, new RegExp(`^ARG ${name}=`, 'm'));
  assert.match(release, /NODE_IMAGE=node:\d+-alpine/);
});
