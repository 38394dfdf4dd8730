/** The databases that a bucket has, which is a directory, looked at without a mount. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Keyring } from '../../../src/crypto/keyring.ts';
import { openSealed } from '../../../src/crypto/sealed-file.ts';
import { toObjectName } from '../../../src/naming/object-name.ts';
import type { Scope } from '../../support/cleanup.ts';
import { contentOf } from '../../support/sqlite-files.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { type Account, SESSION } from '../support.ts';

export class StoredDatabases {
  readonly #directory: string;
  readonly #keyring: Keyring;
  readonly #scratch: string;

  constructor(scope: Scope, { bucket, key }: Account) {
    this.#directory = bucket.slice('file://'.length);
    this.#keyring = Keyring.fromHex(key);
    this.#scratch = join(temporaryDirectory(scope), 'scratch');
  }

  /** Nothing that lies beside one is an object. */
  assertOnlyDatabases(): void {
    const others = this.#names().filter((name) => /-(wal|shm|journal)$/.test(name));
    assert.deepEqual(others, [], 'a file beside a database became an object');
  }

  #names(): string[] {
    const folder = join(this.#directory, toObjectName(SESSION, 'directory'));
    return existsSync(folder) ? readdirSync(folder) : [];
  }

  /** Fails where the database is damaged. */
  rows(name: string): Record<string, unknown[]> {
    const path = `${SESSION}/${name}`;
    const { plain } = openSealed(this.#keyring, path, readFileSync(this.#locate(path)));
    return contentOf(this.#scratch, { database: plain, log: undefined, journal: undefined }) as Record<
      string,
      unknown[]
    >;
  }

  /** Changes with each upload. */
  version(name: string): string {
    const { ino, mtimeMs } = statSync(this.#locate(`${SESSION}/${name}`));
    return `${ino} ${mtimeMs} ${readFileSync(this.#locate(`${SESSION}/${name}`))
      .subarray(48, 64)
      .toString('hex')}`;
  }

  #locate(path: string): string {
    return join(this.#directory, toObjectName(path, 'file'));
  }
}
