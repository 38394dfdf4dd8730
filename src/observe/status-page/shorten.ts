/** Phone numbers, shortened to their last digits: what is shown on a screen is seen by others. */

const KEPT_DIGITS = 4;
/** A run of digits in one piece. */
const RUN = /\p{Nd}{7,}/gu;
/** Digits with something between them, as people write numbers. */
const GROUPED = /\p{Nd}(?:[ .()_-]{0,2}\p{Nd}){6,}/gu;

/** For names of sessions and files, and for what is said about them. */
export function shortenNames(text: string): string {
  return shortenRuns(text).replace(GROUPED, lastDigits);
}

/** For hosts and paths, in which digits with dots and dashes between them are an address or a version. */
export function shortenRuns(text: string): string {
  return text.replace(RUN, lastDigits);
}

function lastDigits(number: string): string {
  return `…${[...number.replaceAll(/\P{Nd}/gu, '')].slice(-KEPT_DIGITS).join('')}`;
}
