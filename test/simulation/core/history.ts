/** The states that applications were shown, and which of them a power cut must leave: none older than what was promised. */
import { type ModelDirectory, type ModelNode, ReferenceModel } from '../../fs/reference-model.ts';

export interface Seen {
  kind: ModelNode['kind'];
  mode: number;
  content: Buffer;
}

/** By path: every name, mode and content that a reader finds. */
export type State = ReadonlyMap<string, Seen>;

const NOTHING = Buffer.alloc(0);

export function stateOf(model: ReferenceModel): State {
  const state = new Map<string, Seen>();
  const visit = (directory: ModelDirectory, above: string): void => {
    for (const node of directory.children.values()) {
      if (ReferenceModel.isHidden(node)) continue;
      const path = `${above}${node.name}`;
      const { kind, mode } = node;
      state.set(path, { kind, mode, content: node.kind === 'directory' ? NOTHING : model.visible(node) });
      if (node.kind === 'directory') visit(node, `${path}/`);
    }
  };
  visit(model.root, '');
  return state;
}

export function modelOf(state: State): ReferenceModel {
  const model = new ReferenceModel();
  for (const [path, { kind, mode, content }] of state) {
    const slash = path.lastIndexOf('/');
    const parent = directoryAt(model, path.slice(0, Math.max(0, slash)));
    const name = path.slice(slash + 1);
    const rest = { working: undefined, held: false, dropped: false, written: true };
    const node: ModelNode =
      kind === 'directory'
        ? { kind, parent, name, mode, children: new Map() }
        : { kind, parent, name, mode, committed: content, ...rest };
    parent.children.set(name, node);
  }
  return model;
}

function directoryAt(model: ReferenceModel, path: string): ModelDirectory {
  let at = model.root;
  for (const name of path.split('/').filter((part) => part !== ''))
    at = at.children.get(name) as ModelDirectory;
  return at;
}

/** What one has and the other has not. */
export function differences(found: State, wanted: State): string[] {
  const lines: string[] = [];
  for (const path of new Set([...wanted.keys(), ...found.keys()])) {
    const a = found.get(path);
    const b = wanted.get(path);
    if (a !== undefined && b !== undefined && isSame(a, b)) continue;
    lines.push(`${path}: ${show(a)} instead of ${show(b)}`);
  }
  return lines;
}

function isSame(a: Seen, b: Seen): boolean {
  return a.kind === b.kind && a.mode === b.mode && (a.content === b.content || a.content.equals(b.content));
}

function show(seen: Seen | undefined): string {
  if (seen === undefined) return 'nothing';
  return `${seen.kind} ${seen.mode.toString(8)} ${JSON.stringify(seen.content.toString().slice(0, 60))} (${seen.content.length})`;
}

export class History {
  /** The first one is the newest that is promised. */
  #states: State[] = [new Map()];
  #before = 0;

  get newest(): number {
    return this.#before + this.#states.length - 1;
  }

  add(state: State): void {
    if (differences(state, this.#states.at(-1) as State).length > 0) this.#states.push(state);
  }

  /** Everything up to this one survives a power cut. */
  promise(index: number): void {
    const needless = index - this.#before;
    if (needless <= 0) return;
    this.#states.splice(0, needless);
    this.#before = index;
  }

  /** Whether what was found is one of the promised ones or later; else how it differs from the newest and the oldest. */
  check(found: State): string[] {
    let best: string[] | undefined;
    for (const state of this.#states.toReversed()) {
      const lines = differences(found, state);
      if (lines.length === 0) return [];
      if (best === undefined || lines.length < best.length) best = lines;
    }
    return [`of ${this.#states.length} states the most similar one differs:`, ...(best ?? [])];
  }

  restart(state: State): void {
    this.#before = this.newest + 1;
    this.#states = [state];
  }
}
