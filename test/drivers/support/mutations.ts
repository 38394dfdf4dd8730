import type { Prng } from './prng.ts';

const BOUNDARIES = [
  0,
  1,
  2,
  7,
  8,
  0x7fff_ffff,
  0x8000_0000,
  0xffff_ffff,
  0x1f_ffff,
  0x20_0000,
  1 << 20,
  (1 << 20) + 1,
];

type Mutation = (bytes: Buffer, length: number, random: Prng) => number;

/** Each answers the new length. */
const mutations: Mutation[] = [
  function flipBit(bytes, length, random) {
    const at = random.below(length);
    bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << random.below(8)), at);
    return length;
  },
  function putBoundary(bytes, length, random) {
    const words = Math.floor(length / 4);
    if (words > 0) bytes.writeUInt32LE(random.pick(BOUNDARIES), 4 * random.below(words));
    return length;
  },
  function cut(_bytes, length, random) {
    return 1 + random.below(length);
  },
  function extend(bytes, length, random) {
    const more = 1 + random.below(64);
    for (let at = length; at < length + more; at++) bytes.writeUInt8(random.below(256), at);
    return length + more;
  },
  function changeOpcode(bytes, length, random) {
    if (length >= 8) bytes.writeUInt32LE(random.below(10) === 0 ? random.u32() : random.below(64), 4);
    return length;
  },
  function changeNode(bytes, length, random) {
    if (length >= 24) bytes.writeBigUInt64LE((BigInt(random.u32()) << 32n) | BigInt(random.u32()), 16);
    return length;
  },
];

/**
 * Puts one of `seeds`, changed up to four times, at the beginning of `bytes` and answers its length. Most tell their own
 * length truly, or nothing else of them would ever be looked at.
 */
export function mutate(seeds: readonly Buffer[], bytes: Buffer, random: Prng): number {
  const seed = random.pick(seeds);
  let length = seed.copy(bytes);
  for (let left = random.below(5); left > 0; left--) length = random.pick(mutations)(bytes, length, random);
  if (length >= 4 && random.below(8) !== 0) bytes.writeUInt32LE(length, 0);
  return length;
}
