import { fearedIn } from '../mutation.ts';

const DISK = 'store/journal-durability.test.ts';
const WRITER = ['store/journal-writer.test.ts'];
const REPLAY = ['store/journal-replay.test.ts'];
const SYNC = ['store/journal-sync.test.ts'];

export const journalMutations = [
  ...fearedIn(
    'src/store/journal/writer.ts',
    [...WRITER, ...REPLAY],
    [
      [
        'this.#segments.truncate(current.number, current.bytes);',
        '',
        'a torn record stays after a failed append',
      ],
      ['        current.closing = true;\n', '', 'a segment with a torn end is appended to'],
      [
        '    if (current?.isTorn && current.number > this.#progress.retired) this.#cutOff(current);\n',
        '',
        'one failed write makes a journal that no daemon takes any more',
      ],
      [
        ' && current.number > this.#progress.retired',
        '',
        'after one failed write none succeeds until a restart',
      ],
      ['      throw error;\n    }\n  }\n}', '    }\n  }\n}', 'a failed append returns success'],
      [
        'if (current && !this.#progress.synced) this.#segments.sync(current.number);',
        '',
        'a segment is left before it is durable',
      ],
      [
        'const limit = this.#progress.synced ? this.#segmentBytes : this.#unsyncedSegmentBytes;',
        'const limit = this.#segmentBytes;',
        'a write waits for the disk whenever a segment is full',
      ],
      [
        'const limit = this.#progress.synced ? this.#segmentBytes : this.#unsyncedSegmentBytes;',
        'const limit = this.#progress.synced ? this.#segmentBytes : Number.POSITIVE_INFINITY;',
        'what a power cut may take has no limit',
      ],
      ['this.#nextSeq++;', '', 'records bear the same number'],
      ['current.bytes += end;', '', 'the end of the segment is forgotten'],
      [
        'this.#progress.appended(current.number, current.bytes);',
        '',
        'no listener hears that something was appended',
      ],
      ['if (this.#current) this.#current.closing = true;', '', 'a rolled segment is appended to'],
      [
        'if (pathBytes > PATH_BYTES_MAX)',
        'if (pathBytes > 2 * PATH_BYTES_MAX)',
        'a path that no record can hold is written',
      ],
      [
        'if (!(dataLength >= 0 && end <= RECORD_BYTES_MAX)) {',
        'if (dataLength < 0) {',
        'a record beyond the limit is written',
      ],
      ['this.buffer.copy(larger, 0, 0, this.#end);', '', 'a record that grows loses its beginning'],
      [
        '    this.#end = 0;\n    if (end === 0)',
        '    if (end === 0)',
        'a record that was committed is in the making for ever',
      ],
      ['if (end === RecordHeader.SIZE) return;', '', 'a record without operations is written'],
    ],
  ),
  ...fearedIn('src/store/journal/reader.ts', REPLAY, [
    [
      'if (bytes.readUInt32LE(start + RecordHeader.CRC) !== crc(bytes, start, end)) return undefined;',
      '',
      'a record with a wrong checksum is replayed',
    ],
    [
      'if (!record || !this.#follows(record.seq, segment, records === 0)) break;',
      'if (!record) break;',
      'records that follow a gap are replayed',
    ],
    ['this.#torn ||= at < bytes.length && bytes.length > SegmentHeader.SIZE;', '', 'a torn end is forgotten'],
    ['if (version === 0) return undefined;', '', 'a header that a power cut took is another version'],
    [
      'return readU64(bytes, SegmentHeader.NUMBER) === segment ? crc : undefined;',
      'return crc;',
      'a segment under another name is replayed',
    ],
    [
      'if (flags !== OpFlag.NONE && flags !== allowedFlag(type)) return undefined;',
      '',
      'an unknown flag is ignored',
    ],
    [
      'if (dataEnd > end || !isOpType(type) || Number.isNaN(arg)) return undefined;',
      'if (!isOpType(type) || Number.isNaN(arg)) return undefined;',
      'an operation reaches beyond its record',
    ],
    [
      "if (!isMountPath(path) || (path === '' && type !== OpType.DIRECTORY_META)) return undefined;",
      '',
      'a path that no mount has is replayed',
    ],
  ]),
  ...fearedIn(
    'src/store/journal/replay.ts',
    [...REPLAY, DISK],
    [
      ['if (tornBytes > 0) files.ftruncate(fd, goodBytes);', '', 'a torn end is not cut off'],
      [
        'nextSegment: (last?.segment ?? 0) + 1,',
        'nextSegment: last?.segment ?? 1,',
        'the next segment has the number of the last one',
      ],
      ['nextSeq: chain.nextSeq ?? 1,', 'nextSeq: 1,', 'the next record has the number of the first one'],
      ['      files.fsync(fd);\n', '', 'what an earlier process wrote is not made durable'],
      [
        'if (last) sync(directory, constants.O_RDONLY | constants.O_DIRECTORY, files);',
        '',
        'the names of segments are not made durable',
      ],
    ],
  ),
  ...fearedIn('src/store/journal/sync.ts', SYNC, [
    ['if (fd !== undefined) await this.#files.fdatasync(fd);', '', 'a sync syncs nothing'],
    ['this.#failed.set(number, error);', '', 'a failed fdatasync is success'],
    [
      '        await syncDirectoryThrough(this.#files, this.#options.directory);\n',
      '',
      'the name of a new segment is not made durable',
    ],
    ['      this.#refuseFailed();\n', '', 'the sync after a failed one is success'],
    [
      'progress.setSynced(appends);',
      'progress.setSynced(progress.mark().appends);',
      'what was appended during a sync counts as synced',
    ],
    ['      onFailure(error);\n', '', 'no listener hears that the disk failed'],
    ['if (!progress.synced) this.#addGrown(segment);', '', 'segments that grew are not synced'],
    [
      'this.#unsynced = new Set(options.replayed.segments);',
      'this.#unsynced = new Set();',
      'segments of an earlier process are not synced',
    ],
    [
      '    await running.catch(() => {});\n    const turn',
      '    const turn',
      'a sync does not wait for the one before it',
    ],
    ['    progress.acknowledge();\n', '', 'no later append is heard of'],
    [
      '    if (this.#unsynced.size > 0) progress.settle(0);\n',
      '',
      'an error of the disk that this thread has met is success on another one',
    ],
    ['    progress.settle(segment);\n', '', 'the sync thread never answers'],
  ]),
  ...fearedIn(
    'src/store/journal/segments.ts',
    [...WRITER, DISK],
    [
      ['    this.#files.fdatasync(fd);\n', '', 'a segment that is left is not synced'],
      ['      this.#files.fsync(directory);\n', '', 'the name of a segment that is left is not synced'],
      ['      at += written;\n', '      at = length;\n', 'a short write is taken for a whole one'],
      [
        "if (written <= 0) throw systemError('EIO', 'write', 'the device took no bytes');",
        'if (written <= 0) return;',
        'a device that takes nothing is success',
      ],
      ['        this.#files.unlink(path);\n', '', 'a segment without a header is left behind'],
      ['      at += got;\n', '      at = length;\n', 'a short read is taken for a whole one'],
    ],
  ),
];
