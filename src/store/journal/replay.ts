/** What a daemon does with the journal that the one before it left. */
import { constants, readdirSync, readFileSync } from 'node:fs';
import { type SyncFileOperations, syncFileOperations } from '../../lib/file-operations.ts';
import { segmentNumbers, segmentPath } from './format.ts';
import { JournalChain, type OpVisitor, type SegmentScan } from './reader.ts';

export interface ReplayResult {
  /** For the JournalWriter. */
  nextSegment: number;
  nextSeq: number;
  /** The segments that are there, ascending; none of them is known to be on stable storage. */
  segments: number[];
  records: number;
  /** Bytes of torn records: of commits that never returned, or (power cut) were not synced yet. */
  droppedBytes: number;
}

/**
 * Visits every operation of the journal in order; the visitor copies what it keeps of `data`. Cuts torn ends off, and
 * brings what is left to stable storage (if the disk can: JournalSync will say so if not), so that no power cut leaves the
 * segments that follow without those they go on from. Throws JOURNAL_CORRUPT where records are missing that no crash explains (operations before that were
 * visited), CACHE_FORMAT for another version. The cache lock must be held, and no writer be open.
 */
export function replayJournal(
  directory: string,
  visit: OpVisitor,
  files: SyncFileOperations = syncFileOperations,
): ReplayResult {
  const segments = segmentNumbers(readdirSync(directory));
  const chain = new JournalChain();
  const scans = segments.map((segment) =>
    chain.scan(segment, readFileSync(segmentPath(directory, segment)), visit),
  );
  const last = scans.at(-1);
  for (const scan of scans) settleSegment(segmentPath(directory, scan.segment), scan, files);
  if (last) sync(directory, constants.O_RDONLY | constants.O_DIRECTORY, files);
  return {
    nextSegment: (last?.segment ?? 0) + 1,
    nextSeq: chain.nextSeq ?? 1,
    segments,
    records: scans.reduce((sum, scan) => sum + scan.records, 0),
    droppedBytes: scans.reduce((sum, scan) => sum + scan.tornBytes, 0),
  };
}

/** A torn end must not stay in front of a segment that is yet to come: that one goes on with the seq before it, or with 1. */
function settleSegment(path: string, { goodBytes, tornBytes }: SegmentScan, files: SyncFileOperations): void {
  sync(path, constants.O_RDWR, files, (fd) => {
    if (tornBytes > 0) files.ftruncate(fd, goodBytes);
  });
}

function sync(
  path: string,
  flags: number,
  files: SyncFileOperations,
  before: (fd: number) => void = () => {},
): void {
  const fd = files.open(path, flags, 0);
  try {
    before(fd);
    try {
      files.fsync(fd);
    } catch {
      // It may work later, and what is read from these pages is right until then.
    }
  } finally {
    files.close(fd);
  }
}
