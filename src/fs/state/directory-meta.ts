/** A directory's attributes, as they lie sealed in journal and cache. */
import type { Keyring } from '../../crypto/keyring.ts';
import { openSealed } from '../../crypto/sealed-file.ts';
import { directoryName } from '../../naming/sealed-name.ts';
import type { DirectoryNode } from '../model/node.ts';
import type { Log, Owner } from '../model/options.ts';
import { applyMeta } from './contents.ts';
import { timesOf } from './times.ts';

interface Parts {
  keyring: Keyring;
  owner: Owner;
  log: Log;
  /**
   * The kernel may keep a listing of the directory. It takes that for the present one where the directory has the time that it
   * had then, as the seal may have it.
   */
  keepsTimes: boolean;
}

/** Without `sealed`, or when it does not open (said in the log), the directory keeps what it has. */
export function applyDirectoryMeta(
  { keyring, owner, log, keepsTimes }: Parts,
  node: DirectoryNode,
  path: string,
  sealed: Buffer | undefined,
): void {
  if (sealed === undefined || sealed.length === 0) return;
  try {
    const present = timesOf(node);
    applyMeta(node, openSealed(keyring, directoryName(path), sealed).meta, owner);
    if (keepsTimes) Object.assign(node, present);
  } catch (error) {
    log({
      level: 'error',
      message: 'the attributes of a directory do not open; it gets the default ones',
      fields: { directory: path, error: String(error) },
    });
  }
}
