import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Opcode } from '../../../src/drivers/direct/abi/opcodes.ts';
import { hex, request, u32s, u64s } from '../support/bytes.ts';
import { FakeFilesystem } from '../support/fake-filesystem.ts';
import { KernelSide } from '../support/kernel-side.ts';
import { attributesCases } from './golden/attributes.ts';
import { contentCases } from './golden/content.ts';
import { namesCases } from './golden/names.ts';
import { openFilesCases } from './golden/open-files.ts';
import { refusedCases } from './golden/refused.ts';

const goldenCases = [...attributesCases, ...namesCases, ...contentCases, ...openFilesCases, ...refusedCases];

for (const { name, request: bytes, calls, setup, reply } of goldenCases) {
  test(name, () => {
    const fs = new FakeFilesystem();
    const kernel = new KernelSide(fs);
    fillReplyBuffer(fs, kernel);
    setup?.(fs);
    const replies = kernel.ask(hex(...bytes)).map((answer) => answer.toString('hex'));
    assert.deepEqual(replies, reply === null ? [] : [hex(...reply).toString('hex')]);
    assert.deepEqual(fs.calls, calls);
  });
}

/** Nothing of an earlier reply may show in a later one. */
function fillReplyBuffer(fs: FakeFilesystem, kernel: KernelSide): void {
  const { content } = fs;
  fs.content = Buffer.alloc(4096, 0xff);
  kernel.ask(request({ opcode: Opcode.FUSE_READ }, u64s(0, 0), u32s(4096, 0), u64s(0), u32s(0, 0)));
  fs.content = content;
  fs.calls.length = 0;
}

test('every opcode has golden bytes, or a test of its own', () => {
  const { FUSE_INIT, FUSE_INTERRUPT, FUSE_FSYNC, FUSE_FSYNCDIR, FUSE_SYNCFS, FUSE_SETLK, FUSE_SETLKW } =
    Opcode;
  const elsewhere = [
    FUSE_INIT,
    FUSE_INTERRUPT,
    FUSE_FSYNC,
    FUSE_FSYNCDIR,
    FUSE_SYNCFS,
    FUSE_SETLK,
    FUSE_SETLKW,
  ];
  const here = goldenCases.map((exchange) => hex(...exchange.request).readUInt32LE(4));
  const covered = new Set<number>([...elsewhere, ...here]);
  assert.deepEqual(
    Object.values(Opcode).filter((opcode) => !covered.has(opcode)),
    [],
  );
});
