import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { commands } from '../../src/cli/commands.ts';
import { completionScript } from '../../src/cli/completion.ts';
import { manualPage } from '../../src/cli/manual.ts';
import { markdownTable } from '../support/markdown-table.ts';
import { repository } from '../support/repository.ts';
import { runCli } from './run-cli.ts';

const names = commands.map(({ name }) => name);

test('every command has code, and no flag or name stands twice in the table', async () => {
  assert.equal(new Set(names).size, names.length);
  for (const { name, flags, load } of commands) {
    assert.equal(typeof (await load()), 'function', name);
    const terms = flags.flatMap(({ flag, short }) => (short === undefined ? [flag] : [flag, short]));
    assert.equal(new Set(terms).size, terms.length, name);
  }
});

test('docs/operations.md lists every command', () => {
  const rows = markdownTable('docs/operations.md', ['command', 'what it does']);
  const listed = new Set(rows.map(([command]) => /^sessionfs (\w+)/.exec(command ?? '')?.[1]));
  assert.deepEqual([...listed].sort(), [...names].sort());
});

test('man/sessionfs.1 is what sessionfs man prints', () => {
  const page = readFileSync(join(repository, 'man/sessionfs.1'), 'utf8');
  assert.equal(page, `${manualPage(commands)}\n`, 'run: ./bin/sessionfs man > man/sessionfs.1');
  assert.deepEqual(runCli(['man']), { status: 0, stdout: page, stderr: '' });
});

/** What bash would offer for `words`, the last of which is being typed. */
function completed(...words: string[]): string[] {
  const script = `${runCli(['completion', 'bash']).stdout}
    COMP_WORDS=(sessionfs "$@"); COMP_CWORD=$#; _sessionfs; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout, stderr, status } = spawnSync('bash', ['-c', script, 'bash', ...words], {
    encoding: 'utf8',
    cwd: repository,
  });
  assert.deepEqual([status, stderr], [0, '']);
  return stdout.split('\n').filter(Boolean);
}

test('bash completes commands, flags, and the values of flags', () => {
  assert.deepEqual(completed('unm'), ['unmount']);
  assert.deepEqual(completed('unmount', '--tim'), ['--timeout']);
  assert.deepEqual(completed('export', '--from', 'b'), ['bucket']);
  assert.deepEqual(completed('completion', 'f'), ['fish']);
  assert.deepEqual(completed('mount', '--cache-path', 'READ'), ['README.md']);
  assert.ok(completed('mount', '--').includes('--storage-type'));
  assert.ok(completed('run', '--', 'nod').includes('node'));
  assert.deepEqual(completed('mount', '--storage-type', ''), ['local', 'hybrid', 'cloud']);
  assert.deepEqual(completed('mount', '--log-level', 'd'), ['debug']);
});

test('bash offers no files where only words may stand', () => {
  assert.deepEqual(completed('completion', ''), ['bash', 'zsh', 'fish']);
  assert.deepEqual(completed('help', 'sta'), ['status', 'stat']);
  assert.deepEqual(completed('bucket', 'c'), ['create']);
  // trash takes an action or a folder.
  assert.deepEqual(completed('trash', 'e').sort(), ['empty', 'examples']);
});

test('zsh completes at the first time too, and fish by the command, not by any word', () => {
  const [zsh, fish] = ['zsh', 'fish'].map((shell) => completionScript(shell, commands));
  // The file of an autoloaded function is its first call.
  assert.match(
    zsh ?? '',
    /funcstack\[1\] == _sessionfs \]\]; then _sessionfs "\$@"\nelse compdef _sessionfs/,
  );
  assert.match(zsh ?? '', /'--storage-type\[[^']*:TYPE:\(local hybrid cloud\)'/);
  assert.match(fish ?? '', /'__sessionfs_runs mount' -l storage-type -x -a 'local hybrid cloud'/);
  assert.match(fish ?? '', /'__sessionfs_begins completion' -f -a 'bash zsh fish'/);
});

test('the scripts of the three shells name every command and every flag', (t) => {
  for (const shell of ['bash', 'zsh', 'fish']) {
    const script = completionScript(shell, commands);
    for (const { name, flags } of commands) {
      assert.ok(script.includes(name), `${shell} ${name}`);
      for (const { flag } of flags)
        assert.ok(script.includes(shell === 'fish' ? `-l ${flag.slice(2)}` : flag), `${shell} ${flag}`);
    }
    const checked = spawnSync(shell, ['-n'], { input: script, encoding: 'utf8' });
    if (checked.error === undefined) assert.deepEqual([checked.status, checked.stderr], [0, ''], shell);
    else t.diagnostic(`${shell} is not installed here: its script is not parsed`);
  }
});

/** What tsc makes: in the bundle all is one file, of which a command runs what it imports. */
const main = join(repository, 'dist/src/cli/main.js');

/** The modules of sessionfs that a command line has loaded when it ends. */
function loadedBy(...args: string[]): string[] {
  const hook = `data:text/javascript,${encodeURIComponent(`
    import { register } from 'node:module';
    register('data:text/javascript,' + encodeURIComponent(\`
      import { writeSync } from 'node:fs';
      export async function load(url, context, next) {
        writeSync(2, 'LOADED ' + url + '\\\\n');
        return next(url, context);
      }\`));`)}`;
  const { stderr } = spawnSync(process.execPath, ['--import', hook, main, ...args], { encoding: 'utf8' });
  return [...stderr.matchAll(/^LOADED .*\/dist\/src\/(.*)\.js$/gm)].map(([, name = '']) => name);
}

test('a command loads its own code, and none of another command', () => {
  const codeOf = (loaded: readonly string[]) =>
    loaded.filter((name) => /^cli\/(?:mount|unmount|run|reload|status|export|completion|manual)$/.test(name));
  const shown = loadedBy('man');
  assert.deepEqual(codeOf(shown), ['cli/manual']);
  assert.ok(!shown.some((name) => /^(?:supervisor|observe|export|bucket)\//.test(name)), shown.join(' '));
  assert.deepEqual(codeOf(loadedBy('mount', '/nowhere', '--owner=node')), ['cli/mount']);
  assert.deepEqual(codeOf(loadedBy('--version')), []);
});
