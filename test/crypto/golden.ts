/** Sealed files that a released version wrote, and what they hold. They must open for as long as there is a version 1. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { SealedMeta } from '../../src/crypto/sealed-file.ts';

export interface GoldenFile {
  /** In the folder of golden.json. */
  file: string;
  keyHex: string;
  path: string;
  meta: SealedMeta;
  plainBase64: string;
}

/** In the source tree, from dist/test/crypto. */
export const goldenFolder = fileURLToPath(new URL('../../../test/crypto/golden/', import.meta.url));

export function goldenFiles(): GoldenFile[] {
  return JSON.parse(readFileSync(`${goldenFolder}golden.json`, 'utf8')) as GoldenFile[];
}

export function goldenBytes(golden: GoldenFile): Buffer {
  return readFileSync(goldenFolder + golden.file);
}
