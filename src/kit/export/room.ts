/** A command that reads a session has it in memory whole, sealed and opened: what cannot be there is refused before it is read. */
import { totalmem } from 'node:os';
import { cgroupLimits } from '../../lib/cgroup-limits.ts';
import { SessionfsError } from '../../lib/errors.ts';
import { sizeText } from '../../lib/human.ts';

/** Sealed and opened. */
const COPIES = 2;

/** Throws MEMORY_UNAVAILABLE where these objects of the session have more than this machine, or container, has memory for. */
export function requireRoom(
  session: string,
  objects: readonly { readonly size: number }[],
  memoryBytes = Math.min(totalmem(), cgroupLimits().memoryBytes),
): void {
  const bytes = objects.reduce((sum, { size }) => sum + size, 0);
  if (COPIES * bytes <= memoryBytes) return;
  throw new SessionfsError(
    'MEMORY_UNAVAILABLE',
    `${session} has ${sizeText(bytes)} in the bucket, and to read it takes twice as much memory: there are ${sizeText(memoryBytes)}`,
    {
      hint: 'Run the command where there is more memory; or see with `sessionfs ls SESSION` which of its files does not belong there, and write others out one by one with `sessionfs cat`.',
    },
  );
}
