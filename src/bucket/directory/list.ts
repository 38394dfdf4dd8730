/** The names of a directory's objects in the order of their bytes, as Google lists them. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { unlessMissing } from './error.ts';
import type { DirectoryLayout } from './layout.ts';

export interface NamesWanted {
  readonly prefix: string;
  /** Only names behind this one. */
  readonly after: string | undefined;
  readonly limit: number;
}

/** At most `limit` names. */
export async function listNames(layout: DirectoryLayout, wanted: NamesWanted): Promise<string[]> {
  const names: string[] = [];
  await walk(layout, '', wanted, names);
  return names;
}

async function walk(
  layout: DirectoryLayout,
  folder: string,
  wanted: NamesWanted,
  names: string[],
): Promise<void> {
  for (const path of await children(layout, folder)) {
    if (names.length >= wanted.limit) return;
    if (path.endsWith('/')) {
      if (mayHold(path, wanted)) await walk(layout, path, wanted, names);
    } else if (path.startsWith(wanted.prefix) && isBehind(path, wanted.after)) {
      names.push(path);
    }
  }
}

/** A folder stands where the names in it do: `a.b` before `a/b`. Links and devices are no objects. */
async function children(layout: DirectoryLayout, folder: string): Promise<string[]> {
  const entries = await unlessMissing(readdir(join(layout.root, folder), { withFileTypes: true }));
  return (entries ?? [])
    .filter((entry) => entry.isFile() || entry.isDirectory())
    .map((entry) => `${folder}${entry.name}${entry.isDirectory() ? '/' : ''}`)
    .filter((path) => layout.isObject(path))
    .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}

function mayHold(folder: string, { prefix, after }: NamesWanted): boolean {
  const isOnTheWay = folder.startsWith(prefix) || prefix.startsWith(folder);
  return isOnTheWay && (after?.startsWith(folder) || isBehind(folder, after));
}

function isBehind(path: string, after: string | undefined): boolean {
  return after === undefined || Buffer.compare(Buffer.from(path), Buffer.from(after)) > 0;
}
