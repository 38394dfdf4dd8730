import assert from 'node:assert/strict';
import { ROOT_NODE } from '../../../src/fs/contract.ts';
import { S_IFREG } from '../../../src/lib/file-type.ts';
import { CALLER, Harness, newAttributes, newEntry } from '../../fs/harness.ts';
import { cleanUp, type Scope } from '../../support/cleanup.ts';

/** Files in the root of a filesystem core whose clock the test turns; every number below 0 is an Errno. */
export class CoreFiles {
  readonly harness = new Harness();

  constructor(scope: Scope) {
    cleanUp(scope, () => this.harness.remove());
  }

  create(name: string): number {
    const entry = newEntry();
    assert.equal(this.harness.fs.mknod(ROOT_NODE, name, S_IFREG | 0o600, CALLER, entry), 0);
    return entry.nodeId;
  }

  write(id: number, offset: number, text: string): number {
    return this.harness.fs.write(id, offset, Buffer.from(text), false);
  }

  truncate(id: number, size: number): number {
    return this.harness.fs.setattr(id, { size }, newAttributes());
  }

  /** undefined: there is no such name. */
  lookup(name: string): number | undefined {
    const entry = newEntry();
    const found = this.harness.fs.lookup(ROOT_NODE, name, entry) === 0 && entry.nodeId !== 0;
    return found ? entry.nodeId : undefined;
  }

  rename(from: string, to: string, flags = 0): number {
    return this.harness.fs.rename(ROOT_NODE, from, ROOT_NODE, to, flags);
  }

  /** The content that a reader who opens the name now finds; undefined: there is no such name. */
  read(name: string): string | undefined {
    const id = this.lookup(name);
    if (id === undefined) return undefined;
    const out = Buffer.alloc(1 << 20);
    const length = this.harness.fs.read(id, 0, out.length, out, 0);
    assert.ok(length >= 0);
    return out.toString('utf8', 0, length);
  }

  /** Lets `ms` pass, as the daemon sees it. */
  pass(ms: number): void {
    this.harness.nowMs += ms;
    this.harness.fs.settleIdle();
  }

  /** The files that warnings were about so far. */
  warnedOf(): unknown[] {
    return this.harness.logs.filter(({ level }) => level === 'warn').map(({ fields }) => fields?.file);
  }
}
