/** What another user of the machine must not make root do. */
import { fearedIn } from '../mutation.ts';

export const privateMutations = [
  ...fearedIn(
    'src/daemon/http-token.ts',
    ['daemon/http-token.test.ts'],
    [['if (!stats.isFile())', 'if (false)', 'a start waits for ever for a token from a FIFO']],
  ),
  ...fearedIn(
    'src/lib/open-directory.ts',
    ['lib/open-directory.test.ts', 'fs/import-plain.test.ts'],
    [
      [
        'const SAFELY = constants.O_NOFOLLOW | constants.O_NONBLOCK;',
        'const SAFELY = constants.O_NONBLOCK;',
        "root reads another user's file through a link",
      ],
      ['if (!stats.isFile())', 'if (false)', 'a FIFO or a device is read as a session'],
      ['return length === size ?', 'return length >= size ?', 'a file that grows meanwhile is taken, cut'],
    ],
  ),
  ...fearedIn(
    'src/lib/private-path.ts',
    ['lib/private-path.test.ts'],
    [
      [
        'if (!isTrusted(found) && (isSticky(stats) || !found.isSymbolicLink())) return ofAnother(place, found);',
        '',
        "root's cache lies in a folder that another user owns",
      ],
      [
        '(stats.mode & WRITABLE_BY_OTHERS) === 0 || isSticky(stats)',
        'true',
        "root's cache lies in a folder that other users may write",
      ],
      ['users + Number(', 'users + 2 * Number(', 'an ordinary user is refused a folder of their own'],
    ],
  ),
  ...fearedIn(
    'src/fs/startup/import-plain.ts',
    ['fs/import-plain.test.ts'],
    [
      [
        '!owner.ownsAll && stats.uid !== folderOwner && stats.uid !== owner.uid',
        'false',
        "a link of another user's file is imported, and its content given to the mount's owner",
      ],
      ['if (size > maxFileSize) {', 'if (false) {', 'a file of any size is read into memory'],
    ],
  ),
];
