/** Commands for the operator: what a command line may do to keys, mounts and sessions. */
import { fearedIn } from '../mutation.ts';

const ARGUMENTS = ['cli/arguments.test.ts'];
const KEYGEN = ['cli/keygen.test.ts'];
const FLUSH = ['cli/flush.test.ts'];

export const operatorMutations = [
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
  ]),
  ...fearedIn('src/crypto/key-file.ts', KEYGEN, [
    ['  if (isNew) return;\n', '  return;\n', 'keygen reports a key that it did not write'],
  ]),
  ...fearedIn('src/cli/flush.ts', FLUSH, [
    ['await order(path, session ?? ALL);', '', 'flush says that all is in the bucket, and asks for nothing'],
  ]),
  ...fearedIn('src/cli/unmount.ts', FLUSH, [
    ['if (await isMountPoint(path)) await unmountByForce(path);', '', 'a forced unmount leaves a dead mount'],
  ]),
];
