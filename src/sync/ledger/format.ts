/**
 * The lines of `<cache>/bucket.log`: CRC-32C of the rest in 8 hex digits, a blank, a JSON array. Each line says what is from
 * then on, so that any of them may be repeated; docs/file-format.md lists them.
 */
import { crc32c } from '../../lib/crc32c.ts';
import type { RemoteVersion } from './object-entry.ts';

export const LEDGER_VERSION = 1;

const CHECKSUM_DIGITS = 8;
const DIGITS = Buffer.from('0123456789abcdef');
const BLANK = 0x20;

export type LedgerRecord =
  /** The first line: whose ledger this is, and of which bucket. */
  | ['ledger', version: number, id: string, bucket: string]
  /** The second line, the only one that is written over: how much of the file is on stable storage at least. */
  | ['length', digits: string]
  /** The file has a new version here, noticed then (ms since the epoch). */
  | ['changed', name: string, atMs: number]
  /** The file is gone here. */
  | ['deleted', name: string, atMs: number]
  /** An upload is about to begin, in place of that version. */
  | ['attempt', name: string, id: string, ifGeneration: string, crc32c: number, atMs: number]
  /** Nothing of that upload can arrive any more. */
  | ['answered', name: string, id: string]
  /** The bucket holds what the cache holds. */
  | ['same', name: string, ...VersionFields]
  /** The bucket holds this; the file has changed meanwhile. */
  | ['stored', name: string, ...VersionFields]
  /** The bucket holds this, and the cache does not. */
  | ['absent', name: string, ...VersionFields]
  /** Neither has it: nothing more is to be known. */
  | ['gone', name: string]
  /** The bucket was listed: false at the start of each mount. */
  | ['listed', boolean]
  /** A mount begins: it serves no session yet. */
  | ['mount']
  /** The mount serves the session. */
  | ['serving', session: string]
  /** The cache was in step with the bucket, or is ahead of it, under this epoch of the session's lease; 0: it is outdated. */
  | ['epoch', session: string, epoch: number];

export type VersionFields = [generation: string, crc32c: number, size: number, updatedMs: number];

export function fieldsOf({ generation, crc32c: crc, size, updatedMs }: RemoteVersion): VersionFields {
  return [generation, crc, size, updatedMs];
}

export function versionOf([generation, crc, size, updatedMs]: VersionFields): RemoteVersion {
  return { generation, crc32c: crc, size, updatedMs };
}

export function lineOf(record: LedgerRecord): string {
  const text = JSON.stringify(record);
  return `${checksum(text)} ${text}\n`;
}

/** As many bytes whatever the length is. */
export function lengthLine(bytes: number): string {
  return lineOf(['length', String(bytes).padStart(15, '0')]);
}

/** Where a line's text begins, after its checksum. */
export const TEXT_AT = CHECKSUM_DIGITS + 1;

/** Of a line from `start` to `end` (exclusive), without its end. */
export function hasItsChecksum(bytes: Buffer, start: number, end: number): boolean {
  if (end - start < TEXT_AT || bytes[start + CHECKSUM_DIGITS] !== BLANK) return false;
  let expected = crc32c(bytes, start + TEXT_AT, end);
  for (let at = start + CHECKSUM_DIGITS - 1; at >= start; at--) {
    if (bytes[at] !== DIGITS[expected & 0xf]) return false;
    expected >>>= 4;
  }
  return true;
}

/** Of the part of a line after its checksum; undefined: it says nothing that this version knows. */
export function parseText(text: string): LedgerRecord | undefined {
  try {
    const record: unknown = JSON.parse(text);
    return isRecord(record) ? record : undefined;
  } catch {
    return undefined;
  }
}

/** The object that it is of; undefined: it is of none. */
export function objectOf(record: LedgerRecord): string | undefined {
  switch (record[0]) {
    case 'ledger':
    case 'length':
    case 'listed':
    case 'mount':
    case 'serving':
    case 'epoch':
      return undefined;
    default:
      return record[1];
  }
}

function checksum(text: string): string {
  return crc32c(Buffer.from(text)).toString(16).padStart(CHECKSUM_DIGITS, '0');
}

const isString = (value: unknown) => typeof value === 'string';
const isCount = (value: unknown) => Number.isSafeInteger(value) && (value as number) >= 0;
const isTime = (value: unknown) => typeof value === 'number' && Number.isFinite(value);
const isLength = (value: unknown) => typeof value === 'string' && /^\d{15}$/.test(value);
const version = [isString, isCount, isCount, isTime];

const shapes: { readonly [Kind in LedgerRecord[0]]: ReadonlyArray<(value: unknown) => boolean> } = {
  ledger: [isCount, isString, isString],
  length: [isLength],
  changed: [isString, isTime],
  deleted: [isString, isTime],
  attempt: [isString, isString, isString, isCount, isTime],
  answered: [isString, isString],
  same: [isString, ...version],
  stored: [isString, ...version],
  absent: [isString, ...version],
  gone: [isString],
  listed: [(value) => typeof value === 'boolean'],
  mount: [],
  serving: [isString],
  epoch: [isString, isCount],
};

function isRecord(value: unknown): value is LedgerRecord {
  if (!Array.isArray(value) || typeof value[0] !== 'string' || !Object.hasOwn(shapes, value[0])) return false;
  const shape = shapes[value[0] as LedgerRecord[0]];
  return value.length === shape.length + 1 && shape.every((check, index) => check(value[index + 1]));
}
