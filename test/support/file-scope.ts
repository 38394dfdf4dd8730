import { after } from 'node:test';
import { cleanUp, type Scope } from './cleanup.ts';

/** For what the tests of a file share, which the first one makes. Called at the top of the file: an `after` within a test is that test's own. */
export function fileScope(): Scope {
  const scope: Scope = { after };
  cleanUp(scope, () => {});
  return scope;
}
