/**
 * Which number the kernel knows which path by: what a daemon must know to go on with the connection of one that died. The
 * numbers are first in the journal, in one record with what made them true; a checkpoint appends them here before it lets
 * the segment go. The table lives as long as the mount, in the page cache: a power cut ends the mount as well.
 *
 * One JSON array a line: ["path",number], or ["path"] for a path that is gone; ["",number] is the largest number given.
 */
import { closeSync, rmSync } from 'node:fs';
import { appendFile, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openCacheFile } from '../../lib/cache-file.ts';
import { SessionfsError } from '../../lib/errors.ts';
import { linesOf } from '../../lib/lines.ts';
import { codeOf } from '../../lib/system-error.ts';

/** Beyond this, and twice what it was after the last rewrite, the table is written anew without what is gone. */
const REWRITE_BYTES = 4 * 1024 * 1024;
/** A path is shorter. */
const LINE_BYTES_MAX = 1 << 20;
/** No mount gives so many: those that follow are exact. */
const NUMBER_MAX = 2 ** 48;
const HINT = 'Unmount, remove it, and mount again.';

export interface KnownNodes {
  byPath: Map<string, number>;
  /** No number above this was ever given. */
  largest: number;
}

export class NodeTable {
  readonly #path: string;
  #bytesAfterRewrite = 0;

  constructor(cachePath: string) {
    this.#path = join(cachePath, 'nodes.log');
  }

  /** A new mount: the kernel knows nothing. */
  clearSync(): void {
    try {
      rmSync(this.#path, { force: true });
    } catch (cause) {
      if (codeOf(cause) !== 'ERR_FS_EISDIR') throw cause;
      throw new SessionfsError('CACHE_FORMAT', `${this.#path} is not a regular file`, { cause, hint: HINT });
    }
  }

  /** The nodes known; a line that was cut by a crash is also in the journal. */
  readSync(): KnownNodes {
    const known: KnownNodes = { byPath: new Map(), largest: 0 };
    for (const line of readLines(this.#path)) {
      const [path, number] = parse(line);
      if (path === undefined) continue;
      learn(known, path, number);
    }
    return known;
  }

  /** In the page cache on return: it survives this process. */
  async append(nodes: ReadonlyMap<string, number | undefined>): Promise<void> {
    if (nodes.size === 0) return;
    // The first line break ends a line that an earlier process may have left cut.
    await appendFile(this.#path, `\n${[...nodes].map(lineOf).join('')}`, { mode: 0o600 });
    const { size } = await stat(this.#path);
    if (size > Math.max(REWRITE_BYTES, 2 * this.#bytesAfterRewrite)) await this.#rewrite();
  }

  async #rewrite(): Promise<void> {
    const { byPath, largest } = this.readSync();
    const text = lineOf(['', largest]) + [...byPath].map(lineOf).join('');
    await writeFile(`${this.#path}.new`, text, { mode: 0o600 });
    await rename(`${this.#path}.new`, this.#path);
    this.#bytesAfterRewrite = text.length;
  }
}

/** `number` undefined: the path is gone. */
export function learn(known: KnownNodes, path: string, number: number | undefined): void {
  if (number !== undefined && number > known.largest) known.largest = number;
  if (path === '') return;
  if (number === undefined) known.byPath.delete(path);
  else known.byPath.set(path, number);
}

function lineOf([path, number]: readonly [string, number | undefined]): string {
  return `${JSON.stringify(number === undefined ? [path] : [path, number])}\n`;
}

function* readLines(path: string): Generator<string> {
  const fd = openIfThere(path);
  if (fd === undefined) return;
  try {
    for (const { bytes, start, end, what } of linesOf(fd, LINE_BYTES_MAX))
      if (what !== 'long') yield bytes.toString('utf8', start, end);
  } finally {
    closeSync(fd);
  }
}

function openIfThere(path: string): number | undefined {
  try {
    return openCacheFile(path, HINT);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function parse(line: string): [path?: string, number?: number] {
  try {
    const value: unknown = JSON.parse(line);
    if (!Array.isArray(value) || typeof value[0] !== 'string') return [];
    const [path, number] = value as [string, unknown];
    if (number === undefined) return [path];
    const isNumber =
      Number.isSafeInteger(number) && (number as number) > 0 && (number as number) <= NUMBER_MAX;
    return isNumber ? [path, number as number] : [];
  } catch {
    return [];
  }
}
