/**
 * Requests that cannot be answered yet: the filesystem core said PARKED. Their bytes are copied, because the read buffer goes on to serve others; they are
 * dispatched again, from the start, when the host says so. They live in memory only: after a crash the kernel sends them
 * again (FUSE_NOTIFY_RESEND), or whoever took the connection over answers them.
 */

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
