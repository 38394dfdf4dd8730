/**
 * What the limits of a container leave for sessionfs. Too little shows late, and far from its cause: as daemons that die again and
 * again, or as threads that Node.js cannot make and aborts for.
 */
import { cgroupLimits } from '../lib/cgroup-limits.ts';
import type { Logger } from '../observe/log.ts';

const MB = 1_000_000;

/** The smallest limits measured (docs/containers.md), and some room above them. */
const NEEDED = { memoryBytes: 96 * MB, tasks: 40 };

export const RAISE_LIMITS =
  'Give the container more: --memory, --pids-limit, in Kubernetes resources.limits.memory and podPidsLimit.';

export function warnOfLimits(log: Logger): void {
  for (const warning of limitWarnings()) log.warn({ hint: RAISE_LIMITS }, warning);
}

/** One sentence for each limit that is too low; none where nothing is limited, or nothing is known. */
export function limitWarnings({ memoryBytes, tasks } = cgroupLimits()): string[] {
  const warnings: string[] = [];
  if (memoryBytes < NEEDED.memoryBytes)
    warnings.push(
      `this container may use ${Math.floor(memoryBytes / MB)} MB of memory, and sessionfs needs ${NEEDED.memoryBytes / MB} MB: the kernel will kill its daemon again and again`,
    );
  if (tasks < NEEDED.tasks)
    warnings.push(
      `this container may have ${tasks} processes and threads (pids limit), and sessionfs needs ${NEEDED.tasks}: Node.js aborts when it can start no thread`,
    );
  return warnings;
}
