/** The core numbers errors as Linux does; other systems have other numbers for the same names. */
import { constants } from 'node:os';
import { errnoName } from '../../lib/errno.ts';

/** `value` is negative, and so is the answer. Only names that the core knows are translated. */
export function errnoOfThisSystem(
  value: number,
  numbers: Readonly<Record<string, number>> = constants.errno,
): number {
  const number = numbers[errnoName(value)];
  return number === undefined ? value : -number;
}
