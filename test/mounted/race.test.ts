/** What a reader finds that reads without pause while Baileys' way of writing (truncate, then write) goes on. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { versionedJson } from '../baileys/versioned-json.ts';
import { mountSessionfs } from '../support/mount-sessionfs.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { type RaceReport, startRaceReader } from './support/race-reader.ts';

/** docs/semantics.md quotes a run of 10,000, and what the same race finds in a plain directory. */
const asked = process.env.SESSIONFS_TEST_RACE_MS;
const RACE_MS = Number(asked ?? 1500);
/** An event loop that is busy this long at a time lets a file lie truncated as long. */
const BUSY_MS = 4;
/** On a machine that is busy with other work it takes longer. */
const MIN_WRITES = 20;

interface Race extends RaceReport {
  writes: number;
}

async function race(file: string): Promise<Race> {
  writeFileSync(file, versionedJson(0));
  const reader = startRaceReader(file);
  const end = performance.now() + RACE_MS;
  const busy = keepBusyUntil(end);
  let writes = 0;
  while (performance.now() < end || writes < MIN_WRITES) await writeFile(file, versionedJson(++writes));
  await busy;
  return { writes, ...(await reader.stop()) };
}

async function keepBusyUntil(end: number): Promise<void> {
  while (performance.now() < end) {
    const pause = performance.now() + BUSY_MS;
    while (performance.now() < pause);
    await nextTurn();
  }
}

const line = (name: string, { reads, empty, padded, mixed, writes }: Race) =>
  `${name}: ${writes} writes; of ${reads} reads ${empty} empty, ${mixed} cut or mixed, ${padded} with zeros at the end`;

test('a reader without pause never finds a *.json empty that is rewritten in place', async (t) => {
  const mounted = await mountSessionfs(t);
  const here = await race(join(mounted.mountPoint, 'creds.json'));
  t.diagnostic(line('sessionfs', here));
  if (asked !== undefined)
    t.diagnostic(line('plain directory', await race(join(temporaryDirectory(t), 'creds.json'))));
  assert.ok(here.writes >= MIN_WRITES && here.reads > 100, line('sessionfs', here));
  assert.equal(here.empty, 0);
  assert.deepEqual(here.failed, []);
  await mounted.unmount();
});
