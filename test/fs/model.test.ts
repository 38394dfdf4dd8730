/**
 * Random operations on the filesystem core and on a model of it, crashes, checkpoints and pauses included: after each
 * step both answer the same, and now and then every file, name and mode is compared.
 */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { PARKED, ROOT_NODE } from '../../src/fs/contract.ts';
import { S_IFMT, S_IFREG } from '../../src/lib/file-type.ts';
import { memoryFiles } from '../support/memory-files.ts';
import { CALLER, Harness, newAttributes, newEntry } from './harness.ts';
import { type ModelDirectory, type ModelFile, type ModelNode, ReferenceModel } from './reference-model.ts';
import { BUCKET } from './support.ts';

const RUNS = Number(process.env.SESSIONFS_TEST_MODEL_RUNS ?? 1000);

type Step =
  | { do: 'mkdir'; at: number; name: string; mode: number }
  | { do: 'mknod'; at: number; name: string; mode: number }
  | { do: 'symlink'; at: number; name: string; target: string }
  | { do: 'unlink' | 'rmdir' | 'lookup'; at: number; name: string }
  | { do: 'rename'; at: number; name: string; to: number; newName: string; flags: number }
  | { do: 'write'; file: number; offset: number; content: string; append: boolean }
  | { do: 'truncate'; file: number; size: number }
  | { do: 'chmod'; file: number; mode: number }
  | { do: 'fsync' | 'read'; file: number }
  | { do: 'forget'; file: number }
  | { do: 'evict'; at: number }
  | { do: 'settle' | 'crash' | 'checkpoint' | 'compare' };

const name = fc.constantFrom('creds.json', 'b.json', 'c.txt', 'creds.json.tmp', 'u-+1', 'd', 'é%');
const at = fc.nat(5);
const file = fc.nat(7);
const content = fc.oneof(
  fc.json({ maxDepth: 1 }).filter((text) => '{["'.includes(text[0] ?? '') && !text.includes('__proto__')),
  fc.constantFrom(
    '{"a":1',
    '"b":2}',
    '{"a":"x',
    '}',
    '[1,2',
    'plain text',
    '{"a":1}\n',
    '',
    ' ',
    '{"long":"0123456789abcdef"}',
  ),
);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('mkdir' as const),
      at,
      name,
      mode: fc.constantFrom(0o755, 0o700, 0o500),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('mknod' as const),
      at,
      name,
      mode: fc.constantFrom(0o666, 0o644, 0o400),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('symlink' as const),
      at,
      name,
      target: fc.constantFrom('x', '../creds.json'),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom('unlink' as const, 'rmdir' as const, 'lookup' as const),
      at,
      name,
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('rename' as const),
      at,
      name,
      to: at,
      newName: name,
      flags: fc.constantFrom(0, 0, 0, 1, 2),
    }),
  },
  {
    weight: 10,
    arbitrary: fc.record({
      do: fc.constant('write' as const),
      file,
      offset: fc.constantFrom(0, 0, 0, 6, 20, 70),
      content,
      append: fc.boolean(),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('truncate' as const), file, size: fc.constantFrom(0, 0, 3, 50) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('chmod' as const), file, mode: fc.constantFrom(0o640, 0o400) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constantFrom('fsync' as const, 'read' as const, 'forget' as const), file }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('evict' as const), at }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom('settle' as const, 'crash' as const, 'checkpoint' as const, 'compare' as const),
    }),
  },
);

/** What the test holds open: the kernel's number beside the model's node. */
interface Handle {
  id: number;
  node: ModelNode;
}

class Pair {
  readonly real: Harness;
  readonly model = new ReferenceModel();
  #directories: Handle[] = [];
  #files: Handle[] = [];
  readonly #entry = newEntry();
  readonly #attributes = newAttributes();

  constructor(hybrid: boolean) {
    this.real = new Harness({
      within: memoryFiles,
      segmentBytes: 4096,
      memoryLimit: 2000,
      ...(hybrid ? { bucket: BUCKET } : {}),
    });
    this.#reset();
  }

  #reset(): void {
    this.#directories = [{ id: ROOT_NODE, node: this.model.root }];
    this.#files = [];
  }

  async run(step: Step): Promise<void> {
    const { fs } = this.real;
    switch (step.do) {
      case 'mkdir':
      case 'mknod':
      case 'symlink':
        this.#make(step);
        break;
      case 'lookup':
        this.#lookup(this.#directory(step.at), step.name);
        break;
      case 'unlink':
      case 'rmdir': {
        const { id, node } = this.#directory(step.at);
        assert.equal(fs[step.do](id, step.name), this.model[step.do](node as ModelDirectory, step.name));
        break;
      }
      case 'rename': {
        const from = this.#directory(step.at);
        const to = this.#directory(step.to);
        assert.equal(
          fs.rename(from.id, step.name, to.id, step.newName, step.flags),
          this.model.rename(
            from.node as ModelDirectory,
            step.name,
            to.node as ModelDirectory,
            step.newName,
            step.flags,
          ),
        );
        break;
      }
      case 'settle':
        this.real.settle();
        this.model.settle();
        break;
      case 'crash':
        this.real.restart();
        this.model.crash((path) => this.real.opened.core.tree.resolve(path) !== undefined);
        this.#reset();
        this.compare();
        break;
      case 'checkpoint':
        await this.real.checkpoint();
        break;
      case 'compare':
        this.compare();
        break;
      case 'evict':
        await this.#evict(step.at);
        break;
      default:
        this.#onFile(step);
    }
    fs.takeClosedSegment();
  }

  /** A session goes to the bucket and comes back as it was, under the hands of those who have it open. */
  async #evict(index: number): Promise<void> {
    const sessions = [...this.model.root.children.values()].filter((node) => node.kind === 'directory');
    const session = sessions[index % Math.max(1, sessions.length)];
    if (session === undefined || this.real.opened.hybrid === undefined) return;
    this.real.settle();
    this.model.settle();
    await this.real.checkpoint();
    this.real.hybrid.markAbsent([session.name]);
    const { fs } = this.real;
    assert.equal(fs.lookup(ROOT_NODE, session.name, this.#entry), 0);
    this.#hold(this.#entry.nodeId, session);
    assert.equal(
      fs.readdir(this.#entry.nodeId, 0, () => true),
      PARKED,
    );
    this.real.restore(session.name);
    this.compare();
  }

  #make(step: Extract<Step, { do: 'mkdir' | 'mknod' | 'symlink' }>): void {
    const { fs } = this.real;
    const { id, node } = this.#directory(step.at);
    const parent = node as ModelDirectory;
    let answer: number;
    let made: ModelNode | number;
    if (step.do === 'mkdir') {
      answer = fs.mkdir(id, step.name, step.mode, CALLER, this.#entry);
      made = this.model.mkdir(parent, step.name, step.mode);
    } else if (step.do === 'mknod') {
      answer = fs.mknod(id, step.name, S_IFREG | step.mode, CALLER, this.#entry);
      made = this.model.mknod(parent, step.name, step.mode);
    } else {
      answer = fs.symlink(id, step.name, step.target, CALLER, this.#entry);
      made = this.model.symlink(parent, step.name, step.target);
    }
    assert.equal(answer, typeof made === 'number' ? made : 0);
    if (typeof made !== 'number') this.#hold(this.#entry.nodeId, made);
  }

  #lookup(directory: Handle, childName: string): number {
    const node = this.model.lookup(directory.node as ModelDirectory, childName);
    const answer = this.real.fs.lookup(directory.id, childName, this.#entry);
    const found = answer === 0 && this.#entry.nodeId !== 0;
    assert.equal(found, node !== undefined, `lookup of ${childName}`);
    if (node === undefined) return 0;
    this.#hold(this.#entry.nodeId, node);
    return this.#entry.nodeId;
  }

  #hold(id: number, node: ModelNode): void {
    const handles = node.kind === 'directory' ? this.#directories : this.#files;
    const same = handles.find((handle) => handle.id === id);
    if (same !== undefined) assert.equal(same.node, node, 'one number names two nodes');
    else handles.push({ id, node });
  }

  #directory(index: number): Handle {
    return this.#directories[index % this.#directories.length] as Handle;
  }

  #onFile(step: Extract<Step, { file: number }>): void {
    const handle = this.#files.length === 0 ? undefined : this.#files[step.file % this.#files.length];
    if (handle === undefined) return;
    const node = handle.node as ModelFile;
    if (step.do === 'read') {
      this.#compareContent(handle.id, node);
    } else if (step.do === 'forget') {
      this.real.fs.forget(handle.id, 1000);
      this.#files.splice(this.#files.indexOf(handle), 1);
    } else if (node.kind === 'file') {
      this.#change(step, handle.id, node);
    }
  }

  #change(step: Extract<Step, { file: number }>, id: number, node: ModelFile): void {
    const { fs } = this.real;
    if (step.do === 'write') {
      const data = Buffer.from(step.content);
      assert.equal(
        fs.write(id, step.offset, data, step.append),
        this.model.write(node, step.offset, data, step.append),
      );
    } else if (step.do === 'truncate') {
      assert.equal(
        fs.setattr(id, { size: step.size }, this.#attributes),
        this.model.truncate(node, step.size),
      );
    } else if (step.do === 'chmod') {
      assert.equal(fs.setattr(id, { mode: step.mode }, this.#attributes), 0);
      node.mode = step.mode;
      if (node.parent !== undefined) this.model.commitPlain(node);
    } else if (step.do === 'fsync') {
      assert.equal(fs.fsync(id), 0);
      this.model.commitPlain(node);
    }
  }

  #compareContent(id: number, node: ModelFile): void {
    if (node.dropped) return;
    const expected = this.model.visible(node);
    if (node.kind === 'symlink') {
      assert.equal(this.real.fs.readlink(id), expected.toString());
      return;
    }
    const out = Buffer.alloc(4096);
    const length = this.real.fs.read(id, 0, out.length, out, 0);
    assert.equal(
      out.toString('utf8', 0, Math.max(0, length)),
      expected.toString(),
      `content of ${node.name}`,
    );
  }

  /** Every name, mode and content that a reader can reach. */
  compare(directory: Handle = { id: ROOT_NODE, node: this.model.root }): void {
    const names: string[] = [];
    this.real.fs.readdir(directory.id, 0, (entry) => {
      names.push(entry.name);
      return true;
    });
    const model = directory.node as ModelDirectory;
    assert.deepEqual(names.sort(), this.model.list(model).sort());
    for (const childName of this.model.list(model)) {
      const id = this.#lookup(directory, childName);
      const node = model.children.get(childName) as ModelNode;
      assert.equal(this.real.fs.getattr(id, this.#attributes), 0);
      assert.equal(this.#attributes.mode & ~S_IFMT, node.mode, `mode of ${childName}`);
      if (node.kind === 'directory') this.compare({ id, node });
      else this.#compareContent(id, node);
    }
  }
}

/** A new file whose length was set, and into which nothing was written, when a segment begins: a random history found it. */
const setLength: Step[] = [
  { do: 'mknod', at: 0, name: 'creds.json', mode: 0o666 },
  { do: 'truncate', file: 0, size: 50 },
  { do: 'checkpoint' },
  { do: 'crash' },
  { do: 'symlink', at: 0, name: 'creds.json', target: 'x' },
];

describe('the filesystem against its model', () => {
  it(`answers as the model does in ${RUNS} random histories, crashes included`, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 5, maxLength: 60 }),
        fc.boolean(),
        async (steps, hybrid) => {
          const pair = new Pair(hybrid);
          try {
            for (const each of steps) await pair.run(each);
            pair.compare();
            await pair.run({ do: 'crash' });
            await pair.run({ do: 'settle' });
            await pair.run({ do: 'checkpoint' });
            await pair.run({ do: 'crash' });
          } finally {
            pair.real.remove();
          }
        },
      ),
      { numRuns: RUNS, includeErrorInReport: true, examples: [[setLength, false]] },
    );
  });
});
