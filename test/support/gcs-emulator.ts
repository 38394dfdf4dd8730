import { startGcsEmulator } from './gcs-emulator-process.ts';
import { sharedServer } from './shared-server.ts';

export { createTestBucket, storeTestObject } from './gcs-emulator-process.ts';

/** The emulator's URL, as http://127.0.0.1:PORT. A test file that is run by itself gets an emulator of its own. */
export const gcsEmulator = sharedServer('SESSIONFS_TEST_GCS_EMULATOR', startGcsEmulator);
