/** Which rules of a bucket concern the objects of a mount. */

/** What all of them begin with. */
const OWN_PREFIXES = ['sessions/', '.sessionfs/'];

/** Whether the name of one may begin with `prefix`. */
export function mayBeOurs(prefix: string): boolean {
  return OWN_PREFIXES.some((own) => prefix.startsWith(own) || own.startsWith(prefix));
}

/** Undefined: there is none. */
export function least(days: readonly number[]): number | undefined {
  return days.length === 0 ? undefined : Math.min(...days);
}
