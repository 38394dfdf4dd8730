import { fearedIn } from '../mutation.ts';

const CHECKPOINT = [
  'store/checkpoint-durability.test.ts',
  'store/checkpointer.test.ts',
  'store/checkpoint-crash.test.ts',
];
const CACHE = ['store/cache-durability.test.ts', 'store/cache.test.ts', ...CHECKPOINT];

export const storeMutations = [
  ...fearedIn(
    'src/store/checkpoint/trash.ts',
    ['store/trash.test.ts'],
    [
      ['wasMoved(planned.get(path)) || planned', 'planned', 'a renamed session is taken for a removed one'],
      [
        '!put && before && !wasMoved(file)',
        '!put && before && false',
        'the newest versions of a removed session are lost',
      ],
      ['nowMs() - ms > days * DAY_MS', 'false', 'removed sessions stay for good'],
      [
        '    await this.#remember(plan, sessions, read);\n',
        '',
        'a removal that takes long loses its first keys',
      ],
      [
        ' || removed.has(sessionOfPath',
        ' || false && removed.has(sessionOfPath',
        "a session has another one's keys",
      ],
      [
        'const first = earlier && (await this.#firstPart(earlier.name, files));',
        'const first = undefined;',
        'a removal that takes two checkpoints loses its credentials',
      ],
      [
        'put === undefined ? cached : unlessItIs(cached, put, read)',
        'cached',
        'a session that was made anew is taken for the removed one',
      ],
      [
        'for (const part of parts) this.#kept.add(part);',
        '',
        'a removal that the cache cannot carry out is stored in the bucket again and again',
      ],
      [
        'if (isIfEmptied && cachedFiles.some((path) => !planned.has(path))) return undefined;',
        '',
        'a session that goes on is in the trash',
      ],
      ['isJustMade ? last.ms + SECOND_MS : ms', 'ms', 'an archive takes the place of another one'],
      ['const earlier = isFirst && last', 'const earlier = last', 'two removed sessions are mixed'],
    ],
  ),
  ...fearedIn(
    'src/store/checkpoint/plan.ts',
    ['store/trash.test.ts'],
    [
      ['...(was && { before: was })', '', 'what was not in the cache yet is not in the trash'],
      [
        "if (before?.exists === false && plan.exists && !path.includes('/')) this.#noteRemade(path, false);",
        '',
        'a removed session that is made anew at once is not in the trash',
      ],
      [
        'since: segment, goneBy: this.#record });',
        'since: segment });',
        'a session that was renamed is in the trash, too',
      ],
      [
        'plan?.goneBy !== undefined && isMove(plan.goneBy)',
        'false',
        'a session that was moved away is taken for a removed one',
      ],
      [
        'this.#noteEmptied(path);',
        '{}',
        'a session that is emptied and made anew at once is not in the trash',
      ],
      ['hadKeys && ', '', 'credentials that are removed and written anew fill the trash'],
      [' && isNew(file, plan)', '', 'two sessions of one name are mixed in the trash'],
    ],
  ),
  ...fearedIn(
    'src/store/checkpoint/apply.ts',
    ['store/checkpoint-partial.test.ts'],
    [
      [
        'if (within !== undefined) throw within.error;',
        '',
        'a removed folder is there again after a restart',
      ],
    ],
  ),
  ...fearedIn(
    'src/store/checkpoint/checkpointer.ts',
    ['store/checkpoint-partial.test.ts'],
    [
      [
        'fresh.length === 0 ? [[]] : ',
        '',
        'on a full disk what is owed is taken for stored, and its session is released',
      ],
    ],
  ),
  ...fearedIn('src/store/checkpoint/checkpointer.ts', CHECKPOINT, [
    [
      'if (numbers.length > 0) await this.#syncJournal();',
      '',
      'a power cut finds half of a record in the cache and no record',
    ],
    ['await operations.fdatasync(fd).catch(() => {});', '', 'the journal is not synced before it moves'],
    [
      '    }\n    await cache.files.syncDirectory(journalDirectory);\n',
      '    }\n',
      'the names of the journal are not synced before it moves',
    ],
    [
      'await this.#options.onApplied?.(told);',
      'void this.#options.onApplied?.(told);',
      'a segment goes before the ledger has noted what was in it',
    ],
    [
      '    progress.setRetired(number);\n    onRetired(number);\n',
      '    setTimeout(() => {\n      progress.setRetired(number);\n      onRetired(number);\n    });\n',
      'readers look for a segment that is gone',
    ],
    ['    onRetired(number);\n', '', 'no listener hears that a segment was retired'],
    [
      "'ENOENT');\n    await cache.files.syncDirectory(journalDirectory);\n",
      "'ENOENT');\n",
      'a power cut leaves a hole in the journal',
    ],
    [
      '      throw error;\n    }\n    const { owed',
      '      return true;\n    }\n    const { owed',
      'segments go although they could not be applied',
    ],
    ['      await this.#options.nodes?.append(nodes);\n', '', 'node numbers go with their segment'],
    ['    await this.#ballast.release();\n', '', 'a full disk stays full'],
    [
      'if (!(await this.#tell(told, plan))) return false;',
      'await this.#tell(told, plan);',
      'segments go on a full disk that did not take what they said',
    ],
    [
      '      if (isDiskFull(errnoOf(error))) return false;\n      throw error;\n    }\n  }',
      '      throw error;\n    }\n  }',
      'a disk that is full when a checkpoint is nearly done stays full',
    ],
  ]),
  ...fearedIn('src/store/checkpoint/apply.ts', CHECKPOINT, [
    ['  await run.keepOld();\n', '', 'a file that did not open is overwritten'],
    ['  await run.removeFiles();\n', '', 'removed files come back after a restart'],
    ['  await run.syncDirectories();\n', '', 'a segment goes before the names of its files are durable'],
    [
      'await each(alive(), (write) => files.settle(write));',
      '',
      'a segment goes before its files are durable',
    ],
    [
      '      await mapLimit(left, concurrency, (write) => files.discard(write));\n',
      '',
      'what was staged stays on a full disk',
    ],
    ['([a], [b]) => depth(b) - depth(a)', '() => 0', 'a folder is removed before those in it'],
    [
      'if (isDiskFull(errnoOf(error))) throw error;',
      '',
      'segments go although their files could not be written',
    ],
    [
      'if (plan.exists && !plan.meta)\n          await this.#cache.files.removeFile(directoryMetaName(path), this.#touched);',
      '',
      'a folder that is made anew has the attributes of the one before',
    ],
  ]),
  ...fearedIn(
    'src/store/checkpoint/apply.ts',
    ['store/checkpoint-bulk.test.ts'],
    [
      [
        '[...this.#writes()].sort(inJournalOrder)',
        'this.#writes()',
        'a checkpoint of many segments reads one of them for each file, and never ends under load',
      ],
      [
        'if (!together || !(await files.syncAll()))',
        'if (!together)',
        'files that were written together are renamed before they are durable',
      ],
      [
        'if (!failed.has(write)) this.#published(write);',
        'this.#published(write);',
        'a file that could not be renamed is taken for stored',
      ],
    ],
  ),
  ...fearedIn(
    'src/lib/bulk-thread.ts',
    ['lib/bulk-files.test.ts'],
    [
      ['constants.O_CREAT | constants.O_EXCL', 'constants.O_CREAT', 'a planted link is followed'],
      ['      failed.push(index);\n', '', 'a file that could not be written is taken for written'],
    ],
  ),
  ...fearedIn(
    'src/lib/bulk-files.ts',
    ['lib/bulk-files.test.ts'],
    [
      [
        "    worker.on('exit', () => {\n      this.#worker = undefined;\n      this.#answer(undefined);",
        "    worker.on('exit', () => {\n      this.#worker = undefined;",
        'a checkpoint waits for a thread that is gone',
      ],
    ],
  ),
  ...fearedIn(
    'src/lib/filesystem-sync.ts',
    ['lib/filesystem-sync.test.ts'],
    [
      [
        "path.includes('\\n') ? undefined : this.prepare()",
        'this.prepare()',
        'a path with a line feed is taken for two, and what follows is taken for synced',
      ],
      [
        'for (const resolve of this.#waiting.splice(0)) resolve(false);',
        '',
        'a checkpoint waits for a process that is gone',
      ],
    ],
  ),
  ...fearedIn(
    'src/daemon/main.ts',
    ['crash/large-request.test.ts'],
    [
      [
        '  prepareFilesystemSync();\n',
        '  void prepareFilesystemSync;\n',
        'a daemon starts a process while it serves: killed just then, it costs a writer EIO',
      ],
    ],
  ),
  ...fearedIn('src/store/checkpoint/plan.ts', CHECKPOINT, [
    [
      'plan.keepOld || before?.keepOld === true',
      'plan.keepOld',
      'a damaged file is lost if it is written twice before a checkpoint',
    ],
    [
      'this.files.set(path, { ...plan, keepOld, since',
      'if (!before) this.files.set(path, { ...plan, keepOld, since',
      'the first version wins',
    ],
  ]),
  ...fearedIn(
    'src/store/checkpoint/closed-segments.ts',
    ['store/closed-segments.test.ts', ...CHECKPOINT],
    [
      [
        'if (!last || last.tornBytes === 0) return { numbers, plan };',
        'return { numbers, plan };',
        'a torn segment is retired before it is explained',
      ],
      [
        'if (bytes.length < length) throw',
        'if (false) throw',
        'a file is written from a segment that became shorter',
      ],
    ],
  ),
  ...fearedIn('src/store/cache/files.ts', CACHE, [
    [
      '    await this.operations.fsync(staged.fd);\n',
      '',
      'a file gets its name before its content is durable',
    ],
    [
      "    await tolerate(syncDirectoryThrough(this.operations, directory), 'ENOENT', 'ENOTDIR');\n",
      '',
      'names in the cache are not durable',
    ],
    [
      '      await this.discard(staged);\n      throw error;\n',
      '      throw error;\n',
      'what could not be written stays on a full disk',
    ],
    ['const FILE_MODE = 0o600;', 'const FILE_MODE = 0o644;', 'sealed files are readable by others'],
    [
      'const DIRECTORY_MODE = 0o700;',
      'const DIRECTORY_MODE = 0o755;',
      'folders of the cache are open to others',
    ],
    [
      '    }\n    this.#touchAncestors(target, touched);\n  }\n\n  /** Publishes settled',
      '    }\n  }\n\n  /** Forgets',
      'the folder of a new file is not synced',
    ],
    [
      '...NOT_A_FILE);\n    this.#touchAncestors(target, touched);\n',
      '...NOT_A_FILE);\n',
      'a removed file comes back after a power cut',
    ],
    [
      'for (let at = dirname(target); at.length >= this.root.length && !touched.has(at); at = dirname(at)) {',
      'for (const at of [dirname(target)]) {',
      'only the innermost folder is synced',
    ],
  ]),
  ...fearedIn('src/store/cache/cache.ts', CACHE, [
    [
      '      await this.files.settle(staged);\n',
      '',
      'a restored file gets its name before its content is durable',
    ],
    ['    await this.files.syncDirectories(touched, 1);\n', '', 'the name of a restored file is not durable'],
    [
      'constants.O_RDONLY | constants.O_NOFOLLOW',
      'constants.O_RDONLY',
      'a link in the cache leads out of it',
    ],
  ]),
  ...fearedIn(
    'src/store/cache/lock.ts',
    ['store/cache-lock.test.ts'],
    [
      [
        'if (result.status === FLOCK_BUSY) throw locked(cachePath, lockPath);\n',
        '\n',
        'the process that has the lock is not named',
      ],
      [
        "if (process.platform !== 'darwin') runFlock(fd, cachePath, lockPath);",
        '',
        'two daemons write to one cache',
      ],
    ],
  ),
  ...fearedIn(
    'src/lib/cache-file.ts',
    ['store/hostile-files.test.ts'],
    [
      [
        'if (fs.fstatSync(fd).isFile()) return fd;',
        'if (fd >= 0) return fd;',
        'a FIFO in the cache holds up each start for ever',
      ],
      [
        'if (size <= maxBytes) return',
        'if (size >= 0) return',
        'a start reads gigabytes of what is no file of a cache',
      ],
    ],
  ),
  ...fearedIn(
    'src/store/checkpoint/node-table.ts',
    ['store/hostile-files.test.ts'],
    [
      [
        ' && (number as number) <= NUMBER_MAX',
        '',
        'two files get one number, because those that follow are not exact',
      ],
    ],
  ),
  ...fearedIn(
    'src/lib/lines.ts',
    ['lib/lines.test.ts', 'store/hostile-files.test.ts'],
    [
      [
        "begun.length + end - start > maxBytes ? 'long'",
        "false ? 'long'",
        'a line that no daemon wrote counts',
      ],
      ['line.position = chunkAt + at;', 'line.position = at;', 'a damaged ledger is taken for a torn one'],
    ],
  ),
];
