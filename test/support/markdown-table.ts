import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { repository } from './repository.ts';

/**
 * The rows, without the head, of the first table in a document whose head is `head`; code marks are taken off, so that a
 * cell holds what it says. Throws where there is no such table.
 */
export function markdownTable(file: string, head: readonly string[]): string[][] {
  const lines = readFileSync(join(repository, file), 'utf8').split('\n');
  const start = lines.findIndex((line) => cells(line).join('|') === head.join('|'));
  if (start < 0) throw new Error(`${file} has no table with the head ${head.join(' | ')}`);
  const rows = lines.slice(start + 2);
  const end = rows.findIndex((line) => !line.startsWith('|'));
  return rows.slice(0, end < 0 ? undefined : end).map(cells);
}

function cells(line: string): string[] {
  return line
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim().replace(/^`(.*)`$/, '$1'));
}
