/** The library: what a program that mounts by itself relies on. */
import { fearedIn } from '../mutation.ts';

const MOUNT = ['api/mount.test.ts'];
const OPTIONS = ['api/options.test.ts'];

export const libraryMutations = [
  ...fearedIn('src/api/options.ts', OPTIONS, [
    [
      '{ ...takeSecrets(env), ...keysOf(options) }',
      '{ ...keysOf(options) }',
      'the key of the environment is lost',
    ],
    [
      'const env = { ...environment };',
      'const env = environment;',
      'the program loses the key from its own environment',
    ],
    [
      'delete env[variable];',
      'void variable;',
      'a key that is given does not take the place of another way to get one',
    ],
    ['return value.toString(8);', 'return value.toString(10);', 'the umask 0o022 becomes 18'],
  ]),
  ...fearedIn('src/api/mount.ts', MOUNT, [
    [
      'if (!readOnly && status.mode !== config.storageType) throw',
      'if (false) throw',
      'a program that asked for backups is given a mount without a bucket',
    ],
    [
      'if (!readOnly && config.cacheIsNamed && !config.cacheInMemory &&',
      'if (false &&',
      'a program is given the sessions of another cache',
    ],
  ]),
  ...fearedIn('src/api/launch.ts', MOUNT, [
    ["signal?.addEventListener('abort', end);", '', 'a start that is given up goes on'],
  ]),
];
