/** What a NODE record says of a file that was never committed, and of a FIFO or socket. All integers are little-endian. */

import type { Owner } from './options.ts';

export const NodeAttributes = { MODE: 0, UID: 4, GID: 8, SIZE: 12 } as const;

export function writeNodeAttributes(out: Buffer, at: number, node: { mode: number } & Owner): void {
  out.writeUInt32LE(node.mode, at + NodeAttributes.MODE);
  out.writeUInt32LE(node.uid, at + NodeAttributes.UID);
  out.writeUInt32LE(node.gid, at + NodeAttributes.GID);
}

export function readNodeAttributes(data: Buffer): { mode: number } & Owner {
  return {
    mode: data.readUInt32LE(NodeAttributes.MODE),
    uid: data.readUInt32LE(NodeAttributes.UID),
    gid: data.readUInt32LE(NodeAttributes.GID),
  };
}
