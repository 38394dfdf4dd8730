import { after } from 'node:test';
import type { ServerProcess } from './server-process.ts';

/**
 * A server that a test file starts when it first needs one, and that ends with the file. scripts/test starts some of them for
 * all files, and says in `variable` where one is. `ended`: the file's own server is gone.
 */
export function sharedServer(
  variable: string,
  start: () => ServerProcess,
  ended: () => void = () => {},
): () => Promise<string> {
  let own: ServerProcess | undefined;
  after(async () => {
    own?.daemon.killAll();
    await own?.daemon.waitForExit(30_000);
    if (own) ended();
  });
  return () => {
    const shared = process.env[variable];
    if (shared) return Promise.resolve(shared);
    own ??= start();
    return own.url;
  };
}
