import { FROM, type GoldenCase } from './shared.ts';

/** Open files, of which the kernel keeps the state itself. */
export const openFilesCases: GoldenCase[] = [
  {
    name: 'RELEASE succeeds',
    request: [
      '40 00 00 00 12 00 00 00', // len, RELEASE
      '02 00 00 00 00 00 00 00', // unique
      '22 00 00 00 00 00 00 00', // nodeid
      FROM,
      '00 00 00 00 00 00 00 00', // fh
      '00 00 00 00', // flags
      '00 00 00 00', // release_flags
      '00 00 00 00 00 00 00 00', // lock_owner
    ],
    calls: [],
    reply: [
      '10 00 00 00 00 00 00 00', // len, error
      '02 00 00 00 00 00 00 00', // unique
    ],
  },
  {
    name: 'FLUSH is left to the kernel',
    request: [
      '40 00 00 00 19 00 00 00', // len, FLUSH
      '02 00 00 00 00 00 00 00', // unique
      '22 00 00 00 00 00 00 00', // nodeid
      FROM,
      '00 00 00 00 00 00 00 00', // fh
      '00 00 00 00', // unused
      '00 00 00 00', // padding
      '00 00 00 00 00 00 00 00', // lock_owner
    ],
    calls: [],
    reply: ['10 00 00 00 da ff ff ff', '02 00 00 00 00 00 00 00'], // len, error -38, unique
  },
  {
    name: 'OPEN is left to the kernel',
    request: [
      '30 00 00 00 0e 00 00 00', // len, OPEN
      '02 00 00 00 00 00 00 00', // unique
      '22 00 00 00 00 00 00 00', // nodeid
      FROM,
      '02 80 00 00', // flags: O_RDWR
      '00 00 00 00', // open_flags
    ],
    calls: [],
    reply: ['10 00 00 00 da ff ff ff', '02 00 00 00 00 00 00 00'], // len, error -38, unique
  },
  {
    name: 'OPENDIR is left to the kernel',
    request: [
      '30 00 00 00 1b 00 00 00', // len, OPENDIR
      '02 00 00 00 00 00 00 00', // unique
      '01 00 00 00 00 00 00 00', // nodeid
      FROM,
      '00 88 01 00', // flags
      '00 00 00 00', // open_flags
    ],
    calls: [],
    reply: ['10 00 00 00 da ff ff ff', '02 00 00 00 00 00 00 00'], // len, error -38, unique
  },
  {
    name: 'RELEASEDIR succeeds',
    request: [
      '40 00 00 00 1d 00 00 00', // len, RELEASEDIR
      '02 00 00 00 00 00 00 00', // unique
      '01 00 00 00 00 00 00 00', // nodeid
      FROM,
      '00 00 00 00 00 00 00 00', // fh
      '00 00 00 00', // flags
      '00 00 00 00', // release_flags
      '00 00 00 00 00 00 00 00', // lock_owner
    ],
    calls: [],
    reply: [
      '10 00 00 00 00 00 00 00', // len, error
      '02 00 00 00 00 00 00 00', // unique
    ],
  },
  {
    name: 'GETLK is left to the kernel',
    request: [
      '58 00 00 00 1f 00 00 00', // len, GETLK
      '02 00 00 00 00 00 00 00', // unique
      '22 00 00 00 00 00 00 00', // nodeid
      FROM,
      '00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00', // fuse_lk_in
    ],
    calls: [],
    reply: ['10 00 00 00 da ff ff ff', '02 00 00 00 00 00 00 00'], // len, error -38, unique
  },
  {
    name: 'ACCESS is left to the kernel',
    request: [
      '30 00 00 00 22 00 00 00', // len, ACCESS
      '02 00 00 00 00 00 00 00', // unique
      '22 00 00 00 00 00 00 00', // nodeid
      FROM,
      '04 00 00 00', // mask
      '00 00 00 00', // padding
    ],
    calls: [],
    reply: ['10 00 00 00 da ff ff ff', '02 00 00 00 00 00 00 00'], // len, error -38, unique
  },
  {
    name: 'CREATE is left to the kernel, which makes it a MKNOD',
    request: [
      '3a 00 00 00 23 00 00 00', // len, CREATE
      '02 00 00 00 00 00 00 00', // unique
      '01 00 00 00 00 00 00 00', // nodeid
      FROM,
      '41 80 00 00', // flags: O_WRONLY|O_CREAT
      '80 81 00 00', // mode
      '12 00 00 00', // umask
      '00 00 00 00', // open_flags
      '66 00', // name
    ],
    calls: [],
    reply: ['10 00 00 00 da ff ff ff', '02 00 00 00 00 00 00 00'], // len, error -38, unique
  },
  {
    name: 'BMAP is left to the kernel',
    request: [
      '38 00 00 00 25 00 00 00', // len, BMAP
      '02 00 00 00 00 00 00 00', // unique
      '22 00 00 00 00 00 00 00', // nodeid
      FROM,
      '00 00 00 00 00 00 00 00', // block
      '00 02 00 00', // blocksize
      '00 00 00 00', // padding
    ],
    calls: [],
    reply: ['10 00 00 00 da ff ff ff', '02 00 00 00 00 00 00 00'], // len, error -38, unique
  },
  {
    name: 'LSEEK is left to the kernel',
    request: [
      '40 00 00 00 2e 00 00 00', // len, LSEEK
      '02 00 00 00 00 00 00 00', // unique
      '22 00 00 00 00 00 00 00', // nodeid
      FROM,
      '00 00 00 00 00 00 00 00', // fh
      '00 00 00 00 00 00 00 00', // offset
      '03 00 00 00', // whence: SEEK_DATA
      '00 00 00 00', // padding
    ],
    calls: [],
    reply: ['10 00 00 00 da ff ff ff', '02 00 00 00 00 00 00 00'], // len, error -38, unique
  },
  {
    name: 'TMPFILE is left to the kernel',
    request: [
      '3a 00 00 00 33 00 00 00', // len, TMPFILE
      '02 00 00 00 00 00 00 00', // unique
      '01 00 00 00 00 00 00 00', // nodeid
      FROM,
      '02 00 41 00 80 81 00 00 12 00 00 00 00 00 00 00', // fuse_create_in
      '2f 00', // name
    ],
    calls: [],
    reply: ['10 00 00 00 da ff ff ff', '02 00 00 00 00 00 00 00'], // len, error -38, unique
  },
];
