import { fearedIn } from '../mutation.ts';

const DIRECT = [
  'drivers/direct/deferred.test.ts',
  'drivers/direct/dispatcher.test.ts',
  'drivers/direct/parking.test.ts',
  'drivers/direct/in-flight.test.ts',
  'drivers/direct/listing.test.ts',
  'drivers/direct/session.test.ts',
];
const REQUEST = [
  'drivers/direct/deferred.test.ts',
  'drivers/direct/request.test.ts',
  'drivers/direct/dispatcher.test.ts',
];

export const driverMutations = [
  ...fearedIn(
    'src/drivers/libfuse/requests.ts',
    ['drivers/libfuse/driver.test.ts'],
    [
      [
        'hides && this.#operations.isOpen(renames.from)',
        'hides',
        'a file that is renamed to a name like those of hidden files is removed',
      ],
    ],
  ),
  ...fearedIn(
    'src/drivers/direct/handlers/names.ts',
    ['drivers/direct/dispatcher.test.ts'],
    [
      [
        'return isFile && status === Errno.EEXIST ? LOOK_AGAIN : created(exchange, status);',
        'return created(exchange, status);',
        'open without O_EXCL fails with EEXIST beside the maker of a *.json',
      ],
    ],
  ),
  ...fearedIn(
    'src/drivers/libfuse/paths.ts',
    ['drivers/libfuse/driver.test.ts'],
    [
      [
        'if (this.#isInPlace(node)) ',
        'if (this.#hidden.size === 0) ',
        'after a refused rename over an open file its name is not found for a second',
      ],
      [
        'if (this.#isInPlace(node)) ',
        '',
        'a file that was removed while open stays in memory after the last close',
      ],
    ],
  ),
  ...fearedIn(
    'src/drivers/host/disk-full-recovery.ts',
    ['mounted/disk-full.test.ts'],
    [
      [
        'filesystem.lastTry(retryParked);',
        'retryParked();',
        'a mapped page that a full disk does not take is lost without an error',
      ],
    ],
  ),
  ...fearedIn(
    'src/drivers/direct/sync-thread-link.ts',
    ['drivers/direct/sync-thread.test.ts'],
    [
      [
        "thread.once('exit', () => resolve())",
        '() => resolve()',
        'a hand-over waits for ever for a thread that has ended',
      ],
      [
        '    } catch {\n      return;\n',
        '    } catch (error) {\n      throw error;\n',
        'a daemon dies where no thread can be started',
      ],
      [' || this.queue.isClosed', '', 'a thread is begun for a mount that ends'],
    ],
  ),
  ...fearedIn(
    'src/drivers/direct/sync-thread.ts',
    ['drivers/direct/sync-thread.test.ts'],
    [
      ['      fdatasyncSync(this.#open.fd);\n', '', 'an fsync is answered before the disk has the journal'],
      [
        '      this.#progress.refuse(segment);\n',
        '',
        'the second fsync after an error of the disk is success',
      ],
      [
        '    if (!this.#progress.mayBeSynced(segment)) return false;\n    if (this',
        '    if (this',
        'segments before the newest are not synced',
      ],
      [
        '    if (this.#progress.synced) return true;\n',
        '',
        'once a segment that is synced is gone each fsync takes the long way',
      ],
      ['        this.#closeRetired();\n', '', 'segments that are gone keep their disk space'],
      [
        'isSynced) this.#reply(sync);',
        'true) this.#reply(sync);',
        'what the disk refuses is answered with success',
      ],
    ],
  ),
  ...fearedIn('src/drivers/host/outcome.ts', DIRECT, [
    [
      "return unstored ?? (kind === 'await-sync' ? 'sync' : 'answer');",
      "return kind === 'await-sync' ? 'sync' : (unstored ?? 'answer');",
      'in cloud mode an fsync is answered before the bucket has the file',
    ],
    [
      "return unstored ?? (kind === 'await-sync' ? 'sync' : 'answer');",
      "return kind === 'await-sync' ? 'sync' : 'answer';",
      'in cloud mode nothing waits for the bucket',
    ],
    [
      "if (kind === 'disk-full' || kind === 'failed') return 'answer';",
      '',
      'a failed call waits for the bucket, and leaves what it changed to the next one',
    ],
    [
      'outcome > ERROR_LIMIT && outcome < 0 ? outcome : otherwise',
      'outcome',
      'an error that the kernel refuses is sent to it',
    ],
  ]),
  ...fearedIn('src/drivers/direct/dispatcher.ts', DIRECT, [
    [
      'if (!isTaken && entry !== 0) this.#exchange.fs.forget(entry, 1);',
      '',
      'a deferred lookup that the kernel did not take is counted for ever',
    ],
    [
      'if (deferred.written !== 0) this.#exchange.fs.releaseAttributes(deferred.written);',
      '',
      'readers are never shown what a deferred write has written',
    ],
    ['    this.#host.release(deferred.slot);\n', '', 'slots of deferred requests are never free again'],
    [
      'const isTaken = error === 0 && this.#host.send(bytes, bytes.length);',
      'const isTaken = this.#host.send(bytes, bytes.length);',
      'a change that was not stored is answered with success',
    ],
    [
      'if (error !== 0) this.#sendError(uniqueLo, uniqueHi, error);',
      '',
      'a change that was not stored is never answered',
    ],
    ['    this.#deferred.delete(request);\n', '', 'a deferred request is answered twice'],
    [
      'if (deferred.entry !== 0) this.#exchange.fs.forget(deferred.entry, 1);',
      '',
      'a lookup whose caller was interrupted is counted for ever',
    ],
    [
      '    this.#host.answered(request, true);\n',
      '',
      'the bucket is still waited for on behalf of a caller that gave up',
    ],
    ['if (written !== 0) fs.holdAttributes(written);', '', 'a write shows before it is answered'],
    [
      'const bytes = Buffer.from(reply.bytes.subarray(0, length));',
      'const bytes = reply.bytes.subarray(0, length);',
      'a deferred answer is overwritten by the next one',
    ],
    [
      'if (request.headerError !== 0) return request.headerError;',
      '',
      'a request with a wrong header is carried out',
    ],
    [
      'if (this.#session === undefined) return Errno.EIO;',
      '',
      'requests are carried out before anything was negotiated',
    ],
    [
      'if (offer === undefined || this.#session !== undefined) return Errno.EIO;',
      'if (offer === undefined) return Errno.EIO;',
      'a second INIT changes the session',
    ],
    [
      'if (!request.beginArguments(operation.argumentBytes)) return Errno.EIO;',
      'request.beginArguments(operation.argumentBytes);',
      'a request that is too short is carried out',
    ],
    [
      '      this.#exchange.fs.begin(request.number);\n      return',
      '      return',
      'a request is carried out under the number of another one',
    ],
    ['if (uniqueLo === 0 && uniqueHi === 0) return false;', '', 'number 0 is answered'],
    [
      "if (operation?.gives === 'listing') listing.forgetAll();\n    else if",
      'if',
      'the lookups of a listing that the kernel did not take are counted for ever',
    ],
    [
      "else if (operation?.gives === 'entry' && entry.nodeId !== 0) fs.forget(entry.nodeId, 1);",
      '',
      'a lookup that the kernel did not take is counted for ever',
    ],
    [
      '      this.#host.release(parked.slot);\n',
      '',
      'the slot of an interrupted request is never free again',
    ],
    [
      'this.#exchange.fs.interrupted(requestNumber(parked.uniqueLo, parked.uniqueHi));',
      '',
      'a session goes on being opened for a caller that gave up',
    ],
    [
      'this.#sendError(parked.uniqueLo, parked.uniqueHi, Errno.EINTR);',
      '',
      'an interrupted call hangs for ever',
    ],
    [' && this.#host.mayBeLost()) {', ') {', 'a request that is being synced is answered EINTR'],
    [
      'if (!isWrite || !fs.wasCarriedOut(request.number)) {',
      'if (!isWrite) {',
      'a cut WRITE that was never carried out is success',
    ],
    [
      '    this.#slot.bind(retried);\n',
      '    this.#slot.bind(undefined);\n',
      'a retried request keeps its slot for ever',
    ],
    [
      "else if (ending === 'park') this.#park();",
      "else if (ending === 'park') this.#drop();",
      'a request that has to wait is forgotten',
    ],
  ]),
  ...fearedIn('src/drivers/direct/parking.ts', DIRECT, [
    ['uniqueHi & 0x7fff_ffff', 'uniqueHi', 'a request that the kernel sent again is carried out twice'],
    ['    this.#requests.clear();\n', '', 'a parked request is carried out again and again'],
    ['    this.#requests.delete(key);\n', '', 'an interrupted request is carried out all the same'],
    [
      'if (this.#kept !== undefined) this.#host.release(this.#kept.slot);',
      '',
      'slots of parked requests are never free again',
    ],
    ['    if (this.#kept === undefined) {\n', '    {\n', 'each round of waiting takes another slot'],
    [
      'slot === 0 ? undefined : this.#in(slot, this.#request.copyBytes())',
      'undefined',
      'a request that an earlier server kept stays in its slot when it is answered',
    ],
  ]),
  ...fearedIn(
    'src/drivers/direct/in-flight.ts',
    ['drivers/direct/in-flight.test.ts'],
    [
      [
        'if (last !== undefined && !found.some(({ number }) => number === last.number)) found.push(last);',
        'if (last !== undefined) found.push(last);',
        'the request that was being served is carried out twice',
      ],
      [
        'if (last !== undefined && !found.some(({ number }) => number === last.number)) found.push(last);',
        '',
        'the request that was being served is forgotten',
      ],
      [
        'this.#last = Math.max(this.last, numberOf(bytes));',
        'this.#last = numberOf(bytes);',
        'the highest number falls back',
      ],
      [
        'const FREE = Buffer.alloc(LAST_AT);',
        'const FREE = Buffer.alloc(SLOT_HEADER);',
        'the highest number is wiped',
      ],
      [
        'return isWrite ? Math.min(length, WRITE_HEADERS) : length;',
        'return length;',
        'the data of each WRITE is copied once more',
      ],
      ['    freeSlot(this.#fd, SERVING);\n', '', 'an answered request is carried out by the next daemon'],
      ['if (slot !== NO_SLOT) freeSlot(this.#fd, slot);', '', 'slots are never free again'],
      [
        'if (length < fuse_in_header.SIZE || kept < fuse_in_header.SIZE || kept > KEPT_MAX) return undefined;',
        '',
        'lengths in the file of another daemon are believed',
      ],
      ['isWhole: kept === length', 'isWhole: true', 'a cut request passes for a whole one'],
      [
        'isOfMappedPages(bytes, length)) this',
        'isOfMappedPages(bytes, length) && length === 0) this',
        'before Linux 6.9 mapped pages that a dead daemon was handed are lost without an error',
      ],
      [
        'this.#keepsPages && isOfMappedPages',
        '(this.#keepsPages || length > 0) && isOfMappedPages',
        'what files hold lies on a disk in plain text',
      ],
      ['&& numberOf(bytes) === number;', ';', 'pages are written again that an older request had'],
    ],
  ),
  ...fearedIn('src/drivers/direct/request.ts', REQUEST, [
    [
      'if (length < HEADER_BYTES || length > bytes.length) return false;',
      'if (length > bytes.length) return false;',
      'less than a header is read as one',
    ],
    ['lengthIsTrue && this.#end', 'this.#end', 'a request says another length than it has'],
    ['this.#end >= HEADER_BYTES && node', 'node', 'extensions reach into the header'],
    ['&& node !== undefined;', ';', 'a node number beyond 2^53 is rounded'],
    [
      'return this.#cursor <= this.#end;',
      'return this.#cursor <= this.#length;',
      'extensions are read as arguments',
    ],
    ['if (at + size > this.#end) throw', 'if (false) throw', 'a field is read beyond the request'],
    ['if (this.#bytes[at] === SLASH) return Errno.EINVAL;', '', 'a name has a slash in it'],
    ['return this.#isDots(start, length) ? Errno.EINVAL : text;', 'return text;', "'.' and '..' are names"],
    ['if (at >= this.#end) return Errno.EIO;', '', 'a name without its NUL is taken'],
    ['if (at === start) return Errno.EINVAL;', '', 'an empty name is taken'],
    ['if (at - start > maxBytes) return Errno.ENAMETOOLONG;', '', 'a name of any length is taken'],
    [
      "return isUtf8(bytes.subarray(start, at)) ? bytes.toString('utf8', start, at) : Errno.EILSEQ;",
      "return bytes.toString('utf8', start, at);",
      'a name that is not UTF-8 becomes another one',
    ],
    ['return Number.isSafeInteger(value) ? value : undefined;', 'return value;', 'a time is rounded'],
    [
      'return Buffer.from(this.#bytes.subarray(0, this.#length));',
      'return this.#bytes.subarray(0, this.#length);',
      'a request that waits is overwritten by the next one',
    ],
    [
      'uniqueHi & ~FUSE_UNIQUE_RESEND_HI',
      'uniqueHi >>> 0',
      'a request that is sent again has another number',
    ],
  ]),
];
