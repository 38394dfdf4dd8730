import { fearedIn } from '../mutation.ts';

const UPLOAD = [
  'sync/late-uploads.test.ts',
  'sync/grants-in-time.test.ts',
  'sync/shared.test.ts',
  'sync/put-back.test.ts',
  'sync/flush.test.ts',
  'sync/write-grant.test.ts',
  'sync/late-uploads.test.ts',
];
const LEDGER = [
  'sync/ledger-durability.test.ts',
  'sync/ledger.test.ts',
  'sync/grants-in-time.test.ts',
  'sync/flush.test.ts',
];
const PACKING = ['sync/ledger-packing.test.ts', 'sync/packed-rows.test.ts'];
const BACKUPS = ['sync/backups-beside.test.ts'];
const RECONCILE = [
  'sync/conflict-deaths.test.ts',
  'sync/late-uploads.test.ts',
  'sync/reconcile.test.ts',
  'sync/put-back.test.ts',
  'sync/shared.test.ts',
  'sync/restore.test.ts',
  'sync/write-grant.test.ts',
];
const RESTORE = ['sync/restore-durability.test.ts', 'sync/restore.test.ts', 'sync/download.test.ts'];

export const syncMutations = [
  ...fearedIn(
    'src/sync/ledger/ledger.ts',
    ['sync/flush.test.ts'],
    [
      [
        'return awaited.size > 0 && !awaited.has(session);',
        'return awaited.size < 0;',
        'a new pairing is stored between the keys of the session that had its name before',
      ],
      [
        'return awaited.size > 0 && !awaited.has(session);',
        'return awaited.size > 0;',
        'sessions that were exchanged wait for each other for ever',
      ],
    ],
  ),
  ...fearedIn(
    'src/sync/bucket-sync.ts',
    ['sync/shared.test.ts'],
    [
      [
        'if (!this.#isSettled && this.#isReplaced(session, grant)) await',
        'if (!this.#isSettled && grant.epoch < 0) await',
        'after a start on a full disk an old change goes over the version that another mount stored since',
      ],
      [
        'if (!this.#isSettled && this.#isReplaced(session, grant)) await',
        'if (!this.#isSettled) await',
        'on a full disk no session is served',
      ],
    ],
  ),
  ...fearedIn(
    'src/sync/restore/restore-session.ts',
    ['sync/restore.test.ts'],
    [
      [
        'size > LARGE_BYTES ? parts.memory.run(size, fetch) : fetch()',
        'fetch()',
        'large objects that a writer of the bucket stored take all memory',
      ],
    ],
  ),
  ...fearedIn('src/sync/backup/upload.ts', UPLOAD, [
    [
      'if (isMark && !ledger.mayReplace(found)) return;',
      'if (isMark) return;',
      'a deleted file comes back by a late upload that was to replace the mark of an earlier deletion',
    ],
    [
      'bucket.delete(name, { ifGeneration, deadlineMs })',
      'bucket.delete(name, { ifGeneration })',
      'a deletion outlasts the right to make it',
    ],
    [
      'deadlineMs, uploadId, unanswered }',
      'uploadId, unanswered }',
      'an upload outlasts the right to make it',
    ],
    [
      'deadlineMs, uploadId, unanswered }',
      'deadlineMs, unanswered }',
      'an upload whose answer was lost is a conflict',
    ],
    [
      'deadlineMs, uploadId, unanswered }',
      'deadlineMs, uploadId }',
      'a lost try of an upload brings a deleted file back',
    ],
    [
      'mayArrive: ledger.mayArrive(entry.name)',
      'mayArrive: false',
      'the same upload of a later flush settles a lost one',
    ],
    ['if (!tries.mayArrive) ledger', 'ledger', 'a lost try of an upload brings a deleted file back'],
    ['if (ledger.mayArrive(name)) await', 'if (false) await', 'a late upload brings a deleted file back'],
    [
      'ledger.stored(entry, change, version);',
      'ledger.stored(entry, entry.change, version);',
      'what changed during its upload counts as stored',
    ],
    [
      '  await ledger.changed([], [entry.name]);\n',
      '',
      'a file that is gone from the cache stays in the bucket',
    ],
    [
      'else if (ledger.attemptsOf(name).length > 0 && found === undefined)',
      'else if (false)',
      'an upload of which nothing is known stays in the bucket after the deletion',
    ],
    [
      'if (isShared && !(await grants.verify(session))) {',
      'if (false) {',
      'a mount that has lost the session overwrites it',
    ],
    [
      'epoch < grant.epoch',
      'epoch <= grant.epoch',
      'what another mount wrote in the same epoch is overwritten',
    ],
    [
      'epoch !== undefined && epoch < grant.epoch',
      '(epoch === undefined || epoch < grant.epoch)',
      'what was brought by hand is overwritten',
    ],
    ['(!refresh && isSame', '(isSame', 'after a take-over nothing is stored again'],
    ['sum === content.crc32c', 'true', 'a change that keeps the size is never uploaded'],
    [
      'throw isPrecondition(again) ? new ForeignWrite(entry.name, again) : again;',
      'return undefined as never;',
      'an upload that was refused twice counts as stored',
    ],
    [
      'metadata = signature(ledger.id, epoch)',
      'metadata = signature(ledger.id, 0)',
      'late writes cannot be told from others',
    ],
    [
      "if (entry.local !== 'deleted' || ledger.get(name) !== entry || ledger.isBackupDirty(entry)) return false;",
      '',
      'a file that was made again during a flush is deleted from the bucket',
    ],
    [
      '|| isSignedBy(ledger.id, found.metadata)) throw',
      ') throw',
      'an older copy of a cache overwrites what a later run on it stored',
    ],
    [
      'ledger.isAttempt(found.name, found.uploadId) || ',
      'true || ',
      'an older copy of a cache overwrites what a later run on it stored',
    ],
  ]),
  ...fearedIn('src/sync/backup/refreshes.ts', UPLOAD, [
    [
      'if (this.#ledger.entriesOf(session).some(isBelow)) return;',
      '',
      'the floor is raised before everything was stored again',
    ],
    [
      "local === 'deleted' ? remote !== undefined : ",
      '',
      'what was moved to another session and is not stored there counts as a late write',
    ],
    [
      'if (this.#ledger.countsOf(session).absent > 0) return;',
      '',
      'the floor is raised over what only the bucket has',
    ],
    ['      await this.#grants.floorRaised(session, epoch);\n', '', 'the floor is never raised'],
    [
      '        this.#ledger.refresh(entry);\n',
      '        void entry;\n',
      'after a take-over nothing is stored again',
    ],
  ]),
  ...fearedIn('src/sync/backup/flush-session.ts', UPLOAD, [
    [
      'const isAwaited = (entry: ObjectEntry) => ledger.isAwaited(entry);',
      'const awaited = new Set(last.filter((entry) => ledger.isAwaited(entry)));\n  const isAwaited = (entry: ObjectEntry) => awaited.has(entry);',
      'a file that is made again and moved while its deletion waits is deleted before it is stored elsewhere',
    ],
    [
      '&& pass < PASSES_MAX; pass++',
      '&& pass < 1; pass++',
      'what is renamed in the middle of a flush is not stored, and the flush says that it is',
    ],
    [
      'if (await uploadKeys(parts, session, progress)) break;',
      '{\n    await uploadKeys(parts, session, progress);\n    break;\n  }',
      'credentials are stored before a key that was renamed just then',
    ],
    [
      '  if (!credentials.every(isThere)) progress.isGone = true;\n',
      '',
      'credentials that are renamed in the middle of a flush are not stored, and the flush says that they are',
    ],
  ]),
  ...fearedIn('src/sync/backup/flusher.ts', UPLOAD, [
    [
      '      await this.#parts.reconcile(session, grant);\n',
      '',
      'a session that another mount had is not compared',
    ],
    [
      'throw new SessionInConflict(session);\n      this.#refreshes',
      ';\n      this.#refreshes',
      'a conflict that was just found is uploaded',
    ],
    ['throw new SessionInConflict(session);\n    if', ';\n    if', 'a session in conflict is uploaded'],
    ['sameEpoch(this.#parts.grants, grant)', 'this.#parts.grants', 'a flush goes on under another epoch'],
    ['      throw error;\n    }\n    this.#failing', '    }\n    this.#failing', 'a failed flush is success'],
    [
      'before.catch(() => {}).then(work)',
      'Promise.resolve().then(work)',
      'two flushes of a session run at once',
    ],
    ["await this.#settle('committed');\n    await", 'await', 'a flush leaves out what only the journal has'],
    [
      'if (error instanceof ForeignWrite || (isLost && inUse)) {',
      'if (error instanceof ForeignWrite) {',
      'a session that was lost in use is uploaded later',
    ],
    [
      'if (reasons.length > 0) throw',
      'if (false) throw',
      'a backup of everything in which a session failed is success',
    ],
    [
      'if (ledger.dirtySessions.length > 0) void this.#try(ALL);',
      '',
      'what was dirty at the start waits for the interval',
    ],
    [
      'mayPass(await this.#try(session))',
      '(await this.#try(session), false)',
      'changed credentials wait for the next interval after an outage',
    ],
    [
      'if (targets.length === 0 && !isMoved) return;',
      'return;',
      'what was moved to another session is never deleted where it was',
    ],
    [
      "movesFrom(session);\n    await this.#settle('committed')",
      "movesFrom('');\n    await this.#settle('committed')",
      'a session is not stored because one that it was renamed to before is not',
    ],
  ]),
  ...fearedIn('src/sync/backup/upload.ts', BACKUPS, [
    [
      ' || ledger.isBackupDirty(entry)',
      '',
      'a file and the backup that stands for it are both missing in the bucket',
    ],
  ]),
  ...fearedIn(
    'src/sync/trash-uploads.ts',
    ['sync/trash-uploads.test.ts'],
    [
      ['if (isVolatile) await unlink', 'if (false) await unlink', 'removed sessions fill the memory'],
      ['nowMs() - ms > days * DAY_MS', 'false', 'removed sessions stay in the bucket for good'],
      [
        'if (this.#isAsked && !this.#ended.signal.aborted) this.#run();',
        '',
        'a session that is removed while the uploads end is not stored',
      ],
      ['        this.#isAsked = true;\n', '', 'what failed for a moment is never stored'],
      [
        'if (this.#ended.signal.aborted && !this.#parts.isVolatile) return;',
        '',
        'the end of a mount waits for all removed sessions that wait',
      ],
      [
        'if (this.#ended.signal.aborted && !this.#parts.isVolatile) return;',
        'if (this.#ended.signal.aborted) return;',
        'removed sessions of a cache in memory are lost with the mount',
      ],
      [
        '      if (this.#ended.signal.aborted) return;\n',
        '',
        'the end of a mount waits until all old removed sessions are deleted',
      ],
    ],
  ),
  ...fearedIn('src/sync/ledger/object-entry.ts', BACKUPS, [
    [' && !shadowed', '', 'each change of a file uploads its backup too'],
  ]),
  ...fearedIn('src/sync/ledger/state.ts', BACKUPS, [
    [' && !target.shadowed', '', 'a deletion waits for a backup that is never uploaded'],
    [
      "local !== undefined && local !== 'deleted'",
      'local !== undefined',
      'the backup of a missing file stays here',
    ],
  ]),
  ...fearedIn('src/sync/reconcile/reconcile.ts', BACKUPS, [
    [
      'if (!backup?.shadowed || backup.local',
      'if (backup === undefined || true || backup.local',
      'a backup outlives the file that another mount deleted',
    ],
  ]),
  ...fearedIn('src/sync/reconcile/conflict.ts', RECONCILE, [
    [
      "entries.filter(({ local }) => local === 'changed' || local === 'deleted')",
      'ledger.dirtyOf(session)',
      'a conflict brings back what the other mount deleted',
    ],
  ]),
  ...fearedIn('src/sync/backup/flush-session.ts', BACKUPS, [
    [
      '  await removeAll(parts, last.filter(isBackup), done, isAwaited);\n',
      '',
      'a deleted file is read from its backup',
    ],
    [
      'completesSession(name) === credentials',
      "name.endsWith('/creds.json') === credentials",
      'a backup of credentials overtakes their keys',
    ],
  ]),
  ...fearedIn(
    'src/sync/ledger/state.ts',
    ['sync/flush.test.ts'],
    [
      [
        'sources.get(entry.deletedBy)?.push(entry);',
        'if (this.#moved.get(entry.deletedBy)?.from.has(name)) sources.get(entry.deletedBy)?.push(entry);',
        'after a restart, the last version of a file that is lost after a move is deleted',
      ],
    ],
  ),
  ...fearedIn(
    'src/sync/reconcile/comparison.ts',
    ['sync/flush.test.ts'],
    [
      [
        'const kept = this.#leaveSources(session, lost);',
        'const kept: string[] = [];',
        'the last version of a file that is lost after a move is deleted',
      ],
      [
        'if (kept.size > 0) absent(sessionsNotHere(ledger, kept));',
        '',
        'what is lost after a rename does not exist under its old name, either, before the next start',
      ],
      [
        'const sources = this.#leaveSources(session, lost);',
        'const sources = lost.map(({ name }) => name);',
        'a renamed session is nowhere in the bucket once another mount has stored one under its new name',
      ],
      [
        'if (completesSession(source.name)) complete',
        'if (!completesSession(source.name)) complete',
        'credentials stay without their keys',
      ],
      [
        '[...placed.keys()].filter(isFree)',
        '[...placed.keys()]',
        'what is stored under its new name stays under its old one, too',
      ],
    ],
  ),
  ...fearedIn(
    'src/sync/ledger/ledger.ts',
    ['sync/shared.test.ts'],
    [
      [
        "    for (const [kind, name] of records) if (kind === 'deleted') this.#doubtInConflict(name);\n",
        '',
        'a flush says that all is stored of a session that another mount has taken over',
      ],
    ],
  ),
  ...fearedIn(
    'src/sync/reconcile/comparison.ts',
    ['sync/shared.test.ts'],
    [
      [
        'await ledger.together(async () => doubtUntaken(ledger, session, listed));',
        'void doubtUntaken;',
        'a flush says that the deletion of a session in conflict is stored',
      ],
      [
        "const isGone = ledger.entriesOf(session).every(({ local }) => local === 'deleted');",
        'const isGone = false;',
        'a flush says that the deletion of a session in conflict is stored',
      ],
    ],
  ),
  ...fearedIn(
    'src/sync/backup/upload.ts',
    ['sync/shared.test.ts'],
    [
      [
        "  if (isBelow(grant.floor, found.metadata)) return 'stale';\n",
        '',
        'what an operator puts below the floor ends the backups of its session for good',
      ],
      [
        '      await parts.setAside(found, replacing.grant.deadlineMs);\n',
        '',
        'what an operator puts below the floor ends the backups of its session for good',
      ],
      [
        "if (isBelow(grant.floor, found.metadata)) return 'stale';",
        "if (isBelow(grant.floor, found.metadata)) return 'replaceable';",
        'what an operator puts below the floor is overwritten',
      ],
    ],
  ),
  ...fearedIn('src/sync/backup/upload.ts', UPLOAD, [
    [
      ' || change < entry.deletedChange',
      '',
      'a renamed session leaves credentials without their keys under its old name',
    ],
    [
      '  await settleCommitted();\n',
      '',
      'a file that a checkpoint moves is deleted before it is stored elsewhere',
    ],
    [
      " || entry.local === 'deleted'",
      '',
      'a file that moved before its turn came is deleted before it is stored elsewhere',
    ],
  ]),
  ...fearedIn('src/sync/backup/flush-session.ts', UPLOAD, [
    [
      '  await uploadKeys(parts, session, progress);\n  const isThere',
      '  await uploadCredentials(parts, session, progress);\n  await uploadKeys(parts, session, progress);\n  const isThere',
      'a failed key does not keep its credentials from the bucket',
    ],
    [
      '  for (let pass = 0; pass < PASSES_MAX; pass++) if (await uploadKeys(parts, session, progress)) break;\n',
      '',
      'new credentials overtake their keys',
    ],
    [
      'if (await parts.inTurn(entry.name, removeOne)) done.deletes++;',
      'done.deletes++;',
      'deletions never reach the bucket',
    ],
    [
      '!isKept(entry) && (await remove(parts, entry))',
      'remove(parts, entry)',
      'a session that was renamed is erased before it is stored under its new name',
    ],
    ['deleted.filter((entry) => inTheWay.has(entry))', '[]', 'a file blocks the folder that takes its place'],
  ]),
  ...fearedIn('src/sync/ledger/ledger.ts', LEDGER, [
    [
      '    this.#rewriteAt = spared(lines);\n',
      '',
      'while many files wait to be stored the whole ledger is written again and again',
    ],
    [
      '|| (read ?? earlier) === undefined) {',
      '|| read === undefined) {',
      'a start that dies while it goes to another bucket makes the next one store everything anew',
    ],
    ['    await this.#sync();\n', '', 'a power cut makes the ledger forget a change'],
    [
      '      this.#isRefused = true;',
      '      this.#waiting = [];',
      'a full disk drops the note that a database changed, and not the one after it',
    ],
    [
      'if (this.#lacksLines || (',
      'if ((',
      'a full disk that refuses many notes drops some of them, and not those after them',
    ],
    [
      'if (this.#durableSize < this.#size) await',
      'await',
      'each restore waits for a sync of what is durable already',
    ],
    [
      '      fs.ftruncateSync(this.#fd, this.#size);\n',
      '',
      'half a line stays on a full disk, and everything is uploaded again',
    ],
    [
      '      throw error;\n    }\n    this.#size',
      '    }\n    this.#size',
      'a change that was not noted counts as noted',
    ],
    [
      "const isNewest = entry.change === change && entry.local === 'changed';",
      'const isNewest = true;',
      'what changed during its upload counts as stored',
    ],
    [
      "entry.change === change && entry.local === 'deleted'",
      'true',
      'a file that was made anew during its deletion is forgotten',
    ],
    [
      'if (read === undefined || read.damaged) markAll(',
      'if (read === undefined) markAll(',
      'a damaged ledger takes changes for stored',
    ],
    [
      'for (const name of put) if (!isTemporary(name) && ',
      'for (const name of put) if (',
      'temporary files are uploaded',
    ],
    [
      '    await this.#attempts.run().catch(() => {});\n',
      '',
      'after a power cut an upload is taken for one of another run',
    ],
    [
      '    this.#syncName();\n    const fd = this.#fd;\n',
      '    const fd = this.#fd;\n',
      'a power cut brings back the ledger from before it was written anew',
    ],
  ]),
  ...fearedIn('src/sync/ledger/file.ts', LEDGER, [
    ['    fs.fsyncSync(fd);\n', '', 'a power cut leaves an empty ledger under its name'],
    ['  syncDirectorySync(dirname(path));\n', '', 'a power cut takes the ledger together with its name'],
    [
      'if (!told.has(name)) yield*',
      'if (state.get(name) === undefined) yield*',
      'a late upload of a file that was made again meanwhile is taken for another mount’s',
    ],
    [
      '    noteLength(written.lengthFd, state, written.size);\n',
      '',
      'a power cut after the ledger was written anew brings back what other mounts deleted',
    ],
    [
      '  yield* recordsOfAttempts(name, attempts);\n',
      '',
      'a rewritten ledger forgets an upload whose answer was lost',
    ],
    [
      '    // True as soon as the file has its name.\n    noteLength(fd, state, size);\n',
      '',
      'a power cut at the start leaves a ledger that says nothing of its length',
    ],
    ["  yield ['deleted', name, entry.dirtySinceMs];\n", '', 'a rewritten ledger forgets deletions'],
    [
      "    yield ['changed', name, entry.dirtySinceMs];\n",
      '    yield* [];\n',
      'a rewritten ledger forgets changes',
    ],
  ]),
  ...fearedIn('src/sync/ledger/state.ts', RECONCILE, [
    [
      ' && !this.#keepsInDoubt(entry)',
      '',
      'a logout counts as stored where the ledger is lost and the bucket has not answered yet',
    ],
  ]),
  ...fearedIn('src/lib/lines.ts', LEDGER, [
    ["line.what = 'cut';\n  yield line;", "line.what = 'cut';", 'a cut ledger takes changes for stored'],
  ]),
  ...fearedIn('src/sync/ledger/reading.ts', LEDGER, [
    ['      damaged = true;\n    }', '    }', 'a damaged line is ignored'],
    [
      'torn = !damaged && line.position >= reading.durableLength;',
      '',
      'after a power cut everything that other mounts deleted comes back',
    ],
    ['      if (torn) break;\n', '', 'lines behind a hole count, and what is missing there does not'],
    [
      'fs.fstatSync(fd).size < (state.durableLength ?? 0)',
      'false',
      'a ledger that was cut at a line end takes changes for stored',
    ],
  ]),
  ...fearedIn('src/sync/ledger/reading.ts', PACKING, [
    [
      'if (isOfMove(record)) {',
      'if (false) {',
      'a renamed session is erased before it is stored under its new name',
    ],
    [
      "    if (record[0] === 'listed') this.#apply();\n",
      '',
      'a logout counts as stored that came before the bucket had answered',
    ],
    [
      'this.#gathered.get(record[1])?.push(record) !== undefined',
      'false',
      'a logout counts as stored that came before its session was compared',
    ],
    ['    this.#settled.close(session);\n', '', 'a start takes an older line for what the bucket has'],
    [
      '    this.#settled.leave();\n    this.#apply();',
      '    this.#apply();',
      'a start forgets the last session',
    ],
  ]),
  ...fearedIn('src/sync/ledger/format.ts', LEDGER, [
    ['if (bytes[at] !== DIGITS[expected & 0xf]) return false;', '', 'a damaged line counts'],
  ]),
  ...fearedIn('src/sync/ledger/settled-lines.ts', PACKING, [
    [
      '    if (!isAfter(entered, bytes, name)) return false;\n',
      '',
      'an object has two rows, and the older one may count',
    ],
    ['    this.#closed.add(session);\n', '', 'a change that came between two lines is forgotten'],
    [' || isAt(bytes, at - BACKUP_END.length, BACKUP_END)', '', 'a backup is stored beside its file'],
    [
      "if (row.local === 'absent') entered.absent++;\n    else totals",
      'totals',
      'what only the bucket has is not restored',
    ],
    [' || folder !== folderOf(session)', '', 'rows of a folder count as those of another'],
    ['    return this.#at + 1 === end;', '    return true;', 'half a line counts'],
  ]),
  ...fearedIn('src/sync/ledger/packed-rows.ts', PACKING, [
    ['    if (written === text.length) {', '    if (true) {', 'a name that is not ASCII becomes another one'],
    [
      '      (row.refresh ? REFRESH : 0) |\n',
      '',
      'an object that a rule is about to delete is not stored again',
    ],
    [' && String(value) === generation', '', 'a generation becomes another one'],
    [' && Number.isSafeInteger(value)', '', 'a generation becomes another one'],
    [
      'isCounted = row.change + row.deletedChange + row.movedChange > 0',
      'isCounted = false',
      'what changed during its upload counts as stored',
    ],
  ]),
  ...fearedIn('src/sync/ledger/session-entries.ts', PACKING, [
    [
      '    this.#packed = undefined;\n    return this.#entries;',
      '    return this.#entries;',
      'what happened since a session rested is forgotten',
    ],
    [
      '    if (this.dirty.size > 0) return undefined;\n',
      '',
      'a deletion becomes a change when its session rests',
    ],
    ['movedBy.length > 0 || ', '', 'a renamed session is erased before it is stored under its new name'],
    [
      'isReferredTo ? new WeakRef(this.#entries) : undefined',
      'undefined',
      'an upload that is under way takes its file for one that is gone',
    ],
    ['    this.#before = new WeakRef(entries);\n', '', 'what is noted of a file that is looked at is lost'],
  ]),
  ...fearedIn('src/sync/ledger/state.ts', PACKING, [
    [
      'this.#changing(entry).remote = undefined',
      '(entry as MutableEntry).remote = undefined',
      'an object that is gone is taken for one that is there',
    ],
    [
      'this.#changing(entry).refresh = true',
      '(entry as MutableEntry).refresh = true',
      'an object that a rule is about to delete is not stored again',
    ],
    ['nowMs - usedMs < REST_MS', 'false', 'sessions are packed between two calls of each'],
    [
      'if (other.rest(true)) this.#rested(other);',
      'if (false) this.#rested(other);',
      'memory grows with every session that was ever used',
    ],
  ]),
  ...fearedIn('src/sync/reconcile/listed-names.ts', PACKING, [
    [
      '    if (session === this.#session) return;\n',
      '    if (session === this.#session || this.#session !== undefined) return;\n',
      'an object of one session counts as listed for another',
    ],
    ['&& this.#hasChanged)', '&& false)', 'objects count as lost, and are stored again'],
  ]),
  ...fearedIn('src/sync/ledger/state.ts', LEDGER, [
    ['    entry.change++;\n', '', 'what changed during its upload counts as stored'],
    [
      "if (entry.local === 'absent') entry.remote = undefined;",
      '',
      'a file that was made anew is taken for what the bucket has',
    ],
    [
      'entry.remote === undefined && !this.attempts.has(name)',
      'entry.remote === undefined',
      'an upload whose answer was lost stays in the bucket',
    ],
    [
      'this.wasListed || this.epochs.has(session)',
      'false',
      'each session that is made and removed is claimed in the bucket',
    ],
    [
      '.every((other) => other === entry)',
      '.length >= 0',
      'before the bucket answers, the ledger grows with each file that is deleted',
    ],
    [
      'moved.from.add(session);\n    this.#movesFrom.set',
      'moved.from.add(session);\n    new Map<string, Set<number>>().set',
      'a flush says that all is stored although a rename took something new to another session meanwhile',
    ],
    [
      'if (moved?.to.size === 0) this.#forgetMove(move, moved.from);',
      'if (moved?.to.size === 0) this.#moved.delete(move);',
      'every rename between sessions stays in memory',
    ],
  ]),
  ...fearedIn('src/sync/reconcile/reconcile.ts', RECONCILE, [
    [
      'this.#ledger.get(entry.name) !== entry || ',
      '',
      'a file that is made while another mount’s deletion is carried out is never stored',
    ],
    [
      'if (isChangedHere(entry, live, isSigned)) {',
      'if (false) {',
      'a file that changes while deletions are carried out is taken for one that only the bucket has',
    ],
    [
      'listed.has(name, session) && this.#options.except?.has(session) !== true',
      'listed.has(name, session)',
      'an old listing says that new objects are lost',
    ],
    [
      'if (except?.has(session) || entry?.remote',
      'if (entry?.remote',
      'an old listing counts more than a newer comparison',
    ],
    [
      'if (entry !== undefined || !isSigned) this.#newer',
      'if (entry !== undefined) this.#newer',
      'half a session of one mount is mixed with half of another',
    ],
    [
      'if (entry !== undefined || !isSigned) this.#newer',
      'if (entry === undefined && !isSigned) this.#newer',
      'half a session of one mount is mixed with half of another',
    ],
    [
      "isDirty(entry) || (live && entry.local !== 'absent')",
      'isDirty(entry)',
      'the files of a session that is in use are replaced',
    ],
    [
      "isDirty(entry) || (live && entry.local !== 'absent')",
      "live && entry.local !== 'absent'",
      'a change is overwritten by the version of the bucket',
    ],
    [
      "(entry.local === 'changed' && !entry.shadowed) || (live",
      '(live',
      'a change to what another mount deleted is lost',
    ],
    ['      removed.push(entry.name);\n', '', 'what another mount deleted comes back'],
    [
      'await this.#options.remove([...new Set(names)]);\n',
      'void this.#options.remove([...new Set(names)]).catch(() => {});\n',
      'a daemon that dies leaves files that another mount deleted, and no ledger knows them',
    ],
    [
      'if (!this.result.conflicts.has(session)) this.#ledger.absent',
      'this.#ledger.absent',
      'a daemon that dies in a conflict leaves half of one version, and the next one stores it beside half of another',
    ],
    [
      'deleted.filter(({ session }) => !conflicts.has(session))',
      'deleted',
      'a daemon that dies in a conflict leaves what changed here of a session that another mount deleted, and the next one stores it',
    ],
    ["if (session !== '' && this", 'if (this', 'a change in the root is a conflict with any other one'],
    [
      'isSigned && ledger.isAttempt(object.name, object.uploadId)',
      'isSigned && ledger.attemptsOf(object.name).length > 0',
      'a cache that was put back from a copy wins over newer objects',
    ],
    [
      "if (local === 'same') return remote?.crc32c === object.crc32c && remote.size === object.size;",
      "if (local === 'same') return true;",
      'a newer version with another content counts as the same',
    ],
    [
      "local === 'changed' && (await holds(object))",
      "local === 'changed'",
      'a change that was never stored counts as stored',
    ],
    ['    listing.delete(object.name);\n', '', 'late writes are restored'],
  ]),
  ...fearedIn('src/sync/reconcile/reconcile-session.ts', RECONCILE, [
    ['      if (isServed) return stale;\n', '', 'a conflict is forgotten by the next daemon'],
    [
      '(known === epoch || known === previousEpoch)',
      'true',
      'a copy that another mount has changed since counts as current',
    ],
    ['      remove,\n', '      remove: async () => {},\n', 'files that another mount deleted are served'],
    ['  ledger.noteCurrent(session, grant.epoch);\n', '', 'each opening lists the session'],
    ['grant.previousEpoch > 0 && ', '', 'what the bucket lost is deleted here, too'],
    ['!isListed || ', '', 'a cache that was put back from a copy is served'],
  ]),
  ...fearedIn(
    'src/sync/reconcile/reconcile-session.ts',
    ['sync/listing-pages.test.ts'],
    [[' || compared.has(session)', '', 'a session is in conflict with what its own flush stores meanwhile']],
  ),
  ...fearedIn(
    'src/sync/reconcile/comparison.ts',
    ['sync/listing-pages.test.ts'],
    [
      [
        'if (!isWritten(session)) this.#newer',
        'this.#newer',
        'a session is in conflict with what its own flush stores during a listing',
      ],
    ],
  ),
  ...fearedIn(
    'src/sync/reconcile/quarantine-stale.ts',
    ['sync/shared.test.ts'],
    [['if (size > maxBytes)', 'if (false)', 'objects that a writer of the bucket stored take all memory']],
  ),
  ...fearedIn('src/sync/reconcile/quarantine-stale.ts', RECONCILE, [
    [
      'if (found !== generation) throw',
      'if (false) throw',
      'a version that was just stored is set aside as a late one',
    ],
    [
      '  await bucket.put(aside, bytes, { ifGeneration: ABSENT, metadata: {}, deadlineMs });\n',
      '',
      'what an operator brought back is deleted',
    ],
    [
      '{ ifGeneration: generation, deadlineMs }',
      '{ ifGeneration: (await bucket.head(name)).generation, deadlineMs }',
      'a newer version is deleted in place of a late one',
    ],
  ]),
  ...fearedIn('src/sync/reconcile/listing.ts', RECONCILE, [
    ['foreign.sessionOf(object.name) === session && ', '', "another session's objects count as this one's"],
  ]),
  ...fearedIn(
    'src/sync/reconcile/reconcile.ts',
    ['sync/listing-pages.test.ts', 'sync/foreign-objects.test.ts'],
    [
      ['this.#ledger.isDirty(session) || ', '', 'half a listing hides a conflict from the next one'],
      [
        '(entry === undefined && this.#liesBelowFile(name))',
        'false',
        'a foreign object is a conflict of its session',
      ],
      [
        '      if (some.length === OBJECTS_AT_A_TIME) await nextTurn();\n',
        '',
        'a long listing stalls the daemon',
      ],
    ],
  ),
  ...fearedIn(
    'src/sync/foreign-objects.ts',
    ['sync/foreign-objects.test.ts'],
    [
      ["name === '.' || ", '', 'a name that is a step in the tree is served'],
      ["name === '..' || ", '', 'a name that leads out of the tree is served'],
      ["name.includes('\\0')", 'false', 'a name that no call can give is served'],
      [
        'return isStorableName(path, kind) ?',
        'return true ?',
        'a name that no cache can hold blocks its session',
      ],
    ],
  ),
  ...fearedIn(
    'src/sync/ledger/ledger.ts',
    ['sync/listing-pages.test.ts'],
    [
      [
        '    this.#writeWaiting();\n    await this.#attempts',
        '    await this.#attempts',
        "an upload that is not noted is taken for another run's",
      ],
    ],
  ),
  ...fearedIn('src/sync/reconcile/conflict.ts', RECONCILE, [
    [
      'for (const { name } of [...changed, ...others])',
      'for (const name of [...kept])',
      'a log stays without its database after a death in a conflict',
    ],
    [
      '[...changed, ...others].map(pathOf), nowMs',
      'others.map(pathOf), nowMs',
      'the losing side of a conflict is not kept',
    ],
    [
      '[...dirty.filter((entry) => !tells(entry)), ...dirty.filter(tells)]',
      '[...dirty]',
      'a daemon that dies in a conflict leaves half of one version, and the next one stores it beside half of another',
    ],
    [
      '[...changed, ...others].map(pathOf), nowMs',
      'changed.map(pathOf), nowMs',
      'what another mount deleted of a session in conflict is not kept',
    ],
  ]),
  ...fearedIn('src/sync/backup/upload.ts', RESTORE, [
    ['content.size === 0 || ', '', 'an empty stand-in is stored over a good object'],
  ]),
  ...fearedIn('src/sync/restore/restore-session.ts', RESTORE, [
    [
      '    await cache.files.syncDirectories(progress.touched, 1);\n',
      '',
      'a restored session is served before it is durable',
    ],
    [
      '    total.moved = true;\n',
      '',
      'a session is served although its objects changed since they were listed',
    ],
    ['return hasOlder || publish', 'return publish', 'a damaged object replaces a file that opens'],
    ['completesSession(name) ? 0 : 1', '0', 'credentials are not restored first'],
    [
      '      await noted;\n',
      '',
      'after a power cut what was restored is there without a note: what another mount deletes is served',
    ],
    [
      'return hasOlder || publish(parts, await stage(cache, bytes), entry, touched);',
      'return true;',
      'a damaged file is taken for one that was never there',
    ],
  ]),
  ...fearedIn('src/sync/restore/restorer.ts', RESTORE, [
    [
      '        if (moved) return false;\n',
      '',
      'a session is served although its objects changed since they were listed',
    ],
    [
      '    if (!(await isValid())) return false;\n',
      '',
      'a lease that was lost during a restore is not noticed',
    ],
  ]),
  ...fearedIn('src/sync/restore/download.ts', RESTORE, [
    ['object.generation !== entry.remote?.generation', 'false', 'objects of two versions are mixed'],
    ["if (verdict.kind !== 'opens') {", 'if (false) {', 'what does not open takes the place of what does'],
    [
      "if (verdict.kind === 'key' && entry.session !== '') throw",
      "if (verdict.kind === 'key') throw",
      'a file in the root that was sealed with a missing key holds up every session that is new',
    ],
    [
      "if (verdict.kind === 'key' && entry.session !== '') throw new KeyUnknown(entry.name, verdict.keyId);",
      '',
      'a file of an unknown key is served as damaged',
    ],
    [
      '    await cache.files.settle(staged);\n',
      '',
      'a restored file gets its name before its content is durable',
    ],
    [
      'if (objects.some((object) => object.name === name)) throw error;',
      '',
      'a bucket that is gone has lost its objects',
    ],
  ]),
];
