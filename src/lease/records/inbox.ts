/** The object in which a mount is asked whether it lives. docs/file-format.md describes it. */
import type { InboxRecord } from '../protocol.ts';
import { type Codec, printFlag, printText } from './record.ts';

const MOUNTS_PREFIX = '.sessionfs/mounts/';

export function inboxName(mountId: string): string {
  return MOUNTS_PREFIX + mountId;
}

export const inboxCodec: Codec<InboxRecord> = {
  read: (field) => ({
    start: field.text('start'),
    challenge: field.text('challenge'),
    condemned: field.flag('condemned'),
    permissionMs: field.count('permission'),
    name: field.text('name'),
  }),
  write: ({ start, challenge, condemned, permissionMs, name }) => ({
    start: printText(start),
    challenge: printText(challenge),
    condemned: printFlag(condemned),
    permission: String(Math.ceil(permissionMs)),
    name: printText(name),
  }),
};
