import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { repository } from '../support/repository.ts';
import { linesOf } from './cast.ts';
import { svgOf } from './render.ts';
import { LABEL, settings, steps } from './steps.ts';

const cast = readFileSync(join(repository, 'docs/tour.cast'), 'utf8');
const lines = linesOf(cast);
const HINT = 'record it again: npm run tour';

test('the recorded tour shows the steps of the script as it is now, with its settings', () => {
  const shown = lines.filter(({ kind }) => kind !== 'output').map(({ text }) => text.replace(/^[#$] /, ''));
  const scripted = steps.flatMap(({ say, command }) => (say === undefined ? [command] : [say, command]));
  assert.deepEqual(shown, scripted, HINT);
  const text = lines.map((line) => line.text).join('\n');
  assert.ok(text.includes(settings.trim()), HINT);
});

test('in the recorded tour the session outlives the bot, the daemon and the machine', () => {
  const output = lines.map(({ text }) => text);
  const logins = output.filter((text) => text.startsWith('bot: logged in as '));
  assert.equal(logins.length, 3);
  assert.equal(new Set(logins).size, 1, logins.join('\n'));
  assert.equal(output.filter((text) => text === 'bot: no session, pairing a new device').length, 1);
  assert.ok(output.some((text) => /^restarts +1$/.test(text)));
  assert.match(output.at(-1) ?? '', /is unmounted$/);
});

test('the picture in README.md is made of that recording', () => {
  assert.equal(readFileSync(join(repository, 'docs/tour.svg'), 'utf8'), svgOf(cast, LABEL), HINT);
  assert.ok(readFileSync(join(repository, 'README.md'), 'utf8').includes(`![${LABEL}](docs/tour.svg)`));
});
