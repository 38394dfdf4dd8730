/** Commands for the operator: what a command line may do to keys, mounts and sessions. */
import { fearedIn } from '../mutation.ts';

const ARGUMENTS = ['cli/arguments.test.ts'];
const KEYGEN = ['cli/keygen.test.ts'];
const FLUSH = ['cli/flush.test.ts'];

export const operatorMutations = [
  ...fearedIn(
    'src/api/status-probe.ts',
    ['cli/mount-status.test.ts'],
    [
      [
        "if (length > BYTES_MAX) throw systemError('EFBIG', 'read', 'it is no status');",
        '',
        'a file without an end, in the place of a status, takes all memory',
      ],
      [
        'mount.directory(folder)',
        "OpenDirectory.open('/proc/self/fd/' + mount.fd + '/' + folder)",
        'a link leads root out of the mount that it asks',
      ],
    ],
  ),
  ...fearedIn(
    'src/cli/named-session.ts',
    ['cli/ls.test.ts'],
    [
      [
        ' || resolve(directory) === set;',
        ';',
        'in cloud mode, and on a new machine, verify and ls take the mount point for a session that there is not',
      ],
    ],
  ),
  ...fearedIn(
    'src/cli/service-manager.ts',
    ['cli/service-manager.test.ts'],
    [
      [
        "const answered = reading?.kind === 'answered';",
        'const answered = reading !== undefined;',
        'the watchdog stays quiet while the daemon hangs',
      ],
      [
        'ask().catch(() => undefined)',
        'ask()',
        'one probe that could not be started ends the watch, and then the service',
      ],
      [
        'delete env[name];\n    return socket',
        'void name;\n    return socket',
        'a daemon, or a tool, speaks for the service',
      ],
      [
        'if (meant !== undefined && meant !== String(pid)) return undefined;',
        '',
        'a process answers a watchdog that is another one’s',
      ],
    ],
  ),
  ...fearedIn(
    'src/cli/mount-options.ts',
    ['cli/mount-options.test.ts'],
    [
      [
        'if (flags.has(flag)) throw',
        'if (false) throw',
        'of a flag and an option that differ, chance takes one',
      ],
      [
        'if (refusal !== undefined) throw',
        'if (false) throw',
        'a key that stands in /etc/fstab is reported as a typing mistake',
      ],
      ['if (target.has(key)) throw', 'if (false) throw', 'which of two values of an option counts is chance'],
    ],
  ),
  ...fearedIn(
    'src/api/locate.ts',
    ['cli/lifecycle.test.ts'],
    [["if (kind === 'hung') throw", 'if (false) throw', 'a mount on one that hangs waits for ever']],
  ),
  ...fearedIn(
    'src/kit/export/folder.ts',
    ['kit/export/folder.test.ts'],
    [
      ['      written.takeBack();\n', '', 'half a session passes for a whole one'],
      [
        'this.#made.push({ name: file.name, isFolder: false });\n',
        '',
        'half a session passes for a whole one, and the folder cannot be named again',
      ],
    ],
  ),
  ...fearedIn(
    'src/kit/export/sources.ts',
    ['kit/export/sources.test.ts'],
    [
      [
        'if (listed.length === files.size && listed.every(isRead)) break;',
        'break;',
        'credentials of after a flush are exported with keys of before it',
      ],
    ],
  ),
  ...fearedIn(
    'src/kit/export/export-session.ts',
    ['kit/export/export-session.test.ts'],
    [
      [
        "lacksFiles ? 'all' : absent, warn)",
        "lacksFiles ? 'all' : new Set(), warn)",
        'the half of a session that was restored is exported as all of it',
      ],
      [
        'throw partial(session, absent.size, error);',
        '{}',
        'while the bucket is away half a session is exported as a whole one',
      ],
      ['here.files.delete(companion.path);', ';', 'a database is exported beside the log of another version'],
    ],
  ),
  ...fearedIn(
    'src/kit/verify.ts',
    ['cli/verify.test.ts'],
    [
      [
        'if (refusal === undefined) this.#parts.repaired(path, found.place);',
        '',
        'files were replaced, and nothing says which',
      ],
    ],
  ),
  ...fearedIn(
    'src/kit/rekey.ts',
    ['kit/rekey.test.ts'],
    [
      [
        'return dev === above.dev ? undefined : dev;',
        'return dev;',
        'of a mount that another rekey has ended all is called sealed with the new key',
      ],
    ],
  ),
  ...fearedIn(
    'src/api/locate.ts',
    ['api/locate.test.ts'],
    [
      [
        'named = path && attempt(targetOf, path);',
        'named = path && attempt(realpathSync.native, path);',
        'a link to a mount that hangs cannot be asked about, nor ended by force',
      ],
    ],
  ),
  ...fearedIn(
    'src/cli/rekey.ts',
    ['cli/flush.test.ts'],
    [
      [
        'if (mounted === undefined)\n    sourcesOf(',
        'if (false)\n    sourcesOf(',
        'a mistyped folder is called sealed with the new key',
      ],
    ],
  ),
  ...fearedIn(
    'src/kit/doctor/disk.ts',
    ['cli/lifecycle.test.ts'],
    [
      [
        'if (mount?.type === FILESYSTEM_TYPE) return',
        'if (false) return',
        'the first thing to run calls a dead mount well',
      ],
    ],
  ),
  ...fearedIn(
    'src/kit/trash.ts',
    ['cli/flush.test.ts'],
    [
      [
        '): Promise<Trashed[]> {\n  sourcesOf(config, undefined);\n  return withBucketIfAny(config, config.bucket, async',
        '): Promise<Trashed[]> {\n  return withBucketIfAny(config, config.bucket, async',
        'a mistyped folder is said to keep nothing of a session that was removed',
      ],
    ],
  ),
  ...fearedIn(
    'src/cli/output.ts',
    ['cli/ls.test.ts', 'cli/start.test.ts'],
    [
      [
        'at += writeSync(descriptor, bytes, at);',
        'at = bytes.length + 0 * writeSync(descriptor, bytes);',
        'a full disk cuts a key or a file, and the exit status is 0',
      ],
      [
        "if (code === 'EPIPE' || code === 'ECONNRESET') return;",
        '',
        'sessionfs ls | head ends with an error',
      ],
    ],
  ),
  ...fearedIn(
    'src/cli/restore.ts',
    ['kit/export/moment.test.ts'],
    [['? 0 : LAST_MS', '? 0 : 0', 'the moment that the list shows is one at which nothing was kept']],
  ),
  ...fearedIn(
    'src/cli/status.ts',
    ['cli/mount-status.test.ts'],
    [
      [
        'b.changedMs - a.changedMs',
        'a.changedMs - b.changedMs',
        'of many sessions those in use are not shown',
      ],
    ],
  ),
  ...fearedIn('src/cli/arguments.ts', ARGUMENTS, [
    [
      "(value.startsWith('-') && !isInline)",
      'false',
      'the flag behind one that lost its value is taken for the value',
    ],
    ['if (given.has(flag)) throw', 'if (false) throw', 'which of two values counts is chance'],
    [
      "spec?.takesCommand === true ? args.indexOf('--') : -1",
      '-1',
      'flags of the user’s command are taken for ours',
    ],
    ['return [meant, ...operands];', 'return operands;', 'trash DIR is refused'],
    ["if (name === 'help') requireCommand", 'if (false) requireCommand', 'help of no command prints nothing'],
  ]),
  ...fearedIn('src/crypto/key-file.ts', KEYGEN, [
    ['  if (isNew) return;\n', '  return;\n', 'keygen reports a key that it did not write'],
  ]),
  ...fearedIn(
    'src/crypto/key-command.ts',
    ['crypto/key-source.test.ts'],
    [
      [
        'if (error === undefined && status === 0)',
        'if (error === undefined)',
        'what a command printed before it failed is taken for the key',
      ],
    ],
  ),
  ...fearedIn('src/api/flush.ts', FLUSH, [
    ['await orderFlush(path, session);', '', 'flush says that all is in the bucket, and asks for nothing'],
  ]),
  ...fearedIn(
    'src/kit/sessions.ts',
    ['cli/ls.test.ts'],
    [
      [
        'return openSealed(keyring, path, sealed).plain;',
        'return sealed;',
        'cat prints what nothing has verified',
      ],
    ],
  ),
  ...fearedIn(
    'src/kit/doctor/store.ts',
    ['kit/doctor.test.ts'],
    [
      [
        'await bucket.delete(name, { ifGeneration: generation });',
        '',
        'each run of doctor leaves an object in the bucket',
      ],
      [
        "if (granted) return finding(permission, 'ok', 'granted');",
        "return finding(permission, 'ok', 'granted');",
        'a missing permission looks healthy',
      ],
    ],
  ),
  ...fearedIn(
    'src/kit/doctor/doctor.ts',
    ['kit/doctor.test.ts'],
    [
      ['if (unmade !== undefined) {', 'if (false) {', 'doctor makes a bucket of a directory that is none'],
      [
        'if (isForbidden && address.kind',
        'if (!isForbidden && address.kind',
        'doctor does not say which permissions are missing where it may not list',
      ],
    ],
  ),
  ...fearedIn(
    'src/kit/verify.ts',
    ['cli/verify.test.ts'],
    [
      [
        'if (!this.#isOwn(session)) return',
        'if (false) return',
        'a repair overwrites what another mount holds',
      ],
      ['copyFileSync(place, kept);', '', 'a repair destroys what was there'],
      [
        'if (plainOf(file) !== undefined && !isDatabaseCopy(file)) return undefined;',
        '',
        'a repair stores what a file was when it was a database',
      ],
      [
        'const lock = hasCache ? lockCache(config.cachePath, config.mountPoint) : undefined;',
        'const lock = { release: () => {} };',
        'a repair changes a cache under its mount',
      ],
      ['metadata: version.metadata });', 'metadata: {} });', 'a repaired object loses its epoch'],
    ],
  ),
  ...fearedIn(
    'src/crypto/secret-manager.ts',
    ['crypto/secret-manager.test.ts'],
    [['|| Number(dataCrc32c) !== crc32c(bytes))', ')', 'a key that changed on its way seals everything']],
  ),
  ...fearedIn(
    'src/fs/operations/read-only.ts',
    ['fs/read-only.test.ts'],
    [
      [
        '  override write(): number {\n    return Errno.EROFS;\n  }\n',
        '',
        'a read-only mount that root remounts takes writes, and loses them at its end',
      ],
    ],
  ),
  ...fearedIn(
    'src/cli/mount.ts',
    ['cli/start.test.ts'],
    [
      [
        'await launcher?.failed(error);',
        '',
        'a daemon that cannot start does not say why to the command that waits',
      ],
    ],
  ),
  ...fearedIn(
    'src/kit/read-only-copy.ts',
    ['kit/read-only-copy.test.ts'],
    [
      ['isDiskFull(errnoOf(reason)) ? ', 'false ? ', 'a full TMPDIR is called a defect of sessionfs'],
      [
        'this.#drop(session, wanted);',
        '',
        'a file that was deleted meanwhile is in the drill beside the credentials of after that',
      ],
      ['own.size === versions.size && ', '', 'a session is called whole that has files of another moment'],
    ],
  ),
  ...fearedIn(
    'src/sqlite/image.ts',
    ['sqlite/image.test.ts'],
    [
      ['if (this.#used.has(page)) throw', 'if (false) throw', 'a page that two rows share is called well'],
      ['if (unused > 0) throw', 'if (false) throw', 'rows that no tree leads to any more are not missed'],
    ],
  ),
  ...fearedIn(
    'src/kit/trash.ts',
    ['kit/trash.test.ts'],
    [
      [
        '(filter.session === undefined || session === filter.session) && ms',
        'ms',
        'emptying the trash of one session deletes those of all',
      ],
      ['&& ms < filter.beforeMs', '', 'what was removed a moment ago goes with what is old'],
      [
        '[...found.inCache, ...found.inBucket]',
        '[...found.inBucket, ...found.inCache]',
        'a mount stores again what was deleted',
      ],
    ],
  ),
  ...fearedIn(
    'src/cli/trash.ts',
    ['kit/trash.test.ts'],
    [["if (!given.has('--yes'))", 'if (false)', 'the trash is emptied without a confirmation']],
  ),
  ...fearedIn(
    'src/kit/baileys.ts',
    ['kit/baileys.test.ts'],
    [['id < nextPreKeyId', 'id < nextPreKeyId - 1', 'a session without its newest pre-key looks complete']],
  ),
  ...fearedIn(
    'src/kit/export/moment.ts',
    ['kit/export/moment.test.ts'],
    [
      [
        'createdMs <= atMs && atMs < endedMs',
        'createdMs <= atMs',
        'files that were deleted before come back',
      ],
      ['createdMs <= atMs && atMs < endedMs', 'atMs < endedMs', 'files of later than the moment come back'],
      ["if (holder === '' ||", 'if (true ||', 'objects come and go in a session that another mount holds'],
      ['if (covered > 0)', 'if (false)', 'it is not said which objects are in the way'],
      ['stop.throwIfAborted();', '', 'a signal is not heeded while a thousand objects come and go'],
    ],
  ),
  ...fearedIn(
    'src/kit/export/restore-session.ts',
    ['kit/export/restore-session.test.ts'],
    [
      [
        'const what = begun === undefined && hasKeys(mountPoint, session)',
        'const what = hasKeys(mountPoint, session)',
        'half of the keys that a killed restore left get the credentials of another account',
      ],
      [
        'if (begun !== undefined) requireBegun(mountPoint, session, opened, begun);',
        '',
        'a restore is gone on with among the keys of another account',
      ],
      [
        'contentIn(folder, entry.name)?.equals(plain) === true',
        'true',
        'a restore is gone on with where an application has written since',
      ],
      [
        'fs.renameSync(folder.at(TEMPORARY), folder.at(name));\n  } catch',
        'writeFile(folder, name, plain, owner);\n  } catch',
        'a file that a full disk cut short counts as restored the next time',
      ],
    ],
  ),
  ...fearedIn(
    'src/kit/export/restore-session.ts',
    ['kit/export/moment.test.ts'],
    [
      [
        'return logsIn(creds.plain) ? CREDS : undefined;',
        'return CREDS;',
        'credentials that do not log in are brought back in place of those that do',
      ],
      [
        'opened: only(credentials, opened) }',
        'opened }',
        'keys of another moment are mixed with those that are there',
      ],
      [
        'warnOfMissing(session, opened.files, warn);',
        '',
        'a moment that lacks keys is brought back without a word',
      ],
      [
        'saved !== undefined && logsIn(Buffer.from(saved))',
        'saved !== undefined',
        'a database in the middle of a pairing takes the place of the present one',
      ],
    ],
  ),
  ...fearedIn(
    'src/kit/export/folder.ts',
    ['kit/export/folder.test.ts'],
    [['if (stop.aborted) throw', 'if (false) throw', 'Ctrl-C leaves half a session in plain text']],
  ),
  ...fearedIn(
    'src/cli/shield.ts',
    ['kit/export/moment.test.ts'],
    [
      [
        'onStopSignal((signal) => stopped.abort(signal))',
        '',
        'a signal leaves what was soft-deleted in the bucket',
      ],
    ],
  ),
  ...fearedIn(
    'src/kit/rekey.ts',
    ['cli/rekey.test.ts'],
    [
      [
        'own !== undefined && own !== keyId',
        'false',
        'rekey says that nothing uses the old key, and seals nothing again',
      ],
      [
        'if (!this.#hasNewKey) await this.#requireNewKey(session, first);',
        '',
        'a mount without the new key seals all again for nothing',
      ],
    ],
  ),
  ...fearedIn(
    'src/cli/rekey.ts',
    ['cli/rekey.test.ts'],
    [['onStopSignal(stopped.resolve)', '', 'Ctrl-C leaves the folder of the mount for it']],
  ),
  ...fearedIn(
    'src/kit/bucket-plan.ts',
    ['cli/bucket.test.ts'],
    [
      [
        'matchesPrefix: [TRASH_ROOT]',
        "matchesPrefix: ['']",
        'the rule for removed sessions deletes those in use',
      ],
    ],
  ),
  ...fearedIn('src/api/unmount.ts', FLUSH, [
    ['if (await isMountPoint(path)) await unmountByForce(path);', '', 'a forced unmount leaves a dead mount'],
  ]),
  ...fearedIn(
    'src/kit/export/room.ts',
    ['kit/export/sources.test.ts'],
    [
      [
        'if (COPIES * bytes <= memoryBytes) return;',
        'return;',
        'a command is killed that reads a session of terabytes',
      ],
      ['const COPIES = 2;', 'const COPIES = 1;', 'a command is killed when it opens what it read'],
    ],
  ),
  ...fearedIn(
    'src/kit/export/sources.ts',
    ['kit/export/sources.test.ts'],
    [['  requireRoom(session, files);\n', '', 'an export is killed that reads a session of terabytes']],
  ),
];
