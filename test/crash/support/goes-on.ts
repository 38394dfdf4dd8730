import assert from 'node:assert/strict';
import { ROOT_NODE } from '../../../src/fs/contract.ts';
import { S_IFREG } from '../../../src/lib/file-type.ts';
import { CALLER, type Harness, newEntry } from '../../fs/harness.ts';
import { differences, snapshot } from './snapshot.ts';

/** Writing goes on after a crash as if nothing had been: over a restart and a checkpoint nothing comes or goes by itself. */
export async function goesOn(h: Harness, context: string): Promise<void> {
  const entry = newEntry();
  assert.equal(h.fs.mknod(ROOT_NODE, 'after.json', S_IFREG | 0o600, CALLER, entry), 0, context);
  assert.equal(h.fs.write(entry.nodeId, 0, Buffer.from('{"after":1}'), false), 11, context);
  const expected = snapshot(h);
  assert.equal(expected['after.json'], '100600 {"after":1}', context);
  h.restart();
  assert.deepEqual(differences(snapshot(h), expected), [], `restarted, ${context}`);
  await h.checkpoint();
  h.restart();
  assert.deepEqual(differences(snapshot(h), expected), [], `checkpointed, ${context}`);
  const said = h.logs.filter(({ level }) => level === 'error');
  assert.deepEqual(said, [], context);
}
