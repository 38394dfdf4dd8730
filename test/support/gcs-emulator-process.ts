/** The emulator as a process of its own, and buckets in it. Free of node:test, for programs that are no test. */
import { randomUUID } from 'node:crypto';
import { type ServerProcess, startServer } from './server-process.ts';

export function startGcsEmulator(): ServerProcess {
  return startServer('scripts/gcs-emulator');
}

/** A new, empty bucket; returns its name. `url`: of the emulator or of a proxy in front of it. `settings`: as the API has them. */
export async function createTestBucket(url: string, settings: object = {}): Promise<string> {
  const name = `test-${randomUUID()}`;
  const answer = await fetch(`${url}/storage/v1/b?project=test`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ ...settings, name }),
  });
  await answer.arrayBuffer();
  if (!answer.ok) throw new Error(`no bucket ${name}: HTTP ${answer.status}`);
  return name;
}

/** Stores an object without the SDK: for a test that needs very many. */
export async function storeTestObject(url: string, bucket: string, name: string): Promise<void> {
  const target = `${url}/upload/storage/v1/b/${bucket}/o?uploadType=media&name=${encodeURIComponent(name)}`;
  const answer = await fetch(target, { method: 'POST', body: name });
  await answer.arrayBuffer();
  if (!answer.ok) throw new Error(`no object ${name}: HTTP ${answer.status}`);
}
