/**
 * The driver that mounts are tried on. test/fuse-native runs some files a second time with the other one; what
 * cannot be had there is listed here by name, with the heading in docs/semantics.md that says so.
 */
import { type TestContext, test } from 'node:test';
import type { Driver } from '../../src/drivers/choose.ts';

export const driverUnderTest: Driver =
  process.env.SESSIONFS_TEST_DRIVER === 'fuse-native' ? 'fuse-native' : 'direct';

export const isNative = driverUnderTest === 'fuse-native';

/** By heading: tests of the direct driver that are no tests of fuse-native. */
export const notOnFuseNative: Readonly<Record<string, readonly string[]>> = {
  'fuse-native: times are whole milliseconds from 1970 on, and set both or not at all': [
    'modification times keep their nanoseconds, also across a remount',
    'Times before 1970 become 1970 with a remount',
  ],
  'fuse-native: what another user makes belongs to the mount’s owner': [
    'another user gets in exactly as far as the permissions say',
    'in a sticky folder only its owner and the file’s remove a file',
  ],
  'fuse-native: a write leaves set-id bits as they are': [
    'a write by another user than root takes the set-id bits away',
  ],
  'fuse-native: a rename has no flags': [
    'RENAME_NOREPLACE refuses to replace, RENAME_EXCHANGE swaps, and both at once are invalid',
  ],
  'fuse-native: space cannot be reserved': ['fallocate reserves nothing and punches no holes'],
  'fuse-native: a file can be mapped for reading only': [
    'What is written through mmap passes the gate when the kernel writes it back',
    'a mapped page that a full disk does not take is not lost',
  ],
  'fuse-native: stat sees a new `*.json` while its maker has it open': [
    'A new `*.json` does not exist until it is complete',
    'A second creator of an unfinished `*.json` goes on with the first one’s file',
    'inotify tells of a new `*.json` before it can be opened',
  ],
  'fuse-native: an open file is out of reach when its folder is removed': [
    'A folder that holds only unfinished files can be removed',
  ],
  'fuse-native: a daemon that dies takes the mount along for a moment': [
    'daemons are killed while callers wait for a restore: they get it all the same',
    'daemons are killed while callers wait for a restore: they get it all the same, on a kernel that sends nothing again',
    'writes that wait when the daemon is killed are stored once and answered by the next one',
  ],
  'fuse-native: a call that waits for a restore cannot be killed': [
    'a caller that waits behind another one for the same name goes on when that one is killed',
    'an outage makes calls wait; they can be killed, and go on when it ends',
  ],
};

const excluded = new Set(isNative ? Object.values(notOnFuseNative).flat() : []);

export function isExcluded(name: string): boolean {
  return excluded.has(name);
}

type TestFunction = (t: TestContext) => void | Promise<void>;

/** A test of the direct driver that is none of fuse-native, whose name the list must have. */
export function directTest(
  name: string,
  ...rest: [TestFunction] | [{ timeout?: number }, TestFunction]
): void {
  if (!Object.values(notOnFuseNative).flat().includes(name)) throw new Error(`not in the list: ${name}`);
  if (isExcluded(name)) return;
  const [options, run] = rest.length === 2 ? rest : [{}, rest[0]];
  void test(name, options, run);
}
