import type { TestContext } from 'node:test';
import type { Mounted } from '../../support/mount-sessionfs.ts';

export interface Bench {
  t: TestContext;
  /** Shared by all tests of the file: not to be unmounted. */
  mounted: Mounted;
  /** A session's folder on it, new and empty. */
  folder: string;
}

/** Tests by the heading in docs/semantics.md whose text they prove. */
export type Deviations = Readonly<Record<string, (bench: Bench) => void | Promise<void>>>;
