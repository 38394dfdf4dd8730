/** The object in which contenders challenge a mount. docs/file-format.md describes it. */
import type { InboxRecord } from '../protocol.ts';
import { type Codec, printFlag, printText } from './record.ts';

export const MOUNTS_PREFIX = '.sessionfs/mounts/';

export function inboxName(mountId: string): string {
  return MOUNTS_PREFIX + mountId;
}

export const inboxCodec: Codec<InboxRecord> = {
  read: (field) => ({
    start: field.text('start'),
    challenge: field.text('challenge'),
    condemned: field.flag('condemned'),
    grantMs: field.count('permission'),
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
