import { ATTR_OUT, FROM, type GoldenCase } from './shared.ts';

/** What is known about a node. */
export const attributesCases: GoldenCase[] = [
  {
    name: 'FORGET takes lookups back and is not answered',
    request: [
      '30 00 00 00 02 00 00 00', // len, FORGET
      '02 00 00 00 00 00 00 00', // unique
      '22 00 00 00 00 00 00 00', // nodeid
      FROM,
      '03 00 00 00 00 00 00 00', // nlookup
    ],
    calls: [['forget', 34, 3]],
    reply: null,
  },
  {
    name: 'GETATTR answers the attributes',
    request: [
      '38 00 00 00 03 00 00 00', // len, GETATTR
      '02 00 00 00 00 00 00 00', // unique
      '22 00 00 00 00 00 00 00', // nodeid
      FROM,
      '00 00 00 00', // getattr_flags
      '00 00 00 00', // dummy
      '00 00 00 00 00 00 00 00', // fh
    ],
    calls: [['getattr', 34]],
    reply: [
      '78 00 00 00 00 00 00 00', // len, error
      '02 00 00 00 00 00 00 00', // unique
      ...ATTR_OUT,
    ],
  },
  {
    name: 'SETATTR hands on what its valid bits name',
    request: [
      '80 00 00 00 04 00 00 00', // len, SETATTR
      '02 00 00 00 00 00 00 00', // unique
      '22 00 00 00 00 00 00 00', // nodeid
      FROM,
      '3f 00 00 00', // valid: MODE UID GID SIZE ATIME MTIME
      '00 00 00 00', // padding
      '00 00 00 00 00 00 00 00', // fh
      '01 00 00 00 01 00 00 00', // size
      '00 00 00 00 00 00 00 00', // lock_owner
      'ff ff ff ff ff ff ff ff', // atime
      '07 00 00 00 00 00 00 00', // mtime
      '09 00 00 00 00 00 00 00', // ctime
      '0a 00 00 00', // atimensec
      '0b 00 00 00', // mtimensec
      '0c 00 00 00', // ctimensec
      'a0 81 00 00', // mode
      '00 00 00 00', // unused4
      '05 00 00 00', // uid
      '06 00 00 00', // gid
      '00 00 00 00', // unused5
    ],
    calls: [
      [
        'setattr',
        34,
        {
          mode: 0o640,
          uid: 5,
          gid: 6,
          size: 0x1_0000_0001,
          atime: { sec: -1, nsec: 10 },
          mtime: { sec: 7, nsec: 11 },
        },
      ],
    ],
    reply: [
      '78 00 00 00 00 00 00 00', // len, error
      '02 00 00 00 00 00 00 00', // unique
      ...ATTR_OUT,
    ],
  },
  {
    name: 'READLINK answers the target without a NUL',
    request: [
      '28 00 00 00 05 00 00 00', // len, READLINK
      '02 00 00 00 00 00 00 00', // unique
      '22 00 00 00 00 00 00 00', // nodeid
      FROM,
    ],
    calls: [['readlink', 34]],
    reply: [
      '16 00 00 00 00 00 00 00', // len, error
      '02 00 00 00 00 00 00 00', // unique
      '74 61 72 67 65 74', // target
    ],
  },
  {
    name: 'STATFS answers the statistics',
    request: [
      '28 00 00 00 11 00 00 00', // len, STATFS
      '02 00 00 00 00 00 00 00', // unique
      '01 00 00 00 00 00 00 00', // nodeid
      FROM,
    ],
    calls: [['statfs']],
    reply: [
      '60 00 00 00 00 00 00 00', // len, error
      '02 00 00 00 00 00 00 00', // unique
      '07 00 00 00 00 00 00 00', // blocks
      '06 00 00 00 00 00 00 00', // bfree
      '05 00 00 00 00 00 00 00', // bavail
      '04 00 00 00 00 00 00 00', // files
      '03 00 00 00 00 00 00 00', // ffree
      '00 10 00 00', // bsize
      'ff 00 00 00', // namelen
      '00 10 00 00', // frsize
      '00 00 00 00', // padding
      '00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00', // spare
    ],
  },
  {
    name: 'BATCH_FORGET takes each record back and is not answered',
    request: [
      '50 00 00 00 2a 00 00 00', // len, BATCH_FORGET
      '02 00 00 00 00 00 00 00', // unique
      '00 00 00 00 00 00 00 00', // nodeid
      FROM,
      '02 00 00 00', // count
      '00 00 00 00', // dummy
      '22 00 00 00 00 00 00 00 01 00 00 00 00 00 00 00', // nodeid, nlookup
      '23 00 00 00 00 00 00 00 02 00 00 00 00 00 00 00', // nodeid, nlookup
    ],
    calls: [
      ['forget', 34, 1],
      ['forget', 35, 2],
    ],
    reply: null,
  },
];
