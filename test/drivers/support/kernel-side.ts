import type { DispatchHost } from '../../../src/drivers/direct/dispatch-host.ts';
import { Dispatcher } from '../../../src/drivers/direct/dispatcher.ts';
import { negotiate } from '../../../src/drivers/direct/session.ts';
import type { NegotiatedSession } from '../../../src/drivers/host/messages.ts';
import type { FileSystemOperations, Unstored } from '../../../src/fs/contract.ts';

/** What Linux 6.18 agrees to. */
export function currentSession(): NegotiatedSession {
  const offer = { major: 7, minor: 45, maxReadaheadBytes: 131_072, flags: 0xffff_ffff, flags2: 0xffff_ffff };
  const negotiation = negotiate(offer);
  if (negotiation.kind !== 'agreed') throw new Error(`negotiation ended in ${negotiation.kind}`);
  return negotiation.session;
}

/** Stands where /dev/fuse is: keeps what the dispatcher sends and asks for. */
export class KernelSide implements DispatchHost {
  readonly replies: Buffer[] = [];
  readonly stores: Array<[request: number, unstored: Unstored]> = [];
  /** Requests that waited to be stored, and whether they were interrupted. */
  readonly answers: Array<[request: number, interrupted: boolean]> = [];
  readonly syncs: Array<[number, number]> = [];
  readonly sessions: NegotiatedSession[] = [];
  readonly measurements: Array<[opcode: number, error: number, ms: number]> = [];
  readonly refusals: Error[] = [];
  readonly surprises: unknown[] = [];
  /** What waits, by slot. */
  readonly kept = new Map<number, Buffer>();
  /** What was carried out, not for the first time. */
  readonly repeats: Array<{ request: number; isInherited: boolean; isOver: boolean }> = [];
  readonly givenUp: Array<[opcode: number, node: number, name: string | undefined]> = [];
  losesRequests = false;
  #lastSlot = 0;
  /** Whether the kernel still waits for what it is sent. */
  waiting = true;
  readonly dispatcher: Dispatcher;

  constructor(
    fs: FileSystemOperations,
    session: NegotiatedSession | 'before INIT' = currentSession(),
    fatal: readonly number[] = [],
  ) {
    const negotiated = session === 'before INIT' ? undefined : session;
    this.dispatcher = new Dispatcher(fs, this, negotiated, { resend: true, fatal });
  }

  static beforeInit(fs: FileSystemOperations): KernelSide {
    return new KernelSide(fs, 'before INIT');
  }

  send(reply: Buffer, length: number): boolean {
    this.replies.push(Buffer.from(reply.subarray(0, length)));
    return this.waiting;
  }
  keep(request: Buffer): number {
    this.kept.set(++this.#lastSlot, Buffer.from(request));
    return this.#lastSlot;
  }
  release(slot: number): void {
    this.kept.delete(slot);
  }
  repeating(request: number, isInherited: boolean): void {
    this.repeats.push({ request, isInherited, isOver: false });
  }
  repeated(): void {
    const last = this.repeats.at(-1);
    if (last === undefined || last.isOver) throw new Error('nothing is repeated');
    last.isOver = true;
  }
  gaveUp(opcode: number, node: number, name: string | undefined): void {
    this.givenUp.push([opcode, node, name]);
  }
  store(request: number, unstored: Unstored): void {
    this.stores.push([request, unstored]);
  }

  answered(request: number, interrupted: boolean): void {
    this.answers.push([request, interrupted]);
  }

  mayBeLost(): boolean {
    return this.losesRequests;
  }
  syncThenReply(uniqueLo: number, uniqueHi: number, slot: number): void {
    this.syncs.push([uniqueLo, uniqueHi]);
    this.release(slot);
  }
  measured(opcode: number, error: number, ms: number): void {
    this.measurements.push([opcode, error, ms]);
  }
  initialized(session: NegotiatedSession): void {
    this.sessions.push(session);
  }
  refused(error: Error): void {
    this.refusals.push(error);
  }
  unexpected(error: unknown): void {
    this.surprises.push(error);
  }

  /** The replies to one request. */
  ask(request: Buffer): Buffer[] {
    const before = this.replies.length;
    this.dispatcher.dispatch(request, request.length);
    return this.replies.slice(before);
  }

  /** The `error` of the one reply to a request. */
  errorOf(request: Buffer): number {
    const [reply, ...more] = this.ask(request);
    if (reply === undefined || more.length > 0)
      throw new Error(`not one reply, but ${more.length + (reply ? 1 : 0)}`);
    return reply.readInt32LE(4);
  }
}
