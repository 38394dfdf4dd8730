import type { FileSystemOperations } from '../../fs/contract.ts';
import type { NegotiatedSession } from '../host/messages.ts';
import { GONE, NOTHING, readRequest, writeMessage } from './device.ts';
import type { DispatchHost } from './dispatch-host.ts';
import { Dispatcher, type DispatcherOptions } from './dispatcher.ts';
import { InFlight } from './in-flight.ts';
import { endLostRequests } from './lost-requests.ts';
import { canResend, REQUEST_BUFFER_BYTES } from './session.ts';

/** What the driver does for the dispatcher itself. */
type OwnDuties = 'send' | 'keep' | 'release' | 'repeating' | 'repeated' | 'mayBeLost';

/** What the driver tells, on the thread that serves. */
export interface DirectDriverHost extends Omit<DispatchHost, OwnDuties> {
  /**
   * A request was read and is carried out next. `retryParked` may be called from here. 'stop': `serve` returns after it;
   * what is parked stays unanswered, for the next server to be sent again.
   */
  beforeRequest(): 'continue' | 'stop';
  /** A request was answered or parked: a moment for work that must not delay its answer, but delays the next one. */
  afterRequest(): void;
}

export interface KernelConnection {
  fd: number;
  /** What an earlier server of this connection negotiated: the kernel sends INIT only once. */
  session?: NegotiatedSession | undefined;
  /** Where requests are kept for the next server, if this kernel does not send them again. */
  inFlightFd: number;
  /** See DispatcherOptions. */
  options: DispatcherOptions;
}

/** Serves one connection on the calling thread, which blocks in read(2) and does nothing else. */
export class DirectDriver {
  readonly #fd: number;
  readonly #host: DirectDriverHost;
  readonly #fs: FileSystemOperations;
  readonly #dispatcher: Dispatcher;
  readonly #inFlight: InFlight;
  readonly #buffer = Buffer.from(new ArrayBuffer(REQUEST_BUFFER_BYTES));
  #keepsRequests: boolean;

  constructor(
    { fd, session, inFlightFd, options }: KernelConnection,
    fs: FileSystemOperations,
    host: DirectDriverHost,
  ) {
    this.#fd = fd;
    this.#host = host;
    this.#fs = fs;
    this.#inFlight = new InFlight(inFlightFd);
    this.#keepsRequests = session !== undefined && !canResend(session);
    this.#dispatcher = new Dispatcher(fs, this.#dispatchHost(), session, options);
  }

  /** Returns when the mount is gone, or when `beforeRequest` said so. The descriptor stays open. */
  serve(): 'unmounted' | 'stopped' {
    // Its pages must be there: for a process that is being killed the kernel fetches none, and fails the request with EIO.
    const buffer = this.#buffer.fill(0);
    if (this.#keepsRequests) this.#answerKept();
    for (;;) {
      const length = readRequest(this.#fd, buffer);
      if (length === GONE) return 'unmounted';
      if (length === NOTHING) continue;
      if (this.#keepsRequests) this.#inFlight.serving(buffer, length);
      const next = this.#host.beforeRequest();
      this.#dispatcher.dispatch(buffer, length);
      this.#host.afterRequest();
      if (next === 'stop') return 'stopped';
    }
  }

  /** Carries every parked request out again. Only from `beforeRequest`, or before `serve`. */
  retryParked(): void {
    this.#dispatcher.retryParked();
  }

  /** See Dispatcher. Only from `beforeRequest`. */
  answerStored(request: number, error: number): void {
    this.#dispatcher.answerStored(request, error);
  }

  get parkedCount(): number {
    return this.#dispatcher.parkedCount;
  }

  /** What the server before this one read: some of it may be answered already, then the kernel ignores the answer. */
  #answerKept(): void {
    const inherited = this.#inFlight.inherited();
    const kept = new Set(inherited.map(({ number }) => number));
    endLostRequests({
      last: this.#inFlight.last,
      isKnown: (number) => kept.has(number) || this.#fs.wasCarriedOut(number),
      send: (reply, length) => this.#send(reply, length),
    });
    for (const { bytes, isWhole, slot } of inherited) {
      if (isWhole) this.#dispatcher.dispatchKept(bytes, slot);
      else this.#dispatcher.answerCut(bytes, slot);
      this.#host.afterRequest();
    }
    this.#inFlight.served();
  }

  #dispatchHost(): DispatchHost {
    const host = this.#host;
    return {
      send: (reply, length) => this.#send(reply, length),
      keep: (request) => (this.#keepsRequests ? this.#inFlight.keep(request) : 0),
      release: (slot) => this.#inFlight.release(slot),
      repeating: (request, isInherited) => this.#inFlight.repeating(request, isInherited),
      repeated: () => this.#inFlight.repeated(),
      gaveUp: (opcode, node, name) => host.gaveUp(opcode, node, name),
      syncThenReply: (uniqueLo, uniqueHi, slot) => host.syncThenReply(uniqueLo, uniqueHi, slot),
      store: (request, unstored) => host.store(request, unstored),
      answered: (request, interrupted) => host.answered(request, interrupted),
      measured: (opcode, error, ms) => host.measured(opcode, error, ms),
      mayBeLost: () => this.#keepsRequests,
      initialized: (session) => {
        this.#keepsRequests = !canResend(session);
        host.initialized(session);
      },
      refused: (error) => host.refused(error),
      makeRoom: () => host.makeRoom?.() ?? false,
      unexpected: (error, opcode) => host.unexpected(error, opcode),
    };
  }

  /** A reply the kernel finds malformed fails its request there (EIO); that is a mistake in this program, not its end. */
  #send(reply: Buffer, length: number): boolean {
    try {
      return writeMessage(this.#fd, reply, length);
    } catch (error) {
      this.#host.unexpected(error, 0);
      return false;
    }
  }
}
