import { fearedIn } from '../mutation.ts';

const GCS = ['bucket/gcs-answers.test.ts'];
const S3 = ['bucket/s3-faults.test.ts', 'bucket/s3.test.ts'];

const HISTORY = ['bucket/history.test.ts'];

export const bucketMutations = [
  ...fearedIn(
    'src/bucket/list-all.ts',
    ['bucket/list-all.test.ts'],
    [['asked.add(at);', '', 'a listing that goes round in a circle never ends']],
  ),
  ...fearedIn('src/bucket/bucket.ts', GCS, [
    [
      'return Math.min(maxBytes, OBJECT_BYTES_MAX);',
      'return maxBytes;',
      'an object takes as much memory as a listing says that it has',
    ],
  ]),
  ...fearedIn(
    'src/bucket/s3/s3-bucket.ts',
    ['bucket/s3.test.ts'],
    [
      [
        'if (sum === undefined && stored <= OBJECT_BYTES_MAX) return undefined;',
        'if (sum === undefined) return undefined;',
        'an object that another program stored fails each listing',
      ],
    ],
  ),
  ...fearedIn('src/bucket/gcs/gcs-bucket.ts', HISTORY, [
    [
      'generation: id, ifGenerationMatch: ABSENT }',
      'generation: id }',
      'what was soft-deleted replaces a newer object',
    ],
    [
      'await this.delete(name, { ifGeneration: generation });\n      this.#revived',
      'this.#revived',
      'what was soft-deleted stays an object after it was read',
    ],
    [
      '|| found.uploadId !== uploadId) throw error;',
      ') throw error;',
      "another's object is deleted as one that was soft-deleted",
    ],
  ]),
  ...fearedIn(
    'src/bucket/gcs/lifecycle.ts',
    ['bucket/gcs-lifecycle.test.ts'],
    [
      [
        '(condition.numNewerVersions ?? 0) > 0',
        'condition.numNewerVersions !== undefined',
        'a rule that deletes the newest version is not noticed',
      ],
      [
        "action.type === 'Delete' && mayDeleteOurs",
        'mayDeleteOurs',
        'a rule that deletes nothing costs uploads',
      ],
      ['isOfTheNewest(condition) &&', '', 'a rule for replaced versions is taken for a danger'],
    ],
  ),
  ...fearedIn('src/bucket/gcs/version.ts', HISTORY, [
    [
      "if (kind === 'soft-deleted' && softDeleteTime === undefined) return undefined;",
      '',
      'objects of a server without soft delete count as soft-deleted',
    ],
  ]),
  ...fearedIn('src/bucket/s3/history.ts', HISTORY, [
    [
      'place && [[place.keyMarker, place.newerMs]]',
      '[]',
      'the first version of a page counts as the newest of its name',
    ],
    [
      'isLatest ? 0 : version === undefined ? 1 : 2',
      '0',
      'a file that was deleted within the second it was stored in comes back',
    ],
    ['if (!Number.isSafeInteger(Size) || Size < 0)', 'if (false)', 'a length from outside is believed'],
  ]),
  ...fearedIn(
    'src/bucket/conditions.ts',
    ['bucket/conditions.test.ts'],
    [
      [
        "await attempt('replace', () => put(NO_VERSION));",
        '',
        'two mounts overwrite each other on a server that lets them',
      ],
      [
        'if (isPrecondition(error)) return false;',
        'return false;',
        'a server that gave no answer honours conditions',
      ],
    ],
  ),
  ...fearedIn(
    'src/bucket/upload.ts',
    ['bucket/gcs-faults.test.ts', ...S3],
    [['if (!isOwn(found, upload)) throw refusal;', '', "another mount's upload is taken for this one's"]],
  ),
  ...fearedIn('src/bucket/s3/s3-bucket.ts', S3, [
    ["ifGeneration === ABSENT ? { IfNoneMatch: '*' } : ", '', 'an upload for a new name asks for a version'],
    ['IfMatch: quoted(etagOf(ifGeneration)),', '', 'a deletion deletes whatever is there'],
    [
      'const stored = withTrailer(bytes);',
      'const stored = Buffer.concat([bytes, Buffer.alloc(16)]);',
      'equal content is one version',
    ],
    ['sum !== (noted ?? sum)', 'false', 'what was read is not what was stored'],
    ['{ ChecksumCRC32C: sum }', '{}', 'the store cannot check what it was sent'],
    [
      "error.about === 'bucket') return false",
      'false) return false',
      'a deletion in a bucket that is gone is success',
    ],
    ['conflicts === CONFLICTS_MAX', 'true', 'a change that met another one is given up'],
    ['etagOf(generation) !== etag', 'false', 'a listing shows a version that is no more'],
  ]),
  ...fearedIn('src/bucket/s3/error.ts', S3, [
    [
      "if (PATIENCE.has(said) || status === 429) return 'throttled';",
      '',
      'a bucket that is busy is given up',
    ],
    ["if (status === 412) return 'precondition';", '', 'a lost race is an error'],
    ["if (said !== 'NoSuchBucket')", 'if (true)', 'a bucket that is gone has lost its objects'],
  ]),
  ...fearedIn('src/bucket/gcs/gcs-bucket.ts', GCS, [
    [
      'if (version.crc32c === upload.crc32c && version.size === bytes.length) return version;',
      'return version;',
      'what was stored is not what was sent',
    ],
    [
      'bytes.length !== version.size || crc32c(bytes) !== version.crc32c',
      'false',
      'what was read is not what was stored',
    ],
    ['preconditionOpts: { ifGenerationMatch: ifGeneration },', '', 'an upload overwrites whatever is there'],
    ['.delete({ ifGenerationMatch: ifGeneration })', '.delete({})', 'a deletion deletes whatever is there'],
    [' || error.hint !== undefined', '', 'a deletion in a bucket that is gone is success'],
    ['crc32c: encodeCrc32c(upload.crc32c), metadata', 'metadata', 'the store cannot check what it was sent'],
    ['{ ...upload.stored }', '{}', 'objects do not say by which right they were written'],
  ]),
  ...fearedIn('src/bucket/gcs/error.ts', GCS, [
    ["isConditionNotMet(failure) ? 'precondition' : 'rejected'", "'rejected'", 'a lost race is an error'],
    [
      "/rateLimitExceeded/i.test(said) ? 'throttled' : 'permission'",
      "'permission'",
      'a bucket that is busy is given up',
    ],
    ['status === 408 || status >= 500', 'status >= 500', 'a request that took too long is given up'],
    ['status === 408 || status >= 500', 'status === 408', 'a bucket that fails for a moment is given up'],
    ["if (status === 404) return 'missing';", '', 'what is not there is an error'],
    ["target === 'bucket' || ", '', 'a bucket that is gone has lost its objects'],
    [".replace(/ya29\\.\\S+|bearer\\s+\\S+/gi, '***')", '', 'a token is logged'],
    ["if (status === 429) return 'throttled';", '', 'a bucket that is busy is given up'],
  ]),
  ...fearedIn('src/bucket/gcs/version.ts', GCS, [
    [
      "if (bytes.length !== 4) throw new TypeError('no valid CRC-32C');",
      '',
      'a checksum of another length is read',
    ],
    [
      "if (!/^\\d{1,20}$/.test(digits)) throw new TypeError('no generation');",
      '',
      'an answer without a generation is believed',
    ],
    [
      "if (!Number.isSafeInteger(size)) throw new TypeError('no size');",
      '',
      'an answer without a size is believed',
    ],
    ["if (Number.isNaN(ms)) throw new TypeError('no time');", '', 'an answer without a time is believed'],
  ]),
  ...fearedIn('src/bucket/gcs/download.ts', GCS, [
    ['if (response.statusCode !== 200)', 'if (false)', 'an error page is read as an object'],
    ['if (length > maxBytes) finish', 'if (false) finish', 'an endless body takes all memory'],
  ]),
  ...fearedIn(
    'src/bucket/retry.ts',
    ['bucket/retry.test.ts'],
    [
      [
        'if (!(error instanceof BucketError && error.isTransient)) throw error;',
        '',
        'what is final is tried again',
      ],
      [
        '{ ...given, uploadId }',
        '{ ...given, uploadId: newUploadId() }',
        'an upload does not know itself again',
      ],
      ['if (attempt >= attempts || signal?.aborted) throw error;', '', 'a request is tried for ever'],
      ['await sleep(Math.max(pauseMs, ', 'await sleep(Math.min(pauseMs, ', 'a bucket is asked again at once'],
    ],
  ),
  ...fearedIn(
    'src/bucket/counted.ts',
    ['bucket/retry.test.ts'],
    [
      ['ms: performance.now() - startMs', 'ms: performance.now()', 'no metric says how slow the bucket is'],
      [
        "report(error instanceof BucketError ? error.kind : 'unreachable', 0);",
        '',
        'requests that fail are not counted',
      ],
      [
        '    throw error;\n  }\n  report',
        '    return undefined as never;\n  }\n  report',
        'a request that failed is success',
      ],
    ],
  ),
  ...fearedIn('src/bucket/deadline.ts', GCS, [
    [
      'Math.min(timeoutMs, deadlineMs - performance.now())',
      'timeoutMs',
      'a request outlasts the right to make it',
    ],
    ['if (timeoutMs <= 0) throw', 'if (false) throw', 'a request is sent after its time is over'],
  ]),
  ...fearedIn(
    'src/bucket/directory/lock.ts',
    ['bucket/directory-lock.test.ts'],
    [
      [' && (await readLock(path)) === text;', ';', 'a lock that another process broke is still relied upon'],
      [
        'performance.now() - sinceMs < HOLD_MS && ',
        '',
        'a lock that was held for too long is still relied upon',
      ],
      [
        '      deadline.signal.throwIfAborted();\n      const isHeld',
        '      const isHeld',
        'a call changes something after its deadline',
      ],
      ['if (isMine) await unlink(path)', 'await unlink(path)', "another process's lock is removed"],
      [
        'if ((await readLock(path)) === text) await unlink(path);',
        'await unlink(path);',
        'a lock is broken that was not looked at',
      ],
      [
        "if (codeOf(error) !== 'EEXIST') throw error;\n      return (await readLock(path)) === text;",
        'return true;',
        'two processes have one lock',
      ],
    ],
  ),
  ...fearedIn(
    'src/bucket/directory/objects.ts',
    ['bucket/directory-durability.test.ts', 'bucket/directory.test.ts'],
    [
      [
        '      await this.#announce(paths, record);\n      await lock.check();\n',
        '      void this.#announce(paths, record).catch(() => {});\n      await lock.check();\n',
        'content gets its name before the record of what is to come is durable',
      ],
    ],
  ),
];
