/**
 * Control files that the main thread answers for: `status.json` and `metrics`, whose content it makes, and `flush`, which takes
 * orders. Calls that read or write them wait for its answer.
 */
import { Errno } from '../../lib/errno.ts';
import { PARKED, type Status } from '../contract.ts';
import type { ControlFileNode } from '../model/node.ts';
import type { Core } from '../state/core.ts';
import type { Remote } from '../state/remote.ts';
import { addControlFile, isFresh, setSnapshot } from './control-files.ts';
import { dirtyFiles } from './pending.ts';

/** A session's name is much shorter; more than this is no order. */
const ORDER_BYTES_MAX = 4096;

/** The readers of one file. */
interface Readers {
  asked: boolean;
  waiting: Set<number>;
  /** Those for whom the last answer came: it is theirs, however late they come for it. */
  answered: Set<number>;
  failed: boolean;
}

/** Of one write, by the request's number: two writers do not mix. */
interface Order {
  id: number;
  outcome: 'waiting' | 'done' | 'failed';
}

export class ControlQuestions {
  readonly #core: Core;
  readonly #remote: Remote;
  readonly #readers = new Map<ControlFileNode, Readers>();
  readonly #orders = new Map<number, Order>();
  readonly #open = new Map<number, (text: string | undefined) => void>();
  #lastId = 0;

  constructor(core: Core, remote: Remote) {
    this.#core = core;
    this.#remote = remote;
  }

  /** `argument`: what this thread knows, in JSON. The order fixes the files' numbers, which outlive this daemon. */
  addFiles(argument: () => string): void {
    addControlFile(this.#core, 'status.json', { by: 'question', question: 'status', argument });
    addControlFile(this.#core, 'metrics', { by: 'question', question: 'metrics', argument });
    addControlFile(this.#core, 'flush', { by: 'orders', question: 'flush' });
  }

  /** 0 when the snapshot may be shown; PARKED until then; EIO when the main thread could not answer. */
  refresh(node: ControlFileNode): Status {
    const { source } = node;
    if (source.by !== 'question') return 0;
    const readers = this.#readersOf(node);
    const { request } = this.#core;
    if (readers.answered.delete(request)) return readers.failed ? Errno.EIO : 0;
    if (isFresh(this.#core, node)) return 0;
    readers.waiting.add(request);
    if (!readers.asked) {
      readers.asked = true;
      const id = this.#nextId((text) => this.#hand(node, readers, text));
      this.#remote.host.ask(id, source.question, source.argument(), this.#dirtyPaths());
    }
    return PARKED;
  }

  /** Returns data.length once the order was carried out, EIO when it was not. */
  order(data: Buffer): number {
    if (data.length > ORDER_BYTES_MAX) return Errno.EINVAL;
    const { request } = this.#core;
    const order = this.#orders.get(request);
    if (order === undefined) this.#give(request, data.toString('utf8').trim());
    if (order === undefined || order.outcome === 'waiting') return PARKED;
    this.#orders.delete(request);
    return order.outcome === 'done' ? data.length : Errno.EIO;
  }

  /** `text` undefined: it failed. An answer that no call waits for any more is dropped. */
  answer(id: number, text: string | undefined): void {
    const take = this.#open.get(id);
    this.#open.delete(id);
    take?.(text);
  }

  interrupted(request: number): void {
    const order = this.#orders.get(request);
    if (order !== undefined) this.#open.delete(order.id);
    this.#orders.delete(request);
    for (const { waiting, answered } of this.#readers.values()) {
      waiting.delete(request);
      answered.delete(request);
    }
  }

  #give(request: number, text: string): void {
    const order: Order = { id: 0, outcome: 'waiting' };
    order.id = this.#nextId((answer) => {
      order.outcome = answer === undefined ? 'failed' : 'done';
      // A read after the order must not see what was before it.
      for (const node of this.#readers.keys()) node.renderedMs = Number.NEGATIVE_INFINITY;
    });
    this.#orders.set(request, order);
    this.#remote.host.ask(order.id, 'flush', text, []);
  }

  #hand(node: ControlFileNode, readers: Readers, text: string | undefined): void {
    readers.asked = false;
    readers.failed = text === undefined;
    readers.answered = readers.waiting;
    readers.waiting = new Set();
    if (text !== undefined) setSnapshot(this.#core, node, text);
  }

  #readersOf(node: ControlFileNode): Readers {
    let readers = this.#readers.get(node);
    if (readers === undefined) {
      readers = { asked: false, waiting: new Set(), answered: new Set(), failed: false };
      this.#readers.set(node, readers);
    }
    return readers;
  }

  #dirtyPaths(): string[] {
    return dirtyFiles(this.#core).map((node) => this.#core.tree.pathOf(node));
  }

  #nextId(take: (text: string | undefined) => void): number {
    this.#open.set(++this.#lastId, take);
    return this.#lastId;
  }
}
