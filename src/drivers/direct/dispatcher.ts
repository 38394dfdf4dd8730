import type { FileSystemOperations, Unstored } from '../../fs/contract.ts';
import { Errno, errnoOf } from '../../lib/errno.ts';
import type { NegotiatedSession } from '../host/messages.ts';
import { classify, EPROTO, replyableError } from '../host/outcome.ts';
import { fuse_write_in } from './abi/files.ts';
import { fuse_in_header, fuse_interrupt_in } from './abi/headers.ts';
import { fuse_init_in, INIT_IN_SIZE_BEFORE_FLAGS2 } from './abi/init.ts';
import { OPCODE_LIMIT, Opcode } from './abi/opcodes.ts';
import type { DispatchHost } from './dispatch-host.ts';
import { attributeOperations } from './handlers/attributes.ts';
import { contentOperations } from './handlers/content.ts';
import { Exchange, type Operation } from './handlers/exchange.ts';
import { nameOperations } from './handlers/names.ts';
import { refusedOperations } from './handlers/refused.ts';
import { type ParkedRequest, ParkingLot, Slot } from './parking.ts';
import { type Request, requestNumber } from './request.ts';
import { type InitOffer, negotiate, putInitOut } from './session.ts';

/** An answer that waits for what the request has changed to be stored. */
interface DeferredReply {
  opcode: number;
  startedMs: number;
  uniqueLo: number;
  uniqueHi: number;
  /** Where the request is kept; 0: nowhere. */
  slot: number;
  bytes: Buffer;
  /** If the kernel no longer waits for it, a lookup of this node is taken back; 0: none. */
  entry: number;
  /** The file that a WRITE is for, whose pages the kernel keeps locked; 0: none. */
  written: number;
}

export interface DispatcherOptions {
  /** False: behave as on a kernel that sends nothing again. */
  resend: boolean;
  /** Numbers of requests that are answered EIO: see `DispatchHost.gaveUp`. */
  fatal: readonly number[];
}

const operations: ReadonlyArray<Operation | undefined> = tableByOpcode();
/** Requests whose arguments are followed by the name of a child. */
const namesChild: ReadonlySet<number> = new Set(nameOperations.map(([opcode]) => opcode));

function tableByOpcode(): Array<Operation | undefined> {
  const table = new Array<Operation | undefined>(OPCODE_LIMIT).fill(undefined);
  const all = [...attributeOperations, ...nameOperations, ...contentOperations, ...refusedOperations];
  for (const [opcode, operation] of all) table[opcode] = operation;
  return table;
}

/**
 * Serves the kernel's requests, one after the other, from a filesystem. Every request that wants an answer gets exactly
 * one, now or (parked) later. No request makes the dispatcher throw. `INIT pending -> serving`: requests before INIT
 * are refused, unless a session was handed over that another server negotiated.
 */
export class Dispatcher {
  readonly #host: DispatchHost;
  readonly #exchange: Exchange;
  readonly #request: Request;
  readonly #slot: Slot;
  readonly #parked = new ParkingLot();
  /** By the request's number. */
  readonly #deferred = new Map<number, DeferredReply>();
  readonly #resend: boolean;
  /** Numbers of requests that are answered EIO: daemon after daemon died of them. */
  readonly #fatal: ReadonlySet<number>;
  #session: NegotiatedSession | undefined;

  constructor(
    fs: FileSystemOperations,
    host: DispatchHost,
    session?: NegotiatedSession,
    { resend, fatal }: DispatcherOptions = { resend: true, fatal: [] },
  ) {
    this.#host = host;
    this.#resend = resend;
    this.#fatal = new Set(fatal);
    this.#exchange = new Exchange(fs);
    this.#request = this.#exchange.request;
    this.#slot = new Slot(host, this.#request);
    this.#session = session;
  }

  /** Requests that wait for `retryParked`; those that wait for a sync are not counted. */
  get parkedCount(): number {
    return this.#parked.size;
  }

  /** The request in the first `length` bytes. The buffer may be overwritten after the call. */
  dispatch(bytes: Buffer, length: number): void {
    this.#dispatch(bytes, length, undefined);
  }

  /** A request that an earlier server read and kept in `slot` (0: that it was serving). If it waits on, it stays there. */
  dispatchKept(bytes: Buffer, slot: number): void {
    if (!this.#request.bind(bytes, bytes.length)) return;
    this.#slot.bindInherited(slot);
    this.#repeat(true);
  }

  /**
   * A request that an earlier server read and left only the beginning of, in `slot`. If it was a WRITE that was carried out, it
   * is answered; else the caller is told to try again.
   */
  answerCut(bytes: Buffer, slot: number): void {
    const { reply, fs, request } = this.#exchange;
    if (!request.bind(bytes, bytes.length)) {
      this.#host.release(slot);
      return;
    }
    this.#slot.bindInherited(slot);
    const isWrite = request.opcode === Opcode.FUSE_WRITE && request.beginArguments(fuse_write_in.SIZE);
    if (!isWrite || !fs.wasCarriedOut(request.number)) {
      this.#settle(Errno.EINTR, undefined);
    } else {
      fs.begin(request.number);
      this.#settle(reply.written(request.u32(fuse_write_in.size)), undefined);
    }
  }

  /** Carries every parked request out again, in the order they came; some may be parked again. */
  retryParked(): void {
    for (const parked of this.#parked.takeAll()) this.#dispatch(parked.bytes, parked.bytes.length, parked);
  }

  /** What the request of this number has changed is stored, or (`error`, a negative errno) will not be in time. */
  answerStored(request: number, error: number): void {
    const deferred = this.#takeDeferred(request);
    if (deferred === undefined) return;
    const { uniqueLo, uniqueHi, bytes, entry } = deferred;
    const isTaken = error === 0 && this.#host.send(bytes, bytes.length);
    if (error !== 0) this.#sendError(uniqueLo, uniqueHi, error);
    this.#measure(deferred.opcode, error, deferred.startedMs);
    if (!isTaken && entry !== 0) this.#exchange.fs.forget(entry, 1);
    this.#host.answered(request, false);
  }

  /** Readers are shown from now on what it has written. */
  #takeDeferred(request: number): DeferredReply | undefined {
    const deferred = this.#deferred.get(request);
    if (deferred === undefined) return undefined;
    this.#deferred.delete(request);
    if (deferred.written !== 0) this.#exchange.fs.releaseAttributes(deferred.written);
    this.#host.release(deferred.slot);
    return deferred;
  }

  #dispatch(bytes: Buffer, length: number, retried: ParkedRequest | undefined): void {
    if (!this.#request.bind(bytes, length)) return;
    this.#slot.bind(retried);
    const isInherited = this.#request.isSentAgain;
    if (isInherited || retried !== undefined) this.#repeat(isInherited);
    else this.#carryOut();
  }

  /** A request of which a daemon may have died leaves a trace while it is carried out. */
  #repeat(isInherited: boolean): void {
    this.#host.repeating(this.#request.number, isInherited);
    this.#carryOut();
    this.#host.repeated();
  }

  #carryOut(): void {
    const { opcode } = this.#request;
    const operation = operations[opcode];
    if (opcode === Opcode.FUSE_INTERRUPT) this.#interrupt();
    else this.#settle(this.#outcome(opcode, operation), operation);
  }

  #outcome(opcode: number, operation: Operation | undefined): number {
    const request = this.#request;
    try {
      if (request.headerError !== 0) return request.headerError;
      if (opcode === Opcode.FUSE_INIT) return this.#initialize();
      if (this.#session === undefined) return Errno.EIO;
      if (operation === undefined) return Errno.ENOSYS;
      if (!request.beginArguments(operation.argumentBytes)) return Errno.EIO;
      if (this.#fatal.has(request.number)) return this.#giveUp();
      this.#exchange.fs.begin(request.number);
      return operation.run(this.#exchange);
    } catch (error) {
      this.#host.unexpected(error, opcode);
      return errnoOf(error);
    }
  }

  #giveUp(): Errno {
    const { opcode, node } = this.#request;
    const name = namesChild.has(opcode) ? this.#request.nextName() : undefined;
    this.#host.gaveUp(opcode, node, typeof name === 'string' ? name : undefined);
    return Errno.EIO;
  }

  #settle(outcome: number, operation: Operation | undefined): void {
    const ending = this.#wantsReply() ? classify(outcome, this.#exchange.fs, this.#host) : 'drop';
    if (ending === 'drop') this.#drop();
    else if (ending === 'park') this.#park();
    else if (ending === 'sync') this.#leaveToSync();
    else if (ending === 'answer') this.#answer(outcome, operation);
    else this.#defer(Math.max(0, outcome), operation, ending);
  }

  #drop(): void {
    this.#slot.release();
  }

  #park(): void {
    this.#parked.park(this.#slot.keep());
  }

  #leaveToSync(): void {
    const { uniqueLo, uniqueHi, slot } = this.#slot.keep();
    this.#host.syncThenReply(uniqueLo, uniqueHi, slot);
  }

  #answer(outcome: number, operation: Operation | undefined): void {
    const { uniqueLo, uniqueHi } = this.#request;
    const error = outcome < 0 ? replyableError(outcome, Errno.EIO) : 0;
    if (error < 0) this.#sendError(uniqueLo, uniqueHi, error);
    else this.#sendPayload(outcome, operation);
    this.#slot.release();
    this.#measure(this.#request.opcode, error, this.#slot.startedMs);
  }

  /** What the kernel is told once not to ask for is no call of an application, and neither is its first request. */
  #measure(opcode: number, error: number, startedMs: number): void {
    if (error === Errno.ENOSYS || opcode === Opcode.FUSE_INIT) return;
    this.#host.measured(opcode, error, performance.now() - startedMs);
  }

  /** A reply to the request number 0 would be taken for a notification. */
  #wantsReply(): boolean {
    const { opcode, uniqueLo, uniqueHi } = this.#request;
    if (uniqueLo === 0 && uniqueHi === 0) return false;
    return (
      opcode !== Opcode.FUSE_FORGET &&
      opcode !== Opcode.FUSE_BATCH_FORGET &&
      opcode !== Opcode.FUSE_NOTIFY_REPLY
    );
  }

  #sendPayload(payloadBytes: number, operation: Operation | undefined): void {
    const { reply, entry, listing, fs, request } = this.#exchange;
    const length = reply.finish(request.uniqueLo, request.uniqueHi, 0, payloadBytes);
    if (this.#host.send(reply.bytes, length)) return;
    if (operation?.gives === 'listing') listing.forgetAll();
    else if (operation?.gives === 'entry' && entry.nodeId !== 0) fs.forget(entry.nodeId, 1);
  }

  /** The reply waits until `unstored` is stored: see `answerStored`. */
  #defer(payloadBytes: number, operation: Operation | undefined, unstored: Unstored): void {
    const { reply, entry, fs, request } = this.#exchange;
    const { opcode, uniqueLo, uniqueHi, number } = request;
    const { slot, startedMs } = this.#slot.keep();
    const length = reply.finish(uniqueLo, uniqueHi, 0, payloadBytes);
    const bytes = Buffer.from(reply.bytes.subarray(0, length));
    const given = operation?.gives === 'entry' ? entry.nodeId : 0;
    const written = opcode === Opcode.FUSE_WRITE ? request.node : 0;
    if (written !== 0) fs.holdAttributes(written);
    const waiting = { uniqueLo, uniqueHi, slot, bytes, entry: given, written };
    this.#deferred.set(number, { opcode, startedMs, ...waiting });
    this.#host.store(number, unstored);
  }

  #sendError(uniqueLo: number, uniqueHi: number, error: number): void {
    const { reply } = this.#exchange;
    this.#host.send(reply.bytes, reply.finish(uniqueLo, uniqueHi, error, 0));
  }

  /**
   * Only what is parked can be interrupted: everything else is answered before the interrupt is read, unless a server
   * that died had read it and left no trace of it.
   */
  #interrupt(): void {
    const request = this.#request;
    if (request.headerError !== 0 || !request.beginArguments(fuse_interrupt_in.SIZE)) return;
    const uniqueLo = request.u32(fuse_interrupt_in.unique);
    const uniqueHi = request.u32(fuse_interrupt_in.unique + 4);
    const parked = this.#parked.take(uniqueLo, uniqueHi);
    if (parked !== undefined) {
      this.#exchange.fs.interrupted(requestNumber(parked.uniqueLo, parked.uniqueHi));
      this.#sendError(parked.uniqueLo, parked.uniqueHi, Errno.EINTR);
      this.#host.release(parked.slot);
      this.#measure(parked.bytes.readUInt32LE(fuse_in_header.opcode), Errno.EINTR, parked.startedMs);
    } else if (!this.#interruptDeferred(requestNumber(uniqueLo, uniqueHi)) && this.#host.mayBeLost()) {
      this.#sendError(uniqueLo, uniqueHi, Errno.EINTR);
    }
  }

  /** The change is made and goes on to the bucket; its caller no longer waits for that. */
  #interruptDeferred(request: number): boolean {
    const deferred = this.#takeDeferred(request);
    if (deferred === undefined) return false;
    this.#sendError(deferred.uniqueLo, deferred.uniqueHi, Errno.EINTR);
    if (deferred.entry !== 0) this.#exchange.fs.forget(deferred.entry, 1);
    this.#measure(deferred.opcode, Errno.EINTR, deferred.startedMs);
    this.#host.answered(request, true);
    return true;
  }

  #initialize(): number {
    const offer = readOffer(this.#request);
    if (offer === undefined || this.#session !== undefined) return Errno.EIO;
    const negotiation = negotiate(offer, this.#resend);
    switch (negotiation.kind) {
      case 'refused':
        this.#host.refused(negotiation.error);
        return EPROTO;
      case 'again':
        return putInitOut(this.#exchange.reply, undefined);
      case 'agreed':
        this.#session = negotiation.session;
        this.#host.initialized(negotiation.session);
        return putInitOut(this.#exchange.reply, negotiation.session);
    }
  }
}

/** Undefined when INIT is too short to be one. The part from `flags2` on exists since 7.36. */
function readOffer(request: Request): InitOffer | undefined {
  if (!request.beginArguments(INIT_IN_SIZE_BEFORE_FLAGS2)) return undefined;
  return {
    major: request.u32(fuse_init_in.major),
    minor: request.u32(fuse_init_in.minor),
    maxReadaheadBytes: request.u32(fuse_init_in.max_readahead),
    flags: request.u32(fuse_init_in.flags),
    flags2: request.beginArguments(fuse_init_in.SIZE) ? request.u32(fuse_init_in.flags2) : 0,
  };
}
