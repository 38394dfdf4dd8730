/** When the wait for a session's lease ends, and with what. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Held } from '../../src/lease/held.ts';
import { decide, type LeaseWaitState, PATIENCE_MS } from '../../src/remote/lease-wait.ts';

const HELD: Held = { session: 'u', epoch: 1, previousEpoch: 0, floor: 0, refresh: false, how: 'created' };
const held = { kind: 'held', held: HELD } as const;
const abandoned = { kind: 'abandoned' } as const;
const ended = { kind: 'ended' } as const;

/** A bucket that answers, a free session, a cache that has all of it. */
const QUIET: LeaseWaitState = {
  outcome: undefined,
  isEnding: false,
  isHeldElsewhere: false,
  waitLimitMs: 0,
  isFailing: false,
  silentMs: 0,
  isServable: () => true,
};
const incomplete = () => false;

const rows: [what: string, state: Partial<LeaseWaitState>, waitedMs: number, kind: string][] = [
  ['the bucket answers', {}, 60_000, 'wait'],
  ['the lease is there', { outcome: held }, 0, 'held'],
  ['the lease is there although the mount ends', { outcome: held, isEnding: true }, 0, 'held'],
  ['the wait was abandoned', { outcome: abandoned, isFailing: true }, 0, 'abandoned'],
  ['the mount was fenced', { outcome: ended }, 0, 'ended'],
  ['the mount ends', { isEnding: true, isFailing: true }, 0, 'ended'],
  ['another mount has it, no limit', { isHeldElsewhere: true }, 86_400_000, 'wait'],
  ['another mount has it, within the limit', { isHeldElsewhere: true, waitLimitMs: 5_000 }, 4_999, 'wait'],
  ['another mount has it, at the limit', { isHeldElsewhere: true, waitLimitMs: 5_000 }, 5_000, 'refused'],
  ['the limit counts for other mounts only', { waitLimitMs: 5_000 }, 60_000, 'wait'],
  ['the bucket fails', { isFailing: true }, 0, 'unconfirmed'],
  ['the bucket fails, files are missing here', { isFailing: true, isServable: incomplete }, 60_000, 'wait'],
  ['another mount has it, the bucket fails', { isFailing: true, isHeldElsewhere: true }, 60_000, 'wait'],
  ['silent, but the wait has just begun', { silentMs: 60_000 }, PATIENCE_MS - 1, 'wait'],
  ['a long wait, but it answers', { silentMs: PATIENCE_MS - 1 }, 60_000, 'wait'],
  ['silent for the whole wait', { silentMs: PATIENCE_MS }, PATIENCE_MS, 'unconfirmed'],
];

for (const [what, state, waitedMs, kind] of rows)
  test(`${what}: ${kind}`, () => assert.equal(decide({ ...QUIET, ...state }, waitedMs).kind, kind));
