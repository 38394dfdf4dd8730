/** The SDK, set up so that it neither retries, nor waits for ever, nor goes where the environment alone points it. */
import { Storage } from '@google-cloud/storage';
import type { Deadline } from '../deadline.ts';

/** The SDK reads it by itself, and drops the `/storage/v1` of every address when it does. */
const EMULATOR_VARIABLE = 'STORAGE_EMULATOR_HOST';

/**
 * The SDK replaces `{{projectId}}` in every address, query and body, also where an object is called so. No call of ours names
 * a project: the replacement pattern "the text itself" leaves such a name alone, and keeps the SDK from asking the network
 * for a project.
 */
const NO_PROJECT = '$&';

/** `emulatorUrl` is an origin, as `http://127.0.0.1:4443`; with or without `/storage/v1`. Undefined: Google. Only to make a bucket takes a project. */
export function createStorage(emulatorUrl: string | undefined, project: string = NO_PROJECT): Storage {
  return withoutEmulatorVariable(
    () =>
      new Storage({
        projectId: project,
        retryOptions: { autoRetry: false },
        ...(emulatorUrl === undefined
          ? {}
          : { apiEndpoint: emulatorUrl.replace(/\/+(storage\/v1\/*)?$/, '') }),
      }),
  );
}

/** Only the constructor reads the variable, and synchronously: no other code runs while it is gone. */
function withoutEmulatorVariable<T>(make: () => T): T {
  const saved = process.env[EMULATOR_VARIABLE];
  delete process.env[EMULATOR_VARIABLE];
  try {
    return make();
  } finally {
    if (saved !== undefined) process.env[EMULATOR_VARIABLE] = saved;
  }
}

/** What the SDK's bucket and file objects share: they are made for one call each, so an interceptor belongs to that call. */
export interface Intercepted {
  readonly interceptors: { request(options: object): object }[];
}

/**
 * Gives the call's request what is left of its time: until the answer begins the SDK's HTTP client then gives up the socket
 * itself. Its own `timeout` options are not honoured everywhere.
 */
export function limited<T>(target: T, deadline: Deadline): T {
  (target as Intercepted).interceptors.push({
    request: (options) => ({ ...options, timeout: deadline.remainingMs() }),
  });
  return target;
}
