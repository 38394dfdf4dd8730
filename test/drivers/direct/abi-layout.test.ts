import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as attributes from '../../../src/drivers/direct/abi/attributes.ts';
import * as extendedAttributes from '../../../src/drivers/direct/abi/extended-attributes.ts';
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
  fuse_sx_time: { SIZE: 16, tv_sec: 0, tv_nsec: 8, __reserved: 12 },
  fuse_statx: {
    SIZE: 256,
    mask: 0,
    blksize: 4,
    attributes: 8,
    nlink: 16,
    uid: 20,
    gid: 24,
    mode: 28,
    __spare0: 30,
    ino: 32,
    size: 40,
    blocks: 48,
    attributes_mask: 56,
    atime: 64,
    btime: 80,
    ctime: 96,
    mtime: 112,
    rdev_major: 128,
    rdev_minor: 132,
    dev_major: 136,
    dev_minor: 140,
    __spare2: 144,
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
  fuse_file_lock: { SIZE: 24, start: 0, end: 8, type: 16, pid: 20 },
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
  fuse_statx_in: { SIZE: 24, getattr_flags: 0, reserved: 4, fh: 8, sx_flags: 16, sx_mask: 20 },
  fuse_statx_out: { SIZE: 288, attr_valid: 0, attr_valid_nsec: 8, flags: 12, spare: 16, stat: 32 },
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
  fuse_open_in: { SIZE: 8, flags: 0, open_flags: 4 },
  fuse_create_in: { SIZE: 16, flags: 0, mode: 4, umask: 8, open_flags: 12 },
  fuse_open_out: { SIZE: 16, fh: 0, open_flags: 8, backing_id: 12 },
  fuse_release_in: { SIZE: 24, fh: 0, flags: 8, release_flags: 12, lock_owner: 16 },
  fuse_flush_in: { SIZE: 24, fh: 0, unused: 8, padding: 12, lock_owner: 16 },
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
  fuse_statfs_out: { SIZE: 80, st: 0 },
  fuse_fsync_in: { SIZE: 16, fh: 0, fsync_flags: 8, padding: 12 },
  fuse_setxattr_in: { SIZE: 16, size: 0, flags: 4, setxattr_flags: 8, padding: 12 },
  fuse_getxattr_in: { SIZE: 8, size: 0, padding: 4 },
  fuse_getxattr_out: { SIZE: 8, size: 0, padding: 4 },
  fuse_lk_in: { SIZE: 48, fh: 0, owner: 8, lk: 16, lk_flags: 40, padding: 44 },
  fuse_lk_out: { SIZE: 24, lk: 0 },
  fuse_access_in: { SIZE: 8, mask: 0, padding: 4 },
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
  fuse_bmap_in: { SIZE: 16, block: 0, blocksize: 8, padding: 12 },
  fuse_bmap_out: { SIZE: 8, block: 0 },
  fuse_ioctl_in: { SIZE: 32, fh: 0, flags: 8, cmd: 12, arg: 16, in_size: 24, out_size: 28 },
  fuse_ioctl_iovec: { SIZE: 16, base: 0, len: 8 },
  fuse_ioctl_out: { SIZE: 16, result: 0, flags: 4, in_iovs: 8, out_iovs: 12 },
  fuse_poll_in: { SIZE: 24, fh: 0, kh: 8, flags: 16, events: 20 },
  fuse_poll_out: { SIZE: 8, revents: 0, padding: 4 },
  fuse_notify_poll_wakeup_out: { SIZE: 8, kh: 0 },
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
  fuse_notify_delete_out: { SIZE: 24, parent: 0, child: 8, namelen: 16, padding: 20 },
  fuse_notify_store_out: { SIZE: 24, nodeid: 0, offset: 8, size: 16, padding: 20 },
  fuse_notify_retrieve_out: { SIZE: 32, notify_unique: 0, nodeid: 8, offset: 16, size: 24, padding: 28 },
  fuse_notify_retrieve_in: { SIZE: 40, dummy1: 0, offset: 8, size: 16, dummy2: 20, dummy3: 24, dummy4: 32 },
  fuse_notify_prune_out: { SIZE: 16, count: 0, padding: 4, spare: 8 },
  fuse_lseek_in: { SIZE: 24, fh: 0, offset: 8, whence: 16, padding: 20 },
  fuse_lseek_out: { SIZE: 8, offset: 0 },
  fuse_copy_file_range_in: {
    SIZE: 56,
    fh_in: 0,
    off_in: 8,
    nodeid_out: 16,
    fh_out: 24,
    off_out: 32,
    len: 40,
    flags: 48,
  },
  fuse_copy_file_range_out: { SIZE: 8, bytes_copied: 0 },
  fuse_setupmapping_in: { SIZE: 40, fh: 0, foffset: 8, len: 16, flags: 24, moffset: 32 },
  fuse_removemapping_in: { SIZE: 4, count: 0 },
  fuse_removemapping_one: { SIZE: 16, moffset: 0, len: 8 },
  fuse_syncfs_in: { SIZE: 8, padding: 0 },
  fuse_secctx: { SIZE: 8, size: 0, padding: 4 },
  fuse_secctx_header: { SIZE: 8, size: 0, nr_secctx: 4 },
  fuse_ext_header: { SIZE: 8, size: 0, type: 4 },
  fuse_supp_groups: { SIZE: 4, nr_groups: 0, groups: 4 },
};

const declared = new Map<string, Record<string, number>>();
for (const module of [attributes, extendedAttributes, files, headers, init, names, notifications]) {
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
  assert.equal(extendedAttributes.FUSE_COMPAT_SETXATTR_IN_SIZE, 8);
});

test('a struct is padded as C pads it', () => {
  const padded = struct({ a: u16, b: u64, c: array(u32, 3) });
  assert.deepEqual({ ...padded }, { a: 0, b: 8, c: 16, SIZE: 32, ALIGN: 8 });
});

test('records of a listing are aligned to 8 bytes', () => {
  assert.deepEqual([0, 1, 8, 25].map(names.FUSE_REC_ALIGN), [0, 8, 8, 32]);
});
