import { fearedIn } from '../mutation.ts';

const FOLD = ['sqlite/fold.test.ts'];
const ROW = ['sqlite/row.test.ts'];
const REGISTRATIONS = ['fs/database-registrations.test.ts'];
const SYNC = ['sync/databases.test.ts'];
const CUT = ['fs/database-cuts.test.ts'];

export const sqliteMutations = [
  ...fearedIn('src/sqlite/write-ahead-log.ts', FOLD, [
    ['if (!fits(at)) return;', '', 'a torn frame is folded in'],
    ['if (databasePages === 0) continue;', '', 'an unfinished transaction is folded in'],
    ['if (number <= databasePages)', '', 'a page that a later transaction cut off is folded in'],
  ]),
  ...fearedIn('src/sqlite/rollback-journal.ts', FOLD, [
    [
      'if (view.getUint32(at + NUMBER_BYTES + pageBytes) !== sum) return undefined;',
      '',
      'a torn record is played back',
    ],
    [
      'resized(database, databasePages * pageBytes, maxBytes)',
      'database',
      'pages that the transaction added stay',
    ],
    [
      'at = Math.ceil(end / sectorBytes) * sectorBytes;',
      'at = end;',
      'only the first part of a journal is played back',
    ],
  ]),
  ...fearedIn('src/sqlite/cell.ts', ROW, [
    [
      'return wanted <= most ? wanted : least;',
      'return least;',
      'a row that reaches over its page is read wrongly',
    ],
  ]),
  ...fearedIn('src/sqlite/row.ts', ROW, [
    [
      'const isUtf8 = !value.isText || this.#encoding < UTF16LE;',
      'const isUtf8 = true;',
      'credentials in UTF-16 are no credentials',
    ],
    [
      'this.#pages.pageBytes - view.getUint8(20)',
      'this.#pages.pageBytes',
      'what is reserved of each page is taken for content',
    ],
    ['if (at + 4 > this.#usableBytes)', 'if (false)', 'a place in a page is believed'],
    [
      'room -= payload.local.length;',
      '',
      'a page that names one row again and again holds up all calls for minutes',
    ],
  ]),
  ...fearedIn('src/sqlite/row.ts', ROW, [
    [
      'if (this.#cells > CELLS_MAX)',
      'if (false)',
      'a table of millions of rows that lie in one place holds up all calls',
    ],
  ]),
  ...fearedIn(
    'src/fs/state/log-states.ts',
    ['fs/log-states.test.ts'],
    [
      ['if (after !== row) steps -= after.steps;', '', 'a log of 64 MB holds up all calls for minutes'],
      [
        "if (row.registration.kind === 'registered' && after.isKnown) steps -= STEPS_PER_LOSS;",
        '',
        'a log writes a database for each of its thousands of transactions',
      ],
      [
        'if (isRest) some = [...some, ...left.splice(0).reverse().flat()];',
        'if (isRest) left.splice(0);',
        'what is left of a long log is never looked at',
      ],
      [
        'left.push(some.slice(half), some.slice(0, half));',
        'left.push(some.slice(0, half), some.slice(half));',
        'states are visited out of their order',
      ],
      [
        'if (isSteady(row, after)) steady(after);',
        'if (after === row) steady(after);',
        'each state is looked at by itself',
      ],
    ],
  ),
  ...fearedIn('src/sqlite/write-ahead-log.ts', ROW, [
    [
      'if ([...transaction.pages].some(isIn)) end = transaction.end;',
      '',
      'a log that does not fit to its database any more is taken for what was before',
    ],
    [
      'view.getUint32(at + 8) !== salt[0] || view.getUint32(at + 12) !== salt[1]',
      'false',
      'what is left of an earlier use of a log is taken for transactions',
    ],
  ]),
  ...fearedIn('src/fs/state/database-registrations.ts', REGISTRATIONS, [
    [
      'return this.#due.has(log) || !this.#watches.has(log) ? this.#lookAt(database, log) : 0;',
      'return 0;',
      'a checkpoint takes the registration with it',
    ],
    [
      'this.#due.has(log) || !this.#watches.has(log) ?',
      'this.#due.has(log) ?',
      'a daemon that takes over lets a checkpoint take the registration with it',
    ],
    [
      'return at === 0 && !isJournal(data) ? this.#journalEnds(beside.database, node) : NOTHING;',
      'return NOTHING;',
      'a transaction with a journal that persists takes the registration with it',
    ],
    [
      'const until = bytes.subarray(0, watch.position);',
      'const until = bytes;',
      'the database is kept without the registration',
    ],
    [
      'if (goesOn(removal.registration, value)) {',
      'if (false) {',
      'credentials that come back in time are told of',
    ],
    [
      'this.#asideGoes(removal.aside);',
      ';',
      'a database that was moved aside is not kept when another one comes',
    ],
  ]),
  ...fearedIn(
    'src/kit/export/restore-session.ts',
    ['kit/export/restore-session.test.ts'],
    [
      [
        'for (const { path } of companionsOf(name)) remove(folder, path);',
        '',
        'a restored database finds the log of the one before',
      ],
      [
        'if (creds !== undefined && isPaired(creds))',
        'if (false)',
        'a restore replaces newer credentials in a database',
      ],
    ],
  ),
  ...fearedIn('src/sqlite/fold.ts', FOLD, [
    [
      'journal === undefined ? database : rollBack(database, journal, maxBytes)',
      'database',
      'an unfinished transaction is stored',
    ],
  ]),
  ...fearedIn('src/sqlite/cut.ts', CUT, [
    [
      'journal: journal && isOver(source, path, journal) ? undefined : journal,',
      'journal,',
      'a committed transaction over several databases is taken back',
    ],
    [
      'if (opened !== undefined) beside.set(kind, opened);',
      'if (opened !== undefined && kind !== kind) beside.set(kind, opened);',
      'what lies beside a database is left out',
    ],
  ]),
  ...fearedIn('src/fs/operations/database-cuts.ts', CUT, [
    [
      'visibleCopy(node)?.view() ?? core.contents.read(node, path)',
      'core.contents.read(node, path)',
      'the database is of one instant and its log of another',
    ],
  ]),
  ...fearedIn(
    'src/remote/databases.ts',
    ['remote/databases.test.ts'],
    [
      [
        'return isCurrent && isSameMeta',
        'return isSameMeta',
        'a database is lost in the bucket with the key that sealed it before',
      ],
      ['    if (await this.#isThere(path, image)) return;\n', '', 'a checkpoint alone is uploaded'],
    ],
  ),
  ...fearedIn('src/sync/backup/database-images.ts', SYNC, [
    [
      "if (entry.local !== 'same' || entry.change !== before) return before;",
      "if (entry.local !== 'same') return entry.change;",
      'what changes while an image is made is taken for stored',
    ],
    ['    this.#ledger.touched(entry);\n', '', 'a transaction in the log alone is never stored'],
    [
      'isNoted && this.#changes.get(entry) === entry.change',
      'isNoted',
      'a transaction that comes while an image is made is never stored',
    ],
  ]),
  ...fearedIn('src/sync/restore/restore-session.ts', SYNC, [
    [
      '  return setCompanionsAside(parts, name, parts.nowMs(), touched);\n',
      '  return [];\n',
      'a log of another version destroys a database that was restored',
    ],
  ]),
  ...fearedIn('src/sync/reconcile/conflict.ts', SYNC, [
    ['withDatabases(ledger, changed)', 'changed', 'a conflict leaves a database without its log'],
  ]),
];
