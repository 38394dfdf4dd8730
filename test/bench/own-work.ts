/** What sessionfs does for a write(2) beside the request itself, one by one and without a mount: sealing, the journal, its sync. */
import { closeSync, fdatasyncSync, openSync } from 'node:fs';
import { Keyring } from '../../src/crypto/keyring.ts';
import { PieceSealer, sealedPieceSize } from '../../src/crypto/sealed-piece.ts';
import { OpType, segmentPath } from '../../src/store/journal/format.ts';
import { JournalProgress } from '../../src/store/journal/progress.ts';
import { JournalWriter } from '../../src/store/journal/writer.ts';
import type { Scope } from '../support/cleanup.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { type Measurement, measurement, record } from './measurement.ts';
import { percentile } from './statistics.ts';

const NAME = 'user1-+15550001/state.db-wal';
const META = { mode: 0o100644, uid: 0, gid: 0, mtimeSec: 1, mtimeNsec: 1 };
/** What SQLite writes for a page of its log: the head, then the page. */
const SIZES = [24, 4096];
const TIMES = 2000;
const SYNCS = 50;

export function measureOwnWork(scope: Scope, rounds: number): Measurement[] {
  const directory = temporaryDirectory(scope);
  const progress = new JournalProgress();
  const writer = new JournalWriter(directory, { nextSegment: 1, nextSeq: 1, progress });
  const sealer = new PieceSealer(Keyring.fromHex('11'.repeat(32)));
  const measurements = SIZES.flatMap((size) => {
    const [seal, append] = ['seal a piece', 'write the record of a piece to the journal'].map((what) =>
      measurement(`${what} of ${size} bytes`, 'us'),
    ) as [Measurement, Measurement];
    for (let round = 0; round < rounds; round++) {
      const { sealUs, appendUs } = writePieces(writer, sealer, Buffer.alloc(size, 0x5a));
      record(seal, 'sessionfs', percentile(sealUs, 0.5));
      record(append, 'sessionfs', percentile(appendUs, 0.5));
    }
    return [seal, append];
  });
  const sync = measurement('fdatasync of the journal, of one record of 4096 bytes', 'us');
  const fd = openSync(segmentPath(directory, 1), 'r');
  for (let round = 0; round < rounds; round++)
    record(sync, 'sessionfs', percentile(syncPieces(writer, sealer, fd), 0.5));
  closeSync(fd);
  writer.close();
  return [...measurements, sync];
}

function writePieces(writer: JournalWriter, sealer: PieceSealer, piece: Buffer) {
  const [sealUs, appendUs]: [number[], number[]] = [[], []];
  for (let i = 0; i < TIMES; i++) {
    const started = performance.now();
    writer.begin(i + 1);
    const at = writer.add(OpType.WORK_WRITE, 0, NAME, i, sealedPieceSize(piece.length));
    const added = performance.now();
    sealer.sealInto(writer.buffer, at, NAME, META, piece);
    const sealed = performance.now();
    writer.commit();
    const ended = performance.now();
    // The caller has its reply by then.
    sealer.prepare();
    sealUs.push((sealed - added) * 1000);
    appendUs.push((added - started + ended - sealed) * 1000);
  }
  return { sealUs, appendUs };
}

function syncPieces(writer: JournalWriter, sealer: PieceSealer, fd: number): number[] {
  return Array.from({ length: SYNCS }, () => {
    writer.begin(1);
    const at = writer.add(OpType.WORK_WRITE, 0, NAME, 0, sealedPieceSize(4096));
    sealer.sealInto(writer.buffer, at, NAME, META, Buffer.alloc(4096));
    writer.commit();
    const started = performance.now();
    fdatasyncSync(fd);
    return (performance.now() - started) * 1000;
  });
}
