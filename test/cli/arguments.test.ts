import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseCommandLine } from '../../src/cli/arguments.ts';
import type { CommandSpec } from '../../src/cli/command.ts';

const load = () => Promise.reject(new Error('nothing is loaded to parse a command line'));
const spec: CommandSpec = {
  name: 'look',
  group: 'Tests',
  summary: 'look at DIR',
  synopsis: '[DIR]',
  operands: [{ name: 'DIR', meaning: 'the mount point' }],
  flags: [
    { flag: '--json', meaning: 'a switch' },
    { flag: '--timeout', placeholder: 'SECONDS', meaning: 'a value', default: '60', variable: 'TIMEOUT' },
    { flag: '--from', placeholder: 'SOURCE', meaning: 'a choice', choices: ['cache', 'bucket'] },
    { flag: '--follow', short: '-f', meaning: 'a short one' },
  ],
  load,
};
const commands: readonly CommandSpec[] = [
  spec,
  { ...spec, name: 'start', takesCommand: true },
  {
    ...spec,
    name: 'shell',
    operands: [{ name: 'SHELL', meaning: '', required: 'which shell?', choices: ['bash', 'zsh'] }],
  },
  {
    ...spec,
    name: 'bin',
    operands: [
      { name: 'ACTION', meaning: '', choices: ['list', 'empty'], mayBeLeftOut: true },
      { name: 'PATH', meaning: '' },
    ],
  },
];

function parseLine(...line: string[]) {
  const parsed = parseCommandLine(commands, line, () => {});
  assert.ok(parsed !== undefined);
  return parsed;
}

function parse(...args: string[]) {
  const { given, directory } = parseLine('look', ...args);
  return { directory, ...Object.fromEntries(given) };
}

test('flags and the directory may stand in any order, values after a blank or an equals sign', () => {
  const expected = { directory: '/m', '--json': '', '--timeout': '5' };
  assert.deepEqual(parse('/m', '--json', '--timeout', '5'), expected);
  assert.deepEqual(parse('--timeout=5', '/m', '--json'), expected);
  assert.deepEqual(parse('-f'), { directory: undefined, '--follow': '' });
  assert.deepEqual(parse(), { directory: undefined });
});

test('an action that may be left out is, where a path stands in its place', () => {
  const operands = (...args: string[]) => parseLine('bin', ...args).operands;
  assert.deepEqual(operands('/m'), ['list', '/m']);
  assert.deepEqual(operands('empty', '/m'), ['empty', '/m']);
  assert.deepEqual(operands(), []);
  for (const args of [['empt'], ['/m', '/n', '/o'], ['lst', '/m']])
    assert.throws(() => operands(...args), { code: 'USAGE' }, args.join(' '));
});

test('help of a command that there is not is refused, with the nearest', () => {
  assert.throws(() => parseCommandLine(commands, ['help', 'lok'], () => {}), {
    code: 'USAGE',
    message: 'there is no command "lok"',
    hint: 'Did you mean look?',
  });
  assert.equal(
    parseCommandLine(commands, ['help', 'look'], () => {}),
    undefined,
  );
  assert.equal(
    parseCommandLine(commands, ['help', 'help'], () => {}),
    undefined,
  );
});

test('what follows -- is a directory, whatever it looks like', () => {
  assert.deepEqual(parse('--json', '--', '--timeout'), { directory: '--timeout', '--json': '' });
});

test('what follows -- is the command of a command that takes one, and is not looked at', () => {
  const { given, directory, command, args } = parseLine(
    'start',
    '/m',
    '--json',
    '--',
    'ls',
    '--help',
    '--json',
  );
  assert.deepEqual([...given.keys(), directory], ['--json', '/m']);
  assert.deepEqual(command, ['ls', '--help', '--json']);
  assert.deepEqual(args, ['/m', '--json', '--', 'ls', '--help', '--json']);
});

test('a value may begin with a dash only behind an equals sign', () => {
  assert.deepEqual(parse('--timeout=-1'), { directory: undefined, '--timeout': '-1' });
  assert.throws(() => parse('--timeout', '--json'), {
    code: 'USAGE',
    message: /--timeout needs a value: --timeout SECONDS/,
  });
});

test('what cannot be meant is refused', () => {
  const refused: [args: string[], message: RegExp][] = [
    [['--timeout'], /--timeout needs a value/],
    [['--timeout='], /--timeout needs a value/],
    [['--json=yes'], /--json takes no value/],
    [['--json', '--json'], /--json is given twice/],
    [['--timeout=1', '--timeout=2'], /--timeout is given twice/],
    [['--from=disk'], /--from is "disk", but it must be cache or bucket/],
    [['/a', '/b'], /one directory is expected, but "\/b" follows/],
    [[''], /empty/],
    [['--no-json'], /there is no flag "--no-json"/],
    [['-x'], /there is no flag "-x"/],
    [['--timeoot=1'], /there is no flag "--timeoot"/],
    [['--version'], /there is no flag "--version"/],
  ];
  for (const [args, message] of refused) assert.throws(() => parse(...args), { code: 'USAGE', message });
  assert.throws(() => parseLine('shell'), { code: 'USAGE', message: /which shell\? sessionfs shell/ });
  assert.throws(() => parseLine('shell', 'csh'), {
    code: 'USAGE',
    message: /SHELL is "csh", .* bash or zsh/,
  });
  assert.throws(() => parseLine(), { code: 'USAGE', message: 'which command?' });
});

test('a mistyped name gets the one that was meant', () => {
  assert.throws(() => parse('--timeoot=1'), { hint: 'Did you mean --timeout?' });
  assert.throws(() => parseLine('lok'), { code: 'USAGE', hint: 'Did you mean look?' });
  assert.throws(() => parseLine('LOOK'), { code: 'USAGE', hint: 'Did you mean look?' });
  assert.throws(() => parseLine('frobnicate'), { code: 'USAGE', hint: /--help/ });
});

test('help is written, and nothing runs: the meaning, the choices, the default and the variable', () => {
  for (const line of [
    ['look', '--help'],
    ['look', '/m', '-h'],
    ['help', 'look'],
  ]) {
    let text = '';
    assert.equal(
      parseCommandLine(commands, line, (written) => {
        text += written;
      }),
      undefined,
    );
    assert.match(text, /^Usage: sessionfs look \[DIR\]$/m);
    assert.match(text, /^ {2}--timeout <SECONDS> +a value; default: 60 \(TIMEOUT\)$/m);
    assert.match(text, /^ {2}--from <SOURCE> +a choice; one of cache, bucket$/m);
    assert.match(text, /^ {2}-f, --follow +a short one$/m);
  }
});
