/** What the control group of this process, or one above it, lets it have. */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

export interface CgroupLimits {
  /** Infinity: there is no limit, or none that can be read. */
  memoryBytes: number;
  tasks: number;
}

/** Version 2 has one tree, and names no controllers; in version 1 each has a tree of its name. */
const FILES: readonly { limit: keyof CgroupLimits; controller: string; file: string }[] = [
  { limit: 'memoryBytes', controller: '', file: 'memory.max' },
  { limit: 'tasks', controller: '', file: 'pids.max' },
  { limit: 'memoryBytes', controller: 'memory', file: 'memory.limit_in_bytes' },
  { limit: 'tasks', controller: 'pids', file: 'pids.max' },
];

export function cgroupLimits(own = '/proc/self/cgroup', mounted = '/sys/fs/cgroup'): CgroupLimits {
  const limits = { memoryBytes: Number.POSITIVE_INFINITY, tasks: Number.POSITIVE_INFINITY };
  const groups = read(own);
  for (const { limit, controller, file } of FILES) {
    const group = groupOf(groups, controller);
    if (group === undefined) continue;
    limits[limit] = Math.min(limits[limit], lowest(join(mounted, controller), group, file));
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
