/** The object in which contenders challenge a mount. docs/file-format.md describes it. */
import type { InboxRecord } from '../protocol.ts';
import { type Codec, printFlag, printText } from './record.ts';

export const MOUNTS_PREFIX = '.sessionfs/mounts/';

/** No mount's setting is longer. A contender waits half as long again: more would shut it out for years, without a word. */
const PERMISSION_MAX_MS = 2 ** 31 - 1;

export function inboxName(mountId: string): string {
  return MOUNTS_PREFIX + mountId;
}

export const inboxCodec: Codec<InboxRecord> = {
  read: (field) => ({
    start: field.text('start'),
    challenge: field.text('challenge'),
    condemned: field.flag('condemned'),
    grantMs: field.count('permission', PERMISSION_MAX_MS),
    name: field.text('name'),
  }),
  write: ({ start, challenge, condemned, grantMs, name }) => ({
    start: printText(start),
    challenge: printText(challenge),
    condemned: printFlag(condemned),
    permission: String(Math.ceil(grantMs)),
    name: printText(name),
  }),
};
