/** Applications that do at random what applications do, with everything that the kernel holds. */
import type { ModelNode } from '../../fs/reference-model.ts';
import type { Machine } from '../platform/machine.ts';
import { type Call, type Handle, pathOf } from './calls.ts';
import type { Kernel } from './kernel.ts';

const FOLDERS = ['u-+1', 'u-+2', 'd', 'sub'];
const NAMES = ['creds.json', 'session-1.json', 'pre-key-2.json', 'notes.txt', 'creds.json.tmp', 'é%', 'link'];
/** Of directories that something is put into. */
const DEPTH_MAX = 2;
const MODES = [0o600, 0o640, 0o400];
const FRAGMENTS = ['{"a":1', '"b":2}', '{"a":"x', '}', '[1,2', 'plain text', ' ', '{"a":1}\n'];

type Weighted = readonly [weight: number, kind: Kind];
type Kind = Call['do'] | 'save' | 'replace' | 'forget' | 'rest';

const HABITS: readonly Weighted[] = [
  [6, 'save'],
  [3, 'replace'],
  [5, 'mknod'],
  [3, 'mkdir'],
  [1, 'symlink'],
  [4, 'unlink'],
  [2, 'rmdir'],
  [6, 'lookup'],
  [5, 'rename'],
  [8, 'write'],
  [4, 'truncate'],
  [2, 'chmod'],
  [3, 'fsync'],
  [5, 'read'],
  [2, 'getattr'],
  [3, 'list'],
  [2, 'forget'],
  [2, 'rest'],
];
const WEIGHTS = HABITS.reduce((sum, [weight]) => sum + weight, 0);
/** Longer than incomplete content is kept. */
const REST_MS = 12_000;

export class Applications {
  /** While true none of them begins anything. */
  paused = false;
  readonly #machine: Machine;
  readonly #kernel: Kernel;
  #version = 0;

  constructor(machine: Machine, kernel: Kernel, count: number) {
    this.#machine = machine;
    this.#kernel = kernel;
    for (let each = 0; each < count; each++) this.#later(0);
  }

  /** The connection is gone, and with it every call that was under way. */
  reconnected(count: number): void {
    for (let each = 0; each < count; each++) this.#later(0);
  }

  #later(restMs: number): void {
    const { chance } = this.#machine;
    const delayMs = restMs + (chance.below(20) === 0 ? chance.below(2000) : chance.below(3000) / 1000);
    this.#machine.schedule(delayMs, () => this.#act(), null);
  }

  #act(): void {
    if (this.paused || this.#kernel.daemon === undefined) {
      this.#later(5);
      return;
    }
    const kind = this.#kind();
    if (kind === 'rest') {
      this.#later(this.#machine.chance.below(REST_MS));
      return;
    }
    if (kind === 'forget') {
      const handle = this.#handle('file');
      if (handle !== undefined && this.#kernel.isIdle) this.#kernel.forget(handle);
      this.#later(0);
      return;
    }
    if (kind === 'save' || kind === 'replace') {
      this.#save(kind);
      return;
    }
    const call = this.#call(kind);
    if (call === undefined) {
      this.#later(0);
      return;
    }
    this.#kernel.request(call, () => this.#later(0));
  }

  #kind(): Kind {
    let at = this.#machine.chance.below(WEIGHTS);
    for (const [weight, kind] of HABITS) {
      if (at < weight) return kind;
      at -= weight;
    }
    return 'rest';
  }

  /** As Baileys does: made or emptied, then written whole; on its newer branch beside, and renamed. */
  #save(kind: 'save' | 'replace'): void {
    const { chance } = this.#machine;
    const at = this.#directory();
    const target = chance.pick(NAMES.slice(0, 3));
    const name = kind === 'save' ? target : `${target}.tmp`;
    const finish = (): void => this.#later(0);
    const written = (status: number) => {
      if (status < 0 || kind === 'save') return finish();
      this.#kernel.request({ do: 'rename', at, name, to: at, newName: target, flags: 0 }, finish);
    };
    const write = (file: Handle | undefined) => {
      if (file === undefined || file.node.kind !== 'file') return finish();
      const data = Buffer.from(this.#document());
      this.#kernel.request({ do: 'write', at: file, offset: 0, data, append: false }, written);
    };
    this.#kernel.request({ do: 'lookup', at, name }, (status) => {
      const found = status === 0 ? this.#holding(at, name) : undefined;
      if (found === undefined)
        this.#kernel.request({ do: 'mknod', at, name, mode: 0o600 }, (made) =>
          made === 0 ? write(this.#holding(at, name)) : finish(),
        );
      else if (found.node.kind !== 'file') finish();
      else
        this.#kernel.request({ do: 'truncate', at: found, size: 0 }, (emptied) =>
          emptied === 0 ? write(found) : finish(),
        );
    });
  }

  #call(kind: Exclude<Kind, 'save' | 'replace' | 'forget' | 'rest'>): Call | undefined {
    const { chance } = this.#machine;
    switch (kind) {
      case 'mkdir':
        return {
          do: kind,
          at: this.#directory(DEPTH_MAX),
          name: chance.pick(FOLDERS),
          mode: chance.pick([0o755, 0o700, 0o500]),
        };
      case 'mknod':
        return { do: kind, at: this.#directory(), name: chance.pick(NAMES), mode: chance.pick(MODES) };
      case 'symlink':
        return { do: kind, at: this.#directory(), name: 'link', target: `target-${chance.below(9)}` };
      case 'rmdir':
        return { do: kind, at: this.#directory(), name: chance.pick(FOLDERS) };
      case 'unlink':
        return { do: kind, at: this.#directory(), name: chance.pick(NAMES) };
      case 'lookup':
        return { do: kind, at: this.#directory(), name: this.#name() };
      case 'rename':
        return this.#rename();
      case 'list': {
        const at = this.#directory();
        const offset = this.#kernel.listings.begin(at);
        return offset === undefined ? undefined : { do: kind, at, offset, count: 1 + chance.below(4) };
      }
      case 'read':
      case 'getattr': {
        const at = this.#handle('file') ?? this.#handle('symlink');
        return at && { do: kind, at };
      }
      default: {
        const at = this.#handle('file');
        return at && this.#onFile(kind, at);
      }
    }
  }

  #onFile(kind: 'write' | 'truncate' | 'chmod' | 'fsync', at: Handle): Call {
    const { chance } = this.#machine;
    switch (kind) {
      case 'write': {
        const data = Buffer.from(chance.below(3) === 0 ? this.#document() : chance.pick(FRAGMENTS));
        return {
          do: kind,
          at,
          offset: chance.pick([0, 0, 0, 6, 20, 70]),
          data,
          append: chance.below(3) === 0,
        };
      }
      case 'truncate':
        return { do: kind, at, size: chance.pick([0, 0, 3, 50]) };
      case 'chmod':
        return { do: kind, at, mode: chance.pick(MODES) };
      case 'fsync':
        return { do: kind, at };
    }
  }

  #rename(): Call {
    const { chance } = this.#machine;
    const flags = chance.pick([0, 0, 0, 1, 2]);
    if (chance.below(3) === 0)
      return {
        do: 'rename',
        at: this.#directory(),
        name: chance.pick(FOLDERS),
        to: this.#directory(DEPTH_MAX),
        newName: chance.pick(FOLDERS),
        flags,
      };
    return {
      do: 'rename',
      at: this.#directory(),
      name: this.#name(),
      to: this.#directory(DEPTH_MAX),
      newName: this.#name(),
      flags,
    };
  }

  #document(): string {
    const { chance } = this.#machine;
    const filler = chance.below(15) === 0 ? chance.below(9000) : chance.below(300);
    return JSON.stringify({ version: this.#version++, filler: 'x'.repeat(filler) });
  }

  #name(): string {
    return this.#machine.chance.pick(this.#machine.chance.below(4) === 0 ? FOLDERS : NAMES);
  }

  #handle(kind: ModelNode['kind']): Handle | undefined {
    const handles = this.#kernel.handles.filter(({ node }) => node.kind === kind);
    return handles.length === 0 ? undefined : this.#machine.chance.pick(handles);
  }

  #directory(depthMax = Number.POSITIVE_INFINITY): Handle {
    const found = this.#handle('directory') as Handle;
    return pathOf(found.node).split('/').length <= depthMax + 1 ? found : this.#root;
  }

  get #root(): Handle {
    return this.#kernel.handles[0] as Handle;
  }

  #holding(at: Handle, name: string): Handle | undefined {
    const node = at.node.kind === 'directory' ? at.node.children.get(name) : undefined;
    return this.#kernel.handles.find((handle) => handle.node === node);
  }
}
