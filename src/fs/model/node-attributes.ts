/** What a NODE record says of a file that was never committed. All integers are little-endian. */

import type { FileNode } from './node.ts';
import type { Owner } from './options.ts';

export const NodeAttributes = { MODE: 0, UID: 4, GID: 8, SIZE: 12 } as const;

export function writeNodeAttributes(out: Buffer, at: number, node: { mode: number } & Owner): void {
  out.writeUInt32LE(node.mode, at + NodeAttributes.MODE);
  out.writeUInt32LE(node.uid, at + NodeAttributes.UID);
  out.writeUInt32LE(node.gid, at + NodeAttributes.GID);
}

export function readNodeAttributes(data: Buffer, node: FileNode): void {
  node.mode = data.readUInt32LE(NodeAttributes.MODE);
  node.uid = data.readUInt32LE(NodeAttributes.UID);
  node.gid = data.readUInt32LE(NodeAttributes.GID);
}
