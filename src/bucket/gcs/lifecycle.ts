/** Which rules of a Google bucket delete a mount's objects. */
import type { LifecycleRule } from '@google-cloud/storage';
import { isOfTrash, least, mayBeOurs } from '../own-prefixes.ts';

type LifecycleCondition = LifecycleRule['condition'];

/** By their age; undefined: none does. */
export function deletesAfterDays(rules: readonly LifecycleRule[]): number | undefined {
  return least(deletionsOf(rules).flatMap(ageOf));
}

/** The conditions of those that do so by other things than the age: dates, times that an object was given. */
export function otherDeletions(rules: readonly LifecycleRule[]): string[] {
  const conditions = deletionsOf(rules).filter((condition) => ageOf(condition).length === 0);
  return conditions.map((condition) => Object.keys(condition).sort().join(' and ') || 'no condition');
}

/** How old a removed session gets before a rule for the trash alone deletes it; undefined: none does. */
export function trashDeletedAfterDays(rules: readonly LifecycleRule[]): number | undefined {
  return least(
    rules
      .filter(({ action, condition }) => action.type === 'Delete' && isOfTheNewest(condition))
      .filter(({ condition }) => prefixesOf(condition)?.some(isOfTrash))
      .flatMap(({ condition }) => ageOf(condition)),
  );
}

function deletionsOf(rules: readonly LifecycleRule[]): LifecycleCondition[] {
  return rules
    .filter(({ action, condition }) => action.type === 'Delete' && mayDeleteOurs(condition))
    .map(({ condition }) => condition);
}

function ageOf({ age }: LifecycleCondition): number[] {
  return typeof age === 'number' ? [age] : [];
}

function mayDeleteOurs(condition: LifecycleCondition): boolean {
  return isOfTheNewest(condition) && (prefixesOf(condition)?.some(mayBeOurs) ?? true);
}

function prefixesOf({ matchesPrefix }: LifecycleCondition): string[] | undefined {
  const prefixes: unknown = matchesPrefix;
  return Array.isArray(prefixes) ? prefixes.map(String) : undefined;
}

/** What a rule must say for the newest version of an object to be safe from it. */
const NONCURRENT_CONDITIONS = ['daysSinceNoncurrentTime', 'noncurrentTimeBefore'] as const;

/** All conditions of a rule must hold. Of the newest version, 0 are newer. */
function isOfTheNewest(condition: LifecycleCondition): boolean {
  if (condition.isLive === false || (condition.numNewerVersions ?? 0) > 0) return false;
  return NONCURRENT_CONDITIONS.every((key) => condition[key] === undefined);
}
