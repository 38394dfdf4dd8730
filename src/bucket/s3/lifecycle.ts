/** Which rule of an S3 bucket deletes a mount's objects by their age. */
import type { LifecycleRule } from '@aws-sdk/client-s3';
import { least, mayBeOurs } from '../own-prefixes.ts';

/** Undefined: none does. */
export function deletesAfterDays(rules: readonly LifecycleRule[]): number | undefined {
  const enabled = rules.filter((rule) => rule.Status === 'Enabled' && mayDeleteOurs(rule));
  return least(
    enabled.flatMap(({ Expiration }) => (typeof Expiration?.Days === 'number' ? [Expiration.Days] : [])),
  );
}

/** No object of a mount has a tag. */
function mayDeleteOurs({ Filter, Prefix }: LifecycleRule): boolean {
  if (Filter?.Tag !== undefined || (Filter?.And?.Tags?.length ?? 0) > 0) return false;
  return mayBeOurs(Filter?.And?.Prefix ?? Filter?.Prefix ?? Prefix ?? '');
}
