/** Numbers that a page tells its readers are constants of the source. A row that fails names the page to correct. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { repository } from './support/repository.ts';

const OPERATIONS = 'docs/operations.md';
const SEMANTICS = 'docs/semantics.md';

/** A page, what it says, a file, and the line of it that makes it true. */
const limits: readonly (readonly [string, string, string, string])[] = [
  [
    'README.md',
    'a file reaches the cache within 10 s',
    'src/store/checkpoint/schedule.ts',
    'INTERVAL_MS = 10_000;',
  ],
  [OPERATIONS, 'ten times in a row', 'src/supervisor/restart-policy.ts', 'REFUSALS_MAX = 10;'],
  [OPERATIONS, 'at most half a second later', 'src/supervisor/restart-policy.ts', 'DELAY_MAX_MS = 500;'],
  [
    OPERATIONS,
    'After the third crash its caller gets EIO',
    'src/supervisor/fatal-requests.ts',
    'DEATHS_MAX = 3;',
  ],
  [
    OPERATIONS,
    'less than 512 MiB of memory',
    'src/supervisor/standby.ts',
    'MEMORY_NEEDED_BYTES = 512 * 1024 * 1024;',
  ],
  [OPERATIONS, 'less than 100 processes', 'src/supervisor/standby.ts', 'TASKS_NEEDED = 100;'],
  [OPERATIONS, 'is started 5 seconds after a daemon serves', 'src/supervisor/standby.ts', '?? 5_000);'],
  [OPERATIONS, 'at least 1.5 times that', 'src/lease/times.ts', 'RENEWALS_IN_GRANT = 1.5;'],
  [OPERATIONS, 'at least 1.25 times that', 'src/lease/times.ts', 'TAKE_OVER_MARGIN = 1.25;'],
  [OPERATIONS, 'After a minute of waiting', 'src/lease/times.ts', 'PATIENT_AFTER_MS = 60_000;'],
  [OPERATIONS, 'it is 5 times as long', 'src/lease/times.ts', 'PATIENT_FACTOR = 5;'],
  [OPERATIONS, 'Of more than 64 connections', 'src/observe/http.ts', 'CONNECTIONS_MAX = 64;'],
  [OPERATIONS, 'are cut off after 5 s', 'src/observe/http.ts', 'CLIENT_TIMEOUT_MS = 5_000;'],
  [OPERATIONS, 'makes a report every 2 s', 'src/observe/status-page/status-page.ts', 'INTERVAL_MS = 2_000;'],
  [
    OPERATIONS,
    'Eight pages may be open at a time',
    'src/observe/status-page/status-page.ts',
    'LISTENERS_MAX = 8;',
  ],
  [OPERATIONS, 'of more than 5,000 sessions', 'src/observe/status-page/view.ts', 'ROWS_MAX = 5_000;'],
  [
    OPERATIONS,
    'Ten versions of a session',
    'src/store/set-aside/kept-versions.ts',
    'KEPT_VERSIONS_MAX = 10;',
  ],
  [
    OPERATIONS,
    '5 s later the session still has other files',
    'src/fs/state/kept-registrations.ts',
    'LOGOUT_MS = 5_000;',
  ],
  [
    OPERATIONS,
    'unless there are more than 50,000 files',
    'src/cli/status.ts',
    'FILES_LOOKED_AT_MAX = 50_000;',
  ],
  [
    OPERATIONS,
    'Files of up to 256 KiB',
    'src/store/checkpoint/trash.ts',
    'RECENT_FILE_BYTES_MAX = 256 * 1024;',
  ],
  [OPERATIONS, 'up to a minute before `creds.json`', 'src/store/checkpoint/trash.ts', 'RECENT_MS = 60_000;'],
  [
    OPERATIONS,
    'is larger than 64 MiB',
    'src/store/checkpoint/trash.ts',
    'ARCHIVE_BYTES_MAX = 64 * 1024 * 1024;',
  ],
  [OPERATIONS, 'and has a minute', 'src/crypto/key-command.ts', 'TIMEOUT_MS = 60_000;'],
  [
    OPERATIONS,
    'more than 512 MiB',
    'src/fs/startup/import-plain.ts',
    'SESSION_BYTES_MAX = 512 * 1024 * 1024;',
  ],
  [
    OPERATIONS,
    '200,000 files and folders',
    'src/fs/startup/import-plain.ts',
    'SESSION_ENTRIES_MAX = 200_000;',
  ],
  [
    'docs/api.md',
    'they reject with `MOUNT_NOT_ANSWERING` after 5 s',
    'src/api/mount-status.ts',
    'ANSWER_TIMEOUT_MS = 5000;',
  ],
  [
    OPERATIONS,
    'An object is written at most once a second',
    'src/sync/backup/request-pacer.ts',
    'OBJECT_INTERVAL_MS = 1_000;',
  ],
  [SEMANTICS, 'and for ten seconds after that', 'src/fs/state/oversized-content.ts', 'REST_MS = 10_000;'],
  [
    SEMANTICS,
    'Incomplete JSON is given up after 10 seconds',
    'src/fs/model/options.ts',
    'gateIdleMs: 10_000 }',
  ],
  [SEMANTICS, 'becomes a version after 5 s', 'src/fs/operations/pending.ts', 'BUSY_MS = 5_000;'],
  [SEMANTICS, '100 ms more for each MiB', 'src/fs/operations/pending.ts', 'IDLE_MS_PER_MIB = 100;'],
  [
    SEMANTICS,
    'all such files together to 256 MiB',
    'src/fs/startup/open.ts',
    'UNLINKED_BYTES = 256 * 1024 * 1024;',
  ],
  [SEMANTICS, '"none" is valid for 3 s', 'src/fs/state/remote.ts', 'NAME_VALID_MS = 3_000;'],
  ['docs/containers.md', '| 96 MB |', 'src/supervisor/limits.ts', 'memoryBytes: 96 * MB'],
  ['docs/containers.md', '| 40 |', 'src/supervisor/limits.ts', 'tasks: 40 '],
];

function textOf(file: string): string {
  return readFileSync(join(repository, file), 'utf8').replace(/\s+/g, ' ').toLowerCase();
}

test('limits that a page names are those of the source', () => {
  const wrong = limits.flatMap(([page, phrase, file, line]) => [
    ...(textOf(page).includes(phrase.toLowerCase()) ? [] : [`${page} does not say: ${phrase}`]),
    ...(textOf(file).includes(line.toLowerCase()) ? [] : [`${file} has no ${line} (${page}: ${phrase})`]),
  ]);
  assert.deepEqual(wrong, []);
});
