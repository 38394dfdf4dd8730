/** Cloud mode has no disk: what an application that starts over replaces is kept in the bucket. */
import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { Cloud } from '../hybrid/support/cloud.ts';
import { logged, SESSION } from '../hybrid/support.ts';
import { freshCreds, pairedCreds } from '../support/baileys-creds.ts';
import { mountCloud, uploads } from './support.ts';

test('the version before a fresh registration is stored beside the sessions', {
  timeout: 180_000,
}, async (t) => {
  const paired = await pairedCreds(t);
  const cloud = await Cloud.start(t);
  const mounted = await mountCloud(cloud);
  const directory = join(mounted.mountPoint, SESSION);
  await mkdir(directory);
  await writeFile(join(directory, 'creds.json'), paired);
  await writeFile(join(directory, 'creds.json'), freshCreds());
  const alarm = await logged(mounted, /^An application started over/);
  assert.deepEqual([alarm.level, alarm.session], ['error', SESSION]);
  const { object } = await logged(mounted, 'Kept versions of credentials are in the bucket, too');
  assert.match(String(object), /^\.sessionfs\/set-aside\/sessions\/user\/\+4915100000\/creds\.json\.\d{13}$/);
  assert.ok(uploads(cloud).includes(String(object)));
  await mounted.unmount();
});
