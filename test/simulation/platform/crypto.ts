/** In place of node:crypto: the same, but for what it draws by chance. */
import type { BinaryLike, randomUUID as realRandomUUID } from 'node:crypto';
import type { Prng } from '../../drivers/support/prng.ts';
import { machine } from './machine.ts';

export {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createSecretKey,
  hkdfSync,
  KeyObject,
  timingSafeEqual,
} from 'node:crypto';
export type { BinaryLike };

function fill(bytes: Buffer, prng: Prng): Buffer {
  let at = 0;
  for (; at + 4 <= bytes.length; at += 4) bytes.writeUInt32LE(prng.u32(), at);
  for (; at < bytes.length; at++) bytes[at] = prng.below(256);
  return bytes;
}

export function randomBytes(size: number): Buffer {
  return fill(Buffer.alloc(size), machine().names);
}

export function randomFillSync<T extends NodeJS.ArrayBufferView>(view: T): T {
  fill(Buffer.from(view.buffer, view.byteOffset, view.byteLength), machine().cipher);
  return view;
}

export function randomInt(low: number, high?: number): number {
  const prng = machine().names;
  return high === undefined ? prng.below(low) : low + prng.below(high - low);
}

export function randomUUID(): ReturnType<typeof realRandomUUID> {
  const hex = randomBytes(16).toString('hex');
  const parts = [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `4${hex.slice(13, 16)}`,
    `8${hex.slice(17, 20)}`,
    hex.slice(20),
  ];
  return parts.join('-') as ReturnType<typeof realRandomUUID>;
}
