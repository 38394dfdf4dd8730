import { FROM, type GoldenCase } from './shared.ts';

/** What is answered without the filesystem. */
export const refusedCases: GoldenCase[] = [
  {
    name: 'SETXATTR is left to the kernel',
    request: [
      '38 00 00 00 15 00 00 00', // len, SETXATTR
      '02 00 00 00 00 00 00 00', // unique
      '22 00 00 00 00 00 00 00', // nodeid
      FROM,
      '01 00 00 00', // size
      '00 00 00 00', // flags
      '75 73 65 72 2e 61 00', // name
      '76', // value
    ],
    calls: [],
    reply: ['10 00 00 00 da ff ff ff', '02 00 00 00 00 00 00 00'], // len, error -38, unique
  },
  {
    name: 'GETXATTR is left to the kernel',
    request: [
      '37 00 00 00 16 00 00 00', // len, GETXATTR
      '02 00 00 00 00 00 00 00', // unique
      '22 00 00 00 00 00 00 00', // nodeid
      FROM,
      '00 00 00 00', // size
      '00 00 00 00', // padding
      '75 73 65 72 2e 61 00', // name
    ],
    calls: [],
    reply: ['10 00 00 00 da ff ff ff', '02 00 00 00 00 00 00 00'], // len, error -38, unique
  },
  {
    name: 'LISTXATTR is left to the kernel',
    request: [
      '30 00 00 00 17 00 00 00', // len, LISTXATTR
      '02 00 00 00 00 00 00 00', // unique
      '22 00 00 00 00 00 00 00', // nodeid
      FROM,
      '00 00 00 00', // size
      '00 00 00 00', // padding
    ],
    calls: [],
    reply: ['10 00 00 00 da ff ff ff', '02 00 00 00 00 00 00 00'], // len, error -38, unique
  },
  {
    name: 'REMOVEXATTR is left to the kernel',
    request: [
      '2f 00 00 00 18 00 00 00', // len, REMOVEXATTR
      '02 00 00 00 00 00 00 00', // unique
      '22 00 00 00 00 00 00 00', // nodeid
      FROM,
      '75 73 65 72 2e 61 00', // name
    ],
    calls: [],
    reply: ['10 00 00 00 da ff ff ff', '02 00 00 00 00 00 00 00'], // len, error -38, unique
  },
  {
    name: 'DESTROY succeeds',
    request: [
      '28 00 00 00 26 00 00 00', // len, DESTROY
      '02 00 00 00 00 00 00 00', // unique
      '00 00 00 00 00 00 00 00', // nodeid
      FROM,
    ],
    calls: [],
    reply: [
      '10 00 00 00 00 00 00 00', // len, error
      '02 00 00 00 00 00 00 00', // unique
    ],
  },
  {
    name: 'IOCTL says that this is no terminal',
    request: [
      '48 00 00 00 27 00 00 00', // len, IOCTL
      '02 00 00 00 00 00 00 00', // unique
      '22 00 00 00 00 00 00 00', // nodeid
      FROM,
      '00 00 00 00 00 00 00 00', // fh
      '00 00 00 00', // flags
      '01 54 00 00', // cmd: TCGETS
      '00 00 00 00 00 00 00 00', // arg
      '00 00 00 00', // in_size
      '24 00 00 00', // out_size
    ],
    calls: [],
    reply: ['10 00 00 00 e7 ff ff ff', '02 00 00 00 00 00 00 00'], // len, error -25, unique
  },
  {
    name: 'POLL is left to the kernel',
    request: [
      '40 00 00 00 28 00 00 00', // len, POLL
      '02 00 00 00 00 00 00 00', // unique
      '22 00 00 00 00 00 00 00', // nodeid
      FROM,
      '00 00 00 00 00 00 00 00', // fh
      '00 00 00 00 00 00 00 00', // kh
      '00 00 00 00', // flags
      '01 00 00 00', // events
    ],
    calls: [],
    reply: ['10 00 00 00 da ff ff ff', '02 00 00 00 00 00 00 00'], // len, error -38, unique
  },
  {
    name: 'NOTIFY_REPLY is not answered',
    request: [
      '50 00 00 00 29 00 00 00', // len, NOTIFY_REPLY
      '02 00 00 00 00 00 00 00', // unique
      '22 00 00 00 00 00 00 00', // nodeid
      FROM,
      '00 00 00 00 00 00 00 00', // dummy1
      '00 00 00 00 00 00 00 00', // offset
      '00 00 00 00', // size
      '00 00 00 00', // dummy2
      '00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00', // dummy3, dummy4
    ],
    calls: [],
    reply: null,
  },
  {
    name: 'COPY_FILE_RANGE is left to the kernel',
    request: [
      '60 00 00 00 2f 00 00 00', // len, COPY_FILE_RANGE
      '02 00 00 00 00 00 00 00', // unique
      '22 00 00 00 00 00 00 00', // nodeid
      FROM,
      '00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 23 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 05 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00', // fuse_copy_file_range_in
    ],
    calls: [],
    reply: ['10 00 00 00 da ff ff ff', '02 00 00 00 00 00 00 00'], // len, error -38, unique
  },
  {
    name: 'COPY_FILE_RANGE_64 is left to the kernel',
    request: [
      '60 00 00 00 35 00 00 00', // len, COPY_FILE_RANGE_64
      '02 00 00 00 00 00 00 00', // unique
      '22 00 00 00 00 00 00 00', // nodeid
      FROM,
      '00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 23 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 05 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00', // fuse_copy_file_range_in
    ],
    calls: [],
    reply: ['10 00 00 00 da ff ff ff', '02 00 00 00 00 00 00 00'], // len, error -38, unique
  },
  {
    name: 'SETUPMAPPING is left to the kernel',
    request: [
      '50 00 00 00 30 00 00 00', // len, SETUPMAPPING
      '02 00 00 00 00 00 00 00', // unique
      '22 00 00 00 00 00 00 00', // nodeid
      FROM,
      '00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00', // fuse_setupmapping_in
    ],
    calls: [],
    reply: ['10 00 00 00 da ff ff ff', '02 00 00 00 00 00 00 00'], // len, error -38, unique
  },
  {
    name: 'REMOVEMAPPING is left to the kernel',
    request: [
      '2c 00 00 00 31 00 00 00', // len, REMOVEMAPPING
      '02 00 00 00 00 00 00 00', // unique
      '22 00 00 00 00 00 00 00', // nodeid
      FROM,
      '00 00 00 00', // count
    ],
    calls: [],
    reply: ['10 00 00 00 da ff ff ff', '02 00 00 00 00 00 00 00'], // len, error -38, unique
  },
  {
    name: 'STATX is left to the kernel, which makes it a GETATTR',
    request: [
      '40 00 00 00 34 00 00 00', // len, STATX
      '02 00 00 00 00 00 00 00', // unique
      '22 00 00 00 00 00 00 00', // nodeid
      FROM,
      '00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 ff 0f 00 00', // fuse_statx_in
    ],
    calls: [],
    reply: ['10 00 00 00 da ff ff ff', '02 00 00 00 00 00 00 00'], // len, error -38, unique
  },
  {
    name: 'a request of a later protocol is left to the kernel',
    request: [
      '28 00 00 00 36 00 00 00', // len, 54
      '02 00 00 00 00 00 00 00', // unique
      '22 00 00 00 00 00 00 00', // nodeid
      FROM,
    ],
    calls: [],
    reply: ['10 00 00 00 da ff ff ff', '02 00 00 00 00 00 00 00'], // len, error -38, unique
  },
];
