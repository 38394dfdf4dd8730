import type { FakeFilesystem } from '../../support/fake-filesystem.ts';

export interface GoldenCase {
  name: string;
  /** Hexadecimal bytes, a field a line. */
  request: string[];
  /** What the filesystem is asked. */
  calls: unknown[][];
  setup?: (fs: FakeFilesystem) => void;
  /** Hexadecimal bytes; null where the kernel wants no answer. */
  reply: string[] | null;
}

/** The rest of fuse_in_header: uid 1000, gid 1001, pid 4242, no extensions, padding. */
export const FROM = 'e8 03 00 00 e9 03 00 00 92 10 00 00 00 00 00 00';
export const CALLER = { uid: 1000, gid: 1001, pid: 4242 };

/** The fuse_attr of `sampleAttributes`. */
const ATTR = [
  '11 00 00 00 00 00 00 00', // ino
  '03 02 00 00 01 00 00 00', // size
  '02 00 80 00 00 00 00 00', // blocks
  '01 00 00 00 00 00 00 00', // atime
  '03 00 00 00 00 00 00 00', // mtime
  'fb ff ff ff ff ff ff ff', // ctime
  '02 00 00 00', // atimensec
  '04 00 00 00', // mtimensec
  '06 00 00 00', // ctimensec
  'a4 81 00 00', // mode
  '01 00 00 00', // nlink
  'e8 03 00 00', // uid
  'e9 03 00 00', // gid
  '00 00 00 00', // rdev
  '00 10 00 00', // blksize
  '00 00 00 00', // flags
];

export const ATTR_OUT = [
  '01 00 00 00 00 00 00 00', // attr_valid: 1 s
  '00 65 cd 1d', // attr_valid_nsec: 500,000,000
  '00 00 00 00', // dummy
  ...ATTR,
];

export const ENTRY = [
  '22 00 00 00 00 00 00 00', // nodeid
  '00 00 00 00 00 00 00 00', // generation
  '3c 00 00 00 00 00 00 00', // entry_valid: 60 s
  '01 00 00 00 00 00 00 00', // attr_valid: 1 s
  '80 b2 e6 0e', // entry_valid_nsec: 250,000,000
  '00 65 cd 1d', // attr_valid_nsec: 500,000,000
  ...ATTR,
];

export const ZERO_ENTRY = ['00'.repeat(128)];

export function withChildren(fs: FakeFilesystem): void {
  fs.children = [{ name: 'creds.jso', ino: 0x11, type: 0o100000, nextOffset: 1, handle: 0x22 }];
}
