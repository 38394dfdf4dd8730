/**
 * Random calls as libfuse makes them, by path, on the driver, and the same calls by node number on a second filesystem core:
 * after each step both answer the same, and open files hold the same, whatever became of their names.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LibfuseDriver } from '../../../src/drivers/libfuse/driver.ts';
import { ROOT_NODE } from '../../../src/fs/contract.ts';
import { Errno } from '../../../src/lib/errno.ts';
import { S_IFDIR, S_IFREG } from '../../../src/lib/file-type.ts';
import { CALLER, Harness, newAttributes, newEntry } from '../../fs/harness.ts';
import { FakeLibfuse } from '../support/fake-libfuse.ts';

const RUNS = 400;
const paths = ['/a.json', '/b.json', '/c.txt', '/d/a.json', '/d/x.tmp', '/d', '/e'];

type Step =
  | { do: 'create' | 'write'; path: string; text: string }
  | { do: 'mkdir' | 'rmdir' | 'unlink' | 'truncate' | 'close'; path: string }
  | { do: 'rename'; path: string; to: string };

const path = fc.constantFrom(...paths);
const text = fc.constantFrom('{"a":1}', '{"longer":"version"}', '{"cut', 'plain', '"}');
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constantFrom('create' as const, 'write' as const), path, text }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom(
        'mkdir' as const,
        'rmdir' as const,
        'unlink' as const,
        'unlink' as const,
        'truncate' as const,
        'close' as const,
      ),
      path,
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('rename' as const), path, to: path }) },
);

interface Open {
  handle: number;
  node: number;
  /** As libfuse knows it now. */
  path: string;
}

class Pair {
  readonly #driven = new Harness();
  readonly #plain = new Harness();
  readonly #libfuse = new FakeLibfuse();
  readonly #thread = this.#libfuse.thread();
  readonly #entry = newEntry();
  #open: Open[] = [];
  #hidden = 0;

  constructor() {
    const host = {
      syncThenReply: () => {},
      store: () => {},
      answered: () => {},
      makeRoom: () => false,
      measured: () => {},
      afterRequest: () => {},
      initialized: () => {},
      cannotMap: () => {},
      unexpected: (error: unknown) => {
        throw error;
      },
    };
    new LibfuseDriver(this.#libfuse.binding, this.#driven.fs, CALLER, host).mount('/mnt', '-o');
  }

  remove(): void {
    this.#driven.remove();
    this.#plain.remove();
  }

  run(next: Step): void {
    switch (next.do) {
      case 'create':
        this.#create(next.path, next.text);
        break;
      case 'write':
        this.#write(next.path, next.text);
        break;
      case 'truncate':
        this.#truncate(next.path);
        break;
      case 'close':
        this.#close(next.path);
        break;
      case 'mkdir':
        this.#mkdir(next.path);
        break;
      case 'rmdir':
        this.#rmdir(next.path);
        break;
      case 'unlink':
        this.#unlink(next.path);
        break;
      case 'rename':
        this.#rename(next.path, next.to);
        break;
    }
  }

  compare(): void {
    for (const folder of ['/', '/d', '/e'])
      assert.deepEqual(this.#listing(folder), this.#plainListing(folder));
    for (const open of this.#open) {
      const out = [Buffer.alloc(200), Buffer.alloc(200)] as const;
      const driven = this.#ask('read', open.path, open.handle, out[0], 200, 0, 0);
      this.#same(driven, this.#plain.fs.read(open.node, 0, 200, out[1], 0));
      assert.deepEqual(out[0], out[1]);
    }
  }

  #mkdir(path: string): void {
    const plain = this.#in(path, (parent, name) =>
      this.#plain.fs.mkdir(parent, name, S_IFDIR | 0o700, CALLER, this.#entry),
    );
    this.#same(this.#ask('mkdir', path, S_IFDIR | 0o700), plain);
  }

  #rmdir(path: string): void {
    // libfuse loses sight of open files below.
    if (this.#open.some((open) => open.path.startsWith(`${path}/`))) return;
    const plain = this.#in(path, (parent, name) => this.#plain.fs.rmdir(parent, name));
    this.#same(this.#ask('rmdir', path), plain);
  }

  #create(path: string, content: string): void {
    // The kernel creates what it has just not found.
    if (this.#lookup(path) !== Errno.ENOENT) return;
    const { result, more } = this.#libfuse.call(this.#thread, 'create', path, S_IFREG | 0o600);
    const plain = this.#in(path, (parent, name) =>
      this.#plain.fs.mknod(parent, name, S_IFREG | 0o600, CALLER, this.#entry),
    );
    this.#same(result, plain);
    if (plain !== 0) return;
    this.#open.push({ handle: more[0] as number, node: this.#entry.nodeId, path });
    this.#write(path, content);
  }

  #write(path: string, content: string): void {
    const open = this.#openAt(path);
    if (open === undefined) return;
    const data = Buffer.from(content);
    const driven = this.#ask('write', open.path, open.handle, data, data.length, 0, 0);
    this.#same(driven, this.#plain.fs.write(open.node, 0, data, false));
  }

  #truncate(path: string): void {
    const open = this.#openAt(path);
    if (open === undefined) return;
    const driven = this.#ask('ftruncate', open.path, open.handle, 0, 0);
    this.#same(driven, this.#plain.fs.setattr(open.node, { size: 0 }, newAttributes()));
  }

  #close(path: string): void {
    const open = this.#openAt(path);
    if (open === undefined) return;
    this.#open = this.#open.filter((other) => other !== open);
    assert.equal(this.#ask('release', open.path, open.handle), 0);
    const isLast = !this.#open.some((other) => other.path === open.path);
    if (isLast && open.path.includes('.fuse_hidden')) assert.equal(this.#ask('unlink', open.path), 0);
  }

  #unlink(path: string): void {
    const plain = this.#in(path, (parent, name) => this.#plain.fs.unlink(parent, name));
    if (!this.#hide(path)) this.#same(this.#ask('unlink', path), plain);
    // Any other request of the thread says that it has gone on.
    else this.#ask('statfs', '/');
  }

  #rename(from: string, to: string): void {
    if (from === to || to.startsWith(`${from}/`) || from.startsWith(`${to}/`)) return;
    const plain = this.#in(from, (parent, name) =>
      this.#in(to, (newParent, newName) => this.#plain.fs.rename(parent, name, newParent, newName, 0)),
    );
    if (this.#lookup(from) !== Errno.ENOENT || plain === 0) this.#hide(to);
    this.#same(this.#ask('rename', from, to), plain);
    if (plain !== 0) return;
    for (const open of this.#open)
      if (open.path === from || open.path.startsWith(`${from}/`))
        open.path = to + open.path.slice(from.length);
  }

  /** As libfuse does to a file that is open under the name. False: none is. */
  #hide(path: string): boolean {
    const open = this.#open.filter((one) => one.path === path);
    if (open.length === 0) return false;
    const name = `.fuse_hidden${String(++this.#hidden).padStart(16, '0')}`;
    const hidden = `${path.slice(0, path.lastIndexOf('/'))}/${name}`;
    assert.equal(this.#ask('rename', path, hidden), 0);
    for (const one of open) one.path = hidden;
    return true;
  }

  #ask(
    ...[name, ...args]: Parameters<FakeLibfuse['call']> extends [unknown, infer N, ...infer A]
      ? [N, ...A]
      : never
  ): number {
    return this.#libfuse.call(this.#thread, name, ...args).result;
  }

  #openAt(path: string): Open | undefined {
    return this.#open.find((open) => open.path === path);
  }

  #listing(folder: string): unknown {
    const { result, more } = this.#libfuse.call(this.#thread, 'readdir', folder);
    return result < 0 ? result : (more[0] as string[]).slice(2).sort();
  }

  #plainListing(folder: string): unknown {
    const node = this.#lookup(folder);
    if (node < 0) return node;
    const names: string[] = [];
    const status = this.#plain.fs.readdir(node, 0, (child) => names.push(child.name) > 0);
    return status < 0 ? status : names.sort();
  }

  #lookup(path: string): number {
    let node = ROOT_NODE;
    for (const name of path.split('/').filter((part) => part !== '')) {
      const status = this.#plain.fs.lookup(node, name, this.#entry);
      if (status !== 0) return status;
      if (this.#entry.nodeId === 0) return Errno.ENOENT;
      node = this.#entry.nodeId;
    }
    return node;
  }

  #in(path: string, run: (parent: number, name: string) => number): number {
    const slash = path.lastIndexOf('/');
    const parent = this.#lookup(path.slice(0, slash));
    return parent < 0 ? parent : run(parent, path.slice(slash + 1));
  }

  #same(driven: number, plain: number): void {
    assert.equal(driven, plain);
  }
}

test('whatever libfuse asks by path, the answers are those that node numbers give', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const pair = new Pair();
      try {
        for (const next of steps) {
          pair.run(next);
          pair.compare();
        }
      } finally {
        pair.remove();
      }
    }),
    { numRuns: RUNS },
  );
});
