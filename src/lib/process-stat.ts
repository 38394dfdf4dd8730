/** /proc/PID/stat, as far as sessionfs asks for it. */

export interface ProcessStat {
  /** One letter; Z: it has ended, and its parent has not asked for its status yet. */
  readonly state: string;
  readonly parent: number;
  /** In clock ticks since the machine was booted. With the id it names one process for good. */
  readonly startTime: string;
}

/** Undefined for a text that is no such line. The second field, the name in parentheses, may hold any character. */
export function parseProcessStat(text: string): ProcessStat | undefined {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const [state, parent, startTime] = [fields[0], fields[1], fields[19]];
  if (!text.includes(')') || state === undefined || parent === undefined || startTime === undefined)
    return undefined;
  return { state, parent: Number(parent), startTime };
}
