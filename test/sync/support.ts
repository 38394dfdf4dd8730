/** A cache, its ledger and a bucket, with the mount played by the test. */
import { readFileSync } from 'node:fs';
import { isDeletedMark } from '../../src/bucket/deleted-mark.ts';
import { type Clock, systemClock } from '../../src/lib/clock.ts';
import { fromObjectName, toObjectName } from '../../src/naming/object-name.ts';
import { createLogger, type Logger } from '../../src/observe/log.ts';
import { Cache } from '../../src/store/cache/cache.ts';
import type { DatabaseImages, MadeImages } from '../../src/sync/backup/database-images.ts';
import { BucketSync } from '../../src/sync/bucket-sync.ts';
import { ForeignObjects } from '../../src/sync/foreign-objects.ts';
import { Ledger } from '../../src/sync/ledger/ledger.ts';
import type { SealVerdict } from '../../src/sync/restore/download.ts';
import type { SessionContent } from '../../src/sync/restore/restorer.ts';
import { UNSHARED, type WriteGrants } from '../../src/sync/write-grant.ts';
import { cleanUp, type Scope } from '../support/cleanup.ts';
import type { MemoryBucket } from '../support/memory-bucket.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { until } from '../support/until.ts';

export interface Line {
  level: string;
  msg: string;
  session?: string;
  [field: string]: unknown;
}

const NO_DATABASES: MadeImages = { made: [], failed: new Map(), companions: [] };

/** No other mount uses the bucket. */
const alone: WriteGrants = {
  grant: async () => UNSHARED,
  verify: async () => true,
  floorRaised: async () => {},
  isLost: () => false,
};

export class Machine {
  readonly cache: Cache;
  readonly ledger: Ledger;
  readonly bucket: MemoryBucket;
  readonly sync: BucketSync;
  readonly lines: Line[] = [];
  readonly restored: SessionContent[] = [];
  readonly absent = new Set<string>();
  readonly counted: string[] = [];
  /** The sessions that each comparison with the whole bucket left out. */
  readonly leftOut: string[][] = [];
  namesKnown = false;
  settle: () => Promise<void> = async () => {};
  emptied: (session: string) => void = () => {};
  readonly #listeners = new Set<() => void>();

  /** Sealed bytes open when they begin with "ok". */
  constructor(
    scope: Scope,
    bucket: MemoryBucket,
    options: {
      cachePath?: string;
      intervalMs?: number;
      listingPageMs?: number;
      grants?: WriteGrants;
      maxBytes?: number;
      clock?: Clock;
      wroteElsewhere?: boolean;
      databases?: DatabaseImages;
    } = {},
  ) {
    const cachePath = options.cachePath ?? temporaryDirectory(scope);
    this.bucket = bucket;
    this.cache = Cache.open(cachePath, { mountPoint: '/nowhere/sessions', keyId: '0011223344556677' });
    this.ledger = Ledger.open({
      cachePath,
      bucket: bucket.address,
      cachedObjects: () => this.#cached(),
    });
    this.sync = new BucketSync({
      bucket,
      ledger: this.ledger,
      cache: this.cache,
      verify: (_path, _meta, sealed) => verdictOf(sealed),
      isShownNewer: (_path, there, here) => there.equals(here) || writtenAt(there, 1) > writtenAt(here, 0),
      isDatabase: (path) => path.endsWith('.db'),
      databases: options.databases ?? { make: async () => NO_DATABASES },
      maxBytes: options.maxBytes ?? 1_000,
      grants: options.grants ?? alone,
      compared: (except) => this.leftOut.push([...except]),
      mount: {
        settle: () => this.settle(),
        absent: (sessions) => sessions.forEach((session) => void this.absent.add(session)),
        namesKnown: () => {
          this.namesKnown = true;
          this.#tell();
        },
        restored: (content) => {
          this.restored.push(content);
          this.#tell();
        },
      },
      events: {
        backup: (result, { files, deletes }) => this.#count(`backup ${result} ${files} ${deletes}`),
        emptied: (session) => this.emptied(session),
        restore: (result) => this.#count(`restore ${result}`),
        conflict: (setAside) => this.#count(`conflict ${setAside}`),
        refreshed: (objects) => this.#count(`refreshed ${objects}`),
      },
      log: this.#log(),
      intervalMs: options.intervalMs ?? 3_600_000,
      concurrency: 8,
      listingPageMs: options.listingPageMs ?? 10_000,
      clock: options.clock ?? systemClock,
      floorOf: () => 0,
      wroteElsewhere: () => options.wroteElsewhere ?? false,
      learnOwners: async () => {},
      rewriteOwners: async () => 0,
    });
    cleanUp(scope, async () => {
      await this.sync.end();
      this.ledger.close();
    });
  }

  /** As a checkpoint does. */
  async write(path: string, content: string): Promise<void> {
    await this.cache.put(path, Buffer.from(content));
    await this.ledger.changed([toObjectName(path, 'file')], []);
  }

  async delete(path: string): Promise<void> {
    await this.cache.remove(path);
    await this.ledger.changed([], [toObjectName(path, 'file')]);
  }

  read(path: string): string {
    return readFileSync(this.cache.files.locate(toObjectName(path, 'file')), 'utf8');
  }

  /** Resolves when `condition` holds, looked at whenever something happened. */
  async until(condition: () => boolean): Promise<void> {
    await until(condition, () => new Promise<void>((resolve) => this.#listeners.add(resolve)));
  }

  messages(): string[] {
    return this.lines.map(({ msg }) => msg);
  }

  #count(event: string): void {
    this.counted.push(event);
    this.#tell();
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
    this.#listeners.clear();
  }

  #log(): Logger {
    const write = (text: string) => {
      this.lines.push(JSON.parse(text));
      this.#tell();
    };
    return createLogger({ level: 'info', destination: { write } });
  }

  #cached(): string[] {
    const names: string[] = [];
    this.cache.walkSync((path, kind) => {
      if (kind === 'file') names.push(toObjectName(path, 'file'));
    });
    return names;
  }
}

/** "ok @7 …" was written at 7. */
function writtenAt(sealed: Buffer, otherwise: number): number {
  return Number(/@(\d+)/.exec(sealed.toString())?.[1] ?? otherwise);
}

function verdictOf(sealed: Buffer): SealVerdict {
  const text = sealed.toString('latin1');
  if (text.startsWith('ok')) return { kind: 'opens' };
  return text.startsWith('key') ? { kind: 'key', keyId: 'ff' } : { kind: 'corrupt', reason: 'wrong-tag' };
}

/** That nobody reads of. */
export function foreignObjects(): ForeignObjects {
  return new ForeignObjects(createLogger({ level: 'silent', destination: { write: () => {} } }));
}

/** Of what is a file, by path; other objects by name. */
export function contentsOf(bucket: MemoryBucket): Record<string, string> {
  const files = [...bucket.objects.values()].filter((object) => !isDeletedMark(object));
  const entries = files.map(({ name, bytes }) => [fromObjectName(name)?.path ?? name, bytes.toString()]);
  return Object.fromEntries(entries);
}
