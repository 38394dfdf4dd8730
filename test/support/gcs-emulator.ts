import { after } from 'node:test';
import { type EmulatorProcess, startGcsEmulator } from './gcs-emulator-process.ts';

export { createTestBucket } from './gcs-emulator-process.ts';

/** scripts/test starts one emulator for all and says here where it is. */
const SHARED = 'SESSIONFS_TEST_GCS_EMULATOR';

let own: EmulatorProcess | undefined;

after(async () => {
  own?.daemon.killAll();
  await own?.daemon.waitForExit(30_000);
});

/** The emulator's URL, as http://127.0.0.1:PORT. A test file that is run by itself gets an emulator of its own. */
export function gcsEmulator(): Promise<string> {
  const shared = process.env[SHARED];
  if (shared) return Promise.resolve(shared);
  own ??= startGcsEmulator();
  return own.url;
}
