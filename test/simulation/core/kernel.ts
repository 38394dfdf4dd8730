/**
 * The kernel's side of the connection: it makes up no node numbers, remembers those that it was given, sends again what was not
 * answered, and compares every answer with the model.
 */
import { ROOT_NODE } from '../../../src/fs/contract.ts';
import { Errno, errnoName } from '../../../src/lib/errno.ts';
import { type ModelDirectory, type ModelNode, ReferenceModel } from '../../fs/reference-model.ts';
import type { Machine } from '../platform/machine.ts';
import { Violation } from '../violation.ts';
import { type Call, expected, type Given, type Handle, newGiven, pathOf, tell } from './calls.ts';
import { type Daemon, DISK } from './daemon.ts';
import { History, stateOf } from './history.ts';
import { Listings } from './listings.ts';

export interface Request {
  unique: number;
  call: Call;
  given: Given;
  /** Disk errors that were injected before it was made. */
  injectedBefore: number;
  /** The newest state when it was carried out. */
  state: number;
  answered: (status: number) => void;
}

const CHANGES = new Set<Call['do']>([
  'mkdir',
  'mknod',
  'symlink',
  'unlink',
  'rmdir',
  'rename',
  'write',
  'truncate',
  'chmod',
]);
const MAKES = new Set<Call['do']>(['mkdir', 'mknod', 'symlink', 'lookup']);
const PLAIN_IDLE_MS = 250;
/** What never rests is committed all the same. */
const PLAIN_BUSY_MS = 5_000;
const READ_BYTES = 1 << 16;
const SYNC_HEALS_MS = 60_000;
const DISK_ERRORS = new Set<number>([Errno.ENOSPC, Errno.EDQUOT, Errno.EIO]);

export class Kernel {
  model = new ReferenceModel();
  readonly history = new History();
  readonly listings = new Listings();
  daemon: Daemon | undefined;
  /** One reply in so many is lost with its daemon; 0: none. */
  repliesLost = 0;
  /** When the file was last changed: incomplete content is given up when it rests. */
  readonly changedMs = new Map<ModelNode, number>();
  /** When its working copy was begun. */
  readonly #begunMs = new Map<ModelNode, number>();
  /** Files that may have rested under an earlier daemon, unchanged since: a take-over begins the rest anew. */
  readonly #mayHaveRested = new Set<ModelNode>();
  onDaemonEnded: (daemon: Daemon) => void = () => {};
  readonly #machine: Machine;
  readonly #queue: Request[] = [];
  /** Given to the daemon, and not answered. */
  readonly #underWay = new Set<Request>();
  #given = new Map<number, ModelNode>();
  /** Their content could perhaps not be read when they lost their names, and lies nowhere now. */
  readonly #mayBeLost = new Set<ModelNode>();
  #handles: Handle[] = [];
  #unique = 2;
  #isPumping = false;

  constructor(machine: Machine) {
    this.#machine = machine;
    this.connect(this.model);
  }

  /** A new connection: nothing is known, nothing is open. */
  connect(model: ReferenceModel): void {
    this.model = model;
    this.#given = new Map([[1, model.root]]);
    this.#handles = [{ id: 1, node: model.root, lookups: 1, stale: false, unwritten: false }];
    this.#queue.length = 0;
    this.#underWay.clear();
    this.listings.clear();
    this.#mayBeLost.clear();
    this.#begunMs.clear();
    this.#mayHaveRested.clear();
    this.changedMs.clear();
    this.daemon = undefined;
  }

  get handles(): readonly Handle[] {
    return this.#handles;
  }

  get isIdle(): boolean {
    return this.#queue.length === 0 && this.#underWay.size === 0;
  }

  /** Requests that may have been carried out although no answer came. */
  get unanswered(): Request[] {
    return [...this.#underWay];
  }

  request(call: Call, answered: (status: number) => void): void {
    this.#unique += 2;
    this.#queue.push({
      unique: this.#unique,
      call,
      given: newGiven(),
      injectedBefore: this.#machine.disk(DISK).injected,
      state: 0,
      answered,
    });
    this.pump();
  }

  pump(): void {
    const { daemon } = this;
    if (this.#isPumping || this.#queue.length === 0 || !daemon?.isServing || daemon.process.dead) return;
    this.#isPumping = true;
    this.#machine.schedule(
      this.#machine.between(2, 60) / 1000,
      () => {
        this.#isPumping = false;
        this.#serve(daemon);
        this.pump();
      },
      null,
    );
  }

  #serve(daemon: Daemon): void {
    if (daemon !== this.daemon || !daemon.isServing || daemon.process.dead) return;
    const request = this.#queue.shift();
    if (request === undefined) return;
    this.note(request, 'asks');
    this.#underWay.add(request);
    this.#machine.as(daemon.process, () => daemon.serve(request));
  }

  note(request: Request, what: string): void {
    this.#machine.trace.add(
      `${this.#machine.nowMs.toFixed(3)} ${request.unique} ${what}: ${tell(request.call)}`,
    );
  }

  losesReply(): boolean {
    return this.repliesLost > 0 && this.#machine.once(this.repliesLost);
  }

  /** Its daemon died, perhaps before it did anything of it, perhaps after all of it. */
  lost(request: Request): void {
    this.note(request, 'is not answered');
    this.#underWay.add(request);
  }

  /** An fsync committed its file, and waits for the disk; other calls follow meanwhile. */
  carriedOut(request: Request): void {
    const { node } = request.call.at;
    if (node.kind !== 'directory') this.model.commitPlain(node);
    if (node.kind !== 'directory' && node.working === undefined) this.#begunMs.delete(node);
    request.state = this.history.newest;
  }

  reply(request: Request, status: number): void {
    if (!this.#underWay.delete(request)) return;
    this.note(request, `gets ${status < 0 ? errnoName(status) : status}`);
    if (request.call.do === 'list') this.listings.done(request.call.at);
    this.#compare(request, status);
    if (request.call.do === 'fsync' && status === 0) this.history.promise(request.state);
    if (CHANGES.has(request.call.do)) this.history.add(stateOf(this.model));
    request.answered(status);
  }

  handedOver(daemon: Daemon): void {
    this.onDaemonEnded(daemon);
  }

  /** Another daemon goes on: what was not answered comes first, and it knows no unlinked file. */
  takenOver(daemon: Daemon): void {
    this.daemon = daemon;
    for (const handle of this.#handles) {
      if (isUnlinked(this.model, handle.node)) handle.stale = true;
      else if (handle.unwritten) handle.stale = 'perhaps';
    }
    this.#queue.unshift(...this.#underWay);
    for (const { call } of this.#underWay) {
      this.#mayBeStale(call);
    }
    this.#underWay.clear();
    for (const node of this.changedMs.keys()) {
      if (this.#mayHaveBeenCommitted(node)) this.#mayHaveRested.add(node);
      this.changedMs.set(node, this.#machine.nowMs);
    }
    this.#isPumping = false;
    this.pump();
  }

  /**
   * Files that were made on a full disk, and never written to: this daemon may not have heard of them. No application sees a
   * difference, but for those that have them open. Nothing goes wrong meanwhile.
   */
  forgetUnheardOf({ filesystem }: Daemon): void {
    for (const handle of this.#handles) {
      const { node } = handle;
      if (!handle.unwritten || node.kind === 'directory' || !ReferenceModel.isHidden(node)) continue;
      if (isUnlinked(this.model, node) || isHeardOf(filesystem, pathOf(node))) continue;
      node.parent?.children.delete(node.name);
      node.parent = undefined;
      node.dropped = true;
    }
  }

  /** The disk did not give a folder that this daemon should have taken over: it knows what is in it by new numbers. */
  notTakenOver(folder: string): void {
    for (const handle of this.#handles)
      if (!handle.stale && pathOf(handle.node).startsWith(`/${folder}/`)) handle.stale = 'perhaps';
    this.listings.renumbered(({ node }) => `${pathOf(node)}/`.startsWith(`/${folder}/`));
  }

  /** It may be done already: then its file is gone, and what it had is lost. */
  #mayBeStale(call: Call): void {
    if (call.do !== 'unlink' && call.do !== 'rmdir' && call.do !== 'rename') return;
    const places: [Handle, string][] = [[call.at, call.name]];
    if (call.do === 'rename') places.push([call.to, call.newName]);
    for (const [{ node }, name] of places) {
      const child = node.kind === 'directory' ? node.children.get(name) : undefined;
      for (const handle of this.#handles) if (handle.node === child) handle.stale = 'perhaps';
    }
  }

  forget(handle: Handle): void {
    if (handle.id === 1 || this.daemon === undefined) return;
    this.#machine.trace.add(`forget ${pathOf(handle.node)}#${handle.id}`);
    this.#handles.splice(this.#handles.indexOf(handle), 1);
    this.#machine.as(this.daemon.process, () => this.daemon?.filesystem.forget(handle.id, handle.lookups));
  }

  #compare(request: Request, status: number): void {
    const { call } = request;
    if (DISK_ERRORS.has(status) && this.#hasFailed(request)) return;
    if (isStale(call, status)) return;
    if (call.do === 'write' && status >= 0) this.#learnWhetherCommitted(call.at, call);
    const losing = this.#losesName(call);
    const wanted = expected(this.model, call);
    if (losing !== undefined && this.#hasFailed(request) && isUnlinked(this.model, losing))
      this.#mayBeLost.add(losing);
    const wantedStatus = typeof wanted === 'number' ? wanted : 0;
    if (status !== wantedStatus && !isDropped(call.at.node))
      this.#fail(
        'a call answers as the model does',
        request,
        `${say(status)} instead of ${say(wantedStatus)}`,
      );
    if (status < 0) return;
    if (CHANGES.has(call.do)) this.#noteChange(call.at.node);
    this.listings.changed(call);
    if (MAKES.has(call.do)) this.#hold(request, wanted);
    if (call.do === 'read') this.#compareContent(request);
    if (call.do === 'list') this.#compareList(request);
    if (call.do === 'getattr') this.#compareAttributes(request);
  }

  #noteChange(node: ModelNode): void {
    const { nowMs } = this.#machine;
    this.changedMs.set(node, nowMs);
    this.#mayHaveRested.delete(node);
    if (node.kind === 'directory' || node.working === undefined) this.#begunMs.delete(node);
    else if (!this.#begunMs.has(node)) this.#begunMs.set(node, nowMs);
  }

  #losesName(call: Call): ModelNode | undefined {
    if (call.do !== 'unlink' && call.do !== 'rename') return undefined;
    const [at, name] = call.do === 'rename' ? [call.to, call.newName] : [call.at, call.name];
    return at.node.kind === 'directory' ? at.node.children.get(name) : undefined;
  }

  /**
   * What is not JSON at all is committed when it rests, which no reader sees, and what is written into it after that is held back
   * again: what readers find tells whether that was before this write or not.
   */
  #learnWhetherCommitted(
    { id, node }: Handle,
    { offset, data, append }: Extract<Call, { do: 'write' }>,
  ): void {
    if (node.kind !== 'file' || node.working === undefined || node.held || node.parent === undefined) return;
    if (!node.name.endsWith('.json') || !this.#mayHaveBeenCommitted(node)) return;
    const copy = { ...node };
    this.model.write(copy, offset, data, append);
    const out = Buffer.alloc(READ_BYTES);
    const length = this.daemon?.filesystem.read(id, 0, out.length, out, 0) ?? 0;
    if (length >= 0 && !out.subarray(0, length).equals(this.model.visible(copy)))
      this.model.commitPlain(node);
  }

  #mayHaveBeenCommitted(node: ModelNode): boolean {
    const { nowMs } = this.#machine;
    return (
      this.#mayHaveRested.has(node) ||
      nowMs - (this.changedMs.get(node) ?? 0) >= PLAIN_IDLE_MS ||
      nowMs - (this.#begunMs.get(node) ?? 0) >= PLAIN_BUSY_MS
    );
  }

  /** What a failed sync may have lost is told until a checkpoint has moved it. */
  #hasFailed({ call, injectedBefore }: Request): boolean {
    const disk = this.#machine.disk(DISK);
    if (call.do === 'fsync' && this.#machine.nowMs - disk.syncFailedMs < SYNC_HEALS_MS) return true;
    if (this.#mayBeLost.has(call.at.node)) return true;
    return disk.injected > injectedBefore;
  }

  #hold(request: Request, wanted: number | ModelNode): void {
    const { nodeId } = request.given.entry;
    if (typeof wanted === 'number') {
      if (nodeId !== 0) this.#fail('a name that is gone is not found', request, `it has number ${nodeId}`);
      return;
    }
    if (nodeId === 0) this.#fail('a name that is there is found', request, pathOf(wanted));
    const before = this.#given.get(nodeId);
    if (before !== undefined && before !== wanted)
      this.#fail(
        'a number names one file',
        request,
        `${nodeId} is ${pathOf(wanted)}, and was ${pathOf(before)}`,
      );
    this.#given.set(nodeId, wanted);
    if (wanted.kind === 'file') this.changedMs.set(wanted, this.changedMs.get(wanted) ?? this.#machine.nowMs);
    const held = this.#handles.find(({ id }) => id === nodeId);
    if (held !== undefined) held.lookups++;
    else
      this.#handles.push({
        id: nodeId,
        node: wanted,
        lookups: 1,
        stale: false,
        unwritten: this.#hasFailed(request) || this.daemon?.waitsForRoom === true,
      });
  }

  #compareContent(request: Request): void {
    const { node } = request.call.at;
    if (node.kind === 'directory' || isDropped(node)) return;
    const wanted = this.model.visible(node);
    if (wanted.equals(request.given.bytes)) return;
    const shown = (bytes: Buffer) => JSON.stringify(bytes.toString().slice(0, 100));
    this.#fail(
      'readers find what was written',
      request,
      `${shown(request.given.bytes)} instead of ${shown(wanted)}`,
    );
  }

  #compareAttributes(request: Request): void {
    const { node } = request.call.at;
    const { mode } = request.given.entry;
    if ((mode & 0o7777) !== node.mode && node !== this.model.root && !isDropped(node))
      this.#fail(
        'a mode is what was set',
        request,
        `${mode.toString(8)} instead of ${node.mode.toString(8)}`,
      );
  }

  #compareList(request: Request): void {
    const { call, given } = request;
    if (call.do !== 'list') return;
    const directory = call.at.node as ModelDirectory;
    const complaint = this.listings.answered(call, given, this.model.list(directory));
    if (complaint !== undefined) this.#fail('a listing has every name once', request, complaint);
  }

  #fail(invariant: string, request: Request, details: string): never {
    throw new Violation(invariant, `${tell(request.call)}: ${details}`);
  }
}

function say(status: number): string {
  return status < 0 ? errnoName(status) : String(status);
}

/** No path leads to it any more. */
export function isUnlinked(model: ReferenceModel, node: ModelNode): boolean {
  for (let at: ModelNode | undefined = node; at !== undefined; at = at.parent)
    if (at === model.root) return false;
  return true;
}

/** A hidden name is refused; of one that is not there it is told that it is not. */
function isHeardOf(filesystem: Daemon['filesystem'], path: string): boolean {
  const entry = newGiven().entry;
  const entered: number[] = [];
  let at = ROOT_NODE;
  let status = 0;
  filesystem.begin(0);
  for (const name of path.slice(1).split('/')) {
    status = filesystem.lookup(at, name, entry);
    if (status !== 0 || entry.nodeId === 0) break;
    at = entry.nodeId;
    entered.push(at);
  }
  for (const node of entered) filesystem.forget(node, 1);
  return status !== 0 || entry.nodeId !== 0;
}

function isDropped(node: ModelNode): boolean {
  return node.kind !== 'directory' && node.dropped;
}

/** ESTALE is right for what an earlier daemon was the last to know. */
function isStale(call: Call, status: number): boolean {
  const handles = call.do === 'rename' ? [call.at, call.to] : [call.at];
  if (handles.some(({ stale }) => stale === true)) {
    if (status !== Errno.ESTALE)
      throw new Violation('a number names one file', `${tell(call)} answers ${say(status)}`);
    return true;
  }
  return status === Errno.ESTALE && handles.some(({ stale }) => stale === 'perhaps');
}
