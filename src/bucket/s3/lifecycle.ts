/** Which rule of an S3 bucket deletes a mount's objects by their age. */
import type { LifecycleRule } from '@aws-sdk/client-s3';

/** What all objects of a mount begin with. */
const OWN_PREFIXES = ['sessions/', '.sessionfs/'];

/** Undefined: none does. */
export function deletesAfterDays(rules: readonly LifecycleRule[]): number | undefined {
  const days = rules
    .filter((rule) => rule.Status === 'Enabled' && mayDeleteOurs(rule))
    .flatMap(({ Expiration }) => (typeof Expiration?.Days === 'number' ? [Expiration.Days] : []));
  return days.length === 0 ? undefined : Math.min(...days);
}

/** No object of a mount has a tag. */
function mayDeleteOurs({ Filter, Prefix }: LifecycleRule): boolean {
  if (Filter?.Tag !== undefined || (Filter?.And?.Tags?.length ?? 0) > 0) return false;
  const prefix = Filter?.And?.Prefix ?? Filter?.Prefix ?? Prefix ?? '';
  return OWN_PREFIXES.some((own) => prefix.startsWith(own) || own.startsWith(prefix));
}
