/** What the control group of this process, or one above it, lets it have. */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

export interface CgroupLimits {
  /** Infinity: there is no limit, or none that can be read. */
  memoryBytes: number;
  tasks: number;
}

/** Of version 2, where both lie in one tree, and of version 1, where each has its own. */
const TREES: readonly { root: string; controller: string; files: Record<keyof CgroupLimits, string> }[] = [
  { root: '', controller: '', files: { memoryBytes: 'memory.max', tasks: 'pids.max' } },
  { root: 'memory', controller: 'memory', files: { memoryBytes: 'memory.limit_in_bytes', tasks: '' } },
  { root: 'pids', controller: 'pids', files: { memoryBytes: '', tasks: 'pids.max' } },
];

export function cgroupLimits(own = '/proc/self/cgroup', mounted = '/sys/fs/cgroup'): CgroupLimits {
  const limits = { memoryBytes: Number.POSITIVE_INFINITY, tasks: Number.POSITIVE_INFINITY };
  for (const { root, controller, files } of TREES) {
    const group = groupOf(read(own), controller);
    if (group === undefined) continue;
    for (const name of ['memoryBytes', 'tasks'] as const)
      if (files[name] !== '')
        limits[name] = Math.min(limits[name], lowest(join(mounted, root), group, files[name]));
  }
  return limits;
}

/** `0::/a/b` of version 2, `8:memory:/a/b` of version 1. In a container the group may be named as the host sees it. */
function groupOf(text: string, controller: string): string | undefined {
  const lines = text.split('\n').map((line) => /^\d+:([^:]*):(\/.*)$/.exec(line));
  return lines.find((line) => line?.[1]?.split(',').includes(controller))?.[2];
}

function lowest(tree: string, group: string, file: string): number {
  const limit = limitIn(join(tree, group, file));
  return group === '/' ? limit : Math.min(limit, lowest(tree, dirname(group), file));
}

/** `max`, and version 1's largest page count, are no limit. */
function limitIn(path: string): number {
  const text = read(path).trim();
  return /^\d+$/.test(text) ? Number(text) : Number.POSITIVE_INFINITY;
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
