/** What every upload says of the cache it comes from. */
const WRITER = 'sessionfs-writer';

export function signature(id: string): Record<string, string> {
  return { [WRITER]: id };
}

/** Whether the object was stored from the cache with this id. */
export function isSignedBy(id: string, metadata: Readonly<Record<string, string>>): boolean {
  return metadata[WRITER] === id;
}
