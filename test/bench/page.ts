/** Parts of docs/benchmarks.md that the benchmark writes itself, each between two marks. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { repository } from '../support/repository.ts';

const PAGE = join(repository, 'docs/benchmarks.md');

export type PartName = 'peers' | 'fleet';

export function writePart(name: PartName, text: string): void {
  writeFileSync(PAGE, replacePart(readFileSync(PAGE, 'utf8'), name, text));
}

export function replacePart(page: string, name: PartName, text: string): string {
  const [begin, end] = [`<!-- ${name}, written by npm run bench -->`, `<!-- end of ${name} -->`];
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`the page has no ${begin} and ${end}`);
  return `${page.slice(0, from + begin.length)}\n\n${text}\n\n${page.slice(to)}`;
}
