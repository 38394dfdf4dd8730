/**
 * Requests that cannot be answered yet: the filesystem core said PARKED. Their bytes are copied, because the read buffer goes
 * on to serve others; they are dispatched again, from the start, when the host says so. They live in memory only: after a
 * crash the kernel sends them again (FUSE_NOTIFY_RESEND), or the next daemon reads them from the in-flight file.
 */
import type { Request } from './request.ts';

/** A request of the kernel by its number, in two words. */
export interface UniqueId {
  uniqueLo: number;
  uniqueHi: number;
}

export interface ParkedRequest extends UniqueId {
  /** The whole request, owned. */
  readonly bytes: Buffer;
  /** Where it is kept for the next server (in-flight.ts); 0: nowhere. */
  readonly slot: number;
  /** When it came, on the clock of `performance.now`. */
  readonly startedMs: number;
}

export interface SlotHost {
  /** Keeps the request for the next server where the kernel does not send it again. Returns where; 0: nowhere. */
  keep(request: Buffer): number;
  /** What was kept there is answered. */
  release(slot: number): void;
  /** This request is carried out, not for the first time, until `repeated`. `isInherited`: an earlier server had read it. */
  repeating(request: number, isInherited: boolean): void;
  repeated(): void;
}

/**
 * Where the request being served is kept for the next server. A request that is read for the first time is not kept; one that
 * has waited is. Bound to one request after the other, as `Request` is.
 */
export class Slot {
  readonly #host: SlotHost;
  readonly #request: Request;
  #kept: ParkedRequest | undefined;
  #startedMs = 0;

  constructor(host: SlotHost, request: Request) {
    this.#host = host;
    this.#request = request;
  }

  /** The request is bound. `kept`: it has waited before. */
  bind(kept: ParkedRequest | undefined): void {
    this.#kept = kept;
    this.#startedMs = kept?.startedMs ?? performance.now();
  }

  /** As `bind`, for a request that an earlier server has kept in `slot`; 0: that it was serving, and kept nowhere. */
  bindInherited(slot: number): void {
    this.#startedMs = performance.now();
    this.#kept = slot === 0 ? undefined : this.#in(slot, this.#request.copyBytes());
  }

  /** When the request came; one that an earlier server had read counts from when this one took it up. */
  get startedMs(): number {
    return this.#startedMs;
  }

  /** The request waits on: keeps it, if it is not kept. */
  keep(): ParkedRequest {
    if (this.#kept === undefined) {
      const bytes = this.#request.copyBytes();
      this.#kept = this.#in(this.#host.keep(bytes), bytes);
    }
    return this.#kept;
  }

  /** The request is answered. */
  release(): void {
    if (this.#kept !== undefined) this.#host.release(this.#kept.slot);
  }

  #in(slot: number, bytes: Buffer): ParkedRequest {
    const { uniqueLo, uniqueHi } = this.#request;
    return { uniqueLo, uniqueHi, bytes, slot, startedMs: this.#startedMs };
  }
}

export class ParkingLot {
  readonly #requests = new Map<string, ParkedRequest>();

  get size(): number {
    return this.#requests.size;
  }

  /** A request that the kernel sent again takes the place of its first copy: only the newer number is still known to it. */
  park(parked: ParkedRequest): void {
    this.#requests.set(keyOf(parked.uniqueLo, parked.uniqueHi), parked);
  }

  /** Takes one out; undefined when it is not parked here. */
  take(uniqueLo: number, uniqueHi: number): ParkedRequest | undefined {
    const key = keyOf(uniqueLo, uniqueHi);
    const parked = this.#requests.get(key);
    this.#requests.delete(key);
    return parked;
  }

  /** Takes all out, the longest waiting first. */
  takeAll(): ParkedRequest[] {
    const all = [...this.#requests.values()];
    this.#requests.clear();
    return all;
  }
}

/** The top bit only says that a request was sent again. */
function keyOf(uniqueLo: number, uniqueHi: number): string {
  return `${uniqueHi & 0x7fff_ffff}:${uniqueLo}`;
}
