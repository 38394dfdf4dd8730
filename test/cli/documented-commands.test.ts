/** Every shell block of the documentation is one that a shell understands, and every sessionfs in it a command that there is. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseCommandLine } from '../../src/cli/arguments.ts';
import { commands } from '../../src/cli/commands.ts';
import { commandLines, filled, pages, shellBlocks } from '../support/documented-commands.ts';
import { repository } from '../support/repository.ts';

/** Within a sentence: those with a flag, and without the brackets of a synopsis. */
function quotedCommands(page: string): string[] {
  const text = readFileSync(join(repository, page), 'utf8').replace(/^ *```[\s\S]*?^ *```/gm, '');
  return [...text.matchAll(/`([^`]*sessionfs [^`]*--[^`]*)`/g)]
    .map(([, quoted = '']) => quoted.replace(/\s+/g, ' '))
    .filter((quoted) => !quoted.includes('['));
}

/** That an operand is missing is no fault of a sentence. */
function refusalOf(line: readonly string[]): string | undefined {
  try {
    parseCommandLine(commands, line, () => {});
    return undefined;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return /^[a-z ]+\? sessionfs /.test(message) ? undefined : message;
  }
}

test('every shell block is one that sh understands', () => {
  let blocks = 0;
  for (const page of pages)
    for (const block of shellBlocks(page)) {
      blocks++;
      const { status, stderr } = spawnSync('bash', ['-n'], { input: filled(block), encoding: 'utf8' });
      assert.equal(status, 0, `${page}:\n${block}\n${stderr}`);
    }
  assert.ok(blocks > 40, String(blocks));
});

test('every sessionfs in a shell block, and every one that a page quotes with a flag, is understood', () => {
  const seen = new Set<string>();
  for (const page of pages) {
    for (const line of shellBlocks(page).flatMap(commandLines)) {
      if (line[0] !== undefined) seen.add(line[0]);
      assert.doesNotThrow(
        () => parseCommandLine(commands, line, () => {}),
        `${page}: sessionfs ${line.join(' ')}`,
      );
    }
    for (const line of quotedCommands(page).flatMap(commandLines))
      assert.equal(refusalOf(line), undefined, `${page}: sessionfs ${line.join(' ')}`);
  }
  assert.ok(seen.size > 12, [...seen].join(', '));
});
