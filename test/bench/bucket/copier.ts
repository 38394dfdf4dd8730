/**
 * What a backup script does: copies files one after another with @google-cloud/storage, between a directory and a bucket.
 * Arguments, as JSON: CopyOrder. Prints how long the copying took, in milliseconds, as JSON: CopyResult.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { type SaveOptions, Storage } from '@google-cloud/storage';

export interface CopyOrder {
  /** An origin; the emulator's or a proxy's. */
  endpoint: string;
  bucket: string;
  /** Of the object names. */
  prefix: string;
  /** Where the files lie, or go: flat. */
  directory: string;
  files: readonly string[];
  direction: 'upload' | 'download';
  /** Of each upload; {} are the SDK's defaults. */
  saveOptions: SaveOptions;
}

export interface CopyResult {
  files: number;
  ms: number;
}

async function copy(order: CopyOrder): Promise<CopyResult> {
  const { endpoint, prefix, directory, files, direction, saveOptions } = order;
  const bucket = new Storage({ projectId: 'bench', apiEndpoint: endpoint }).bucket(order.bucket);
  // Code and connection are warm, as the daemon's are.
  await bucket.exists();
  const startedMs = performance.now();
  for (const name of files) {
    const object = bucket.file(`${prefix}/${name}`);
    const path = join(directory, basename(name));
    if (direction === 'upload') await object.save(readFileSync(path), saveOptions);
    else writeFileSync(path, (await object.download())[0]);
  }
  return { files: files.length, ms: performance.now() - startedMs };
}

const result = await copy(JSON.parse(process.argv[2] ?? '') as CopyOrder);
process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));
