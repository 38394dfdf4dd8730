import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Opcode } from '../../../src/drivers/direct/abi/opcodes.ts';
import type { DispatchHost } from '../../../src/drivers/direct/dispatch-host.ts';
import { Dispatcher } from '../../../src/drivers/direct/dispatcher.ts';
import { REQUEST_BUFFER_BYTES } from '../../../src/drivers/direct/session.ts';
import { Errno } from '../../../src/lib/errno.ts';
import { hex, request, u32s, u64s } from '../support/bytes.ts';
import { HostileFilesystem } from '../support/hostile-filesystem.ts';
import { currentSession } from '../support/kernel-side.ts';
import { mutate } from '../support/mutations.ts';
import { Prng } from '../support/prng.ts';
import { attributesCases } from './golden/attributes.ts';
import { contentCases } from './golden/content.ts';
import { namesCases } from './golden/names.ts';
import { openFilesCases } from './golden/open-files.ts';
import { refusedCases } from './golden/refused.ts';

const REQUESTS = 1_000_000;
const RETRY_EVERY = 1000;

const { FUSE_FORGET, FUSE_BATCH_FORGET, FUSE_NOTIFY_REPLY, FUSE_INTERRUPT } = Opcode;
const UNANSWERED = new Set<number>([FUSE_FORGET, FUSE_BATCH_FORGET, FUSE_NOTIFY_REPLY, FUSE_INTERRUPT]);

const golden = [...attributesCases, ...contentCases, ...namesCases, ...openFilesCases, ...refusedCases];
const seeds = [
  ...golden.map((exchange) => hex(...exchange.request)),
  request({ opcode: Opcode.FUSE_INIT, node: 0 }, u32s(7, 45, 131_072, 0x73ff_fffb, 0x5fd), Buffer.alloc(44)),
  request({ opcode: Opcode.FUSE_FSYNC }, Buffer.alloc(16)),
  request({ opcode: Opcode.FUSE_FSYNCDIR }, Buffer.alloc(16)),
  request({ opcode: Opcode.FUSE_SYNCFS }, Buffer.alloc(8)),
  request({ opcode: Opcode.FUSE_INTERRUPT, unique: 3n }, u64s(2)),
  request(
    { opcode: Opcode.FUSE_MKDIR, unique: (1n << 63n) | 2n, extensions: u32s(8, 32) },
    u32s(0o700, 0),
    Buffer.from('d\0'),
  ),
];

/** Counts what comes back and checks its form; any complaint ends the run. */
class Examiner implements DispatchHost {
  readonly #random: Prng;
  answers = 0;
  lastError = 0;
  lastUnique = 0n;

  constructor(random: Prng) {
    this.#random = random;
  }

  send(reply: Buffer, length: number): boolean {
    this.answers++;
    this.lastError = reply.readInt32LE(4);
    this.lastUnique = reply.readBigUInt64LE(8);
    if (reply.readUInt32LE(0) !== length || length > reply.length)
      throw new Error(`a reply of ${length} bytes lies`);
    if (this.lastError <= -512 || this.lastError > 0)
      throw new Error(`error ${this.lastError} is out of range`);
    if (this.lastError < 0 && length !== 16) throw new Error('an error has a payload');
    if (this.lastUnique === 0n) throw new Error('a reply looks like a notification');
    return this.#random.below(4) !== 0;
  }
  keep(): number {
    return 0;
  }
  release(): void {}
  repeating(): void {}
  repeated(): void {}
  gaveUp(): void {
    throw new Error('no request is fatal');
  }
  store(): void {
    throw new Error('nothing is to be stored');
  }

  answered(): void {}

  mayBeLost(): boolean {
    return false;
  }
  syncThenReply(uniqueLo: number, uniqueHi: number): void {
    this.answers++;
    this.lastUnique = (BigInt(uniqueHi) << 32n) | BigInt(uniqueLo);
  }
  initialized(): void {
    throw new Error('a second INIT was accepted');
  }
  refused(): void {
    throw new Error('a second INIT was refused as too old');
  }
  measured(): void {}
  unexpected(error: unknown, opcode: number): void {
    throw new Error(`opcode ${opcode} threw`, { cause: error });
  }
}

function wantsAnswer(bytes: Buffer, length: number): boolean {
  return length >= 40 && bytes.readBigUInt64LE(8) !== 0n && !UNANSWERED.has(bytes.readUInt32LE(4));
}

test(`${REQUESTS} damaged requests are each answered once, or parked, or want no answer`, (t) => {
  const seed = Number(process.env.SESSIONFS_FUZZ_SEED ?? process.hrtime.bigint() % 0x1_0000_0000n);
  t.diagnostic(`to repeat this run: SESSIONFS_FUZZ_SEED=${seed}`);
  const random = new Prng(seed);
  const fs = new HostileFilesystem(random);
  const examiner = new Examiner(random);
  const dispatcher = new Dispatcher(fs, examiner, currentSession());
  const buffer = Buffer.alloc(REQUEST_BUFFER_BYTES, 'stale');
  const reached = { answered: 0, parked: 0, interrupted: 0 };

  for (let index = 0; index < REQUESTS; index++) {
    const length = mutate(seeds, buffer, random);
    const parkedBefore = dispatcher.parkedCount;
    examiner.answers = 0;
    fs.reset();
    dispatcher.dispatch(buffer, length);

    const where = () => `request ${index} of seed ${seed}: ${buffer.toString('hex', 0, length)}`;
    if (wantsAnswer(buffer, length)) {
      const isParked = examiner.answers === 0 && fs.parked;
      if (!isParked && examiner.answers !== 1) assert.fail(`${examiner.answers} answers to ${where()}`);
      if (!isParked && examiner.lastUnique !== buffer.readBigUInt64LE(8))
        assert.fail(`another is answered by ${where()}`);
      reached[isParked ? 'parked' : 'answered']++;
    } else if (examiner.answers > 0) {
      const isInterrupt = buffer.readUInt32LE(4) === FUSE_INTERRUPT && examiner.lastError === Errno.EINTR;
      if (!isInterrupt || dispatcher.parkedCount !== parkedBefore - 1) assert.fail(`an answer to ${where()}`);
      reached.interrupted++;
    }
    if (index % RETRY_EVERY === 0) retryAll(dispatcher, examiner);
  }
  for (const [fate, count] of Object.entries(reached)) assert.ok(count > 1000, `only ${count} were ${fate}`);
});

function retryAll(dispatcher: Dispatcher, examiner: Examiner): void {
  const parkedBefore = dispatcher.parkedCount;
  examiner.answers = 0;
  dispatcher.retryParked();
  assert.equal(examiner.answers, parkedBefore - dispatcher.parkedCount);
}
