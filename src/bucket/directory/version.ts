/** The file that says which version of an object lies in the directory. */
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { ABSENT, type ObjectVersion } from '../bucket.ts';
import { splitMetadata } from '../upload.ts';
import { unlessMissing } from './error.ts';

/** As in the file. `stored` is the caller's metadata and the upload's id. */
export interface VersionRecord {
  readonly name: string;
  readonly generation: string;
  readonly size: number;
  readonly crc32c: number;
  readonly updatedMs: number;
  readonly stored: Readonly<Record<string, string>>;
}

/** Undefined: there is none, or a power cut left nothing that makes sense. */
export async function readVersionRecord(path: string): Promise<VersionRecord | undefined> {
  const text = await unlessMissing(readFile(path, 'utf8'));
  if (text === undefined) return undefined;
  try {
    const record = JSON.parse(text) as VersionRecord;
    const isWhole =
      typeof record.name === 'string' &&
      /^[1-9]\d*$/.test(record.generation) &&
      [record.size, record.crc32c, record.updatedMs].every(Number.isFinite) &&
      typeof record.stored === 'object';
    return isWhole ? record : undefined;
  } catch {
    return undefined;
  }
}

export function versionOfRecord({ stored, ...record }: VersionRecord): ObjectVersion {
  return { ...record, ...splitMetadata(stored) };
}

/** Random: no clock that was set back, and no other machine, makes the same one again. */
export function newGeneration(): string {
  const generation = randomBytes(8).readBigUInt64BE().toString();
  return generation === ABSENT ? newGeneration() : generation;
}
