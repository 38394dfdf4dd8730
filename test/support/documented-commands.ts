/** The shell blocks of the documentation, and the command lines of sessionfs in them. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { repository } from './repository.ts';

export const pages = [
  'README.md',
  ...readdirSync(join(repository, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

/** Without the indentation of a list. */
export function shellBlocks(page: string): string[] {
  const text = readFileSync(join(repository, page), 'utf8');
  return [...text.matchAll(/^( *)```(?:sh|bash|shell)\n([\s\S]*?)^ *```/gm)].map(
    ([, indent = '', block = '']) => block.replace(new RegExp(`^${indent}`, 'gm'), ''),
  );
}

/** What a page leaves to the reader is written `<old>`. */
export function filled(text: string): string {
  return text.replace(/<[a-z+][\w+ -]*>/g, 'X').replaceAll('…', '');
}

/** The command lines of sessionfs in a text, taken apart as a shell does. */
export function commandLines(text: string): string[][] {
  return filled(text)
    .replace(/\\\n/g, ' ')
    .split(/\n|&&|\|\||[;|]/)
    .map((line) => line.replace(/(?:^|\s)#.*$/, '').trim())
    .flatMap((line) => {
      const [, rest] =
        /^(?:[A-Z_]+=\S*\s+)*(?:sudo\s+|exec\s+|npx\s+)?(?:\.\/bin\/)?sessionfs\s+(.*)$/.exec(line) ?? [];
      return rest === undefined
        ? []
        : [wordsOf(rest.replace(/\s+(?:[12]?>>?|<)\s*\S+.*$/, '').replace(/\s+&$/, ''))];
    });
}

function wordsOf(line: string): string[] {
  return [...line.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(([, a, b, c]) => a ?? b ?? c ?? '');
}
