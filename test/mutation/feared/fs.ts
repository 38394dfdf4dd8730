import { fearedIn } from '../mutation.ts';

const PENDING = [
  'fs/incomplete.test.ts',
  'fs/pending.test.ts',
  'fs/failures.test.ts',
  'fs/takeover.test.ts',
  'fs/absent.test.ts',
  'fs/gate-work.test.ts',
];
const CONTENT = [
  'fs/registrations.test.ts',
  'fs/failures.test.ts',
  'fs/takeover.test.ts',
  'fs/contents.test.ts',
  'fs/json-gate.test.ts',
];
const UNREAD = ['fs/unread.test.ts'];
const IDLE = ['fs/idle-sessions.test.ts'];
const CLOUD = ['fs/write-through.test.ts'];
const HYBRID = ['fs/failures.test.ts', 'fs/absent.test.ts', 'fs/restore.test.ts', 'fs/names.test.ts'];
const GATE = ['fs/json-gate.test.ts', 'fs/failures.test.ts', 'fs/gate-work.test.ts'];

export const fsMutations = [
  ...fearedIn(
    'src/fs/operations/orphan.ts',
    ['fs/orphans.test.ts'],
    [
      [
        'if (failed !== 0) return failed;\n  touch(core, node);',
        'if (failed !== 0) return failed;',
        'a write to a file that was removed while open leaves its time',
      ],
      [
        'if (failed === 0) touch(core, node);',
        '',
        'a file that was removed while open is cut and keeps its time',
      ],
    ],
  ),
  ...fearedIn(
    'src/fs/model/working-copy.ts',
    ['fs/working-copy.test.ts'],
    [
      ['this.#bytes.copy(larger, 0, 0, this.#length);', '', 'a file that grows loses what it had'],
      [
        'if (this.#memory !== undefined && size <= this.#memory.maxByteLength) {',
        'if (this.#memory === undefined && size === 0) {',
        'a large file is copied whenever it grows',
      ],
      [
        'if (this.#memory !== undefined && size <= this.#memory.maxByteLength) {',
        'if (this.#memory !== undefined) {',
        'a file cannot grow beyond the addresses that were reserved',
      ],
    ],
  ),
  ...fearedIn(
    'src/fs/state/registrations.ts',
    ['fs/registrations.test.ts'],
    [
      ['if (!removal.isTold)', 'if (true)', 'credentials that were told to be kept are not'],
      [
        ' || clock.monotonicMs() - removal.atMs < LOGOUT_MS',
        '',
        'each logout is told as a loss of the credentials',
      ],
      [' || !this.#hasKeys(session)) return', ') return', 'a logout leaves credentials behind'],
      [' ?? this.#backupOf(session)', '', 'a daemon that dies between two renames forgets the registration'],
    ],
  ),
  ...fearedIn(
    'src/fs/state/kept-registrations.ts',
    ['fs/registrations.test.ts'],
    [
      [
        '.isFresh !== true || ',
        '.isFresh === undefined || ',
        'the next save of another account ends its alarm',
      ],
    ],
  ),
  ...fearedIn('src/fs/operations/pending.ts', PENDING, [
    [
      '    if (working?.journaled) working.isAhead = false;\n',
      '',
      'an fsync seals a whole database, although the journal has all of it',
    ],
    [
      'if (idleMs < gateIdleMs || parent === undefined) return false;',
      'if (idleMs < gateIdleMs || parent === undefined) return false; if (idleMs >= gateIdleMs) return true;',
      'a pairing on a slow machine loses the files that it began first',
    ],
    [
      'if (idleMs >= BUSY_FOLDER_FACTOR * gateIdleMs) return true;',
      '',
      'what a dead writer left is kept as long as its session is used',
    ],
    [
      'else if (commitPlain(core, node) !== 0) failed.push(path);',
      'else commitPlain(core, node);',
      'a stop on a full disk says that nothing is dirty',
    ],
    [
      'absentSessionOf(core.tree, node) !== undefined || !goesOn(core, node)',
      '!goesOn(core, node)',
      'what was begun in a session that is absent is given up',
    ],
    [
      "if (working.verdict() === 'complete') commit(core, node, working.view());\n  else giveUp",
      'giveUp',
      'complete content is given up',
    ],
    [
      'if ((working.journaled || wasHidden) && record(core, forget) !== 0) return;',
      'if (working.journaled || wasHidden) record(core, forget);',
      'what is given up comes back with the next daemon',
    ],
    [
      'if (failed !== 0) return false;',
      '',
      'unfinished files that could not be repeated go with their segment',
    ],
    [
      'if (node.hidden && node.id !== 0) core.records.node(node, path);',
      '',
      'the number of a file that was never published goes with its segment',
    ],
    [
      'if (working?.journaled) core.records.workSnapshot(node, path, working);',
      '',
      'unfinished files go with their segment',
    ],
    [
      'if (unbuilt !== undefined) core.records.workSteps(node, path, unbuilt);',
      '',
      'unfinished files of an earlier daemon go with their segment',
    ],
    [
      'if (!goesOn(core, node)) failed.push(path);\n    else if',
      'if',
      'a stop on a disk that fails says that nothing is dirty',
    ],
    [
      'if (working.isHeldBack && isAbandoned(node, idleMs))',
      'if (working.isHeldBack)',
      'a file that is being written is given up at once',
    ],
    [
      '      if (working.isUndecided) decide(core, node, working, working.verdict(core.scanBudget));\n',
      '',
      'a long document is not seen before it rested for long',
    ],
    [
      'if (working?.isUndecided) decide(core, node, working, working.verdict());',
      '',
      'a backup of everything lacks a long document',
    ],
    ['    node.dropped = true;\n', '', 'a write to a file that was given up succeeds and is lost'],
  ]),
  ...fearedIn('src/fs/operations/filesystem.ts', CONTENT, [
    ['if (isRepeated(this.#core)) return data.length;', '', 'an append is done twice'],
    [
      'return isRepeated(this.#core) ? data.length : this.#presence.ofUnknown(id);',
      'return Errno.ESTALE;',
      'a write that was carried out fails when it is sent again',
    ],
    [
      'return isRepeated(this.#core) ? 0 : unlink',
      'return unlink',
      'an unlink that was carried out fails when it is sent again',
    ],
    [
      'if (isRepeated(this.#core)) return 0;',
      '',
      'an rmdir that was carried out fails when it is sent again',
    ],
  ]),
  ...fearedIn('src/fs/state/directory-meta.ts', CONTENT, [
    [
      'if (keepsTimes) Object.assign(node, present);',
      '',
      'after a take-over the kernel goes on showing a listing without the newest files',
    ],
  ]),
  ...fearedIn('src/fs/hybrid/restore.ts', HYBRID, [
    [
      'keepsTimes: true',
      'keepsTimes: false',
      'after a restore the kernel goes on showing a listing of before',
    ],
  ]),
  ...fearedIn('src/fs/operations/setattr.ts', CONTENT, [
    [
      'if (isRepeated(core) && isDone(node, change)) return 0;',
      '',
      'a chmod that was carried out fails on a full disk when it is sent again',
    ],
    [
      'isRepeated(core) && isDone(node, change)',
      'isRepeated(core)',
      'a chmod is taken for done that was not carried out',
    ],
    [
      'if (working?.isHeldBack) core.records.workSnapshot(node, path, working);',
      '',
      'a chmod in the middle of a write drops what was written',
    ],
    ['if (failed !== 0) Object.assign(node, before);', '', 'a failed chmod shows'],
    [
      'const failed = truncateFile(core, node, change.size);\n    if (failed !== 0) return failed;',
      'truncateFile(core, node, change.size);',
      'a failed truncation returns success',
    ],
    [
      'size === 0 && node.heldWrites === 0',
      'size === 0',
      'the kernel keeps a size that a write which is held back has given the file',
    ],
    [
      'if (node.mayHavePages && out.size > 0) {',
      'if (size === 0 && node.heldWrites > 0 && out.size > 0) {',
      'a truncation leaves pages in the kernel, and what is written into them shows',
    ],
  ]),
  ...fearedIn('src/fs/operations/file-content.ts', CONTENT, [
    [
      'const failed = recordVisible(core, node, journal);',
      'const failed = record(core, journal); touch(core, node);',
      'after a crash a file has its new content and its old time, and backup tools leave it out',
    ],
    ['  else working.undo(undo);\n', '', 'a write that failed is published later'],
    ['if (failed !== 0) working.undo(undo);', '', 'a commit that failed is done twice'],
    ['  working.journaled = true;\n', '', 'unfinished files go with their segment'],
    [
      'if (at + data.length > core.options.maxFileSize) return Errno.EFBIG;',
      '',
      'a file grows beyond the limit',
    ],
    ["judgeWhole(data) === 'complete'\n", 'true\n', 'an incomplete *.json is published'],
    [
      'isDiskFull(written) && core.isLastTry ?',
      'false ?',
      'a mapped page that a full disk does not take is lost without an error',
    ],
    [
      'isDiskFull(written) && core.isLastTry ?',
      'isDiskFull(written) ?',
      'no room is made for mapped pages, and the journal never gets them',
    ],
    [
      'if (node.parent === undefined || isGatedName(node.name)) return refused;',
      'if (node.parent === undefined) return refused;',
      'a mapped page goes round the gate',
    ],
    ['  working.isAhead = true;\n', '', 'an fsync says of pages in memory that they are durable'],
    ['data.length >= lengthForWriters(node) &&', '', 'a write of the beginning of a file drops its end'],
    ['if (isVisible) working.reveal();', '', 'a file that is no JSON never appears'],
    [
      'const failed = isGatedName(node.name) ? commitPlain(core, node) : 0;\n  if (failed !== 0) return failed;\n',
      '',
      'a truncation takes the plain version before it along',
    ],
  ]),
  ...fearedIn(
    'src/fs/operations/commit.ts',
    ['fs/pending.test.ts'],
    [[' && asCompanion(node.name) === undefined', '', 'a checkpoint of SQLite seals its whole log']],
  ),
  ...fearedIn(
    'src/fs/operations/commit.ts',
    ['fs/full-disk.test.ts'],
    [
      [
        '|| !releaseRoomForRemovals(core.cache.path)) return errno;',
        '|| true) return errno;',
        'a full disk stays full',
      ],
      ['|| !core.isLastTry ||', '||', 'the reserve goes although a checkpoint could make room'],
    ],
  ),
  ...fearedIn('src/fs/operations/commit.ts', CONTENT, [
    [
      'core.records.put(node, path, plain));\n  if (failed !== 0) return failed;\n',
      'core.records.put(node, path, plain));\n',
      'a commit that the journal refused returns success',
    ],
    ['if (failed !== 0) Object.assign(node, before);', '', 'a failed write changes the times of the file'],
    [
      "if (typeof change === 'number') return change;",
      '',
      'registered credentials that could not be kept are replaced',
    ],
    ['    return errno;\n', '    return 0;\n', 'a journal that takes nothing is success'],
    ['    core.records.abort();\n', '', 'after one record that could not be made no other one can'],
    ['  parent.hiddenChildren--;\n', '', 'a folder with published files counts as empty'],
  ]),
  ...fearedIn(
    'src/fs/state/records.ts',
    [...CONTENT, ...CLOUD, 'fs/absent.test.ts', 'fs/pending.test.ts'],
    [
      ['    this.#journal.abort();\n', '', 'after one record that could not be made no other one can'],
      [
        "if (this.suspended) throw systemError('ENOSPC', 'append', 'room is being made');",
        '',
        'a change takes the room that a checkpoint needs',
      ],
      [
        'const flags = replaced.readError === undefined ? OpFlag.NONE : OpFlag.KEEP_OLD;',
        'const flags = OpFlag.NONE;',
        'a file that did not open is overwritten',
      ],
      ['      node.size = size;\n', '', 'a file has the size of its version before'],
      ['      this.onSegment(this.#segment - 1);\n', '', 'a segment that is full is never checkpointed'],
      [
        'if (withAttributes) writeNodeAttributes(this.#journal.buffer, at, node);',
        '',
        'a take-over changes the owner of a file that is being made',
      ],
      [
        '    this.workTruncate(path, 0, working.isHeldBack);\n',
        '',
        'older pieces show behind a repeated working copy',
      ],
      [
        'this.#hasCaller = unique !== 0;',
        'this.#hasCaller = false;',
        'in cloud mode callers wait for nothing',
      ],
      [
        'if (session !== undefined) this.#news.push(() => remote.credsChanged(session));',
        '',
        'changed credentials wait for the next interval',
      ],
    ],
  ),
  ...fearedIn(
    'src/fs/operations/namespace.ts',
    [...CONTENT, ...HYBRID],
    [
      [
        'core.records.delete(path));\n  if (failed !== 0) return failed;\n',
        'core.records.delete(path));\n',
        'an unlink that the journal refused returns success',
      ],
      [
        "if (child.kind === 'file' && child.hidden) return Errno.ENOENT;",
        '',
        'a file shows before it is published',
      ],
      [
        'mayAppear(core, parent) ? 0 : KERNEL_CACHE_MS',
        'KERNEL_CACHE_MS',
        'the kernel keeps a name as free that the bucket has',
      ],
      [
        'return isStorableName(core.tree.pathIn(parent, name), kind) ? 0 : Errno.ENAMETOOLONG;',
        'return 0;',
        'a name is taken that the cache cannot hold',
      ],
    ],
  ),
  ...fearedIn('src/fs/operations/directories.ts', CONTENT, [
    ['if (!isEmpty(node)) return Errno.ENOTEMPTY;', '', 'rmdir removes a folder with files in it'],
    [
      'recordRemoval(core, node, path));\n  if (failed !== 0) return failed;\n',
      'recordRemoval(core, node, path));\n',
      'an rmdir that the journal refused returns success',
    ],
    ['    child.dropped = true;\n', '', 'a write to a file whose folder is gone succeeds and is lost'],
  ]),
  ...fearedIn(
    'src/fs/model/session-writers.ts',
    ['fs/session-writers.test.ts'],
    [
      ['const RETURNS = 2;', 'const RETURNS = 1;', 'a bot that is restarted is taken for two'],
      [
        'returned && processes.lives(last.process)',
        'returned',
        'commands that have ended are taken for bots',
      ],
      [
        'this.#returns < RETURNS || nowMs - this.#toldMs < AGAIN_MS',
        'this.#returns < RETURNS',
        'two bots fill the log',
      ],
      [
        'const writer = this.#writers.find(({ process: each }) => isSame(each, process));',
        'const writer = this.#writers.find(() => false);',
        'a bot with several threads is taken for several bots',
      ],
      [
        'return a.pid === b.pid && a.startTime === b.startTime;',
        'return a.pid === b.pid && a.startTime === b.startTime && a.pid < 0;',
        'no process is ever known again',
      ],
    ],
  ),
  ...fearedIn(
    'src/fs/state/shared-sessions.ts',
    ['fs/session-writers.test.ts'],
    [
      [
        'if (!pair.every((each) => processes.lives(each))) this.#found.delete(session);',
        'if (pair.length < 2) this.#found.delete(session);',
        'the status warns of a bot that was stopped',
      ],
    ],
  ),
  ...fearedIn(
    'src/lib/process-table.ts',
    ['lib/process-table.test.ts'],
    [
      [
        'startTimeOf(pid, proc) === startTime;',
        'startTimeOf(pid, proc) !== undefined;',
        'another process that got the number counts as the one that ended',
      ],
      [
        "first === '' || first.startsWith('-')",
        "first === ''",
        'an option, with what is secret in it, is in the log',
      ],
    ],
  ),
  ...fearedIn(
    'src/fs/model/orphans.ts',
    ['fs/orphans.test.ts'],
    [
      ['this.#seal.seal(plain, this.#sealed)', 'plain.copy(this.#sealed)', 'plaintext is on the disk'],
      [
        'if (more <= 0 || this.#bytes + more <= limit) return true;',
        'return true;',
        'one process takes all memory and the disk through files that it unlinked',
      ],
      [
        'const failed = this.#store.reserve(more, inMemory);\n      if (failed !== 0) return failed;',
        'this.#store.reserve(more, inMemory);',
        'a write beyond the limit succeeds',
      ],
      ['(plain) => plain.fill(0, inLast)', '() => undefined', 'what was cut off an unlinked file comes back'],
      [
        'if (wanted > 0) this.#spill(',
        'if (wanted > 0 && wanted < 0) this.#spill(',
        'unlinked files stay in memory, whatever they have',
      ],
    ],
  ),
  ...fearedIn(
    'src/crypto/ephemeral-seal.ts',
    ['crypto/ephemeral-seal.test.ts'],
    [
      ['this.#sealed++', 'this.#sealed', 'a nonce is used twice, which gives the plaintext away'],
      ["      throw new SealError('wrong-tag');\n", '', 'what was changed on the disk is read'],
    ],
  ),
  ...fearedIn(
    'src/fs/operations/orphan.ts',
    ['fs/orphans.test.ts', ...CONTENT],
    [
      [
        'return core.orphans.hasRoomFor(content.length) ? content : Errno.ENOSPC;',
        'return content;',
        'unlinked content goes beyond its limit',
      ],
    ],
  ),
  ...fearedIn(
    'src/store/cache/spill-file.ts',
    ['fs/orphans.test.ts'],
    [['    fs.unlinkSync(path);\n', '', 'what unlinked files had stays on the disk after a crash']],
  ),
  ...fearedIn(
    'src/fs/operations/rename.ts',
    ['fs/rename.test.ts', ...CONTENT],
    [
      [
        '  if (node === undefined) return 0;\n  const refused',
        '  if (node === undefined) return refuseName(core, to.parent, to.name);\n  const refused',
        'a folder with the longest name cannot be renamed',
      ],
      ['if (isRepeated(core)) return 0;', '', 'a rename that was carried out fails when it is sent again'],
      [
        'return isEmpty(target) ? 0 : Errno.ENOTEMPTY;',
        'return 0;',
        'a rename replaces a folder with files in it',
      ],
      [
        "if (passesGate || judgePieces(content) !== 'incomplete') return content;",
        'return content;',
        'a rename publishes incomplete JSON',
      ],
      [
        "if (!isStorableName(path, each.kind === 'directory' ? 'directory' : undefined)) return Errno.ENAMETOOLONG;",
        '',
        'a rename gives a name that the cache cannot hold',
      ],
      [
        '    for (const move of moves) addRemovals(core, move);\n',
        '',
        'a renamed file comes back under its old name',
      ],
      [
        "if (node.kind === 'file') makeOrphan(core, node, orphan);",
        '',
        'a descriptor on a replaced file reads the new one',
      ],
    ],
  ),
  ...fearedIn(
    'src/fs/state/contents.ts',
    [...CONTENT, ...HYBRID],
    [
      [
        'if (!node.working.isHeldBack) this.#changedIn(node, unbuilt);',
        '',
        'after a take-over a file that is being written has the time of the version before',
      ],
      [
        'return node.segment > Math.max(IN_CACHE, this.retired);',
        'return node.segment > IN_CACHE;',
        'a file is read from a segment that is gone',
      ],
      [
        'node.size = Math.max(1, fileSize - HEADER_SIZE - TAG_SIZE);',
        'node.size = 0;',
        'a damaged file reads as an empty one',
      ],
      [
        'if (this.isInJournal(node)) throw error;',
        'throw error;',
        'a segment that is retired during a read is an error',
      ],
      [
        '    else this.#oversized.keep(node, plain);\n',
        '',
        'each read request of a file beyond the memory limit opens the whole file',
      ],
      ['    this.#oversized.forget(node);\n', '', 'a large file is shown as it was before it was replaced'],
    ],
  ),
  ...fearedIn(
    'src/fs/state/oversized-content.ts',
    ['fs/contents.test.ts'],
    [
      [
        'this.#kept.usedMs = this.#clock.monotonicMs();',
        '',
        'a large file is opened again every ten seconds while it is read',
      ],
      ['>= REST_MS', '>= Infinity', 'a large file stays in memory for ever'],
    ],
  ),
  ...fearedIn('src/fs/state/presence.ts', HYBRID, [
    ['if (session.name === remote?.refused) return Errno.EBUSY;', '', 'a refused call waits for ever'],
    ['    remote?.want(session.name, request);\n', '', 'a session that is waited for is never restored'],
    [
      'return this.#ofUnused(session);',
      'return 0;',
      'a folder that was left empty hides the session that another mount has made since',
    ],
    ['if (!remote.namesKnown) return PARKED;', '', 'a name that the bucket has is taken for free'],
    [
      'remote !== undefined && !remote.namesKnown && !remote.rootListable',
      'false',
      'a listing lacks sessions',
    ],
  ]),
  ...fearedIn(
    'src/fs/state/remote.ts',
    [...HYBRID, ...CLOUD],
    [
      [
        'if (!waiting.delete(request) || waiting.size > 0) continue;',
        'waiting.delete(request);',
        'the wait ends with the first caller that gives up',
      ],
      ['    this.#unstored.clear();\n', '', 'a call waits for what another one changed'],
      [
        'this.#unstoredCredentials ||= sessionOfCreds(path) !== undefined;',
        '',
        'credentials have the short time limit',
      ],
    ],
  ),
  ...fearedIn('src/fs/startup/journal-replay.ts', UNREAD, [
    ['    this.placed.add(node);\n', '', 'what the journal has of a session is not known to be dirty'],
  ]),
  ...fearedIn('src/fs/startup/session-reader.ts', UNREAD, [
    [
      'return !isRead && parent !== undefined;',
      'return parent !== undefined;',
      'the files of a session that was read count twice',
    ],
  ]),
  ...fearedIn('src/fs/operations/attributes.ts', UNREAD, [
    [
      '      return UNCOUNTED;\n    }',
      '      throw new Error(node.name);\n    }',
      'one folder that cannot be read fails the listing of all sessions',
    ],
  ]),
  ...fearedIn('src/fs/startup/rebuild.ts', UNREAD, [
    [
      '      unreadable.add(top);\n',
      '      throw error;\n',
      'one folder that cannot be read stops each take-over',
    ],
  ]),
  ...fearedIn(
    'src/fs/startup/rebuild.ts',
    ['fs/absent.test.ts'],
    [
      [
        'else if (isAbsent(tree, top)) noteAwaited(awaited, top, path, id);',
        '',
        'an open file of a session that is not here is stale',
      ],
    ],
  ),
  ...fearedIn(
    'src/fs/hybrid/restore.ts',
    ['fs/absent.test.ts'],
    [
      [
        'else this.#inherit(node, number);',
        '',
        'a file that was open before a take-over is stale once it is restored',
      ],
      [
        "    this.#core.invalidator.inode(number, node.kind === 'file' ? 0 : -1, 0);\n",
        '',
        'the kernel shows what a restored file was before a take-over',
      ],
    ],
  ),
  ...fearedIn('src/fs/startup/session-reader.ts', IDLE, [
    [
      'if (found !== undefined) found.id = numbers[index] as number;',
      '',
      'a file has another inode number after its session has rested',
    ],
    ['return node.loaded && !isOne;', 'return false;', 'the times of a file change while its session rests'],
  ]),
  ...fearedIn('src/fs/operations/idle-sessions.ts', IDLE, [
    [
      '    for (const session of this.#leaving.keys()) excess -= session.children.size;\n',
      '',
      'sessions leave memory that has room for them, as long as the kernel takes its time with others',
    ],
    [
      '!this.#mayGo(session) || ',
      '',
      'sessions that the kernel holds keep all others in memory, with a bucket',
    ],
    ['nowMs - node.usedMs >= idleMs && ', '', 'a session that is used leaves memory again and again'],
    ['    if (isOver) session.usedMs = nowMs;\n    else if', '    if', 'the kernel is asked without end'],
    [
      'Math.max(this.#parts.replayed, records.changedIn(session.name)) > contents.retired',
      'false',
      'a file that was removed comes back with its session',
    ],
    ['else if (!isHeld(session)) this', 'else this', 'a number that the kernel knows means nothing any more'],
  ]),
  ...fearedIn('src/fs/model/node.ts', UNREAD, [
    ['      this.#read = read;\n', '', 'a session that the disk did not give once is empty from then on'],
  ]),
  ...fearedIn('src/fs/operations/filesystem.ts', UNREAD, [
    [
      'return node.absent || this.#isRead(node) ? node : Errno.EIO;',
      'return node;',
      'a session that cannot be read is an unexpected failure, said with each call',
    ],
    [
      '    if (!areRead && !isRepeated(this.#core)) return Errno.EIO;\n',
      '',
      'to rename a session that cannot be read is an unexpected failure',
    ],
  ]),
  ...fearedIn('src/fs/hybrid/absent.ts', HYBRID, [
    [
      '  core.invalidator.inode(tree.root.id, -1, 0);\n}',
      '}',
      'a listing that the kernel kept lacks the sessions of the bucket for ever',
    ],
    ["else if (existing.kind === 'directory') existing.absent = true;", '', 'an outdated session is served'],
    [
      '    for (const below of tree.inMemory(node)) forgetName(core, below);\n',
      '',
      'the kernel serves old files of a session that is absent',
    ],
    [
      "(path) => !path.includes('/') && !isNoSession(path) && !tree.root.children.has(path)",
      '() => false',
      'a folder of which no more than its name was known cannot be listed after a take-over',
    ],
  ]),
  ...fearedIn('src/fs/hybrid/restore.ts', HYBRID, [
    [
      'if (this.#isNewer(node) || this.#goesOn(node)) return;',
      'if (this.#goesOn(node)) return;',
      'a restore hides what the journal has',
    ],
    [
      'return this.#keepsWork && node.hasUncommitted && !node.hidden;',
      'return false;',
      'writes that a killed mount had acknowledged are lost at the next start',
    ],
    [
      'record(this.#core, () => this.#core.records.workDrop(path));',
      ';',
      'a working copy that a restore ended comes back with the next daemon',
    ],
    ['    contents.reset(node);\n', '', 'a restored file shows its version before'],
    [
      'if (node.lookups > 0) this.core.invalidator.inode(node.id, 0, 0);',
      '',
      'the kernel serves pages of the version before',
    ],
    [
      'if (wasHidden && node.parent !== undefined) node.parent.hiddenChildren--;',
      '',
      'a folder with restored files counts as empty',
    ],
    ['    directory.absent = false;\n', '', 'a restored session is waited for, for ever'],
  ]),
  ...fearedIn('src/fs/hybrid/hybrid-sessions.ts', HYBRID, [
    [
      'if (node.hidden || node.hasUncommitted || contents.isInJournal(node)) return false;',
      'if (node.hidden || node.hasUncommitted) return false;',
      'a session is removed from memory before the cache has it',
    ],
    ['    this.#remote.told(name, this.#core.clock.monotonicMs());\n', '', 'a name is waited for, for ever'],
  ]),
  ...fearedIn('src/fs/model/json-gate.ts', GATE, [
    ['values === 0 || depth > 0 || inString ?', 'values === 0 || inString ?', 'an open bracket is complete'],
    ['depth > 0 || inString ?', 'depth > 0 ?', 'an open string is complete'],
    ['broken || values === 0 ||', 'values === 0 ||', 'a stray bracket is complete'],
    ['values === 0 || state !== State.TOP', 'values === 0', 'pieces that leave a bracket open are complete'],
    ['if (byte === BACKSLASH) i++;\n      else ', '', 'an escaped quote ends a string'],
    [
      "if (values > 0 && !freshLine) return 'incomplete';",
      '',
      'two values on one line are complete, in one write',
    ],
    ['(!at.freshLine || at.spansLines)', 'at.spansLines', 'two values on one line are complete'],
    [
      '(!at.freshLine || at.spansLines)',
      '!at.freshLine',
      'a second value after one of several lines is complete',
    ],
    ['if (at.values === 0 && byte !== NUL)', 'if (at.values === 0)', 'a hole at the start is plain text'],
    [
      'if (this.#open[--at.depth] !== bracket - 2) at.broken = true;',
      'at.depth--;',
      'a brace closes a bracket',
    ],
    ['    else if (at.values > 1) at.broken = true;\n', '', 'one whole line makes the others complete'],
    [
      'this.#open.set(innermost, fields.depth - innermost.length);',
      '',
      'a write that failed leaves other brackets open',
    ],
    ["if (budget?.isSpent) return 'undecided';", '', 'one writer makes all others wait'],
  ]),
  ...fearedIn(
    'src/fs/operations/pending.ts',
    ['fs/special.test.ts'],
    [
      ['  tree.specials.clear();', '', 'a FIFO keeps a segment in the journal for good'],
      [
        '  return repeatSpecials(core);',
        '  return true;',
        'a FIFO is gone for the next daemon once its segment is',
      ],
    ],
  ),
  ...fearedIn(
    'src/fs/operations/rename.ts',
    ['fs/special.test.ts'],
    [
      [
        '      core.records.delete(replaced.path);',
        '',
        'the next daemon finds the file that a FIFO took the place of',
      ],
      ["each.kind === 'special' || each.hidden", 'each.hidden', 'a folder moves without its sockets'],
    ],
  ),
  ...fearedIn(
    'src/fs/operations/namespace.ts',
    ['fs/incomplete.test.ts'],
    [[' || !existing.hidden', '', 'a second creator empties a file that is complete']],
  ),
  ...fearedIn(
    'src/fs/operations/namespace.ts',
    ['fs/special.test.ts'],
    [
      [
        '  const failed = recordFreeing(core, () => core.records.delete(path));\n',
        '  const failed = 0;\n',
        'a socket that was removed is there again',
      ],
    ],
  ),
  ...fearedIn(
    'src/fs/operations/namespace.ts',
    ['mounted/removed-database.test.ts'],
    [['  keepLast(core, node, path);\n', '', 'the last transactions of a removed session are lost']],
  ),
  ...fearedIn(
    'src/fs/state/database-registrations.ts',
    ['mounted/removed-database.test.ts'],
    [
      [
        "    if (beside.kind === 'wal') this.#foldBeforeLogGoes(beside.database, node);\n",
        '',
        'a session whose log was removed first comes back as of its last checkpoint',
      ],
    ],
  ),
];
