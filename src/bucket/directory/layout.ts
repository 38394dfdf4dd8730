/**
 * Where a directory keeps a bucket. The objects lie in it under their own names, as `gsutil cp -r` would put them; beside
 * them, in `.sessionfs-objects`, under the SHA-256 of an object's name:
 *
 *     format             written last when the directory is set up: without it, this is no bucket (or the disk is not mounted)
 *     versions/AB/HASH   the version that lies there: name, generation, size, checksum, metadata
 *     pending/HASH       the version that is about to lie there
 *     data/HASH.GENERATION   its content, until it is moved to its name
 *     locks/HASH         the process that changes the object
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { BucketError } from '../bucket-error.ts';

const OWN_FOLDER = '.sessionfs-objects';
/** Of a name in a directory, in bytes, on every usual disk; and of an object's whole name, as at Google. */
const COMPONENT_MAX = 255;
const NAME_MAX = 1024;

/** Whether the directory is a bucket. Opening any other one would make it one. */
export function isBucketDirectory(path: string): boolean {
  return existsSync(new DirectoryLayout(path).format);
}

export class DirectoryLayout {
  readonly root: string;
  readonly own: string;

  constructor(root: string) {
    this.root = root;
    this.own = join(root, OWN_FOLDER);
  }

  /** Whether a file of this name, or a folder with a slash at its end, may be an object or hold one. */
  isObject(path: string): boolean {
    return isUsable(path.replace(/\/$/, ''));
  }

  get format(): string {
    return join(this.own, 'format');
  }

  folder(kind: 'versions' | 'pending' | 'data' | 'locks'): string {
    return join(this.own, kind);
  }

  /** Throws 'rejected' for a name that would lie elsewhere, or nowhere. */
  object(name: string): ObjectPaths {
    if (!isUsable(name)) {
      const shown = JSON.stringify(name.slice(0, 80));
      throw new BucketError('rejected', `an object in a directory cannot be called ${shown}`);
    }
    const hash = hashOf(name);
    const versionFolder = join(this.folder('versions'), hash.slice(0, 2));
    return {
      name,
      file: join(this.root, ...name.split('/')),
      versionFolder,
      version: join(versionFolder, hash),
      pending: join(this.folder('pending'), hash),
      lock: join(this.folder('locks'), hash),
      data: (generation) => join(this.folder('data'), `${hash}.${generation}`),
    };
  }
}

export interface ObjectPaths {
  readonly name: string;
  readonly file: string;
  readonly versionFolder: string;
  readonly version: string;
  readonly pending: string;
  readonly lock: string;
  data(generation: string): string;
}

/** What stands in `pending` and `locks` for an object. */
export function hashOf(name: string): string {
  return createHash('sha256').update(name).digest('hex');
}

function isUsable(name: string): boolean {
  const components = name.split('/');
  const isPlain = (part: string) =>
    part !== '' && part !== '.' && part !== '..' && Buffer.byteLength(part) <= COMPONENT_MAX;
  return (
    components.every(isPlain) &&
    components[0] !== OWN_FOLDER &&
    !/[\0\r\n]/.test(name) &&
    // Half a surrogate pair would become another name.
    Buffer.from(name).toString() === name &&
    Buffer.byteLength(name) <= NAME_MAX
  );
}
