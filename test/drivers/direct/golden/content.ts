import { ENTRY, FROM, type GoldenCase, withChildren, ZERO_ENTRY } from './shared.ts';

/** Contents and listings. */
export const contentCases: GoldenCase[] = [
  {
    name: 'READ answers the bytes there are',
    request: [
      '50 00 00 00 0f 00 00 00', // len, READ
      '02 00 00 00 00 00 00 00', // unique
      '22 00 00 00 00 00 00 00', // nodeid
      FROM,
      '00 00 00 00 00 00 00 00', // fh
      '05 00 00 00 00 00 00 00', // offset
      '00 10 00 00', // size
      '00 00 00 00', // read_flags
      '00 00 00 00 00 00 00 00', // lock_owner
      '00 00 00 00', // flags
      '00 00 00 00', // padding
    ],
    calls: [['read', 34, 5, 4096]],
    reply: [
      '15 00 00 00 00 00 00 00', // len, error
      '02 00 00 00 00 00 00 00', // unique
      '68 65 6c 6c 6f', // content
    ],
  },
  {
    name: 'WRITE hands on its data and answers their length',
    request: [
      '53 00 00 00 10 00 00 00', // len, WRITE
      '02 00 00 00 00 00 00 00', // unique
      '22 00 00 00 00 00 00 00', // nodeid
      FROM,
      '00 00 00 00 00 00 00 00', // fh
      '05 00 00 00 00 00 00 00', // offset
      '03 00 00 00', // size
      '00 00 00 00', // write_flags
      '00 00 00 00 00 00 00 00', // lock_owner
      '01 80 00 00', // flags: O_WRONLY
      '00 00 00 00', // padding
      '61 62 63', // data
    ],
    calls: [['write', 34, 5, 'abc', false]],
    reply: [
      '18 00 00 00 00 00 00 00', // len, error
      '02 00 00 00 00 00 00 00', // unique
      '03 00 00 00', // size
      '00 00 00 00', // padding
    ],
  },
  {
    name: 'FALLOCATE knows KEEP_SIZE',
    request: [
      '48 00 00 00 2b 00 00 00', // len, FALLOCATE
      '02 00 00 00 00 00 00 00', // unique
      '22 00 00 00 00 00 00 00', // nodeid
      FROM,
      '00 00 00 00 00 00 00 00', // fh
      '04 00 00 00 00 00 00 00', // offset
      '08 00 00 00 00 00 00 00', // length
      '01 00 00 00', // mode: KEEP_SIZE
      '00 00 00 00', // padding
    ],
    calls: [['fallocate', 34, 4, 8, true]],
    reply: [
      '10 00 00 00 00 00 00 00', // len, error
      '02 00 00 00 00 00 00 00', // unique
    ],
  },
  {
    name: 'READDIR lists dots and children',
    request: [
      '50 00 00 00 1c 00 00 00', // len, READDIR
      '02 00 00 00 00 00 00 00', // unique
      '01 00 00 00 00 00 00 00', // nodeid
      FROM,
      '00 00 00 00 00 00 00 00', // fh
      '00 00 00 00 00 00 00 00', // offset
      '00 10 00 00', // size
      '00 00 00 00', // read_flags
      '00 00 00 00 00 00 00 00', // lock_owner
      '00 00 00 00', // flags
      '00 00 00 00', // padding
    ],
    calls: [['readdir', 1, 0]],
    setup: withChildren,
    reply: [
      '78 00 00 00 00 00 00 00', // len, error
      '02 00 00 00 00 00 00 00', // unique
      'ff ff ff ff 00 00 00 00', // ino
      '01 00 00 00 00 00 00 00', // off
      '01 00 00 00', // namelen
      '04 00 00 00', // type
      '2e 00 00 00 00 00 00 00', // name, padding
      'ff ff ff ff 00 00 00 00', // ino
      '02 00 00 00 00 00 00 00', // off
      '02 00 00 00', // namelen
      '04 00 00 00', // type
      '2e 2e 00 00 00 00 00 00', // name, padding
      '11 00 00 00 00 00 00 00', // ino
      '03 00 00 00 00 00 00 00', // off
      '09 00 00 00', // namelen
      '08 00 00 00', // type
      '63 72 65 64 73 2e 6a 73 6f 00 00 00 00 00 00 00', // name, padding
    ],
  },
  {
    name: 'READDIRPLUS lists children with their entries, and dots without',
    request: [
      '50 00 00 00 2c 00 00 00', // len, READDIRPLUS
      '02 00 00 00 00 00 00 00', // unique
      '01 00 00 00 00 00 00 00', // nodeid
      FROM,
      '00 00 00 00 00 00 00 00', // fh
      '00 00 00 00 00 00 00 00', // offset
      '00 10 00 00', // size
      '00 00 00 00', // read_flags
      '00 00 00 00 00 00 00 00', // lock_owner
      '00 00 00 00', // flags
      '00 00 00 00', // padding
    ],
    calls: [
      ['readdir', 1, 0],
      ['enter', 0x22],
    ],
    setup: withChildren,
    reply: [
      'f8 01 00 00 00 00 00 00', // len, error
      '02 00 00 00 00 00 00 00', // unique
      ...ZERO_ENTRY,
      'ff ff ff ff 00 00 00 00', // ino
      '01 00 00 00 00 00 00 00', // off
      '01 00 00 00', // namelen
      '04 00 00 00', // type
      '2e 00 00 00 00 00 00 00', // name, padding
      ...ZERO_ENTRY,
      'ff ff ff ff 00 00 00 00', // ino
      '02 00 00 00 00 00 00 00', // off
      '02 00 00 00', // namelen
      '04 00 00 00', // type
      '2e 2e 00 00 00 00 00 00', // name, padding
      ...ENTRY,
      '11 00 00 00 00 00 00 00', // ino
      '03 00 00 00 00 00 00 00', // off
      '09 00 00 00', // namelen
      '08 00 00 00', // type
      '63 72 65 64 73 2e 6a 73 6f 00 00 00 00 00 00 00', // name, padding
    ],
  },
];
