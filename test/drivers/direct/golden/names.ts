import { CALLER, ENTRY, FROM, type GoldenCase } from './shared.ts';

/** What asks for a name or changes one. */
export const namesCases: GoldenCase[] = [
  {
    name: 'LOOKUP answers the entry',
    request: [
      '2f 00 00 00 01 00 00 00', // len, LOOKUP
      '02 00 00 00 00 00 00 00', // unique
      '01 00 00 00 00 00 00 00', // nodeid
      FROM,
      '61 2e 6a 73 6f 6e 00', // name
    ],
    calls: [['lookup', 1, 'a.json']],
    reply: [
      '90 00 00 00 00 00 00 00', // len, error
      '02 00 00 00 00 00 00 00', // unique
      ...ENTRY,
    ],
  },
  {
    name: 'SYMLINK reads the name, then the target',
    request: [
      '31 00 00 00 06 00 00 00', // len, SYMLINK
      '02 00 00 00 00 00 00 00', // unique
      '01 00 00 00 00 00 00 00', // nodeid
      FROM,
      '6c 6e 00', // name
      '2e 2e 2f 74 6f 00', // target
    ],
    calls: [['symlink', 1, 'ln', '../to', CALLER]],
    reply: [
      '90 00 00 00 00 00 00 00', // len, error
      '02 00 00 00 00 00 00 00', // unique
      ...ENTRY,
    ],
  },
  {
    name: 'MKNOD makes a regular file',
    request: [
      '40 00 00 00 08 00 00 00', // len, MKNOD
      '02 00 00 00 00 00 00 00', // unique
      '01 00 00 00 00 00 00 00', // nodeid
      FROM,
      '80 81 00 00', // mode
      '00 00 00 00', // rdev
      '12 00 00 00', // umask
      '00 00 00 00', // padding
      'c3 b1 2e 6a 73 6f 6e 00', // name
    ],
    calls: [['mknod', 1, 'ñ.json', 0o100600, CALLER]],
    reply: [
      '90 00 00 00 00 00 00 00', // len, error
      '02 00 00 00 00 00 00 00', // unique
      ...ENTRY,
    ],
  },
  {
    name: 'MKDIR hands on the type and the permissions',
    request: [
      '32 00 00 00 09 00 00 00', // len, MKDIR
      '02 00 00 00 00 00 00 00', // unique
      '01 00 00 00 00 00 00 00', // nodeid
      FROM,
      'ed 01 00 00', // mode
      '12 00 00 00', // umask
      '64 00', // name
    ],
    calls: [['mkdir', 1, 'd', 0o040755, CALLER]],
    reply: [
      '90 00 00 00 00 00 00 00', // len, error
      '02 00 00 00 00 00 00 00', // unique
      ...ENTRY,
    ],
  },
  {
    name: 'UNLINK is answered with a bare header',
    request: [
      '2a 00 00 00 0a 00 00 00', // len, UNLINK
      '02 00 00 00 00 00 00 00', // unique
      '01 00 00 00 00 00 00 00', // nodeid
      FROM,
      '66 00', // name
    ],
    calls: [['unlink', 1, 'f']],
    reply: [
      '10 00 00 00 00 00 00 00', // len, error
      '02 00 00 00 00 00 00 00', // unique
    ],
  },
  {
    name: 'RMDIR is answered with a bare header',
    request: [
      '2a 00 00 00 0b 00 00 00', // len, RMDIR
      '02 00 00 00 00 00 00 00', // unique
      '01 00 00 00 00 00 00 00', // nodeid
      FROM,
      '64 00', // name
    ],
    calls: [['rmdir', 1, 'd']],
    reply: [
      '10 00 00 00 00 00 00 00', // len, error
      '02 00 00 00 00 00 00 00', // unique
    ],
  },
  {
    name: 'RENAME has no flags',
    request: [
      '34 00 00 00 0c 00 00 00', // len, RENAME
      '02 00 00 00 00 00 00 00', // unique
      '01 00 00 00 00 00 00 00', // nodeid
      FROM,
      '03 00 00 00 00 00 00 00', // newdir
      '61 00', // old name
      '62 00', // new name
    ],
    calls: [['rename', 1, 'a', 3, 'b', 0]],
    reply: [
      '10 00 00 00 00 00 00 00', // len, error
      '02 00 00 00 00 00 00 00', // unique
    ],
  },
  {
    name: 'LINK is not permitted',
    request: [
      '32 00 00 00 0d 00 00 00', // len, LINK
      '02 00 00 00 00 00 00 00', // unique
      '01 00 00 00 00 00 00 00', // nodeid
      FROM,
      '03 00 00 00 00 00 00 00', // oldnodeid
      '62 00', // new name
    ],
    calls: [],
    reply: ['10 00 00 00 ff ff ff ff', '02 00 00 00 00 00 00 00'], // len, error -1, unique
  },
  {
    name: 'RENAME2 hands on its flags',
    request: [
      '3c 00 00 00 2d 00 00 00', // len, RENAME2
      '02 00 00 00 00 00 00 00', // unique
      '01 00 00 00 00 00 00 00', // nodeid
      FROM,
      '03 00 00 00 00 00 00 00', // newdir
      '01 00 00 00', // flags: NOREPLACE
      '00 00 00 00', // padding
      '61 00', // old name
      '62 00', // new name
    ],
    calls: [['rename', 1, 'a', 3, 'b', 1]],
    reply: [
      '10 00 00 00 00 00 00 00', // len, error
      '02 00 00 00 00 00 00 00', // unique
    ],
  },
];
