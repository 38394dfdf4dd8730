/** What every upload says of the cache that it comes from, and of the right by which it was written. */
const WRITER = 'sessionfs-writer';
const EPOCH = 'sessionfs-epoch';

export type Metadata = Readonly<Record<string, string>>;

/** `epoch`: the lease's; 0: none. */
export function signature(id: string, epoch: number): Record<string, string> {
  return epoch === 0 ? { [WRITER]: id } : { [WRITER]: id, [EPOCH]: String(epoch) };
}

/** Whether a mount has stored it, from another cache than the one with this id. */
export function isOfAnother(id: string | undefined, metadata: Metadata): boolean {
  const writer = metadata[WRITER];
  return writer !== undefined && writer !== id;
}

/** Whether the object was stored from the cache with this id. */
export function isSignedBy(id: string, metadata: Metadata): boolean {
  return metadata[WRITER] === id;
}

/** Undefined for what no mount with a lease has stored: brought by hand, or a file in the root. */
export function epochOf(metadata: Metadata): number | undefined {
  const text = metadata[EPOCH];
  if (text === undefined || !/^[1-9][0-9]{0,14}$/.test(text)) return undefined;
  return Number(text);
}

/** A late write of a mount that had lost the session by then. What was brought by hand is none. */
export function isBelow(floor: number, metadata: Metadata): boolean {
  const epoch = epochOf(metadata);
  return epoch !== undefined && epoch < floor;
}
