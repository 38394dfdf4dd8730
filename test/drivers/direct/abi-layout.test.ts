import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as attributes from '../../../src/drivers/direct/abi/attributes.ts';
import * as files from '../../../src/drivers/direct/abi/files.ts';
import * as headers from '../../../src/drivers/direct/abi/headers.ts';
import * as init from '../../../src/drivers/direct/abi/init.ts';
import { array, struct, u16, u32, u64 } from '../../../src/drivers/direct/abi/layout.ts';
import * as names from '../../../src/drivers/direct/abi/names.ts';
import * as notifications from '../../../src/drivers/direct/abi/notifications.ts';

/** What gcc on x86-64 answers to sizeof and offsetof for the structs of protocol 7.45. */
const compiled: Record<string, Record<string, number>> = {
  fuse_attr: {
    SIZE: 88,
    ino: 0,
    size: 8,
    blocks: 16,
    atime: 24,
    mtime: 32,
    ctime: 40,
    atimensec: 48,
    mtimensec: 52,
    ctimensec: 56,
    mode: 60,
    nlink: 64,
    uid: 68,
    gid: 72,
    rdev: 76,
    blksize: 80,
    flags: 84,
  },
  fuse_kstatfs: {
    SIZE: 80,
    blocks: 0,
    bfree: 8,
    bavail: 16,
    files: 24,
    ffree: 32,
    bsize: 40,
    namelen: 44,
    frsize: 48,
    padding: 52,
    spare: 56,
  },
  fuse_entry_out: {
    SIZE: 128,
    nodeid: 0,
    generation: 8,
    entry_valid: 16,
    attr_valid: 24,
    entry_valid_nsec: 32,
    attr_valid_nsec: 36,
    attr: 40,
  },
  fuse_forget_in: { SIZE: 8, nlookup: 0 },
  fuse_forget_one: { SIZE: 16, nodeid: 0, nlookup: 8 },
  fuse_batch_forget_in: { SIZE: 8, count: 0, dummy: 4 },
  fuse_getattr_in: { SIZE: 16, getattr_flags: 0, dummy: 4, fh: 8 },
  fuse_attr_out: { SIZE: 104, attr_valid: 0, attr_valid_nsec: 8, dummy: 12, attr: 16 },
  fuse_mknod_in: { SIZE: 16, mode: 0, rdev: 4, umask: 8, padding: 12 },
  fuse_mkdir_in: { SIZE: 8, mode: 0, umask: 4 },
  fuse_rename_in: { SIZE: 8, newdir: 0 },
  fuse_rename2_in: { SIZE: 16, newdir: 0, flags: 8, padding: 12 },
  fuse_link_in: { SIZE: 8, oldnodeid: 0 },
  fuse_setattr_in: {
    SIZE: 88,
    valid: 0,
    padding: 4,
    fh: 8,
    size: 16,
    lock_owner: 24,
    atime: 32,
    mtime: 40,
    ctime: 48,
    atimensec: 56,
    mtimensec: 60,
    ctimensec: 64,
    mode: 68,
    unused4: 72,
    uid: 76,
    gid: 80,
    unused5: 84,
  },
  fuse_read_in: {
    SIZE: 40,
    fh: 0,
    offset: 8,
    size: 16,
    read_flags: 20,
    lock_owner: 24,
    flags: 32,
    padding: 36,
  },
  fuse_write_in: {
    SIZE: 40,
    fh: 0,
    offset: 8,
    size: 16,
    write_flags: 20,
    lock_owner: 24,
    flags: 32,
    padding: 36,
  },
  fuse_write_out: { SIZE: 8, size: 0, padding: 4 },
  fuse_fsync_in: { SIZE: 16, fh: 0, fsync_flags: 8, padding: 12 },
  fuse_init_in: { SIZE: 64, major: 0, minor: 4, max_readahead: 8, flags: 12, flags2: 16, unused: 20 },
  fuse_init_out: {
    SIZE: 64,
    major: 0,
    minor: 4,
    max_readahead: 8,
    flags: 12,
    max_background: 16,
    congestion_threshold: 18,
    max_write: 20,
    time_gran: 24,
    max_pages: 28,
    map_alignment: 30,
    flags2: 32,
    max_stack_depth: 36,
    request_timeout: 40,
    unused: 42,
  },
  fuse_interrupt_in: { SIZE: 8, unique: 0 },
  fuse_fallocate_in: { SIZE: 32, fh: 0, offset: 8, length: 16, mode: 24, padding: 28 },
  fuse_in_header: {
    SIZE: 40,
    len: 0,
    opcode: 4,
    unique: 8,
    nodeid: 16,
    uid: 24,
    gid: 28,
    pid: 32,
    total_extlen: 36,
    padding: 38,
  },
  fuse_out_header: { SIZE: 16, len: 0, error: 4, unique: 8 },
  fuse_dirent: { SIZE: 24, ino: 0, off: 8, namelen: 16, type: 20, name: 24 },
  fuse_direntplus: { SIZE: 152, entry_out: 0, dirent: 128 },
  fuse_notify_inval_inode_out: { SIZE: 24, ino: 0, off: 8, len: 16 },
  fuse_notify_inval_entry_out: { SIZE: 16, parent: 0, namelen: 8, flags: 12 },
  fuse_syncfs_in: { SIZE: 8, padding: 0 },
};

const declared = new Map<string, Record<string, number>>();
for (const module of [attributes, files, headers, init, names, notifications]) {
  for (const [name, value] of Object.entries(module)) {
    if (typeof value === 'object' && 'SIZE' in value) declared.set(name, value as Record<string, number>);
  }
}

for (const [name, expected] of Object.entries(compiled)) {
  test(`${name} has the size and offsets that the C compiler gives it`, () => {
    const { ALIGN: _, ...offsets } = declared.get(name) ?? {};
    assert.deepEqual(offsets, expected);
  });
}

test('every declared struct is compared with the compiler', () => {
  assert.deepEqual([...declared.keys()].sort(), Object.keys(compiled).sort());
});

test('sizes of older minor versions are prefixes of the newest', () => {
  assert.equal(init.INIT_IN_SIZE_BEFORE_FLAGS2, 16);
});

test('a struct is padded as C pads it', () => {
  const padded = struct({ a: u16, b: u64, c: array(u32, 3) });
  assert.deepEqual({ ...padded }, { a: 0, b: 8, c: 16, SIZE: 32, ALIGN: 8 });
});

test('records of a listing are aligned to 8 bytes', () => {
  assert.deepEqual([0, 1, 8, 25].map(names.FUSE_REC_ALIGN), [0, 8, 8, 32]);
});
