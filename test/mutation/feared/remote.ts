import { fearedIn } from '../mutation.ts';

const OPENER = [
  'remote/session-opener.test.ts',
  'remote/opener-outcomes.test.ts',
  'remote/lost-lease.test.ts',
  'remote/deleted-sessions.test.ts',
];
const OTHER_BUCKET = ['remote/other-bucket.test.ts'];

export const remoteMutations = [
  ...fearedIn(
    'src/kit/copy.ts',
    ['kit/copy.test.ts'],
    [
      [
        'if (!force) for (const bucket of [source, target]) await requireUnused(bucket);',
        '',
        'a bucket that changes is copied',
      ],
      [
        'now.size === before.size && [...now].every(',
        'true || [...now].every(',
        'what a mount changed that came and went is copied in part',
      ],
      [
        'a.dev === b?.dev && a.ino === b.ino',
        'false',
        'a directory is copied to itself, and counts as saved',
      ],
      ['if (!overwrite) requireNew(left, there, target);', '', 'a copy overwrites other sessions'],
      [
        'stored.generation !== generation || !isSame(read, stored) || !stored.bytes.equals(read.bytes)',
        'false',
        'a copy is not what was copied',
      ],
      [
        'JSON.stringify(sorted(one)) === JSON.stringify(sorted(other))',
        'true',
        'an object keeps the epoch of another version',
      ],
    ],
  ),
  ...fearedIn('src/remote/open.ts', OTHER_BUCKET, [
    [
      '    await leaveHalvesBehind(cache, read, log);\n',
      '    void leaveHalvesBehind;\n',
      'half a session is stored in another bucket',
    ],
  ]),
  ...fearedIn('src/sync/left-behind.ts', OTHER_BUCKET, [
    [' || dirty.size > 0', '', 'what changed in local mode is taken from the application with the bucket'],
    ['  await quarantineAll(cache.files, files, nowMs);\n', '', 'the only copy of a version is removed'],
    [
      '    await removeImage((each) => cache.files.locate(each), name);\n',
      '    void removeImage;\n',
      'the image of a database that no session has takes its room for good',
    ],
  ]),
  ...fearedIn(
    'src/remote/remote-sessions.ts',
    ['remote/readiness.test.ts'],
    [
      [
        'health.refusal !== undefined && needsBucket()',
        'health.refusal !== undefined',
        'a bucket that refuses takes a mount that serves out of service',
      ],
      ['threadData.writeThrough || !', '!', 'a mount that can store nothing is called ready'],
    ],
  ),
  ...fearedIn(
    'src/remote/remote-sessions.ts',
    ['remote/served-sessions.test.ts'],
    [
      [
        '        ledger.serve(message.session);\n',
        '',
        'what another mount has replaces a session that is in use',
      ],
      ['if (this.#isServed) for', 'for', 'a session that no application has seen is in conflict'],
      ['    this.#isServed = true;\n', '', 'a session that was written to counts as unused'],
    ],
  ),
  ...fearedIn('src/remote/session-opener.ts', OPENER, [
    [
      'if (exists === true) await this.#settle();',
      '',
      'what was deleted here just before is deleted of another mount’s session',
    ],
    [
      '    this.#parts.leases.abandon(session);\n',
      '',
      'another mount goes on being challenged for a session that no call waits for',
    ],
    [
      '        leases.abandon(session);\n        refuse(session);\n',
      '        refuse(session);\n',
      'another mount goes on being challenged for a session that was refused',
    ],
    ['        refuse(session);\n', '', 'a refused call waits for ever'],
    [
      'if (held.refresh) sync.flusher.refresh(session);',
      '',
      'after a take-over the objects are not stored again',
    ],
    [
      'leases.wasHeldElsewhere(session) === false',
      'leases.wasHeldElsewhere(session) !== true',
      'a session of which nothing is known is served without the bucket',
    ],
    [
      'if (!(await this.#reconcile(session, held, false))) return false;',
      '',
      'a session is served without a comparison',
    ],
    [
      'if (!(await this.#isStillHeld(session, held, () => this.#isServable(session)))) return false;',
      '',
      'a lease that was lost during the comparison is not noticed',
    ],
    [
      '() => this.#isRestoreValid(session, held)',
      '',
      'a lease that was lost during a restore is not noticed',
    ],
    [
      ' && (await this.#untilAnswered(session, verify))',
      '',
      'a clock that stood still hides that the lease was lost',
    ],
    [
      '(await this.#parts.leases.grant(session)).epoch === epoch',
      '(await this.#parts.leases.grant(session)).epoch > 0',
      'a session that was lost and acquired again is served as it was',
    ],
    ['if (this.#parts.leases.isLost(error)) return false;', '', 'a lost lease is waited for, for ever'],
    ['return servesUnconfirmed && isHere', 'return isHere', 'cloud mode serves without the bucket'],
    [
      'return servesUnconfirmed && isHere',
      'return servesUnconfirmed',
      'half a session is served without the bucket',
    ],
    ['    opening.isWanted = false;\n', '', 'a session is taken that no call waits for'],
    ['      running.isWanted = true;\n', '', 'a session that is wanted again is not opened'],
    ['if (leases.holds(session)) return false;', '', 'a name that this mount holds is asked for'],
    [
      "return owner.holder !== '' || this.#parts.sync.hasObjects(session);",
      'return true;',
      'a deleted session cannot be made anew',
    ],
  ]),
  ...fearedIn(
    'src/remote/write-through.ts',
    ['remote/final-outcomes.test.ts', 'remote/write-through.test.ts'],
    [
      ['          failures.push(error);\n', '', 'a change that was not stored is answered with success'],
      [
        'if (failures.length === 0) return this.#answer(waiting, 0);',
        'return this.#answer(waiting, 0);',
        'a change is answered after one try, stored or not',
      ],
      ['          left.delete(session);\n', '', 'what is stored is stored again with each try'],
      [
        'if (failures.some((error) => this.#parts.isFinal(error))) return this.#answer(waiting, Errno.EIO);',
        '',
        'a session that another mount has is waited for, for ever',
      ],
      [
        'if (!isStored) this.#answer(waiting, Errno.EIO);',
        'if (!isStored) this.#answer(waiting, 0);',
        'what was not stored at the end is answered with success',
      ],
      [
        'credentials ? limitMs.credentials : limitMs.file',
        'limitMs.file',
        'credentials have the short time limit',
      ],
      ['      if (!this.#isWaiting(waiting)) return;\n', '', 'a caller that gave up is answered'],
    ],
  ),
  ...fearedIn(
    'src/remote/final-flush.ts',
    ['remote/final-outcomes.test.ts', 'remote/final-flush.test.ts'],
    [
      [
        '      ledger.dirtyOf(session).length === 0 &&\n',
        '',
        'a session is released before all of it is stored',
      ],
      [
        '      inJournal?.has(session) === false &&\n',
        '',
        'a session of which the journal has a newer version is released, and another mount goes on with the older one',
      ],
      ['close(dirty === 0)', 'close(true)', 'callers hear that their change is stored, and it is not'],
      [
        'if (isFinal || ledger.dirtyCount === 0) return;',
        'return;',
        'a bucket that failed for a moment ends the last backup',
      ],
      ['      await stopped;\n', '', 'a session that is acquired at the end is not released'],
    ],
  ),
  ...fearedIn(
    'src/remote/lease-wait.ts',
    ['remote/lease-wait.test.ts'],
    [
      [
        "isUnreachable && isServable() ? { kind: 'unconfirmed' }",
        "isUnreachable ? { kind: 'unconfirmed' }",
        'half a session is served without the bucket',
      ],
      ["if (isEnding) return { kind: 'ended' };", '', 'a mount that ends waits for a lease'],
      [
        'waitLimitMs > 0 && waitedMs >= waitLimitMs',
        'waitedMs >= waitLimitMs',
        'without a limit every wait is refused',
      ],
      ['if (outcome !== undefined) return outcome;', '', 'an acquired lease is not noticed'],
      ['isFailing || Math.min', 'Math.min', 'a bucket that refuses is waited for'],
    ],
  ),
  ...fearedIn(
    'src/remote/deleted-sessions.ts',
    ['remote/deleted-sessions.test.ts'],
    [
      [
        'if (ledger.countsOf(session).files > 0) return false;',
        '',
        'a session is released before its deletion is stored',
      ],
      [
        "return !existsSync(cache.files.locate(toObjectName(session, 'directory')));",
        'return true;',
        'a session that is emptied to be filled again is released',
      ],
    ],
  ),
];
