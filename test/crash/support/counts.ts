/** SESSIONFS_CRASH=full runs the counts that a promise is stated by, anything else as many as fit into every run. */
export const isFull = process.env.SESSIONFS_CRASH === 'full';

export function count(short: number, full: number): number {
  return isFull ? full : short;
}

/** A moment, in ms, between two others: what a crash hits must not depend on a rhythm. */
export function randomMs(from: number, to: number): number {
  return from + Math.random() * (to - from);
}
