import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type FlagSpec, parseArguments } from '../../src/cli/arguments.ts';

const flags: FlagSpec[] = [
  { flag: '--json', meaning: 'a switch' },
  { flag: '--timeout', placeholder: 'SECONDS', meaning: 'a value' },
];

function parse(...args: string[]) {
  const { given, directory } = parseArguments(args, flags);
  return { directory, ...Object.fromEntries(given) };
}

test('flags and the directory may stand in any order, values after a blank or an equals sign', () => {
  const expected = { directory: '/m', '--json': '', '--timeout': '5' };
  assert.deepEqual(parse('/m', '--json', '--timeout', '5'), expected);
  assert.deepEqual(parse('--timeout=5', '/m', '--json'), expected);
  assert.deepEqual(parse(), { directory: undefined });
});

test('what follows -- is a directory, whatever it looks like', () => {
  assert.deepEqual(parse('--json', '--', '--timeout'), { directory: '--timeout', '--json': '' });
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
    [['/a', '/b'], /"\/b" follows/],
    [[''], /empty/],
    [['--no-json'], /there is no flag "--no-json"/],
    [['-x'], /there is no flag "-x"/],
    [['--timeoot=1'], /there is no flag "--timeoot"/],
  ];
  for (const [args, message] of refused) assert.throws(() => parse(...args), { code: 'USAGE', message });
});
