/** Which rules of a bucket concern the objects of a mount. */

/** What all of them begin with. */
const OWN_PREFIXES = ['sessions/', '.sessionfs/'];
const TRASH_PREFIX = '.sessionfs/trash/';

/** Whether the name of one may begin with `prefix`. What was removed is not counted: a rule for the trash alone takes no session in use. */
export function mayBeOurs(prefix: string): boolean {
  if (isOfTrash(prefix)) return false;
  return OWN_PREFIXES.some((own) => prefix.startsWith(own) || own.startsWith(prefix));
}

/** Whether only what was removed begins with `prefix`. */
export function isOfTrash(prefix: string): boolean {
  return prefix.startsWith(TRASH_PREFIX);
}

/** Undefined: there is none. */
export function least(days: readonly number[]): number | undefined {
  return days.length === 0 ? undefined : Math.min(...days);
}
