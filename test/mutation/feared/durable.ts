import { fearedIn } from '../mutation.ts';

const FILES = ['lib/durable-files.test.ts'];
const OPERATIONS = [
  'store/journal-sync.test.ts',
  'store/journal-durability.test.ts',
  'store/cache-durability.test.ts',
];
const DIRECTORY = ['bucket/directory-durability.test.ts', 'bucket/directory.test.ts'];

export const durableMutations = [
  ...fearedIn('src/lib/durable-files.ts', FILES, [
    ['    await file.sync();\n', '', 'a written file is not synced'],
    ['  await syncDirectory(dirname(to));\n', '', 'a new name is not synced'],
    [
      '  if (dirname(from) !== dirname(to)) await syncDirectory(dirname(from));\n',
      '',
      'an old name may come back',
    ],
    ['    await directory.sync();\n', '', 'a directory is not synced'],
    ['    fs.fsyncSync(directory);\n', '', 'a directory is not synced, in a thread that never awaits'],
    ["await open(path, 'w', 0o600)", "await open(path, 'w')", 'a durable file is readable by others'],
  ]),
  ...fearedIn('src/lib/file-operations.ts', OPERATIONS, [
    ['    await files.fsync(fd);\n', '', 'names in the journal and the cache are not durable'],
  ]),
  ...fearedIn(
    'src/lib/backoff.ts',
    ['lib/backoff.test.ts'],
    [
      ['Math.min(maxMs, minMs * 2', '(minMs * 2', 'a pause grows to days'],
      ['2 ** Math.min(failures, DOUBLINGS_MAX)', '2', 'what fails for hours is asked for all the time'],
      ['(1 - jitter + jitter * random)', '1', 'all that failed together try again together'],
      ['{ signal }).catch(() => {});', '{}).catch(() => {});', 'a pause outlasts the mount'],
      ['.catch(() => {});', ';', 'the end of a mount is an error'],
    ],
  ),
  ...fearedIn('src/bucket/directory/files.ts', DIRECTORY, [
    ['    await syncDirectory(dirname(made));\n', '', 'the folder of an object is not durable'],
    ['if (made === first) return;', 'return;', 'only the last of several new folders is durable'],
  ]),
  ...fearedIn('src/bucket/directory/objects.ts', DIRECTORY, [
    [
      'await writeDurably(data, bytes);',
      'void (await import("node:fs")).writeFileSync(data, bytes);',
      'the content of an object is not synced',
    ],
    [
      '      await syncDirectory(dirname(paths.file));\n',
      '',
      'a deleted object comes back after a power cut',
    ],
    [
      'await renameDurably(draft, paths.pending);',
      '(await import("node:fs")).renameSync(draft, paths.pending);',
      'the record of what is to come is not durable',
    ],
    [
      'return await renameDurably(data, file);',
      'return (await import("node:fs")).renameSync(data, file);',
      'the name of an object is not durable',
    ],
    [
      'await renameDurably(paths.pending, paths.version);',
      '(await import("node:fs")).renameSync(paths.pending, paths.version);',
      'the record of a version is not durable',
    ],
    [
      '      if (found && isOwn(found, upload)) return found;\n',
      '',
      'an upload whose answer was lost is a conflict',
    ],
    ['      throw changed(paths.name, found);\n    }', '    }', 'a put replaces a newer version'],
  ]),
];
