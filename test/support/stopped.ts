import assert from 'node:assert/strict';

/** A container or a namespace that another test makes meanwhile has copies of all mounts. */
export const ELSEWHERE = /Another mount namespace still has the mount; it is ended there as well/;

/** Everything was stored, and nothing used the mount any more when it was taken away. `log`: of a mount that has stopped. */
export function assertStoppedWell(log: string): void {
  const isLazy = ELSEWHERE.test(log);
  assert.match(log, new RegExp(`"exitStatus":0,"dirty":0,"lazy":${isLazy}.*"Mount stopped"`));
}
