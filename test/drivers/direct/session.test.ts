import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasInitFlag, InitFlag, initFlags } from '../../../src/drivers/direct/abi/init-flags.ts';
import { Opcode } from '../../../src/drivers/direct/abi/opcodes.ts';
import { canResend, negotiate } from '../../../src/drivers/direct/session.ts';
import type { NegotiatedSession } from '../../../src/drivers/host/messages.ts';
import { EPROTO } from '../../../src/drivers/host/outcome.ts';
import { Errno } from '../../../src/lib/errno.ts';
import { hex, request, u32s } from '../support/bytes.ts';
import { FakeFilesystem } from '../support/fake-filesystem.ts';
import { KernelSide } from '../support/kernel-side.ts';

const { FUSE_INIT, FUSE_GETATTR } = Opcode;

/** What each protocol's kernel offers in INIT; 7.45 as recorded from Linux 6.18, the older ones from their sources. */
const kernels = [
  { linux: '5.4', minor: 31, flags: 0x03ff_fffb, flags2: undefined },
  { linux: '5.10', minor: 32, flags: 0x03ff_fffb, flags2: undefined },
  { linux: '5.12', minor: 33, flags: 0x33ff_fffb, flags2: undefined },
  { linux: '5.15', minor: 34, flags: 0x33ff_fffb, flags2: undefined },
  { linux: '5.16', minor: 35, flags: 0x33ff_fffb, flags2: undefined },
  { linux: '5.17', minor: 36, flags: 0x73ff_fffb, flags2: 0x001 },
  { linux: '6.1', minor: 37, flags: 0x73ff_fffb, flags2: 0x001 },
  { linux: '6.2', minor: 38, flags: 0x73ff_fffb, flags2: 0x00d },
  { linux: '6.6', minor: 39, flags: 0x73ff_fffb, flags2: 0x01d },
  { linux: '6.9', minor: 40, flags: 0x73ff_fffb, flags2: 0x0fd },
  { linux: '6.12', minor: 41, flags: 0x73ff_fffb, flags2: 0x1fd },
  { linux: '6.14', minor: 42, flags: 0x73ff_fffb, flags2: 0x1fd },
  { linux: '6.15', minor: 43, flags: 0x73ff_fffb, flags2: 0x5fd },
  { linux: '6.16', minor: 44, flags: 0x73ff_fffb, flags2: 0x5fd },
  { linux: '6.18', minor: 45, flags: 0x73ff_fffb, flags2: 0x5fd },
];

const READAHEAD = 131_072;

function initRequest(major: number, minor: number, flags: number, flags2?: number): Buffer {
  const short = u32s(major, minor, READAHEAD, flags);
  const rest = flags2 === undefined ? [] : [u32s(flags2), Buffer.alloc(44)];
  return request({ opcode: FUSE_INIT, node: 0 }, short, ...rest);
}

for (const { linux, minor, flags, flags2 } of kernels) {
  test(`INIT of Linux ${linux} (7.${minor}) is agreed on`, () => {
    const kernel = KernelSide.beforeInit(new FakeFilesystem());
    const [reply] = kernel.ask(initRequest(7, minor, flags, flags2));
    const session = kernel.sessions[0] as NegotiatedSession;
    assert.equal(reply?.length, 80);
    assert.equal(reply?.readInt32LE(4), 0);
    assert.deepEqual([reply?.readUInt32LE(16), reply?.readUInt32LE(20)], [7, minor]);
    assert.equal(reply?.readUInt32LE(28), session.flags);
    assert.equal(session.flags & ~flags, 0, 'nothing is asked for that was not offered');
    assert.equal(session.flags2 & ~(flags2 ?? 0), 0);
    assert.equal(hasInitFlag(session, InitFlag.FUSE_NO_OPEN_SUPPORT), true);
    assert.equal(hasInitFlag(session, InitFlag.FUSE_ATOMIC_O_TRUNC), false);
    assert.equal(hasInitFlag(session, InitFlag.FUSE_WRITEBACK_CACHE), false);
    assert.equal(canResend(session), minor >= 40);
    assert.equal(hasInitFlag(session, InitFlag.FUSE_INIT_EXT), minor >= 36);
  });
}

test('the recorded INIT of Linux 6.18 is answered byte by byte', () => {
  const kernel = KernelSide.beforeInit(new FakeFilesystem());
  const [reply] = kernel.ask(
    hex(
      '68 00 00 00 1a 00 00 00', // len, opcode
      '02 00 00 00 00 00 00 00', // unique
      '00 00 00 00 00 00 00 00', // nodeid
      '00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00', // uid, gid, pid, total_extlen, padding
      '07 00 00 00 2d 00 00 00', // major, minor
      '00 00 02 00', // max_readahead
      'fb ff ff 73', // flags
      'fd 05 00 00', // flags2
      '00'.repeat(44), // unused
    ),
  );
  assert.equal(
    reply?.toString('hex'),
    hex(
      '50 00 00 00 00 00 00 00', // len, error
      '02 00 00 00 00 00 00 00', // unique
      '07 00 00 00 2d 00 00 00', // major, minor
      '00 00 02 00', // max_readahead
      '21 30 c6 41', // flags
      '00 00 00 00', // max_background, congestion_threshold: the kernel's own
      '00 00 04 00', // max_write: 256 KiB
      '01 00 00 00', // time_gran: 1 ns
      '40 00', // max_pages: 64
      '00 00', // map_alignment
      '80 00 00 00', // flags2: HAS_RESEND
      '00 00 00 00', // max_stack_depth
      '00 00', // request_timeout
      '00'.repeat(22), // unused
    ).toString('hex'),
  );
});

test('bits of flags2 mean nothing to a kernel that does not offer INIT_EXT', () => {
  const resend = initFlags(InitFlag.FUSE_HAS_RESEND);
  const negotiation = negotiate({
    major: 7,
    minor: 40,
    maxReadaheadBytes: 0,
    flags: 0,
    flags2: resend.flags2,
  });
  assert.equal(negotiation.kind === 'agreed' && negotiation.session.flags2, 0);
});

test('a kernel with a newer minor version is answered with the newest known', () => {
  const negotiation = negotiate({ major: 7, minor: 99, maxReadaheadBytes: 0, flags: 0, flags2: 0 });
  assert.equal(negotiation.kind === 'agreed' && negotiation.session.minor, 45);
});

test('a kernel older than Linux 5.4 is told EPROTO and reported', () => {
  for (const [major, minor] of [
    [7, 30],
    [6, 45],
  ] as const) {
    const kernel = KernelSide.beforeInit(new FakeFilesystem());
    assert.equal(kernel.errorOf(initRequest(major, minor, 0)), EPROTO);
    assert.match(String(kernel.refusals[0]), new RegExp(`FUSE ${major}\\.${minor}`));
    assert.equal(kernel.sessions.length, 0);
  }
});

test('a newer major version is told ours, and its second INIT is agreed on', () => {
  const kernel = KernelSide.beforeInit(new FakeFilesystem());
  const [reply] = kernel.ask(initRequest(8, 0, 0));
  assert.deepEqual([reply?.readInt32LE(4), reply?.readUInt32LE(16)], [0, 7]);
  assert.equal(kernel.errorOf(initRequest(7, 45, 0, 0)), 0);
  assert.equal(kernel.sessions.length, 1);
});

test('nothing is served before INIT, and INIT only once', () => {
  const fs = new FakeFilesystem();
  const kernel = KernelSide.beforeInit(fs);
  const getattr = request({ opcode: FUSE_GETATTR }, Buffer.alloc(16));
  assert.equal(kernel.errorOf(getattr), Errno.EIO);
  assert.equal(kernel.errorOf(request({ opcode: FUSE_INIT }, u32s(7, 45, 0))), Errno.EIO);
  assert.equal(kernel.errorOf(initRequest(7, 45, 0, 0)), 0);
  assert.equal(kernel.errorOf(getattr), 0);
  assert.equal(kernel.errorOf(initRequest(7, 45, 0, 0)), Errno.EIO);
  assert.deepEqual(fs.calls, [['getattr', 1]]);
});

test('a session survives JSON, so that another process can serve on', () => {
  const kernel = KernelSide.beforeInit(new FakeFilesystem());
  kernel.ask(initRequest(7, 45, 0x73ff_fffb, 0x5fd));
  const handedOver = JSON.parse(JSON.stringify(kernel.sessions[0])) as NegotiatedSession;
  assert.deepEqual(handedOver, kernel.sessions[0]);
  const successor = new KernelSide(new FakeFilesystem(), handedOver);
  assert.equal(successor.errorOf(request({ opcode: FUSE_GETATTR }, Buffer.alloc(16))), 0);
});
